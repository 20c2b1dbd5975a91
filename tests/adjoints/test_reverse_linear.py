"""The Jacobian and the linear algebra of implicit reverse solves: exact, transposed, and with p_bar carried along."""

import ctypes

import numpy as np
import pytest
from scipy.linalg import expm_frechet

from sciad.adjoints import ADJOINTS, Gauss
from sciad.adjoints.block_solver import Block
from sciad.adjoints.reverse_rhs import Context, address
from sciad.field import Field
from sciad.solvers.implicit import equip
from sciad.solvers.layout import FACTOR, FACTOR_Z, J_AT, N_SLOTS, SOLVE, SOLVE_Z, N, P
from sciad.solvers.linear import Banded, Dense
from sciad.solvers.methods import METHODS
from sciad.solvers.rhs import Rhs


def relaxing(t, y, p):
    """Fast relaxation to a moving target, and a slow component that feels it; depends on time."""
    return np.array([-p[0] * (y[0] - np.cos(p[1] * t) * y[1]), -y[1] * y[0] + p[2]])


def test_reverse_jacobian_and_time_derivative_are_exact(rng):
    """Against complex steps through the formulas, at a time inside a step."""
    rhs = Rhs.of(Field(relaxing, (2,), (np.ones(3),)))
    p, y0 = np.array([80.0, 1.7, 0.3]), np.array([0.2, 1.0])
    solution, residuals = Gauss().forward(rhs, (0.0, 1.0), y0, p, np.array([1.0]), {"method": "Rodas5P"})
    steps = residuals.pieces[0].steps
    t, lam = 0.5 * (steps.times[3] + steps.times[4]), rng.normal(size=2)
    interpolant = Gauss().forward(rhs, (0.0, 1.0), y0, p, np.array([1.0]), {"method": "Rodas5P"})[0].sol
    y, dy, h = interpolant(t), interpolant.derivative(t), 1e-30

    def blocks(s):
        """J and f_p at t + s, for complex s, along the tangent of the interpolant."""
        y1, y2 = y[0] + s * dy[0], y[1] + s * dy[1]
        c, s_ = np.cos(p[1] * (t + s)), np.sin(p[1] * (t + s))
        jac = np.array([[-p[0], p[0] * c], [-y2, -y1]])
        return jac, np.array([[-(y1 - c * y2), -p[0] * (t + s) * s_ * y2, 0.0], [0.0, 0.0, 1.0]])

    jac, f_p = (x.real for x in blocks(0j))
    jac_slope, f_p_slope = (x.imag / h for x in blocks(1j * h))
    for with_p in (False, True):
        context = Context(rhs, p, with_p)
        context.show(residuals.pieces[0].method.dense, steps.pairs, steps.states, 0, len(steps.pairs) - 1)
        back, size = context.rhs(), 5 if with_p else 2
        linear = Block(context, Dense(2)) if with_p else Dense(2)
        memory = equip(slots := np.zeros(N_SLOTS, np.int64), back, METHODS["RadauIIA5"], linear)
        out, z = np.full((2, 2), np.nan), np.r_[lam, np.zeros(size - 2)]
        call(back.jac(), "1, 3", t, z, context.values, out)
        np.testing.assert_allclose(out, -jac.T, rtol=1e-12, atol=1e-12)
        dz, dz_dot = np.empty(size), np.empty(size)
        call(back.jvp(), "2, 6", t, 1.0, z, np.zeros(size), context.values, np.zeros(size), dz, dz_dot)
        np.testing.assert_allclose(dz, np.r_[-jac.T @ lam, -f_p.T @ lam][:size], rtol=1e-12)
        np.testing.assert_allclose(dz_dot, np.r_[-jac_slope.T @ lam, -f_p_slope.T @ lam][:size], rtol=1e-10, atol=1e-12)
    # the block solver against a dense solve with the whole matrix, real and complex
    slots[N], slots[P] = size, address(context.values)
    memory[(slots[J_AT] - address(memory)) // 8 :][:4] = out.ravel()
    whole = np.zeros((5, 5))
    whole[:, :2] = np.vstack([-jac.T, -f_p.T])
    b = rng.normal(size=5) + 1j * rng.normal(size=5)
    call(int(slots[FACTOR]), "2, 1", 3.0, 0.1, slots)
    x = b.real.copy()
    call(int(slots[SOLVE]), "0, 2", slots, x)
    np.testing.assert_allclose(x, np.linalg.solve(3.0 * np.eye(5) - 0.1 * whole, b.real), rtol=1e-11)
    call(int(slots[FACTOR_Z]), "3, 1", 3.0, 2.0, 0.1, slots)
    x = b.copy()
    call(int(slots[SOLVE_Z]), "0, 2", slots, x.view(float))
    np.testing.assert_allclose(x, np.linalg.solve((3.0 + 2.0j) * np.eye(5) - 0.1 * whole, b), rtol=1e-11)


@pytest.mark.parametrize("name", ["gauss", "interpolating", "quadrature"])
@pytest.mark.parametrize("method", ["Rodas5P", "KenCarp4", "RadauIIA5", "NDF"])
def test_many_parameters_of_a_linear_system(name, method, rng):
    """y' = A y for 12 states: all 144 derivatives with respect to A, against the Frechet derivative of the matrix exponential."""
    a = -np.diag(np.logspace(0, 3, 12)) + 0.3 * rng.normal(size=(12, 12))
    y0, w = rng.normal(size=12), rng.normal(size=12)

    def linear(t, y, p):
        return p @ y

    rhs = Rhs.of(Field(linear, (12,), (a,)))
    options = {"method": method, "rtol": 1e-8, "atol": 1e-10}
    _, residuals = ADJOINTS[name].forward(rhs, (0.0, 1.0), y0, a.ravel(), np.array([1.0]), options)
    y0_bar, p_bar, *_ = ADJOINTS[name].backward(rhs, residuals, w[None])
    exponential, gradient_a = expm_frechet(a.T, np.outer(w, y0))  # the adjoint of E -> w . L(A, E) y0
    np.testing.assert_allclose(y0_bar, exponential @ w, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(p_bar.reshape(12, 12), gradient_a, rtol=2e-5, atol=2e-5)


def diffusion(t, y, p):
    """y_i' = p_i (y_(i-1) - 2 y_i + y_(i+1)) with zeros at the ends."""
    n = y.shape[0]
    dy = np.empty(n)
    for i in range(n):
        left = 0.0
        right = 0.0
        if i > 0:
            left = y[i - 1]
        if i < n - 1:
            right = y[i + 1]
        dy[i] = p[i] * (left - 2.0 * y[i] + right)
    return dy


@pytest.mark.parametrize(("name", "method", "linear"), [
    ("gauss", "Rodas5P", None), ("gauss", "TRBDF2", None), ("gauss", "NDF", None),
    ("interpolating", "KenCarp4", None), ("interpolating", "NDF", "banded"),
    ("gauss", "NDF", "gmres"), ("interpolating", "RadauIIA5", None), ("quadrature", "KenCarp4", "dense"),
])  # fmt: skip
def test_structured_linear_algebra_goes_back_transposed(name, method, linear, rng):
    """120 states and as many parameters, sparse, banded or dense, against the Frechet derivative of the matrix exponential."""
    n = 120
    k, y0, w = 50.0 * (1.0 + rng.random(n)), rng.normal(size=n), rng.normal(size=n)
    laplace = np.diag(np.full(n, -2.0)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
    rhs = Rhs.of(Field(diffusion, (n,), (k,)))
    given = Banded(n, 1, 1) if linear == "banded" else linear
    options = {"method": method, "rtol": 1e-7, "atol": 1e-9, "linear": given}
    solution, residuals = ADJOINTS[name].forward(rhs, (0.0, 0.2), y0, k, np.array([0.2]), options)
    y0_bar, p_bar, *_ = ADJOINTS[name].backward(rhs, residuals, w[None])
    exponential, inner = expm_frechet(0.2 * (k[:, None] * laplace).T, 0.2 * np.outer(w, y0))
    np.testing.assert_allclose(solution.ys[-1], exponential.T @ y0, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(y0_bar, exponential @ w, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(p_bar, np.sum(inner * laplace, axis=1), rtol=1e-4, atol=1e-6)


def call(function, kind, *arguments):
    """Call a C function at an address from Python."""
    floats, addresses = map(int, kind.split(", "))
    signature = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_double] * floats, *[ctypes.c_ssize_t] * addresses)
    assert signature(function)(*(x if isinstance(x, float) else address(x) for x in arguments)) == 0
