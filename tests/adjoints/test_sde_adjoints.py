"""Adjoints of SDEs against each other: forward and direct give what the discrete one gives, to rounding."""

import numpy as np
import pytest

import sciad
import sciad.adjoints.sde
from sciad.solvers.sde import solve_sde

Y0 = np.array([1.0, 0.5])
A = np.array([[-1.0, 0.5], [0.2, -0.8]])
B = 0.4 * np.random.default_rng(0).normal(size=(2, 2))


def drift(t, y, A, B):
    return A @ y + 0.1 * np.sin(y) * t


def diagonal(t, y, A, B):
    return B[0] * y + 0.1 * np.cos(t)


def scalar(t, y, A, B):
    return (B @ y) * np.cos(y)


def additive(t, y, A, B):
    return B * np.exp(-t)


def general(t, y, A, B):
    return np.array([[B[0, 0] * y[0], B[0, 1] * y[1], np.cos(y[0])], [y[1] * B[1, 0], y[0] * B[1, 1], y[0] * y[1]]])


DIFFUSIONS = {"diagonal": diagonal, "scalar": scalar, "additive": additive, "general": general}
CASES = [
    ("diagonal", "ito", "SRIW1", 0.1), ("diagonal", "ito", "ImplicitMilstein", 0.1), ("diagonal", "ito", "SOSRI", None),
    ("scalar", "stratonovich", "Heun", 0.1), ("additive", "ito", "SOSRA", 0.1), ("additive", "ito", "SKenCarp", 0.1),
    ("general", "ito", "Milstein", 0.2), ("general", "stratonovich", "Heun", None),
]  # fmt: skip


def loss(y0, A, B, noise, calculus, method, dt, adjoint):
    options = {"noise": noise, "calculus": calculus, "dt": dt, "paths": 2, "seed": 3, "adjoint": adjoint}
    sol = solve_sde(drift, DIFFUSIONS[noise], (0.0, 1.0), y0, method, [0.33, 1.0], (A, B), **options)
    return np.sum(np.sin(sol.ys))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_and_direct_agree_with_discrete(case):
    reference = sciad.value_and_grad(loss, argnums=(0, 1, 2))(Y0, A, B, *case, "discrete")
    for adjoint in ("forward", "direct"):
        value, gradient = sciad.value_and_grad(loss, argnums=(0, 1, 2))(Y0, A, B, *case, adjoint)
        np.testing.assert_allclose(value, reference[0], rtol=1e-12)
        for found, expected in zip(gradient, reference[1]):
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("case", CASES[:3], ids=str)
def test_forward_mode(case):
    """`sciad.jvp` pushes tangents through the steps."""
    rng = np.random.default_rng(0)
    dots = tuple(rng.normal(size=x.shape) for x in (Y0, A, B))
    _, out_dot = sciad.jvp(lambda *x: loss(*x, *case, "discrete"), (Y0, A, B), dots)
    gradient = sciad.grad(loss, argnums=(0, 1, 2))(Y0, A, B, *case, "discrete")
    np.testing.assert_allclose(out_dot, sum(np.sum(g * d) for g, d in zip(gradient, dots)), rtol=1e-10)


def test_compare_gradients_covers_sdes():
    """The report says which adjoint is how far off, and why one does not apply."""
    def of(b, adjoint):
        sol = solve_sde(
            drift, diagonal, (0.0, 1.0), Y0, "Heun", [1.0], (A, b), calculus="stratonovich", dt=0.02, paths=2, seed=3, adjoint=adjoint
        )
        return np.sum(sol.ys**2)

    report = sciad.compare_gradients(of, B, adjoints=("discrete", "backsolve", "forward", "direct", "gauss"))
    text = str(report)
    assert "discrete" in text
    assert "unknown adjoint 'gauss' for an SDE" in text
