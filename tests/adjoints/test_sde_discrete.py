"""Pathwise gradients of SDEs against central differences with the same noise, exact solutions, and themselves with checkpoints."""

import numpy as np
import pytest
import scipy.linalg

import sciad
from sciad.adjoints.sde import SdeDiscrete
from sciad.errors import SolveError
from sciad.solvers.sde import Brownian, problem, solve_sde

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


def errors_of(solve, exact, given, steps=(64, 256)):
    """Relative errors of the gradient of sum(solve(*given, n)) for two numbers of steps; `exact`: that of the solution itself."""
    bars = [sciad.grad(lambda *x, n=n: np.sum(solve(*x, n)), argnums=(0, 1, 2))(*given) for n in steps]
    found = [np.concatenate([np.ravel(x) for x in some]) for some in bars]
    return [np.linalg.norm(x - exact) / np.linalg.norm(exact) for x in found]


def test_ornstein_uhlenbeck():
    """y(1) = y0 e^-a + s (W(1) - a J), J the integral of e^-a(1 - u) W(u), on the path itself."""
    y0, a, s, paths = 1.5, 1.3, 0.7, 5

    def pull(t, y, a, s):
        return -a * y

    def constant(t, y, a, s):
        return s * np.ones((1, 1))

    def last(y0, a, s, n):
        options = {"noise": "additive", "dt": 1 / n, "paths": paths, "seed": 5}
        return solve_sde(pull, constant, (0.0, 1.0), y0 * np.ones(1), "SOSRA", [1.0], (a, s), **options).ys

    u = np.linspace(0.0, 1.0, 100_001)
    w, e = Brownian(5, (0.0, 1.0), 1, paths)(u)[..., 0], np.exp(-a * (1 - u))
    j, j_a = (np.sum((x * w)[:, 1:] + (x * w)[:, :-1], axis=1) / 200_000 for x in (e, -(1 - u) * e))
    exact = paths * np.exp(-a), np.sum(-y0 * np.exp(-a) - s * (j + a * j_a)), np.sum(w[:, -1] - a * j)
    errors = errors_of(last, np.array(exact), (y0, a, s))
    assert errors[1] < 1e-4
    assert errors[1] < 0.2 * errors[0]


def test_linear_system():
    """dy = A y dt + b y dW: y(1) = expm(A + (W(1) - b / 2) b) y0."""
    b, paths = 0.4, 5

    def linear(t, y, A, b):
        return A @ y

    def common(t, y, A, b):
        return b * y

    def last(y0, A, b, n):
        return solve_sde(linear, common, (0.0, 1.0), y0, "SRIW1", [1.0], (A, b), noise="scalar", dt=1 / n, paths=paths, seed=5).ys

    w, transition = Brownian(5, (0.0, 1.0), 1, paths)([1.0])[:, 0, 0], scipy.linalg.expm(A)
    grown = np.exp(b * w - b * b / 2)
    units = np.eye(4).reshape(4, 2, 2)
    by_a = [np.sum(grown) * np.sum(scipy.linalg.expm_frechet(A, unit, compute_expm=False) @ Y0) for unit in units]
    by_b = np.sum(grown * (w - b)) * np.sum(transition @ Y0)
    errors = errors_of(last, np.concatenate([np.sum(grown) * transition.sum(axis=0), by_a, [by_b]]), (Y0, A, b))
    assert errors[1] < 1e-3
    assert errors[1] < 0.3 * errors[0]


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


@pytest.mark.parametrize("noise", ["scalar", "diagonal"])
def test_paths_at_once_change_nothing(monkeypatch, noise):
    """Steps of many paths and steps of one give the same states, failures and gradients; who fails does not touch his neighbours."""
    def some_explode(t, y, A, B):
        return A @ y + 10.0 * y**3

    def found():
        gradient = sciad.grad(loss, argnums=(0, 1, 2))(Y0, A, B, noise, "ito", "SRIW1", paths=100)
        options = {"args": (A, B), "noise": noise, "method": "SRIW1", "dt": 0.05, "paths": 100, "seed": 3}
        sol = solve_sde(some_explode, DIFFUSIONS[noise], (0.0, 1.0), 0.325 * Y0, **options)
        return gradient, sol.failed, sol.ys

    many = found()
    monkeypatch.setattr(problem, "paths_together", lambda *given: 1)
    one = found()
    assert 0 < len(one[1]) < 100
    np.testing.assert_array_equal(many[1], one[1])
    np.testing.assert_array_equal(many[2], one[2])
    for x, y in zip(many[0], one[0]):
        np.testing.assert_allclose(x, y, rtol=1e-12)


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
