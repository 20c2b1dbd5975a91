"""The eight kernels of `ad_kernels.py`: plain Python with loops, branches and in-place writes; each gives a float."""

import math

import numpy as np


def lorenz96(x0, F, dt, steps):
    """K1. Lorenz-96, explicit Euler; sum of squares at the end."""
    n = x0.size
    x = x0.copy()
    dx = np.empty(n)
    for _ in range(steps):
        for i in range(n):
            dx[i] = (x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + F
        for i in range(n):
            x[i] += dt * dx[i]
    total = 0.0
    for i in range(n):
        total += x[i] * x[i]
    return total


def brusselator(U, p, cot):
    """K2. Brusselator on a periodic n x n grid: right-hand sides of R states, inner product with R cotangents. U, cot: (R, 2, n, n)."""
    R, n = U.shape[0], U.shape[2]
    du = np.zeros((2, n, n))
    diffusion = p[0] * n * n
    A, B = p[1], p[2]
    total = 0.0
    for r in range(R):
        for i in range(n):
            up = i - 1 if i > 0 else n - 1
            down = i + 1 if i < n - 1 else 0
            for j in range(n):
                left = j - 1 if j > 0 else n - 1
                right = j + 1 if j < n - 1 else 0
                u, v = U[r, 0, i, j], U[r, 1, i, j]
                uuv = u * u * v
                lap_u = U[r, 0, up, j] + U[r, 0, down, j] + U[r, 0, i, right] + U[r, 0, i, left] - 4.0 * u
                lap_v = U[r, 1, up, j] + U[r, 1, down, j] + U[r, 1, i, right] + U[r, 1, i, left] - 4.0 * v
                du[0, i, j] = diffusion * lap_u + B + uuv - (A + 1.0) * u
                du[1, i, j] = diffusion * lap_v + A * u - uuv
        for c in range(2):
            for i in range(n):
                for j in range(n):
                    total += cot[r, c, i, j] * du[c, i, j]
    return total


def n_body(start, mass, v0, dt, steps, eps):
    """K3. Leapfrog for bodies with softened gravity; sum of squares of the final positions. start, v0: (n, 3)."""
    n = mass.size
    x = start.copy()
    v = v0.copy()
    acc = np.zeros((n, 3))
    half = 0.5 * dt
    for s in range(steps + 1):
        for i in range(n):
            for c in range(3):
                acc[i, c] = 0.0
        for i in range(n):
            for j in range(i + 1, n):
                dx = x[j, 0] - x[i, 0]
                dy = x[j, 1] - x[i, 1]
                dz = x[j, 2] - x[i, 2]
                r2 = dx * dx + dy * dy + dz * dz + eps * eps
                w = 1.0 / (r2 * math.sqrt(r2))
                to_i, to_j = mass[j] * w, mass[i] * w
                acc[i, 0] += to_i * dx
                acc[i, 1] += to_i * dy
                acc[i, 2] += to_i * dz
                acc[j, 0] -= to_j * dx
                acc[j, 1] -= to_j * dy
                acc[j, 2] -= to_j * dz
        if s > 0:
            for i in range(n):
                for c in range(3):
                    v[i, c] += half * acc[i, c]
        if s < steps:
            for i in range(n):
                for c in range(3):
                    v[i, c] += half * acc[i, c]
                    x[i, c] += dt * v[i, c]
    total = 0.0
    for i in range(n):
        for c in range(3):
            total += x[i, c] * x[i, c]
    return total


def cholesky(A, b):
    """K4. In-place Cholesky factorisation and forward substitution; log det A + y.y with L y = b."""
    n = A.shape[0]
    L = A.copy()
    y = np.empty(n)
    for j in range(n):
        for k in range(j):
            L[j, j] -= L[j, k] * L[j, k]
        L[j, j] = math.sqrt(L[j, j])
        for i in range(j + 1, n):
            for k in range(j):
                L[i, j] -= L[i, k] * L[j, k]
            L[i, j] = L[i, j] / L[j, j]
    total = 0.0
    for i in range(n):
        y[i] = b[i]
        for k in range(i):
            y[i] -= L[i, k] * y[k]
        y[i] = y[i] / L[i, i]
        total += 2.0 * math.log(L[i, i]) + y[i] * y[i]
    return total


def newton(a, b):
    """K5. Roots of x^3 + a x = b by Newton's method from 1 until the residual is 1e-12; a branch on the root's sign."""
    total = 0.0
    for i in range(a.size):
        x = 1.0
        f = x * x * x + a[i] * x - b[i]
        while abs(f) > 1e-12:
            x = x - f / (3.0 * x * x + a[i])
            f = x * x * x + a[i] * x - b[i]
        if x > 0.0:
            total += x * x
        else:
            total -= 2.0 * x
    return total


def mixture(alphas, means, icf, x, gamma, m):
    """K6. ADBench's Gaussian mixtures. alphas (k,), means (k, d), icf (k, d(d+1)/2): log diagonals, then lower triangles; x (n, d)."""
    k, d, n = alphas.size, means.shape[1], x.shape[0]
    diagonal = np.empty((k, d))
    log_det = np.empty(k)
    away = np.empty(d)
    scaled = np.empty(d)
    terms = np.empty(k)
    for j in range(k):
        log_det[j] = 0.0
        for i in range(d):
            log_det[j] += icf[j, i]
            diagonal[j, i] = math.exp(icf[j, i])
    total = 0.0
    for s in range(n):
        for j in range(k):
            for i in range(d):
                away[i] = x[s, i] - means[j, i]
            for i in range(d):
                scaled[i] = diagonal[j, i] * away[i]
            c = d
            for i in range(d):
                for l in range(i + 1, d):
                    scaled[l] += icf[j, c] * away[i]
                    c += 1
            square = 0.0
            for i in range(d):
                square += scaled[i] * scaled[i]
            terms[j] = alphas[j] + log_det[j] - 0.5 * square
        top = terms[0]
        for j in range(1, k):
            if terms[j] > top:
                top = terms[j]
        weights = 0.0
        for j in range(k):
            weights += math.exp(terms[j] - top)
        total += math.log(weights) + top
    top = alphas[0]
    for j in range(1, k):
        if alphas[j] > top:
            top = alphas[j]
    weights = 0.0
    for j in range(k):
        weights += math.exp(alphas[j] - top)
    total -= n * (math.log(weights) + top)
    total -= 0.5 * n * d * math.log(2.0 * math.pi)
    degrees = d + m + 1
    constant = degrees * d * (math.log(gamma) - 0.5 * math.log(2.0)) - 0.25 * d * (d - 1) * math.log(math.pi)
    for j in range(1, d + 1):
        constant -= math.lgamma(0.5 * degrees + 0.5 * (1 - j))
    prior = 0.0
    for j in range(k):
        norm = 0.0
        for i in range(d):
            norm += diagonal[j, i] * diagonal[j, i]
        for c in range(d, icf.shape[1]):
            norm += icf[j, c] * icf[j, c]
        prior += 0.5 * gamma * gamma * norm - m * log_det[j]
    return total + prior - k * constant


def bundle(cams, X, w, obs, feats):
    """K7. ADBench's bundle adjustment. cams (nc, 11): rotation 3, centre 3, focal length, principal point 2, distortion 2."""
    p = np.empty(3)
    axis = np.empty(3)
    q = np.empty(3)
    total = 0.0
    for i in range(w.size):
        cam, point = obs[i, 0], obs[i, 1]
        for c in range(3):
            p[c] = X[point, c] - cams[cam, 3 + c]
        square = 0.0
        for c in range(3):
            square += cams[cam, c] * cams[cam, c]
        if square != 0.0:
            angle = math.sqrt(square)
            ct, st = math.cos(angle), math.sin(angle)
            for c in range(3):
                axis[c] = cams[cam, c] / angle
            along = (axis[0] * p[0] + axis[1] * p[1] + axis[2] * p[2]) * (1.0 - ct)
            q[0] = p[0] * ct + (axis[1] * p[2] - axis[2] * p[1]) * st + axis[0] * along
            q[1] = p[1] * ct + (axis[2] * p[0] - axis[0] * p[2]) * st + axis[1] * along
            q[2] = p[2] * ct + (axis[0] * p[1] - axis[1] * p[0]) * st + axis[2] * along
        else:
            q[0] = p[0] + cams[cam, 1] * p[2] - cams[cam, 2] * p[1]
            q[1] = p[1] + cams[cam, 2] * p[0] - cams[cam, 0] * p[2]
            q[2] = p[2] + cams[cam, 0] * p[1] - cams[cam, 1] * p[0]
        u, v = q[0] / q[2], q[1] / q[2]
        rsq = u * u + v * v
        distortion = 1.0 + cams[cam, 9] * rsq + cams[cam, 10] * rsq * rsq
        r0 = w[i] * (u * distortion * cams[cam, 6] + cams[cam, 7] - feats[i, 0])
        r1 = w[i] * (v * distortion * cams[cam, 6] + cams[cam, 8] - feats[i, 1])
        total += 0.5 * (r0 * r0 + r1 * r1)
    return total


def network(W1, b1, W2, b2, W3, b3, x):
    """K8. A tanh network 2-64-64-2 written with scalars, sample by sample; sum of the squared outputs."""
    h1 = np.empty(W1.shape[0])
    h2 = np.empty(W2.shape[0])
    total = 0.0
    for s in range(x.shape[0]):
        for j in range(W1.shape[0]):
            t = b1[j]
            for i in range(W1.shape[1]):
                t += W1[j, i] * x[s, i]
            h1[j] = math.tanh(t)
        for j in range(W2.shape[0]):
            t = b2[j]
            for i in range(W1.shape[0]):
                t += W2[j, i] * h1[i]
            h2[j] = math.tanh(t)
        for j in range(W3.shape[0]):
            t = b3[j]
            for i in range(W2.shape[0]):
                t += W3[j, i] * h2[i]
            total += t * t
    return total


#: name -> (kernel, positions of the arguments to differentiate)
KERNELS = {
    "K1": (lorenz96, (0, 1)),
    "K2": (brusselator, (0, 1)),
    "K3": (n_body, (0, 1)),
    "K4": (cholesky, (0,)),
    "K5": (newton, (0, 1)),
    "K6": (mixture, (0, 1, 2)),
    "K7": (bundle, (0, 1, 2)),
    "K8": (network, (0, 1, 2, 3, 4, 5)),
}
