"""Switching between explicit and stiff methods: when it happens, and that the pieces are one solution."""

import numpy as np
import pytest

from sciad.field import Field
from sciad.solvers.auto import Auto, choose, stability_boundary
from sciad.solvers.integrate import integrate
from sciad.solvers.methods import METHODS, find_method
from sciad.solvers.rhs import Rhs
from sciad.solvers.status import Status
from tests.solvers.stiff_problems import PROBLEMS


def lorenz(dy, t, y):
    dy[0] = 10.0 * (y[1] - y[0])
    dy[1] = y[0] * (28.0 - y[2]) - y[1]
    dy[2] = y[0] * y[1] - 8.0 / 3.0 * y[2]


def fast_and_slow(dy, t, y, rate, late):
    """The first component follows cos t, at a rate that grows from 1 to `rate` about t = 11 and falls back about t = 19 if `late`."""
    k = 1.0 + rate * np.exp(-(((t - 15.0) / 3.0) ** 8) * (late if t > 15.0 else 1.0))
    dy[0] = -k * (y[0] - np.cos(t)) - np.sin(t)
    dy[1] = y[2]
    dy[2] = -y[1]


@pytest.fixture(scope="module")
def changing():
    field = Field(fast_and_slow, (3,), (1e5, 1.0), inplace=True)
    return Rhs.of(field)


def test_boundaries_of_stability():
    """RK4's is known to be 2.785; the others lie where the literature has them."""
    assert stability_boundary(METHODS["RK4"]) == pytest.approx(2.785, abs=0.03)
    assert stability_boundary(METHODS["Dopri5"]) == pytest.approx(3.31, abs=0.03)
    assert 3.0 < stability_boundary(METHODS["Tsit5"]) < 3.6
    assert 4.0 < stability_boundary(METHODS["Vern7"]) < 5.5


def test_choice_by_size_and_tolerance():
    names = {(n, rtol): tuple(m.name for m in choose(Auto(), n, rtol)) for n in (3, 500) for rtol in (1e-3, 1e-9)}
    assert names[3, 1e-3] == ("Tsit5", "Rodas5P")
    assert names[3, 1e-9] == ("Vern7", "Rodas5P")
    assert names[500, 1e-3] == ("Tsit5", "NDF")
    assert choose(Auto(METHODS["BS3"], METHODS["TRBDF2"]), 3, 1e-3) == (METHODS["BS3"], METHODS["TRBDF2"])
    assert find_method("LSODA") is find_method("auto")


@pytest.mark.parametrize("rtol", [1e-5, 1e-8])
def test_a_problem_that_is_not_stiff_stays_with_the_explicit_method(rtol):
    rhs = Rhs.of(Field(lorenz, (3,), (), inplace=True))
    start, p, times = np.array([1.0, 0.0, 0.0]), np.empty(0), np.linspace(0.0, 2.0, 11)
    auto = integrate(rhs, (0.0, 2.0), start, p, "auto", times, rtol=rtol, atol=rtol)
    plain = integrate(rhs, (0.0, 2.0), start, p, "Tsit5" if rtol > 1e-6 else "Vern7", times, rtol=rtol, atol=rtol)
    assert len(auto.switches) == 1
    assert np.array_equal(auto.ys, plain.ys)
    assert auto.naccept == plain.naccept


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("rtol", [1e-5, 1e-8])
def test_stiff_problems(name, rtol):
    problem = PROBLEMS[name]
    rhs, y0, p = problem.compiled()
    solution = integrate(rhs, (0.0, problem.t_end), y0, p, "auto", np.array([problem.t_end]), rtol=rtol, atol=1e-6 * rtol)
    assert solution.success
    assert len(solution.switches) > 1
    assert np.max(np.abs(solution.ys[-1] / np.array(problem.end) - 1)) < 200 * rtol


@pytest.mark.parametrize("rtol", [1e-4, 1e-7])
@pytest.mark.parametrize("stiff", ["Rodas5P", "KenCarp4", "RadauIIA5", "NDF"])
def test_switches_both_ways_near_the_change(changing, rtol, stiff):
    auto = Auto(stiff=METHODS[stiff])
    times = np.linspace(0.0, 30.0, 61)
    solution = integrate(changing, (0.0, 30.0), np.array([1.0, 0.0, 1.0]), np.array([1e5, 1.0]), auto, times, rtol=rtol, atol=rtol)
    assert solution.success
    starts, names = zip(*solution.switches)
    assert names[:3] == (names[0], stiff, names[0])
    assert 10.0 < starts[1] < 12.0
    assert 18.0 < starts[2] < 28.0
    exact = np.stack([np.cos(times), np.sin(times), np.cos(times)], axis=1)
    assert np.max(np.abs(solution.ys - exact)) < 1000 * rtol
    assert solution.naccept < 10_000  # an explicit method needs 1e5 * 10 / 5 and more


def test_without_a_return_it_stays_stiff(changing):
    solution = integrate(changing, (0.0, 30.0), np.array([1.0, 0.0, 1.0]), np.array([1e5, 0.0]), "auto", np.array([30.0]), rtol=1e-5)
    assert [name for _, name in solution.switches] == ["Tsit5", "Rodas5P"]


def test_every_step_and_dense_output_over_the_pieces(changing):
    y0, p = np.array([1.0, 0.0, 1.0]), np.array([1e5, 1.0])
    solution = integrate(changing, (0.0, 30.0), y0, p, "auto", dense_output=True, rtol=1e-7, atol=1e-7)
    assert np.all(np.diff(solution.t) > 0)
    assert len(solution.t) == solution.naccept + 1
    assert np.array_equal(solution.sol(solution.t).T, solution.ys)
    times = np.linspace(0.0, 30.0, 200)
    exact = np.stack([np.cos(times), np.sin(times), np.cos(times)], axis=1)
    assert np.max(np.abs(solution.sol(times).T - exact)) < 1e-4
    slopes = np.stack([-np.sin(times), np.cos(times), -np.sin(times)], axis=1)
    assert np.max(np.abs(solution.sol.derivative(times).T - slopes)) < 1e-2
    saved = integrate(changing, (0.0, 30.0), y0, p, "auto", times, rtol=1e-7, atol=1e-7)
    assert np.max(np.abs(saved.ys - solution.sol(times).T)) < 1e-12
    assert solution.sol(3.0).shape == (3,)
    assert (solution.sol.t_min, solution.sol.t_max) == (0.0, 30.0)
    assert np.array_equal(solution.sol.ts, solution.t)


def test_backwards_and_with_jumps(changing):
    p = np.array([1e5, 0.0])
    solution = integrate(
        changing, (0.0, 30.0), np.array([1.0, 0.0, 1.0]), p, "auto", np.array([30.0]), rtol=1e-8, atol=1e-8,
        stops=np.array([5.0, 25.0]), jumps=np.array([[0.5, 1.0, 0.0], [0.5, 0.0, 1.0]]),
    )  # fmt: skip
    assert solution.success
    want = np.array([np.cos(30.0), np.sin(30.0) + np.cos(25.0) + np.sin(5.0), np.cos(30.0) - np.sin(25.0) + np.cos(5.0)])
    assert np.max(np.abs(solution.ys[-1] - want)) < 1e-5


def test_limits_hold_over_all_pieces():
    rhs, y0, p = PROBLEMS["OREGO"].compiled()
    full = integrate(rhs, (0.0, 360.0), y0, p, "auto", np.array([360.0]), rtol=1e-6)
    tried = full.naccept + full.nreject
    assert integrate(rhs, (0.0, 360.0), y0, p, "auto", np.array([360.0]), rtol=1e-6, max_steps=tried).success
    short = integrate(rhs, (0.0, 360.0), y0, p, "auto", np.array([360.0]), rtol=1e-6, max_steps=tried - 1)
    assert short.status == Status.TOO_MANY_STEPS
    assert short.naccept + short.nreject == tried - 1


def test_what_auto_refuses():
    rhs, y0, p = PROBLEMS["OREGO"].compiled()
    for options in ({"store": "tapes"}, {"fixed_step": 0.1}):
        with pytest.raises(ValueError, match="auto"):
            integrate(rhs, (0.0, 1.0), y0, p, "auto", **options)
