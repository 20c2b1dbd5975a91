"""Gradients that other libraries publish for their own examples, against independent references to more digits.

The references come from closed forms or variational equations at 1e-12 and below; what the libraries print agrees to the digits that their
tolerances allow, and is checked to those.
"""

import numpy as np
import pytest
from scipy.linalg import expm

import sciad

TIGHT = {"rtol": 1e-10, "atol": 1e-12}
ADJOINTS = ("discrete", "gauss", "quadrature", "interpolating", "backsolve", "forward")
STIFF_ADJOINTS = tuple(a for a in ADJOINTS if a != "backsolve")


def lotka_volterra(t, y, p):
    return np.array([p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1]])


@pytest.mark.parametrize("adjoint", ADJOINTS)
def test_cvodes_lotka_volterra(adjoint):
    """cvsLotkaVolterra_ASA: half of |1 - u(10)|^2."""

    def loss(u0, p):
        u = sciad.solve_ivp(lotka_volterra, (0.0, 10.0), u0, "Vern7", [10.0], args=(p,), adjoint=adjoint, **TIGHT).y[:, 0]
        return 0.5 * np.sum((1.0 - u) ** 2)

    by_u, by_p = sciad.grad(loss, (0, 1))(np.ones(2), np.array([1.5, 1.0, 3.0, 1.0]))
    np.testing.assert_allclose(by_u, [0.299599508304, -0.014151816345], rtol=1e-6)
    np.testing.assert_allclose(by_p, [0.621961585551, 0.068001404151, 0.169176463996, 0.272560693950], rtol=1e-6)
    np.testing.assert_allclose(by_p, [0.6219617363, 0.0680014203, 0.1691765075, 0.2725607530], rtol=2e-6)  # as CVODES prints it


def robertson_with_cost(dy, t, y, p):
    """Of CVODES, whose parameters are in another order than elsewhere, with the cost, the integral of y3, as fourth state."""
    slow, back, fast = p[0] * y[0], p[1] * y[1] * y[2], p[2] * y[1] ** 2
    dy[0] = back - slow
    dy[1] = slow - back - fast
    dy[2] = fast
    dy[3] = y[2]


#: Interpolating in the formulas of NDF gives up with an error at T = 4e7: its first order finds no step size there.
@pytest.mark.parametrize(
    ("method", "adjoint"), [*[("Rodas5P", a) for a in STIFF_ADJOINTS], *[("NDF", a) for a in STIFF_ADJOINTS if a != "interpolating"]]
)
def test_cvodes_robertson(method, adjoint):
    """cvsRoberts_ASAi_dns: cost up to T = 50 and 4e7, by rates and initial values."""
    p, y0 = np.array([0.04, 1e4, 3e7]), np.array([1.0, 0.0, 0.0, 0.0])
    options = {"rtol": 1e-9, "atol": np.array([1e-13, 1e-17, 1e-13, 1e-10]), "adjoint": adjoint}

    def cost(y0, p, end):
        return sciad.solve_ivp(robertson_with_cost, (0.0, end), y0, method, [end], args=(p,), **options).y[3, 0]

    by_y, by_p = sciad.grad(cost, (0, 1))(y0, p, 50.0)
    np.testing.assert_allclose(by_p, [173.4140891, -5.059191406e-4, 8.432346465e-8], rtol=1e-6)
    np.testing.assert_allclose(by_y[:3], [8.419161, 16.097023, 16.097151], rtol=1e-6)
    np.testing.assert_allclose(by_p, [173.41, -5.0590e-4, 8.4321e-8], rtol=5e-5)  # as CVODES prints it
    by_p = sciad.grad(cost, 1)(y0, p, 4e7)
    np.testing.assert_allclose(by_p, [768377.3266, -3.068920920, 5.114889979e-4], rtol=1e-5)
    np.testing.assert_allclose(by_p, [7.6842e5, -3.0691, 5.1144e-4], rtol=2e-4)


def nonlinear_with_cost(t, y, p):
    square = y[0] ** 2 + y[1] ** 2 + y[2] ** 2
    return np.array([-p[0] * y[0] ** 2 - y[2], -y[1], -(p[1] ** 2) * y[1] * y[2], 0.5 * square])


@pytest.mark.parametrize("adjoint", ["discrete", "forward"])
def test_cvodes_hessian(adjoint):
    """cvsHessian_ASA_FSA: value, gradient and Hessian of the integral of |y|^2 / 2 up to 2."""

    def cost(p):  # BS3: the second derivative of few stages compiles fast
        y0 = np.array([1.0, 1.0, 1.0, 0.0])
        return sciad.solve_ivp(nonlinear_with_cost, (0.0, 2.0), y0, "BS3", [2.0], args=(p,), adjoint=adjoint, **TIGHT).y[3, 0]

    value, gradient = sciad.value_and_grad(cost)(np.array([1.0, 2.0]))
    assert value == pytest.approx(0.530878591, rel=1e-8)
    np.testing.assert_allclose(gradient, [-0.128378655, 0.018036760], rtol=1e-7)
    hessian = sciad.hessian(cost)(np.array([1.0, 2.0]))
    np.testing.assert_allclose(hessian, [[0.1562804, -0.0786778], [-0.0786778, 0.0898144]], rtol=1e-6)


def van_der_pol(t, u, mu):
    return np.array([u[1], mu * (1.0 - u[0] ** 2) * u[1] - u[0]])


@pytest.mark.parametrize("adjoint", ADJOINTS)
def test_petsc_van_der_pol(adjoint):
    """ex16adj, mu = 1, up to 0.5: derivatives of the last state by the first one and by mu."""

    def last(u0, mu):
        return sciad.solve_ivp(van_der_pol, (0.0, 0.5), u0, "Vern7", [0.5], args=(mu,), adjoint=adjoint, **TIGHT).y[:, 0]

    by_u, by_mu = sciad.jacobian(last, (0, 1), "reverse")(np.array([2.0, 0.66666654321]), 1.0)
    np.testing.assert_allclose(by_u, [[0.880687350553, 0.241022877780], [-0.137223580561, 0.193518741834]], rtol=1e-8)
    np.testing.assert_allclose(by_mu, [-0.032098283902, 0.087710458461], rtol=1e-8)
    np.testing.assert_allclose(by_u, [[0.880902, 0.241101], [-0.138016, 0.193436]], rtol=6e-3)  # nine steps of PETSc


def spiral(t, y, A):
    return y**3 @ A


@pytest.mark.parametrize("adjoint", ADJOINTS)
def test_torchdiffeq_spiral(adjoint):
    """TestCompareAdjointGradient: ten times up to 25, all cotangents one; and the last state alone.  What is unused gets exact zeros."""
    A, times = np.array([[-0.1, 2.0], [-2.0, -0.1]]), np.linspace(0.0, 25.0, 10)

    def states(y0, A, unused):
        given = {"args": (A,), "adjoint": adjoint, "rtol": 1e-10, "atol": 1e-11}
        return sciad.solve_ivp(spiral, (0.0, 25.0), y0, "Vern7", times, **given).ys

    by_y, by_A, by_unused = sciad.grad(lambda *x: np.sum(states(*x)), (0, 1, 2))(np.array([2.0, 0.0]), A, np.ones(3))
    np.testing.assert_allclose(by_y, [-5.966565477188, 0.661299586718], rtol=1e-7)
    np.testing.assert_allclose(by_A.ravel(), [-66.007352500899, -5.647594045736, 4.022977345633, -65.365814678837], rtol=1e-7)
    np.testing.assert_array_equal(by_unused, 0.0)
    by_y, by_A = sciad.grad(lambda y0, A: np.sum(states(y0, A, None)[-1]), (0, 1))(np.array([2.0, 0.0]), A)
    np.testing.assert_allclose(by_y, [-5.374708494431, -0.281966967401], rtol=1e-7)
    np.testing.assert_allclose(by_A.ravel(), [-56.839917067762, -4.794870717317, 3.547723694094, -57.085800441559], rtol=1e-7)


def growing(t, q, p):
    return q * t**2 / p


@pytest.mark.parametrize("adjoint", ADJOINTS)
def test_casadi_integrator(adjoint):
    """q' = q t^2 / p from 0.7 to 2.3: by q0, p and both ends."""

    def last(x):
        options = {"args": (x[1],), "adjoint": adjoint, **TIGHT}
        return sciad.solve_ivp(growing, (x[2], x[3]), x[:1], "Vern7", x[3:], **options).y[0, 0]

    value, gradient = sciad.value_and_grad(last)(np.array([7.1, 2.0, 0.7, 2.3]))
    assert value == pytest.approx(50.945755585554, rel=1e-9)
    np.testing.assert_allclose(gradient, [7.175458533177, -50.198551170300, -12.481710118461, 134.751523521379], rtol=1e-8)


def sine(t, y):
    return 2.0 * y / t + t**4 * np.sin(2.0 * t) - t**2 + 4.0 * t**3


def linear(t, y, A):
    return A @ y


@pytest.mark.parametrize("adjoint", ADJOINTS)
def test_torchdiffeq_problems(adjoint, rng):
    """sine: dy(8)/dy(1) = 64, as y = t^2 (...) for every constant of integration; linear: by the transposed exponential."""

    def last(y0):
        return sciad.solve_ivp(sine, (1.0, 8.0), [y0], "Vern7", [8.0], adjoint=adjoint, **TIGHT).y[0, 0]

    value, derivative = sciad.value_and_grad(last)(4.450278076139)
    assert value == pytest.approx(9737.322744780608, rel=1e-8)
    assert derivative == pytest.approx(64.0, rel=1e-8)
    half = np.triu(rng.normal(size=(4, 4)), 1)
    A, y0, w = half - half.T, rng.normal(size=4), rng.normal(size=4)
    options = {"args": (A,), "adjoint": adjoint, **TIGHT}
    gradient = sciad.grad(lambda y0: sciad.solve_ivp(linear, (1.0, 8.0), y0, "Vern7", [8.0], **options).y[:, 0] @ w)(y0)
    np.testing.assert_allclose(gradient, expm(7.0 * A).T @ w, rtol=1e-7, atol=1e-8)
