"""Planned solves: what the general way gives, to the bit, and never with the numbers of an earlier call."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import sciad
from sciad.solvers import ivp
from sciad.solvers.planned import planned as original

TIMES = np.linspace(0.0, 3.0, 13)
Y0, RATES = np.array([1.0, 0.5]), np.array([1.5, 1.0, 1.0, 3.0])


def predator(t, y, p):
    """Lotka-Volterra, forced a little."""
    return np.array([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1] + 0.1 * np.sin(t)])


def decay(t, y, k):
    """y' = -k y, the solution is known."""
    return -k * y


@pytest.fixture
def routes(monkeypatch):
    """Counts the solves that a plan took; ``routes(False)`` closes that way."""
    taken = []

    def counted(*given):
        found = original(*given)
        taken.append(found is not None)
        return found

    def choose(open_):
        taken.clear()
        monkeypatch.setattr(ivp, "planned", counted if open_ else lambda *given: None)
        return taken

    return choose


def _loss(p, y0, options):
    sol = sciad.solve_ivp(predator, (0.0, 3.0), y0, args=(p,), **options)
    return np.sum(sol.ys**2 * np.arange(1, len(sol.t) + 1)[:, None])


@pytest.mark.parametrize(
    "options",
    [
        {"method": "Tsit5", "t_eval": TIMES},
        {"method": "Tsit5"},
        {"method": "auto", "t_eval": TIMES, "rtol": 1e-5},
        {"method": "auto", "rtol": 1e-8, "atol": 1e-10},
        {"method": "RK45", "t_eval": TIMES, "max_step": 0.05, "adjoint": "discrete"},
        {"method": "DOP853", "t_eval": TIMES, "rtol": 1e-9, "atol": 1e-9, "adjoint": "discrete"},
        {"method": "Tsit5", "t_eval": TIMES, "adjoint": sciad.adjoints.Discrete(store="states")},
        {"method": "Rodas5P", "t_eval": TIMES, "rtol": 1e-6},
        {"method": "NDF", "rtol": 1e-6},
        {"method": "KenCarp4", "t_eval": TIMES, "adjoint": "discrete"},
    ],
    ids=["saved", "every-step", "auto", "auto-tight", "max-step", "dop853", "states", "rosenbrock", "bdf", "esdirk"],
)
def test_equal_to_the_general_way(routes, options):
    """Values, gradients, times and counts, the first time and when the plan is used again."""
    found = []
    for planned in (False, True, True):
        taken = routes(planned)
        sol = sciad.solve_ivp(predator, (0.0, 3.0), Y0, args=(RATES,), **options)
        value, bars = sciad.value_and_grad(_loss, (0, 1))(RATES, Y0, options)
        assert all(taken)
        assert len(taken) == (2 if planned else 0)
        counts = sol.nfev, sol.naccept, sol.nreject, sol.njev, sol.nlu, sol.status, sol.message, sol.method, sol.switches, sol.success
        found.append((value, *bars, sol.t, sol.ys, counts))
    for again in found[1:]:
        assert again[-1] == found[0][-1]
        for a, b in zip(again[:-1], found[0][:-1]):
            np.testing.assert_allclose(a, b, rtol=1e-14, atol=0)


def test_backwards_in_time(routes):
    routes(True)
    times, options = [2.0, 1.0, 0.0], {"method": "Tsit5", "args": (1.0,), "rtol": 1e-9, "atol": 1e-12}
    sol, again = (sciad.solve_ivp(decay, (2.0, 0.0), np.array([np.exp(-2.0)]), t_eval=t, **options) for t in (times, np.array(times)))
    np.testing.assert_allclose(again.ys[:, 0], np.exp([-2.0, -1.0, 0.0]), rtol=1e-7)
    np.testing.assert_array_equal(sol.ys, again.ys)


def test_lists_of_numbers(routes):
    """As SciPy's users write them."""
    taken = routes(True)
    for _ in range(2):
        sol = sciad.solve_ivp(decay, [0, 1], [1, 2.0], "Tsit5", [0.0, 0.5, 1], args=(1.0,), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(sol.y, np.outer([1.0, 2.0], np.exp([0.0, -0.5, -1.0])), rtol=1e-7)
    assert all(taken)

    def end(a):
        return sciad.solve_ivp(decay, (0, 1), [1.0, a], "Tsit5", [1.0], args=(1.0,), rtol=1e-9, atol=1e-12).ys[0, 1]

    gradient = sciad.grad(end)(2.0)
    assert gradient == pytest.approx(np.exp(-1.0), rel=1e-7)


def test_numbers_of_this_call(routes):
    """Arguments changed in place, closures and globals made anew, another y0: all are read at every call."""
    taken = routes(True)
    rates = np.array([1.0])

    def solve(fun, y0=1.0, args=()):
        return sciad.solve_ivp(fun, (0.0, 1.0), np.array([y0]), "Tsit5", np.array([1.0]), args=args, rtol=1e-9, atol=1e-12).ys[0, 0]

    def made(k):
        return lambda t, y: -k * y

    for k in (1.0, 0.25):
        rates[0] = k
        assert solve(decay, 2.0, (rates,)) == pytest.approx(2 * np.exp(-k), rel=1e-8)
        assert solve(made(k)) == pytest.approx(np.exp(-k), rel=1e-8)
    for n in (1, 2):  # an int is compiled in
        assert solve(made(n)) == pytest.approx(np.exp(-n), rel=1e-8)
        assert solve(decay, 1.0, (n,)) == pytest.approx(np.exp(-n), rel=1e-8)
    assert solve(made(1)) == pytest.approx(np.exp(-1), rel=1e-8)
    assert all(taken)
    assert len(taken) == 9


def test_changed_after_the_forward_pass(routes):
    """The pullback belongs to the numbers that the solve was given."""
    routes(True)
    y0, k, times = np.array([2.0]), np.array([0.5]), np.array([0.5, 1.0])

    def end(y0, k):
        return sciad.solve_ivp(decay, (0.0, 1.0), y0, "Tsit5", times, args=(k,), rtol=1e-10, atol=1e-12).ys[-1, 0]

    for _ in range(2):
        value, pullback = sciad.vjp(end, y0, k)
        y0[:], k[:], times[:] = 7.0, 9.0, [0.1, 0.2]
        y0_bar, k_bar = pullback(1.0)
        y0[:], k[:], times[:] = 2.0, 0.5, [0.5, 1.0]
        np.testing.assert_allclose([value, y0_bar[0], k_bar[0]], [2 * np.exp(-0.5), np.exp(-0.5), -2 * np.exp(-0.5)], rtol=1e-8)


@pytest.mark.parametrize("planned", [True, False])
def test_times_of_the_result_are_the_callers_own(routes, planned):
    """A loss that works on sol.t in place does not change where the way back finds the saved states."""
    routes(planned)

    def loss(k):
        sol = sciad.solve_ivp(decay, (0.0, 1.0), np.array([1.0]), "Tsit5", np.array([0.25, 1.0]), args=(k,), rtol=1e-10, atol=1e-12)
        sol.t *= 60.0
        return np.sum(sol.ys)

    for _ in range(2):
        assert sciad.grad(loss)(0.5) == pytest.approx(-0.25 * np.exp(-0.125) - np.exp(-0.5), rel=1e-8)


def test_constants_and_unused_parameters(routes):
    """Only what is traced gets a cotangent, and an unused parameter an exact zero."""
    routes(True)

    def end(y0, k, unused):
        return sciad.solve_ivp(lambda t, y, k, u: -k * y, (0.0, 1.0), y0, "Tsit5", np.array([1.0]), args=(k, unused)).ys[-1, 0]

    for _ in range(2):
        gradient = sciad.grad(end, (2,))(np.array([1.0]), np.array([1.0]), np.array([3.0, 4.0]))
        np.testing.assert_array_equal(gradient[0], [0.0, 0.0])


def test_second_derivatives(routes):
    """Forward over reverse and reverse over reverse of exp(-k)."""
    routes(True)

    def end(k):
        return sciad.solve_ivp(decay, (0.0, 1.0), np.array([1.0]), "Tsit5", np.array([1.0]), args=(k,), rtol=1e-10, atol=1e-12).ys[-1, 0]

    k = np.array([0.7])
    sciad.grad(end)(k)  # the plan is there
    np.testing.assert_allclose(sciad.hvp(end, (k,), (np.ones(1),)), np.exp(-k), rtol=1e-7)
    np.testing.assert_allclose(sciad.grad(lambda k: sciad.grad(end)(k)[0])(k), np.exp(-k), rtol=1e-7)
    _, pullback = sciad.vjp(end, k)
    np.testing.assert_allclose(sciad.grad(lambda bar: pullback(bar)[0][0])(2.0), -np.exp(-k[0]), rtol=1e-7)


def test_explicit_steps_that_are_not_trusted(routes):
    """Robertson's problem at a loose tolerance: the adjoint takes the stiff method alone, planned from the second time on."""

    def rober(t, y, k):
        a, b, c = k[0] * y[0], k[1] * y[1] * y[1], k[2] * y[1] * y[2]
        return np.array([c - a, a - b - c, b])

    def loss(k):
        options = {"t_eval": np.array([1.0, 100.0]), "rtol": 1e-6, "atol": 1e-8}
        sol = sciad.solve_ivp(rober, (0.0, 100.0), np.array([1.0, 0.0, 0.0]), "auto", args=(k,), **options)
        return np.sum(sol.ys[:, 0])

    k, found = np.array([0.04, 3e7, 1e4]), []
    for planned, expected in ((False, []), (True, [False]), (True, [True])):
        taken = routes(planned)
        found.append(sciad.value_and_grad(loss)(k))
        assert taken == expected
    for value, gradient in found[1:]:
        assert value == found[0][0]
        np.testing.assert_allclose(gradient, found[0][1], rtol=1e-13)


@pytest.mark.parametrize("method", ["auto", "Rodas5P"])
def test_stiff_and_back(routes, method):
    """y' = -k (y - cos t): a solve that switches, plain and differentiated, against the general way and the slow manifold."""

    def relax(t, y, k):
        return -k * (y - np.cos(t))

    def loss(k, y0):
        sol = sciad.solve_ivp(relax, (0.0, 2.0), y0, method, np.array([0.001, 1.0, 2.0]), args=(k,), rtol=1e-7, atol=1e-9)
        return np.sum(sol.ys)

    k, y0, found = np.array([1e4]), np.array([2.0]), []
    for planned in (False, True, True):
        taken = routes(planned)
        found.append([*sciad.value_and_grad(loss, (0, 1))(k, y0), loss(k, y0)])
        assert all(taken)
    for again in found[1:]:
        np.testing.assert_allclose(again[0], found[0][0], rtol=1e-14)
        np.testing.assert_allclose(again[1], found[0][1], rtol=1e-13)
        assert again[2] == again[0]

    def exact(k, y0):
        t = np.array([0.001, 1.0, 2.0])
        slow = (k * k * np.cos(t) + k * np.sin(t)) / (1 + k * k)
        return np.sum(slow + (y0 - k * k / (1 + k * k)) * np.exp(-k * t))

    step = 1e-3
    np.testing.assert_allclose(found[1][0], exact(1e4, 2.0), rtol=1e-6)
    np.testing.assert_allclose(found[1][1][0], (exact(1e4 + step, 2.0) - exact(1e4 - step, 2.0)) / (2 * step), rtol=1e-3)
    np.testing.assert_allclose(found[1][1][1], np.exp(-10.0), rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"t_eval": np.array([0.0, 4.0])}, "not within `t_span`"),
        ({"t_eval": np.array([1.0, 0.5])}, "not properly sorted"),
        ({"y0": np.array([1.0, np.nan])}, "must be finite"),
        ({"max_steps": 0}, "`max_steps` must be positive"),
        ({"max_step": -1.0}, "`max_step` must be positive"),
        ({"t_span": (0.0, np.nan)}, "t_span"),
        ({"rtol": -1.0}, "`rtol` must be positive"),
    ],
)
def test_errors_of_the_general_way(routes, change, error):
    routes(True)
    given = {"t_span": (0.0, 3.0), "y0": Y0, "method": "Tsit5", "t_eval": TIMES, "args": (RATES,)} | change
    for _ in range(2):
        with pytest.raises(ValueError, match=error):
            sciad.solve_ivp(predator, **given)


def test_failures_of_the_general_way(routes):
    """A solve that does not reach its end is told as before: status and message, or SolveError under differentiation."""
    taken = routes(True)
    sol = sciad.solve_ivp(decay, (0.0, 100.0), np.array([1.0]), "Tsit5", np.array([100.0]), args=(1.0,), max_steps=3)
    assert not sol.success
    assert "max_steps = 3" in sol.message
    assert taken == [False]
    with pytest.raises(sciad.SolveError, match="max_steps = 3"):
        sciad.grad(lambda k: sciad.solve_ivp(decay, (0.0, 100.0), np.array([1.0]), "Tsit5", args=(k,), max_steps=3).ys[-1, 0])(1.0)


def test_from_the_first_switch_on(routes):
    """Where "auto" switches, the plan is for both methods from then on."""
    taken = routes(True)
    for _ in range(2):
        sol = sciad.solve_ivp(decay, (0.0, 10.0), np.array([1.0]), "auto", np.array([10.0]), args=(5e4,))
        assert sol.success
        assert len(sol.switches) == 2
    assert taken == [True, True]


def test_fields_when_asked_for(routes):
    routes(True)
    for _ in range(2):
        sol = sciad.solve_ivp(decay, (0.0, 1.0), np.array([1.0]), "Tsit5", args=(1.0,))
        assert list(sol.keys())[:2] == ["t", "y"]
        assert "nfev" in sol
        assert "nothing" not in sol
        assert "seconds" in repr(sol)
        assert sol["status"] == 0
        assert sol.sol is None
        assert sol.t_events is None
        assert "discrete" in str(sol.adjoint_report)
        with pytest.raises(AttributeError, match="nothing"):
            _ = sol.nothing
    kept = []

    def loss(k):
        kept[:] = [sciad.solve_ivp(decay, (0.0, 1.0), np.array([1.0]), "Tsit5", np.array([1.0]), args=(k,))]
        return kept[0].ys[-1, 0]

    sciad.grad(loss)(1.0)
    assert kept[0].adjoint_report.differentiated
    assert kept[0].adjoint_report.memory > 0


def test_threads(routes):
    """One plan serves several threads at once."""
    routes(True)
    found = {}

    def work(k):
        for _ in range(50):
            found.setdefault(k, set()).add(sciad.grad(lambda k: _loss(RATES * k, Y0, {"method": "Tsit5", "t_eval": TIMES}))(k))

    work(1.0)
    threads = [threading.Thread(target=work, args=(k,)) for k in (0.9, 1.1, 1.2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(values) == 1 for values in found.values())
    assert len(found) == 4


def test_methods_are_objects_of_the_module(routes):
    """As API and SciPy's users have it: a name, an object, a class of SciPy's."""
    from scipy.integrate import RK45

    from sciad import solvers

    routes(True)
    ends = {
        sciad.solve_ivp(decay, (0.0, 1.0), np.array([1.0]), method, args=(1.0,)).ys[-1, 0]
        for method in ("Dopri5", "rk45", solvers.Dopri5, solvers.RK45, RK45)
    }
    assert len(ends) == 1
    assert solvers.METHODS["NDF"] is solvers.BDF is solvers.FBDF
    with pytest.raises(AttributeError, match="Tsit5"):
        _ = solvers.Tsit6
    with pytest.raises(ValueError, match="sciad.solvers"):
        sciad.solve_ivp(decay, (0.0, 1.0), np.array([1.0]), 5, args=(1.0,))
