"""sciad's SDE work: ``sde_sciad.py problem.npz gbm|network|stiff METHOD [first]``."""

import sys

import numpy as np
from serve import answer, serve

import sciad


def growth(t, y, mu, sigma):
    return mu * y


def noise(t, y, mu, sigma):
    return sigma * y


def network(t, y, p, scale):
    (W1, b1), (W2, b2) = p
    return np.tanh(y @ W1 + b1) @ W2 + b2 - y


def constant(t, y, p, scale):
    return scale + 0.0 * y


def quadratic(t, y, a, b):
    return -(a + b * b * y) * (1.0 - y * y)


def quadratic_noise(t, y, a, b):
    return b * (1.0 - y * y)


def gbm(problem, method):
    """Forward and gradient: mean of y(1)**2 over paths and components."""
    steps, paths = int(problem["steps"]), int(problem["paths"])
    ito = "stratonovich" if method in ("Heun", "ReversibleHeun", "Midpoint") else "ito"

    def solve(y0, mu, sigma):
        return sciad.solve_sde(growth, noise, (0.0, 1.0), y0, method, [1.0], (mu, sigma), dt=1 / steps, paths=paths, seed=1, calculus=ito)

    def loss(y0, mu, sigma):
        return np.mean(solve(y0, mu, sigma).ys ** 2)

    gradient = sciad.value_and_grad(loss, argnums=(0, 1, 2))
    given = problem["y0"], problem["mu"], problem["sigma"]

    def report():
        value, bars = gradient(*given)
        sol = solve(*given)
        drift = problem["mu"] - (0.5 * problem["sigma"] ** 2 if ito == "ito" else 0.0)
        exact = problem["y0"] * np.exp(drift + problem["sigma"] * sol.brownian([1.0])[:, 0])
        return {"loss": float(value), "gradient": np.concatenate(bars[1:]).tolist(), "error": float(np.mean(abs(sol.ys[:, 0] - exact)))}

    return lambda: gradient(*given), report


def latent(problem, method):
    """Forward and gradient of a network drift with respect to its weights."""
    steps, paths = int(problem["steps"]), int(problem["paths"])
    ito = "stratonovich" if method in ("Heun", "ReversibleHeun") else "ito"

    def loss(p, scale):
        sol = sciad.solve_sde(
            network, constant, (0.0, 1.0), problem["z0"], method, [0.5, 1.0], (p, scale), dt=1 / steps, paths=paths, seed=1, calculus=ito
        )
        return np.mean(sol.ys**2)

    gradient = sciad.value_and_grad(loss, argnums=(0, 1))
    p = ((problem["W1"], problem["b1"]), (problem["W2"], problem["b2"]))

    def report():
        value, (p_bar, _) = gradient(p, problem["scale"])
        return {"loss": float(value), "gradient": np.concatenate([np.ravel(x) for layer in p_bar for x in layer]).tolist(), "error": None}

    return lambda: gradient(p, problem["scale"]), report


def stiff(problem, method):
    """Forward, adaptive: the quadratic Ito problem, which moves fast until t = 0.1 and is stiff afterwards."""
    a, b, paths, tol, times = float(problem["a"]), float(problem["b"]), int(problem["paths"]), float(problem["tol"]), problem["times"]

    def solve():
        return sciad.solve_sde(
            quadratic, quadratic_noise, (0.0, 3.0), np.array([0.5]), method, times, (a, b), rtol=tol, atol=tol, paths=paths, seed=1
        )

    def report():
        sol = solve()
        grown = 1.5 * np.exp(-2 * a * times + 2 * b * sol.brownian(times)[:, :, 0])
        exact = (grown - 0.5) / (grown + 0.5)
        return {
            "loss": float(np.mean(sol.ys)),
            "gradient": [0.0],
            "error": float(np.mean(abs(sol.ys[:, :, 0] - exact))),
            "steps": sol.naccept + sol.nreject,
        }

    return solve, report


def main(path, case, method, mode="serve"):
    step, report = {"gbm": gbm, "network": latent, "stiff": stiff}[case](np.load(path), method)
    if mode == "first":
        answer(report())
    else:
        serve(step, report, warmup=5)


main(*sys.argv[1:])
