"""What every adjoint must do: gradients against closed forms and variational equations, and the traps."""

import mpmath
import numpy as np
import pytest
from adjoint_references import forced, forced_gradient, gradient, lotka_volterra, lotka_volterra_reference, ramp, rotation
from problems import decay

from sciad.adjoints import ADJOINTS, find_adjoint
from sciad.adjoints.discrete import Discrete
from sciad.errors import ShapeError, SolveError

TIGHT = {"rtol": 1e-11, "atol": 1e-12}
NAMES = [name for name in ADJOINTS if name not in ("auto", "direct")]  # direct: of compiled sources, see test_direct.py
P_FORCED, P_LV, Y_LV = np.array([0.7, 2.3, 5.0]), np.array([1.5, 1.0, 3.0, 1.0]), np.array([1.0, 1.2])


def gradient_of(name, rhs, t_span, y0, p, ys_bar, t_eval=None, **options):
    """All cotangents, from an adjoint's name or the object; ys_bar may be a function of the saved states."""
    adjoint = find_adjoint(name)
    solution, residuals = adjoint.forward(rhs, t_span, np.asarray(y0, float), np.asarray(p, float), t_eval, TIGHT | options)
    return adjoint.backward(rhs, residuals, ys_bar(solution) if callable(ys_bar) else ys_bar)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("span", [(0.0, 4.0), (4.0, 0.5)], ids=["forwards", "backwards"])
def test_closed_form_of_a_forced_equation(name, span, rng):
    """State, parameters (one of them unused: exactly zero) and every time, forwards and backwards in time."""
    times = np.linspace(*span, 9)[1:-1]
    ys_bar = rng.normal(size=(len(times), 1))
    y0_bar, p_bar, t0_bar, t1_bar, t_eval_bar = gradient_of(name, forced(), span, [1.3], P_FORCED, ys_bar, times)
    want = forced_gradient(1.3, P_FORCED, times, ys_bar, span[0])
    np.testing.assert_allclose(y0_bar, want[0], rtol=1e-8)
    np.testing.assert_allclose(p_bar[:2], want[1][:2], rtol=1e-8)
    assert p_bar[2] == 0.0
    np.testing.assert_allclose(t0_bar, want[2], rtol=1e-8)
    np.testing.assert_allclose(t_eval_bar, want[3], rtol=1e-6, atol=1e-8)  # discrete: the slope of dense output
    assert t1_bar == 0.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["BS3", "Dopri5", "Tsit5", "Vern7", "DOP853"])
def test_lotka_volterra_against_variational_equations(name, method, rng):
    """Random cotangents at 12 saved times, both ends among them, by methods with and without extra stages."""
    times = np.linspace(0.0, 4.0, 12)
    ys_bar = rng.normal(size=(12, 2))
    tolerance = 1e-8 if method == "BS3" else 1e-10
    got = gradient_of(name, lotka_volterra(), (0.0, 4.0), Y_LV, P_LV, ys_bar, times, method=method, rtol=tolerance, atol=tolerance)
    want = gradient(lotka_volterra_reference((0.0, 4.0), Y_LV, P_LV, times), ys_bar)
    close = 1e-5 if method == "BS3" else 3e-8
    np.testing.assert_allclose(got[0], want[0], rtol=close, atol=close)
    np.testing.assert_allclose(got[1], want[1], rtol=close, atol=close)


@pytest.mark.parametrize("name", NAMES)
def test_loss_on_the_initial_point_only(name):
    """With a saved time at t0 alone, y0_bar is its cotangent and nothing else has one."""
    ys_bar = np.array([[2.0, -3.0]])
    y0_bar, p_bar, t0_bar, _, t_eval_bar = gradient_of(name, lotka_volterra(), (0.0, 1.0), Y_LV, P_LV, ys_bar, np.array([0.0]))
    np.testing.assert_array_equal(y0_bar, ys_bar[0])
    np.testing.assert_array_equal(p_bar, np.zeros(4))
    flow = np.array([1.5 - 1.2, -3.0 * 1.2 + 1.2]) @ ys_bar[0]
    np.testing.assert_allclose([t0_bar, t_eval_bar[0]], [-flow, flow], rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_loss_on_the_initial_point_among_others(name):
    """Cotangents that are zero but at t0 give the same."""
    times, ys_bar = np.array([0.0, 0.3, 1.0]), np.array([[2.0, -3.0], [0.0, 0.0], [0.0, 0.0]])
    y0_bar, p_bar, *_ = gradient_of(name, lotka_volterra(), (0.0, 1.0), Y_LV, P_LV, ys_bar, times)
    np.testing.assert_array_equal(y0_bar, ys_bar[0])
    np.testing.assert_array_equal(p_bar, np.zeros(4))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("where", [[0.6], [1.0], [0.25, 0.5]], ids=["inside", "end", "two"])
def test_saved_times_need_not_end_the_span(name, where):
    """One saved time, inside the span or at its end, and none at the end; decay has a closed form."""
    times, a, y0 = np.array(where), 1.7, 2.0
    ys_bar = np.arange(1.0, 1.0 + len(where))[:, None]
    y0_bar, p_bar, t0_bar, t1_bar, t_eval_bar = gradient_of(name, decay(), (0.0, 1.0), [y0], [a], ys_bar, times)
    e = np.exp(-a * times) * ys_bar[:, 0]
    np.testing.assert_allclose(y0_bar[0], e.sum(), rtol=1e-8)
    np.testing.assert_allclose(p_bar[0], -(times * y0 * e).sum(), rtol=1e-8)
    np.testing.assert_allclose(t0_bar, a * y0 * e.sum(), rtol=1e-8)
    np.testing.assert_allclose(t_eval_bar, -a * y0 * e, rtol=1e-6)
    assert t1_bar == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_every_step_saved(name):
    """Without t_eval the last state carries t1; the loss sees the end alone, whose derivative is known."""

    def last(solution):
        bar = np.zeros_like(solution.ys)
        bar[-1] = 3.0
        return bar

    y0_bar, p_bar, t0_bar, t1_bar, t_eval_bar = gradient_of(name, decay(), (0.0, 1.5), [2.0], [0.8], last)
    e = float(mpmath.exp(-mpmath.mpf("0.8") * mpmath.mpf("1.5")))
    np.testing.assert_allclose([y0_bar[0], p_bar[0]], [3 * e, -3 * 1.5 * 2 * e], rtol=1e-8)
    np.testing.assert_allclose([t0_bar, t1_bar], [3 * 0.8 * 2 * e, -3 * 0.8 * 2 * e], rtol=1e-8)
    assert t_eval_bar is None


@pytest.mark.parametrize("name", NAMES)
def test_every_step_saved_and_in_the_loss(name):
    """A cotangent at every accepted step, t0 included: against the closed form at the times that were chosen."""
    seen = {}

    def ones(solution):
        seen["t"] = solution.t
        return np.ones_like(solution.ys)

    y0_bar, p_bar, t0_bar, *_ = gradient_of(name, decay(), (0.0, 1.5), [2.0], [0.8], ones)
    e = np.exp(-0.8 * seen["t"])
    np.testing.assert_allclose([y0_bar[0], p_bar[0]], [e.sum(), -(seen["t"] * 2 * e).sum()], rtol=1e-8)
    np.testing.assert_allclose(t0_bar, 0.8 * 2 * (e.sum() - 1.0), rtol=1e-8)  # the first state is y0 whatever t0


@pytest.mark.parametrize("name", NAMES)
def test_no_parameters(name, rng):
    """n_p = 0: y0_bar from the rotation matrix, an empty p_bar."""
    times, ys_bar = np.array([0.4, 2.9]), rng.normal(size=(2, 2))
    y0_bar, p_bar, *_ = gradient_of(name, rotation(), (0.0, 3.0), [1.0, 0.5], [], ys_bar, times)
    c, s = np.cos(2 * times), np.sin(2 * times)
    flow = np.array([[c, s / 2], [-2 * s, c]])  # (to, from, time)
    np.testing.assert_allclose(y0_bar, np.einsum("mi,ijm->j", ys_bar, flow), rtol=1e-8)
    assert p_bar.shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_but_quadrature(name):
    """y' = sin(p t): lambda is constant, so nothing but the integrand itself limits the steps of a reverse solve."""
    p, end = 9.0, 20.0
    y0_bar, p_bar, *_ = gradient_of(name, ramp(), (0.0, end), [0.0], [p], np.ones((1, 1)), np.array([end]))
    want = mpmath.diff(lambda q: (1 - mpmath.cos(q * end)) / q, p)
    np.testing.assert_allclose(y0_bar, [1.0], rtol=1e-12)
    np.testing.assert_allclose(p_bar[0], float(want), rtol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_saved_times_on_the_ends_of_steps(name, rng):
    """Steps of fixed size that end exactly on the saved times, and saved times between them, agree with the closed form."""
    for times in (np.arange(0, 9) * 0.25, np.arange(0, 9) * 0.25 - np.r_[0.0, np.full(8, 0.1)]):
        ys_bar = rng.normal(size=(9, 1))
        got = gradient_of(name, forced(), (0.0, 2.0), [1.0], P_FORCED, ys_bar, times, method="Vern7", fixed_step=1 / 64)
        want = forced_gradient(1.0, P_FORCED, times, ys_bar)
        np.testing.assert_allclose(got[0], want[0], rtol=1e-8)
        np.testing.assert_allclose(got[1][:2], want[1][:2], rtol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_is_linear_in_the_cotangent(name, rng):
    """A loss 1e-9 times as large has a gradient 1e-9 times as large: absolute tolerances do not swallow it."""
    times, ys_bar = np.linspace(0.0, 3.0, 5), rng.normal(size=(5, 2))
    options = {"rtol": 1e-5, "atol": 1e-6}
    large = gradient_of(name, lotka_volterra(), (0.0, 3.0), Y_LV, P_LV, ys_bar, times, **options)
    small = gradient_of(name, lotka_volterra(), (0.0, 3.0), Y_LV, P_LV, 2.0**-30 * ys_bar, times, **options)
    np.testing.assert_allclose(small[0], 2.0**-30 * large[0], rtol=1e-3)
    np.testing.assert_allclose(small[1], 2.0**-30 * large[1], rtol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_converges_with_the_tolerance(name, rng):
    """From 1e-4 to 1e-7 to 1e-10 the error of the gradient falls, each time by a factor of 100 at least."""
    times, ys_bar = np.linspace(0.0, 5.0, 6), rng.normal(size=(6, 2))
    want = np.concatenate(gradient(lotka_volterra_reference((0.0, 5.0), Y_LV, P_LV, times), ys_bar))
    errors = []
    for tolerance in (1e-4, 1e-7, 1e-10):
        got = gradient_of(name, lotka_volterra(), (0.0, 5.0), Y_LV, P_LV, ys_bar, times, rtol=tolerance, atol=tolerance)
        errors.append(np.max(np.abs(np.concatenate(got[:2]) - want)) / np.max(np.abs(want)))
    assert errors[0] < 0.1
    assert errors[1] < errors[0] / 100
    assert errors[2] < errors[1] / 100


@pytest.mark.parametrize("name", NAMES)
def test_all_cotangents_zero(name):
    """A loss that does not depend on the solution has a gradient of exactly zero."""
    y0_bar, p_bar, t0_bar, *_ = gradient_of(name, lotka_volterra(), (0.0, 2.0), Y_LV, P_LV, np.zeros((3, 2)), np.array([0.0, 1.0, 2.0]))
    np.testing.assert_array_equal(y0_bar, np.zeros(2))
    np.testing.assert_array_equal(p_bar, np.zeros(4))
    assert t0_bar == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_caller_may_change_arrays_between_the_two_passes(name):
    """Parameters and initial state changed after the forward pass do not change the gradient; the backward pass can be repeated."""
    adjoint, y0, p, times = find_adjoint(name), Y_LV.copy(), P_LV.copy(), np.linspace(0.5, 2.0, 4)
    solution, residuals = adjoint.forward(lotka_volterra(), (0.0, 2.0), y0, p, times, TIGHT)
    before = adjoint.backward(lotka_volterra(), residuals, np.ones_like(solution.ys))
    y0[:], p[:] = 7.0, 0.1
    after = adjoint.backward(lotka_volterra(), residuals, np.ones_like(solution.ys))
    for x, y in zip(before, after):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", NAMES)
def test_without_times(name):
    """times=False leaves out the cotangents of times."""
    adjoint = find_adjoint(name)
    solution, residuals = adjoint.forward(decay(), (0.0, 1.0), np.ones(1), np.ones(1), np.array([0.5]), TIGHT)
    assert adjoint.backward(decay(), residuals, np.ones_like(solution.ys), times=False)[2:] == (0.0, 0.0, None)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_shape_of_the_cotangent(name):
    """ys_bar must have the shape of the saved states."""
    adjoint = find_adjoint(name)
    _, residuals = adjoint.forward(decay(), (0.0, 1.0), np.ones(1), np.ones(1), np.array([0.5, 1.0]), TIGHT)
    with pytest.raises(ShapeError, match=r"\(3, 1\)"):
        adjoint.backward(decay(), residuals, np.ones((3, 1)))


@pytest.mark.parametrize("name", NAMES)
def test_failed_forward_solve_raises(name):
    """There is no gradient of a solve that did not reach its end."""
    with pytest.raises(SolveError, match="max_steps"):
        gradient_of(name, lotka_volterra(), (0.0, 10.0), Y_LV, P_LV, np.ones((1, 2)), np.array([10.0]), max_steps=5)


def test_find_adjoint():
    """Names in any case and objects are found; what is no adjoint is named."""
    assert find_adjoint("Discrete") is ADJOINTS["discrete"]
    mine = Discrete(checkpoints=7)
    assert find_adjoint(mine) is mine
    with pytest.raises(ValueError, match="unknown adjoint 'magic'.*interpolating"):
        find_adjoint("magic")
    with pytest.raises(ValueError, match=r"did you mean Discrete\(\)"):
        find_adjoint(Discrete)
    with pytest.raises(ValueError, match="not an adjoint"):
        find_adjoint(3)
