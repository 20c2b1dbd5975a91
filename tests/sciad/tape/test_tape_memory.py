"""Who may write where: plain buffers, read-only views, overlapping arguments, reused operands, what is handed out."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from tape_checks import check

from sciad.errors import SciadError
from sciad.tape import trace_jvp, trace_vjp

X = np.array([0.7, -1.3, 0.4, 2.0, 1.1])


def test_plain_buffers_refuse_traced_values():
    def into(write):
        def f(x):
            buffer = np.zeros(3)
            write(buffer, x)
            return np.sum(buffer)

        return f

    writes = [
        lambda b, x: b.__setitem__(0, x[0]), lambda b, x: b.__setitem__(slice(None), x), lambda b, x: b.__setitem__(0, np.sum(x)),
        lambda b, x: np.add(b, x, out=b), lambda b, x: b.__iadd__(x), lambda b, x: np.copyto(b, x), lambda b, x: np.add.at(b, [0], x[0]),
        lambda b, x: np.put(b, [0], x[0]), lambda b, x: np.sum(x, keepdims=True, out=b[:1]), lambda b, x: b.fill(x[0]),
    ]
    for write in writes:
        for run in (lambda f: trace_vjp(f, (X[:3],)), lambda f: trace_jvp(f, (X[:3],), (X[:3],))):
            with pytest.raises(SciadError, match="zeros_like"):
                run(into(write))


def test_read_only_views_stay_read_only():
    for write in (lambda x: np.broadcast_to(x, (2, 5)).__setitem__(0, 1.0), lambda x: np.diagonal(np.outer(x, x)).__setitem__(0, 1.0),
                  lambda x: np.outer(x, x)[:, ::2].flat.__setitem__(0, 1.0)):
        with pytest.raises(ValueError, match="read-only"):
            trace_vjp(write, (X,))


def test_overlapping_arguments_that_are_written_to_are_refused():
    def f(x, y):
        x[0] = 2.0
        return np.sum(x * y)

    big = np.arange(6.0)
    for pair in ((big, big), (big[:4], big[2:])):
        with pytest.raises(SciadError, match="shares memory"):
            trace_vjp(f, pair)
    x_bar, y_bar = trace_vjp(lambda x, y: np.sum(x * y), (big, big))[1](1.0)
    np.testing.assert_array_equal(x_bar + y_bar, 2 * big)
    trace_vjp(f, (big[:3], big[3:]))


def test_a_shape_that_does_not_fit_leaves_the_array_alone():
    def f(x):
        y = x.copy()
        with pytest.raises(ValueError):
            y[:2] = x[:3]
        with pytest.raises(ValueError):
            y += np.ones((2, 5))
        return y * y

    np.testing.assert_allclose(trace_vjp(f, (X,))[1](np.ones(5))[0], 2 * X)


def test_plain_operands_may_be_reused_as_buffers():
    """Reject-list hazard of HIPS autograd: plain arrays that change after they were used."""
    big = np.ones(5000)
    for size in (5, 5000):
        def f(x, size=size):
            w, total = np.zeros(size), 0.0
            index, mask = np.array([0, 1]), np.zeros(size, dtype=bool)
            for k in range(4):
                w[:] = k
                index[:] = k
                mask[:] = False
                mask[k] = True
                total = total + np.sum(w * x) + x[index][0] * 10 + np.sum(np.where(mask, x, 0.0)) * 100 + np.sum(x[mask]) * 1000 + w @ x
            w[:] = np.nan
            return total

        x = big[:size]
        want = np.full(size, 12.0)
        want[:4] += 1110.0
        np.testing.assert_allclose(trace_vjp(f, (x,))[1](1.0)[0], want)


def test_results_share_no_memory_with_what_is_kept():
    x = X.copy()
    out, pullback = trace_vjp(lambda x: (x, x[1:], np.exp(x)), (x,))
    for leaf in out:
        leaf[...] = 99.0
    np.testing.assert_array_equal(x, X)
    bars = pullback((np.ones(5), np.ones(4), np.ones(5)))[0]
    np.testing.assert_allclose(bars, np.exp(X) + [1, 2, 2, 2, 2])
    bars[:] = 0.0
    np.testing.assert_allclose(pullback((None, None, np.ones(5)))[0], np.exp(X))


def test_two_cotangents_are_two_arrays():
    a, b = trace_vjp(lambda x, y: np.sum(x) + np.sum(y), (X, X))[1](1.0)
    a += 1.0
    np.testing.assert_array_equal(b, np.ones(5))


def test_inner_arrays_are_not_written_to_outer_ones():
    def f(x):
        buffer = np.zeros_like(x)

        def inner(t):
            buffer[0] = t * x[0]
            return buffer[0] ** 2

        return trace_vjp(inner, (2.0,))[1](1.0)[0]

    with pytest.raises(SciadError, match="inner differentiation"):
        trace_vjp(f, (X,))


def test_outer_values_are_written_to_inner_arrays():
    def f(x):
        def inner(t):
            y = np.zeros_like(t)
            y[0] = x[0] ** 2
            y[1] = t[1] * x[1]
            v = y[:2]
            v[0] *= t[0]
            return y * y

        return trace_vjp(inner, (np.array([0.5, 2.0, 1.0]),))[1](np.ones(3))[0]

    check(f, X)


def test_a_large_constant_is_copied_once():
    weights = np.eye(400) * 0.9
    frozen = weights.copy()
    frozen.flags.writeable = False

    def peak(w):
        def f(x):
            for _ in range(20):
                x = w @ x
            return np.sum(x)

        tracemalloc.start()
        bar = trace_vjp(f, (np.ones(400),))[1](1.0)[0]
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        np.testing.assert_allclose(bar, 0.9**20)
        return size

    assert peak(weights) < 2.5 * weights.nbytes
    assert peak(frozen) < 0.5 * weights.nbytes


def test_a_zero_dimensional_store_is_an_error_too():
    """NumPy answers for 0-d arrays, which look like sequences to it; the reason is attached."""

    def f(x):
        buffer = np.zeros(3)
        buffer[0] = x
        return buffer

    with pytest.raises(ValueError, match="sequence") as caught:
        trace_vjp(f, (np.array(2.0),))
    assert isinstance(caught.value.__cause__, SciadError)
