"""Pathwise gradients of SDEs against central differences with the same noise, exact solutions, and themselves with checkpoints."""

import numpy as np
import pytest

import sciad
from sciad.adjoints.sde import SdeDiscrete
from sciad.errors import SolveError
from sciad.solvers.sde import solve_sde

Y0 = np.array([1.0, 0.5])
A = np.array([[-1.0, 0.5], [0.2, -0.8]])
B = 0.4 * np.random.default_rng(0).normal(size=(2, 2, 2))


def drift(t, y, A, B):
    return A @ y + 0.1 * np.sin(y) * t


def diagonal(t, y, A, B):
    return B[0, 0] * y + 0.1 * np.cos(t)


def scalar(t, y, A, B):
    return (B[0] @ y) * np.cos(y)


def additive(t, y, A, B):
    return B[0] * np.exp(-t)


def general(t, y, A, B):
    return np.array([[B[0, 0, 0] * y[0], B[0, 1, 0] * y[1], np.cos(y[0])], [y[1] * B[0, 0, 1], y[0] * B[1, 1, 1], y[0] * y[1]]])


DIFFUSIONS = {"diagonal": diagonal, "scalar": scalar, "additive": additive, "general": general}
CASES = [
    *[("diagonal", "ito", m) for m in ("EulerMaruyama", "Milstein", "SRIW1", "SOSRI")],
    *[("diagonal", "stratonovich", m) for m in ("Heun", "Midpoint", "EulerHeun", "Milstein")],
    ("scalar", "ito", "SRIW2"), ("scalar", "stratonovich", "Heun"),
    ("additive", "ito", "SRA1"), ("additive", "ito", "SOSRA"), ("additive", "ito", "EulerMaruyama"),
    ("general", "ito", "EulerMaruyama"), ("general", "ito", "Milstein"), ("general", "stratonovich", "Heun"),
    ("general", "stratonovich", "Milstein"),
]  # fmt: skip


def loss(y0, A, B, noise="diagonal", calculus="ito", method="auto", adjoint="discrete", dt=0.05, paths=5):
    sol = solve_sde(drift, DIFFUSIONS[noise], (0.0, 1.0), y0, method=method, t_eval=[0.33, 1.0], args=(A, B), noise=noise,
                    calculus=calculus, dt=dt, paths=paths, seed=3, adjoint=adjoint)  # fmt: skip
    return np.sum(np.sin(sol.ys))


def directional(fun, args, seed=1, e=1e-5):
    """For each argument, a random direction and the central difference along it."""
    rng = np.random.default_rng(seed)
    for k, x in enumerate(args):
        d = rng.normal(size=np.shape(x))
        plus, minus = list(args), list(args)
        plus[k], minus[k] = x + e * d, x - e * d
        yield k, d, (fun(*plus) - fun(*minus)) / (2 * e)


@pytest.mark.parametrize(("noise", "calculus", "method"), CASES)
def test_central_differences_with_common_noise(noise, calculus, method):
    fun = lambda *args: loss(*args, noise, calculus, method)
    gradient = sciad.grad(fun, argnums=(0, 1, 2))(Y0, A, B)
    for k, d, difference in directional(fun, (Y0, A, B)):
        np.testing.assert_allclose(np.sum(gradient[k] * d), difference, rtol=1e-6)


def test_geometric_brownian_motion():
    """d y(1) / d(y0, a, b) of y0 exp((a - b^2 / 2) t + b W), as the step goes to zero."""
    a, b, y0 = 0.5, 0.4, 1.5

    def mu(t, y, a, b):
        return a * y

    def sigma(t, y, a, b):
        return b * y

    def last(y0, a, b, n):
        return solve_sde(mu, sigma, (0.0, 1.0), y0, args=(a, b), t_eval=[1.0], dt=1 / n, paths=4, seed=5, method="SRIW1")

    errors = []
    for n in (64, 256):
        w = last(y0, a, b, n).brownian([1.0])[:, 0, 0]
        y = y0 * np.exp(a - b * b / 2 + b * w)
        exact = np.array([np.sum(y / y0), np.sum(y), np.sum(y * (w - b))])
        found = sciad.grad(lambda *x, n=n: np.sum(last(*x, n).ys), argnums=(0, 1, 2))(y0, a, b)
        errors.append(abs(np.array(found) / exact - 1))
    assert np.all(errors[1] < 3e-4)
    assert np.all(errors[1] < errors[0])


def test_closed_over_floats():
    """Parameters that drift and diffusion close over, shared ones adding up."""

    def outer(c, e):
        def mu(t, y):
            return -c * y

        def sigma(t, y):
            return c * e * y

        return np.sum(solve_sde(mu, sigma, (0.0, 1.0), Y0, dt=0.1, paths=3, seed=1, method="Milstein").ys ** 2)

    gradient = sciad.grad(outer, argnums=(0, 1))(0.7, 0.3)
    for k, d, difference in directional(outer, (0.7, 0.3)):
        np.testing.assert_allclose(gradient[k] * d, difference, rtol=1e-6)


@pytest.mark.parametrize("checkpoints", [1, 3, 20, 1000])
def test_checkpoints_change_nothing(checkpoints):
    full = sciad.grad(loss, argnums=(0, 1, 2))(Y0, A, B, dt=0.01)
    few = sciad.grad(loss, argnums=(0, 1, 2))(Y0, A, B, dt=0.01, adjoint=SdeDiscrete(checkpoints=checkpoints))
    for x, y in zip(full, few):
        np.testing.assert_allclose(x, y, rtol=1e-13, atol=1e-15)


def test_backward_in_time():
    def fun(y0, A, B):
        return np.sum(
            solve_sde(
                drift, diagonal, (1.0, 0.0), y0, args=(A, B), calculus="stratonovich", method="Heun", dt=0.05, seed=3, t_eval=[0.4, 0.0]
            ).ys
        )

    gradient = sciad.grad(fun, argnums=(0, 1, 2))(Y0, A, B)
    for k, d, difference in directional(fun, (Y0, A, B)):
        np.testing.assert_allclose(np.sum(gradient[k] * d), difference, rtol=1e-6)


def test_a_failed_solve_raises():
    def explode(t, y, A, B):
        return 50.0 * y**3 + 0.0 * A[0] + 0.0 * B[0, 0]

    def fun(y0):
        return np.sum(solve_sde(explode, diagonal, (0.0, 1.0), y0, args=(A, B), dt=0.05, seed=3).ys)

    with pytest.raises(SolveError, match="to be differentiated failed: in the step from t ="):
        sciad.grad(fun)(10 * Y0)
