"""Train a neural SDE as a generator of a small time series.

The data are paths of a noisy double well, dy = (y - y**3) dt + 0.5 dW from y = 0, which leave the middle to either side.  The generator is
dy = f(t, y) dt + s(t, y) dW with two small tanh networks; it is trained to give the same distribution of whole paths as the data, by the
maximum mean discrepancy with a sum of Gaussian kernels (Gretton et al., J. Mach. Learn. Res. 13 (2012) 723).  Gradients are pathwise.

Run: python examples/neural_sde.py          (SCIAD_QUICK=1: fewer paths and steps)
"""

import os
from pathlib import Path

import numpy as np

import sciad

QUICK = bool(os.environ.get("SCIAD_QUICK"))
PICTURE = Path(__file__).resolve().parent.parent / "out" / "neural_sde.png"
T = np.linspace(0.3, 3.0, 10)
Y0 = np.zeros(1)
PATHS, STEPS = (64, 30) if QUICK else (128, 500)

weights, network = sciad.nn.mlp([1, 16, 1], activation="tanh", seed=0)
noise_weights, noise_network = sciad.nn.mlp([1, 8, 1], activation="tanh", seed=1)


def well(t, y):
    return y - y**3


def well_noise(t, y):
    return 0.5 + 0.0 * y


def drift(t, y, p):
    return network(p["drift"], y)


def diffusion(t, y, p):
    return 0.2 + 0.6 / (1.0 + np.exp(-noise_network(p["noise"], y)))


def generate(p, paths, seed, t=T):
    """Paths of the generator, a solution with ys of shape (paths, len(t), 1)."""
    return sciad.solve_sde(drift, diffusion, (0.0, 3.0), Y0, "EulerMaruyama", t, (p,), dt=0.05, paths=paths, seed=seed)


def data(paths, seed, t=T):
    """Paths of the double well."""
    return sciad.solve_sde(well, well_noise, (0.0, 3.0), Y0, t_eval=t, dt=0.02, paths=paths, seed=seed)


def squares(a, b):
    """Squared distances of all rows of a (k, m) and b (l, m)."""
    return np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1)[None, :] - 2.0 * (a @ b.T)


def discrepancy(x, y):
    """Squared maximum mean discrepancy of two samples of paths."""
    total = 0.0
    for width in (0.5, 2.0, 8.0):
        total = (
            total
            + np.mean(np.exp(-squares(x, x) / width))
            + np.mean(np.exp(-squares(y, y) / width))
            - 2.0 * np.mean(np.exp(-squares(x, y) / width))
        )
    return total


def loss(p, real, seed):
    return discrepancy(generate(p, PATHS, seed).ys[:, :, 0], real)


def batches(real):
    """A random part of the data and a new seed for every step."""
    rng = np.random.default_rng(0)
    while True:
        yield real[rng.choice(len(real), PATHS, replace=False)], int(rng.integers(2**31))


def draw(p, history):
    """Paths, bands and the distribution at the end, of data and generator."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fine = np.linspace(0.05, 3.0, 60)
    figure, (paths, ends, losses) = plt.subplots(1, 3, figsize=(15, 4.4), layout="constrained")
    for sol, color, label in ((data(2000, 5, fine), "tab:blue", "data"), (generate(p, 2000, 6, fine), "tab:orange", "generator")):
        low, high = sol.quantiles([0.1, 0.9])[:, :, 0]
        paths.fill_between(fine, low, high, color=color, alpha=0.2, lw=0, label=f"{label}, 10% to 90%")
        paths.plot(fine, sol.ys[:6, :, 0].T, color=color, lw=0.6)
        ends.hist(sol.ys[:, -1, 0], bins=np.linspace(-2, 2, 41), density=True, color=color, alpha=0.5, label=label)
    paths.set(xlabel="t", ylabel="y")
    paths.legend()
    ends.set(xlabel="y(3)", ylabel="density")
    ends.legend()
    losses.semilogy(np.maximum(history, 1e-6), lw=0.7)
    losses.set(xlabel="step", ylabel="discrepancy")
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=120)
    print(f"drawn to {PICTURE}")


def main():
    real = data(2000, seed=3).ys[:, :, 0]
    p = {"drift": weights, "noise": noise_weights}
    before = discrepancy(generate(p, 1000, 4).ys[:, :, 0], real)
    result = sciad.fit(loss, p, sciad.optim.adam(sciad.optim.cosine(2e-2, STEPS, final=2e-3)), STEPS, batches(real))
    after = discrepancy(generate(result.params, 1000, 4).ys[:, :, 0], real)
    print(f"discrepancy of 1000 generated paths from the data: {before:.4f} before, {after:.5f} after")
    print(
        f"share of paths on the right: {np.mean(generate(result.params, 4000, 8).ys[:, -1] > 0):.3f} (data {np.mean(real[:, -1] > 0):.3f})"
    )
    draw(result.params, result.history)


if __name__ == "__main__":
    main()
