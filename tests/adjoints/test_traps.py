"""Traps of gradients of solves, through `solve_ivp`: what other libraries get wrong without a word."""

import tracemalloc

import numpy as np
import pytest

import sciad
from sciad.adjoints import Discrete

ADJOINTS = ["auto", "discrete", "gauss", "quadrature", "interpolating", "backsolve", "forward"]
WAYS = [("Tsit5", adjoint) for adjoint in ADJOINTS]
WAYS += [("NDF", "discrete"), ("NDF", "gauss"), ("KenCarp4", "discrete")]
LOOSE = {"rtol": 1e-8, "atol": 1e-8}
TIGHT = {"rtol": 1e-10, "atol": 1e-11}


def saved(t0, t1, t_eval, y0, a, method, adjoint):
    """y' = -a[0] y + 0 a[1], states at t_eval."""

    def fun(t, y, a):
        return -a[0] * y

    return sciad.solve_ivp(fun, (t0, t1), y0, method, t_eval, args=(a,), adjoint=adjoint, **TIGHT).ys


@pytest.mark.parametrize(("method", "adjoint"), WAYS)
def test_closed_over_parameters(method, adjoint):
    """A number and an array that the right-hand side closes over have their gradients, as if they were in `args`."""

    def loss(rate, force):
        def fun(t, y):
            return -rate * y + force[1] * np.cos(t)

        return sciad.solve_ivp(fun, (0.0, 1.0), np.array([2.0]), method, [1.0], adjoint=adjoint, **TIGHT).ys[0, 0]

    def exact(rate, force):
        part = [force[1] * (rate * np.cos(s) + np.sin(s)) / (1 + rate**2) for s in (0.0, 1.0)]
        return (2.0 - part[0]) * np.exp(-rate) + part[1]

    found = sciad.grad(loss, argnums=(0, 1))(1.3, np.array([5.0, 0.7]))
    assert found[0] == pytest.approx(exact(1.3 + 1e-30j, [5.0, 0.7]).imag / 1e-30, rel=1e-7)
    assert found[1][1] == pytest.approx(exact(1.3, [5.0, 0.7 + 1e-30j]).imag / 1e-30, rel=1e-7)
    assert found[1][0] == 0.0


@pytest.mark.parametrize(("method", "adjoint"), WAYS)
def test_times_and_unused_parameters(method, adjoint):
    """t0, the end of the span, and saved times that do not end it: the closed form; an unused parameter has exactly zero."""
    weights = np.array([0.3, -1.2, 2.0])

    def loss(t0, t1, t_eval, y0, a):
        return (weights[:, None] * saved(t0, t1, t_eval, y0, a, method, adjoint)).sum()

    t0, t_eval, a, y0 = 0.2, np.array([0.2, 0.5, 0.9]), np.array([1.7, 3.0]), np.array([2.0])
    found = sciad.grad(loss, argnums=(0, 1, 2, 3, 4))(t0, 1.5, t_eval, y0, a)
    e = weights * np.exp(-a[0] * (t_eval - t0))
    np.testing.assert_allclose(found[0], 2.0 * a[0] * e.sum(), rtol=1e-7)
    assert found[1] == 0.0
    np.testing.assert_allclose(found[2], -2.0 * a[0] * e, rtol=1e-6)
    np.testing.assert_allclose(found[3], [e.sum()], rtol=1e-7)
    np.testing.assert_allclose(found[4][0], -2.0 * ((t_eval - t0) * e).sum(), rtol=1e-7)
    assert found[4][1] == 0.0


@pytest.mark.parametrize(("method", "adjoint"), WAYS)
def test_end_of_the_span_where_every_step_is_saved(method, adjoint):
    def loss(t0, t1):
        return saved(t0, t1, None, np.array([2.0]), np.array([0.8, 0.0]), method, adjoint)[-1, 0]

    slope = 0.8 * 2.0 * np.exp(-0.8 * 1.5)
    np.testing.assert_allclose(sciad.grad(loss, argnums=(0, 1))(0.5, 2.0), [slope, -slope], rtol=1e-7)


@pytest.mark.parametrize(("method", "adjoint"), WAYS)
def test_loss_on_the_initial_point_and_arrays_changed_by_the_caller(method, adjoint):
    """Cotangents at t0 alone give them back; arrays may be changed between the two passes."""
    y0, a, t_eval = np.array([2.0]), np.array([1.1, 0.0]), np.array([0.0, 1.0])
    _, pullback = sciad.vjp(lambda y0, a: saved(0.0, 1.0, t_eval, y0, a, method, adjoint), y0, a)
    y0[:], a[:] = 50.0, -3.0
    first = pullback(np.array([[3.0], [0.0]]))
    np.testing.assert_array_equal(first[0], [3.0])
    np.testing.assert_array_equal(first[1], [0.0, 0.0])
    np.testing.assert_allclose(pullback(np.array([[0.0], [1.0]]))[1][0], -2.0 * np.exp(-1.1), rtol=1e-7)


@pytest.mark.parametrize(("method", "n"), [*[("auto", n) for n in (50, 51, 60, 61)], *[("NDF", n) for n in (20, 21, 100, 101)]])
def test_sizes_at_which_something_changes(method, n):
    """Linear algebra, Jacobian reuse and the choice of methods change with n; y_i' = -p_i y_i has a closed form."""

    def fun(dy, t, y, p):
        for i in range(y.shape[0]):
            dy[i] = -p[i] * y[i]

    p, y0 = np.geomspace(0.1, 1e4, n), np.linspace(1.0, 2.0, n)

    def loss(y0, p):
        return sciad.solve_ivp(fun, (0.0, 1.0), y0, method, [0.5, 1.0], args=(p,), rtol=1e-8, atol=1e-10).ys.sum()

    y0_bar, p_bar = sciad.grad(loss, argnums=(0, 1))(y0, p)
    np.testing.assert_allclose(y0_bar, np.exp(-0.5 * p) + np.exp(-p), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(p_bar, -y0 * (0.5 * np.exp(-0.5 * p) + np.exp(-p)), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", ["Tsit5", "NDF"])
def test_memory_of_many_steps(method):
    """100,000 steps with 60 states kept: 2 MB, not the 70 MB of all; sizes and orders of steps are kept for all."""
    n_steps, a = 100_000, np.array([0.9])

    def fun(t, y, a):
        return -a[0] * (y - np.cos(t))

    def loss(a):
        options = {"rtol": 1e-3, "atol": 1e-3, "max_step": 10.0 / n_steps, "max_steps": 2 * n_steps, "adjoint": Discrete(checkpoints=60)}
        return sciad.solve_ivp(fun, (0.0, 10.0), np.ones(20), method, [10.0], args=(a,), **options).ys.sum()

    sciad.solve_ivp(fun, (0.0, 1.0), np.ones(20), method, args=(a,))
    tracemalloc.start()
    (found,) = sciad.grad(loss)(a)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    def exact(a):  # y = (1 - c) exp(-a t) + (a^2 cos t + a sin t) / (1 + a^2)
        c = a * a / (1 + a * a)
        return 20 * ((1 - c) * np.exp(-10 * a) + (a * a * np.cos(10.0) + a * np.sin(10.0)) / (1 + a * a))

    assert found == pytest.approx(exact(a[0] + 1e-30j).imag / 1e-30, rel=1e-3)
    assert peak < 10e6


def test_right_hand_sides_that_jump():
    """y' = 1 below c, 2 above: dy(2)/dc = -1.  The discrete adjoint is of the steps and sees no jump; an event has the right one."""

    def jumping(t, y, c):
        return np.where(y < c, 1.0, 2.0)

    def plain(c):
        return sciad.solve_ivp(jumping, (0.0, 2.0), np.zeros(1), "Tsit5", [2.0], args=(c,), adjoint="discrete", **LOOSE).ys[0, 0]

    assert sciad.grad(plain)(1.0) == 0.0  # documented: docs/design/adjoints.md

    def switched(t, y, c):
        return np.array([y[1], 0.0 * y[1]])

    def crossing(t, y, c):
        return y[0] - c

    crossing.apply = lambda t, y, c: np.array([y[0], 2.0], like=y)
    crossing.direction = 1

    def with_event(c):
        start = np.array([0.0, 1.0])
        return sciad.solve_ivp(switched, (0.0, 2.0), start, "Tsit5", [2.0], args=(c,), events=crossing, **LOOSE).ys[0, 0]

    assert sciad.grad(with_event)(1.0) == pytest.approx(-1.0, rel=1e-6)
