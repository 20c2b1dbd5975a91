"""Gradients through mass matrices, from `solve_ivp`: closed forms, Robertson as a DAE, times, forward mode, initial values."""

import numpy as np
import pytest

import sciad
from sciad.adjoints import Discrete, Forward, Gauss, Interpolating, Quadrature
from sciad.errors import SolveError
from sciad.field import Field
from sciad.solvers.rhs import Rhs
from tests.solvers.test_mass_ivp import CAPACITIES, transistor_amplifier

SINGULAR, TIMES = np.diag([1.0, 0.0]), np.array([0.0, 0.4, 1.0])
K = np.array([0.04, 3e7, 1e4])
#: dy(1e5)/dk and dy(1e5)/d(y1, y2)(0) with y3(0) = 1 - y1(0) - y2(0): Radau IIA of order 13 in 128 bits with exact sensitivities.
ROBER_K = [
    [-0.7930471281178416, -5.281803362167287e-10, 3.1690758341095058e-06],
    [-1.4688907582348197e-06, -2.189842410432404e-15, 5.864276819569827e-12],
    [0.7930485970085998, 5.28182526059139e-10, -3.169081698386325e-06],
]
ROBER_Y = [
    [3.968728230227509e-06, -4.059873026075745e-10, 0.0],
    [1.645035079713272e-11, -1.682814533937846e-15, 0.0],
    [-3.968744680578306e-06, 4.0598898542210844e-10, 0.0],
]


def linear(t, y, p):
    return [-p[0] * y[0] + y[1], y[0] + y[1] - p[1] * np.sin(t)]


def closed_form(t, t0, start, p):
    """y1' = -c y1 + q sin t with c = 1 + p0, q = p1; y2 = q sin t - y1."""
    c, q = 1.0 + p[0], p[1]
    part = [q * (c * np.sin(s) - np.cos(s)) / (1.0 + c * c) for s in (t, t0)]
    y = (start - part[1]) * np.exp(-c * (t - t0)) + part[0]
    return np.stack([y, q * np.sin(t) - y], axis=-1)


def solve(y0, p, t0, times, method="auto", adjoint="auto"):
    options = {"rtol": 1e-10, "atol": 1e-11, "mass_matrix": SINGULAR, "adjoint": adjoint}
    return sciad.solve_ivp(linear, (t0, 1.0), y0, method, times, args=(p,), **options).ys


def differences(function, x):
    """Gradient of a scalar function by the complex step."""
    return np.array([function(x + 1e-30j * e).imag / 1e-30 for e in np.eye(len(x))])


CONTINUOUS = ("gauss", "quadrature", "interpolating")
CASES = [("auto", "auto"), ("Rodas4", "discrete"), ("RadauIIA5", "auto"), ("Rodas5P", "forward")]
CASES += [(method, adjoint) for method in ("Rodas5P", "RadauIIA5") for adjoint in (*CONTINUOUS, Gauss(checkpoints=3))]


@pytest.mark.parametrize(("method", "adjoint"), CASES)
def test_gradient_of_everything(method, adjoint, rng):
    """y0 (inconsistent), parameters, t0 and saved times, t0 among them; the algebraic initial value has the derivative 0."""
    weights = rng.normal(size=(3, 2))
    x = np.array([0.7, 9.0, 1.5, 2.0, 0.1, 0.4, 1.0])  # y0, p, t0, two times

    def loss(x):
        times = sciad.tape.array([x[4], x[5], x[6]]) if sciad.tape.is_traced(x) else x[4:]
        return (weights * solve(x[:2], x[2:4], x[4], times, method, adjoint)).sum()

    def exact(x):
        return np.sum(weights * closed_form(x[4:], x[4], x[0], x[2:4]))

    value, found = sciad.value_and_grad(loss)(x)
    assert value == pytest.approx(exact(x), rel=1e-7)
    np.testing.assert_allclose(found, differences(exact, x), rtol=2e-6, atol=1e-7)
    assert found[1] == 0.0
    x_dot = rng.normal(size=7)
    assert sciad.jvp(loss, (x,), (x_dot,))[1] == pytest.approx(differences(exact, x) @ x_dot, rel=2e-6)


@pytest.mark.parametrize("adjoint", ["discrete", "forward", "gauss", "interpolating"])
def test_every_step_saved(adjoint, rng):
    """The first saved state is the consistent one, and depends on p and t0."""
    weights = rng.normal(size=2)
    x = np.array([0.7, 9.0, 1.5, 2.0, 0.1])

    def loss(x):
        ys = solve(x[:2], x[2:4], x[4], None, "Rodas5P", adjoint)
        return (weights * ys[0]).sum() + ys[-1][0]

    def exact(x):
        return np.sum(weights * closed_form(x[4], x[4], x[0], x[2:4])) + closed_form(1.0, x[4], x[0], x[2:4])[0]

    np.testing.assert_allclose(sciad.grad(loss)(x), differences(exact, x), rtol=2e-6, atol=1e-7)


def rober(dy, t, y, k):
    dy[0] = -k[0] * y[0] + k[2] * y[1] * y[2]
    dy[1] = k[0] * y[0] - k[1] * y[1] * y[1] - k[2] * y[1] * y[2]
    dy[2] = y[0] + y[1] + y[2] - 1.0


ROBERTSON = [(Discrete(), 1e-10), (Forward(), 1e-8), *[(kind(atol=1e-21), 1e-10) for kind in (Gauss, Quadrature, Interpolating)]]


@pytest.mark.parametrize(("adjoint", "rtol"), ROBERTSON, ids=["discrete", "forward", *CONTINUOUS])
def test_robertson(adjoint, rtol):
    rhs = Rhs.of(Field(rober, (3,), (K,), inplace=True))
    options = {"method": "Rodas5P", "rtol": rtol, "atol": 1e-5 * rtol, "mass": np.diag([1.0, 1.0, 0.0])}
    _, kept = adjoint.forward(rhs, (0.0, 1e5), np.array([1.0, 0.0, 0.0]), K, np.array([1e5]), options)
    for row in range(3):
        y0_bar, p_bar, *_ = adjoint.backward(rhs, kept, np.eye(3)[row : row + 1], False)
        np.testing.assert_allclose(p_bar, ROBER_K[row], rtol=1e-6)
        np.testing.assert_allclose(y0_bar, ROBER_Y[row], rtol=1e-5)


def test_transistor_amplifier():
    """M neither diagonal nor well scaled: parameters against differences; only the differences of voltages that M sees have derivatives."""
    y0, p = np.array([0.0, 3, 3, 6, 3, 3, 6, 0]), np.array([6.0, 9000.0])

    def loss(y0, p, adjoint="discrete", method="Rodas5P"):
        options = {"rtol": 1e-9, "atol": 1e-9, "mass_matrix": CAPACITIES, "adjoint": adjoint, "args": (p,)}
        return (sciad.solve_ivp(transistor_amplifier, (0, 0.01), y0, method, [0.005, 0.01], **options).ys ** 2).sum()

    y0_bar, p_bar = sciad.grad(loss, argnums=(0, 1))(y0, p)
    steps = 1e-4 * np.diag(p)
    slopes = [(loss(y0, p + step) - loss(y0, p - step)) / (2 * step.sum()) for step in steps]
    np.testing.assert_allclose(p_bar, slopes, rtol=2e-6)
    np.testing.assert_allclose(sciad.grad(loss, argnums=0)(y0, p, "forward"), y0_bar, rtol=1e-5, atol=1e-6)
    for adjoint, method in [*[(adjoint, "Rodas5P") for adjoint in CONTINUOUS], ("discrete", "RadauIIA5"), ("gauss", "RadauIIA5")]:
        for found, want in zip(sciad.grad(loss, argnums=(0, 1))(y0, p, adjoint, method), (y0_bar, p_bar)):
            np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y0_bar[[0, 3, 6]] + y0_bar[[1, 4, 7]], 0.0, atol=1e-9)


def test_regular_mass_matrix_against_the_explicit_equation(rng):
    m = np.eye(3) + 0.3 * rng.normal(size=(3, 3))
    inverse, x, times = np.linalg.inv(m), rng.normal(size=3), np.array([0.3, 1.0])

    def implicit(t, y, a):
        return a * np.sin(y) - y

    def explicit(t, y, a):
        return inverse @ (a * np.sin(y) - y)

    def loss(fun, **given):
        options = {"t_eval": times, "rtol": 1e-10, "atol": 1e-11, **given}
        return sciad.grad(lambda x: (sciad.solve_ivp(fun, (0, 1), x, args=(2.0 * x,), **options).ys ** 2).sum())(x)

    want = loss(explicit)
    for adjoint in ("auto", *CONTINUOUS):
        np.testing.assert_allclose(loss(implicit, mass_matrix=m, adjoint=adjoint), want, rtol=1e-7)


def test_right_hand_side_in_python(monkeypatch):
    """One that is not compiled has no second derivatives: forward sensitivities, or gauss where there is too much of it."""

    def opaque(t, y, p):
        return sciad.tape.array([*linear(t, y, {"p": p}["p"])])

    def loss(p, fun):
        options = {"t_eval": TIMES, "rtol": 1e-9, "atol": 1e-9, "mass_matrix": SINGULAR}
        return (sciad.solve_ivp(fun, (0, 1), [0.7, 3.0], args=(p,), **options).ys[1:] ** 2).sum()

    p = np.array([1.5, 2.0])
    with pytest.warns(sciad.PerformanceWarning):
        found = sciad.grad(lambda p: loss(p, opaque))(p)
    want = sciad.grad(lambda p: loss(p, linear))(p)
    np.testing.assert_allclose(found, want, rtol=1e-6)
    monkeypatch.setattr("sciad.adjoints.automatic.FEW", 0)
    np.testing.assert_allclose(sciad.grad(lambda p: loss(p, opaque))(p), want, rtol=1e-6)


def test_backsolve_refuses():
    with pytest.raises(SolveError, match="adjoint='discrete' with a method such as Rodas5P, adjoint='gauss'"):
        sciad.grad(lambda p: solve(np.ones(2), p, 0.0, TIMES, "Rodas5P", "backsolve").sum())(np.ones(2))


def index_one(t, y, p):
    """An algebraic variable that is the root of a cubic, in a basis that mixes it with the states, and in every equation."""
    u = ROTATION.T @ y
    return SHEAR @ np.array([-p[0] * u[0] + u[2], p[1] * u[0] * u[2] - u[1], u[2] ** 3 + u[2] - u[0] * np.cos(p[2] * t) - p[3] * u[1]])


ROTATION = np.linalg.qr(np.array([[1.0, 2.0, 0.5], [0.3, -1.0, 2.0], [1.5, 0.2, 1.0]]))[0]
SHEAR = np.array([[1.0, 0.5, -0.3], [0.0, 2.0, 0.7], [0.4, 0.0, 1.0]])
MIXED = SHEAR @ np.diag([1.0, 1.0, 0.0]) @ ROTATION.T


@pytest.mark.parametrize("adjoint", ["discrete", *CONTINUOUS])
@pytest.mark.parametrize("method", ["Rodas5P", "RadauIIA5"])
def test_neither_symmetric_nor_diagonal_and_singular(method, adjoint, rng):
    """Against complex steps of the ODE that is left when SciPy solves the algebraic equation at every evaluation."""
    y0, p, times, weights = np.array([0.8, -0.2, 0.5]), np.array([0.7, 1.3, 2.0, 0.4]), np.array([0.0, 0.6, 1.5]), rng.normal(size=(3, 3))

    def loss(y0, p):
        options = {"rtol": 1e-10, "atol": 1e-11, "mass_matrix": MIXED, "adjoint": adjoint, "args": (p,)}
        return (weights * sciad.solve_ivp(index_one, (0, 1.5), y0, method, times, **options).ys).sum()

    def reduced(y0, p):
        """RK4 on u1, u2 with u3 by Newton's method; complex numbers allowed."""

        def third(t, u):
            right, z = u[0] * np.cos(p[2] * t) + p[3] * u[1], 0.5 + 0.0j
            for _ in range(12):
                z -= (z**3 + z - right) / (3 * z**2 + 1)
            return np.array([u[0], u[1], z])

        def slope(t, u):
            w = third(t, u)
            return np.array([-p[0] * w[0] + w[2], p[1] * w[0] * w[2] - w[1]])

        u, t, h, total = (ROTATION.T @ y0)[:2].astype(complex), 0.0, 1.5 / 300, weights[0] @ ROTATION @ third(0.0, (ROTATION.T @ y0)[:2])
        for k in range(300):
            k1, k2 = slope(t, u), 0.0
            k2 = slope(t + h / 2, u + h / 2 * k1)
            k3 = slope(t + h / 2, u + h / 2 * k2)
            u, t = u + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(t + h, u + h * k3)), t + h
            if k + 1 in (120, 300):
                total = total + weights[1 if k + 1 == 120 else 2] @ ROTATION @ third(t, u)
        return total

    found = sciad.grad(loss, argnums=(0, 1))(y0, p)
    np.testing.assert_allclose(found[0], differences(lambda y: reduced(y, p), y0), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found[1], differences(lambda q: reduced(y0, q), p), rtol=1e-6, atol=1e-8)


def test_mass_matrix_is_not_differentiated():
    with pytest.raises(sciad.SciadError, match="mass_matrix"):
        sciad.grad(lambda m: sciad.solve_ivp(lambda t, y: -y, (0, 1), np.ones(2), t_eval=[1.0], mass_matrix=m).ys.sum())(2.0 * np.eye(2))


@pytest.mark.parametrize(("method", "adjoint"), [*[("Rodas5P", a) for a in ("auto", "gauss", "forward")], ("RadauIIA5", "discrete")])
def test_events(method, adjoint, rng):
    """An event of the algebraic variable, with an effect that is not consistent: its time, state and parameters, y0, t0."""
    weights, times = rng.normal(size=(3, 2)), np.array([0.3, 1.0, 1.7])

    def fun(t, y, p, c):
        return [-p[0] * y[0] + y[1], y[0] + y[1] - p[1] * np.sin(t)]

    def reached(t, y, p, c):
        return y[1] - c

    reached.direction = 1
    reached.apply = lambda t, y, p, c: np.array([y[0] - 0.3 * p[0], 5.0], like=y)

    def loss(x):
        options = {"rtol": 1e-10, "atol": 1e-11, "mass_matrix": SINGULAR, "adjoint": adjoint, "events": reached}
        sol = sciad.solve_ivp(fun, (x[5], 2.0), x[:2], method, times, args=(x[2:4], x[4]), **options)
        return (weights * sol.ys).sum() + 3.0 * sol.t_events[0][0] + (sol.y_events[0][0] * weights[0]).sum()

    def exact(x):
        p, c, t, e = x[2:4], x[4], 0.24, 1e-6
        for _ in range(20):
            below, here, above = (closed_form(t + k * e, x[5], x[0], p)[1] for k in (-1, 0, 1))
            t -= (here - c) * 2 * e / (above - below)
        at = closed_form(t, x[5], x[0], p)
        saved = closed_form(times, t, at[0] - 0.3 * p[0], p)
        return np.sum(weights * saved) + 3.0 * t + np.sum(at * weights[0])

    x = np.array([0.7, 9.0, 1.5, 2.0, -0.05, 0.1])
    value, found = sciad.value_and_grad(loss)(x)
    assert value == pytest.approx(exact(x), rel=1e-7)
    np.testing.assert_allclose(found, differences(exact, x), rtol=2e-6, atol=1e-8)


@pytest.mark.parametrize(("method", "adjoint"), [("KenCarp4", "auto"), ("KenCarp4", "gauss"), ("NDF", "auto")])
def test_methods_without_a_transpose(method, adjoint):
    """Forward sensitivities and continuous adjoints by the method itself; against the steps of Rodas5P."""

    def f(t, y, p):
        return [-p[0] * y[0] + y[1], p[1] * y[0] + y[1] - np.sin(t)]

    def loss(p, method, adjoint):
        options = {"mass_matrix": np.diag([1.0, 0.0]), "rtol": 1e-8, "atol": 1e-8, "adjoint": adjoint}
        return (sciad.solve_ivp(f, (0, 2), np.array([1.0, -1.0]), method, [0.3, 1.1, 2.0], args=(p,), **options).ys ** 2).sum()

    p = np.array([1.0, 1.2])
    np.testing.assert_allclose(sciad.grad(loss)(p, method, adjoint), sciad.grad(loss)(p, "Rodas5P", "discrete"), rtol=2e-6)
