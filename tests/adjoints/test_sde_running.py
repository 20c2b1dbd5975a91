"""Adjoints that keep no states: reversible Heun's is exact, backsolve converges with the step, in both calculi."""

import numpy as np
import pytest

import sciad
from sciad.adjoints.sde import SdeBacksolve
from sciad.errors import SolveError
from sciad.solvers.sde import solve_sde

Y0 = np.array([1.0, 0.5])
A = np.array([[-1.0, 0.5], [0.2, -0.8]])
B = np.array([[0.3, 0.2], [0.1, 0.4]])


def drift(t, y, A, B):
    return A @ y + 0.1 * np.sin(y) * t


def diagonal(t, y, A, B):
    return B[0] * np.sin(y) + 0.1 * np.cos(t)


def scalar(t, y, A, B):
    return (B @ y) * np.cos(y)


def general(t, y, A, B):
    return np.array([[B[0, 0] * y[0], B[0, 1] * y[1], np.cos(y[0])], [y[1] * B[1, 0], y[0] * B[1, 1], y[0] * y[1]]])


DIFFUSIONS = {"diagonal": diagonal, "scalar": scalar, "general": general}


def loss(y0, A, B, noise, calculus, method, dt, adjoint, paths=3):
    options = {"noise": noise, "calculus": calculus, "dt": dt, "paths": paths, "seed": 3, "adjoint": adjoint}
    sol = solve_sde(drift, DIFFUSIONS[noise], (0.0, 1.0), y0, method, [0.3, 1.0], (A, B), **options)
    return np.sum(np.sin(sol.ys))


def gradient(*case):
    found = sciad.grad(loss, argnums=(0, 1, 2))(Y0, A, B, *case)
    return np.concatenate([np.ravel(x) for x in found])


@pytest.mark.parametrize("noise", DIFFUSIONS)
def test_reversible_heun_is_exact(noise):
    """Against direct differentiation of its steps, and against central differences, with large steps."""
    case = (noise, "stratonovich", "ReversibleHeun", 0.1)
    exact = gradient(*case, "discrete")
    np.testing.assert_allclose(exact, gradient(*case, "direct"), rtol=1e-10, atol=1e-12)
    d, e = np.array([1.0, -2.0]), 1e-5
    difference = (loss(Y0 + e * d, A, B, *case, "discrete") - loss(Y0 - e * d, A, B, *case, "discrete")) / (2 * e)
    np.testing.assert_allclose(exact[:2] @ d, difference, rtol=1e-6)


@pytest.mark.parametrize("noise", DIFFUSIONS)
def test_reversible_heun_forward(noise):
    """Its tangents, in both surfaces of forward mode, are those of the exact adjoint."""
    case = (noise, "stratonovich", "ReversibleHeun", 0.1)
    exact = gradient(*case, "discrete")
    np.testing.assert_allclose(gradient(*case, "forward"), exact, rtol=1e-10, atol=1e-12)
    dots = tuple(np.random.default_rng(0).normal(size=x.shape) for x in (Y0, A, B))
    _, out_dot = sciad.jvp(lambda *x: loss(*x, *case, "discrete"), (Y0, A, B), dots)
    np.testing.assert_allclose(out_dot, exact @ np.concatenate([np.ravel(d) for d in dots]), rtol=1e-10)


def test_reversible_heun_order():
    """Order 1 for noise that commutes."""
    a, b = np.array([0.5, -0.7]), np.array([0.4, 0.3])

    def mu(t, y, a, b):
        return a * y

    def sigma(t, y, a, b):
        return b * y

    steps, errors = np.array([16, 32, 64, 128]), []
    for n in steps:
        sol = solve_sde(mu, sigma, (0.0, 1.0), Y0, "ReversibleHeun", [1.0], (a, b), calculus="stratonovich", dt=1 / n, paths=300, seed=1)
        errors.append(np.mean(abs(sol.ys[:, 0] - Y0 * np.exp(a + b * sol.brownian([1.0])[:, 0]))))
    assert abs(-np.polyfit(np.log(steps), np.log(errors), 1)[0] - 1.0) < 0.2


@pytest.mark.parametrize(
    ("noise", "calculus", "method"),
    [("diagonal", "stratonovich", "Heun"), ("scalar", "stratonovich", "Heun"), ("diagonal", "ito", "SRIW1"), ("scalar", "ito", "SRIW1"),
     ("general", "stratonovich", "Heun"), ("general", "ito", "Milstein")],
)  # fmt: skip
def test_backsolve_converges_to_discrete(noise, calculus, method):
    """The way back of an Ito equation needs the correction of the drift and its second derivatives: without it nothing converges."""
    errors = []
    for n in (32, 512 if noise != "general" else 256):
        case = (noise, calculus, method, 1 / n)
        exact = gradient(*case, "discrete")
        errors.append(np.linalg.norm(gradient(*case, SdeBacksolve(tolerance=1.0)) - exact) / np.linalg.norm(exact))
    assert errors[0] < 0.1
    assert errors[1] < (0.6 if noise == "general" else 0.4) * errors[0]  # noise that does not commute: order 1/2
    assert errors[1] < 0.02


def test_ito_and_stratonovich_forms_agree():
    """dy = a y dt + b y dW (Ito) is dy = (a - b^2 / 2) y dt + b y o dW: one gradient, as the step goes to zero, by every adjoint."""
    def ito(t, y, a, b):
        return a * y

    def stratonovich(t, y, a, b):
        return (a - 0.5 * b * b) * y

    def sigma(t, y, a, b):
        return b * y

    def fun(a, b, form, adjoint, n):
        f, calculus, method = (ito, "ito", "SRIW1") if form else (stratonovich, "stratonovich", "Heun")
        sol = solve_sde(f, sigma, (0.0, 1.0), Y0, method, [1.0], (a, b), calculus=calculus, dt=1 / n, paths=4, seed=7, adjoint=adjoint)
        return np.sum(sol.ys**2)

    a, b = np.array([0.5, -0.4]), np.array([0.4, 0.3])
    for adjoint in ("discrete", "backsolve"):
        errors = []
        for n in (20, 320):
            one, two = (np.concatenate(sciad.grad(fun, argnums=(0, 1))(a, b, form, adjoint, n)) for form in (True, False))
            errors.append(np.linalg.norm(one - two) / np.linalg.norm(one))
        assert errors[1] < 5e-3
        assert errors[1] < 0.3 * errors[0]


def test_a_backsolve_that_leaves_the_path_raises():
    """Decay forwards is growth backwards: large steps lose the state."""
    def decay(t, y, A, B):
        return -30.0 * y

    def fun(y0, adjoint):
        options = {"calculus": "stratonovich", "dt": 0.05, "seed": 3, "adjoint": adjoint}
        return np.sum(solve_sde(decay, diagonal, (0.0, 1.0), y0, "Heun", [1.0], (A, B), **options).ys)

    with pytest.raises(SolveError, match="backsolve: the state that runs backwards left"):
        sciad.grad(fun)(Y0, "backsolve")
    with pytest.raises(SolveError, match="backsolve"):
        sciad.grad(fun)(Y0, SdeBacksolve(tolerance=1e-12))
