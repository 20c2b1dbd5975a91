"""Jacobians and factors are used again: bounds on how often they are made, and accuracy where an old Jacobian misleads.

The bounds are of the kind that SciPy's own tests of `solve_ivp` have, on problems of ours.
"""

import numpy as np
import pytest

import sciad
from sciad.field import Field
from sciad.solvers.integrate import integrate
from sciad.solvers.rhs import Rhs
from tests.solvers.stiff_problems import PROBLEMS

MULTISTEP_AND_RADAU = ("NDF", "RadauIIA5")
TURN = np.array([[-2.0, 3.0], [-3.0, -2.0]])


def turning(t, y):
    return np.array([-2.0 * y[0] + 3.0 * y[1], -3.0 * y[0] - 2.0 * y[1]])


def turned(t):
    return np.exp(-2.0 * t) * np.array([np.cos(3.0 * t) + np.sin(3.0 * t), np.cos(3.0 * t) - np.sin(3.0 * t)])


def logistic(t, y):
    return y * (1.0 - y)


@pytest.mark.parametrize("method", MULTISTEP_AND_RADAU)
def test_a_smooth_problem_needs_few_jacobians(method):
    sol = sciad.solve_ivp(logistic, (0.0, 2.0), [0.2, 0.7], method, rtol=1e-3, atol=1e-6)
    assert 0 < sol.njev <= 3
    assert 0 < sol.nlu < 12
    assert sol.nfev < 50
    exact = 1.0 / (1.0 + (1.0 / np.array([0.2, 0.7]) - 1.0) * np.exp(-2.0))
    np.testing.assert_allclose(sol.y[:, -1], exact, rtol=5e-3)


@pytest.mark.parametrize("method", MULTISTEP_AND_RADAU)
def test_few_jacobians_over_many_scales(method):
    rhs, y0, p = PROBLEMS["ROBER"].compiled()
    solution = integrate(rhs, (0.0, 1e8), y0, p, method, rtol=1e-6, atol=1e-10)
    assert solution.success
    assert solution.njev < 200
    assert solution.njev < 0.6 * solution.naccept


@pytest.mark.parametrize("method", ["NDF", "RadauIIA5", "KenCarp4", "Rodas5P"])
@pytest.mark.parametrize("given", ["array", "sparse"])
def test_a_constant_jacobian_is_not_evaluated(method, given):
    from scipy.sparse import csc_matrix

    jac = TURN if given == "array" else csc_matrix(TURN)
    sol = sciad.solve_ivp(turning, (0.0, 2.0), [1.0, 1.0], method, rtol=1e-5, atol=1e-8, jac=jac)
    assert sol.njev == 0
    assert 0 < sol.nlu < 2 * len(sol.t) + 6
    np.testing.assert_allclose(sol.y[:, -1], turned(2.0), rtol=0, atol=1e-4)


def test_a_constant_jacobian_is_asked_for_once():
    calls = []

    class Matrix:
        shape = (2, 2)

        def toarray(self):
            calls.append(1)
            return TURN

    sol = sciad.solve_ivp(turning, (0.0, 2.0), [1.0, 1.0], "NDF", jac=Matrix())
    assert sol.success
    assert len(calls) == 1


@pytest.mark.parametrize("method", ["NDF", "RadauIIA5", "KenCarp4"])
def test_jacobians_in_python_are_kept(method):
    """A call of Python is dear: fewer Jacobians than steps, whatever the method."""
    times = []

    def jac(t, y):
        times.append(float(t))
        return np.diag(1.0 - 2.0 * np.array([float(x) for x in y]))

    sol = sciad.solve_ivp(logistic, (0.0, 5.0), [0.2, 0.7], method, rtol=1e-6, atol=1e-8, jac=jac)
    assert sol.success
    assert len(times) == sol.njev < 0.5 * len(sol.t)


def fading(dy, t, y, rate):
    """The first component follows cos t at a rate that falls from `rate` to 1 about t = 4; the others turn."""
    k = 1.0 + rate * np.exp(-((t / 3.0) ** 8))
    dy[0] = -k * (y[0] - np.cos(t)) - np.sin(t)
    dy[1] = y[2]
    dy[2] = -y[1]


@pytest.mark.parametrize("tol", [1e-4, 1e-5, 1e-6])
@pytest.mark.parametrize(("method", "slack"), [("NDF", 30), ("RadauIIA5", 30), ("KenCarp4", 200)])  # ESDIRK methods lose order there
@pytest.mark.parametrize("kind", ["compiled", "python"])
def test_an_old_jacobian_that_is_far_too_large(kind, method, slack, tol):
    """Where it damps the corrections of one component, the others hide how slowly that converges; the residual tells."""
    rhs = Rhs.of(Field(fading, (3,), (1e5,), inplace=True))
    rhs = Rhs(rhs.f, 3, 1, jac=rhs.jac, jac_kind=kind, owner=rhs)
    times = np.linspace(0.0, 12.0, 121)
    solution = integrate(rhs, (0.0, 12.0), np.array([1.0, 0.0, 1.0]), np.array([1e5]), method, times, rtol=tol, atol=tol)
    assert solution.success
    assert np.max(np.abs(solution.ys[:, 0] - np.cos(times))) < slack * tol
