"""`minimize`: closed forms, derivatives of the minimiser and of the minimum to second order, refusals."""

import numpy as np
import pytest

import sciad
from sciad.solvers.nonlinear import minimize


def ridge(x, A, b, mu):
    return np.sum((A @ x - b) ** 2) + mu * np.sum(x * x)


def quartic(x, a, b):
    return np.sum((x - a) ** 4) + b * np.sum(x**2) + x[0] * x[1]


def test_ridge_regression(rng):
    """The normal equations, and the derivative of their solution by mu."""
    A, b, mu = rng.standard_normal((6, 3)), rng.standard_normal(6), 0.7
    result = minimize(ridge, np.zeros(3), (A, b, mu))
    H = A.T @ A + mu * np.eye(3)
    np.testing.assert_allclose(result.x, np.linalg.solve(H, A.T @ b), rtol=1e-12)
    assert result.success
    assert np.max(np.abs(result.jac)) < 1e-12
    assert abs(result.fun - ridge(result.x, A, b, mu)) < 1e-13
    x_dot = sciad.jvp(lambda mu: minimize(ridge, np.zeros(3), (A, b, mu)).x, (mu,), (1.0,))[1]
    np.testing.assert_allclose(x_dot, -np.linalg.solve(H, result.x), rtol=1e-10)
    fun_bar = sciad.grad(lambda mu: minimize(ridge, np.zeros(3), (A, b, mu)).fun)(mu)  # the envelope theorem
    np.testing.assert_allclose(fun_bar, result.x @ result.x, rtol=1e-12)


def test_second_order():
    """Against differences of the first, which are against differences of the solution."""
    a = np.array([1.0, 2.0])
    sciad.check_grads(lambda a, b: np.sum(minimize(quartic, np.zeros(2), (a, b)).x ** 3), (a, 0.5), order=2)


def square(x, a):
    return (x - a) ** 2


def test_scalars_and_methods():
    """A number as x0; other methods of SciPy."""
    for method in ("BFGS", "L-BFGS-B", "CG", "TNC", "Nelder-Mead", "Powell"):  # the last ones have no gradients to count
        assert minimize(square, 3.0, 1.5, method).x[0] == pytest.approx(1.5, abs=1e-12)
    assert sciad.grad(lambda a: minimize(square, 3.0, a).x[0])(1.5) == pytest.approx(1.0)


def valley(x, a):
    return (x[0] + x[1] - a) ** 2


def test_refusals():
    """A minimum that is not isolated has no derivative; a function that returns an array has no minimum."""
    assert minimize(valley, [0.0, 1.0], 2.0).fun < 1e-20
    with pytest.raises(sciad.SolveError, match="not positive definite"):
        sciad.grad(lambda a: minimize(valley, [0.0, 1.0], a).x[0])(2.0)
    with pytest.raises(sciad.SciadError, match="returns a number"):
        minimize(lambda x: x * x, [1.0, 2.0])
    with pytest.raises(sciad.SciadError, match="args"):
        sciad.grad(lambda a: minimize(lambda x: np.sum((x - a) ** 2), [1.0, 2.0]).x[0])(2.0)
