"""diffrax's SDE work: ``sde_diffrax.py problem.npz gbm|network SPaRK|Heun|Euler``."""

import sys

import diffrax
import jax
import jax.numpy as jnp
import lineax
import numpy as np
from serve import answer, serve

jax.config.update("jax_enable_x64", True)


def growth(t, y, p):
    return p["mu"] * y


def noise(t, y, p):
    return lineax.DiagonalLinearOperator(p["sigma"] * y)


def network(t, y, p):
    return jnp.tanh(y @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"] - y


def constant(t, y, p):
    return lineax.DiagonalLinearOperator(p["scale"])


def main(path, case, method, mode="serve"):
    problem = {name: jnp.asarray(value) for name, value in np.load(path).items()}
    steps, paths = int(problem["steps"]), int(problem["paths"])
    names = ("mu", "sigma") if case == "gbm" else ("W1", "b1", "W2", "b2", "scale")
    drift, diffusion, start = (growth, noise, problem["y0"]) if case == "gbm" else (network, constant, problem["z0"])
    levy = diffrax.SpaceTimeLevyArea if method == "SPaRK" else diffrax.BrownianIncrement
    times = jnp.array([1.0]) if case == "gbm" else jnp.array([0.5, 1.0])

    def motion_of(key):
        return diffrax.VirtualBrownianTree(0.0, 1.0, tol=1 / (4 * steps), shape=(len(start),), key=key, levy_area=levy)

    def one(p, y0, key):
        motion = motion_of(key)
        terms = diffrax.MultiTerm(diffrax.ODETerm(drift), diffrax.ControlTerm(diffusion, motion))
        sol = diffrax.diffeqsolve(
            terms, getattr(diffrax, method)(), 0.0, 1.0, 1 / steps, y0, args=p, saveat=diffrax.SaveAt(ts=times), max_steps=steps + 8
        )
        return sol.ys

    keys = jax.random.split(jax.random.PRNGKey(1), paths)

    @jax.jit
    def gradient(p, y0):
        return jax.value_and_grad(lambda p, y0: jnp.mean(jax.vmap(lambda key: one(p, y0, key))(keys) ** 2), argnums=(0, 1))(p, y0)

    p = {name: problem[name] for name in names}

    def step():
        return jax.block_until_ready(gradient(p, start))

    @jax.jit
    def strong_error():
        """Mean distance of the ends from the exact ones (Stratonovich) on the same paths."""
        w = jax.vmap(lambda key: motion_of(key).evaluate(0.0, 1.0))(keys)
        return jnp.mean(abs(jax.vmap(lambda key: one(p, start, key)[-1])(keys) - start * jnp.exp(p["mu"] + p["sigma"] * w)))

    def report():
        value, (bars, _) = step()
        picked = ("mu", "sigma") if case == "gbm" else ("W1", "b1", "W2", "b2")
        error = float(strong_error()) if case == "gbm" else None
        return {"loss": float(value), "gradient": np.concatenate([np.ravel(bars[name]) for name in picked]).tolist(), "error": error}

    if mode == "first":
        answer(report())
    else:
        serve(step, report, warmup=1)


main(*sys.argv[1:])
