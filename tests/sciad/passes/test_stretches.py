"""`sciad.checkpoint` in compiled functions: the same derivatives, from the memory of a few states."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

import sciad
from sciad.errors import UnsupportedSyntax


def recurrence(x, a, n):
    for _ in sciad.checkpoint(range(n)):
        x = x + 0.1 * math.sin(a * x)
    return x


def recurrence_slopes(x, a, n):
    """The derivatives of the recurrence, by hand, forward."""
    dx, da = 1.0, 0.0
    for _ in range(n):
        slope = 0.1 * math.cos(a * x)
        dx, da, x = dx * (1.0 + slope * a), da * (1.0 + slope * a) + slope * x, x + 0.1 * math.sin(a * x)
    return x, dx, da


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 9, 50])
def test_scalar_loop_of_any_length(n):
    value, (dx, da) = sciad.value_and_grad(sciad.jit(recurrence), argnums=(0, 1))(0.5, 1.3, n)
    np.testing.assert_allclose((value, dx, da), recurrence_slopes(0.5, 1.3, n), rtol=1e-13)


def waves(u, c, n):
    """In-place sweeps over two arrays, one of them scratch, with a branch and an inner loop to a tolerance."""
    work = np.zeros(u.size)
    energy = 0.0
    for step in sciad.checkpoint(range(n)):
        for i in range(u.size):
            work[i] = c[i] * (u[i - 1] - 2.0 * u[i] + u[(i + 1) % u.size])
        for i in range(u.size):
            if step % 2 == 0 or work[i] > 0.0:
                u[i] += 0.1 * work[i]
        r = abs(work[0]) + 1.0
        while r > 0.5:
            r = 0.6 * r
        energy += r * u[step % u.size]
    return energy + np.sum(u * u)


def rows(y, coupling, n):
    """A function with an array result, called in a checkpoint, in a loop."""
    for _ in range(n):
        y = sciad.checkpoint(_row_step)(y, coupling)
    return np.sum(y * y)


def _row_step(y, coupling):
    return y + 0.1 * np.sin(coupling * y[::-1])


def pairs(x, n):
    y = 0.3
    for _ in range(n):
        x, y = sciad.checkpoint(_pair)(x, y)
    return x * y


def _pair(x, y):
    return math.sin(x * y) + x, y + 0.1 * y * x


@pytest.mark.parametrize(
    ("function", "args", "wrt"),
    [
        (lambda u, c, n: waves(u.copy(), c, n), (np.cos(np.arange(5.0)), np.linspace(0.5, 1.5, 5), 11), (0, 1)),
        (rows, (np.linspace(0.1, 1.0, 4), 0.7, 6), (0, 1)),
        (pairs, (0.4, 7), (0,)),
    ],
    ids=["waves", "rows", "pairs"],
)
def test_against_differences_of_the_python_function(function, args, wrt):
    value, bars = sciad.value_and_grad(sciad.jit(function), argnums=wrt)(*args)
    assert value == pytest.approx(float(function(*args)), rel=1e-13)
    for k, bar in zip(wrt, bars):
        bar = np.atleast_1d(bar)
        for j in range(bar.size):

            def moved(step, k=k, j=j):
                given = [np.array(a, float) if i == k else a for i, a in enumerate(args)]
                given[k].reshape(-1)[j] += step
                given[k] = given[k] if given[k].ndim else float(given[k])
                return float(function(*given))

            h = 1e-5  # no kink this near
            slope = (8 * (moved(h) - moved(-h)) - moved(2 * h) + moved(-2 * h)) / (12 * h)
            assert bar[j] == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_what_is_kept_are_two_square_roots():
    """A hundred thousand steps of a scalar loop: the tape of one number a step would be 800 kB."""
    both = sciad.value_and_grad(sciad.jit(recurrence))
    source = sciad.derivative_source(sciad.jit(recurrence), 0.5, 1.3, 10)
    assert "stretch" in source
    both(0.5, 1.3, 10)
    tracemalloc.start()
    value, dx = both(0.5, 1.3, 100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert math.isfinite(value)
    assert peak < 80_000


def test_forward_over_reverse():
    def square(x):
        for _ in sciad.checkpoint(range(5)):
            x = x * x * 0.9
        return x

    x = 1.05  # 0.9^31 x^32
    assert sciad.hvp(sciad.jit(square), (x,), (1.0,)) == pytest.approx(0.9**31 * 32 * 31 * x**30, rel=1e-12)


def test_leaving_a_loop_is_refused():
    def f(x):
        for _ in sciad.checkpoint(range(10)):
            if x > 2.0:
                break
            x = x * 1.5
        return x

    with pytest.raises(UnsupportedSyntax, match="checkpoint"):
        sciad.grad(sciad.jit(f))(1.0)


def test_a_range_is_a_range_outside():
    assert sciad.checkpoint(range(3)) == range(3)
    assert recurrence(0.5, 1.3, 4) == recurrence_slopes(0.5, 1.3, 4)[0]
