"""Writes in place: NumPy's aliasing between arrays and views, and derivatives that know nothing of memory."""

import copy

import numpy as np
import pytest
from tape_checks import check

from sciad.tape import trace_vjp

X = np.array([0.7, -1.3, 0.4, 2.0, 1.1])
M = np.arange(1.0, 13.0).reshape(3, 4) / 5


def prefix_products(x):
    y = np.zeros_like(x)
    y[0] = x[0]
    for i in range(1, len(x)):
        y[i] = y[i - 1] * x[i]
    return y


def overwritten_operand(x):
    y = x.copy()
    s = np.sum(y * y)  # reads the old contents
    y[1:3] = 0.0
    y *= s
    return y


def view_written(x):
    y = x.copy()
    v = y[1:4]
    v[0] = v[1] * v[2]
    v += 1.0
    w = v[::-1]
    w[0] *= y[0]
    return y, v, w


def base_written_view_read(x):
    y = x.copy()
    v = y[1:4]
    before = v * v
    y[2] = y[0] ** 2
    return before * v


def transposed_and_reshaped(m):
    y = m.copy()
    y.T[0, 1] = y[2, 2] ** 2
    y.reshape(-1)[5] *= y[0, 0]
    flat = y.ravel()
    flat[2:4] = flat[:2]
    np.swapaxes(y, 0, 1)[1] += 1.0
    y[None, ..., 0][0] = y[:, 1]
    return y, flat


def rows(m):
    y = m.copy()
    for k, row in enumerate(y):
        row *= k + row[0]
        row[1] = 0.5
    y[0], y[1] = y[1], y[0] * 2
    return y


def nested_views(m):
    y = m.copy()
    v = y[1:][:, 1:3]
    u = v[0]
    y[1, 1] = y[0, 0] * 3
    u[1] = u[0] * u[1]
    v[:] = v * v
    return y, u


def overlapping(x):
    y = x.copy()
    y[1:] = y[:-1] * 2
    y[:-1] += y[1:]
    y[1:] = y[:-1]
    return y


def augmented(x):
    y = x.copy()
    z = y
    y += x[::-1]
    y -= 0.5
    y *= y
    y /= 2.0 + x * x
    y **= 2
    y[1:3] -= x[:2]
    y[0] += x[4]
    return z


def fancy(x):
    y = x.copy()
    y[[0, 3, 3]] = x[[1, 2, 4]]  # the last of repeated indices stays
    y[x > 1] *= 2
    y[np.array([True, False, False, True, False])] = x[:2]
    y[[1, 2]] += x[[4, 4]]
    return y


def broadcast(m):
    y = np.zeros_like(m)
    y[:] = m[0]
    y[:, 1] = m[1, 1] ** 2
    y[1:, 2:] = m[:1, :1]
    y[...] += m[:, :1]
    return y


def out_arguments(x):
    y = np.zeros_like(x)
    np.multiply(x, x, out=y)
    np.add(y, x, out=y, where=x > 0)
    np.exp(x, out=y[...])
    np.sum(np.stack([x, y]), axis=0, out=y)
    return y


def scattered(x):
    y = np.zeros_like(x)
    np.add.at(y, [0, 1, 1, 4], x[:4] * x[1:])
    np.subtract.at(y, [2, 2], x[0])
    return y * y


def methods(x):
    y = x.copy()
    y.sort()
    z = np.empty_like(x)
    z.fill(x[2])
    y.flat[3] = z[0] * y[1]
    return y * z


def swap(x):
    y = x.copy()
    for i in range(len(x)):
        for j in range(len(x) - 1 - i):
            if y[j] > y[j + 1]:
                y[j], y[j + 1] = y[j + 1], y[j]
    return y * np.arange(1.0, 6.0)


def copies(x):
    y = copy.deepcopy(x)
    z = copy.copy(y)
    y[0] = 5.0
    return z * y


def lists(x):
    y = np.zeros_like(x)
    y[:3] = [x[0], x[1] * x[2], 1.0]
    y[3:] = (x[0] ** 2, x[1])
    return y


def constant_store_keeps_the_rest(x):
    y = np.zeros(5, like=x)
    y[0] = x[0] ** 2
    y[1] = 3.0
    return y


VECTORS = [
    prefix_products, overwritten_operand, view_written, base_written_view_read, overlapping, augmented, fancy, out_arguments, scattered,
    methods, swap, copies, lists, constant_store_keeps_the_rest,
]


@pytest.mark.parametrize("f", VECTORS, ids=lambda f: f.__name__)
def test_vectors(f):
    check(f, X)


@pytest.mark.parametrize("f", [transposed_and_reshaped, rows, nested_views, broadcast], ids=lambda f: f.__name__)
def test_matrices(f):
    check(f, M)
    check(f, np.asfortranarray(M))
    check(f, M[::-1, ::-1])


def test_arguments_written_to_are_not_changed():
    def f(x, m):
        x[1:] = x[:-1] ** 2
        m.T[2] *= x[0]
        return np.sum(x) + np.sum(m * m)

    x, m = X.copy(), M.copy()
    out, pullback = trace_vjp(f, (x, m))
    x_bar, m_bar = pullback(1.0)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(m, M)
    assert out == pytest.approx(f(X.copy(), M.copy()))
    check(lambda x, m: f(x.copy(), m.copy()), X, M)
    np.testing.assert_allclose(x_bar[1:4], 2 * X[1:4])
    assert m_bar.flags.writeable


def test_cotangent_at_entry_of_an_array_that_is_output_too():
    def f(x):
        x[1] = 3.0
        return np.sum(x * x), x

    _, pullback = trace_vjp(f, (np.array([2.0, 5.0]),))
    np.testing.assert_allclose(pullback((1.0, np.array([10.0, 100.0])))[0], [14.0, 0.0])


def test_long_chains_of_writes():
    def f(x):
        y = np.zeros(2000, like=x)
        y[0] = x
        for i in range(1999):
            y[i + 1] = 0.999 * y[i] + 1e-3 * y[i] * y[i]
        return y[-1]

    _, pullback = trace_vjp(f, (0.9,))
    h = 1e-6

    def plain(x):
        for _ in range(1999):
            x = 0.999 * x + 1e-3 * x * x
        return x

    assert pullback(1.0)[0] == pytest.approx((plain(0.9 + h) - plain(0.9 - h)) / (2 * h), rel=1e-6)
