"""Newton's iteration for x = base + gamma h f(t, x), and the solution of its linear systems, as kernels over raw memory."""

from __future__ import annotations

from sciad.backend import call_address
from sciad.solvers.memory import get, get_int, put, put_int

__all__ = ["KERNELS", "factor", "solve", "solve_transposed", "matrix", "newton"]


def matrix(gh, n, lu):
    """Turn the Jacobian J into I - gh J, in place."""
    for i in range(n * n):
        put(lu, i, -gh * get(lu, i))
    for i in range(n):
        put(lu, i * n + i, 1.0 + get(lu, i * n + i))


def factor(n, lu, pivot):
    """LU factorisation with row exchanges, in place; 0, or 1 where the matrix is singular."""
    for k in range(n):
        best, row = abs(get(lu, k * n + k)), k
        for i in range(k + 1, n):
            if abs(get(lu, i * n + k)) > best:
                best, row = abs(get(lu, i * n + k)), i
        put_int(pivot, k, row)
        if not best > 0.0:
            return 1
        if row != k:
            for j in range(n):
                kept = get(lu, k * n + j)
                put(lu, k * n + j, get(lu, row * n + j))
                put(lu, row * n + j, kept)
        for i in range(k + 1, n):
            ratio = get(lu, i * n + k) / get(lu, k * n + k)
            put(lu, i * n + k, ratio)
            for j in range(k + 1, n):
                put(lu, i * n + j, get(lu, i * n + j) - ratio * get(lu, k * n + j))
    return 0


def solve(n, lu, pivot, x):
    """Solve A x = b in place, from the factors of A."""
    for k in range(n):
        row = get_int(pivot, k)
        kept = get(x, k)
        put(x, k, get(x, row))
        put(x, row, kept)
    for i in range(n):
        total = get(x, i)
        for j in range(i):
            total -= get(lu, i * n + j) * get(x, j)
        put(x, i, total)
    for i in range(n - 1, -1, -1):
        total = get(x, i)
        for j in range(i + 1, n):
            total -= get(lu, i * n + j) * get(x, j)
        put(x, i, total / get(lu, i * n + i))


def solve_transposed(n, lu, pivot, x):
    """Solve A^T x = b in place, from the factors of A."""
    for i in range(n):
        total = get(x, i)
        for j in range(i):
            total -= get(lu, j * n + i) * get(x, j)
        put(x, i, total / get(lu, i * n + i))
    for i in range(n - 1, -1, -1):
        total = get(x, i)
        for j in range(i + 1, n):
            total -= get(lu, j * n + i) * get(x, j)
        put(x, i, total)
    for k in range(n - 1, -1, -1):
        row = get_int(pivot, k)
        kept = get(x, k)
        put(x, k, get(x, row))
        put(x, row, kept)


def newton(t, gh, n, f, jac, p, base, x, k, lu, update, pivot):
    """Solve x = base + gh f(t, x) to rounding, from x = base on, with a new Jacobian each time; leaves f(t, x) in k.

    Returns 0, or 1 where a function aborted, a matrix was singular or thirty iterations were not enough.
    """
    for i in range(n):
        put(x, i, get(base, i))
    last = 1e300
    for _iteration in range(30):
        if call_address(f, t, x, p, k) != 0 or call_address(jac, t, x, p, lu) != 0:
            return 1
        matrix(gh, n, lu)
        for i in range(n):
            put(update, i, get(base, i) + gh * get(k, i) - get(x, i))
        if factor(n, lu, pivot) != 0:
            return 1
        solve(n, lu, pivot, update)
        ratio = 0.0
        for i in range(n):
            d = get(update, i)
            put(x, i, get(x, i) + d)
            ratio = max(ratio, abs(d) / (abs(get(x, i)) + abs(get(base, i)) + 1e-30))
            if not abs(d) < 1e300:
                return 1
        if ratio < 1e-14 or (ratio < 1e-9 and ratio > 0.25 * last):
            return call_address(f, t, x, p, k)
        last = ratio
    return 1


KERNELS = (matrix, factor, solve, solve_transposed, newton)
