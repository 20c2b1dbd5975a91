"""Hand-written compiled helpers that generated code calls: matrix products of any strides."""

from __future__ import annotations

import numpy as np

from sciad.backend import fast_add, njit
from sciad.backend import unsigned as _u

__all__ = ["gemm"]


@njit
def gemm(a, oa, ra, ca, b, ob, rb, cb, c, oc, rc, cc, m, k, n, accumulate):
    """``C[i, j] (+)= sum_l A[i, l] B[l, j]`` on flat arrays with offsets and strides (rows r, columns c).

    C overlaps neither A nor B.  Where elements of C are the same memory, they are added to one by one.
    """
    if not accumulate:
        for i in range(m):
            for j in range(n):
                c[_u(oc + i * rc + j * cc)] = 0.0
    if m <= 0 or k <= 0 or n <= 0:
        return
    if n == 1:
        if ra == 1 and rc == 1 and m >= 4:
            _rows(b, ob, 0, rb, a, oa, ca, c, oc, 0, 1, k, m)  # the transposed product, whose one row is contiguous
        else:
            _sums(a, oa, ra, ca, b, ob, rb, cb, c, oc, rc, cc, m, k, n)
    elif cc == 1 and (m == 1 or abs(rc) >= n) and (cb == 1 or m >= 8):
        _into_rows(a, oa, ra, ca, b, ob, rb, cb, c, oc, rc, m, k, n)
    elif rc == 1 and abs(cc) >= m and (ra == 1 or n >= 8):
        _into_rows(b, ob, cb, rb, a, oa, ca, ra, c, oc, cc, n, k, m)
    else:
        _sums(a, oa, ra, ca, b, ob, rb, cb, c, oc, rc, cc, m, k, n)


@njit
def _into_rows(a, oa, ra, ca, b, ob, rb, cb, c, oc, rc, m, k, n):
    """``C += A B`` where the rows of C are contiguous; a B whose rows are not is copied first."""
    if cb == 1:
        _rows(a, oa, ra, ca, b, ob, rb, c, oc, rc, m, k, n)
        return
    packed = np.empty(k * n, np.float64)
    for p in range(k):
        for j in range(n):
            packed[_u(p * n + j)] = b[_u(ob + p * rb + j * cb)]
    _rows(a, oa, ra, ca, packed, 0, n, c, oc, rc, m, k, n)


@njit
def _rows(a, oa, ra, ca, b, ob, rb, c, oc, rc, m, k, n):
    """``C += A B`` with contiguous rows of B and C, four rows of C and of B at a time."""
    whole = m - m % 4
    for i in range(0, whole, 4):
        for p in range(0, k - k % 4, 4):
            _four_rows(a, oa + i * ra + p * ca, ra, ca, b, ob + p * rb, rb, c, oc + i * rc, rc, n)
        for p in range(k - k % 4, k):
            _one_term(a, oa + i * ra + p * ca, ra, b, ob + p * rb, c, oc + i * rc, rc, n)
    for i in range(whole, m):
        for p in range(0, k - k % 4, 4):
            _one_row(a, oa + i * ra + p * ca, ca, b, ob + p * rb, rb, c, oc + i * rc, n)
        for p in range(k - k % 4, k):
            s, start, target = a[_u(oa + i * ra + p * ca)], ob + p * rb, oc + i * rc
            for j in range(n):
                c[_u(target + j)] += s * b[_u(start + j)]


@njit
def _four_rows(a, i0, ra, ca, b, b0, rb, c, c0, rc, n):
    """Four rows of C gain four terms each: sixteen multiplications for eight loads and four stores."""
    i1, i2, i3 = i0 + ra, i0 + 2 * ra, i0 + 3 * ra
    s00, s01, s02, s03 = a[_u(i0)], a[_u(i0 + ca)], a[_u(i0 + 2 * ca)], a[_u(i0 + 3 * ca)]
    s10, s11, s12, s13 = a[_u(i1)], a[_u(i1 + ca)], a[_u(i1 + 2 * ca)], a[_u(i1 + 3 * ca)]
    s20, s21, s22, s23 = a[_u(i2)], a[_u(i2 + ca)], a[_u(i2 + 2 * ca)], a[_u(i2 + 3 * ca)]
    s30, s31, s32, s33 = a[_u(i3)], a[_u(i3 + ca)], a[_u(i3 + 2 * ca)], a[_u(i3 + 3 * ca)]
    b1, b2, b3 = b0 + rb, b0 + 2 * rb, b0 + 3 * rb
    c1, c2, c3 = c0 + rc, c0 + 2 * rc, c0 + 3 * rc
    for j in range(n):
        x0, x1, x2, x3 = b[_u(b0 + j)], b[_u(b1 + j)], b[_u(b2 + j)], b[_u(b3 + j)]
        y0, y1, y2, y3 = c[_u(c0 + j)], c[_u(c1 + j)], c[_u(c2 + j)], c[_u(c3 + j)]
        c[_u(c0 + j)] = y0 + s00 * x0 + s01 * x1 + s02 * x2 + s03 * x3
        c[_u(c1 + j)] = y1 + s10 * x0 + s11 * x1 + s12 * x2 + s13 * x3
        c[_u(c2 + j)] = y2 + s20 * x0 + s21 * x1 + s22 * x2 + s23 * x3
        c[_u(c3 + j)] = y3 + s30 * x0 + s31 * x1 + s32 * x2 + s33 * x3


@njit
def _one_term(a, i0, ra, b, b0, c, c0, rc, n):
    """Four rows of C gain one term each."""
    s0, s1, s2, s3 = a[_u(i0)], a[_u(i0 + ra)], a[_u(i0 + 2 * ra)], a[_u(i0 + 3 * ra)]
    c1, c2, c3 = c0 + rc, c0 + 2 * rc, c0 + 3 * rc
    for j in range(n):
        x = b[_u(b0 + j)]
        y0, y1, y2, y3 = c[_u(c0 + j)], c[_u(c1 + j)], c[_u(c2 + j)], c[_u(c3 + j)]
        c[_u(c0 + j)] = y0 + s0 * x
        c[_u(c1 + j)] = y1 + s1 * x
        c[_u(c2 + j)] = y2 + s2 * x
        c[_u(c3 + j)] = y3 + s3 * x


@njit
def _one_row(a, i0, ca, b, b0, rb, c, c0, n):
    """One row of C gains four terms."""
    s0, s1, s2, s3 = a[_u(i0)], a[_u(i0 + ca)], a[_u(i0 + 2 * ca)], a[_u(i0 + 3 * ca)]
    b1, b2, b3 = b0 + rb, b0 + 2 * rb, b0 + 3 * rb
    for j in range(n):
        c[_u(c0 + j)] += (s0 * b[_u(b0 + j)] + s1 * b[_u(b1 + j)]) + (s2 * b[_u(b2 + j)] + s3 * b[_u(b3 + j)])


@njit
def _sums(a, oa, ra, ca, b, ob, rb, cb, c, oc, rc, cc, m, k, n):
    """``C += A B``, each element a sum along its row of A and column of B."""
    for i in range(m):
        for j in range(n):
            s, x, y = 0.0, oa + i * ra, ob + j * cb
            if ca == 1 and rb == 1:
                for p in range(k):
                    s = fast_add(s, a[_u(x + p)] * b[_u(y + p)])
            else:
                for p in range(k):
                    s = fast_add(s, a[_u(x + p * ca)] * b[_u(y + p * rb)])
            c[_u(oc + i * rc + j * cc)] += s
