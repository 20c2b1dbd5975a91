"""Discrete adjoint of NDF steps: against complex steps through a transcription of the frozen formulas, and published gradients."""

import numpy as np
import pytest
from problems import forced_system, ring

from sciad.adjoints import Automatic, Gauss
from sciad.adjoints.discrete import Discrete
from sciad.field import Field
from sciad.solvers.auto import Auto
from sciad.solvers.integrate import integrate
from sciad.solvers.methods import METHODS
from sciad.solvers.rhs import Rhs

P, Y0 = np.array([0.7, 1.3, 4.0]), np.array([1.0, 0.5, -0.3])
TIMES = np.array([0.0, 0.13, 0.5, 0.77, 1.0])
KAPPA = (0.0, -0.1850, -1 / 9, -0.0823, -0.0415, 0.0)
GAMMA = np.cumsum([0.0, 1.0, 1 / 2, 1 / 3, 1 / 4, 1 / 5])
OPTIONS = {"method": "NDF", "rtol": 1e-7, "atol": 1e-9}


@pytest.fixture(scope="module")
def rhs():
    return Rhs.of(Field(forced_system, (3,), (P,), inplace=True))


def differences(table, order, ratio):
    """Backward differences of the interpolation polynomial at a new spacing, by Newton's formula and subtraction."""
    values = []
    for i in range(order + 1):
        value, factor = table[0], 1.0
        for j in range(1, order + 1):
            factor *= (j - 1 - i * ratio) / j
            value = value + factor * table[j]
        values.append(value)
    found = [values[0]]
    for _ in range(order):
        values = [a - b for a, b in zip(values, values[1:])]
        found.append(values[0])
    return found


def implicit_stage(f, t, base, factor, y):
    """y = base + factor f(t, y) to rounding, complex numbers allowed; differences for the Jacobian."""
    n = len(y)
    for _ in range(20):
        sizes = 1e-7 * np.maximum(np.abs(y), 1e-3)
        jac = np.stack([(f(t, y + e) - f(t, y - e)) / (2 * e.sum()) for e in np.diag(sizes)], axis=1)
        dy = np.linalg.solve(np.eye(n) - factor * jac, y - base - factor * f(t, y))
        y = y - dy
        if np.max(np.abs(dy)) <= 1e-16 * np.max(np.abs(y)):
            break
    return y


def frozen(f, steps, y0, wanted):
    """Saved states of the steps that were taken, with sizes and orders frozen."""
    table, saved = [y0 + 0j, steps.sizes[0] * f(steps.times[0], y0)] + [0j * y0] * 6, []
    for s, (t, h, order) in enumerate(zip(steps.times, steps.sizes, steps.orders.astype(int))):
        if s > 0 and h != steps.sizes[s - 1]:
            table[: order + 1] = differences(table, order, h / steps.sizes[s - 1])
        alpha = (1 - KAPPA[order]) * GAMMA[order]
        predicted = sum(table[: order + 1])
        base = predicted - sum(g * d for g, d in zip(GAMMA[1 : order + 1], table[1:])) / alpha
        y, old = implicit_stage(f, t + h, base, h / alpha, predicted), table[0]
        table[order + 1] = y - predicted
        for j in range(order, -1, -1):
            table[j] = table[j] + table[j + 1]
        if s == 0 and wanted[0] == t:
            saved.append(old)
        for time in wanted[((wanted - t) * h > 0.0) & ((wanted - steps.times[s + 1]) * h <= 0.0)]:
            theta, value, weight = (time - t) / h, old, (time - t) / h
            for j in range(1, min(order + 1, 5) + 1):
                if j > 1:
                    weight *= (theta - 1 if j == 2 else theta + j - 2) / j
                value = value + weight * table[j]
            saved.append(value)
    return np.array(saved)


def complex_steps(loss, x):
    return np.array([loss(x + 1e-20j * e).imag / 1e-20 for e in np.eye(len(x))])


@pytest.mark.parametrize("span", [(0.0, 1.0), (0.4, 0.0)], ids=["forwards", "backwards"])
def test_frozen_steps_against_complex_steps(rhs, span, rng):
    """Orders 1 to 5 with changes of order and size, states saved at both ends and inside steps, time in the right-hand side."""
    times, weights = span[0] + (span[1] - span[0]) * TIMES, rng.normal(size=(len(TIMES), 3))
    solution, kept = Discrete().forward(rhs, span, Y0, P, times, OPTIONS)
    steps = kept.pieces[0].steps
    assert len(set(steps.orders)) >= 4
    assert len(set(np.abs(steps.sizes))) >= 5

    def f(t, y, p):
        dy = np.empty(3, complex)
        forced_system(dy, t, y, p)
        return dy

    def loss(y0, p):
        return np.sum(weights * frozen(lambda t, y: f(t, y, p), steps, y0, times))

    np.testing.assert_allclose(frozen(lambda t, y: f(t, y, P), steps, Y0, times).real, solution.ys, atol=1e-9)
    y0_bar, p_bar, *_ = Discrete().backward(rhs, kept, weights)
    np.testing.assert_allclose(y0_bar, complex_steps(lambda y0: loss(y0, P), Y0), rtol=1e-8)
    np.testing.assert_allclose(p_bar, complex_steps(lambda p: loss(Y0, p), P), rtol=1e-8)


def test_rejected_steps(rng):
    """A front that rejects steps: differences are interpolated more than once, which is the same polynomial."""

    def front(dy, t, y, p):
        dy[0] = -p[0] * (y[0] - np.tanh(p[1] * (t - 1.0)))

    rhs, p, times = Rhs.of(Field(front, (1,), (np.ones(2),), inplace=True)), np.array([30.0, 200.0]), np.array([0.9, 1.02, 1.5])
    solution, kept = Discrete().forward(rhs, (0.0, 2.0), np.array([-0.5]), p, times, OPTIONS)
    assert solution.nreject >= 2
    weights = rng.normal(size=(3, 1))

    def loss(p):
        slope = lambda t, y: -p[0] * (y - np.tanh(p[1] * (t - 1.0)))
        return np.sum(weights * frozen(slope, kept.pieces[0].steps, np.array([-0.5]), times))

    np.testing.assert_allclose(Discrete().backward(rhs, kept, weights)[1], complex_steps(loss, p), rtol=1e-7)


def test_every_step_saved_and_times(rhs, rng):
    """Cotangents of times are those of the exact flow."""
    solution, kept = Discrete().forward(rhs, (0.0, 1.0), Y0, P, None, OPTIONS)
    weights = rng.normal(size=solution.ys.shape)
    y0_bar, p_bar, t0_bar, t1_bar, none = Discrete().backward(rhs, kept, weights)

    def f(t, y, p):
        dy = np.empty(3, complex)
        forced_system(dy, t, y, p)
        return dy

    def loss(p):
        return np.sum(weights * frozen(lambda t, y: f(t, y, p), kept.pieces[0].steps, Y0, solution.t))

    assert none is None
    np.testing.assert_allclose(p_bar, complex_steps(loss, P), rtol=1e-7)
    np.testing.assert_allclose(t1_bar, f(1.0, solution.ys[-1], P).real @ weights[-1], rtol=1e-12)
    np.testing.assert_allclose(t0_bar, -f(0.0, Y0, P).real @ (y0_bar - weights[0]), rtol=1e-10)
    _, kept = Discrete().forward(rhs, (0.0, 1.0), Y0, P, TIMES, OPTIONS)
    t_eval_bar = Discrete().backward(rhs, kept, weights[:5])[4]
    slopes = [f(t, y, P).real for t, y in zip(TIMES, kept.ys)]
    np.testing.assert_allclose(t_eval_bar, np.sum(slopes * weights[:5], axis=1), rtol=1e-12)


@pytest.mark.parametrize("count", [2, 3, 9])
def test_checkpoints(rhs, count, rng):
    """Steps taken again from a state and its differences; Newton's iterations end at rounding then."""
    weights = rng.normal(size=(len(TIMES), 3))
    _, kept = Discrete().forward(rhs, (0.0, 1.0), Y0, P, TIMES, OPTIONS)
    want = np.concatenate(Discrete().backward(rhs, kept, weights)[:2])
    adjoint = Discrete(checkpoints=count)
    _, few = adjoint.forward(rhs, (0.0, 1.0), Y0, P, TIMES, OPTIONS)
    assert len(few.pieces[0].steps.states) <= count
    np.testing.assert_allclose(np.concatenate(adjoint.backward(rhs, few, weights)[:2]), want, rtol=1e-7)


def test_large_systems_keep_factors(rng):
    """More unknowns than get a Jacobian for every step: along a random direction, against the adjoint of tight tolerances."""
    rhs, p, n = Rhs.of(Field(ring, (30,), (np.ones(2),), inplace=True)), np.array([300.0, 2.0]), 30
    y0, weights, times = rng.normal(size=n), rng.normal(size=(2, n)), np.array([0.17, 0.4])
    _, kept = Discrete().forward(rhs, (0.0, 0.4), y0, p, times, OPTIONS)
    y0_bar, p_bar, *_ = Discrete().backward(rhs, kept, weights)
    direction, e = rng.normal(size=n), np.array([1.0, 0.01])

    def loss(s):
        return np.sum(weights * integrate(rhs, (0.0, 0.4), y0 + s * direction, p + s * e, "RadauIIA5", times, rtol=1e-11, atol=1e-12).ys)

    slope = (8 * (loss(1e-3) - loss(-1e-3)) - (loss(2e-3) - loss(-2e-3))) / 12e-3
    np.testing.assert_allclose(y0_bar @ direction + p_bar @ e, slope, rtol=1e-5)


def test_switching_and_auto(rhs, rng):
    """Pieces of Tsit5 and NDF, and what "auto" takes of NDF: the discrete adjoint, whose error is that of the solve."""

    def turning(dy, t, y, p):
        k = p[0] + p[1] * np.exp(-(((t - 4.0) / 1.5) ** 8))
        dy[0] = -k * (y[0] - np.cos(y[1]))
        dy[1] = p[2] * y[0]

    rhs, p, y0 = Rhs.of(Field(turning, (2,), (np.ones(3),), inplace=True)), np.array([1.0, 1e4, 0.5]), np.array([0.3, 0.2])
    times, weights = np.linspace(0.0, 8.0, 9), rng.normal(size=(9, 2))
    adjoint, options = Automatic(), {"method": Auto(METHODS["Tsit5"], METHODS["NDF"]), "rtol": 1e-8, "atol": 1e-9}
    solution, kept = adjoint.forward(rhs, (0.0, 8.0), y0, p, times, options)
    assert len(solution.switches) >= 3
    assert adjoint.which(kept).startswith("discrete")
    y0_bar, p_bar, *_ = adjoint.backward(rhs, kept, weights)
    tight = Gauss()
    _, kept = tight.forward(rhs, (0.0, 8.0), y0, p, times, {"method": "Rodas5P", "rtol": 1e-11, "atol": 1e-12})
    want = tight.backward(rhs, kept, weights)
    np.testing.assert_allclose(y0_bar, want[0], rtol=1e-5)
    np.testing.assert_allclose(p_bar, want[1], rtol=1e-4, atol=1e-9)


def test_nothing_to_do(rhs):
    _, kept = Discrete().forward(rhs, (0.0, 1.0), Y0, P, np.array([0.0]), OPTIONS)
    y0_bar, p_bar, *_ = Discrete().backward(rhs, kept, np.array([[1.0, 2.0, 3.0]]))
    assert np.array_equal(y0_bar, [1.0, 2.0, 3.0])
    assert not np.any(p_bar)
