"""Brownian motion as a function of time: a tree of conditional normal variates that is never stored.

W is fixed by (seed, path, component) on [start, start + 10**k].  The tree cuts an interval of 10 units into 5 + 5, of 5 into 2 + 3, of
3 into 1 + 2, of 2 into 1 + 1, on five decades, and then into halves, ten times: times on decimal and on binary grids are ends of
nodes near the top.  Each node carries its increment W and its space-time Levy area H = (mean of W - W(start)) - W/2; given both, those
of its parts are normal with known moments (`table`; Foster, Lyons & Oberhauser, SIAM J. Numer. Anal. 58 (2020) 1393), drawn by a
counter-based generator from the position of the cut.  So W(t) and its integral depend on t alone, not on what was asked before, and
increments of any steps, accepted or rejected, forward or backward, belong to one path.  Inside a leaf, 1e-8 of the interval, one
further pair of variates gives the exact conditional law of a single time.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from sciad.solvers.memory import get, get_apart, get_int, put, put_apart, put_int
from sciad.solvers.room import aligned
from sciad.solvers.sde.assemble import assemble
from sciad.solvers.sde.layout import (
    B_AT,
    B_COEFFICIENTS,
    B_COLUMNS,
    B_COMPONENT,
    B_DEPTH,
    B_KEY_0,
    B_KEY_1,
    B_LEAF,
    B_LEAVES,
    B_LEVELS,
    B_PATH,
    B_SCALE,
    B_STACK,
    B_START,
    B_TABLE,
    N_REALS,
    N_SLOTS,
)  # fmt: skip
from sciad.solvers.sde.philox import INLINE, normal_pair

__all__ = ["Brownian", "Columns", "KERNELS", "column_count", "grid_table", "level_count"]

DECADES, HALVINGS = 5, 10
LEAVES = 10**DECADES * 2**HALVINGS


# -- kernels -------------------------------------------------------------------------------------------------------------------------
def plant(slots, reals):
    """W and H of the whole interval, in level 0 of the stack."""
    columns, stack = get_int(slots, B_COLUMNS), get_int(slots, B_STACK)
    length = get(reals, B_LEAF) * get_int(slots, B_LEAVES)
    deviation, levels = math.sqrt(length), get_int(slots, B_LEVELS)
    component, path = get_int(slots, B_COMPONENT), get_int(slots, B_PATH)
    key_0, key_1 = get_int(slots, B_KEY_0), get_int(slots, B_KEY_1)
    for i in range(columns):
        z_1, z_2 = normal_pair(0, 2, get_int(component, i), get_int(path, i), key_0, key_1)
        put(stack, i, 0.0)
        put(stack, columns + i, 0.0)
        put(stack, 2 * columns + i, deviation * z_1)
        put(stack, 3 * columns + i, deviation * 0.28867513459481287 * z_2)
    put_int(levels, 0, 0)
    put_int(levels, 1, 0)
    put_int(levels, 2, 0)
    put_int(slots, B_DEPTH, 0)


def cut(columns, node, rows, at, component, path, key_0, key_1):
    """W and H of the left part of a node, into its fifth and sixth vector; `rows` are its coefficients, `at` the leaf of the cut."""
    w, h, w_1, h_1 = node + 16 * columns, node + 24 * columns, node + 32 * columns, node + 40 * columns
    a_w, a_h, b_h = get(rows, 0), get(rows, 1), get(rows, 2)
    s_1, s_12, s_2 = get(rows, 3), get(rows, 4), get(rows, 5)
    for i in range(columns):
        z_1, z_2 = normal_pair(at, 0, get_int(component, i), get_int(path, i), key_0, key_1)
        put_apart(w_1, i, a_w * get_apart(w, i) + a_h * get_apart(h, i) + s_1 * z_1)
        put_apart(h_1, i, b_h * get_apart(h, i) + s_12 * z_1 + s_2 * z_2)


def go_left(columns, node):
    """Make the left part of a node the node of the next level."""
    child = node + 48 * columns
    for i in range(columns):
        put_apart(child, i, get_apart(node, i))
        put_apart(child, columns + i, get_apart(node, columns + i))
        put_apart(child, 2 * columns + i, get_apart(node, 4 * columns + i))
        put_apart(child, 3 * columns + i, get_apart(node, 5 * columns + i))


def go_right(columns, node, rows):
    """Make the right part of a node the node of the next level."""
    child = node + 48 * columns
    r, length = get(rows, 0), get(rows, 6)
    inverse = 1.0 / (1.0 - r)
    for i in range(columns):
        start, w, w_1, h_1 = (
            get_apart(node, i),
            get_apart(node, 2 * columns + i),
            get_apart(node, 4 * columns + i),
            get_apart(node, 5 * columns + i),
        )
        w_2 = w - w_1
        put_apart(child, i, start + w_1)
        put_apart(child, columns + i, get_apart(node, columns + i) + length * (start + h_1 + 0.5 * w_1))
        put_apart(child, 2 * columns + i, w_2)
        put_apart(child, 3 * columns + i, (get_apart(node, 3 * columns + i) - r * h_1) * inverse - 0.5 * (w_1 - r * inverse * w_2))


def inside(slots, reals, node, leaf, fraction, out):
    """W and its integral at a fraction of the leaf."""
    columns, length = get_int(slots, B_COLUMNS), get(reals, B_LEAF)
    component, path = get_int(slots, B_COMPONENT), get_int(slots, B_PATH)
    key_0, key_1 = get_int(slots, B_KEY_0), get_int(slots, B_KEY_1)
    r, rest = fraction, 1.0 - fraction
    s_1 = math.sqrt(length * r * rest * (1.0 - 3.0 * r * rest))
    s_12 = -0.5 * length * r * r * r * rest / s_1
    s_2 = math.sqrt(max(length * r * (1.0 - r * r * r) / 12.0 - s_12 * s_12, 0.0))
    for i in range(columns):
        z_1, z_2 = normal_pair(leaf, 1, get_int(component, i), get_int(path, i), key_0, key_1)
        start, w, h = get_apart(node, i), get_apart(node, 2 * columns + i), get_apart(node, 3 * columns + i)
        w_1 = r * w + 6.0 * r * rest * h + s_1 * z_1
        h_1 = r * r * h + s_12 * z_1 + s_2 * z_2
        put_apart(out, i, start + w_1)
        put_apart(out, columns + i, get_apart(node, columns + i) + r * length * (start + h_1 + 0.5 * w_1))


def end_of_tree(slots, reals, out):
    """W and its integral at the end of the interval."""
    columns, stack = get_int(slots, B_COLUMNS), get_int(slots, B_STACK)
    length = get(reals, B_LEAF) * get_int(slots, B_LEAVES)
    for i in range(columns):
        w, h = get(stack, 2 * columns + i), get(stack, 3 * columns + i)
        put(out, i, w)
        put(out, columns + i, length * (h + 0.5 * w))


def look_up(slots, reals, t, out):
    """W (a vector of columns) and its integral from the start of the tree at time t; whatever was looked up before helps, not changes."""
    columns, leaves = get_int(slots, B_COLUMNS), get_int(slots, B_LEAVES)
    place = min(max((t - get(reals, B_START)) * get(reals, B_SCALE), 0.0), 1.0 * leaves)
    leaf = int(place + 0.5)
    fraction = place - leaf
    if abs(fraction) < 1e-3:
        fraction = 0.0
    elif fraction < 0.0:
        leaf, fraction = leaf - 1, fraction + 1.0
    if leaf >= leaves:
        end_of_tree(slots, reals, out)
        return
    levels, level = get_int(slots, B_LEVELS), get_int(slots, B_DEPTH)
    table, coefficients = get_int(slots, B_TABLE), get_int(slots, B_COEFFICIENTS)
    row = levels + 24 * level
    while leaf < get_int(row, 0) or leaf >= get_int(row, 0) + get_int(table, 4 * get_int(row, 1) + 3):
        level, row = level - 1, row - 24
    node = get_int(slots, B_STACK) + 48 * columns * level
    kind, first = get_int(row, 1), get_int(row, 0)
    while (first != leaf or fraction > 0.0) and get_int(table, 4 * kind + 3) > 1:
        rows, left = coefficients + 56 * kind, get_int(table, 4 * kind + 2)
        if get_int(row, 2) == 0:
            component, path = get_int(slots, B_COMPONENT), get_int(slots, B_PATH)
            cut(columns, node, rows, first + left, component, path, get_int(slots, B_KEY_0), get_int(slots, B_KEY_1))
            put_int(row, 2, 1)
        if leaf < first + left:
            go_left(columns, node)
            kind = get_int(table, 4 * kind)
        else:
            go_right(columns, node, rows)
            first, kind = first + left, get_int(table, 4 * kind + 1)
        level, row, node = level + 1, row + 24, node + 48 * columns
        put_int(row, 0, first)
        put_int(row, 1, kind)
        put_int(row, 2, 0)
    put_int(slots, B_DEPTH, level)
    if fraction > 0.0:
        inside(slots, reals, node, leaf, fraction, out)
        return
    for i in range(2 * columns):
        put(out, i, get(node, i))


def difference(columns, h, start, end, dw, area):
    """Increments and space-time Levy areas of a step of signed size h, from W and its integral at both ends."""
    for i in range(columns):
        w = get_apart(start, i)
        d = get_apart(end, i) - w
        put_apart(dw, i, d)
        put_apart(area, i, (get_apart(end, columns + i) - get_apart(start, columns + i)) / h - w - 0.5 * d)


def increments(columns, start, end, dw):
    """Increments of a step from W at both ends, as `difference` finds them."""
    for i in range(columns):
        put_apart(dw, i, get_apart(end, i) - get_apart(start, i))


def look_up_all(slots, reals, times, out):
    """W and its integral at times (k,) into out (k, 2, columns)."""
    s, r = data_address(slots, 0), data_address(reals, 0)  # noqa: F821  (names of the generated module)
    plant(s, r)
    for k in range(times.shape[0]):
        look_up(s, r, times[k], data_address(out, 2 * k * slots[B_COLUMNS]))  # noqa: F821


KERNELS = (plant, cut, go_left, go_right, inside, end_of_tree, look_up, difference, increments)


# -- tables --------------------------------------------------------------------------------------------------------------------------
@cache
def kinds() -> tuple[tuple[int, int, int, int], ...]:
    """For each kind of node: left and right child's kind, leaves on the left, leaves in all; kind 0 is the root."""
    rows, unit = [], LEAVES
    for _ in range(DECADES):
        unit //= 10
        ten = len(rows)
        rows += [(ten + 1, ten + 1, 5 * unit, 10 * unit), (ten + 2, ten + 3, 2 * unit, 5 * unit)]
        rows += [(ten + 4, ten + 4, unit, 2 * unit), (ten + 4, ten + 2, unit, 3 * unit)]
    for k in range(HALVINGS, -1, -1):
        rows.append((len(rows) + 1, len(rows) + 1, 2**k // 2, 2**k))
    return tuple(rows)


@cache
def level_count() -> int:
    """Nodes from the root to a leaf, at most."""
    return 4 * DECADES + HALVINGS + 1


@cache
def grid_table(length: float) -> tuple[np.ndarray, np.ndarray]:
    """Kinds (k, 4) and their coefficients (k, 7) on a tree of the given length.

    For a node of length l cut at a fraction r, with independent W ~ N(0, l), H ~ N(0, l / 12), the left part has, given W and H,
    W1 = r W + 6 r (1 - r) H + s1 z1 and H1 = r**2 H + s12 z1 + s2 z2, where var W1 = l r (1 - r) (1 - 3 r (1 - r)),
    var H1 = l (r - r**4) / 12 and cov(W1, H1) = -l r**3 (1 - r) / 2.
    """
    table = np.array(kinds(), np.int64)
    left, whole = table[:, 2].astype(float), table[:, 3].astype(float)
    r, size = left / whole, whole * (length / LEAVES)
    with np.errstate(invalid="ignore", divide="ignore"):
        s_1 = np.sqrt(size * r * (1 - r) * (1 - 3 * r * (1 - r)))
        s_12 = -0.5 * size * r**3 * (1 - r) / s_1
        s_2 = np.sqrt(size * (r - r**4) / 12 - s_12**2)
    rows = np.stack([r, 6 * r * (1 - r), r**2, s_1, s_12, s_2, r * size], axis=1)
    rows[-1] = 0.0  # a leaf is not cut
    return table, np.ascontiguousarray(rows)


def tree_length(t_0: float, t_1: float) -> float:
    """The power of ten that a tree over [t_0, t_1] spans."""
    span = abs(t_1 - t_0)
    return 10.0 ** math.ceil(math.log10(span) - 1e-12) if span > 0 else 1.0


def column_count(used: int) -> int:
    """Columns for so many Brownian motions: whole vectors only, what a column gets must not depend on its neighbours' number."""
    return -(-used // 8) * 8


class Columns:
    """The Brownian motions of some paths, as kernels see them: fills the slots B_* and keeps the memory behind them.

    `paths` are the numbers of the paths, each with m components; column = position of the path * m + component.
    """

    def __init__(self, slots: np.ndarray, reals: np.ndarray, seed: int, t_span: tuple[float, float], m: int, paths: np.ndarray) -> None:
        length, used = tree_length(*t_span), len(paths) * m
        columns = column_count(used)
        self.table, self.coefficients = grid_table(length)
        self.levels = np.zeros((level_count(), 3), np.int64)
        self.stack = aligned(level_count() + 1, 6, columns)
        self.component, self.path = np.zeros(columns, np.int64), np.zeros(columns, np.int64)
        self.at = aligned(16, columns)
        self.component[:used] = np.tile(np.arange(m), len(paths))
        self.path[:used] = np.repeat(paths, m)
        slots[[B_TABLE, B_COEFFICIENTS]] = self.table.ctypes.data, self.coefficients.ctypes.data
        slots[[B_LEVELS, B_STACK, B_AT]] = self.levels.ctypes.data, self.stack.ctypes.data, self.at.ctypes.data
        slots[[B_COMPONENT, B_PATH]] = self.component.ctypes.data, self.path.ctypes.data
        slots[[B_COLUMNS, B_LEAVES]] = columns, LEAVES
        slots[[B_KEY_0, B_KEY_1]] = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
        reals[[B_START, B_SCALE, B_LEAF]] = min(t_span), LEAVES / length, length / LEAVES


class Brownian:
    """m independent Brownian motions for each of the given paths, as functions on t_span: what a solve with this seed is driven by.

    `seed`: an integer from 0 to 2**64 - 1.  `paths`: numbers of the paths.  W is 0 where t_span begins (its smaller end).
    """

    def __init__(self, seed: int, t_span: tuple[float, float], m: int = 1, paths: int | np.ndarray = 1) -> None:
        self.seed, self.t_span, self.m = int(seed), (float(t_span[0]), float(t_span[1])), m
        self.paths = np.arange(paths) if np.ndim(paths) == 0 else np.asarray(paths)

    def __call__(self, t) -> np.ndarray:
        """W at the times t (k,): shape (paths, k, m)."""
        return self._look_up(t)[:, :, 0]

    def integral(self, t) -> np.ndarray:
        """The integral of W from the start of t_span to the times t (k,): shape (paths, k, m)."""
        return self._look_up(t)[:, :, 1]

    def _look_up(self, t) -> np.ndarray:
        t = np.ascontiguousarray(np.atleast_1d(t), np.float64)
        slots, reals = np.zeros(N_SLOTS, np.int64), np.zeros(N_REALS)
        columns = Columns(slots, reals, self.seed, self.t_span, self.m, self.paths)
        out = np.empty((len(t), 2, len(columns.path)))
        _compiled_look_up()(slots, reals, t, out)
        used = out[:, :, : len(self.paths) * self.m].reshape(len(t), 2, len(self.paths), self.m)
        return used.transpose(2, 0, 1, 3)


@cache
def _compiled_look_up():
    return assemble(look_up_all, *KERNELS, inline=INLINE)
