"""Forward sensitivities and directional derivatives of a solve."""

import mpmath
import numpy as np
import pytest
from adjoint_references import forced, forced_gradient, lotka_volterra, lotka_volterra_reference
from problems import decay, forced_solution
from scipy.linalg import expm

from sciad.adjoints import Forward
from sciad.field import Field
from sciad.solvers.integrate import integrate
from sciad.solvers.linear import Banded
from sciad.solvers.rhs import Rhs

Y_LV, P_LV, TIMES = np.array([1.0, 1.2]), np.array([1.5, 1.0, 3.0, 1.0]), np.linspace(0.0, 4.0, 7)
P_FORCED = np.array([0.7, 2.3, 5.0])
TIGHT = {"rtol": 1e-10, "atol": 1e-11}


@pytest.fixture(scope="module")
def sensitivities():
    """d y(t_i) / d (y0, p) of Lotka-Volterra, shape (7, 2, 6), by SciPy."""
    _, s_y, s_p = lotka_volterra_reference((0.0, 4.0), Y_LV, P_LV, TIMES)
    return np.concatenate([s_y, s_p], axis=2)


@pytest.mark.parametrize("chunk", [None, 1, 4, 100])
@pytest.mark.parametrize("error_control", [True, False])
def test_sensitivities(sensitivities, chunk, error_control):
    """All columns, in one solve, in several, one by one."""
    adjoint = Forward(chunk=chunk, error_control=error_control)
    _, residuals = adjoint.forward(lotka_volterra(), (0.0, 4.0), Y_LV, P_LV, TIMES, TIGHT)
    np.testing.assert_allclose(residuals.s, sensitivities, rtol=2e-7, atol=2e-7)


def test_chunks_without_error_control_take_the_steps_of_the_plain_solve(rng):
    """The same states come out of each chunk, and those of a solve that knows nothing of derivatives."""
    options = {"rtol": 1e-4, "atol": 1e-5}
    plain = integrate(lotka_volterra(), (0.0, 4.0), Y_LV, P_LV, "Tsit5", TIMES, **options)
    for chunk in (1, 4):
        solution, _ = Forward(chunk=chunk, error_control=False).forward(lotka_volterra(), (0.0, 4.0), Y_LV, P_LV, TIMES, options)
        assert solution.naccept == plain.naccept
        np.testing.assert_allclose(solution.ys, plain.ys, rtol=1e-12)


def test_every_step_saved_in_several_chunks(rng):
    """Without t_eval the first chunk chooses the times, the others save there."""
    solution, residuals = Forward(chunk=1).forward(decay(), (0.0, 1.5), np.array([2.0]), np.array([0.8]), None, TIGHT)
    e = np.exp(-0.8 * solution.t)
    np.testing.assert_allclose(residuals.s[:, 0, 0], e, rtol=1e-8)
    np.testing.assert_allclose(residuals.s[:, 0, 1], -2 * solution.t * e, rtol=1e-8, atol=1e-9)


def test_error_control_of_sensitivities_matters():
    """At an equilibrium the plain solve takes steps as long as it likes, and sensitivities computed with them are wrong."""

    def fun(t, y, p):
        return p[0] * (1.0 - y)

    rhs = Rhs.of(Field(fun, (1,), (np.array([1.0]),)))
    for error_control, good in ((True, True), (False, False)):
        _, residuals = Forward(error_control=error_control).forward(rhs, (0.0, 20.0), [1.0], [1.0], np.array([20.0]), TIGHT)
        assert (abs(residuals.s[0, 0, 0] - np.exp(-20.0)) < 1e-9) == good


def test_record_is_of_the_state_alone():
    """dense_output together with sensitivities: the interpolant has n components."""
    solution, residuals = Forward().forward(lotka_volterra(), (0.0, 4.0), Y_LV, P_LV, TIMES, TIGHT | {"dense_output": True})
    np.testing.assert_allclose(solution.sol(TIMES).T, solution.ys, rtol=1e-12)
    assert residuals.s.shape == (7, 2, 6)


@pytest.mark.parametrize("span", [(0.0, 4.0), (4.0, 0.5)], ids=["forwards", "backwards"])
@pytest.mark.parametrize("name", ["state", "parameters", "t0", "t_eval"])
def test_jvp_against_a_closed_form(name, span, rng):
    """One direction at a time, by complex steps through the exact solution."""
    times = np.linspace(*span, 6)[1:]
    directions = {
        "state": ({"y0_dot": np.array([0.3])}, lambda h: forced_solution(times, P_FORCED, 1.3 + 0.3 * h, span[0])),
        "parameters": (
            {"p_dot": np.array([0.2, -0.4, 7.0])},
            lambda h: forced_solution(times, (P_FORCED[0] + 0.2 * h, P_FORCED[1] - 0.4 * h), 1.3, span[0]),
        ),
        "t0": ({"t_span_dot": (0.6, 0.0)}, lambda h: forced_solution(times, P_FORCED, 1.3, span[0] + 0.6 * h)),
        "t_eval": ({"t_eval_dot": np.arange(5.0)}, lambda h: forced_solution(times + h * np.arange(5.0), P_FORCED, 1.3, span[0])),
    }
    given, exact = directions[name]
    _, ys_dot = Forward().jvp(forced(), span, np.array([1.3]), P_FORCED, times, TIGHT, **given)
    np.testing.assert_allclose(ys_dot[:, 0], exact(1e-30j).imag / 1e-30, rtol=1e-7, atol=1e-8)


def test_jvp_of_a_large_and_of_a_tiny_direction(rng):
    """The tangent is linear in the direction, whatever its size: tolerances follow it."""
    for size in (1e-12, 1e12):
        _, ys_dot = Forward().jvp(decay(), (0.0, 1.0), np.ones(1), np.array([2.0]), np.array([1.0]), TIGHT, p_dot=np.array([size]))
        np.testing.assert_allclose(ys_dot[0, 0], -np.exp(-2.0) * size, rtol=1e-8)


def test_jvp_of_nothing():
    """No direction at all: zeros."""
    _, ys_dot = Forward().jvp(decay(), (0.0, 1.0), np.ones(1), np.ones(1), np.array([0.0, 1.0]), TIGHT)
    np.testing.assert_array_equal(ys_dot, np.zeros((2, 1)))


def test_jvp_at_the_end_of_the_span_where_every_step_is_saved():
    """t1 moves the last state by f there."""
    solution, ys_dot = Forward().jvp(decay(), (0.0, 1.0), np.ones(1), np.array([2.0]), None, TIGHT, t_span_dot=(0.0, 1.0))
    np.testing.assert_array_equal(ys_dot[:-1], np.zeros((len(solution.t) - 1, 1)))
    np.testing.assert_allclose(ys_dot[-1, 0], -2 * np.exp(-2.0), rtol=1e-8)


def test_own_tolerances(rng):
    """rtol and atol of the adjoint take the place of those of the solve."""
    ys_bar = np.ones((1, 1))
    want = forced_gradient(1.3, P_FORCED, [4.0], ys_bar)
    adjoint, loose = Forward(rtol=1e-10, atol=1e-11), {"rtol": 1e-2, "atol": 1e-2}
    _, residuals = adjoint.forward(forced(), (0.0, 4.0), [1.3], P_FORCED, np.array([4.0]), loose)
    got = Forward().backward(forced(), residuals, ys_bar)
    np.testing.assert_allclose(got[1][:2], want[1][:2], rtol=1e-7)


def test_chunk_must_be_positive():
    """chunk=0 makes no progress."""
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        Forward(chunk=0).forward(decay(), (0.0, 1.0), np.ones(1), np.ones(1), np.ones(1))


def test_tight_tolerances_do_not_chase_rounding():
    """The Oregonator at 1e-11 with all sensitivities: their error control may cost some steps, not twenty times those of the state."""

    def oregonator(dy, t, y, p):
        dy[0] = p[0] * (y[1] + y[0] * (1.0 - p[2] * y[0] - y[1]))
        dy[1] = (y[2] - (1.0 + y[0]) * y[1]) / p[0]
        dy[2] = p[1] * (y[0] - y[2])

    y0, p = np.array([1.0, 2.0, 3.0]), np.array([77.27, 0.161, 8.375e-6])
    rhs, options = Rhs.of(Field(oregonator, (3,), (p,), inplace=True)), {"method": "Rodas5P", "rtol": 1e-11, "atol": 1e-13}
    plain = integrate(rhs, (0.0, 360.0), y0, p, t_eval=np.array([360.0]), **options)
    solution, kept = Forward().forward(rhs, (0.0, 360.0), y0, p, np.array([360.0]), options)
    assert solution.naccept < 5 * plain.naccept
    gradient = Forward().backward(rhs, kept, np.full((1, 3), 1.0 / solution.ys.sum()), times=False)[1]
    np.testing.assert_allclose(gradient, [0.12945623585665228, -20.534251907880417, -292074.6113313446], rtol=1e-8)


def test_time_derivative_of_tangents_is_exact():
    """y' = -p (y - cos(p t)) by Rodas5P, whose order depends on f_t of the whole system: the derivative by p in closed form."""
    rhs, p, t = Rhs.of(Field(lambda t, y, p: -p * (y - np.cos(p * t)), (1,), (3.0,))), 3.0, 2.0
    options = {"method": "Rodas5P", "rtol": 1e-10, "atol": 1e-12}
    _, kept = Forward().forward(rhs, (0.0, t), np.ones(1), np.array([p]), np.array([t]), options)
    exact = mpmath.diff(lambda q: (mpmath.cos(q * t) + mpmath.sin(q * t)) / 2 + mpmath.exp(-q * t) / 2, p)
    np.testing.assert_allclose(kept.s[0, 0, 1], float(exact), rtol=1e-8)


@pytest.mark.parametrize("linear", ["dense", "sparse", Banded(12, 1, 1)], ids=["dense", "sparse", "banded"])
def test_linear_algebra_is_that_of_the_state(linear):
    """Diffusion y' = p D y, D tridiagonal: derivatives by y0 and p from the matrix exponential, with the linear algebra of one block."""
    n, p, t = 12, 2.0, 0.7
    matrix = np.diag(np.full(n, -2.0)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)

    def diffusion(dy, t, y, p):
        for i in range(12):
            left = y[i - 1] if i > 0 else 0.0
            right = y[i + 1] if i < 11 else 0.0
            dy[i] = p * (left - 2.0 * y[i] + right)

    rhs, y0 = Rhs.of(Field(diffusion, (n,), (p,), inplace=True)), np.sin(np.arange(n) + 1.0)
    options = {"method": "Rodas5P", "rtol": 1e-10, "atol": 1e-12, "linear": linear}
    _, kept = Forward().forward(rhs, (0.0, t), y0, np.array([p]), np.array([t]), options)
    flow = expm(p * t * matrix)
    np.testing.assert_allclose(kept.s[0, :, :n], flow, atol=1e-9)
    np.testing.assert_allclose(kept.s[0, :, n], t * matrix @ flow @ y0, atol=1e-9)
