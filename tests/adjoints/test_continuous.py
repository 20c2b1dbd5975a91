"""The continuous adjoints beyond what all adjoints share: published gradients, checkpoints, memory, and refusals."""

import tracemalloc

import numpy as np
import pytest
from adjoint_references import forced, forced_gradient, gradient, lotka_volterra, lotka_volterra_reference
from problems import build, decay

from sciad.adjoints import Backsolve, Forward, Gauss, Interpolating, Quadrature, find_adjoint
from sciad.adjoints.line_integral import gauss_rule, kronrod_rule
from sciad.adjoints.trajectory import take_again
from sciad.backend import view1d
from sciad.errors import SolveError
from sciad.field import Field
from sciad.solvers.rhs import Rhs

CONTINUOUS = {"gauss": Gauss, "quadrature": Quadrature, "interpolating": Interpolating, "backsolve": Backsolve}
READING = [name for name in CONTINUOUS if name != "backsolve"]
Y_LV, P_LV = np.array([1.0, 1.2]), np.array([1.5, 1.0, 3.0, 1.0])


def run(adjoint, rhs, t_span, y0, p, ys_bar, t_eval, **options):
    solution, residuals = adjoint.forward(rhs, t_span, np.asarray(y0, float), np.asarray(p, float), t_eval, options)
    return adjoint.backward(rhs, residuals, ys_bar(solution.ys) if callable(ys_bar) else ys_bar)


def lorenz(t, y, p):
    return np.array([p[0] * (y[1] - y[0]), y[0] * (p[1] - y[2]) - y[1], y[0] * y[1] - p[2] * y[2]])


def van_der_pol(t, y, p):
    return np.array([y[1], p[0] * (1.0 - y[0] ** 2) * y[1] - y[0]])


def twice_the_last(ys):
    bar = np.zeros_like(ys)
    bar[-1] = 2 * ys[-1]
    return bar


def first_component(ys):
    return np.tile([1.0, 0.0], (len(ys), 1))


# Loss, problem, and gradients published to ten digits and more, computed twice with 30 digits by two methods.
PUBLISHED = {
    "lorenz": (
        lorenz, [1.0, 0.0, 0.0], [10.0, 28.0, 8 / 3], (0.0, 2.0), np.linspace(0.0, 2.0, 21), twice_the_last,
        [43.89337505074552, 34.23439029713039, -35.82320780411321], [-1.6178538164328906, 112.5805436672625, -102.57629360549754],
    ),
    "van der pol": (
        van_der_pol, [2.0, 0.0], [1.0], (0.0, 20.0), np.arange(21.0), first_component,
        [0.9911443786829292, -0.0020123010102433], [-3.5123998740979636],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def fields():
    """The published problems, compiled once."""
    return {name: Rhs.of(Field(fun, (len(y0),), (np.array(p),))) for name, (fun, y0, p, *_) in PUBLISHED.items()}


@pytest.mark.parametrize("name", [*CONTINUOUS, "forward", "discrete"])
@pytest.mark.parametrize("problem", list(PUBLISHED))
def test_published_gradients(fields, problem, name):
    """To seven digits, through right-hand sides that the compiled tier made."""
    _, y0, p, span, times, loss_bar, y0_want, p_want = PUBLISHED[problem]
    got = run(find_adjoint(name), fields[problem], span, y0, p, loss_bar, times, method="Vern9", rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(got[0], y0_want, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(got[1], p_want, rtol=1e-7)


@pytest.mark.parametrize("method", ["BS3", "Tsit5", "Vern7", "DOP853"])
def test_steps_taken_again_are_the_same_steps(method):
    """With checkpoints, every state and stage of a stretch comes back bit for bit."""
    times, options = np.array([3.0]), {"method": method, "rtol": 1e-6, "atol": 1e-6}
    _, stored = Gauss().forward(lotka_volterra(), (0.0, 3.0), Y_LV, P_LV, times, options)
    _, few = Gauss(checkpoints=4).forward(lotka_volterra(), (0.0, 3.0), Y_LV, P_LV, times, options)
    (piece,), (all_of_it,) = few.pieces, stored.pieces
    every = piece.steps.every
    assert every > 1
    assert len(piece.steps.states) <= 4
    np.testing.assert_array_equal(piece.steps.times, all_of_it.steps.times)
    rows = take_again(lotka_volterra(), P_LV, piece, 1, every, min(2 * every, few.n_steps))
    np.testing.assert_array_equal(rows, all_of_it.steps.states[every : every + len(rows)])


@pytest.mark.parametrize("name", CONTINUOUS)
def test_checkpoints_change_nothing_beyond_the_tolerance(name, rng):
    """A few kept states instead of all stages, with saved times on both sides of every checkpoint."""
    times, ys_bar = np.linspace(0.0, 4.0, 23), rng.normal(size=(23, 2))
    options = {"rtol": 1e-10, "atol": 1e-11}
    want = gradient(lotka_volterra_reference((0.0, 4.0), Y_LV, P_LV, times), ys_bar)
    for checkpoints in (2, 9):
        got = run(CONTINUOUS[name](checkpoints=checkpoints), lotka_volterra(), (0.0, 4.0), Y_LV, P_LV, ys_bar, times, **options)
        np.testing.assert_allclose(got[0], want[0], rtol=1e-7)
        np.testing.assert_allclose(got[1], want[1], rtol=1e-7)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_checkpoints_of_a_solve_backwards_in_time(name, rng):
    """From t = 3 to t = -1, saved times inside: the order of pieces and landmarks follows the direction."""
    times, ys_bar = np.array([2.5, 0.9, -0.3]), rng.normal(size=(3, 1))
    p = np.array([0.7, 2.3, 5.0])
    got = run(CONTINUOUS[name](checkpoints=5), forced(), (3.0, -1.0), [1.3], p, ys_bar, times, rtol=1e-10, atol=1e-11)
    want = forced_gradient(1.3, p, times, ys_bar, 3.0)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-7)
    np.testing.assert_allclose(got[1][:2], want[1][:2], rtol=1e-7)
    np.testing.assert_allclose(got[2], want[2], rtol=1e-7)


@pytest.mark.parametrize("name", READING)
def test_hundred_thousand_steps_within_a_memory_bound(name):
    """300 checkpoints instead of 100,000 rows of stages (6.4 MB and more): below 6 MB, times and sizes of steps included."""
    n_steps, a = 100_000, 0.9
    adjoint, options = CONTINUOUS[name](checkpoints=300), {"method": "Dopri5", "max_steps": 200_000}
    run(adjoint, decay(), (0.0, 0.1), [1.0], [a], np.ones((1, 1)), np.array([0.1]), fixed_step=0.01)  # compile first
    tracemalloc.start()
    y0_bar, p_bar, *_ = run(adjoint, decay(), (0.0, 1.0), [1.0], [a], np.ones((1, 1)), np.array([1.0]), fixed_step=1 / n_steps, **options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6e6
    np.testing.assert_allclose([y0_bar[0], p_bar[0]], [np.exp(-a), -np.exp(-a)], rtol=1e-9)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_many_saved_times_do_not_need_a_large_table(name):
    """A reverse solve with more saved times than go into one table of jumps is done in several."""
    a, times = 1.3, np.linspace(0.0, 1.0, 1 << 18)
    options = {"rtol": 1e-6, "atol": 1e-6, "max_steps": 10**7}
    y0_bar, p_bar, *_ = run(CONTINUOUS[name](), decay(), (0.0, 1.0), [2.0], [a], np.full((len(times), 1), 1 / len(times)), times, **options)
    e = np.exp(-a * times)
    np.testing.assert_allclose([y0_bar[0], p_bar[0]], [e.mean(), -(2 * times * e).mean()], rtol=1e-4)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_own_tolerances_and_method(name, rng):
    """A reverse solve with a method and tolerances of its own: a loose one spoils the gradient, a tight one does not."""
    times, ys_bar = np.linspace(0.5, 4.0, 4), rng.normal(size=(4, 2))
    want = np.concatenate(gradient(lotka_volterra_reference((0.0, 4.0), Y_LV, P_LV, times), ys_bar))
    errors = []
    for tolerance in (1e-3, 1e-9):
        adjoint = CONTINUOUS[name](rtol=tolerance, atol=tolerance, method="Vern7", **({"departure": 1e9} if name == "backsolve" else {}))
        got = run(adjoint, lotka_volterra(), (0.0, 4.0), Y_LV, P_LV, ys_bar, times, rtol=1e-11, atol=1e-12)
        errors.append(np.max(np.abs(np.concatenate(got[:2]) - want)))
    assert errors[1] < 1e-6 < errors[0]


@pytest.mark.parametrize("name", CONTINUOUS)
def test_reverse_solve_that_fails_raises(name):
    """Too many steps on the way back: the message names the adjoint, the time and the way out."""
    adjoint = CONTINUOUS[name](rtol=1e-13, atol=1e-13)
    with pytest.raises(SolveError, match=rf"{name} adjoint: the reverse solve from t = 10.0 .*failed.*t = .*adjoint='discrete'"):
        run(adjoint, lotka_volterra(), (0.0, 10.0), Y_LV, P_LV, np.ones((1, 2)), np.array([10.0]), rtol=1e-2, atol=1e-2, max_steps=40)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_right_hand_side_that_aborts_on_the_way_back(name):
    """A status other than 0 from the tape-writing twin ends the reverse solve with SolveError, never with a number."""

    def f(t, y, p, dy):
        view1d(dy, 1)[0] = -view1d(y, 1)[0]
        return 0

    def aug(t, y, p, dy, tape):
        view1d(dy, 1)[0] = -view1d(y, 1)[0]
        return 1 if t < 0.5 else 0

    def rev(t, y, p, tape, dy_bar, y_bar, p_bar, t_bar):
        view1d(y_bar, 1)[0] -= view1d(dy_bar, 1)[0]
        return 0

    with pytest.raises(SolveError, match=f"{name} adjoint.*stopped the integration at t = "):
        run(CONTINUOUS[name](), build(f, 1, 0, aug, rev, None), (0.0, 1.0), [1.0], [], np.ones((1, 1)), np.array([1.0]))


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_cotangent_that_is_no_number(name, bad):
    """A loss whose derivative is not finite has no gradient."""
    with pytest.raises(SolveError, match=f"{name} adjoint: the cotangent of the saved states is not finite"):
        run(CONTINUOUS[name](), decay(), (0.0, 1.0), [1.0], [1.0], np.array([[bad]]), np.array([1.0]))


@pytest.mark.parametrize(("rate", "what"), [(60.0, "left the forward one before t = 0.0"), (4000.0, "failed|left the forward one")])
def test_backsolve_refuses_what_is_unstable_backwards(rate, what):
    """y' = -a y for large a: rounding grows by exp(a) on the way back; no number comes out, and the remedy is named."""
    with pytest.raises(SolveError, match=rf"backsolve adjoint: .*({what}).*adjoint='discrete'"):
        run(Backsolve(), decay(), (0.0, 1.0), [1.0], [rate], np.ones((1, 1)), np.array([1.0]), rtol=1e-8, atol=1e-10)


def test_backsolve_refuses_chaos(fields):
    """Lorenz over 25 units of time: the state reconstructed from the end alone is another trajectory; checkpoints bring it back."""
    y0, p, times = [1.0, 0.0, 0.0], [10.0, 28.0, 8 / 3], np.array([25.0])
    with pytest.raises(SolveError, match=r"backsolve adjoint.*(left the forward one before t = \d|failed)"):
        run(Backsolve(), fields["lorenz"], (0.0, 25.0), y0, p, twice_the_last, times, rtol=1e-8, atol=1e-8)


def test_backsolve_with_landmarks_passes_where_it_failed():
    """With enough states to return to, a forced decay that is lost from its end alone is recovered, and its gradient is right."""
    p, times, options = np.array([14.0, 2.3, 0.0]), np.array([1.0]), {"rtol": 1e-8, "atol": 1e-10}
    with pytest.raises(SolveError, match="left the forward one"):
        run(Backsolve(), forced(), (0.0, 1.0), [1.0], p, np.ones((1, 1)), times, **options)
    y0_bar, p_bar, *_ = run(Backsolve(checkpoints=60), forced(), (0.0, 1.0), [1.0], p, np.ones((1, 1)), times, **options)
    want = forced_gradient(1.0, p, times, np.ones((1, 1)))
    np.testing.assert_allclose(y0_bar, want[0], rtol=1e-5)
    np.testing.assert_allclose(p_bar[:2], want[1][:2], rtol=1e-5)


@pytest.mark.parametrize("order", [1, 3, 5, 7, 9])
def test_gauss_rule(order):
    """Exact for all degrees up to the order and one more."""
    x, w = gauss_rule(order)
    for degree in range(order + 1):
        np.testing.assert_allclose(w @ x**degree, 1 / (degree + 1), rtol=1e-14)


def test_kronrod_rule():
    """Exact for degree 11, the Gauss rule inside for degree 5; not for the next even degrees."""
    x, kronrod, gauss = kronrod_rule()
    for w, last in ((kronrod, 11), (gauss, 5)):
        for degree in range(last + 1):
            np.testing.assert_allclose(w @ x**degree, 1 / (degree + 1), rtol=1e-14)
        assert abs(w @ x ** (last + 1) - 1 / (last + 2)) > 1e-10


def test_quadrature_adapts_where_the_integrand_is_rough():
    """f_p with a kink inside a step: |t - 1/pi| is integrated to tolerance by Quadrature, and Gauss, without control, is worse."""

    def f(t, y, p, dy):
        view1d(dy, 1)[0] = view1d(p, 1)[0] * abs(t - 1 / np.pi) if t >= 0 else 0.0
        return 0

    def aug(t, y, p, dy, tape):
        view1d(dy, 1)[0] = view1d(p, 1)[0] * abs(t - 1 / np.pi)
        return 0

    def rev(t, y, p, tape, dy_bar, y_bar, p_bar, t_bar):
        view1d(p_bar, 1)[0] += abs(t - 1 / np.pi) * view1d(dy_bar, 1)[0]
        return 0

    rhs, c = build(f, 1, 1, aug, rev, None), 1 / np.pi
    errors = {}
    for name in ("quadrature", "gauss"):
        options = {"method": "Tsit5", "fixed_step": 0.25}  # steps that know nothing of the kink
        adjoint = CONTINUOUS[name](rtol=1e-9, atol=1e-9)
        _, p_bar, *_ = run(adjoint, rhs, (0.0, 1.0), [0.0], [1.0], np.ones((1, 1)), np.array([1.0]), **options)
        errors[name] = abs(p_bar[0] - (c**2 + (1 - c) ** 2) / 2)
    assert errors["quadrature"] < 1e-7 < errors["gauss"]


def test_forward_and_quadrature_agree_on_a_plain_equilibrium():
    """At an equilibrium of y' = a (1 - y) the plain solve takes huge steps; the sensitivities must not be computed with those."""

    def fun(t, y, p):
        return p[0] * (1.0 - y)

    rhs, times = Rhs.of(Field(fun, (1,), (np.array([1.0]),))), np.array([10.0])
    for adjoint in (Forward(), Quadrature(), Gauss(), Interpolating()):
        y0_bar, p_bar, *_ = run(adjoint, rhs, (0.0, 10.0), [1.0], [1.0], np.ones((1, 1)), times, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(y0_bar, np.exp(-10.0), rtol=1e-3)
        assert p_bar[0] == pytest.approx(0.0, abs=1e-12)
