"""One kernel as a PyTorch user writes it, eagerly: ``ad_kernels_torch.py problem.npz K1``."""

import math
import resource
import sys
import time

import numpy as np
import torch
from serve import serve

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


def lorenz96(x0, F, dt, steps):
    x = x0
    for _ in range(steps):
        x = x + dt * ((torch.roll(x, -1) - torch.roll(x, 2)) * torch.roll(x, 1) - x + F)
    return torch.sum(x * x)


def brusselator(U, p, cot):
    n = U.shape[2]
    u, v = U[:, 0], U[:, 1]

    def laplace(w):
        return torch.roll(w, 1, 1) + torch.roll(w, -1, 1) + torch.roll(w, 1, 2) + torch.roll(w, -1, 2) - 4.0 * w

    a, A, B = p[0] * n * n, p[1], p[2]
    uuv = u * u * v
    return torch.sum(cot[:, 0] * (a * laplace(u) + B + uuv - (A + 1.0) * u)) + torch.sum(cot[:, 1] * (a * laplace(v) + A * u - uuv))


def n_body(start, mass, v0, dt, steps, eps):
    def acceleration(x):
        d = x[None, :, :] - x[:, None, :]
        r2 = torch.sum(d * d, -1) + eps * eps
        return torch.sum((mass[None, :] / (r2 * torch.sqrt(r2)))[:, :, None] * d, 1)

    x, v, acc = start, v0, acceleration(start)
    for _ in range(steps):
        v = v + 0.5 * dt * acc
        x = x + dt * v
        acc = acceleration(x)
        v = v + 0.5 * dt * acc
    return torch.sum(x * x)


def cholesky(A, b):
    lower = torch.tril(A, -1)  # the kernel reads the lower triangle only
    L = torch.linalg.cholesky(lower + lower.T + torch.diag(torch.diagonal(A)))
    y = torch.linalg.solve_triangular(L, b[:, None], upper=False)
    return 2.0 * torch.sum(torch.log(torch.diagonal(L))) + torch.sum(y * y)


def newton(a, b, trips):
    x = torch.ones_like(a)
    for _ in range(trips):
        f = x * x * x + a * x - b
        x = torch.where(torch.abs(f) > 1e-12, x - f / (3.0 * x * x + a), x)
    return torch.sum(torch.where(x > 0.0, x * x, -2.0 * x))


def mixture(alphas, means, icf, x, gamma, m):
    d, n, k = means.shape[1], x.shape[0], alphas.shape[0]
    log_diagonal, lower = icf[:, :d], icf[:, d:]
    columns, rows = np.triu_indices(d, 1)
    L = torch.diag_embed(torch.exp(log_diagonal)).index_put((torch.arange(k)[:, None], torch.tensor(rows), torch.tensor(columns)), lower)
    scaled = torch.einsum("kij,nkj->nki", L, x[:, None, :] - means[None, :, :])
    log_det = torch.sum(log_diagonal, 1)
    total = torch.sum(torch.logsumexp(alphas + log_det - 0.5 * torch.sum(scaled**2, -1), 1)) - n * torch.logsumexp(alphas, 0)
    total = total - 0.5 * n * d * math.log(2.0 * math.pi)
    degrees = d + m + 1
    constant = degrees * d * (math.log(gamma) - 0.5 * math.log(2.0)) - 0.25 * d * (d - 1) * math.log(math.pi)
    constant -= sum(math.lgamma(0.5 * degrees + 0.5 * (1 - j)) for j in range(1, d + 1))
    norm = torch.sum(torch.exp(log_diagonal) ** 2, 1) + torch.sum(lower**2, 1)
    return total + torch.sum(0.5 * gamma * gamma * norm - m * log_det) - k * constant


def bundle(cams, X, w, obs, feats):
    c = cams[obs[:, 0]]
    p = X[obs[:, 1]] - c[:, 3:6]
    rotation = c[:, :3]
    angle = torch.sqrt(torch.sum(rotation * rotation, 1))
    ct, st, axis = torch.cos(angle)[:, None], torch.sin(angle)[:, None], rotation / angle[:, None]
    q = p * ct + torch.linalg.cross(axis, p) * st + axis * torch.sum(axis * p, 1, keepdim=True) * (1.0 - ct)
    u, v = q[:, 0] / q[:, 2], q[:, 1] / q[:, 2]
    rsq = u * u + v * v
    distortion = (1.0 + c[:, 9] * rsq + c[:, 10] * rsq * rsq) * c[:, 6]
    r0 = w * (u * distortion + c[:, 7] - feats[:, 0])
    r1 = w * (v * distortion + c[:, 8] - feats[:, 1])
    return 0.5 * torch.sum(r0 * r0 + r1 * r1)


def network(W1, b1, W2, b2, W3, b3, x):
    h = torch.tanh(x @ W1.T + b1)
    h = torch.tanh(h @ W2.T + b2)
    return torch.sum((h @ W3.T + b3) ** 2)


KERNELS = {
    "K1": (lorenz96, (0, 1)), "K2": (brusselator, (0, 1)), "K3": (n_body, (0, 1)), "K4": (cholesky, (0,)),
    "K5": (newton, (0, 1)), "K6": (mixture, (0, 1, 2)), "K7": (bundle, (0, 1, 2)), "K8": (network, (0, 1, 2, 3, 4, 5)),
}  # fmt: skip


def main(path, name):
    function, wrt = KERNELS[name]
    with np.load(path) as stored:
        args = [stored[f"a{k}"] for k in range(sum(f.startswith("a") for f in stored.files))]
        if name == "K5":
            args.append(stored["trips"])
    args = [a.item() if a.ndim == 0 else torch.tensor(a) for a in args]
    for k in wrt:
        args[k] = torch.as_tensor(args[k], dtype=torch.float64).requires_grad_(True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def step():
        value = function(*args)
        return value, torch.autograd.grad(value, [args[k] for k in wrt])

    def primal():
        with torch.no_grad():
            return function(*args)

    begin = time.perf_counter()
    value, gradient = step()
    answer = {
        "first": time.perf_counter() - begin,
        "value": value.item(),
        "gradient": torch.cat([g.reshape(-1) for g in gradient]).tolist(),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before,
    }
    serve(step, lambda: answer, warmup=3, primal=primal)


main(*sys.argv[1:])
