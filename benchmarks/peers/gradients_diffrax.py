"""diffrax's gradient of a loss on a solve, jitted: ``gradients_diffrax.py lotka_volterra|rober solver adjoint [first]``."""

import sys

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from serve import answer, serve

jax.config.update("jax_enable_x64", True)
WEIGHTS = jnp.array([1.0, 1e4, 1.0])


def lotka_volterra(t, y, p):
    return jnp.stack([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1]])


def rober(t, y, k):
    slow, fast, back = k[0] * y[0], k[1] * y[1] ** 2, k[2] * y[1] * y[2]
    return jnp.stack([back - slow, slow - back - fast, fast])


PROBLEMS = {
    "lotka_volterra": (lotka_volterra, 10.0, [1.0, 1.0], [1.5, 1.0, 1.0, 3.0], np.linspace(0.0, 10.0, 101), 1e-6, 1e-6),
    "rober": (rober, 1e5, [1.0, 0.0, 0.0], [0.04, 3e7, 1e4], np.concatenate([[0.0], np.geomspace(1e-4, 1e5, 50)]), 1e-6, 1e-8),
}


def main(problem, solver, adjoint, mode="serve"):
    fun, end, y0, p, times, rtol, atol = PROBLEMS[problem]
    y0, p = jnp.array(y0), jnp.array(p)
    ways = {"recursive": diffrax.RecursiveCheckpointAdjoint, "backsolve": diffrax.BacksolveAdjoint, "forward": diffrax.ForwardMode}
    way = ways[adjoint]()
    derive = jax.jacfwd if adjoint == "forward" else jax.grad

    def loss(p, y0):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(fun), getattr(diffrax, solver)(), 0.0, end, None, y0, p, saveat=diffrax.SaveAt(ts=jnp.asarray(times)),
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol), adjoint=way, max_steps=4096,
        )  # fmt: skip
        return jnp.sum(solution.ys**2) if problem == "lotka_volterra" else jnp.sum(solution.ys @ WEIGHTS)

    gradient = jax.jit(derive(loss, argnums=(0, 1)))

    def report():
        return {"loss": float(loss(p, y0)), "gradient": np.concatenate([np.asarray(g) for g in gradient(p, y0)]).tolist()}

    if mode == "first":
        answer({"gradient": [float(g) for part in gradient(p, y0) for g in part]})
    else:
        serve(lambda: jax.block_until_ready(gradient(p, y0)), report)


main(*sys.argv[1:])
