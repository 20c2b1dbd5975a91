"""Matrix products of any strides against NumPy's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sciad.kernels import gemm

rng = np.random.default_rng(0)


def stored(rows, columns, how):
    """Random memory, and offset and strides of a matrix in it: row by row, column by column, with gaps, backwards."""
    if how == "rows":
        return rng.random(rows * columns), 0, columns, 1
    if how == "columns":
        return rng.random(rows * columns), 0, 1, rows
    if how == "gaps":
        return rng.random(3 + rows * columns * 6), 3, 2 * columns * 3, 3
    return rng.random(rows * columns), rows * columns - 1, -columns, -1


def dense(memory, offset, row, column, m, n):
    """The matrix itself."""
    return np.array([[memory[offset + i * row + j * column] for j in range(n)] for i in range(m)]).reshape(m, n)


@pytest.mark.parametrize("m", [0, 1, 3, 4, 9])
def test_products_of_all_shapes_and_strides(m):
    for k, n in itertools.product([0, 1, 3, 9], [0, 1, 2, 5, 9]):
        for hows in itertools.product(["rows", "columns", "gaps", "backwards"], repeat=3):
            a, b, c = (stored(*shape, how) for shape, how in zip(((m, k), (k, n), (m, n)), hows))
            for accumulate in (True, False):
                expected = dense(*a, m, k) @ dense(*b, k, n) + accumulate * dense(*c, m, n)
                target = c[0].copy()
                gemm(*a, *b, target, *c[1:], m, k, n, accumulate)
                np.testing.assert_allclose(dense(target, *c[1:], m, n), expected, rtol=1e-13)
                if hows[2] == "gaps":  # nothing between the elements is touched
                    assert np.count_nonzero(target != c[0]) <= m * n


@pytest.mark.parametrize(("row", "column"), [(0, 1), (3, 1), (1, 3), (1, 0), (0, 0), (-2, 1)])
def test_elements_that_are_the_same_memory_gain_all_their_terms(row, column):
    m, k, n = 9, 6, 10
    a, b = rng.random((m, k)), rng.random((k, n))
    target, expected = np.zeros(120), np.zeros(120)
    start = 40
    for i, j in itertools.product(range(m), range(n)):
        expected[start + i * row + j * column] += a[i] @ b[:, j]
    gemm(a.ravel(), 0, k, 1, b.ravel(), 0, n, 1, target, start, row, column, m, k, n, True)
    np.testing.assert_allclose(target, expected, rtol=1e-13)


def test_nothing_is_read_where_an_extent_is_not_positive():
    target = np.ones(4)
    for m, k, n in ((-1, 4, 4), (4, -3, 1), (4, 4, 0), (4, 0, 1)):
        gemm(np.empty(0), 0, 1, 1, np.empty(0), 0, 1, 1, target, 0, 1, 1, m, k, n, True)
    np.testing.assert_array_equal(target, 1.0)
