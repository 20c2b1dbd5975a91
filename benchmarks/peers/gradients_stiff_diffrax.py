"""diffrax on `gradient_problems`, jitted: ``gradients_stiff_diffrax.py PROBLEM solver``; recursive checkpointing, its default."""

import sys

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from gradient_problems import BRUSSELATOR, NETWORK, SCALAR, brusselator_start, network_start
from serve import serve

jax.config.update("jax_enable_x64", True)


def brusselator(t, y, p, scale):
    def around(x):
        return jnp.roll(x, 1, 0) + jnp.roll(x, -1, 0) + jnp.roll(x, 1, 1) + jnp.roll(x, -1, 1) - 4.0 * x

    u, v = y
    return jnp.stack([
        p[2] * scale * around(u) + p[1] + u * u * v - (p[0] + 1.0) * u,
        p[3] * scale * around(v) + p[0] * u - u * u * v,
    ])  # fmt: skip


def network(t, y, layers, scale):
    for w, b in layers[:-1]:
        y = jnp.tanh(w @ y + b)
    w, b = layers[-1]
    return scale * (w @ y + b)


def main(name, solver):
    if name.startswith("brusselator"):
        end, times, rtol, atol = BRUSSELATOR
        y0, p, scale = brusselator_start(int(name[11:]))
        fun = lambda t, y, p: brusselator(t, y, p, scale)
    elif name == "network":
        end, y0, times, rtol, atol = NETWORK
        p, scale = network_start()
        fun = lambda t, y, p: network(t, y, p, scale)
    else:
        expressions, end, y0, p, times, rtol, atol = SCALAR[name]
        fun, p = (lambda t, y, p: jnp.stack(expressions(y, p))), np.array(p)
    y0, p = jnp.array(y0), jax.tree_util.tree_map(jnp.array, p)

    def loss(p):
        ys = diffrax.diffeqsolve(
            diffrax.ODETerm(fun), getattr(diffrax, solver)(), 0.0, end, None, y0, p, saveat=diffrax.SaveAt(ts=jnp.asarray(times)),
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol), max_steps=4096,
        ).ys  # fmt: skip
        return 0.5 * jnp.sum((1.0 - ys) ** 2) if name.startswith("brusselator") else jnp.sum(ys**2)

    gradient, primal = jax.jit(jax.value_and_grad(loss)), jax.jit(loss)

    def report():
        value, g = gradient(p)
        g, at = (np.concatenate([np.ravel(x) for x in jax.tree_util.tree_leaves(tree)]) for tree in (g, p))
        return {"loss": float(value), "gradient": np.where(at == 0.0, g, g * at).tolist()}

    serve(lambda: jax.block_until_ready(gradient(p)), report, warmup=1, primal=lambda: jax.block_until_ready(primal(p)))


main(*sys.argv[1:])
