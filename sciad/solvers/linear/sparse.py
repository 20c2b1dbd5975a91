"""Sparse LU factorisation of W = c I - h J without row exchanges: symbolic once for each pattern, numeric row by row.

Rows and columns are ordered alike to keep fill low (minimum degree, by SuperLU); the pattern of the factors is that of the Cholesky
factor of the symmetrised pattern (George & Liu, Computer Solution of Large Sparse Positive Definite Systems, 1981), so its diagonal
pivots are the only ones: a pivot that is small against its row is reported as singular, and the step is cut, which makes W diagonally
dominant.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from sciad.solvers.linear.colouring import colour_table, evaluate_address, greedy_colours
from sciad.solvers.linear.dense import LinearSolver
from sciad.solvers.link import HEADER, load_kernels

__all__ = ["Sparse"]

KERNELS = """
@cfunc(kernel_signature(2, 1))
def factor(c, h, slots):
    n, lu, jac, table = get_int(slots, N), get_int(slots, LU_AT), get_int(slots, J_AT), get_int(slots, PATTERN_AT)
    a_start, a_column, l_start, l_column = get_int(table, 1), get_int(table, 2), get_int(table, 3), get_int(table, 4)
    u_start, u_column, n_l = get_int(table, 5), get_int(table, 6), get_int(table, 7)
    lower, inverse, upper = lu, lu + 8 * n_l, lu + 8 * (n_l + n)
    w = upper + 8 * get_int(u_start, n)
    for i in range(n):
        l_begin, l_end, u_begin, u_end = get_int(l_start, i), get_int(l_start, i + 1), get_int(u_start, i), get_int(u_start, i + 1)
        for e in range(l_begin, l_end):
            put(w, get_int(l_column, e), 0.0)
        for e in range(u_begin, u_end):
            put(w, get_int(u_column, e), 0.0)
        put(w, i, 0.0)
        largest = 0.0
        for e in range(get_int(a_start, i), get_int(a_start, i + 1)):
            x = -h * get(jac, e)
            largest = max(largest, abs(x))
            put(w, get_int(a_column, e), x)
        put(w, i, get(w, i) + c)
        for e in range(l_begin, l_end):
            k = get_int(l_column, e)
            x = get(w, k) * get(inverse, k)
            put(lower, e, x)
            if x != 0.0:
                for m in range(get_int(u_start, k), get_int(u_start, k + 1)):
                    j = get_int(u_column, m)
                    put(w, j, get(w, j) - x * get_apart(upper, m))
        pivot = get(w, i)
        if not abs(pivot) > 1e-12 * max(largest, abs(c)):
            return NOT_A_NUMBER if pivot != pivot else SINGULAR
        put(inverse, i, 1.0 / pivot)
        for e in range(u_begin, u_end):
            put(upper, e, get(w, get_int(u_column, e)))
    return 0 if get(inverse, n - 1) == get(inverse, n - 1) else NOT_A_NUMBER


@cfunc(kernel_signature(0, 2))
def solve(slots, b):
    n, lu, table = get_int(slots, N), get_int(slots, LU_AT), get_int(slots, PATTERN_AT)
    order, l_start, l_column = get_int(table, 0), get_int(table, 3), get_int(table, 4)
    u_start, u_column, n_l = get_int(table, 5), get_int(table, 6), get_int(table, 7)
    lower, inverse, upper = lu, lu + 8 * n_l, lu + 8 * (n_l + n)
    x = upper + 8 * get_int(u_start, n)
    for i in range(n):
        total = get(b, get_int(order, i))
        for e in range(get_int(l_start, i), get_int(l_start, i + 1)):
            total -= get(lower, e) * get(x, get_int(l_column, e))
        put(x, i, total)
    for i in range(n - 1, -1, -1):
        total = get(x, i)
        for e in range(get_int(u_start, i), get_int(u_start, i + 1)):
            total -= get(upper, e) * get(x, get_int(u_column, e))
        total *= get(inverse, i)
        put(x, i, total)
        put(b, get_int(order, i), total)
    return 0


@cfunc(kernel_signature(0, 2))
def solve_t(slots, b):
    n, lu, table = get_int(slots, N), get_int(slots, LU_AT), get_int(slots, PATTERN_AT)
    order, l_start, l_column = get_int(table, 0), get_int(table, 3), get_int(table, 4)
    u_start, u_column, n_l = get_int(table, 5), get_int(table, 6), get_int(table, 7)
    lower, inverse, upper = lu, lu + 8 * n_l, lu + 8 * (n_l + n)
    x = upper + 8 * get_int(u_start, n)
    for i in range(n):
        put(x, i, get(b, get_int(order, i)))
    for i in range(n):
        z = get(x, i) * get(inverse, i)
        put(x, i, z)
        for e in range(get_int(u_start, i), get_int(u_start, i + 1)):
            j = get_int(u_column, e)
            put(x, j, get(x, j) - get(upper, e) * z)
    for i in range(n - 1, -1, -1):
        z = get(x, i)
        put(b, get_int(order, i), z)
        for e in range(get_int(l_start, i), get_int(l_start, i + 1)):
            k = get_int(l_column, e)
            put(x, k, get(x, k) - get(lower, e) * z)
    return 0


@cfunc(kernel_signature(0, 3))
def multiply(slots, x, out):
    n, jac, table = get_int(slots, N), get_int(slots, J_AT), get_int(slots, PATTERN_AT)
    order, a_start, a_column = get_int(table, 0), get_int(table, 1), get_int(table, 2)
    for i in range(n):
        total = 0.0
        for e in range(get_int(a_start, i), get_int(a_start, i + 1)):
            total = fast_add(total, get(jac, e) * get(x, get_int(order, get_int(a_column, e))))
        put(out, get_int(order, i), total)
    return 0
"""


@cache
def _kernels():
    return load_kernels(HEADER + KERNELS, "lu_sparse")


def fill_reducing_order(pattern: Any) -> np.ndarray:
    """Minimum degree on the pattern of A + A^T, as SuperLU finds it."""
    from scipy.sparse import csc_matrix, identity
    from scipy.sparse.linalg import splu

    n = pattern.shape[0]
    matrix = csc_matrix(pattern, dtype=float) + identity(n, format="csc") * (2.0 * n)
    factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    order = np.empty(n, np.int64)
    order[factors.perm_c] = np.arange(n)
    return order


def upper_patterns(rows: np.ndarray, columns: np.ndarray, n: int) -> list[np.ndarray]:
    """Columns right of the diagonal in each row of U, for a symmetric pattern: its own and those of its children in the tree."""
    above = columns > rows
    order = np.lexsort((columns[above], rows[above]))
    own = np.split(columns[above][order], np.searchsorted(rows[above][order], np.arange(1, n)))
    found: list[np.ndarray] = []
    children: list[list[int]] = [[] for _ in range(n)]
    for i in range(n):
        parts = [own[i], *[found[k][1:] for k in children[i]]]
        merged = np.unique(np.concatenate(parts)) if len(parts) > 1 else own[i]
        found.append(merged)
        if len(merged):
            children[int(merged[0])].append(i)
    return found


class Sparse:
    """Linear algebra for Jacobians of a sparse pattern, a scipy.sparse matrix or an array (n, n) of what can be non-zero."""

    name = "sparse"

    def __init__(self, pattern: Any) -> None:
        from scipy.sparse import coo_matrix, csr_matrix

        given = coo_matrix(csr_matrix(pattern, dtype=bool))
        n = self.n = given.shape[0]
        if given.shape != (n, n):
            raise ValueError(f"jac_sparsity has shape {given.shape}; a Jacobian is square")
        order = fill_reducing_order(given)
        place = np.empty(n, np.int64)
        place[order] = np.arange(n)
        i, j = place[given.row], place[given.col]
        keys = np.unique(np.concatenate([i * n + j, j * n + i]))
        upper = upper_patterns(keys // n, keys % n, n)
        u_start = np.concatenate([[0], np.cumsum([len(x) for x in upper])])
        u_column = np.concatenate(upper) if n else np.empty(0, np.int64)
        u_row = np.repeat(np.arange(n), np.diff(u_start))
        by_row = np.lexsort((u_row, u_column))  # the transpose is the pattern of L
        l_start = np.searchsorted(u_column[by_row], np.arange(n + 1))
        entries = np.lexsort((j, i))
        a_start = np.searchsorted(i[entries], np.arange(n + 1))
        parts = [order, a_start, j[entries], l_start, u_row[by_row], u_start, u_column]
        self.arrays = [np.ascontiguousarray(x, np.int64) for x in parts]
        self.pattern = np.array([*[x.ctypes.data for x in self.arrays], len(u_column)], np.int64)
        rows, columns = given.row[entries].astype(np.int64), given.col[entries].astype(np.int64)
        self.table, more = colour_table(rows, columns, np.arange(len(entries)), greedy_colours(rows, columns, n))
        self.arrays += more
        self.j_size, self.lu_size, self.fill = len(entries), 2 * len(u_column) + 2 * n, 2 * len(u_column) + n

    def addresses(self) -> LinearSolver:
        """Addresses of the kernels."""
        k = _kernels()
        return LinearSolver(k.factor.address, k.solve.address, k.solve_t.address, k.multiply.address, 0, 0, evaluate_address())
