"""`solve_ivp` with mass matrices: closed forms, orders, Robertson's problem, consistent initial values, and what is refused."""

import numpy as np
import pytest

import sciad
from sciad.errors import ShapeError, SolveError
from sciad.field import Field
from sciad.solvers.consistent import consistent_start
from sciad.solvers.integrate import integrate
from sciad.solvers.mass import slope
from sciad.solvers.rhs import Rhs
from sciad.solvers.status import Status

METHODS = {
    "Rosenbrock23": (2, 2), "Rodas4": (4, 3), "Rodas5P": (5, 4), "RadauIIA5": (5, 3), "TRBDF2": (2, 2), "KenCarp4": (4, 3),
    "Kvaerno5": (5, 4),
}  # orders of the steps and of the dense output
SINGULAR = np.diag([1.0, 0.0])
ROBER_END = [0.017865921142099464, 7.274751468436319e-08, 0.9821340061103858]  # t = 1e5; see `test_robertson`


def linear(t, y):
    return [-y[0] + y[1], y[0] + y[1] - np.sin(t)]


def closed_form(t, start):
    y = (start + 0.2) * np.exp(-2 * t) + (2 * np.sin(t) - np.cos(t)) / 5
    return np.stack([y, np.sin(t) - y], axis=-1)


def curve(dy, t, y, p):
    dy[0] = y[1]
    dy[1] = p[0] * (np.exp(y[1]) - np.exp(np.cos(t))) + y[0] - np.sin(t)


def rober(t, y, k):
    return [-k[0] * y[0] + k[2] * y[1] * y[2], k[0] * y[0] - k[1] * y[1] ** 2 - k[2] * y[1] * y[2], y[0] + y[1] + y[2] - 1.0]


@pytest.mark.parametrize("method", [*METHODS, "NDF", "auto"])
@pytest.mark.parametrize("algebraic", [-1.0, 5.0], ids=["consistent", "inconsistent"])
def test_closed_form(method, algebraic):
    """The differential component is left alone, the algebraic one made consistent, from the first saved state on."""
    tolerance = 1e-5 if method in ("Rosenbrock23", "TRBDF2", "NDF") else 1e-8
    times = np.linspace(0.0, 3.0, 31)
    found = sciad.solve_ivp(linear, (0, 3), [1.0, algebraic], method, times, mass_matrix=SINGULAR, rtol=tolerance, atol=tolerance)
    assert found.success
    assert found.ys[0, 0] == 1.0
    np.testing.assert_allclose(found.ys, closed_form(times, 1.0), atol=100 * tolerance)
    assert [name for _, name in found.switches] == ["Rodas5P" if method == "auto" else method]


def test_backwards_and_every_step():
    start = closed_form(np.array(1.0), 1.0)
    found = sciad.solve_ivp(linear, (1, 0), start, mass_matrix=SINGULAR, dense_output=True, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.ys, closed_form(found.t, 1.0), atol=1e-7)
    np.testing.assert_allclose(found.sol(0.3), closed_form(np.array(0.3), 1.0), atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_orders(method):
    """y = sin t, z = cos t: both components have the order of the method, and of its dense output inside the steps."""
    rhs, errors = Rhs.of(Field(curve, (2,), (np.ones(1),), inplace=True)), []
    for n in (20, 40):
        times = np.append((np.arange(n) + 0.37) / n, 1.0)
        found = integrate(rhs, (0.0, 1.0), np.array([0.0, 1.0]), np.ones(1), method, times, fixed_step=1 / n, mass=SINGULAR)
        error = np.abs(found.ys - np.stack([np.sin(times), np.cos(times)], axis=1))
        errors.append([error[-1].max(), error[:-1].max()])
    order, dense_order = np.log2(errors[0]) - np.log2(errors[1])
    assert order > METHODS[method][0] - 0.3
    assert dense_order > METHODS[method][1] - 0.3


@pytest.mark.parametrize("n", [3, 12, 50])
def test_regular_mass_matrix(n, rng):
    """A full regular M against the explicit equation; all three sizes of linear algebra."""
    m = np.eye(n) + rng.normal(size=(n, n)) / n
    a = -np.diag(np.linspace(1.0, 50.0, n)) + rng.normal(size=(n, n)) / n
    y0, times, inverse = rng.normal(size=n), np.linspace(0.0, 1.0, 5), np.linalg.inv(m)

    def implicit(t, y, a):
        return a @ y + np.sin(3 * t)

    def explicit(t, y, a, inverse):
        return inverse @ (a @ y + np.sin(3 * t))

    options = {"t_eval": times, "rtol": 1e-9, "atol": 1e-10}
    found = sciad.solve_ivp(implicit, (0, 1), y0, mass_matrix=m, args=(a,), **options)
    np.testing.assert_allclose(found.ys, sciad.solve_ivp(explicit, (0, 1), y0, args=(a, inverse), **options).ys, atol=1e-7)


@pytest.mark.parametrize("y0", [[1.0, 0.0, 0.0], [1.0, 0.0, 1.0]], ids=["consistent", "inconsistent"])
def test_robertson(y0):
    """Against the solution in 128 bits by Radau IIA of order 13 of the equation with y3 eliminated."""
    found = sciad.solve_ivp(
        rober, (0, 1e5), y0, "Rodas5P", [1e5], args=(np.array([0.04, 3e7, 1e4]),), mass_matrix=np.diag([1.0, 1, 0]), rtol=1e-9, atol=1e-13
    )
    np.testing.assert_allclose(found.ys[-1], ROBER_END, rtol=1e-6)
    assert abs(found.ys[-1].sum() - 1.0) < 1e-14
    assert found.naccept < 1000


def test_full_singular_mass_matrix():
    """Null spaces that are no unit vectors: the closed form in other coordinates, and M y0 kept."""
    q, r = np.array([[0.8, -0.6], [0.6, 0.8]]), np.array([[1.0, 0.5], [-0.3, 2.0]])

    def mixed(t, y, q, r):
        x = r @ y
        return q @ np.array([-x[0] + x[1], x[0] + x[1] - np.sin(t)])

    m, times = q @ np.diag([1.0, 0.0]) @ r, np.linspace(0.0, 2.0, 5)
    found = sciad.solve_ivp(mixed, (0, 2), np.linalg.solve(r, [1.0, 7.0]), t_eval=times, args=(q, r), mass_matrix=m, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.ys @ r.T, closed_form(times, 1.0), atol=1e-6)


def test_slope_and_initial_values():
    rhs, mass, p = Rhs.of(Field(curve, (2,), (np.ones(1),), inplace=True)), np.diag([2.0, 0.0]), np.ones(1)
    y = consistent_start(rhs, 0.5, np.array([np.sin(0.5), -3.0]), p, mass).y
    np.testing.assert_allclose(y, [np.sin(0.5), np.cos(0.5)], rtol=1e-14)
    expected = [0.5 * y[1], (np.cos(0.5) - 0.5 * y[1]) / np.exp(y[1]) - np.sin(0.5)]
    np.testing.assert_allclose(slope(rhs, 0.5, y, p, mass), expected, rtol=1e-12)


def pendulum(t, y):
    """Cartesian, with the constraint on positions: index 3; with M = diag(1, 1, 1, 1, 0) its algebraic Jacobian is zero."""
    return [y[2], y[3], -y[0] * y[4], -y[1] * y[4] - 1.0, y[0] ** 2 + y[1] ** 2 - 1.0]


def test_higher_index_is_refused():
    found = sciad.solve_ivp(pendulum, (0, 1), [1.0, 0.0, 0.0, 0.0, 0.0], mass_matrix=np.diag([1.0, 1, 1, 1, 0]))
    assert found.status == Status.INCONSISTENT
    assert not found.success
    assert "the index is not 1, or y0 is singular. Differentiate the constraints" in found.message
    assert found.t.tolist() == [0.0]
    assert found.ys.shape == (1, 5)


def test_pendulum_of_index_one():
    """The constraint differentiated twice: the energy stays."""

    def reduced(t, y):
        return [y[2], y[3], -y[0] * y[4], -y[1] * y[4] - 1.0, y[2] ** 2 + y[3] ** 2 - y[1] - y[4] * (y[0] ** 2 + y[1] ** 2)]

    found = sciad.solve_ivp(reduced, (0, 5), [1.0, 0.0, 0.0, 0.0, 3.0], mass_matrix=np.diag([1.0, 1, 1, 1, 0]), rtol=1e-9, atol=1e-9)
    y = found.ys
    np.testing.assert_allclose(0.5 * (y[:, 2] ** 2 + y[:, 3] ** 2) + y[:, 1], 0.0, atol=1e-6)
    np.testing.assert_allclose(y[0], [1.0, 0, 0, 0, 0], atol=1e-15)


def test_no_consistent_initial_values():
    found = sciad.solve_ivp(lambda t, y: [-y[0], y[1] ** 2 + 1.0], (0, 1), [1.0, 0.3], t_eval=[0.5], mass_matrix=SINGULAR)
    assert found.status == Status.INCONSISTENT
    assert "give a better y0" in found.message
    assert found.ys.shape == (0, 2)


def test_events_see_consistent_states():
    def high(t, y):
        return y[1] - 0.5

    high.terminal = True
    found = sciad.solve_ivp(linear, (0, 3), [1.0, 9.0], mass_matrix=SINGULAR, events=high, rtol=1e-9, atol=1e-9)
    assert found.status == 1
    assert abs(closed_form(found.t_events[0][0], 1.0)[1] - 0.5) < 1e-7
    with pytest.raises(SolveError, match="the index is not 1"):
        sciad.solve_ivp(pendulum, (0, 1), [1.0, 0, 0, 0, 0], mass_matrix=np.diag([1.0, 1, 1, 1, 0]), events=high)


def test_refusals():
    one = np.diag([1.0, 0.0])
    with pytest.raises(ValueError, match="explicit.*Rodas5P"):
        sciad.solve_ivp(linear, (0, 1), [1.0, 0.0], "Tsit5", mass_matrix=one)
    with pytest.raises(ShapeError, match=r"shape \(3, 3\); 2 states"):
        sciad.solve_ivp(linear, (0, 1), [1.0, 0.0], mass_matrix=np.eye(3))
    with pytest.raises(ValueError, match="constant array"):
        sciad.solve_ivp(linear, (0, 1), [1.0, 0.0], mass_matrix=lambda t, y: one)
    with pytest.raises(ValueError, match="real numbers"):
        sciad.solve_ivp(linear, (0, 1), [1.0, 0.0], mass_matrix=1j * one)
    with pytest.raises(ValueError, match="not finite"):
        sciad.solve_ivp(linear, (0, 1), [1.0, 0.0], mass_matrix=[[1.0, np.inf], [0.0, 1.0]])
    with pytest.raises(ValueError, match="dense"):
        sciad.solve_ivp(linear, (0, 1), [1.0, 0.0], mass_matrix=one, linear="sparse")
    with pytest.raises(sciad.SciadError, match="complex"):
        sciad.solve_ivp(linear, (0, 1), [1.0 + 1j, 0.0], mass_matrix=one)


def test_identity_changes_nothing():
    plain = sciad.solve_ivp(lambda t, y: -y, (0, 1), [1.0, 2.0], "Tsit5")
    assert np.array_equal(sciad.solve_ivp(lambda t, y: -y, (0, 1), [1.0, 2.0], "Tsit5", mass_matrix=np.eye(2)).ys, plain.ys)


CAPACITIES = np.zeros((8, 8))
for _first, _c in ((0, 1e-6), (3, 3e-6), (6, 5e-6)):
    CAPACITIES[_first : _first + 2, _first : _first + 2] = [[-_c, _c], [_c, -_c]]
CAPACITIES[2, 2], CAPACITIES[5, 5] = -2e-6, -4e-6


def transistor_amplifier(dy, t, y, p):
    """Hairer & Wanner VI.1, and the test set of CWI / Bari; supply p[0], resistances p[1]."""
    first, second = 1e-6 * (np.exp((y[1] - y[2]) / 0.026) - 1.0), 1e-6 * (np.exp((y[4] - y[5]) / 0.026) - 1.0)
    dy[0] = (y[0] - 0.1 * np.sin(200.0 * np.pi * t)) / 1000.0
    dy[1] = (2.0 * y[1] - p[0]) / p[1] + 0.01 * first
    dy[2] = y[2] / p[1] - first
    dy[3] = (y[3] - p[0]) / p[1] + 0.99 * first
    dy[4] = (2.0 * y[4] - p[0]) / p[1] + 0.01 * second
    dy[5] = y[5] / p[1] - second
    dy[6] = (y[6] - p[0]) / p[1] + 0.99 * second
    dy[7] = y[7] / p[1]


@pytest.mark.parametrize("method", ["Rodas5P", "RadauIIA5"])
def test_transistor_amplifier(method):
    """M is neither diagonal nor well scaled; end values of the test set."""
    end = [
        -0.5562145012262709e-2, 0.3006522471903042e1, 0.2849958788608128e1, 0.2926422536206241e1, 0.2704617865010554e1,
        0.2761837778393145e1, 0.4770927631616772e1, 0.1236995868091548e1,
    ]  # fmt: skip
    options = {"args": (np.array([6.0, 9000.0]),), "mass_matrix": CAPACITIES, "rtol": 1e-7, "atol": 1e-7}
    found = sciad.solve_ivp(transistor_amplifier, (0, 0.2), [0.0, 3, 3, 6, 3, 3, 6, 0], method, [0.2], **options)
    np.testing.assert_allclose(found.ys[-1], end, rtol=1e-6)
