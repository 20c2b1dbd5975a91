"""Recomputation in the reverse sweep: exact, smaller, and loud where it cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from tape_checks import check

from sciad.errors import SciadError
from sciad.tape import checkpoint, trace_jvp, trace_vjp

X = np.array([0.7, -1.3, 0.4])
B = np.array([2.0, 0.5, -1.0])


def block(x, w):
    for _ in range(3):
        x = np.tanh(w @ x) + x
    return x


W = np.arange(9.0).reshape(3, 3) / 9


def test_checkpoint_is_exact_and_runs_twice():
    calls = []

    def counted(x, w):
        calls.append(1)
        return block(x, w)

    def f(x, w, wrap):
        inner = wrap(counted)
        return np.sum(inner(inner(x, w), w) ** 2)

    out, pullback = trace_vjp(lambda x, w: f(x, w, checkpoint), (X, W))
    assert len(calls) == 2
    bars = pullback(1.0)
    assert len(calls) == 4
    want = trace_vjp(lambda x, w: f(x, w, lambda g: g), (X, W))[1](1.0)
    np.testing.assert_array_equal(bars[0], want[0])
    np.testing.assert_allclose(bars[1], want[1], rtol=1e-14)  # uses of w are summed block by block
    for a, b in zip(pullback(1.0), bars):
        np.testing.assert_array_equal(a, b)
    check(lambda x, w: f(x, w, checkpoint), X, W)


def test_checkpoint_keeps_closures_trees_and_writes():
    def f(x, w):
        v = w * 2

        @checkpoint
        def inner(p, n, scale=1.0):
            y = p["x"] * scale
            y[0] = v[0] @ y
            p["x"][1] = 5.0  # the caller's array, as in NumPy
            return {"y": y * n, "sum": (np.sum(y * v), 3)}

        z = x * 1.0
        out = inner({"x": z}, 2, scale=x[2])
        return out["y"], out["sum"][0] * z

    check(f, X, W)


def test_checkpoint_frees_what_it_recomputes():
    import tracemalloc

    def f(x, wrap):
        for _ in range(20):
            x = wrap(lambda x: np.sin(np.cos(np.exp(-np.sin(x) * 0.1))))(x)
        return np.sum(x)

    def peak(wrap):
        tracemalloc.start()
        trace_vjp(lambda x: f(x, wrap), (np.ones(100_000),))[1](1.0)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(checkpoint) < 0.5 * peak(lambda g: g)


def test_checkpoint_notices_what_is_not_a_function_of_its_arguments():
    rng = np.random.default_rng(0)
    random = checkpoint(lambda x: x * rng.standard_normal())
    _, pullback = trace_vjp(lambda x: np.sum(random(x)), (X,))
    with pytest.raises(SciadError, match="another result"):
        pullback(1.0)

    def changed(x):
        y = x * 1.0
        z = checkpoint(lambda x: x * y)(x)
        y[0] = 7.0
        return np.sum(z)

    with pytest.raises(SciadError, match="checkpoint"):
        trace_vjp(changed, (X,))[1](1.0)


def test_checkpoint_without_differentiation():
    np.testing.assert_array_equal(checkpoint(block)(X, W), block(X, W))
    want = trace_jvp(lambda x: block(x, W), (X,), (B,))[1]
    np.testing.assert_array_equal(trace_jvp(lambda x: checkpoint(block)(x, W), (X,), (B,))[1], want)
    bar = trace_vjp(lambda x: checkpoint(lambda x: x[1:])(x) * checkpoint(lambda x: 2.0)(x), (X,))[1](np.ones(2))[0]
    np.testing.assert_array_equal(bar, [0.0, 2.0, 2.0])
