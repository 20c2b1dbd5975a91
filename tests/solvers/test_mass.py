"""Mass matrices: ODEs in disguise, index-1 DAEs against the ODE they come from, gradients, and what is refused."""

import numpy as np
import pytest

from sciad.adjoints import find_adjoint
from sciad.adjoints.discrete import Discrete
from sciad.adjoints.stiff import has_transpose
from sciad.errors import ShapeError, SolveError
from sciad.field import Field
from sciad.solvers.integrate import integrate
from sciad.solvers.linear import Sparse
from sciad.solvers.methods import METHODS
from sciad.solvers.rhs import Rhs
from tests.solvers.stiff_problems import PROBLEMS

TAKE_MASS = [name for name, method in METHODS.items() if method.implicit and method.mass]
TRANSPOSED = [name for name in TAKE_MASS if has_transpose(METHODS[name], mass=True)]
ORDERS = {
    "Rosenbrock23": 2, "Rodas4": 4, "Rodas5P": 5, "RadauIIA5": 5, "TRBDF2": 2, "Kvaerno3": 3, "KenCarp4": 4, "Kvaerno5": 5,
}  # fmt: skip
LOOSE = {"Rosenbrock23", "TRBDF2", "NDF", "Kvaerno3"}
K = np.array([0.04, 3e7, 1e4])


def rober_dae(dy, t, y, k):
    dy[0] = -k[0] * y[0] + k[2] * y[1] * y[2]
    dy[1] = k[0] * y[0] - k[1] * y[1] * y[1] - k[2] * y[1] * y[2]
    dy[2] = y[0] + y[1] + y[2] - 1.0


def oscillator(dy, t, y, p):
    """M (cos t, sin t)' for M = [[2, 1], [1, 3]], with a pull back to the solution."""
    c, s = np.cos(t), np.sin(t)
    dy[0] = 2.0 * -s + c - p[0] * (y[0] - c)
    dy[1] = -s + 3.0 * c - p[0] * (y[1] - s) * (1.0 + y[0] * y[0])


M = np.array([[2.0, 1.0], [1.0, 3.0]])
SINGULAR = np.diag([1.0, 1.0, 0.0])


@pytest.fixture(scope="module")
def dae():
    return Rhs.of(Field(rober_dae, (3,), (K,), inplace=True))


@pytest.fixture(scope="module")
def moving():
    return Rhs.of(Field(oscillator, (2,), (np.ones(1),), inplace=True))


@pytest.mark.parametrize("method", ORDERS)
def test_order_with_a_regular_mass_matrix(moving, method):
    order = ORDERS[method]
    exact, p = np.array([np.cos(2.0), np.sin(2.0)]), np.array([1.5])

    def error(steps):
        options = {"fixed_step": 2.0 / steps, "mass": M}
        return np.max(np.abs(integrate(moving, (0.0, 2.0), np.array([1.0, 0.0]), p, method, np.array([2.0]), **options).ys[-1] - exact))

    steps = (40, 80) if order < 5 else (12, 24)
    assert np.log2(error(steps[0]) / error(steps[1])) == pytest.approx(order, abs=0.4)


@pytest.mark.parametrize("method", [*TAKE_MASS, "auto"])
def test_robertson_as_a_dae(dae, method):
    """The conservation law in place of the third equation."""
    rhs, y0, p = PROBLEMS["ROBER"].compiled()
    times, tol = np.logspace(-3, 7, 11), 1e-6
    want = integrate(rhs, (0.0, 1e7), y0, p, "RadauIIA5", times, rtol=1e-10, atol=1e-14).ys
    solution = integrate(dae, (0.0, 1e7), y0, K, method, times, rtol=tol, atol=1e-4 * tol, mass=SINGULAR)
    assert solution.success
    assert np.max(np.abs(solution.ys - want) / (1e-10 + np.abs(want))) < (1e-2 if method in LOOSE else 1e-4)
    assert np.max(np.abs(solution.ys.sum(axis=1) - 1)) < (1e-5 if method == "Kvaerno5" else 1e-6)  # its cubic interpolant


@pytest.mark.parametrize("method", TRANSPOSED)
def test_discrete_gradient_with_a_mass_matrix(moving, dae, method, rng):
    for rhs, mass, y0, p, span in ((moving, M, [1.0, 0.2], [1.5], 1.0), (dae, SINGULAR, [0.9, 1e-5, 0.2], K, 0.01)):
        y0, p, times = np.array(y0), np.array(p), np.array([0.4, 1.0]) * span
        options = {"method": method, "fixed_step": span / 4, "mass": mass}
        weights = rng.normal(size=(2, len(y0)))
        _, kept = Discrete().forward(rhs, (0.0, span), y0, p, times, options)
        y0_bar, p_bar, *_ = Discrete().backward(rhs, kept, weights, times=False)

        def loss(s, d_y0, d_p, rhs=rhs, span=span, y0=y0, p=p, times=times, mass=mass, weights=weights):
            given = y0 + s * d_y0, p + s * d_p, method, times
            return np.sum(weights * integrate(rhs, (0.0, span), *given, fixed_step=span / 4, mass=mass).ys)

        for _ in range(3):
            d_y0, d_p = 0.1 * rng.normal(size=y0.shape) * np.abs(y0), rng.normal(size=p.shape) * p
            slopes = [(loss(e, d_y0, d_p) - loss(-e, d_y0, d_p)) / (2 * e) for e in (2e-4, 1e-4)]
            found = (4 * slopes[1] - slopes[0]) / 3
            assert y0_bar @ d_y0 + p_bar @ d_p == pytest.approx(found, rel=2e-7, abs=1e-8)


def test_what_is_refused(moving):
    y0, p = np.array([1.0, 0.0]), np.array([1.5])
    with pytest.raises(ValueError, match="explicit"):
        integrate(moving, (0.0, 1.0), y0, p, "Tsit5", mass=M)
    with pytest.raises(SolveError, match="KenCarp4 with a mass matrix.*gauss"):
        Discrete().forward(moving, (0.0, 1.0), y0, p, None, {"method": "KenCarp4", "mass": M})
    with pytest.raises(SolveError, match="direct adjoint does not know KenCarp4 with a mass matrix"):
        find_adjoint("direct").forward(moving, (0.0, 1.0), y0, p, None, {"method": "KenCarp4", "mass": M})
    with pytest.raises(ValueError, match="dense"):
        integrate(moving, (0.0, 1.0), y0, p, "Rodas5P", mass=M, linear=Sparse(np.ones((2, 2))))
    with pytest.raises(ShapeError, match="mass matrix"):
        integrate(moving, (0.0, 1.0), y0, p, "Rodas5P", mass=np.eye(3))


def test_inconsistent_initial_states_are_made_consistent(dae):
    """What M sees of y0 stays; the gradient knows of the change (checked above, from y0 with a sum of 1.1)."""
    solution = integrate(dae, (0.0, 1.0), np.array([0.9, 1e-5, 7.0]), K, "Rodas5P", rtol=1e-8, atol=1e-12, mass=SINGULAR)
    np.testing.assert_allclose(solution.ys[0], [0.9, 1e-5, 0.1 - 1e-5], rtol=1e-13)
    kept = integrate(dae, (0.0, 1.0), np.array([1.0, 0.0, 0.0]), K, "Rodas5P", rtol=1e-8, atol=1e-12, mass=SINGULAR)
    assert np.array_equal(kept.ys[0], [1.0, 0.0, 0.0])


def test_a_mass_matrix_that_mixes_the_equations(dae):
    """The same DAE multiplied by a regular matrix from the left, and in rotated variables, has the same solution."""
    mixing, _ = np.linalg.qr(np.array([[1.0, 2.0, 0.5], [0.3, -1.0, 2.0], [2.0, 0.1, 1.0]]))

    def mixed(dy, t, y, p):
        x = p[3:].reshape(3, 3).T @ y
        f = np.empty(3)
        f[0] = -p[0] * x[0] + p[2] * x[1] * x[2]
        f[1] = p[0] * x[0] - p[1] * x[1] * x[1] - p[2] * x[1] * x[2]
        f[2] = x[0] + x[1] + x[2] - 1.0
        dy[:] = p[3:].reshape(3, 3) @ f

    p = np.concatenate([K, mixing.ravel()])
    rhs, mass = Rhs.of(Field(mixed, (3,), (p,), inplace=True)), mixing @ SINGULAR @ mixing.T
    start, times = np.array([0.9, 1e-5, 7.0]), np.array([0.1, 10.0])
    options = {"rtol": 1e-8, "atol": 1e-12}
    want = integrate(dae, (0.0, 10.0), start, K, "Rodas5P", times, mass=SINGULAR, **options).ys
    found = integrate(rhs, (0.0, 10.0), mixing @ start, p, "Rodas5P", times, mass=mass, **options).ys @ mixing
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-9)


def test_daes_of_higher_index_and_without_solution_are_refused(dae):
    """y_1' = y_2, 0 = y_1 - sin t has index 2; y^2 + 1 = 0 has no solution."""

    def index_two(dy, t, y):
        dy[0] = y[1]
        dy[1] = y[0] - np.sin(t)

    def unsolvable(dy, t, y):
        dy[0] = y[1]
        dy[1] = y[1] * y[1] + 1.0 + 0.0 * y[0]

    for fun, text in ((index_two, "index"), (unsolvable, "consistent|index")):
        rhs = Rhs.of(Field(fun, (2,), (), inplace=True))
        with pytest.raises(SolveError, match=text):
            integrate(rhs, (0.0, 1.0), np.array([0.0, 1.3]), np.empty(0), "Rodas5P", mass=np.diag([1.0, 0.0]))


def test_the_adjoint_that_knows_no_mass_matrix_refuses(dae):
    options = {"method": "Rodas5P", "mass": SINGULAR}
    with pytest.raises(SolveError, match="mass matri"):
        find_adjoint("backsolve").forward(dae, (0.0, 1.0), np.array([1.0, 0.0, 0.0]), K, np.array([1.0]), options)
