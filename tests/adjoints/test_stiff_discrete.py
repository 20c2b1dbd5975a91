"""Discrete adjoint of implicit methods: against differences of the steps taken, published gradients, and for switching solves."""

import numpy as np
import pytest
from problems import forced_system, ring

from sciad.adjoints.discrete import Discrete
from sciad.adjoints.stiff import has_transpose
from sciad.field import Field
from sciad.solvers.auto import Auto
from sciad.solvers.integrate import integrate
from sciad.solvers.methods import METHODS
from sciad.solvers.rhs import Rhs

#: NDF takes no fixed steps: see test_ndf_discrete.
STIFF = [name for name, method in METHODS.items() if method.implicit and has_transpose(method) and name != "NDF"]
P, Y0 = np.array([0.7, 1.3, 4.0]), np.array([1.0, 0.5, -0.3])
TIMES = np.array([0.0, 0.13, 0.5, 0.77, 1.0])


def rober(dy, t, y, k):
    dy[0] = -k[0] * y[0] + k[2] * y[1] * y[2]
    dy[1] = k[0] * y[0] - k[1] * y[1] * y[1] - k[2] * y[1] * y[2]
    dy[2] = k[1] * y[1] * y[1]


@pytest.fixture(scope="module")
def rhs():
    return Rhs.of(Field(forced_system, (3,), (P,), inplace=True))


@pytest.fixture(scope="module")
def robertson():
    return Rhs.of(Field(rober, (3,), (np.ones(3),), inplace=True))


def differences(function, x, step=1e-5):
    """Central differences of a scalar function, extrapolated once."""
    out = np.empty(len(x))
    for i in range(len(x)):
        e = np.zeros(len(x))
        e[i] = step * max(abs(x[i]), 0.1)
        coarse, fine = ((function(x + s * e) - function(x - s * e)) / (2 * s * e[i]) for s in (2, 1))
        out[i] = (4 * fine - coarse) / 3
    return out


@pytest.mark.parametrize("span", [(0.0, 1.0), (0.4, 0.0)], ids=["forwards", "backwards"])
@pytest.mark.parametrize("method", STIFF)
def test_frozen_steps_against_differences(rhs, method, span, rng):
    """Fixed steps, saved states at their ends and inside them, time in the right-hand side."""
    times = span[0] + (span[1] - span[0]) * TIMES
    step = abs(span[1] - span[0]) / 4
    options = {"method": method, "fixed_step": step}
    weights = rng.normal(size=(len(times), 3))
    solution, kept = Discrete().forward(rhs, span, Y0, P, times, options)
    y0_bar, p_bar, *_ = Discrete().backward(rhs, kept, weights)

    def loss(y0, p):
        return np.sum(weights * integrate(rhs, span, y0, p, method, times, fixed_step=step).ys)

    assert np.array_equal(solution.ys, integrate(rhs, span, Y0, P, method, times, fixed_step=step).ys)
    np.testing.assert_allclose(y0_bar, differences(lambda y0: loss(y0, P), Y0), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(p_bar, differences(lambda p: loss(Y0, p), P), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("method", STIFF)
def test_every_step_saved(rhs, method, rng):
    options = {"method": method, "fixed_step": 0.2}
    solution, kept = Discrete().forward(rhs, (0.0, 1.0), Y0, P, None, options)
    weights = rng.normal(size=solution.ys.shape)
    y0_bar, p_bar, t0_bar, t1_bar, none = Discrete().backward(rhs, kept, weights)

    def loss(y0, p):
        return np.sum(weights * integrate(rhs, (0.0, 1.0), y0, p, method, fixed_step=0.2).ys)

    assert none is None
    np.testing.assert_allclose(y0_bar, differences(lambda y0: loss(y0, P), Y0), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(p_bar, differences(lambda p: loss(Y0, p), P), rtol=1e-8, atol=1e-8)
    dy = np.empty(3)
    forced_system(dy, 1.0, solution.ys[-1], P)
    np.testing.assert_allclose(t1_bar, dy @ weights[-1], rtol=1e-12)
    forced_system(dy, 0.0, Y0, P)
    np.testing.assert_allclose(t0_bar, -dy @ (y0_bar - weights[0]), rtol=1e-10)


@pytest.mark.parametrize("method", STIFF)
def test_checkpoints_change_nothing(rhs, method, rng):
    options = {"method": method, "rtol": 1e-6, "atol": 1e-8}
    weights = rng.normal(size=(len(TIMES), 3))
    found = []
    for adjoint in (Discrete(), Discrete(checkpoints=3), Discrete(checkpoints=50)):
        _, kept = adjoint.forward(rhs, (0.0, 1.0), Y0, P, TIMES, options)
        found.append(np.concatenate(adjoint.backward(rhs, kept, weights)[:2]))
    exact = method.startswith("Ro")  # replayed Newton iterations end at rounding, those of the solve at the tolerance
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-12 if exact else 1e-5)


@pytest.mark.parametrize("method", STIFF)
def test_saved_times_have_the_slope_of_dense_output(rhs, method):
    solution = integrate(rhs, (0.0, 1.0), Y0, P, method, dense_output=True, fixed_step=0.25)
    adjoint, weights = Discrete(), np.ones((len(TIMES), 3))
    _, kept = adjoint.forward(rhs, (0.0, 1.0), Y0, P, TIMES, {"method": method, "fixed_step": 0.25})
    t_eval_bar = adjoint.backward(rhs, kept, weights)[4]
    np.testing.assert_allclose(t_eval_bar[[1, 3]], solution.sol.derivative(TIMES[[1, 3]]).sum(axis=0), rtol=1e-8)


@pytest.mark.parametrize("method", STIFF)
def test_large_systems_iterate_with_the_factors_of_the_step(method, rng):
    """More unknowns than get a Jacobian for every stage; stages differ from the beginning of the step by much."""
    rhs, p, n = Rhs.of(Field(ring, (30,), (np.ones(2),), inplace=True)), np.array([3.0, 2.0]), 30
    y0, weights, span = rng.normal(size=n), rng.normal(size=(2, n)), (0.0, 0.4)
    times, options = np.array([0.17, 0.4]), {"method": method, "fixed_step": 0.1}
    _, kept = Discrete().forward(rhs, span, y0, p, times, options)
    y0_bar, p_bar, *_ = Discrete().backward(rhs, kept, weights)

    def loss(p):
        return np.sum(weights * integrate(rhs, span, y0, p, method, times, fixed_step=0.1).ys)

    np.testing.assert_allclose(p_bar, differences(loss, p), rtol=1e-8, atol=1e-8 * np.max(np.abs(p_bar)))
    direction = rng.normal(size=n)

    def along(s):
        return np.sum(weights * integrate(rhs, span, y0 + s[0] * direction, p, method, times, fixed_step=0.1).ys)

    np.testing.assert_allclose(y0_bar @ direction, differences(along, np.zeros(1))[0], rtol=1e-8)


#: Gradient of sum(y1 + 1e4 y2 + y3) over t = 0 and 50 log-spaced times 1e-4 ... 1e5 with respect to k, by two independent methods.
ROBER_GRADIENT = np.array([103.76680133704929, -1.219057487520601e-07, -5.678794885254603e-05])


@pytest.mark.parametrize("method", [*STIFF, "NDF", "auto"])
def test_robertson_against_a_reference_gradient(robertson, method):
    times, k = np.concatenate([[0.0], np.logspace(-4.0, 5.0, 50)]), np.array([0.04, 3e7, 1e4])
    order = 2 if method in ("Rosenbrock23", "TRBDF2") else 3
    tol = 1e-7 if order == 2 else 1e-9
    options = {"method": method, "rtol": tol, "atol": 1e-4 * tol}
    solution, kept = Discrete().forward(robertson, (0.0, 1e5), np.array([1.0, 0.0, 0.0]), k, times, options)
    _, p_bar, *_ = Discrete().backward(robertson, kept, np.tile([1.0, 1e4, 1.0], (len(times), 1)), times=False)
    np.testing.assert_allclose(p_bar, ROBER_GRADIENT, rtol=1e-3 if order == 2 else 1e-5)
    if method == "auto":
        assert len(solution.switches) > 1


@pytest.mark.parametrize("method", ["KenCarp4", "Kvaerno5", "TRBDF2", "RadauIIA5", "Rodas5P", "NDF"])
def test_each_saved_time_at_loose_tolerances(robertson, method):
    """Inside long stiff steps: what Newton's iterations leave of an error must not be multiplied by the stiffness (was 700 % off)."""
    times, k = np.concatenate([[0.0], np.logspace(1.0, 5.0, 15)]), np.array([0.04, 3e7, 1e4])

    def gradients(**options):
        _, kept = Discrete().forward(robertson, (0.0, 1e5), np.array([1.0, 0.0, 0.0]), k, times, options)
        bars = [np.outer(np.arange(16) == i, [1.0, 1e4, 1.0]) for i in range(1, 16)]
        return np.array([Discrete().backward(robertson, kept, bar, times=False)[1] for bar in bars])

    want = gradients(method="RadauIIA5", rtol=1e-11, atol=1e-16)
    np.testing.assert_allclose(gradients(method=method, rtol=1e-6, atol=1e-8), want, rtol=5e-2 if method == "NDF" else 2e-3)


@pytest.mark.parametrize("saved", ["every step", "times"])
@pytest.mark.parametrize("stiff", ["Rodas5P", "KenCarp4"])
def test_switching_solves(stiff, saved, rng):
    """A problem that turns stiff and calm again: gradient of the pieces against the variational result of tight tolerances."""

    def turning(dy, t, y, p):
        k = p[0] + p[1] * np.exp(-(((t - 4.0) / 1.5) ** 8))
        dy[0] = -k * (y[0] - np.cos(y[1]))
        dy[1] = p[2] * y[0]

    rhs, p, y0 = Rhs.of(Field(turning, (2,), (np.ones(3),), inplace=True)), np.array([1.0, 1e4, 0.5]), np.array([0.3, 0.2])
    times = np.linspace(0.0, 8.0, 9) if saved == "times" else None
    options = {"method": Auto(METHODS["Tsit5"], METHODS[stiff]), "rtol": 1e-8, "atol": 1e-9}
    solution, kept = Discrete().forward(rhs, (0.0, 8.0), y0, p, times, options)
    assert len(solution.switches) >= 3
    weights = rng.normal(size=(9, 2)) if saved == "times" else np.vstack([np.zeros((len(solution.t) - 1, 2)), [1.0, 2.0]])
    y0_bar, p_bar, t0_bar, *_ = Discrete().backward(rhs, kept, weights)

    def loss(y0, p):
        ys = integrate(rhs, (0.0, 8.0), y0, p, "RadauIIA5", times if times is not None else np.array([8.0]), rtol=1e-11, atol=1e-12).ys
        return np.sum((weights if times is not None else weights[-1:]) * ys)

    np.testing.assert_allclose(y0_bar, differences(lambda y: loss(y, p), y0, 1e-3), rtol=1e-5)
    np.testing.assert_allclose(p_bar, differences(lambda q: loss(y0, q), p, 1e-3), rtol=1e-4, atol=1e-9)
    dy = np.empty(2)
    turning(dy, 0.0, y0, p)
    np.testing.assert_allclose(t0_bar, -dy @ (y0_bar - (weights[0] if times is None else 0)), rtol=1e-10)


@pytest.mark.parametrize("method", ["Rodas4", "KenCarp4"])
def test_nothing_to_do(rhs, method):
    """Saved at t0 alone."""
    _, kept = Discrete().forward(rhs, (0.0, 1.0), Y0, P, np.array([0.0]), {"method": method})
    y0_bar, p_bar, *_ = Discrete().backward(rhs, kept, np.array([[1.0, 2.0, 3.0]]))
    assert np.array_equal(y0_bar, [1.0, 2.0, 3.0])
    assert not np.any(p_bar)
