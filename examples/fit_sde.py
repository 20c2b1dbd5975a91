"""Fit an Ornstein-Uhlenbeck process to data by matching moments, through an SDE solver.

The truth is dy = theta (mu - y) dt + sigma dW with theta = 1.5, mu = 1, sigma = 0.6, started at y = 3.  Of 400 paths we keep the mean, the
variance and the covariance with the first time, at 16 times.  The model's moments are those of 256 simulated paths, driven by the same
Brownian motion in every iteration (one seed is one path): the loss is a smooth function of the parameters with an exact gradient, which
L-BFGS can minimise.

Run: python examples/fit_sde.py          (SCIAD_QUICK=1: fewer paths and steps)
"""

import os
from pathlib import Path

import numpy as np

import sciad

QUICK = bool(os.environ.get("SCIAD_QUICK"))
PICTURE = Path(__file__).resolve().parent.parent / "out" / "fit_sde.png"
TRUE = np.array([1.5, 1.0, 0.6])  # theta, mu, sigma
NAMES = ("theta", "mu", "sigma")
Y0 = np.array([3.0])
T = np.linspace(0.2, 3.2, 16)
PATHS, STEPS = (64, 10) if QUICK else (256, 60)


def drift(t, y, p):
    return p[0] * (p[1] - y)


def diffusion(t, y, p):
    return p[2] + 0.0 * y


def simulate(p, paths, seed, t=T, **options):
    """Solution at the times `t`, ys of shape (paths, len(t), 1)."""
    return sciad.solve_sde(drift, diffusion, (0.0, t[-1]), Y0, t_eval=t, args=(p,), dt=0.02, paths=paths, seed=seed, **options)


def moments(ys):
    """Mean and variance at every time, and covariance with the first time."""
    y = ys[:, :, 0]
    centred = y - np.mean(y, axis=0)
    return np.mean(y, axis=0), np.mean(centred**2, axis=0), np.mean(centred * centred[:, :1], axis=0)


def loss(p, targets, seed=1):
    """Weighted squares of the differences of the moments."""
    found = moments(simulate(p, PATHS, seed).ys)
    return sum(np.mean((a - b) ** 2) * w for a, b, w in zip(found, targets, (1.0, 10.0, 10.0)))


def draw(data, fitted, history):
    """Paths and quantile bands of data and fit, and the loss."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fine = np.linspace(0.02, 3.2, 160)
    figure, (bands, losses) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained", width_ratios=(2, 1))
    for p, seed, color, label in ((TRUE, 11, "tab:blue", "truth"), (fitted, 1, "tab:orange", "fit")):
        sol = simulate(p, 400, seed, fine)
        low, middle, high = sol.quantiles([0.05, 0.5, 0.95])[:, :, 0]
        bands.fill_between(fine, low, high, color=color, alpha=0.2, lw=0)
        bands.plot(fine, middle, color=color, label=f"{label}: median, 5% to 95%")
        bands.plot(fine, sol.ys[:3, :, 0].T, color=color, lw=0.5)
    bands.errorbar(T, data.mean()[:, 0], data.std()[:, 0], fmt="k.", capsize=2, label="data: mean, deviation")
    bands.set(xlabel="t", ylabel="y")
    bands.legend()
    losses.semilogy(history)
    losses.set(xlabel="step", ylabel="loss")
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=120)
    print(f"drawn to {PICTURE}")


def main():
    data = simulate(TRUE, 400, seed=11)
    targets = moments(data.ys)
    start = np.array([0.5, 0.0, 1.0])
    result = sciad.fit(loss, start, "lbfgs", STEPS, [(targets,)])
    for name, found, true in zip(NAMES, result.params, TRUE):
        print(f"{name:>6}: {found:.3f}   (truth {true})")
    draw(data, result.params, result.history)


if __name__ == "__main__":
    main()
