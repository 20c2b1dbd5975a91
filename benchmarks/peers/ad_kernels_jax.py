"""One kernel as a JAX user writes it (arrays, scans, masks): ``ad_kernels_jax.py problem.npz K1``."""

import resource
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp
from serve import serve

jax.config.update("jax_enable_x64", True)


def lorenz96(x0, F, dt, steps):
    def step(x, _):
        return x + dt * ((jnp.roll(x, -1) - jnp.roll(x, 2)) * jnp.roll(x, 1) - x + F), None

    x, _ = lax.scan(step, x0, None, length=steps)
    return jnp.sum(x * x)


def brusselator(U, p, cot):
    n = U.shape[2]
    u, v = U[:, 0], U[:, 1]

    def laplace(w):
        return jnp.roll(w, 1, 1) + jnp.roll(w, -1, 1) + jnp.roll(w, 1, 2) + jnp.roll(w, -1, 2) - 4.0 * w

    a, A, B = p[0] * n * n, p[1], p[2]
    uuv = u * u * v
    return jnp.sum(cot[:, 0] * (a * laplace(u) + B + uuv - (A + 1.0) * u)) + jnp.sum(cot[:, 1] * (a * laplace(v) + A * u - uuv))


def n_body(start, mass, v0, dt, steps, eps):
    def acceleration(x):
        d = x[None, :, :] - x[:, None, :]
        r2 = jnp.sum(d * d, -1) + eps * eps
        return jnp.sum((mass[None, :] / (r2 * jnp.sqrt(r2)))[:, :, None] * d, 1)

    def step(state, _):
        x, v, acc = state
        v = v + 0.5 * dt * acc
        x = x + dt * v
        acc = acceleration(x)
        return (x, v + 0.5 * dt * acc, acc), None

    (x, _, _), _ = lax.scan(step, (start, v0, acceleration(start)), None, length=steps)
    return jnp.sum(x * x)


def cholesky(A, b):
    lower = jnp.tril(A, -1)  # the kernel reads the lower triangle only
    L = jnp.linalg.cholesky(lower + lower.T + jnp.diag(jnp.diagonal(A)), symmetrize_input=False)
    y = solve_triangular(L, b, lower=True)
    return 2.0 * jnp.sum(jnp.log(jnp.diagonal(L))) + jnp.sum(y * y)


def newton(a, b, trips):
    def step(x, _):
        f = x * x * x + a * x - b
        active = jnp.abs(f) > 1e-12
        return jnp.where(active, x - f / (3.0 * x * x + a), x), None

    x, _ = lax.scan(step, jnp.ones_like(a), None, length=trips)
    return jnp.sum(jnp.where(x > 0.0, x * x, -2.0 * x))


def mixture(alphas, means, icf, x, gamma, m):
    d, n, k = means.shape[1], x.shape[0], alphas.shape[0]
    log_diagonal, lower = icf[:, :d], icf[:, d:]
    columns, rows = np.triu_indices(d, 1)  # column by column
    L = jnp.zeros((k, d, d)).at[:, rows, columns].set(lower) + jnp.exp(log_diagonal)[:, :, None] * jnp.eye(d)
    scaled = jnp.einsum("kij,nkj->nki", L, x[:, None, :] - means[None, :, :])
    log_det = jnp.sum(log_diagonal, 1)
    total = jnp.sum(logsumexp(alphas + log_det - 0.5 * jnp.sum(scaled**2, -1), axis=1)) - n * logsumexp(alphas)
    total = total - 0.5 * n * d * np.log(2.0 * np.pi)
    degrees = d + m + 1
    j = np.arange(1, d + 1)
    constant = degrees * d * (jnp.log(gamma) - 0.5 * np.log(2.0)) - 0.25 * d * (d - 1) * np.log(np.pi)
    constant = constant - jnp.sum(jax.scipy.special.gammaln(0.5 * degrees + 0.5 * (1 - j)))
    norm = jnp.sum(jnp.exp(log_diagonal) ** 2, 1) + jnp.sum(lower**2, 1)
    return total + jnp.sum(0.5 * gamma * gamma * norm - m * log_det) - k * constant


def bundle(cams, X, w, obs, feats):
    c = cams[obs[:, 0]]
    p = X[obs[:, 1]] - c[:, 3:6]
    rotation = c[:, :3]
    square = jnp.sum(rotation * rotation, 1)
    angle = jnp.sqrt(square)
    ct, st, axis = jnp.cos(angle)[:, None], jnp.sin(angle)[:, None], rotation / angle[:, None]
    q = p * ct + jnp.cross(axis, p) * st + axis * jnp.sum(axis * p, 1, keepdims=True) * (1.0 - ct)
    u, v = q[:, 0] / q[:, 2], q[:, 1] / q[:, 2]
    rsq = u * u + v * v
    distortion = (1.0 + c[:, 9] * rsq + c[:, 10] * rsq * rsq) * c[:, 6]
    r0 = w * (u * distortion + c[:, 7] - feats[:, 0])
    r1 = w * (v * distortion + c[:, 8] - feats[:, 1])
    return 0.5 * jnp.sum(r0 * r0 + r1 * r1)


def network(W1, b1, W2, b2, W3, b3, x):
    h = jnp.tanh(x @ W1.T + b1)
    h = jnp.tanh(h @ W2.T + b2)
    return jnp.sum((h @ W3.T + b3) ** 2)


#: name -> (function, differentiated arguments, arguments that are compiled in)
KERNELS = {
    "K1": (lorenz96, (0, 1), (3,)), "K2": (brusselator, (0, 1), ()), "K3": (n_body, (0, 1), (4,)), "K4": (cholesky, (0,), ()),
    "K5": (newton, (0, 1), (2,)), "K6": (mixture, (0, 1, 2), (5,)), "K7": (bundle, (0, 1, 2), ()), "K8": (network, (0, 1, 2, 3, 4, 5), ()),
}  # fmt: skip


def main(path, name):
    function, wrt, static = KERNELS[name]
    with np.load(path) as stored:
        args = [stored[f"a{k}"] for k in range(sum(f.startswith("a") for f in stored.files))]
        if name == "K5":
            args.append(stored["trips"])
    args = [a.item() if k in static else jnp.asarray(a) for k, a in enumerate(args)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    primal = jax.jit(function, static_argnums=static)
    both = jax.jit(jax.value_and_grad(function, argnums=wrt), static_argnums=static)

    def step():
        return jax.block_until_ready(both(*args))

    begin = time.perf_counter()
    value, gradient = step()
    answer = {
        "first": time.perf_counter() - begin,
        "value": float(value),
        "gradient": np.concatenate([np.ravel(g) for g in gradient]).tolist(),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before,
    }
    serve(step, lambda: answer, primal=lambda: jax.block_until_ready(primal(*args)))


main(*sys.argv[1:])
