"""Comprehensions that a function folds: what CPython raises, and what is asked only until the answer is known."""

from __future__ import annotations

import math

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


def test_names_of_the_program_are_its_own():
    """Whatever a program calls its variables, and with Python's scope of the first iterable."""

    def f(x, start, total_, best, n, y, k, iterable):
        first = sum(v * start * total_ for v in x) + math.prod(v + start for v in x) + max(v * best for v in x)
        return first + np.sum(np.array([v * n + y - k for v in x])) + sum(x * x for x in x) + sum(v * iterable for v in x)

    args = (np.array([1.5, 2.5]), 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0)
    assert sciad.jit(f)(*args) == pytest.approx(f(*args), rel=1e-14)


def test_further_arguments():
    f = sciad.jit(lambda x: sum((v for v in x), start=1.0) + sum((v for v in x), 2.0) + math.prod((v for v in x), start=3.0))
    assert f(np.array([2.0, 5.0])) == 1 + 7 + 2 + 7 + 30
    with pytest.raises(sciad.UnsupportedSyntax):
        sciad.jit(lambda x: max((v for v in x), 9.0))(np.ones(2))
    with pytest.raises(sciad.UnsupportedSyntax):
        sciad.jit(lambda x: max((v for v in x), default=9.0))(np.ones(2))


def test_masks_are_no_indices():
    with pytest.raises(sciad.UnsupportedSyntax, match="array of ints"):
        sciad.jit(lambda y, m: np.add.at(y, m, 1.0))(np.ones(3), np.array([True, False, True]))
