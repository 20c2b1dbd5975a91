"""`solve_ivp`: SciPy's surface, shapes, parameters, closures, derivatives, and what it refuses."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.integrate import solve_ivp as scipy_solve_ivp
from scipy.linalg import expm

import sciad

A = np.array([[-0.5, 1.0], [-1.0, -0.3]])
Y0 = np.array([1.0, 0.5])
TIMES = np.array([0.0, 0.3, 1.1, 2.0])
TIGHT = {"rtol": 1e-10, "atol": 1e-12, "method": "Tsit5"}


def linear(t, y, A):
    return A @ y


def linear_inplace(dy, t, y, A):
    for i in range(y.shape[0]):
        dy[i] = 0.0
        for j in range(y.shape[0]):
            dy[i] += A[i, j] * y[j]


def exact(times, y0=Y0, matrix=A):
    return np.array([expm(t * matrix) @ y0 for t in times])


# -- values ------------------------------------------------------------------------------------------------------------------------
def test_shapes_and_fields_are_those_of_scipy():
    sol = sciad.solve_ivp(linear, (0, 2), [1.0, 0.5], "RK45", TIMES, args=(A,))
    theirs = scipy_solve_ivp(linear, (0, 2), [1.0, 0.5], "RK45", TIMES, args=(A,))
    assert sol.y.shape == theirs.y.shape == (2, 4)
    assert sol.ys.shape == (4, 2)
    np.testing.assert_allclose(sol.y, theirs.y, atol=2e-3)
    assert sol.success
    assert sol.status == theirs.status == 0
    assert sol["message"] == theirs["message"]
    assert "y" in sol
    assert "nfev" in repr(sol)


@pytest.mark.parametrize("fun", [linear, linear_inplace])
def test_closed_form(fun):
    np.testing.assert_allclose(sciad.solve_ivp(fun, (0.0, 2.0), Y0, t_eval=TIMES, args=(A,), **TIGHT).ys, exact(TIMES), rtol=1e-9)


def test_backwards_in_time():
    end = exact([2.0])[0]
    sol = sciad.solve_ivp(linear, (2.0, 0.0), end, t_eval=TIMES[::-1], args=(A,), **TIGHT)
    np.testing.assert_allclose(sol.ys, exact(TIMES)[::-1], rtol=1e-8)


def test_states_of_any_shape():
    batch = np.arange(6.0).reshape(3, 2)
    sol = sciad.solve_ivp(lambda t, y, A: y @ A.T, (0.0, 2.0), batch, t_eval=TIMES, args=(A,), **TIGHT)
    assert sol.ys.shape == (4, 3, 2)
    assert sol.y.shape == (3, 2, 4)
    np.testing.assert_allclose(sol.ys[-1], batch @ expm(2.0 * A).T, rtol=1e-9)
    number = sciad.solve_ivp(lambda t, y: -y, (0.0, 1.0), 2.0, **TIGHT)
    assert number.y.shape == number.t.shape
    assert number.y[-1] == pytest.approx(2 * np.exp(-1.0))


class Parameters(NamedTuple):
    rate: float
    matrix: np.ndarray


def test_structured_parameters():
    def fun(t, y, p, extra):
        return p.rate * (p.matrix @ y) * extra["k"][0]

    sol = sciad.solve_ivp(fun, (0.0, 1.0), Y0, args=(Parameters(2.0, A), {"k": [0.5, "unused"]}), **TIGHT)
    np.testing.assert_allclose(sol.ys[-1], exact([1.0])[0], rtol=1e-9)


def test_dense_output():
    sol = sciad.solve_ivp(linear, (0.0, 2.0), Y0, args=(A,), dense_output=True, **TIGHT)
    np.testing.assert_allclose(sol.sol(TIMES), exact(TIMES).T, rtol=1e-7)


def test_python_right_hand_side_runs_with_one_warning():
    def guarded(t, y, a):
        try:
            return [a * y[0], -y[1]]
        except ZeroDivisionError:
            return y

    with pytest.warns(sciad.PerformanceWarning, match="try/except"):
        sol = sciad.solve_ivp(guarded, (0.0, 1.0), Y0, args=(0.5,), **TIGHT)
    sciad.solve_ivp(guarded, (0.0, 1.0), Y0, args=(0.5,), **TIGHT)  # a second warning would be an error here
    np.testing.assert_allclose(sol.ys[-1], Y0 * np.exp([0.5, -1.0]), rtol=1e-9)
    a_bar = sciad.grad(lambda a: sciad.solve_ivp(guarded, (0.0, 1.0), Y0, args=(a,), **TIGHT).ys[-1, 0])(0.5)
    assert a_bar == pytest.approx(np.exp(0.5), rel=1e-8)
    a_dot = sciad.jvp(lambda a: sciad.solve_ivp(guarded, (0.0, 1.0), Y0, args=(a,), **TIGHT).ys[-1, 0], (0.5,), (1.0,))[1]
    assert a_dot == pytest.approx(np.exp(0.5), rel=1e-8)


def test_exceptions_in_python_right_hand_sides_arrive():
    def fails(t, y):
        try:
            return -y if t < 0.5 else {}["inside"]
        finally:
            pass

    with pytest.warns(sciad.PerformanceWarning), pytest.raises(KeyError, match="inside"):
        sciad.solve_ivp(fails, (0.0, 1.0), Y0, "Tsit5")


def test_exceptions_in_compiled_right_hand_sides_are_named():
    def fails(t, y):
        if t > 0.5:
            raise ValueError("too late")
        return -y

    sol = sciad.solve_ivp(fails, (0.0, 1.0), Y0, "Tsit5")
    assert not sol.success
    assert "stopped the integration" in sol.message
    assert "too late" in sol.message


# -- derivatives -------------------------------------------------------------------------------------------------------------------
def final(y0, matrix, times):
    return sciad.solve_ivp(linear, (times[0], times[-1]), y0, t_eval=times, args=(matrix,), **TIGHT).ys


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian_of_a_solve(mode):
    by_y0, by_matrix = sciad.jacobian(final, (0, 1), mode)(Y0, A, TIMES)
    np.testing.assert_allclose(by_y0, [expm(t * A) for t in TIMES], rtol=1e-8, atol=1e-10)
    h = 1e-6
    for i, j in np.ndindex(2, 2):
        unit = np.zeros((2, 2))
        unit[i, j] = h
        expected = (exact(TIMES, matrix=A + unit) - exact(TIMES, matrix=A - unit)) / (2 * h)
        np.testing.assert_allclose(by_matrix[:, :, i, j], expected, atol=1e-8)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_derivative_with_respect_to_times(mode):
    def states(times, t0):
        return sciad.solve_ivp(linear, (t0, 3.0), Y0, t_eval=times, args=(A,), **TIGHT).ys[-1, 0]

    by_times, by_start = sciad.jacobian(states, (0, 1), mode)(TIMES, 0.0)
    expected = (A @ exact([2.0])[0])[0]
    np.testing.assert_allclose(by_times, [0, 0, 0, expected], atol=1e-7)
    assert by_start == pytest.approx(-expected, rel=1e-7)


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P"])
def test_forward_mode_where_every_step_is_saved(method):
    """A solve with tangents may take other steps; the derivatives are those at the steps of the plain one."""
    options = {"rtol": 1e-8, "atol": 1e-10, "method": method}
    ys, ys_dot = sciad.jvp(lambda rate: sciad.solve_ivp(lambda t, y: -rate * y, (0.0, 1.0), [1.0], **options).ys, (1.3,), (1.0,))
    times = sciad.solve_ivp(lambda t, y: -1.3 * y, (0.0, 1.0), [1.0], **options).t
    np.testing.assert_allclose(ys[:, 0], np.exp(-1.3 * times), rtol=1e-6)
    np.testing.assert_allclose(ys_dot[:, 0], -times * np.exp(-1.3 * times), rtol=1e-5, atol=1e-9)


def test_closed_over_values_have_gradients():
    def loss(a, matrix):
        def fun(t, y):
            return a * (matrix @ y)

        return sciad.solve_ivp(fun, (0.0, 2.0), Y0, **TIGHT).ys[-1, 0]

    a_bar, matrix_bar = sciad.grad(loss, (0, 1))(0.7, A)
    h = 1e-6
    assert a_bar == pytest.approx((exact([2 * (0.7 + h)])[0, 0] - exact([2 * (0.7 - h)])[0, 0]) / (2 * h), rel=1e-7)
    np.testing.assert_allclose(np.sum(matrix_bar * A), 0.7 * a_bar, rtol=1e-7)  # both scale the same product


def test_closures_over_other_values_are_not_confused():
    def solve(rate, n):
        return sciad.solve_ivp(lambda t, y: -rate * y * n, (0.0, 1.0), [1.0], **TIGHT).y[0, -1]

    for rate, n in ((1.0, 1), (2.0, 1), (1.0, 3)):
        assert solve(rate, n) == pytest.approx(np.exp(-rate * n), rel=1e-9)


def test_captured_constants_among_floats_are_watched():
    settings = {"n": 1, "rate": 1.0}

    def solve():
        return sciad.solve_ivp(lambda t, y: -settings["rate"] * y * settings["n"], (0.0, 1.0), [1.0], **TIGHT).y[0, -1]

    assert solve() == pytest.approx(np.exp(-1.0))
    settings["n"] = 2
    assert solve() == pytest.approx(np.exp(-2.0))


def test_unused_parameters_have_gradient_zero():
    g = sciad.grad(lambda p: np.sum(sciad.solve_ivp(lambda t, y, p: -p[0] * y, (0.0, 1.0), Y0, args=(p,), **TIGHT).ys))(np.ones(3))
    np.testing.assert_array_equal(g[1:], 0.0)


def test_parameters_changed_after_the_forward_pass():
    p = np.array([1.0])
    _, pullback = sciad.vjp(lambda p: sciad.solve_ivp(lambda t, y, p: -p[0] * y, (0.0, 1.0), [1.0], args=(p,), **TIGHT).ys[-1, 0], p)
    p[0] = 100.0
    assert pullback(1.0)[0][0] == pytest.approx(-np.exp(-1.0), rel=1e-8)


def test_integer_and_string_arguments_are_constants():
    def fun(t, y, a, n, mode):
        return -a * y * n if mode == "decay" else a * y

    def loss(a, n, mode):
        return sciad.solve_ivp(fun, (0.0, 1.0), [1.0], args=(a, n, mode), **TIGHT).ys[-1, 0]

    assert sciad.grad(loss)(1.0, 2, "decay") == pytest.approx(-2 * np.exp(-2.0), rel=1e-8)
    assert sciad.grad(loss)(1.0, 2, "growth") == pytest.approx(np.exp(1.0), rel=1e-8)


def test_continuous_solution_is_not_silently_constant():
    def loss(a):
        return sciad.solve_ivp(lambda t, y: -a * y, (0.0, 1.0), [1.0], dense_output=True, **TIGHT).sol(0.5)[0]

    with pytest.raises(sciad.SciadError, match="t_eval"):
        sciad.grad(loss)(1.0)


# -- refusals ----------------------------------------------------------------------------------------------------------------------
def blows_up(t, y):
    return y**2


def test_failure_is_reported_and_raises_under_differentiation():
    sol = sciad.solve_ivp(blows_up, (0.0, 3.0), [1.0], "Tsit5")
    assert not sol.success
    assert sol.status < 0
    assert "step size" in sol.message
    with pytest.raises(sciad.SolveError, match="failed"):
        sciad.grad(lambda y: sciad.solve_ivp(blows_up, (0.0, 3.0), y, "Tsit5").ys[-1, 0])(np.array([1.0]))


def needs_two(t, y, a, b):
    return a * y + b


BAD = {
    "wrong shape": (lambda: sciad.solve_ivp(lambda t, y: np.ones(3), (0, 1), Y0), sciad.ShapeError, r"returns shape \(3,\).*\(2,\)"),
    "NaN in y0": (lambda: sciad.solve_ivp(linear, (0, 1), [np.nan, 1.0], args=(A,)), ValueError, "initial state"),
    "t_eval outside": (lambda: sciad.solve_ivp(linear, (0, 1), Y0, t_eval=[0.5, 1.5], args=(A,)), ValueError, "not within"),
    "t_eval unsorted": (lambda: sciad.solve_ivp(linear, (0, 1), Y0, t_eval=[0.5, 0.2], args=(A,)), ValueError, "not properly sorted"),
    "method": (lambda: sciad.solve_ivp(linear, (0, 1), Y0, "RK46", args=(A,)), ValueError, "unknown method 'RK46'"),
    "args": (lambda: sciad.solve_ivp(linear, (0, 1), Y0, args=3.0), TypeError, "args=\\(3.0,\\)"),
    "missing args": (lambda: sciad.solve_ivp(needs_two, (0, 1), Y0), sciad.SciadError, "takes 4 positional arguments.*2.*check args"),
    "strings": (lambda: sciad.solve_ivp(linear, (0, 1), ["a"], args=(A,)), sciad.ShapeError, "give numbers"),
    "adjoint": (
        lambda: sciad.grad(lambda y: sciad.solve_ivp(linear, (0, 1), y, args=(A,), adjoint="magic").ys[-1, 0])(Y0), ValueError, "magic",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call()


def test_nan_parameters_are_named_at_the_start():
    sol = sciad.solve_ivp(linear, (0, 1), Y0, args=(A * np.nan,))
    assert not sol.success
    assert "not finite (NaN or Inf) at the start" in sol.message
    assert "parameters" in sol.message
