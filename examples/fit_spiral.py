"""Fit a neural ODE to a spiral, draw it, and compare the gradient with two others.

The truth is y' = (y^3) A; the model y' = mlp(y^3) with 50 hidden units sees 1000 points of it on [0, 25].  First Adam on random
windows of 10 points, 20 for each step; then L-BFGS on all windows at once.  Ctrl-C keeps what was fitted.

Run: python examples/fit_spiral.py          (SCIAD_QUICK=1: a few steps only)
"""

import os
from pathlib import Path

import numpy as np

import sciad

QUICK = bool(os.environ.get("SCIAD_QUICK"))
PICTURE = Path(__file__).resolve().parent.parent / "out" / "fit_spiral.png"
A = np.array([[-0.1, 2.0], [-2.0, -0.1]])
T = np.linspace(0.0, 25.0, 1000)
Y0 = np.array([2.0, 0.0])
WINDOW, BATCH = 10, 20

params, network = sciad.nn.mlp([2, 50, 2], activation="tanh", seed=0, init=sciad.nn.normal(0.1))


def truth(t, y, A):
    return y**3 @ A


def model(t, y, params):
    return network(params, y**3)


def solve(fun, y0, t, *args, rtol=1e-7, atol=1e-9, adjoint="discrete"):
    """States at the times `t`, time first."""
    return sciad.solve_ivp(fun, (t[0], t[-1]), y0, method="Dopri5", t_eval=t, args=args, rtol=rtol, atol=atol, adjoint=adjoint).ys


def loss(params, windows, **options):
    """Mean squared distance of the model from windows of data, shape (WINDOW, number of windows, 2), each started on its first point."""
    return np.mean((solve(model, windows[0], T[:WINDOW], params, **options) - windows) ** 2)


def windows_at(starts, data):
    return data[starts[None, :] + np.arange(WINDOW)[:, None]]


def random_windows(data, seed=0):
    rng = np.random.default_rng(seed)
    while True:
        yield (windows_at(rng.choice(len(T) - WINDOW + 1, BATCH, replace=False), data),)


def train(params, data):
    """Adam on random windows, then L-BFGS on windows that cover the data, each starting where the one before ends."""
    steps, polish = (20, 5) if QUICK else (1000, 300)
    print(f"Adam, {BATCH} random windows of {WINDOW} points for each step")
    adam = sciad.optim.adam(sciad.optim.cosine(1e-2, steps, final=1e-3))
    first = sciad.fit(loss, params, adam, steps, random_windows(data))
    if first.message == "interrupted":
        return first.params, first.history
    everything = windows_at(np.arange(0, len(T) - WINDOW + 1, WINDOW - 1), data)
    print(f"L-BFGS, all {everything.shape[1]} windows at once")
    second = sciad.fit(loss, first.params, "lbfgs", polish, [(everything,)])
    return second.params, first.history + second.history


def draw(data, fitted, params, history):
    """Data, fit and vector field in the plane; both components over time; the loss."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (plane, times, losses) = plt.subplots(1, 3, figsize=(15, 4.6), layout="constrained")
    grid = np.stack(np.meshgrid(np.linspace(-2.2, 2.2, 25), np.linspace(-2.2, 2.2, 25)), axis=-1)
    slope = model(0.0, grid.reshape(-1, 2), params).reshape(grid.shape)
    plane.streamplot(grid[..., 0], grid[..., 1], slope[..., 0], slope[..., 1], color="0.8", linewidth=0.7, arrowsize=0.7)
    plane.plot(*data[::4].T, ".", ms=3, color="tab:blue", label="data")
    plane.plot(*fitted.T, lw=1.2, color="tab:orange", label="fit")
    plane.set(title="fit and its vector field", xlabel="$y_1$", ylabel="$y_2$", aspect="equal")
    plane.legend(loc="upper right")
    for k, color in enumerate(("tab:blue", "tab:green")):
        times.plot(T[::4], data[::4, k], ".", ms=3, color=color, label=f"$y_{k + 1}$, data")
        times.plot(T, fitted[:, k], lw=1.2, color=color, label=f"$y_{k + 1}$, fit")
    times.set(title="from $y(0)$ alone", xlabel="t")
    times.legend(loc="upper right")
    losses.semilogy(history, lw=0.8)
    losses.set(title="mean squared error on windows", xlabel="step")
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=120)
    plt.close(figure)


def as_vector(layers):
    return np.concatenate([np.ravel(leaf) for layer in layers for leaf in layer])


def as_layers(vector):
    cuts = np.cumsum([leaf.size for layer in params for leaf in layer])[:-1]
    W1, b1, W2, b2 = np.split(vector, cuts)
    return (sciad.nn.Layer(W1.reshape(2, -1), b1), sciad.nn.Layer(W2.reshape(-1, 2), b2))


def central_differences(layers, windows, h=1e-5):
    """The gradient once more, from two solves for each parameter, at tolerances far below the effect of the step `h`."""
    center = as_vector(layers)

    def value(k, step):
        moved = center.copy()
        moved[k] += step
        return loss(as_layers(moved), windows, rtol=1e-12, atol=1e-13)

    return np.array([(value(k, h) - value(k, -h)) / (2 * h) for k in range(center.size)])


def compare_gradients(layers, data):
    """One line: how far the discrete adjoint's gradient lies from the continuous adjoint's and from central differences."""
    windows = windows_at(np.arange(0, 200, 10), data)

    def gradient(adjoint):
        return as_vector(sciad.grad(lambda p: loss(p, windows, adjoint=adjoint))(layers))

    discrete = gradient("discrete")
    continuous, differences = (
        np.linalg.norm(other - discrete) / np.linalg.norm(discrete)
        for other in (gradient("interpolating"), central_differences(layers, windows))
    )
    return f"gradient: the continuous adjoint differs from the discrete one by {continuous:.1e}, central differences by {differences:.1e}"


def main():
    data = solve(truth, Y0, T, A, rtol=1e-10, atol=1e-12)
    fitted_params, history = train(params, data)
    fitted = solve(model, Y0, T, fitted_params)
    error = np.mean(np.abs(fitted - data))
    draw(data, fitted, fitted_params, history)
    print(f"mean absolute error of the trajectory on [0, 25]: {error:.4f}")
    print(f"picture: {os.path.relpath(PICTURE)}")
    print(compare_gradients(params, data))  # at the start: at the minimum there is no gradient left to compare
    if len(history) >= 1300 and error > 0.1:
        raise SystemExit("the fit does not follow the truth: expected an error below 0.1")


if __name__ == "__main__":
    main()
