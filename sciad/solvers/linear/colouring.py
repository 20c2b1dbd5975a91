"""Jacobians of known pattern from few products, inside compiled kernels: one product, or one difference, for all columns of a colour.

The C function ``int64 evaluate(double t, intp y, intp slots)`` writes the entries to the memory at J_AT.  The table at COLOURS_AT
holds: number of colours; address of the colour of each column; of the first entry of each colour; of the row, the column and the
place of each entry, sorted by colour.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from sciad.solvers.link import HEADER, load_kernels

__all__ = ["colour_table", "evaluate_address", "greedy_colours"]

EVALUATE = """
@cfunc(kernel_signature(1, 2))
def evaluate(t, y, slots):
    n, p, f, jvp = get_int(slots, N), get_int(slots, P), get_int(slots, F), get_int(slots, JVP)
    table, out, dot, seed = get_int(slots, COLOURS_AT), get_int(slots, J_AT), get_int(slots, SPARE), get_int(slots, SEED)
    base, zeros = get_int(slots, BASE), get_int(slots, ZEROS)
    colour, start, rows = get_int(table, 1), get_int(table, 2), get_int(table, 3)
    columns, places = get_int(table, 4), get_int(table, 5)
    if jvp == 0:
        put_int(slots, N_F, get_int(slots, N_F) + get_int(table, 0) + 1)
        if call_address(f, t, y, p, base) != 0:
            return -1
    for c in range(get_int(table, 0)):
        if jvp != 0:
            for i in range(n):
                put(seed, i, 1.0 if get_int(colour, i) == c else 0.0)
            if call_address(jvp, t, 0.0, y, seed, p, zeros, base, dot) != 0:
                return -1
            for e in range(get_int(start, c), get_int(start, c + 1)):
                put(out, get_int(places, e), get(dot, get_int(rows, e)))
            continue
        for i in range(n):
            x = get(y, i)
            step = 1.5e-8 * max(abs(x), 1e-5) * (1.0 if get(base, i) >= 0.0 else -1.0)
            put(seed, i, x + step if get_int(colour, i) == c else x)
        if call_address(f, t, seed, p, dot) != 0:
            return -1
        for e in range(get_int(start, c), get_int(start, c + 1)):
            i, j = get_int(rows, e), get_int(columns, e)
            put(out, get_int(places, e), (get(dot, i) - get(base, i)) / (get(seed, j) - get(y, j)))
    return 0
"""


@cache
def evaluate_address() -> int:
    """Address of `evaluate`."""
    return load_kernels(HEADER + EVALUATE, "jacobian_by_colours").evaluate.address


def greedy_colours(rows: np.ndarray, columns: np.ndarray, n: int) -> np.ndarray:
    """A colour for each column such that no two of one colour share a row, from the coordinates of the entries."""
    by_row: list[list[int]] = [[] for _ in range(n)]
    by_column: list[list[int]] = [[] for _ in range(n)]
    for i, j in zip(rows.tolist(), columns.tolist()):
        by_row[i].append(j)
        by_column[j].append(i)
    colour = [-1] * n
    for j in sorted(range(n), key=lambda j: -len(by_column[j])):
        taken = {colour[k] for i in by_column[j] for k in by_row[i]}
        c = 0
        while c in taken:
            c += 1
        colour[j] = c
    return np.array(colour, np.int64)


def colour_table(rows: np.ndarray, columns: np.ndarray, places: np.ndarray, colour: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The table of `evaluate` for entries (rows, columns) at these places, and the arrays that it points to."""
    of_entry = colour[columns]
    order = np.argsort(of_entry, kind="stable")
    count = int(colour.max()) + 1
    start = np.searchsorted(of_entry[order], np.arange(count + 1))
    arrays = [np.ascontiguousarray(x, np.int64) for x in (colour, start, rows[order], columns[order], places[order])]
    return np.array([count, *[x.ctypes.data for x in arrays]], np.int64), arrays
