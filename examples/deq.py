"""Train a deep equilibrium model: a network of infinite depth, whose output is the fixed point of one layer.

z = tanh(W z + U x + b) with 64 units, a linear read-out, and two interleaved spirals to tell apart.  The fixed points of a batch are
found by Anderson's method; the gradient is that of the fixed point, by the implicit function theorem, at a cost that does not depend on
how many iterations it took to get there.  The rows of W are kept at an absolute sum of at most 0.95, so that there is one fixed point.

Run: python examples/deq.py          (SCIAD_QUICK=1: a few steps only)
"""

import os
import time
import tracemalloc
from pathlib import Path

import numpy as np

import sciad
from sciad.adjoints import jacobian_penalty

QUICK = bool(os.environ.get("SCIAD_QUICK"))
PICTURE = Path(__file__).resolve().parent.parent / "out" / "deq.png"
WIDTH, BATCH = 64, 128
STEPS = 60 if QUICK else 1000
PENALTY = 1e-3  # weight of the estimate of |dg/dz|^2, for fewer iterations


def spirals(n, seed):
    """Points (n, 2) on two noisy spirals, and their labels, 0 or 1."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    turn = np.sqrt(rng.random(n)) * 3.0 * np.pi
    radius = (turn + 0.5) / (3.0 * np.pi)
    angle = turn + np.pi * labels
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1) * 2.0 + 0.04 * rng.standard_normal((n, 2)), labels


def initial(seed):
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((WIDTH, WIDTH))
    return {
        "W": 0.5 * W / np.linalg.norm(W, 2), "U": 2.0 * rng.standard_normal((WIDTH, 2)), "b": rng.standard_normal(WIDTH),
        "out": 0.1 * rng.standard_normal(WIDTH), "bias": 0.0,
    }  # fmt: skip


def cell(z, x, W, U, b):
    return np.tanh(z @ W.T + x @ U.T + b)


def cell_args(params, x):
    """Arguments of the cell, the rows of W scaled down to an absolute sum of 0.95 where it is larger."""
    W = params["W"]
    return x, W * np.minimum(1.0, 0.95 / np.sum(np.abs(W), axis=1, keepdims=True)), params["U"], params["b"]


def equilibrium(params, x, z0=None, **options):
    """Fixed points (batch, WIDTH) for inputs (batch, 2), from z0 where there is something better than zero."""
    start = np.zeros((len(x), WIDTH)) if z0 is None else z0
    return sciad.fixed_point(cell, start, cell_args(params, x), **options)


def loss(params, x, labels, z0=None, seed=0, penalty=PENALTY, **options):
    """Mean logistic loss, and the penalty on the Jacobian of the layer."""
    z = equilibrium(params, x, z0, **{"xtol": 1e-5, **options})
    score = (2.0 * labels - 1.0) * (z @ params["out"] + params["bias"])
    value = np.mean(np.logaddexp(0.0, -score))
    if penalty:
        value = value + penalty * jacobian_penalty(cell, z, cell_args(params, x), seed)
    return value


def scores(params, x):
    """Read-out of the fixed points, in pieces of one batch: one shape, one compilation."""
    padded = np.concatenate([x, np.zeros((-len(x) % BATCH, 2))])
    pieces = [equilibrium(params, piece) @ params["out"] + params["bias"] for piece in padded.reshape(-1, BATCH, 2)]
    return np.concatenate(pieces)[: len(x)]


def accuracy(params, x, labels):
    return np.mean((scores(params, x) > 0) == labels)


def batches(x, labels, seed):
    rng = np.random.default_rng(seed)
    for step in range(STEPS):
        chosen = rng.choice(len(x), BATCH, replace=False)
        yield x[chosen], labels[chosen], None, step


def gradient_report(params, x, labels):
    """Implicit against unrolled gradient, and the memory of both, for few and for many iterations."""
    lines = []
    for xtol in (1e-1, 1e-10):
        found, peaks = {}, {}
        for adjoint in ("implicit", "direct"):
            gradient = sciad.grad(lambda p: loss(p, x, labels, penalty=0.0, adjoint=adjoint, xtol=xtol, method="iteration"))  # noqa: B023
            gradient(params)  # compile
            tracemalloc.start()
            found[adjoint] = gradient(params)
            peaks[adjoint] = tracemalloc.get_traced_memory()[1] / 1e6
            tracemalloc.stop()
        _, result = equilibrium(params, x, xtol=xtol, method="iteration", full_output=True)
        size = max(np.max(np.abs(g)) for g in found["implicit"].values())
        off = max(np.max(np.abs(found["implicit"][k] - found["direct"][k])) for k in params) / size
        lines.append(
            f"{result.nit:4d} iterations: unrolling differs from the implicit gradient by {off:.1e}; "
            f"memory {peaks['implicit']:.1f} MB implicit, {peaks['direct']:.1f} MB unrolled"
        )
    return lines


def warm_start_report(params, x):
    """Iterations from zero, and from the fixed points of slightly different weights, as the last epoch left them."""
    z, cold = equilibrium(params, x, full_output=True)
    moved = {**params, "W": params["W"] + 1e-3 * np.sign(params["W"])}
    _, warm = equilibrium(moved, x, z, full_output=True)
    residual = np.max(np.linalg.norm(cold.fun, axis=1) / np.linalg.norm(z, axis=1))
    return f"Anderson's method: {cold.nit} iterations from zero, {warm.nit} from a warm start; largest relative residual {residual:.1e}"


def draw(params, x, labels, history):
    """Decision regions with the test points, and the loss."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (plane, losses) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    n = 40 if QUICK else 160
    grid = np.stack(np.meshgrid(np.linspace(-2.5, 2.5, n), np.linspace(-2.5, 2.5, n)), axis=-1)
    value = scores(params, grid.reshape(-1, 2)).reshape(n, n)
    plane.contourf(grid[..., 0], grid[..., 1], np.tanh(value / 2), levels=np.linspace(-1, 1, 21), cmap="coolwarm", alpha=0.8)
    plane.contour(grid[..., 0], grid[..., 1], value, levels=[0.0], colors="k", linewidths=0.8)
    plane.scatter(*x.T, c=labels, cmap="coolwarm", s=9, edgecolors="k", linewidths=0.3)
    plane.set(title="decision regions and test points", aspect="equal")
    losses.semilogy(history, lw=0.8)
    losses.set(title="loss on batches, with penalty", xlabel="step")
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=120)
    plt.close(figure)


def main():
    begin = time.perf_counter()
    x, labels = spirals(1024, seed=1)
    x_test, labels_test = spirals(512, seed=2)
    optimizer = sciad.optim.adam(sciad.optim.cosine(5e-3, STEPS, final=1e-4))
    result = sciad.fit(loss, initial(seed=0), optimizer, STEPS, batches(x, labels, seed=3))
    params = result.params
    train, test = accuracy(params, x, labels), accuracy(params, x_test, labels_test)
    print(f"accuracy: {train:.3f} on the training points, {test:.3f} on the test points")
    print(warm_start_report(params, x[:BATCH]))
    print(*gradient_report(params, x[:BATCH], labels[:BATCH]), sep="\n")
    draw(params, x_test, labels_test, result.history)
    print(f"picture: {os.path.relpath(PICTURE)}; {time.perf_counter() - begin:.0f} s in all")


if __name__ == "__main__":
    main()
