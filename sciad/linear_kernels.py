"""Compiled dense linear algebra that generated code calls: flat row-major arrays in, flat arrays out, a status instead of an exception.

A factorisation travels as one float64 array: the n*n factors, the n pivots, and a status (0, or 1 + the column that has no pivot).
"""

from __future__ import annotations

import numpy as np

from sciad.backend import njit

__all__ = ["lu_size", "solve", "solve_again", "determinant", "cholesky", "eigh"]


def lu_size(n: int) -> int:
    """Entries of a factorisation of an n by n matrix."""
    return n * n + n + 1


@njit
def factor(a, lu, n):
    """LU factors with partial pivoting: Golub & Van Loan, Matrix Computations, algorithm 3.4.1."""
    for k in range(n * n):
        lu[k] = a[k]
    lu[n * n + n] = 0.0
    for k in range(n):
        p, best = k, abs(lu[k * n + k])
        for i in range(k + 1, n):
            size = abs(lu[i * n + k])
            if size > best:
                p, best = i, size
        lu[n * n + k] = p
        if not best > 0.0:  # a NaN has no pivot either
            lu[n * n + n] = k + 1.0
            return
        if p != k:
            for j in range(n):
                lu[k * n + j], lu[p * n + j] = lu[p * n + j], lu[k * n + j]
        for i in range(k + 1, n):
            factor_ik = lu[i * n + k] / lu[k * n + k]
            lu[i * n + k] = factor_ik
            if factor_ik != 0.0:
                for j in range(k + 1, n):
                    lu[i * n + j] -= factor_ik * lu[k * n + j]


@njit
def _swap(x, k, p, m):
    for j in range(m):
        x[k * m + j], x[p * m + j] = x[p * m + j], x[k * m + j]


@njit
def _subtract(x, i, k, scale, m):
    for j in range(m):
        x[i * m + j] -= scale * x[k * m + j]


@njit
def _divide(x, k, pivot, m):
    for j in range(m):
        x[k * m + j] /= pivot


@njit
def solve_again(a, lu, b, x, n, m, transposed):
    """``x = a^-1 b`` (``a^-T b`` where `transposed`) from the factors of `a`; b and x are n by m."""
    for k in range(n * m):
        x[k] = b[k]
    if not transposed:
        for k in range(n):
            _swap(x, k, int(lu[n * n + k]), m)
        for i in range(n):
            for k in range(i):
                _subtract(x, i, k, lu[i * n + k], m)
        for i in range(n - 1, -1, -1):
            for k in range(i + 1, n):
                _subtract(x, i, k, lu[i * n + k], m)
            _divide(x, i, lu[i * n + i], m)
    else:
        for k in range(n):
            _divide(x, k, lu[k * n + k], m)
            for i in range(k + 1, n):
                _subtract(x, i, k, lu[k * n + i], m)
        for k in range(n - 1, -1, -1):
            for i in range(k):
                _subtract(x, i, k, lu[k * n + i], m)
        for k in range(n - 1, -1, -1):
            _swap(x, k, int(lu[n * n + k]), m)


@njit
def solve(a, b, x, lu, n, m):
    """``x = a^-1 b``, and the factors of `a`."""
    factor(a, lu, n)
    if lu[n * n + n] == 0.0:
        solve_again(a, lu, b, x, n, m, 0)


@njit
def determinant(a, out, n):
    """out = (determinant, its sign, logarithm of its size)."""
    lu = np.empty(n * n + n + 1)
    factor(a, lu, n)
    if lu[n * n + n] != 0.0:
        out[0], out[1], out[2] = 0.0, 0.0, -np.inf
        return
    value, sign, logarithm = 1.0, 1.0, 0.0
    for k in range(n):
        pivot = lu[k * n + k]
        if lu[n * n + k] != k:
            value, sign = -value, -sign
        if pivot < 0.0:
            sign = -sign
        value *= pivot
        logarithm += np.log(abs(pivot))
    out[0], out[1], out[2] = value, sign, logarithm


@njit
def cholesky(a, lower, status, n):
    """The lower factor of the symmetric matrix whose lower triangle is given; status 0, or 1 + the row that fails."""
    status[0] = 0.0
    for i in range(n):
        for j in range(i + 1):
            s = a[i * n + j]
            for k in range(j):
                s -= lower[i * n + k] * lower[j * n + k]
            if i > j:
                lower[i * n + j] = s / lower[j * n + j]
            elif s > 0.0:
                lower[i * n + i] = np.sqrt(s)
            else:
                status[0] = i + 1.0
                return
        for j in range(i + 1, n):
            lower[i * n + j] = 0.0


@njit
def eigh(a, w, v, status, n):
    """Eigenvalues, ascending, and eigenvectors (columns) of the symmetric matrix whose lower triangle is given; LAPACK."""
    status[0] = 0.0
    for k in range(n * n):
        if not np.isfinite(a[k]):
            status[0] = 1.0
            return
    values, vectors = np.linalg.eigh(a.reshape((n, n)))
    for i in range(n):
        w[i] = values[i]
        for j in range(n):
            v[i * n + j] = vectors[i, j]
