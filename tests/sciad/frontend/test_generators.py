"""Comprehensions that a function folds: what CPython raises, and what is asked only until the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

import sciad


def test_extreme_of_nothing():
    f = sciad.jit(lambda x: max(u for u in x if u > 0))
    assert f(np.array([-1.0, 2.0])) == 2.0
    with pytest.raises(ValueError, match="max"):
        f(np.array([-1.0, -2.0]))


def test_any_stops_at_the_answer():
    def first(x, n):
        return 1.0 if any(i >= n or x[i] > 9.0 for i in range(n + 1)) else 0.0

    assert sciad.jit(first)(np.zeros(3), 3) == first(np.zeros(3), 3) == 1.0


def test_first_of_equal_ones_takes_the_derivative():
    gradient = sciad.grad(sciad.jit(lambda x: max(u for u in x)))(np.array([1.0, 3.0, 3.0]))
    np.testing.assert_array_equal(gradient, [0.0, 1.0, 0.0])


def test_an_array_of_ints_is_not_made_of_floats():
    with pytest.raises(sciad.UnsupportedSyntax, match="fill an array"):
        sciad.jit(lambda x, n: x[np.array([2 * i for i in range(n)])].sum())(np.ones(3), 3)
