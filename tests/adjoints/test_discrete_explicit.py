"""The discrete adjoint of every explicit method against complex steps through a NumPy replay of the very same steps."""

import tracemalloc

import numpy as np
import pytest
from adjoint_references import lotka_volterra
from problems import decay, forced

from sciad.adjoints.discrete import Discrete
from sciad.solvers.explicit import EXPLICIT
from sciad.solvers.integrate import integrate

Y0, P, TIMES = np.array([1.0, 1.2]), np.array([1.5, 1.0, 3.0, 1.0]), np.array([0.0, 0.31, 0.32, 0.75, 1.1, 2.0])


def field(t, y, p):
    """Lotka-Volterra, for complex y and p."""
    return np.array([p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1]])


def floats(rows, width):
    return [np.array([float(x) for x in row] + [0.0] * (width - len(row))) for row in rows]


def replay(tableau, pairs, times, y0, p):
    """States at `times` by the textbook formulas: given steps, stages, and powers of theta for what lies inside a step."""
    s, total = tableau.n_stages, len(tableau.exact_c)
    a, (b,), c = floats(tableau.exact_a, total), floats([tableau.exact_b], s), [float(x) for x in tableau.exact_c]
    y, out = y0.astype(complex), {float(pairs[0, 0]): y0.astype(complex)}
    for (t, h), (t_new, _) in zip(pairs[:-1], pairs[1:]):
        k = []
        for i in range(total):
            k.append(field(t + c[i] * h, y + h * sum((a[i][j] * k[j] for j in range(i)), np.zeros(2)), p))
        for wanted in times[(times > t) & (times < t_new)]:
            theta = (wanted - t) / h
            out[wanted] = y + h * sum(nested(row, theta) * k[j] for j, row in enumerate(tableau.dense_table))
        y = y + h * sum(b[j] * k[j] for j in range(s))
        out[float(t_new)] = y
    return np.array([out[t] for t in times])


def nested(row, theta):
    """theta (d_1 + (1 - theta)(d_2 + theta (d_3 + ...)))."""
    value, factor = 0.0, theta
    for k, d in enumerate(row):
        value = value + d * factor
        factor = factor * ((1.0 - theta) if k % 2 == 0 else theta)
    return value


def complex_step(tableau, pairs, ys_bar):
    """y0_bar and p_bar of sum(ys_bar * ys) with the steps held fixed."""
    h, grads = 1e-30, []
    for which, size in ((0, 2), (1, 4)):
        for j in range(size):
            x = [Y0.astype(complex), P.astype(complex)]
            x[which][j] += 1j * h
            grads.append(np.sum(ys_bar * replay(tableau, pairs, TIMES, *x)).imag / h)
    return np.array(grads)


def solve(adjoint, method, **options):
    """The forward pass at loose tolerances: rejected steps, saved times inside steps, two in one step, one on the end of the span."""
    given = {"method": method} | ({"rtol": 1e-3, "atol": 1e-4} if EXPLICIT[method].tableau.adaptive else {"fixed_step": 0.17})
    return adjoint.forward(lotka_volterra(), (0.0, 2.0), Y0, P, TIMES, given | options)


@pytest.mark.parametrize("method", list(EXPLICIT))
def test_exact_derivative_of_the_steps_taken(method, rng):
    """To rounding the derivative of the frozen discretisation, dense output included, in every way of storing."""
    ys_bar, found, tableau = rng.normal(size=(len(TIMES), 2)), [], EXPLICIT[method].tableau
    for adjoint in (Discrete("tapes"), Discrete("states"), Discrete(checkpoints=3)):
        solution, residuals = solve(adjoint, method)
        pairs = residuals.steps.pairs  # the two kinds differ in the last bits of f, and so of the sizes of steps
        np.testing.assert_allclose(solution.ys, replay(tableau, pairs, TIMES, Y0, P).real, rtol=1e-12)
        found.append(adjoint.backward(lotka_volterra(), residuals, ys_bar))
        want = complex_step(tableau, pairs, ys_bar)
        np.testing.assert_allclose(np.concatenate(found[-1][:2]), want, rtol=1e-12, atol=1e-12)
    for stored, few in zip(found[1], found[2]):
        np.testing.assert_array_equal(few, stored)


@pytest.mark.parametrize("method", ["Euler", "BS3", "Tsit5", "Vern9"])
def test_saved_times_move_along_the_dense_output(method, rng):
    """The cotangent of a saved time inside a step is the slope of the interpolant there; on an end of a step it is f."""
    ys_bar = rng.normal(size=(len(TIMES), 2))
    solution, residuals = solve(Discrete(), method, dense_output=True)
    t_eval_bar = Discrete().backward(lotka_volterra(), residuals, ys_bar)[4]
    pairs, h = residuals.steps.pairs, 1e-6
    for i, t in enumerate(TIMES):
        if t in pairs[:, 0]:
            want = field(t, solution.ys[i], P) @ ys_bar[i]
        else:
            two = replay(EXPLICIT[method].tableau, pairs, np.array([t - h, t + h]), Y0, P).real
            want = (two[1] - two[0]) / (2 * h) @ ys_bar[i]
        np.testing.assert_allclose(t_eval_bar[i], want, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("method", ["RK4", "BS3", "Tsit5", "Vern7"])
def test_jvp_is_the_derivative_in_a_direction(method, every_step, rng):
    """Tangents of the same steps by complex steps, for a direction of state and parameters together."""
    y0_dot, p_dot, h = rng.normal(size=2), rng.normal(size=4), 1e-30
    options = {"fixed_step": 0.17} if method == "RK4" else {"rtol": 1e-3, "atol": 1e-4}
    times = None if every_step else TIMES
    solution, ys_dot = Discrete().jvp(lotka_volterra(), (0.0, 2.0), Y0, P, times, {"method": method} | options, y0_dot, p_dot)
    steps = integrate(lotka_volterra(), (0.0, 2.0), Y0, P, method, store="states", **options).steps
    dots = replay(EXPLICIT[method].tableau, steps.pairs, solution.t, Y0 + 1j * h * y0_dot, P + 1j * h * p_dot).imag / h
    np.testing.assert_allclose(ys_dot, dots, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("method", ["Euler", "Tsit5", "Vern7"])
def test_jvp_and_backward_are_adjoint(method, every_step, rng):
    """<ys_bar, jvp(x_dot)> = <backward(ys_bar), x_dot>, times included."""
    options = {"method": method} | ({"fixed_step": 0.17} if method == "Euler" else {"rtol": 1e-4, "atol": 1e-4})
    times, p, span = None if every_step else np.array([0.0, 0.4, 0.9, 1.0]), np.array([0.7, 2.3, 1.0]), (0.0, 1.0)
    y0_dot, p_dot, span_dot = rng.normal(size=1), rng.normal(size=3), rng.normal(size=2)
    t_eval_dot = None if every_step else rng.normal(size=4)
    _, ys_dot = Discrete().jvp(forced(), span, np.ones(1), p, times, options, y0_dot, p_dot, span_dot, t_eval_dot)
    solution, residuals = Discrete().forward(forced(), span, np.ones(1), p, times, options)
    ys_bar = rng.normal(size=solution.ys.shape)
    y0_bar, p_bar, t0_bar, t1_bar, t_eval_bar = Discrete().backward(forced(), residuals, ys_bar)
    want = y0_bar @ y0_dot + p_bar @ p_dot + t0_bar * span_dot[0] + t1_bar * span_dot[1]
    if not every_step:
        want += t_eval_bar @ t_eval_dot
    np.testing.assert_allclose(np.sum(ys_bar * ys_dot), want, rtol=1e-10)


def test_hundred_thousand_steps_within_a_memory_bound():
    """60 checkpoints: the exact gradient of 100,000 steps of Euler's method for y' = -a y, (1 - a h)^N, in less than 6 MB."""
    n_steps, a, adjoint = 100_000, 0.9, Discrete(checkpoints=60)
    h = 1.0 / n_steps
    options = {"method": "Euler", "fixed_step": h, "max_steps": 200_000}
    adjoint.forward(decay(), (0.0, 0.1), np.ones(1), np.array([a]), np.array([0.1]), options)  # compile first
    tracemalloc.start()
    solution, residuals = adjoint.forward(decay(), (0.0, 1.0), np.ones(1), np.array([a]), np.array([1.0]), options)
    y0_bar, p_bar, *_ = adjoint.backward(decay(), residuals, np.ones((1, 1)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert solution.naccept == n_steps
    assert len(residuals.steps.states) <= 60
    assert peak < 6e6  # all tapes or states of three stages would be more; times and sizes of steps alone are 1.6 MB
    np.testing.assert_allclose(y0_bar[0], (1 - a * h) ** n_steps, rtol=1e-9)
    np.testing.assert_allclose(p_bar[0], -n_steps * h * (1 - a * h) ** (n_steps - 1), rtol=1e-9)


def test_checkpoints_need_t_eval():
    """Without t_eval every state is kept in the result, so a limit on states makes no sense."""
    with pytest.raises(ValueError, match="checkpoints need t_eval"):
        Discrete(checkpoints=5).forward(decay(), (0.0, 1.0), np.ones(1), np.ones(1))


def test_unknown_store():
    """store is one of three words."""
    with pytest.raises(ValueError, match="store must be"):
        Discrete(store="disk").forward(decay(), (0.0, 1.0), np.ones(1), np.ones(1), np.ones(1))
