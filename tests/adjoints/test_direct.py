"""Adjoint "direct": differentiation of the source of our own steps, against the hand-derived one, closed forms and differences."""

import mpmath
import numpy as np
import pytest

import sciad
from sciad.adjoints import Direct, Discrete
from sciad.errors import PerformanceWarning, SolveError
from sciad.field import Field
from sciad.solvers.auto import Auto
from sciad.solvers.integrate import integrate
from sciad.solvers.methods import METHODS
from sciad.solvers.rhs import Rhs

P, Y0 = np.array([0.7, 1.3, 0.6]), np.array([1.0, 0.5])
TIMES = np.array([0.0, 0.13, 0.5, 0.77, 1.0])
NAMES = list(METHODS)
STEPS_OF_FIXED_SIZE = ["Tsit5", "Rodas5P", "KenCarp4", "RadauIIA5"]


def turning(dy, t, y, p):
    """Stiff around t = 4 where p[1] is large; every entry of the Jacobian moves with the state or the time."""
    k = p[0] + p[1] * np.exp(-(((t - 4.0) / 1.5) ** 8))
    dy[0] = -k * (y[0] - np.cos(y[1])) + 0.1 * y[0] * y[1] * np.sin(3.0 * t)
    dy[1] = p[2] * y[0] - 0.3 * y[1] ** 2


@pytest.fixture(scope="module")
def rhs():
    """One right-hand side for all methods: each of its steps is compiled once."""
    return Rhs.of(Field(turning, (2,), (P,), inplace=True))


def options_of(method):
    adaptive = getattr(METHODS[method], "adaptive", True)
    return {"method": method} | ({"rtol": 1e-5, "atol": 1e-7} if adaptive else {"fixed_step": 0.2})


@pytest.mark.parametrize("method", NAMES)
def test_agrees_with_the_discrete_adjoint(rhs, method, rng):
    """Both differentiate the same steps, by unrelated means: to rounding, whatever the tolerance of the solve."""
    weights, options = rng.normal(size=(5, 2)), options_of(method)
    found = []
    for adjoint in (Direct(), Discrete()):
        solution, kept = adjoint.forward(rhs, (0.0, 1.0), Y0, P, TIMES, options)
        found.append((solution.ys, *adjoint.backward(rhs, kept, weights)))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-11)  # steps of many stages contain f where no tapes are kept
    for one, other in zip(found[0][1:5], found[1][1:5]):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(found[0][5], found[1][5], atol=1e-4)  # slopes of dense output: stages of a solve end at its tolerance


@pytest.mark.parametrize("method", STEPS_OF_FIXED_SIZE)
@pytest.mark.parametrize("span", [(0.0, 1.0), (0.4, 0.0)], ids=["forwards", "backwards"])
def test_frozen_steps_against_differences(rhs, method, span, rng):
    """Steps of fixed size: central differences of the solve itself; and forward mode is the transpose of reverse mode."""
    times, step = span[0] + (span[1] - span[0]) * TIMES, abs(span[1] - span[0]) / 4
    weights, options = rng.normal(size=(5, 2)), {"method": method, "fixed_step": step}
    y_dot, p_dot = rng.normal(size=2), rng.normal(size=3)
    _, kept = Direct().forward(rhs, span, Y0, P, times, options)
    y_bar, p_bar, *_ = Direct().backward(rhs, kept, weights)

    def loss(s):
        return np.sum(weights * integrate(rhs, span, Y0 + s * y_dot, P + s * p_dot, method, times, fixed_step=step).ys)

    coarse, fine = ((loss(s) - loss(-s)) / (2 * s) for s in (2e-4, 1e-4))
    np.testing.assert_allclose(y_bar @ y_dot + p_bar @ p_dot, (4 * fine - coarse) / 3, rtol=1e-8)
    _, ys_dot = Direct().jvp(rhs, span, Y0, P, times, options, y_dot, p_dot)
    np.testing.assert_allclose(np.sum(weights * ys_dot), y_bar @ y_dot + p_bar @ p_dot, rtol=1e-12)


def test_forward_mode_of_ndf_is_the_transpose(rhs, rng):
    """Its steps have no fixed size to take differences at: `test_ndf_discrete.py` has complex steps through the frozen formulas."""
    weights, y_dot, p_dot = rng.normal(size=(5, 2)), rng.normal(size=2), rng.normal(size=3)
    solution, kept = Direct().forward(rhs, (0.0, 1.0), Y0, P, TIMES, options_of("NDF"))
    y_bar, p_bar, *_ = Direct().backward(rhs, kept, weights)
    _, ys_dot = Direct().jvp(rhs, (0.0, 1.0), Y0, P, TIMES, options_of("NDF"), y_dot, p_dot)
    assert len(set(solution.pieces[0].steps.orders)) > 2
    np.testing.assert_allclose(np.sum(weights * ys_dot), y_bar @ y_dot + p_bar @ p_dot, rtol=1e-12)


@pytest.mark.parametrize("method", [*STEPS_OF_FIXED_SIZE, "NDF"])
def test_every_step_saved_and_times(method):
    """y' = -a y from a closed-over a, every step saved, a loss of the last state: derivatives with respect to all, times included."""

    def last(y0, a, span):
        return sciad.solve_ivp(lambda t, y: -a * y, span, [y0], method, rtol=1e-10, atol=1e-12, adjoint="direct").y[0, -1]

    got = sciad.grad(lambda x: last(x[0], x[1], (x[2], x[3])))(np.array([2.0, 0.8, 0.5, 2.0]))
    e = float(mpmath.exp(-mpmath.mpf("0.8") * mpmath.mpf("1.5")))
    np.testing.assert_allclose(got, [e, -1.5 * 2 * e, 0.8 * 2 * e, -0.8 * 2 * e], rtol=1e-7)


def test_times_of_saved_states():
    def loss(x):
        return sciad.solve_ivp(lambda t, y: -0.8 * y, (x[0], 2.0), [2.0], "Vern7", x[1:], rtol=1e-10, atol=1e-12, adjoint="direct").y.sum()

    x = np.array([0.1, 0.7, 1.5])
    e = 2.0 * np.exp(-0.8 * (x[1:] - x[0]))
    for derivative in (sciad.grad(loss)(x), sciad.jacfwd(loss)(x)):
        np.testing.assert_allclose(derivative, [0.8 * e.sum(), *(-0.8 * e)], rtol=1e-6)


#: Gradient of sum(y1 + 1e4 y2 + y3) over t = 0 and 50 log-spaced times 1e-4 ... 1e5 with respect to k, by two independent methods.
ROBER_GRADIENT = np.array([103.76680133704929, -1.219057487520601e-07, -5.678794885254603e-05])


def rober(dy, t, y, k):
    dy[0] = -k[0] * y[0] + k[2] * y[1] * y[2]
    dy[1] = k[0] * y[0] - k[1] * y[1] * y[1] - k[2] * y[1] * y[2]
    dy[2] = k[1] * y[1] * y[1]


@pytest.mark.parametrize("method", ["Rodas5P", "KenCarp4", "NDF", "auto"])
def test_robertson_against_a_reference_gradient(method):
    times, k = np.concatenate([[0.0], np.logspace(-4.0, 5.0, 50)]), np.array([0.04, 3e7, 1e4])
    weights, found = np.array([1.0, 1e4, 1.0]), {}
    for adjoint in ("direct", "discrete"):

        def loss(k, adjoint=adjoint):
            sol = sciad.solve_ivp(rober, (0.0, 1e5), [1.0, 0.0, 0.0], method, times, args=(k,), rtol=1e-9, atol=1e-13, adjoint=adjoint)
            return np.sum(weights @ sol.y)

        found[adjoint] = sciad.grad(loss)(k)
    np.testing.assert_allclose(found["direct"], ROBER_GRADIENT, rtol=1e-5)
    np.testing.assert_allclose(found["direct"], found["discrete"], rtol=1e-9)


def test_switching_solves_agree_with_the_discrete_adjoint(rhs, rng):
    p, y0 = np.array([1.0, 1e4, 0.5]), np.array([0.3, 0.2])
    options = {"method": Auto(METHODS["Tsit5"], METHODS["Rodas5P"]), "rtol": 1e-6, "atol": 1e-8}
    weights, found = rng.normal(size=(9, 2)), []
    for adjoint in (Direct(), Discrete()):
        solution, kept = adjoint.forward(rhs, (0.0, 8.0), y0, p, np.linspace(0.0, 8.0, 9), options)
        found.append(np.concatenate(adjoint.backward(rhs, kept, weights, times=False)[:2]))
    assert len(solution.switches) >= 3
    np.testing.assert_allclose(found[0], found[1], rtol=1e-10)


@pytest.mark.parametrize("method", ["Rodas5P", "RadauIIA5"])
def test_differential_algebraic_equations(method):
    """y' = -a y z, 0 = z - b y^2, z inconsistent at first: y = (y0^-2 + 2 a b t)^(-1/2), z = b y^2, derivatives in both modes."""

    def system(t, y, a, b):
        return np.array([-a * y[0] * y[1], y[1] - b * y[0] ** 2])

    def loss(x):
        sol = sciad.solve_ivp(
            system, (0.0, 1.5), [x[0], 0.4], method, np.array([0.0, 0.6, 1.5]), args=(x[1], x[2]), rtol=1e-10, atol=1e-12,
            mass_matrix=np.diag([1.0, 0.0]), adjoint="direct",
        )  # fmt: skip
        return np.sum(sol.y[0]) + 2.0 * np.sum(sol.y[1])

    def exact(y0, a, b):
        ys = [(y0**-2 + 2 * a * b * t) ** mpmath.mpf("-0.5") for t in (0, mpmath.mpf("0.6"), mpmath.mpf("1.5"))]
        return sum(ys) + 2 * b * sum(y * y for y in ys)

    x = np.array([1.1, 0.7, 1.4])
    want = [float(mpmath.diff(exact, tuple(x), tuple(int(k == i) for k in range(3)))) for i in range(3)]
    np.testing.assert_allclose(sciad.grad(loss)(x), want, rtol=1e-8)
    np.testing.assert_allclose(sciad.jacfwd(loss)(x), want, rtol=1e-8)


def test_trees_of_arguments_and_closures():
    """Gradients reach every float of args and what the right-hand side closes over; an unused one gets exact zeros."""
    weights = np.array([[0.3, -0.2], [0.5, 0.1]])

    def through(adjoint):
        def loss(weights, tree):
            def rhs(t, y, tree):
                return weights @ y + tree["scale"] * np.tanh(y) * tree["shift"][0][0]

            return sciad.solve_ivp(rhs, (0.0, 1.0), np.ones(2), "Tsit5", [0.4, 1.0], args=(tree,), adjoint=adjoint).y.sum()

        return sciad.grad(loss, argnums=(0, 1))(weights, {"scale": 0.7, "shift": (np.array([0.2, 9.0]), 1)})

    one, other = through("direct"), through("discrete")
    np.testing.assert_allclose(one[0], other[0], rtol=1e-10)
    np.testing.assert_allclose(one[1]["scale"], other[1]["scale"], rtol=1e-10)
    np.testing.assert_allclose(one[1]["shift"][0], other[1]["shift"][0], rtol=1e-10)
    assert one[1]["shift"][0][1] == 0.0


def test_a_row_of_compare_gradients():
    def loss(p, adjoint):
        times, options = [0.5, 1.0], {"args": (p,), "adjoint": adjoint}
        return sciad.solve_ivp(lambda t, y, p: -p[0] * y + p[1], (0.0, 1.0), [2.0], "Dopri5", times, **options).y.sum()

    rows = sciad.compare_gradients(loss, np.array([1.5, 0.3]), ("discrete", "direct")).to_dict()
    assert rows["direct"]["failure"] == ""
    assert rows["direct"]["error"] < 1e-12


def test_what_it_cannot_take_is_refused(rhs):
    """Right-hand sides in Python, and steps that do not end where the solve's did."""

    def interpreted(t, y, p):
        return -p * y * float(f"{1.0}")

    def loss(p, **options):
        return sciad.solve_ivp(interpreted, (0.0, 1.0), [1.0], args=(p,), adjoint="direct", **options).y[0, -1]

    with pytest.warns(PerformanceWarning), pytest.raises(SolveError, match="not compiled.*discrete"):
        sciad.grad(loss)(2.0)

    for method in ("Rodas5P", "NDF"):
        _, kept = Direct().forward(rhs, (0.0, 1.0), Y0, P, TIMES, {"method": method})
        kept.problem.pieces[0].steps.states[1, 0] += 0.01  # as if the solve had used another Jacobian
        with pytest.raises(SolveError, match="recorded state.*Jacobian"):
            Direct().backward(rhs, kept, np.ones((5, 2)))
