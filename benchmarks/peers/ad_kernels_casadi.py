"""One kernel as a CasADi user writes it (graphs of small functions, folded and mapped): ``ad_kernels_casadi.py problem.npz K1``."""

import math
import resource
import sys
import time

import casadi as ca
import numpy as np
from serve import serve


def lorenz96(a, v):
    x, F = ca.SX.sym("x", a[0].size), ca.SX.sym("F")
    n, dt, steps = a[0].size, float(a[2]), int(a[3])
    turn = [np.roll(np.arange(n), k).tolist() for k in (-1, 2, 1)]
    step = ca.Function("step", [x, F], [x + dt * ((x[turn[0]] - x[turn[1]]) * x[turn[2]] - x + F)])
    return ca.sumsqr(step.fold(steps)(v[0], ca.repmat(v[1], 1, steps)))


def brusselator(a, v):
    R, _, n, _ = a[0].shape
    U, p, cot = ca.SX.sym("U", 2 * n * n), ca.SX.sym("p", 3), ca.SX.sym("c", 2 * n * n)
    place = np.arange(n * n).reshape(n, n)
    around = [np.roll(place, shift, axis).ravel().tolist() for shift in (1, -1) for axis in (0, 1)]
    u, w = U[: n * n], U[n * n :]
    diffusion, uuv = p[0] * n * n, u * u * w
    lap_u, lap_w = (sum((z[k] for k in around), -4.0 * z) for z in (u, w))
    du = ca.vertcat(diffusion * lap_u + p[2] + uuv - (p[1] + 1.0) * u, diffusion * lap_w + p[1] * u - uuv)
    each = ca.Function("each", [U, p, cot], [ca.dot(cot, du)])
    return ca.sum2(each.map(R)(ca.reshape(v[0], 2 * n * n, R), ca.repmat(v[1], 1, R), a[2].reshape(R, -1).T))


def n_body(a, v):
    n, dt, steps, eps = a[1].size, float(a[3]), int(a[4]), float(a[5])
    state, mass = ca.SX.sym("s", 6 * n), ca.SX.sym("m", n)

    def acceleration(x):
        acc = [ca.SX.zeros(3) for _ in range(n)]
        for i in range(n):
            for j in range(i + 1, n):
                d = x[3 * j : 3 * j + 3] - x[3 * i : 3 * i + 3]
                r2 = ca.sumsqr(d) + eps * eps
                w = 1.0 / (r2 * ca.sqrt(r2))
                acc[i] += mass[j] * w * d
                acc[j] -= mass[i] * w * d
        return ca.vertcat(*acc)

    x, u = state[: 3 * n], state[3 * n :]  # velocities half a step behind
    u = u + dt * acceleration(x)
    step = ca.Function("step", [state, mass], [ca.vertcat(x + dt * u, u)])
    first = ca.Function("first", [state[: 3 * n], mass], [acceleration(state[: 3 * n])])
    start = ca.vertcat(v[0], a[2].ravel() - 0.5 * dt * first(v[0], v[1]))
    return ca.sumsqr(step.fold(steps)(start, ca.repmat(v[1], 1, steps))[: 3 * n])


def cholesky(a, v):
    n = a[1].size
    A = ca.reshape(v[0], n, n)  # column by column: A[k, i] is the kernel's A[i, k]
    L = [[None] * n for _ in range(n)]
    for j in range(n):
        L[j][j] = ca.sqrt(A[j, j] - sum(L[j][k] * L[j][k] for k in range(j)))
        for i in range(j + 1, n):
            L[i][j] = (A[j, i] - sum(L[i][k] * L[j][k] for k in range(j))) / L[j][j]
    y, total = [], 0.0
    for i in range(n):
        y.append((a[1][i] - sum(L[i][k] * y[k] for k in range(i))) / L[i][i])
        total += 2.0 * ca.log(L[i][i]) + y[i] * y[i]
    return total


def newton(a, v):
    p, b, x = ca.SX.sym("a"), ca.SX.sym("b"), ca.SX(1.0)
    for _ in range(int(a[2])):
        f = x * x * x + p * x - b
        x = ca.if_else(ca.fabs(f) > 1e-12, x - f / (3.0 * x * x + p), x)
    each = ca.Function("each", [p, b], [ca.if_else(x > 0.0, x * x, -2.0 * x)])
    return ca.sum2(each.map(a[0].size)(v[0].T, v[1].T))


def mixture(a, v):
    (k, d), n, gamma, m = a[1].shape, a[3].shape[0], float(a[4]), int(a[5])
    width = d * (d + 1) // 2
    alphas, means, icf, x = ca.SX.sym("al", k), ca.SX.sym("me", d, k), ca.SX.sym("icf", width, k), ca.SX.sym("x", d)
    terms = []
    for j in range(k):
        away = x - means[:, j]
        scaled, c = ca.exp(icf[:d, j]) * away, d
        for i in range(d):
            scaled[i + 1 :] += icf[c : c + d - 1 - i, j] * away[i]
            c += d - 1 - i
        terms.append(alphas[j] + ca.sum1(icf[:d, j]) - 0.5 * ca.sumsqr(scaled))

    def log_sum(t):
        top = ca.mmax(t)
        return ca.log(ca.sum1(ca.exp(t - top))) + top

    each = ca.Function("each", [alphas, means, icf, x], [log_sum(ca.vertcat(*terms))])
    me, ic = ca.reshape(v[1], d, k), ca.reshape(v[2], width, k)
    total = ca.sum2(each.map("each_all", "serial", n, [0, 1, 2], [])(v[0], me, ic, a[3].T)) - n * log_sum(v[0])
    degrees = d + m + 1
    constant = degrees * d * (math.log(gamma) - 0.5 * math.log(2.0)) - 0.25 * d * (d - 1) * math.log(math.pi)
    constant -= sum(math.lgamma(0.5 * degrees + 0.5 * (1 - j)) for j in range(1, d + 1))
    norm = ca.sumsqr(ca.exp(ic[:d, :])) + ca.sumsqr(ic[d:, :])
    return total - 0.5 * n * d * math.log(2.0 * math.pi) + 0.5 * gamma * gamma * norm - m * ca.sum2(ca.sum1(ic[:d, :])) - k * constant


def bundle(a, v):
    c, P, w, feat = ca.SX.sym("c", 11), ca.SX.sym("P", 3), ca.SX.sym("w"), ca.SX.sym("f", 2)
    p, rotation = P - c[3:6], c[:3]
    angle = ca.sqrt(ca.sumsqr(rotation))
    axis, ct, st = rotation / angle, ca.cos(angle), ca.sin(angle)
    q = p * ct + ca.cross(axis, p) * st + axis * ca.dot(axis, p) * (1.0 - ct)
    u = q[:2] / q[2]
    rsq = ca.sumsqr(u)
    r = w * (u * (1.0 + c[9] * rsq + c[10] * rsq * rsq) * c[6] + c[7:9] - feat)
    each = ca.Function("each", [c, P, w, feat], [0.5 * ca.sumsqr(r)])
    cams, X = ca.reshape(v[0], 11, a[0].shape[0]), ca.reshape(v[1], 3, a[1].shape[0])
    return ca.sum2(each.map(a[2].size)(cams[:, a[3][:, 0].tolist()], X[:, a[3][:, 1].tolist()], v[2].T, a[4].T))


def network(a, v):
    h = a[6].T
    for k in (0, 2, 4):
        rows, columns = a[k].shape
        h = ca.mtimes(ca.reshape(v[k], columns, rows).T, h) + ca.repmat(v[k + 1], 1, a[6].shape[0])
        h = ca.tanh(h) if k < 4 else h
    return ca.sumsqr(h)


KERNELS = {
    "K1": (lorenz96, (0, 1)), "K2": (brusselator, (0, 1)), "K3": (n_body, (0, 1)), "K4": (cholesky, (0,)),
    "K5": (newton, (0, 1)), "K6": (mixture, (0, 1, 2)), "K7": (bundle, (0, 1, 2)), "K8": (network, (0, 1, 2, 3, 4, 5)),
}  # fmt: skip


def main(path, name):
    function, wrt = KERNELS[name]
    with np.load(path) as stored:
        a = [stored[f"a{k}"] for k in range(sum(f.startswith("a") for f in stored.files))]
        if name == "K5":
            a.append(stored["trips"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    kind = ca.SX if name == "K4" else ca.MX
    symbols = {k: kind.sym(f"a{k}", a[k].size) for k in wrt}
    values = [np.ravel(a[k]) for k in wrt]
    loss = function(a, symbols)
    primal = ca.Function("primal", list(symbols.values()), [loss])
    both = ca.Function("both", list(symbols.values()), [loss, *[ca.gradient(loss, s) for s in symbols.values()]])
    value, *gradient = both(*values)
    answer = {
        "first": time.perf_counter() - begin,
        "value": float(value),
        "gradient": np.concatenate([np.ravel(g) for g in gradient]).tolist(),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before,
    }
    serve(lambda: both(*values), lambda: answer, warmup=3, primal=lambda: primal(*values))


main(*sys.argv[1:])
