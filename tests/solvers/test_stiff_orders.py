"""Observed orders of the implicit methods, on a nonlinear problem with time in it, at the end and inside the steps."""

import numpy as np
import pytest

from sciad.field import Field
from sciad.solvers.integrate import integrate
from sciad.solvers.methods import METHODS
from sciad.solvers.rhs import Rhs

FIXED = {"Rosenbrock23": 2, "Rodas4": 4, "Rodas5P": 5, "TRBDF2": 2, "Kvaerno3": 3, "KenCarp4": 4, "Kvaerno5": 5, "RadauIIA5": 5}
DENSE = {"RadauIIA5": 4}  # the collocation polynomial; all others keep the order of the method


def fun(dy, t, y):
    dy[0] = -2.0 * t * y[0] * y[0]
    dy[1] = y[1] * np.cos(t) * (1.0 + t * t) * y[0] + 10.0 * (y[0] * y[0] * y[0] - y[0] / ((1.0 + t * t) * (1.0 + t * t)))


def exact(t):
    return np.stack([1 / (1 + t**2), np.exp(np.sin(t))], axis=-1)


@pytest.fixture(scope="module")
def rhs():
    return Rhs.of(Field(fun, (2,), (), inplace=True))


def errors(rhs, method, steps, times):
    ys = integrate(rhs, (0.0, 2.0), exact(0.0), np.empty(0), method, times, fixed_step=2.0 / steps).ys
    return np.max(np.abs(ys - exact(times)))


def observed(rhs, method, times, steps):
    e = [errors(rhs, method, n, times) for n in steps]
    return np.log(e[0] / e[1]) / np.log(steps[1] / steps[0])


@pytest.mark.parametrize("method", FIXED)
def test_observed_order(rhs, method):
    order = FIXED[method]
    steps = (64, 128) if order < 5 else (24, 48)
    assert observed(rhs, method, np.array([2.0]), steps) == pytest.approx(order, abs=0.3)


@pytest.mark.parametrize("method", FIXED)
def test_observed_order_of_dense_output(rhs, method):
    order = DENSE.get(method, FIXED[method])
    steps = (64, 128) if order < 5 else (24, 48)
    inside = 2 * (np.arange(24) + 0.37) / 24  # never at the end of a step, at many places of it
    assert observed(rhs, method, inside, steps) > order - 0.3


def test_ndf_follows_the_tolerance(rhs):
    """Its order varies: between 1e-4 and 1e-10 the error falls with the tolerance, at the end and inside the steps."""
    times = np.array([0.123, 0.77, 1.31, 1.9, 2.0])
    tols = np.array([1e-4, 1e-6, 1e-8, 1e-10])
    solutions = [integrate(rhs, (0.0, 2.0), exact(0.0), np.empty(0), "NDF", times, rtol=tol, atol=tol) for tol in tols]
    found = np.array([np.max(np.abs(solution.ys - exact(times))) for solution in solutions])
    assert np.all(found < 1000 * tols)
    slope = np.polyfit(np.log(tols), np.log(found), 1)[0]
    assert slope > 0.7


def test_ndf_refuses_fixed_steps(rhs):
    with pytest.raises(ValueError, match="fixed_step"):
        integrate(rhs, (0.0, 2.0), exact(0.0), np.empty(0), "NDF", fixed_step=0.1)


@pytest.mark.parametrize("method", [name for name, m in METHODS.items() if m.implicit])
def test_finite_differences_stand_in_for_missing_derivatives(rhs, method):
    """A right-hand side without compiled derivatives solves as well, f_t included."""
    bare = Rhs(rhs.f, rhs.n, rhs.n_p, owner=rhs)
    options = {"t_eval": np.array([0.9, 2.0]), "rtol": 1e-6, "atol": 1e-8}
    with_derivatives = integrate(rhs, (0.0, 2.0), exact(0.0), np.empty(0), method, **options)
    without = integrate(bare, (0.0, 2.0), exact(0.0), np.empty(0), method, **options)
    error = np.max(np.abs(with_derivatives.ys - exact(options["t_eval"])))
    assert np.max(np.abs(without.ys - exact(options["t_eval"]))) < 2 * error + 1e-7
    assert error < 1e-3


@pytest.mark.parametrize("method", [name for name, m in METHODS.items() if m.implicit])
def test_dense_output_object(rhs, method):
    solution = integrate(rhs, (0.0, 2.0), exact(0.0), np.empty(0), method, dense_output=True, rtol=1e-7, atol=1e-9)
    times = np.linspace(0.0, 2.0, 31)
    assert np.max(np.abs(solution.sol(times).T - exact(times))) < 1e-4
    assert np.array_equal(solution.sol(solution.t).T, solution.ys)
    again = integrate(rhs, (0.0, 2.0), exact(0.0), np.empty(0), method, times, rtol=1e-7, atol=1e-9)
    assert np.max(np.abs(solution.sol(times).T - again.ys)) < 1e-13
