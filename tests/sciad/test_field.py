"""The compiled forms of a vector field against central differences: Jacobian, products with it, second-order products."""

import ctypes

import numpy as np
import pytest

from sciad.errors import ShapeError, UnsupportedSyntax
from sciad.field import Field


def rober(t, y, k):
    return np.array([-k[0] * y[0] + k[2] * y[1] * y[2], k[0] * y[0] - k[2] * y[1] * y[2] - k[1] * y[1] ** 2, k[1] * y[1] ** 2])


def network(t, y, W, V):
    return np.tanh(y @ W) @ V * np.sin(t)


def dense(t, y, W):
    return np.tanh(W @ y)


def reaction(t, u, a):
    n = u.shape[0]
    du = np.zeros_like(u)
    for i in range(n):
        left = u[i - 1] if i > 0 else 0.0
        right = u[i + 1] if i < n - 1 else 0.0
        du[i] = a * (left - 2 * u[i] + right) + u[i] ** 2 * t
    return du


RNG = np.random.default_rng(0)
CASES = {
    "rober": (rober, np.array([0.5, 0.3, 0.2]), (np.array([0.04, 30.0, 10.0]),)),
    "network": (network, RNG.normal(size=2), (RNG.normal(size=(2, 20)), RNG.normal(size=(20, 2)))),
    "dense": (dense, RNG.normal(size=30), (RNG.normal(size=(30, 30)) / 6,)),
    "reaction": (reaction, RNG.normal(size=9), (0.7,)),
}
T = 0.3


def call(address, *args):
    """Call a C function with floats by value and arrays by address."""
    kinds = [ctypes.c_double if isinstance(a, float) else ctypes.c_ssize_t for a in args]
    function = ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(address)
    assert function(*[a if isinstance(a, float) else a.ctypes.data for a in args]) == 0


@pytest.fixture(scope="module", params=CASES)
def case(request):
    fun, y, args = CASES[request.param]
    field = Field(fun, y.shape, args)
    return fun, y, args, field, field.pack(field.leaves(args))


def test_jacobian(case):
    fun, y, args, field, p = case
    jac, h = np.empty((field.n, field.n)), 1e-6
    call(field.jac, T, y, p, jac)
    expected = [(fun(T, y + h * e, *args) - fun(T, y - h * e, *args)) / (2 * h) for e in np.eye(field.n)]
    np.testing.assert_allclose(jac, np.transpose(expected), rtol=1e-7, atol=1e-8)


def test_second_order_products(case):
    """The reverse of y, v -> (f, J v + f_t s), contracted with a direction, against differences of the products themselves."""
    _, y, _, field, p = case
    n, s, h = field.n, 0.7, 1e-5
    v, dy_bar, dy_dot_bar = RNG.normal(size=(3, n))
    y_bar, v_bar, p_bar, t_bar = np.zeros(n), np.zeros(n), np.zeros(field.n_p), np.zeros(1)
    call(field.jvp_rev, T, s, y, v, p, dy_bar, dy_dot_bar, y_bar, v_bar, p_bar, t_bar)

    def weighted(t, y, v, p):
        dy, dy_dot = np.empty(n), np.empty(n)
        call(field.jvp, t, s, y, v, p, np.zeros_like(p), dy, dy_dot)
        return dy_bar @ dy + dy_dot_bar @ dy_dot

    y_way, v_way, p_way, t_way = RNG.normal(size=n), RNG.normal(size=n), RNG.normal(size=field.n_p), 0.4
    ends = [weighted(T + e * t_way, y + e * y_way, v + e * v_way, p + e * p_way) for e in (h, -h)]
    assert y_bar @ y_way + v_bar @ v_way + p_bar @ p_way + t_bar[0] * t_way == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6)


def test_derivatives_of_tangents(case, rng):
    """How f_y y_dot + f_p p_dot moves where t, y and y_dot move."""
    fun, y, args, field, p = case
    n, flat = field.n, y.reshape(-1)
    y_dot, y_two, y_both, p_dot = rng.normal(size=n), rng.normal(size=n), rng.normal(size=n), rng.normal(size=field.n_p)

    def tangent(t, x, x_dot):
        dy, dy_dot = np.empty(n), np.empty(n)
        call(field.jvp, t, 0.0, x, x_dot, p, p_dot, dy, dy_dot)
        return dy_dot

    def central(function):
        coarse, fine = ((function(s) - function(-s)) / (2 * s) for s in (2e-3, 1e-3))
        return (4 * fine - coarse) / 3

    out = np.zeros(n)
    call(field.jvp_dot, T, 1.7, flat, y_two, y_dot, y_both, p, p_dot, out)
    expected = central(lambda s: tangent(T + 1.7 * s, flat + s * y_two, y_dot + s * y_both))
    np.testing.assert_allclose(out, expected, rtol=1e-8, atol=1e-8)


def relaxation(t, y, a):
    """Every iteration makes a new array that the next one reads, its neighbours' elements among it."""
    x, previous = y, 2.0 * y
    for _ in range(50):
        new = np.zeros(3)
        for j in range(3):
            new[j] = 0.8 * np.sin(x[(j + 1) % 3]) + a * y[j] + 0.1 * previous[2 - j]
        previous, x = x, new
    return x


def test_arrays_that_loops_rebind():
    """The memory of one iteration is not that of the next: value, tangent and both reverse forms."""
    y, v, bar, h = np.array([1.0, 0.5, -0.3]), np.array([0.2, -0.7, 0.4]), np.array([0.3, 1.1, -0.6]), 1e-6
    field = Field(relaxation, (3,), (0.3,))
    p, dy, dy_dot, zero = np.array([0.3]), np.empty(3), np.empty(3), np.zeros(1)
    call(field.jvp, T, 0.0, y, v, p, zero, dy, dy_dot)
    want = (relaxation(T, y + h * v, 0.3) - relaxation(T, y - h * v, 0.3)) / (2 * h)
    np.testing.assert_allclose(dy, relaxation(T, y, 0.3), rtol=1e-13)
    np.testing.assert_allclose(dy_dot, want, rtol=1e-8)
    tape, y_bar, p_bar, t_bar = np.empty(max(field.tape_size, 1)), np.zeros(3), np.zeros(1), np.zeros(1)
    call(field.f, T, y, p, dy)
    np.testing.assert_allclose(dy, relaxation(T, y, 0.3), rtol=1e-13)
    call(field.aug, T, y, p, dy, tape)
    np.testing.assert_allclose(dy, relaxation(T, y, 0.3), rtol=1e-13)
    call(field.rev, T, y, p, tape, bar.copy(), y_bar, p_bar, t_bar)
    np.testing.assert_allclose(y_bar @ v, want @ bar, rtol=1e-8)
    by_a = (relaxation(T, y, 0.3 + h) - relaxation(T, y, 0.3 - h)) @ bar / (2 * h)
    np.testing.assert_allclose(p_bar[0], by_a, rtol=1e-8)


def affine(t, y, W, b):
    return np.tanh(y @ W.T + b)


def running(out, t, y, W):
    out[0] = np.sin(y[0])
    for i in range(1, y.shape[0]):
        out[i] = np.tanh(out[i - 1] * y[i]) + W[i, i]


@pytest.mark.parametrize(
    ("fun", "y", "args"),
    [(dense, RNG.normal(size=40), (RNG.normal(size=(40, 40)) / 6,)),
     (affine, RNG.normal(size=(1, 40)), (RNG.normal(size=(40, 40)) / 6, 0.1)),
     (affine, RNG.normal(size=(3, 5)), (RNG.normal(size=(5, 5)), RNG.normal(size=5))), (running, RNG.normal(size=6), (np.ones((6, 6)),))],
)  # fmt: skip
def test_reverse_does_not_look_at_the_result(fun, y, args, rng):
    """Values that the function leaves in its result are not there in the reverse sweep: products with J^T, with and without parameters."""
    field = Field(fun, y.shape, args, inplace=fun is running)
    n, p = field.n, field.pack(field.leaves(args))
    jac, dy, seed = np.empty((n, n)), np.empty(n), rng.standard_normal(n)
    call(field.jac, T, y, p, jac)
    aug, rev, size = field.state_reverse
    for sweep, tape in ((field.rev, np.empty(field.tape_size)), (rev, np.empty(size))):
        call(field.aug if sweep == field.rev else aug, T, y, p, dy, tape)
        dy[:] = np.nan
        y_bar, p_bar, t_bar = np.zeros(n), np.zeros(field.n_p), np.zeros(1)
        call(sweep, T, y, p, tape, seed, *((y_bar, p_bar, t_bar) if sweep == field.rev else (y_bar, t_bar)))
        np.testing.assert_allclose(y_bar, jac.T @ seed, rtol=1e-12, atol=1e-13)


def test_autonomous():
    assert Field(rober, (3,), CASES["rober"][2]).autonomous
    assert not Field(reaction, (9,), (0.7,)).autonomous


def matrix_valued(x, a):
    return np.outer(x, x) * a


def test_functions_without_time_and_of_another_shape():
    field, out, x = Field(matrix_valued, (3,), (2.0,), time=False, out_shape=(3, 3)), np.empty((3, 3)), np.array([1.0, 2.0, 3.0])
    p = field.pack(field.leaves((2.0,)))
    call(field.f, 0.0, x, p, out)
    np.testing.assert_array_equal(out, 2.0 * np.outer(x, x))
    jac = np.empty((9, 3))
    call(field.jac, 0.0, x, p, jac)
    expected = 2.0 * (np.einsum("ik,j->ijk", np.eye(3), x) + np.einsum("jk,i->ijk", np.eye(3), x)).reshape(9, 3)
    np.testing.assert_array_equal(jac, expected)


def test_wrong_shapes_and_writes_are_refused():
    with pytest.raises(ShapeError, match=r"`rober`.*returns shape \(3,\).*must be \(2,\)"):
        Field(rober, (3,), CASES["rober"][2], out_shape=(2,))

    def writes(t, y, a):
        a[0] = 1.0
        return y

    with pytest.raises(UnsupportedSyntax, match="writes into its arguments"):
        Field(writes, (1,), (np.ones(1),))
