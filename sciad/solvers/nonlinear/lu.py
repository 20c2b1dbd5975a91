"""LU factors of a dense matrix on addresses: plain loops for small systems, LAPACK called through its address for large ones."""

from __future__ import annotations

import ctypes
from functools import cache

from sciad.backend import call_address
from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.nonlinear.slots import GETRF, GETRS, INTS, N

__all__ = ["SMALL", "factor", "solve", "solve_transposed", "lapack"]

SMALL = 32  # up to this size plain loops are as fast as LAPACK


def factor(slots, a, pivots):
    """Factor the row-major matrix at `a` in place, with partial pivoting; 0, or 1 + the column without a pivot.

    Small systems: pivots are stored as their reciprocals.
    """
    n = get_int(slots, N)
    if get_int(slots, GETRF) != 0:  # LAPACK reads columns, so these are factors of the transposed matrix
        ints = get_int(slots, INTS)
        put_int(ints, 0, n)
        put_int(ints, 2, 0)
        call_address(get_int(slots, GETRF), ints, ints, a, ints, pivots, ints + 16)
        return get_int(ints, 2)
    for k in range(n):
        best, row = 0.0, -1
        for i in range(k, n):
            size = abs(get(a, i * n + k))
            if size > best:
                best, row = size, i
        if row < 0:
            return k + 1
        put_int(pivots, k, row)
        if row != k:
            for j in range(n):
                other = get(a, row * n + j)
                put(a, row * n + j, get(a, k * n + j))
                put(a, k * n + j, other)
        inverse = 1.0 / get(a, k * n + k)
        put(a, k * n + k, inverse)
        for i in range(k + 1, n):
            ratio = get(a, i * n + k) * inverse
            put(a, i * n + k, ratio)
            if ratio != 0.0:
                for j in range(k + 1, n):
                    put(a, i * n + j, get(a, i * n + j) - ratio * get(a, k * n + j))
    return 0


def by_lapack(slots, letter, a, pivots, b):
    """dgetrs for one right-hand side, in place."""
    ints = get_int(slots, INTS)
    put_int(ints, 0, get_int(slots, N))
    put_int(ints, 1, 1)
    put_int(ints, 3, letter)
    call_address(get_int(slots, GETRS), ints + 24, ints, ints + 8, a, ints, pivots, b, ints, ints + 16)


def solve(slots, a, pivots, b):
    """b = A^-1 b from the factors of A."""
    n = get_int(slots, N)
    if get_int(slots, GETRS) != 0:
        by_lapack(slots, 84, a, pivots, b)  # "T"
        return
    for k in range(n):
        row = get_int(pivots, k)
        if row != k:
            other = get(b, row)
            put(b, row, get(b, k))
            put(b, k, other)
    for k in range(n):  # column by column: the updates of one column do not wait for each other, as the terms of an inner product do
        value = get(b, k)
        for i in range(k + 1, n):
            put(b, i, get(b, i) - get(a, i * n + k) * value)
    for back in range(n):
        k = n - 1 - back
        value = get(b, k) * get(a, k * n + k)
        put(b, k, value)
        for i in range(k):
            put(b, i, get(b, i) - get(a, i * n + k) * value)


def solve_transposed(slots, a, pivots, b):
    """b = A^-T b from the factors of A."""
    n = get_int(slots, N)
    if get_int(slots, GETRS) != 0:
        by_lapack(slots, 78, a, pivots, b)  # "N"
        return
    for i in range(n):
        value = get(b, i) * get(a, i * n + i)
        put(b, i, value)
        for j in range(i + 1, n):
            put(b, j, get(b, j) - get(a, i * n + j) * value)
    for back in range(n):
        i = n - 1 - back
        value = get(b, i)
        for j in range(i):
            put(b, j, get(b, j) - get(a, i * n + j) * value)
    for back in range(n):
        k = n - 1 - back
        row = get_int(pivots, k)
        if row != k:
            other = get(b, row)
            put(b, row, get(b, k))
            put(b, k, other)


@cache
def lapack() -> tuple[int, int]:
    """Addresses of SciPy's dgetrf and dgetrs."""
    from scipy.linalg import cython_lapack

    name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    found = [cython_lapack.__pyx_capi__[key] for key in ("dgetrf", "dgetrs")]
    first, second = [pointer(capsule, name(capsule)) for capsule in found]
    return first, second
