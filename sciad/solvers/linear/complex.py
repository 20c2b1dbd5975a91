"""Dense complex LU factorisation of W = (c_re + i c_im) M - h J with partial pivoting, for Radau methods.

``int64 factor_z(double c_re, double c_im, double h, intp slots)`` ``int64 solve_z(intp slots, intp b)`` and, with the
transposed matrix, ``solve_z_t``; numbers are pairs.
"""

from __future__ import annotations

from functools import cache

from sciad.solvers.linear.dense import OWN, UNROLLED, lapack
from sciad.solvers.link import HEADER, load_kernels

__all__ = ["dense_complex", "dense_complex_transposed"]

FORM = """
@njit(cache=False)
def form(c_re, c_im, h, slots):
    n, lu, jac = get_int(slots, N), get_int(slots, LUZ_AT), get_int(slots, J_AT)
    total = 0.0
    for i in range(n * n):
        x = -h * get_apart(jac, i)
        total = fast_add(total, 0.0 * x)
        put_apart(lu, 2 * i, x)
        put_apart(lu, 2 * i + 1, 0.0)
    mass = get_int(slots, MASS)
    for i in range(n if mass == 0 else 0):
        at = 2 * i * (n + 1)
        put(lu, at, get(lu, at) + c_re)
        put(lu, at + 1, c_im)
    for i in range(n * n if mass != 0 else 0):
        put(lu, 2 * i, get(lu, 2 * i) + c_re * get(mass, i))
        put(lu, 2 * i + 1, c_im * get(mass, i))
    return 0 if total == 0.0 else NOT_A_NUMBER


"""

PLAIN = """
@cfunc(kernel_signature(3, 1))
def factor_z(c_re, c_im, h, slots):
    n = {n}
    code = form(c_re, c_im, h, slots)
    if code != 0:
        return code
    lu, pivots = get_int(slots, LUZ_AT), get_int(slots, PIVOTSZ_AT)
    for k in range(n):
        row_k = lu + 16 * n * k
        best, at = -1.0, k
        for i in range(k, n):
            row = lu + 16 * n * i
            size = get(row, 2 * k) * get(row, 2 * k) + get(row, 2 * k + 1) * get(row, 2 * k + 1)
            if size > best:
                best, at = size, i
        if not best > 0.0:
            return SINGULAR
        put_int(pivots, k, at)
        if at != k:
            row = lu + 16 * n * at
            for j in range(2 * n):
                x = get(row, j)
                put(row, j, get(row_k, j))
                put(row_k, j, x)
        re, im = get(row_k, 2 * k) / best, -get(row_k, 2 * k + 1) / best
        put(row_k, 2 * k, re)
        put(row_k, 2 * k + 1, im)
        for i in range(k + 1, n):
            row = lu + 16 * n * i
            x, y = get(row, 2 * k), get(row, 2 * k + 1)
            a, b = x * re - y * im, x * im + y * re
            put(row, 2 * k, a)
            put(row, 2 * k + 1, b)
            for j in range(k + 1, n):
                u, v = get_apart(row_k, 2 * j), get_apart(row_k, 2 * j + 1)
                put_apart(row, 2 * j, get(row, 2 * j) - (a * u - b * v))
                put_apart(row, 2 * j + 1, get(row, 2 * j + 1) - (a * v + b * u))
    return 0


@cfunc(kernel_signature(0, 2))
def solve_z(slots, b):
    n = {n}
    lu, pivots = get_int(slots, LUZ_AT), get_int(slots, PIVOTSZ_AT)
    for k in range(n):
        at = get_int(pivots, k)
        for m in range(2):
            x = get(b, 2 * at + m)
            put(b, 2 * at + m, get(b, 2 * k + m))
            put(b, 2 * k + m, x)
    for i in range(1, n):
        row, re, im = lu + 16 * n * i, 0.0, 0.0
        for j in range(i):
            u, v, x, y = get(row, 2 * j), get(row, 2 * j + 1), get(b, 2 * j), get(b, 2 * j + 1)
            re = fast_add(re, u * x - v * y)
            im = fast_add(im, u * y + v * x)
        put(b, 2 * i, get(b, 2 * i) - re)
        put(b, 2 * i + 1, get(b, 2 * i + 1) - im)
    for i in range(n - 1, -1, -1):
        row, re, im = lu + 16 * n * i, 0.0, 0.0
        for j in range(i + 1, n):
            u, v, x, y = get(row, 2 * j), get(row, 2 * j + 1), get(b, 2 * j), get(b, 2 * j + 1)
            re = fast_add(re, u * x - v * y)
            im = fast_add(im, u * y + v * x)
        u, v, x, y = get(row, 2 * i), get(row, 2 * i + 1), get(b, 2 * i) - re, get(b, 2 * i + 1) - im
        put(b, 2 * i, u * x - v * y)
        put(b, 2 * i + 1, u * y + v * x)
    return 0
"""

PLAIN += """

@cfunc(kernel_signature(0, 2))
def solve_z_t(slots, b):
    n = {n}
    lu, pivots = get_int(slots, LUZ_AT), get_int(slots, PIVOTSZ_AT)
    for k in range(n):
        row = lu + 16 * n * k
        u, v, x, y = get(row, 2 * k), get(row, 2 * k + 1), get(b, 2 * k), get(b, 2 * k + 1)
        re, im = u * x - v * y, u * y + v * x
        put(b, 2 * k, re)
        put(b, 2 * k + 1, im)
        for j in range(k + 1, n):
            u, v = get(row, 2 * j), get(row, 2 * j + 1)
            put(b, 2 * j, get(b, 2 * j) - (u * re - v * im))
            put(b, 2 * j + 1, get(b, 2 * j + 1) - (u * im + v * re))
    for k in range(n - 1, 0, -1):
        row, re, im = lu + 16 * n * k, get(b, 2 * k), get(b, 2 * k + 1)
        for j in range(k):
            u, v = get(row, 2 * j), get(row, 2 * j + 1)
            put(b, 2 * j, get(b, 2 * j) - (u * re - v * im))
            put(b, 2 * j + 1, get(b, 2 * j + 1) - (u * im + v * re))
    for k in range(n - 1, -1, -1):
        at = get_int(pivots, k)
        for m in range(2):
            x = get(b, 2 * at + m)
            put(b, 2 * at + m, get(b, 2 * k + m))
            put(b, 2 * k + m, x)
    return 0
"""

LAPACK = """
@cfunc(kernel_signature(3, 1))
def factor_z(c_re, c_im, h, slots):
    code = form(c_re, c_im, h, slots)
    if code != 0:
        return code
    n_at, info = slots + 8 * N, slots + 8 * INFO
    put_int(slots, INFO, 0)
    call_address(get_int(slots, GETRF_Z), n_at, n_at, get_int(slots, LUZ_AT), n_at, get_int(slots, PIVOTSZ_AT), info)
    return 0 if get_int(slots, INFO) == 0 else SINGULAR


@njit(cache=False)
def lapack_solve(slots, b, letter):
    put_int(slots, LETTER, letter)
    put_int(slots, ONE, 1)
    lu, pivots, n_at, one, info = get_int(slots, LUZ_AT), get_int(slots, PIVOTSZ_AT), slots + 8 * N, slots + 8 * ONE, slots + 8 * INFO
    call_address(get_int(slots, GETRS_Z), slots + 8 * LETTER, n_at, one, lu, n_at, pivots, b, n_at, info)
    return 0


@cfunc(kernel_signature(0, 2))
def solve_z(slots, b):
    return lapack_solve(slots, b, 84)


@cfunc(kernel_signature(0, 2))
def solve_z_t(slots, b):
    return lapack_solve(slots, b, 78)
"""


@cache
def dense_complex(n: int) -> tuple[int, int, int, int]:
    """Addresses of `factor_z` and `solve_z` for n unknowns, and of the functions of LAPACK that they use, or 0."""
    module = _kernels(n)
    return module.factor_z.address, module.solve_z.address, *((lapack("zgetrf"), lapack("zgetrs")) if n > OWN else (0, 0))


def dense_complex_transposed(n: int) -> int:
    """Address of `solve_z_t` for n unknowns."""
    return _kernels(n).solve_z_t.address


@cache
def _kernels(n: int):
    if n > OWN:
        return load_kernels(HEADER + FORM + LAPACK, "luz_lapack")
    size = str(n) if n <= UNROLLED else "get_int(slots, N)"
    return load_kernels(HEADER + FORM + PLAIN.replace("{n}", size), f"luz_{n if n <= UNROLLED else 'n'}")
