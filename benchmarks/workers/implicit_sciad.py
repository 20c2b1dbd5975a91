"""sciad's side of ``implicit.py``: ``implicit_sciad.py problem.npz work [variant]``, see `WORK` below."""

import resource
import sys

import numpy as np
from serve import serve

import sciad


def cubic(x, p):
    return x * x * x - 2.0 * x - p


def rosenbrock(x, a):
    return np.array([10.0 * (x[1] - x[0] ** 2), a - x[0]])


def broyden_tridiagonal(x, a):
    n = x.shape[0]
    out = np.empty(n)
    for i in range(n):
        left = x[i - 1] if i > 0 else 0.0
        right = x[i + 1] if i < n - 1 else 0.0
        out[i] = (3.0 - a * x[i]) * x[i] - left - 2.0 * right + 1.0
    return out


def cell(z, W, U, X, b):
    return np.tanh(z @ W.T + X @ U.T + b)


SMALL = {"cubic": (cubic, [2.0], 5.0), "rosenbrock": (rosenbrock, [-1.2, 1.0], 1.0),
         **{f"tridiagonal{n}": (broyden_tridiagonal, [-1.0] * n, 2.0) for n in (2, 4, 10, 50, 100, 500, 1000)}}  # fmt: skip


def peak():
    """Most memory that this process has had, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def forward(problem, name):
    """Solve f(x) = 0."""
    fun, x0, p = SMALL[name]
    x0 = np.array(x0)
    return (lambda: sciad.root(fun, x0, (p,)).x), lambda: {"x": sciad.root(fun, x0, (p,)).x.tolist()}


def root_gradient(problem, name):
    """Gradient of sum x^2 by the parameter."""
    fun, x0, p = SMALL[name]
    x0 = np.array(x0)
    gradient = sciad.grad(lambda p: np.sum(sciad.root(fun, x0, (p,)).x ** 2))
    return (lambda: gradient(p)), lambda: {"gradient": [gradient(p)]}


def batch_gradient(problem, adjoint="implicit", method="anderson"):
    """Loss and gradient of a batched fixed point by all weights."""
    W, U, X, b, target, xtol = (problem[k] for k in ("W", "U", "X", "b", "target", "xtol"))
    zero, xtol = np.zeros((len(X), len(W))), 100.0 * float(xtol)  # xtol is the error of x; the residual goes to a hundredth of it

    def loss(W, U, b):
        z = sciad.fixed_point(cell, zero, (W, U, X, b), xtol=xtol, maxiter=100_000, method=method, adjoint=adjoint)
        return np.mean((z - target) ** 2)

    value_and_grad = sciad.value_and_grad(loss, argnums=(0, 1, 2))

    def report():
        value, gradient = value_and_grad(W, U, b)
        z, result = sciad.fixed_point(cell, zero, (W, U, X, b), xtol=xtol, maxiter=100_000, method=method, full_output=True)
        residual = float(np.max(np.linalg.norm(result.fun, axis=1) / np.linalg.norm(z, axis=1)))
        return {"loss": float(value), "gradient": np.concatenate([g.ravel() for g in gradient]).tolist(), "residual": residual,
                "iterations": result.nit, "peak": peak()}  # fmt: skip

    return (lambda: value_and_grad(W, U, b)), report


def batch_forward(problem, method="anderson"):
    """The batched fixed point alone."""
    W, U, X, b, xtol = (problem[k] for k in ("W", "U", "X", "b", "xtol"))
    zero, xtol = np.zeros((len(X), len(W))), 100.0 * float(xtol)
    solve = lambda: sciad.fixed_point(cell, zero, (W, U, X, b), xtol=xtol, maxiter=100_000, method=method)
    return solve, lambda: {"z": solve().ravel().tolist()}


WORK = {"forward": forward, "root_gradient": root_gradient, "batch_gradient": batch_gradient, "batch_forward": batch_forward}


def main(path, work, *variant):
    step, report = WORK[work](np.load(path), *variant)
    serve(step, report, warmup=3)


main(*sys.argv[1:])
