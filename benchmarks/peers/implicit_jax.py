"""optimistix and plain JAX on the work of ``implicit.py``: ``implicit_jax.py problem.npz work [variant]``, jitted."""

import resource
import sys

import jax
import jax.numpy as jnp
import lineax
import numpy as np
import optimistix
from serve import serve

jax.config.update("jax_enable_x64", True)


def broyden_tridiagonal(x, a):
    left, right = jnp.concatenate([jnp.zeros(1), x[:-1]]), jnp.concatenate([x[1:], jnp.zeros(1)])
    return (3.0 - a * x) * x - left - 2.0 * right + 1.0


SMALL = {"cubic": (lambda x, p: x * x * x - 2.0 * x - p, [2.0], 5.0),
         "rosenbrock": (lambda x, a: jnp.array([10.0 * (x[1] - x[0] ** 2), a - x[0]]), [-1.2, 1.0], 1.0),
         **{f"tridiagonal{n}": (broyden_tridiagonal, [-1.0] * n, 2.0) for n in (2, 4, 10, 50, 100, 500, 1000)}}  # fmt: skip


def solve_root(name):
    fun, x0, p = SMALL[name]
    solver = optimistix.Newton(rtol=1e-10, atol=1e-10)
    return (lambda p: optimistix.root_find(fun, solver, jnp.array(x0), p, max_steps=256).value), p


def forward(problem, name):
    solve, p = solve_root(name)
    solve = jax.jit(solve)
    return (lambda: solve(p).block_until_ready()), lambda: {"x": np.asarray(solve(p)).tolist()}


def root_gradient(problem, name):
    solve, p = solve_root(name)
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(solve(p) ** 2)))
    return (lambda: gradient(p).block_until_ready()), lambda: {"gradient": [float(gradient(p))]}


def batched(problem, variant):
    """The batched fixed point: "gmres" (products only), "rows" (vmap over rows, LU of each row's Jacobian), "unrolled" (no rule)."""
    X, xtol = jnp.asarray(problem["X"]), float(problem["xtol"])
    width = problem["W"].shape[0]
    tolerance = {"rtol": xtol, "atol": 1e-14}
    cell = lambda z, args: jnp.tanh(z @ args[0].T + args[3] @ args[1].T + args[2])

    def gmres(W, U, b):
        adjoint = optimistix.ImplicitAdjoint(lineax.GMRES(rtol=xtol, atol=1e-14, max_steps=400, restart=40))
        solver = optimistix.FixedPointIteration(**tolerance)
        start = jnp.zeros((len(X), width))
        return optimistix.fixed_point(cell, solver, start, (W, U, b, X), max_steps=100_000, adjoint=adjoint).value

    def rows(W, U, b):
        solver = optimistix.FixedPointIteration(**tolerance)
        one = lambda x: optimistix.fixed_point(cell, solver, jnp.zeros(width), (W, U, b, x), max_steps=100_000).value
        return jax.vmap(one)(X)

    def newton(W, U, b):
        solver = optimistix.Newton(rtol=xtol, atol=1e-14)
        one = lambda x: optimistix.fixed_point(cell, solver, jnp.zeros(width), (W, U, b, x)).value
        return jax.vmap(one)(X)

    def unrolled(W, U, b):
        step = lambda z, _: (cell(z, (W, U, b, X)), None)
        return jax.lax.scan(step, jnp.zeros((len(X), width)), None, length=int(problem["unrolled"]))[0]

    return {"gmres": gmres, "rows": rows, "newton": newton, "unrolled": unrolled}[variant]


def batch_gradient(problem, variant="gmres"):
    W, U, b, X, target = (jnp.asarray(problem[k]) for k in ("W", "U", "b", "X", "target"))
    solve = batched(problem, variant)
    value_and_grad = jax.jit(jax.value_and_grad(lambda W, U, b: jnp.mean((solve(W, U, b) - target) ** 2), argnums=(0, 1, 2)))

    def report():
        value, gradient = value_and_grad(W, U, b)
        z = jax.jit(solve)(W, U, b)
        off = jnp.tanh(z @ W.T + X @ U.T + b) - z
        residual = float(jnp.max(jnp.linalg.norm(off, axis=1) / jnp.linalg.norm(z, axis=1)))
        return {"loss": float(value), "gradient": np.concatenate([np.ravel(g) for g in gradient]).tolist(), "residual": residual,
                "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}  # fmt: skip

    return (lambda: jax.block_until_ready(value_and_grad(W, U, b))), report


WORK = {"forward": forward, "root_gradient": root_gradient, "batch_gradient": batch_gradient}


def main(path, work, *variant):
    step, report = WORK[work](np.load(path), *variant)
    serve(step, report, warmup=3)


main(*sys.argv[1:])
