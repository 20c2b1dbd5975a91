"""Options and refusals of `solve_ivp` that SciPy has too, and those it has not: stops, fixed steps, controllers, messages."""

import functools

import numpy as np
import pytest
from scipy.integrate import solve_ivp as scipy_ivp

import sciad
from sciad.errors import PerformanceWarning, SolveError


def decay(t, y):
    return -y


def rotate(t, y):
    return [y[1], -y[0]]


def half(t, y):
    return y[0] - 0.5


@pytest.mark.parametrize(("span", "stops", "met"), [((0, 1), [0.5, 0.25, 3.0, 0.0], [0.25, 0.5]), ((1, 0), [0.25, 0.5], [0.5, 0.25])])
@pytest.mark.parametrize("method", ["auto", "Tsit5", "Rodas5P", "NDF"])
def test_steps_end_on_stops(method, span, stops, met):
    found = sciad.solve_ivp(decay, span, [1.0], method, tstops=stops, rtol=1e-6)
    assert [t for t in found.t if t in stops and t not in span] == met
    assert found.y[0, -1] == pytest.approx(np.exp(span[0] - span[1]), rel=1e-4)


def test_stops_and_events():
    """Stops that lie before an event are past after it."""

    def event(t, y):
        return half(t, y)

    event.apply = lambda t, y: 2 * y
    found = sciad.solve_ivp(decay, (0, 3), [1.0], events=event, tstops=[0.2, 1.0, 2.0], rtol=1e-8, atol=1e-8)
    assert {0.2, 1.0, 2.0} < set(found.t)
    np.testing.assert_allclose(found.t_events[0], np.log(2) * np.arange(1, 5), rtol=1e-6)
    assert found.y[0, -1] == pytest.approx(16 * np.exp(-3), rel=1e-6)


@pytest.mark.parametrize(("method", "adjoint"), [("Tsit5", "auto"), ("Tsit5", "gauss"), ("Rodas5P", "forward"), ("KenCarp4", "discrete")])
def test_gradients_with_stops(method, adjoint):
    def loss(y0):
        return sciad.solve_ivp(decay, (0, 1), y0, method, [1.0], tstops=[0.5], rtol=1e-8, atol=1e-8, adjoint=adjoint).ys[-1].sum()

    np.testing.assert_allclose(sciad.grad(loss)(np.array([1.0, 2.0])), np.exp(-1), rtol=1e-6)


def test_a_multistep_method_refuses_gradients_with_stops():
    with pytest.raises(SolveError, match="tstops"):
        sciad.grad(lambda y0: sciad.solve_ivp(decay, (0, 1), y0, "NDF", [1.0], tstops=[0.5]).ys[-1].sum())(np.ones(1))


def test_fixed_steps():
    found = sciad.solve_ivp(decay, (0, 1), [1.0], "RK4", fixed_step=0.25)
    np.testing.assert_array_equal(found.t, [0, 0.25, 0.5, 0.75, 1])
    growth = sum((-0.25) ** k / factor for k, factor in enumerate((1, 1, 2, 6, 24)))
    np.testing.assert_allclose(found.y[0], growth ** np.arange(5), rtol=1e-14)


def test_controllers():
    steps = {name: sciad.solve_ivp(rotate, (0, 20), [1.0, 0.0], "Tsit5", controller=name, rtol=1e-6).t for name in ("I", "PI", "PID", None)}
    np.testing.assert_array_equal(steps["PI"], steps[None])
    assert not np.array_equal(steps["I"], steps["PI"])
    with pytest.raises(ValueError, match="'I', 'PI', 'PID'"):
        sciad.solve_ivp(rotate, (0, 1), [1.0, 0.0], controller="foo")


def test_no_events_is_not_the_same_as_none():
    found, theirs = (solve(rotate, (0, 1), [1.0, 0.0], "RK45", events=[], dense_output=True) for solve in (sciad.solve_ivp, scipy_ivp))
    assert found.t_events == theirs.t_events == []
    assert found.y_events == theirs.y_events == []
    np.testing.assert_allclose(found.sol(0.5), theirs.sol(0.5), atol=1e-2)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"fun": 3}, TypeError, "`fun` must be a function"),
        ({"events": [3]}, TypeError, "`events` must be functions"),
        ({"method": None}, ValueError, "`method` must be a name"),
        ({"method": object()}, ValueError, "`method` must be a name"),
        ({"min_step": -1.0}, ValueError, "`min_step` must be nonnegative"),
        ({"tstops": [np.nan]}, ValueError, "`tstops` must be finite"),
    ],
)
def test_what_cannot_be(given, error, text):
    with pytest.raises(error, match=text):
        sciad.solve_ivp(**{"fun": decay, "t_span": (0, 1), "y0": [1.0], **given})


def test_one_relative_tolerance_in_an_array():
    found = sciad.solve_ivp(decay, (0, 1), [1.0, 2.0], "RK45", rtol=[1e-5])
    np.testing.assert_array_equal(found.y, sciad.solve_ivp(decay, (0, 1), [1.0, 2.0], "RK45", rtol=1e-5).y)


class Decay:
    def __call__(self, t, y):
        return -y


@pytest.mark.parametrize("fun", [functools.partial(lambda k, t, y: -k * y, 1.0), Decay(), functools.partial(np.multiply, -1.0)])
def test_callables_that_are_no_functions(fun):
    if isinstance(fun, functools.partial) and fun.func is np.multiply:
        fun = functools.partial(lambda g, t, y: g(y), fun)
    with pytest.warns(PerformanceWarning, match="no Python function"):
        found = sciad.solve_ivp(fun, (0, 1), [1.0], rtol=1e-6)
    assert found.y[0, -1] == pytest.approx(np.exp(-1), rel=1e-5)


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P"])
def test_domain_errors_name_time_and_component(method):
    found = sciad.solve_ivp(lambda t, y: [1.0, np.log(1.0 - t)], (0, 2), [1.0, 1.0], method)
    assert found.status == -2
    assert "component 1 of the right-hand side is not finite" in found.message
    assert found.t[-1] == pytest.approx(1.0, abs=1e-10)


def test_a_start_outside_the_domain_names_the_component():
    found = sciad.solve_ivp(lambda t, y: [y[0], np.sqrt(y[1])], (0, 1), [1.0, -1.0])
    assert found.status == -3
    assert found.message.startswith("Component 1 of the right-hand side is not finite (NaN or Inf) at the start, t = 0.0.")


@pytest.mark.parametrize("method", ["RK45", "BDF"])
def test_no_tolerance_where_the_state_is_zero(method):
    found = sciad.solve_ivp(lambda t, y: [1.0], (0, 1), [0.0], method, atol=0.0)
    assert found.success
    assert found.y[0, -1] == pytest.approx(1.0)
    assert found.naccept < 100


def test_steps_of_both_methods_count_against_max_steps():
    def stiff(t, y):
        return [y[1], 1e3 * ((1 - y[0] ** 2) * y[1] - y[0])]

    found = sciad.solve_ivp(stiff, (0, 10), [2.0, 0.0], "auto", max_steps=120)
    assert found.status == -1
    assert len(found.switches) > 1
    assert found.naccept + found.nreject == 120
    assert "max_steps = 120 steps" in found.message
