"""diffrax's training iteration, jitted with the update: ``neural_ode_diffrax.py problem.npz Dopri5|Tsit5 [first]``."""

import sys

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from serve import answer, serve

jax.config.update("jax_enable_x64", True)


def field(t, y, p):
    W1, b1, W2, b2 = p
    return jnp.tanh(y**3 @ W1 + b1) @ W2 + b2


def build(problem, method):
    """Loss of one batch, and RMSprop's training step as in torch."""
    t, lr = jnp.asarray(problem["t"]), float(problem["lr"])
    controller = diffrax.PIDController(rtol=float(problem["rtol"]), atol=float(problem["atol"]))
    solver, term, save = getattr(diffrax, method)(), diffrax.ODETerm(field), diffrax.SaveAt(ts=t)

    def loss(p, start, target):
        solution = diffrax.diffeqsolve(
            term, solver, t[0], t[-1], None, start, p, saveat=save, stepsize_controller=controller,
            adjoint=diffrax.RecursiveCheckpointAdjoint(),
        )  # fmt: skip
        return jnp.mean(jnp.abs(solution.ys - target))

    def train(p, v, start, target):
        gradient = jax.grad(loss)(p, start, target)
        v = jax.tree.map(lambda v, g: 0.99 * v + 0.01 * g * g, v, gradient)
        p = jax.tree.map(lambda p, v, g: p - lr * g / (jnp.sqrt(v) + 1e-8), p, v, gradient)
        return p, v

    return loss, jax.jit(train)


def main(path, method, mode="serve"):
    problem = np.load(path)
    loss, train = build(problem, method)
    initial = tuple(jnp.asarray(problem[name]) for name in ("W1", "b1", "W2", "b2"))
    zeros = tuple(np.zeros(x.shape) for x in initial)
    p, v, turn = initial, zeros, 0
    starts, targets = ([jnp.asarray(x) for x in problem[name]] for name in ("starts", "targets"))
    value_and_grad = jax.jit(jax.value_and_grad(loss))

    def step():
        nonlocal p, v, turn
        k = turn % len(starts)
        if k == 0:  # every worker trains the same first iterations over and over: later ones take more steps
            p, v = initial, zeros
        p, v = jax.block_until_ready(train(p, v, starts[k], targets[k]))
        turn += 1

    def report():
        value, gradient = value_and_grad(initial, starts[0], targets[0])
        return {"loss": float(value), "gradient": np.concatenate([np.ravel(g) for g in gradient]).tolist()}

    if mode == "first":
        answer(report())
    else:
        serve(step, report)


main(*sys.argv[1:])
