"""Stiff methods against published solutions of the standard problems."""

import numpy as np
import pytest

import sciad
from sciad.solvers.integrate import integrate
from sciad.solvers.methods import METHODS
from tests.solvers.stiff_problems import PROBLEMS

STIFF = [name for name, method in METHODS.items() if method.implicit]
#: What the end may be wrong by, in units of the tolerance: methods of low order take what the problems' conditioning gives them.
SLACK = {"Rosenbrock23": 3000, "TRBDF2": 5000, "NDF": 1000}
SMALL_SCALES = ("ROBER", "HIRES", "POLLU")  # with components far below the others, which ask for a small atol


def end_error(problem, name, method, tol):
    rhs, y0, p = problem.compiled()
    atol = 1e-6 * tol if name in SMALL_SCALES else tol
    solution = integrate(rhs, (0.0, problem.t_end), y0, p, method, np.array([problem.t_end]), rtol=tol, atol=atol)
    assert solution.success, solution.message
    return np.max(np.abs(solution.ys[-1] / np.array(problem.end) - 1))


@pytest.mark.parametrize("method", STIFF)
@pytest.mark.parametrize("name", PROBLEMS)
def test_published_end_values(name, method):
    assert end_error(PROBLEMS[name], name, method, 1e-6) < SLACK.get(method, 200) * 1e-6


@pytest.mark.parametrize("method", ["Rodas5P", "RadauIIA5", "Kvaerno5", "NDF"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_tighter_tolerances_give_more_digits(name, method):
    assert end_error(PROBLEMS[name], name, method, 1e-9) < SLACK.get(method, 200) * 1e-9


@pytest.mark.parametrize("method", STIFF)
def test_saved_states_lie_on_the_solution(method):
    """Dense output on ROBER from 1e-4 to 1e5 agrees with steps that end at the saved times."""
    rhs, y0, p = PROBLEMS["ROBER"].compiled()
    times = np.logspace(-4, 5, 19)
    options = {"rtol": 1e-7, "atol": 1e-11}
    saved = integrate(rhs, (0.0, 1e5), y0, p, method, times, **options).ys
    met = integrate(rhs, (0.0, 1e5), y0, p, "RadauIIA5", times, stops=times[:-1], rtol=1e-9, atol=1e-13).ys
    assert np.max(np.abs(saved - met) / (1e-11 + 1e-7 * np.abs(met))) < SLACK.get(method, 200)


def test_counts():
    rhs, y0, p = PROBLEMS["HIRES"].compiled()
    rosenbrock = integrate(rhs, (0.0, 100.0), y0, p, "Rodas4", rtol=1e-6)
    assert rosenbrock.njev == rosenbrock.naccept
    assert rosenbrock.nlu == rosenbrock.naccept + rosenbrock.nreject
    assert rosenbrock.nfev == rosenbrock.naccept + 5 * rosenbrock.nlu + 1  # one more for the size of the first step
    newton = integrate(rhs, (0.0, 100.0), y0, p, "KenCarp4", rtol=1e-6)
    assert newton.njev <= newton.naccept + 1
    assert newton.nfev > 5 * newton.naccept


def test_backwards_in_time():
    """ROBER's fast transient makes it unsolvable backwards; a decaying solution run back from its end is not."""
    rhs, _, p = PROBLEMS["van der Pol"].compiled()
    options = {"rtol": 1e-9, "atol": 1e-11}
    p = np.array([1.0])
    end = integrate(rhs, (0.0, 2.0), np.array([2.0, 0.0]), p, "Rodas5P", np.array([2.0]), **options).ys[-1]
    for method in ("Rodas5P", "KenCarp4", "RadauIIA5", "NDF"):
        back = integrate(rhs, (2.0, 0.0), end, p, method, np.array([0.0]), **options).ys[-1]
        assert np.max(np.abs(back - [2.0, 0.0])) < 1e-5


@pytest.mark.parametrize("method", ["RadauIIA5", "NDF", "KenCarp4", "Kvaerno5", "TRBDF2", "Rodas5P", "auto"])
def test_nothing_happens(method):
    """y' = 0: Newton's first correction is zero, and so is its rate of convergence."""
    sol = sciad.solve_ivp(lambda t, y: np.zeros_like(y), (0.0, 10.0), np.ones(3), method)
    assert sol.success
    np.testing.assert_array_equal(sol.ys, 1.0)
