"""sciad's gradient of a loss on a solve: ``gradients_sciad.py lotka_volterra|rober method adjoint [first]``."""

import sys

import numpy as np
from serve import answer, serve

import sciad

PROBLEMS = {
    "lotka_volterra": ((0.0, 10.0), [1.0, 1.0], np.array([1.5, 1.0, 1.0, 3.0]), np.linspace(0.0, 10.0, 101), 1e-6, 1e-6),
    "rober": ((0.0, 1e5), [1.0, 0.0, 0.0], np.array([0.04, 3e7, 1e4]), np.concatenate([[0.0], np.geomspace(1e-4, 1e5, 50)]), 1e-6, 1e-8),
}
WEIGHTS = np.array([1.0, 1e4, 1.0])


def lotka_volterra(t, y, p):
    return np.array([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1]])


def rober(t, y, k):
    slow, fast, back = k[0] * y[0], k[1] * y[1] ** 2, k[2] * y[1] * y[2]
    return np.array([back - slow, slow - back - fast, fast])


def main(problem, method, adjoint, mode="serve"):
    span, start, p, times, rtol, atol = PROBLEMS[problem]
    fun = {"lotka_volterra": lotka_volterra, "rober": rober}[problem]
    y0 = np.array(start)

    def loss(p, y0):
        ys = sciad.solve_ivp(fun, span, y0, method, times, args=(p,), rtol=rtol, atol=atol, adjoint=adjoint).ys
        return np.sum(ys**2) if problem == "lotka_volterra" else np.sum(ys @ WEIGHTS)

    gradient = sciad.value_and_grad(loss, (0, 1))

    def report():
        value, parts = gradient(p, y0)
        return {"loss": float(value), "gradient": np.concatenate(parts).tolist()}

    if mode == "first":
        answer(report())
    else:
        serve(lambda: gradient(p, y0), report)


if __name__ == "__main__":
    main(*sys.argv[1:])
