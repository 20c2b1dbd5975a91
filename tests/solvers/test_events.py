"""Events against SciPy and closed forms: location, direction, counts, effects, several at once; and the derivatives of all that."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp as scipy_solve_ivp

import sciad

G = 9.81
TIGHT = {"rtol": 1e-10, "atol": 1e-10, "method": "Tsit5"}


def ball(t, y, g):
    return np.array([y[1], -g])


def event(fun, **attributes):
    for name, value in attributes.items():
        setattr(fun, name, value)
    return fun


def pendulum(t, y):
    return np.array([y[1], -np.sin(y[0])])


def crossing(t, y):
    return y[0]


# -- location ----------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("direction", [-1, 0, 1])
@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P", "BDF", "auto"])
def test_zeros_are_those_of_scipy(direction, method):
    def swing(t, y):
        return y[0] - 0.1

    swing.direction = direction
    ours = sciad.solve_ivp(pendulum, (0.0, 12.0), [1.0, 0.0], method, rtol=1e-9, atol=1e-9, events=swing)
    theirs = scipy_solve_ivp(pendulum, (0.0, 12.0), [1.0, 0.0], "DOP853", rtol=1e-11, atol=1e-11, events=swing)
    np.testing.assert_allclose(ours.t_events[0], theirs.t_events[0], rtol=1e-5)
    np.testing.assert_allclose(ours.y_events[0][:, 0], 0.1, atol=1e-12 if method in ("Tsit5", "Rodas5P") else 1e-6)


def test_terminal_counts():
    for limit in (1, 2, 3):
        stop = event(lambda t, y: y[0], terminal=limit)
        sol = sciad.solve_ivp(pendulum, (0.0, 50.0), [1.0, 0.0], events=[stop, crossing], **TIGHT)
        assert sol.status == 1
        assert sol.success
        assert sol.message == "A termination event occurred."
        assert len(sol.t_events[0]) == limit
        assert sol.t[-1] == sol.t_events[0][-1]


def test_nothing_is_saved_behind_a_terminal_event():
    stop = event(lambda t, y, g: y[0], terminal=True)
    sol = sciad.solve_ivp(ball, (0.0, 3.0), [1.0, 0.0], t_eval=np.linspace(0, 3, 31), args=(G,), events=stop, **TIGHT)
    np.testing.assert_allclose(sol.t, np.linspace(0, 3, 31)[:5])
    assert sol.t_events[0][0] == pytest.approx(np.sqrt(2 / G), rel=1e-12)


def test_infinite_span_with_a_terminal_event():
    stop = event(lambda t, y, g: y[0], terminal=True, direction=-1)
    sol = sciad.solve_ivp(ball, (0.0, np.inf), [0.0, 5.0], args=(G,), events=stop, max_step=0.5, **TIGHT)
    assert sol.t_events[0][-1] == pytest.approx(2 * 5.0 / G, rel=1e-9)


def test_events_backwards_in_time():
    sol = sciad.solve_ivp(pendulum, (10.0, 0.0), [1.0, 0.0], events=crossing, **TIGHT)
    theirs = scipy_solve_ivp(pendulum, (10.0, 0.0), [1.0, 0.0], "DOP853", rtol=1e-11, atol=1e-11, events=crossing)
    np.testing.assert_allclose(sol.t_events[0], theirs.t_events[0], rtol=1e-7)


def test_event_in_python():
    def guarded(t, y):
        try:
            return y[0]
        except ValueError:
            return 0.0

    with pytest.warns(sciad.PerformanceWarning, match="guarded"):
        sol = sciad.solve_ivp(pendulum, (0.0, 5.0), [1.0, 0.0], events=guarded, **TIGHT)
    compiled = sciad.solve_ivp(pendulum, (0.0, 5.0), [1.0, 0.0], events=crossing, **TIGHT)
    np.testing.assert_array_equal(sol.t_events[0], compiled.t_events[0])


# -- effects -----------------------------------------------------------------------------------------------------------------------
def bounce_times(h, g, e, count):
    t = np.sqrt(2 * h / g)
    v, times = g * t, [t]
    for _ in range(count - 1):
        v *= e
        times.append(times[-1] + 2 * v / g)
    return np.array(times)


def bouncing(e):
    return event(lambda t, y, g: y[0], direction=-1, apply=lambda t, y, g: np.stack([0.0 * y[0], -e * y[1]]))


def test_bouncing_ball():
    sol = sciad.solve_ivp(ball, (0.0, 2.5), [1.0, 0.0], args=(G,), events=bouncing(0.8), dense_output=True, **TIGHT)
    np.testing.assert_allclose(sol.t_events[0], bounce_times(1.0, G, 0.8, len(sol.t_events[0])), rtol=1e-9)
    t = 1.0  # between the first and the second bounce
    first = np.sqrt(2 / G)
    up = 0.8 * G * first
    assert sol.sol(t)[0] == pytest.approx(up * (t - first) - 0.5 * G * (t - first) ** 2, rel=1e-8)


def test_effect_in_place_and_two_events_at_once():
    def add(t, y):
        y[1] += 1.0

    first = event(lambda t, y: t - 1.0, apply=add)
    second = event(lambda t, y: 2.0 * (t - 1.0), apply=lambda t, y: 3.0 * y)
    sol = sciad.solve_ivp(lambda t, y: 0.0 * y, (0.0, 2.0), [1.0, 1.0], events=[first, second], **TIGHT)
    np.testing.assert_allclose(sol.ys[-1], [3.0, 6.0])  # effects in the order of the events
    assert sol.t_events[0][0] == sol.t_events[1][0] == 1.0


def test_saved_time_on_an_event_is_the_state_before():
    reset = event(lambda t, y: t - 1.0, apply=lambda t, y: 10.0 * y)
    sol = sciad.solve_ivp(lambda t, y: -y, (0.0, 2.0), [1.0], t_eval=[1.0, 2.0], events=reset, **TIGHT)
    np.testing.assert_allclose(sol.ys[:, 0], [np.exp(-1.0), 10 * np.exp(-2.0)], rtol=1e-8)


def test_event_that_is_left_at_once_fires_once():
    stay = event(lambda t, y: y[0] - 0.5, apply=lambda t, y: y)
    sol = sciad.solve_ivp(lambda t, y: -y, (0.0, 5.0), [1.0], events=stay, **TIGHT)
    np.testing.assert_allclose(sol.t_events[0], [np.log(2.0)], rtol=1e-9)


def test_events_that_never_settle():
    """A ball that loses half its speed with every bounce has bounced infinitely often at t = 3 sqrt(2 / g)."""
    sol = sciad.solve_ivp(ball, (0.0, 5.0), [1.0, 0.0], args=(G,), events=bouncing(0.5), **TIGHT)
    assert not sol.success
    assert sol.status < 0
    assert "Let `apply` move the state away" in sol.message
    assert sol.t_events[0][-1] == pytest.approx(3 * np.sqrt(2 / G), rel=1e-5)


def test_effect_of_the_wrong_shape():
    wrong = event(lambda t, y: t - 1.0, apply=lambda t, y: np.ones(3))
    with pytest.raises(sciad.SolveError, match=r"returns shape \(3,\)"):
        sciad.solve_ivp(lambda t, y: -y, (0.0, 2.0), [1.0], events=wrong, **TIGHT)


# -- derivatives -------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("adjoint", ["discrete", "gauss"])
def test_time_and_state_of_a_terminal_event(mode, adjoint):
    """Fall from h to the height s h: t* = sqrt(2 (1 - s) h / g), v = -sqrt(2 (1 - s) h g); s is a parameter of the condition alone."""

    def fall(h, g, s):
        stop = event(lambda t, y, g: y[0] - s * h, terminal=True)
        sol = sciad.solve_ivp(ball, (0.0, 3.0), np.stack([h, 0.0 * h]), args=(g,), events=stop, adjoint=adjoint, **TIGHT)
        return sol.t_events[0][0], sol.y[1, -1]

    h, g, s = 1.3, G, 0.4
    time, speed = sciad.jacobian(fall, (0, 1, 2), mode)(h, g, s)
    t = np.sqrt(2 * (1 - s) * h / g)
    np.testing.assert_allclose(time, [t / (2 * h), -t / (2 * g), -t / (2 * (1 - s))], rtol=1e-7)
    v = -g * t
    np.testing.assert_allclose(speed, [v / (2 * h), v / (2 * g), -v / (2 * (1 - s))], rtol=1e-7)


def height_after(h, g, e, end):
    times = bounce_times(h, g, e, 40)
    last = int(np.searchsorted(times, end)) - 1
    if last < 0:
        return h - 0.5 * g * end**2
    up = g * times[0] * e ** (last + 1)
    return up * (end - times[last]) - 0.5 * g * (end - times[last]) ** 2


@pytest.mark.parametrize("end", [0.3, 1.5, 2.4])
def test_gradient_through_bounces(end):
    def height(h, g, e):
        return sciad.solve_ivp(
            ball, (0.0, end), np.stack([h, 0.0 * h]), t_eval=[end], args=(g,), events=bouncing(e), **TIGHT
        ).ys[-1, 0]

    at, d = np.array([1.0, G, 0.8]), 1e-6
    found = sciad.grad(height, (0, 1, 2))(*at)
    expected = [(height_after(*(at + d * u), end) - height_after(*(at - d * u), end)) / (2 * d) for u in np.eye(3)]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


def test_gradient_of_a_state_saved_on_the_event_time():
    """A reset by the factor a at t = 1, saved there and later: the saved time does not move with the parameters."""

    def states(a):
        reset = event(lambda t, y, a: t - 1.0, apply=lambda t, y, a: a * y)
        return sciad.solve_ivp(lambda t, y, a: -a * y, (0.0, 2.0), [1.0], t_eval=[1.0, 2.0], args=(a,), events=reset, **TIGHT).ys[:, 0]

    found = sciad.jacobian(states, mode="reverse")(0.7)
    np.testing.assert_allclose(found, [-np.exp(-0.7), np.exp(-1.4) - 2 * 0.7 * np.exp(-1.4)], rtol=1e-8)


@pytest.mark.parametrize("what", ["time", "state", "later state"])
def test_second_derivatives_through_events_are_refused(what):
    """f and g are taken at the values, not on the tape, so that the second derivative would lack their own."""

    def loss(x):
        hit = event(lambda t, y, a: y[0] - 0.5, terminal=what != "later state", apply=lambda t, y, a: 2.0 * y)
        sol = sciad.solve_ivp(lambda t, y, a: -a * y, (0.0, 2.0), x[:1], args=(x[1],), events=hit, **TIGHT)
        return sol.t_events[0][0] if what == "time" else sol.y[0, -1]

    x = np.array([1.0, 0.9])
    assert np.all(np.isfinite(sciad.grad(loss)(x)))
    for outer in (sciad.jacfwd, sciad.jacrev):
        with pytest.raises(sciad.SolveError, match=r"second derivatives through event .* differences of gradients"):
            outer(sciad.grad(loss))(x)


def test_time_of_a_touch_has_no_derivative():
    touch = event(lambda t, y: (y[0] - 1.0) ** 3, terminal=True)

    def when(y0):
        return sciad.solve_ivp(lambda t, y: 1.0 + 0.0 * y, (0.0, 3.0), np.stack([y0]), events=touch, **TIGHT).t_events[0][0]

    with pytest.raises(sciad.SolveError, match="without crossing"):
        sciad.grad(when)(0.0)


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P"])
def test_an_effect_that_leaves_zero_far_behind(method):
    """y' = -y, doubled where it falls to 1/2: the event comes again, and y(3) = 2^k y0 exp(-3) with its derivative."""

    def half(t, y):
        return y[0] - 0.5

    half.apply = lambda t, y: 2 * y

    def end(y0):
        return sciad.solve_ivp(lambda t, y: -y, (0, 3), y0, method, [3.0], events=half, rtol=1e-9, atol=1e-9).ys[-1, 0]

    found = sciad.solve_ivp(lambda t, y: -y, (0, 3), [1.0], method, events=half, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.t_events[0], np.log(2) * np.arange(1, 5), rtol=1e-7)
    assert end(np.array([1.0])) == pytest.approx(16 * np.exp(-3), rel=1e-7)
    assert sciad.grad(end)(np.array([1.0]))[0] == pytest.approx(16 * np.exp(-3), rel=1e-6)
