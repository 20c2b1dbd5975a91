"""Repeated calls: the quick way gives what the general way gives, and sees every change."""

from __future__ import annotations

import numpy as np
import pytest
from interpret import interpreted

import sciad
from sciad import specialise, tree

FACTOR = 2.0


def weighted(x, w, k):
    total = 0.0
    for i in range(x.shape[0]):
        total += w * x[i] ** k
    return total


def scaled(x):
    return FACTOR * np.sum(x * x)


@pytest.fixture(autouse=True)
def _without_numba():
    with interpreted():
        yield


def test_value_and_gradient_again_with_other_numbers():
    both = sciad.value_and_grad(sciad.jit(weighted), argnums=(0, 1))
    two, three = np.array([1.0, 2.0]), np.array([1.0, 2.0, 3.0])
    for x, w, k in ((two, 0.5, 2), (-two, 2.0, 2), (three, 1.0, 3), (two, 1.0, 3)):
        for _ in range(2):
            value, (x_bar, w_bar) = both(x, w, k)
            assert value == pytest.approx(w * np.sum(x**k))
            np.testing.assert_allclose(x_bar, w * k * x ** (k - 1))
            assert w_bar == pytest.approx(np.sum(x**k))


def test_gradients_are_new_arrays_and_arguments_stay():
    gradient = sciad.grad(sciad.jit(scaled))
    x = np.array([1.0, -2.0])
    first = gradient(x)
    second = gradient(x)
    assert first is not second
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(x, [1.0, -2.0])


def test_a_changed_global_is_seen(monkeypatch):
    f = sciad.jit(scaled)
    gradient = sciad.grad(f)
    x = np.array([1.0, -2.0])
    np.testing.assert_allclose(gradient(x), 4 * x)
    assert f(x) == pytest.approx(10.0)
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    np.testing.assert_allclose(gradient(x), 6 * x)
    assert f(x) == pytest.approx(15.0)


def test_strided_arguments_and_other_types():
    f = sciad.jit(scaled)
    gradient = sciad.grad(f)
    x = np.arange(6.0)
    for view in (x, x[::2], x[::-1], np.float32([1.0, 2.0]), x.reshape(2, 3).T):
        np.testing.assert_allclose(gradient(view), 4 * view, rtol=1e-6)
        assert f(view) == pytest.approx(2 * np.sum(view * view))


def test_functions_that_write_into_arguments_do_so_every_time():
    def fill(x):
        x[0] += 1.0

    f = sciad.jit(fill)
    x = np.zeros(2)
    for _ in range(3):
        f(x)
    np.testing.assert_array_equal(x, [3.0, 0.0])


def test_after_enough_row_lengths_one_program_serves_all():
    def total(x):
        s = 0.0
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                s += x[i, j] ** 2
        return s

    f = sciad.jit(total)
    lengths = [2, 3, 5, 7, 9, 11, 13]
    for n in lengths:
        x = np.arange(3.0 * n).reshape(3, n)
        np.testing.assert_allclose(sciad.grad(f)(x), 2 * x)
    kinds = {f.program(*tree.flatten((np.ones((3, n)),))).inputs[0].kind.shape for n in lengths}
    assert len(kinds) == specialise.VARIANTS + 1
    assert (None, None) in kinds


def test_pullbacks_keep_what_was_there():
    """A pullback is of the arguments as they were, may be called again, and None stands for a cotangent of zero."""
    x = np.array([1.0, 2.0])
    value, pullback = sciad.vjp(sciad.jit(weighted), x, 0.5, 3)
    x[:] = 7.0
    assert value == 4.5
    for bar in (2.0, 1.0, -1.0):
        x_bar, w_bar, k_bar = pullback(bar)
        np.testing.assert_allclose(x_bar, [1.5 * bar, 6.0 * bar])
        assert w_bar == 9.0 * bar
        assert k_bar is None
    np.testing.assert_array_equal(pullback(None)[0], [0.0, 0.0])
