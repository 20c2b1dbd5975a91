"""Second derivatives through solves: against closed forms and against differences of gradients, and what they refuse."""

import mpmath
import numpy as np
import pytest

import sciad
from sciad.errors import SciadError, SolveError

TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def exact_hessian(function, x):
    """By mpmath's differences in 40 digits."""
    n = len(x)
    with mpmath.workdps(40):
        point = tuple(map(mpmath.mpf, x))
        orders = [[tuple(int(k == i) + int(k == j) for k in range(n)) for j in range(n)] for i in range(n)]
        return np.array([[float(mpmath.diff(function, point, order)) for order in row] for row in orders])


def logistic(t, y, p):
    return p[0] * y * (1.0 - y / p[1])


def logistic_at(t, y0, r, c):
    return c / (1 + (c / y0 - 1) * mpmath.exp(-r * t))


X, TIMES = np.array([0.3, 1.7, 1.2]), np.array([0.0, 0.7, 1.5])


def loss_of(method, adjoint, **options):
    """A nonlinear loss of three saved states of the logistic equation as a function of y0, r and c."""

    def loss(x):
        sol = sciad.solve_ivp(logistic, (0.0, 2.0), x[:1], method, TIMES, args=(x[1:],), adjoint=adjoint, **(TIGHT | options))
        return np.sum(sol.y**3) + x[1] * sol.y[0, 1]

    return loss


@pytest.fixture(scope="module")
def logistic_hessian():
    def exact(*x):
        ys = [logistic_at(mpmath.mpf(t), *x) for t in TIMES]
        return sum(y**3 for y in ys) + x[1] * ys[1]

    return exact_hessian(exact, X)


METHODS = ("Dopri5", "Rodas5P", "KenCarp4", "RadauIIA5", "NDF")
PAIRS = [(method, adjoint) for method in METHODS for adjoint in ("discrete", "forward", "auto")]


@pytest.mark.parametrize(("method", "adjoint"), [*PAIRS, ("Dopri5", "direct"), ("NDF", "direct")])
def test_hessian_of_the_logistic_equation(method, adjoint, logistic_hessian):
    """By forward over reverse, and products with a vector."""
    loss, v = loss_of(method, adjoint), np.array([0.3, -0.8, 0.5])
    close = {"rtol": 3e-7 if method in ("KenCarp4", "NDF") else 3e-8, "atol": 1e-8}
    np.testing.assert_allclose(sciad.hessian(loss)(X), logistic_hessian, **close)
    np.testing.assert_allclose(sciad.hvp(loss, (X,), (v,)), logistic_hessian @ v, **close)


@pytest.mark.parametrize("adjoint", ["discrete", "forward"])
@pytest.mark.parametrize(("outer", "inner"), [(o, i) for o in ("fwd", "rev") for i in ("fwd", "rev")])
def test_every_nesting_of_the_modes(outer, inner, adjoint, logistic_hessian):
    loss = loss_of("Dopri5", adjoint)
    modes = {"fwd": sciad.jacfwd, "rev": sciad.jacrev}
    np.testing.assert_allclose(modes[outer](modes[inner](loss))(X), logistic_hessian, rtol=1e-7, atol=1e-8)


def coupled(t, y, k, q):
    """Linear and stiff for large k where q = 0."""
    return np.array([-k * (y[0] - np.cos(t)) - q * t * y[0] ** 2, y[0] + q * (np.sin(y[0] * k) - y[0] * y[1])])


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P", "TRBDF2"])
def test_exact_for_the_steps_taken(method, rng):
    """Loose tolerances, steps of fixed size: the second derivative is that of what was computed, not of the solution."""
    options = {"max_step": 0.25, "first_step": 0.25, "rtol": 1e3, "atol": 1e3}
    if method == "TRBDF2":  # whose iterations end at the tolerance of the solve, which differences amplify
        options = {"rtol": 1e-11, "atol": 1e-13}

    def loss(x):
        sol = sciad.solve_ivp(coupled, (0.0, 1.0), x[:2], method, [0.4, 1.0], args=(x[2], x[3]), adjoint="direct", **options)
        return np.sum(sol.y**2)

    x, v, gradient = np.array([0.8, -0.4, 1.3, 0.6]), rng.normal(size=4), sciad.grad(loss)
    coarse, fine = ((gradient(x + s * v) - gradient(x - s * v)) / (2 * s) for s in (2e-3, 1e-3))
    np.testing.assert_allclose(sciad.hvp(loss, (x,), (v,)), (4 * fine - coarse) / 3, rtol=1e-7, atol=1e-8)


def test_linear_system_with_matrix_parameters(rng):
    """d2/dA2 of w . exp(A) y0 along two directions, from the exponential of a block matrix."""
    from scipy.linalg import expm

    A, E, F = (rng.normal(size=(2, 2)) for _ in range(3))
    y0, w, zero = rng.normal(size=2), rng.normal(size=2), np.zeros((2, 2))

    def loss(A):
        return sciad.solve_ivp(lambda t, y, A: A @ y, (0.0, 1.0), y0, "Dopri5", [1.0], args=(A,), adjoint="discrete", **TIGHT).y[:, 0] @ w

    def block(E, F):
        return expm(np.block([[A, E, zero], [zero, A, F], [zero, zero, A]]))[:2, 4:]

    want = w @ (block(E, F) + block(F, E)) @ y0
    np.testing.assert_allclose(np.sum(E * sciad.hvp(loss, (A,), (F,))), want, rtol=1e-8)


def test_stiff_solves_that_switch_methods():
    """Method "auto" on y1' = -k (y1 - cos t) with y2' = y1: second derivatives with respect to k and the initial state, in closed form."""

    def loss(x):
        sol = sciad.solve_ivp(coupled, (0.0, 3.0), [x[0], 0.1], "auto", [2e-5, 3.0], args=(x[1], 0.0), rtol=1e-9, atol=1e-11)
        assert sol.switches[-1][1] == "Rodas5P"
        return sol.y[0, 0] ** 2 + sol.y[1, 1]

    def exact(y0, k):
        def first(t):
            inhomogeneous = k * (k * mpmath.cos(t) + mpmath.sin(t)) / (k * k + 1)
            return inhomogeneous + (y0 - k * k / (k * k + 1)) * mpmath.exp(-k * t)

        t = mpmath.mpf(3)
        rest = k * (k * mpmath.sin(t) + 1 - mpmath.cos(t)) / (k * k + 1) + (y0 - k * k / (k * k + 1)) * (1 - mpmath.exp(-k * t)) / k
        return first(mpmath.mpf("2e-5")) ** 2 + mpmath.mpf("0.1") + rest

    x = np.array([0.4, 1e5])
    scale = np.outer([1.0, 1e-5], [1.0, 1e-5])
    np.testing.assert_allclose(sciad.hessian(loss)(x) / scale, exact_hessian(exact, x) / scale, rtol=1e-5, atol=1e-6)


def test_every_step_saved():
    """Without t_eval, too: the last state."""
    want = exact_hessian(lambda *x: logistic_at(mpmath.mpf("1.3"), *x) ** 2, X)
    for adjoint in ("discrete", "forward"):

        def loss(x, adjoint=adjoint):
            return sciad.solve_ivp(logistic, (0.0, 1.3), x[:1], "Dopri5", args=(x[1:],), adjoint=adjoint, **TIGHT).y[0, -1] ** 2

        np.testing.assert_allclose(sciad.hessian(loss)(X), want, rtol=1e-8, atol=1e-8, err_msg=adjoint)


def test_at_an_equilibrium_with_forward_sensitivities():
    """The logistic equation at y = c: the plain solve could take any steps; those of the tangents are the ones that count."""

    def loss(x):
        sol = sciad.solve_ivp(logistic, (0.0, 4.0), x[:1], "Dopri5", [4.0], args=(x[1:],), rtol=1e-8, atol=1e-10, adjoint="forward")
        return sol.y[0, 0]

    x = np.array([0.7, 2.0, 0.7])
    np.testing.assert_allclose(sciad.hessian(loss)(x), exact_hessian(lambda *x: logistic_at(4, *x), x), atol=1e-7)


def test_closed_over_parameters():
    def loss(a):
        return sciad.solve_ivp(lambda t, y: -(a**2) * y, (0.0, 1.0), [1.0], "Dopri5", [1.0], **TIGHT).y[0, 0]

    want = float(mpmath.diff(lambda a: mpmath.exp(-a * a), 0.9, 2))
    np.testing.assert_allclose(sciad.grad(sciad.grad(loss))(0.9), want, rtol=1e-8)


@pytest.mark.parametrize("adjoint", ["discrete", "forward"])
def test_check_grads_to_second_order(adjoint):
    def fun(y0, p):
        sol = sciad.solve_ivp(logistic, (0.0, 1.0), [y0], "Dopri5", [0.5, 1.0], args=(p,), adjoint=adjoint, rtol=1e-12, atol=1e-13)
        return sol.y[0] * p[1]

    sciad.check_grads(fun, (0.3, np.array([1.7, 1.2])), order=2)


def test_cotangents_alone_may_move():
    """The loss is linear in q: the mixed derivative with respect to q and x is a first derivative of the states, with any adjoint."""
    for adjoint in ("gauss", "discrete"):

        def loss(x, q, adjoint=adjoint):
            return sciad.solve_ivp(logistic, (0.0, 1.0), x[:1], "Dopri5", [1.0], args=(x[1:],), adjoint=adjoint, **TIGHT).y[0, 0] * q

        got = sciad.jacfwd(lambda q, loss=loss: sciad.grad(loss)(X, q))(2.0)
        want = [float(mpmath.diff(lambda *x: logistic_at(1, *x), tuple(X), tuple(int(k == i) for k in range(3)))) for i in range(3)]
        np.testing.assert_allclose(got, want, rtol=1e-7)
        np.testing.assert_allclose(sciad.jacrev(lambda q, loss=loss: sciad.grad(loss)(X, q))(2.0), want, rtol=1e-7)


def test_refusals():
    """Other adjoints, times, algebraic equations, third derivatives."""
    v = np.ones(3)
    with pytest.raises(SolveError, match="Gauss has no second derivatives.*discrete"):
        sciad.hvp(loss_of("Dopri5", "gauss"), (X,), (v,))

    def of_time(x):
        return sciad.solve_ivp(logistic, (0.0, x[0]), [0.3], "Dopri5", args=(x[1:],)).y[0, -1]

    with pytest.raises(SolveError, match="second derivatives with respect to times"):
        sciad.hvp(of_time, (np.array([1.0, 1.7, 1.2]),), (v,))

    def algebraic(x):
        def system(t, y, a):
            return np.array([-a * y[0] * y[1], y[1] - y[0] ** 2])

        return sciad.solve_ivp(system, (0.0, 1.0), [1.0, 1.0], "Rodas5P", args=(x,), mass_matrix=np.diag([1.0, 0.0])).y[0, -1]

    with pytest.raises(SolveError, match="singular mass matrix"):
        sciad.grad(sciad.grad(algebraic))(0.7)
    with pytest.raises(SciadError, match="third derivatives"):
        sciad.jacfwd(sciad.hessian(loss_of("Dopri5", "discrete")))(X)
