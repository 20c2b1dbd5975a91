"""Hand-written compiled helpers that generated code calls: matrix products of any strides."""

from __future__ import annotations

from sciad.backend import fast_add, njit

__all__ = ["gemm"]


@njit
def gemm(a, oa, ra, ca, b, ob, rb, cb, c, oc, rc, cc, m, k, n, accumulate):
    """``C[i, j] (+)= sum_l A[i, l] B[l, j]`` on flat arrays with offsets and strides (rows r, columns c)."""
    if not accumulate:
        for i in range(m):
            for j in range(n):
                c[oc + i * rc + j * cc] = 0.0
    if cb == 1 and cc == 1:
        for i in range(m):
            for p in range(k):
                s = a[oa + i * ra + p * ca]
                for j in range(n):
                    c[oc + i * rc + j] += s * b[ob + p * rb + j]
    elif ca == 1 and rb == 1:
        for i in range(m):
            for j in range(n):
                s = 0.0
                for p in range(k):
                    s = fast_add(s, a[oa + i * ra + p] * b[ob + p + j * cb])
                c[oc + i * rc + j * cc] += s
    else:
        for i in range(m):
            for j in range(n):
                s = 0.0
                for p in range(k):
                    s = fast_add(s, a[oa + i * ra + p * ca] * b[ob + p * rb + j * cb])
                c[oc + i * rc + j * cc] += s
