"""Banded LU factorisation of W = c I - h J by LAPACK (dgbtrf, dgbtrs); J comes from products for l + u + 1 colours.

Columns of length 2 l + u + 1: entry (i, j) of J at l + u + i - j.  LAPACK sees the matrix itself, not its transpose.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from sciad.solvers.linear.colouring import colour_table, evaluate_address
from sciad.solvers.linear.dense import LinearSolver, lapack
from sciad.solvers.link import HEADER, load_kernels

__all__ = ["Banded"]

KERNELS = """
@cfunc(kernel_signature(2, 1))
def factor(c, h, slots):
    n, lu, jac, lower, upper = get_int(slots, N), get_int(slots, LU_AT), get_int(slots, J_AT), get_int(slots, LBAND), get_int(slots, UBAND)
    width, total = 2 * lower + upper + 1, 0.0
    for i in range(n * width):
        x = -h * get_apart(jac, i)
        total = fast_add(total, 0.0 * x)
        put_apart(lu, i, x)
    if total != 0.0:
        return NOT_A_NUMBER
    for j in range(n):
        at = width * j + lower + upper
        put(lu, at, get(lu, at) + c)
    put_int(slots, WIDTH_OF_BAND, width)
    put_int(slots, INFO, 0)
    n_at, l_at, u_at, width_at = slots + 8 * N, slots + 8 * LBAND, slots + 8 * UBAND, slots + 8 * WIDTH_OF_BAND
    call_address(get_int(slots, GETRF), n_at, n_at, l_at, u_at, lu, width_at, get_int(slots, PIVOTS_AT), slots + 8 * INFO)
    return 0 if get_int(slots, INFO) == 0 else SINGULAR


@njit(cache=False)
def banded_solve(slots, b, letter):
    put_int(slots, LETTER, letter)
    put_int(slots, ONE, 1)
    n_at, l_at, u_at, width_at, one = slots + 8 * N, slots + 8 * LBAND, slots + 8 * UBAND, slots + 8 * WIDTH_OF_BAND, slots + 8 * ONE
    lu, pivots, letter_at, info = get_int(slots, LU_AT), get_int(slots, PIVOTS_AT), slots + 8 * LETTER, slots + 8 * INFO
    call_address(get_int(slots, GETRS), letter_at, n_at, l_at, u_at, one, lu, width_at, pivots, b, n_at, info)
    return 0


@cfunc(kernel_signature(0, 2))
def solve(slots, b):
    return banded_solve(slots, b, 78)


@cfunc(kernel_signature(0, 2))
def solve_t(slots, b):
    return banded_solve(slots, b, 84)


@cfunc(kernel_signature(0, 3))
def multiply(slots, x, out):
    n, jac, lower, upper = get_int(slots, N), get_int(slots, J_AT), get_int(slots, LBAND), get_int(slots, UBAND)
    width = 2 * lower + upper + 1
    for i in range(n):
        put(out, i, 0.0)
    for j in range(n):
        for i in range(max(0, j - upper), min(n, j + lower + 1)):
            put(out, i, get(out, i) + get(jac, width * j + lower + upper + i - j) * get(x, j))
    return 0
"""


@cache
def _kernels():
    return load_kernels(HEADER + KERNELS, "lu_banded")


class Banded:
    """Linear algebra for Jacobians with `lower` diagonals below and `upper` above the main one; ValueError for impossible ones."""

    name = "banded"

    def __init__(self, n: int, lower: int, upper: int) -> None:
        if not (0 <= lower < max(n, 1) and 0 <= upper < max(n, 1)):
            raise ValueError(f"lband = {lower} and uband = {upper} must lie between 0 and {n - 1} for {n} states")
        self.n, self.lower, self.upper = n, lower, upper
        width = 2 * lower + upper + 1
        self.j_size = self.lu_size = n * width
        columns = np.repeat(np.arange(n), lower + upper + 1)
        rows = columns + np.tile(np.arange(-upper, lower + 1), n)
        inside = (rows >= 0) & (rows < n)
        rows, columns = rows[inside], columns[inside]
        places = width * columns + lower + upper + rows - columns
        self.table, self.arrays = colour_table(rows, columns, places, np.arange(n) % (lower + upper + 1))

    def addresses(self) -> LinearSolver:
        """Addresses of the kernels."""
        k = _kernels()
        return LinearSolver(
            k.factor.address, k.solve.address, k.solve_t.address, k.multiply.address, lapack("dgbtrf"), lapack("dgbtrs"), evaluate_address()
        )
