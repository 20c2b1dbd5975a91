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
