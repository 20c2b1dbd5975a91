"""The walk of a block of paths over a grid that they share, and of one path with steps of its own."""

from __future__ import annotations

from functools import cache

from sciad.backend import call_address, data_address
from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.sde import brownian
from sciad.solvers.sde.assemble import assemble
from sciad.solvers.sde.brownian import difference, look_up, plant
from sciad.solvers.sde.layout import (
    ALL_FAILED,
    ALL_NOISE,
    ALL_P_BAR,
    ALL_Q_BAR,
    ALL_RECORD,
    ALL_SAVED,
    ALL_SAVED_BAR,
    AREA,
    B_AT,
    B_COLUMNS,
    B_PATH,
    BLOCK,
    DW,
    EVERY,
    FAILED,
    FIRST_PATH,
    GRID,
    LEVY,
    N_LEVY,
    N_P,
    N_Q,
    N_ROWS,
    N_STEPS,
    N_WANTED,
    NOISE,
    P_BAR,
    PATHS,
    Q_BAR,
    RECORD,
    SAVED,
    SAVED_BAR,
    SEGMENT,
    STATE,
    STEP,
    TOTAL,
    WANTED,
    Y0,
    Y0_STRIDE,
    Y_NEW,
    M,
    N,
    Y,
)  # fmt: skip
from sciad.solvers.sde.philox import INLINE

__all__ = ["WALK", "compiled_walk"]


def row_size(slots):
    """Entries of one step's noise of one path: increments, space-time Levy areas, Levy areas."""
    m = get_int(slots, M)
    return 2 * m + (m * m if get_int(slots, N_LEVY) > 0 else 0)


def copy(n, source, target):
    """Copy n floats from address to address."""
    for i in range(n):
        put(target, i, get(source, i))


def scatter(slots, step):
    """Hand the increments of one step, in columns, out to the paths."""
    paths, m, segment, columns = get_int(slots, PATHS), get_int(slots, M), get_int(slots, SEGMENT), get_int(slots, B_COLUMNS)
    size, from_w = row_size(slots), get_int(slots, B_AT) + 32 * columns
    row = get_int(slots, NOISE) + 8 * size * step
    for path in range(paths):
        for j in range(m):
            put(row, j, get(from_w, path * m + j))
            put(row, m + j, get(from_w, columns + path * m + j))
        row += 8 * size * segment


def add_areas(slots, step, before, after):
    """Add to the Levy areas of one step those of a piece of it: A_ij += (W_i - W_i(start)) dW_j - ... + H_i dW_j - H_j dW_i.

    ``before`` is W at the beginning of the piece, relative to that of the step; increments and areas of the piece lie at ``after``.
    """
    paths, m, segment, columns = get_int(slots, PATHS), get_int(slots, M), get_int(slots, SEGMENT), get_int(slots, B_COLUMNS)
    size = row_size(slots)
    row = get_int(slots, NOISE) + 8 * (size * step + 2 * m)
    for path in range(paths):
        for i in range(m):
            w_i, d_i, h_i = get(before, path * m + i), get(after, path * m + i), get(after, columns + path * m + i)
            for j in range(m):
                w_j, d_j, h_j = get(before, path * m + j), get(after, path * m + j), get(after, columns + path * m + j)
                put(row, i * m + j, get(row, i * m + j) + 0.5 * (w_i * d_j - w_j * d_i) + (h_i * d_j - h_j * d_i))
        row += 8 * size * segment


def levy_areas(slots, reals, step, t, t_new):
    """Levy areas of one step: those of its pieces, each with the part that its increment and space-time area determine."""
    columns, pieces, m = get_int(slots, B_COLUMNS), get_int(slots, N_LEVY), get_int(slots, M)
    at = get_int(slots, B_AT)
    size, segment = row_size(slots), get_int(slots, SEGMENT)
    start, here, there = at + 48 * columns, at + 64 * columns, at + 80 * columns
    relative, piece = at + 96 * columns, at + 104 * columns
    for path in range(get_int(slots, PATHS)):
        row = get_int(slots, NOISE) + 8 * (size * (step + segment * path) + 2 * m)
        for i in range(m * m):
            put(row, i, 0.0)
    copy(2 * columns, at, start)
    copy(2 * columns, at, here)
    for k in range(pieces):
        begin = t + (t_new - t) * k / pieces
        end = t_new if k == pieces - 1 else t + (t_new - t) * (k + 1) / pieces
        look_up(slots, reals, end, there)
        difference(columns, end - begin, here, there, piece, piece + 8 * columns)
        for i in range(columns):
            put(relative, i, get(here, i) - get(start, i))
        add_areas(slots, step, relative, piece)
        copy(2 * columns, there, here)


def make_noise(slots, reals, first, last):
    """The noise of steps first to last - 1 of all paths in the block, into NOISE."""
    grid, columns, at = get_int(slots, GRID), get_int(slots, B_COLUMNS), get_int(slots, B_AT)
    start, end, result = at, at + 16 * columns, at + 32 * columns
    look_up(slots, reals, get(grid, first), start)
    for step in range(first, last):
        t, t_new = get(grid, step), get(grid, step + 1)
        look_up(slots, reals, t_new, end)
        difference(columns, t_new - t, start, end, result, result + 8 * columns)
        scatter(slots, step - first)
        if get_int(slots, N_LEVY) > 0:
            levy_areas(slots, reals, step - first, t, t_new)
        copy(2 * columns, end, start)


def point_noise(slots, path, step):
    """Let a step kernel find the noise of step number `step` of the segment."""
    m, size = get_int(slots, M), row_size(slots)
    row = get_int(slots, NOISE) + 8 * size * (get_int(slots, SEGMENT) * path + step)
    put_int(slots, DW, row)
    put_int(slots, AREA, row + 8 * m)
    put_int(slots, LEVY, row + 16 * m)


def finite(n, x):
    """Whether the n floats at address x are all finite."""
    total = 0.0
    for i in range(n):
        total += 0.0 * get(x, i)
    return total == 0.0


def find(positions, n, at):
    """The first of n sorted positions that is not below `at`."""
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if get_int(positions, middle) < at:
            low = middle + 1
        else:
            high = middle
    return low


def save(slots, path, at, y):
    """Write the state to every saved row that belongs to grid point `at`."""
    n, wanted, n_wanted = get_int(slots, N), get_int(slots, WANTED), get_int(slots, N_WANTED)
    low = find(wanted, n_wanted, at)
    while low < n_wanted and get_int(wanted, low) == at:
        copy(n, y, get_int(slots, SAVED) + 8 * n * (n_wanted * path + low))
        low += 1


def walk_segment(slots, path, first, last):
    """Take steps first to last - 1 of one path from its running state; 0, or 1 + the step that failed."""
    n, grid, every = get_int(slots, N), get_int(slots, GRID), get_int(slots, EVERY)
    y, spare = get_int(slots, STATE) + 16 * n * path, get_int(slots, STATE) + 16 * n * path + 8 * n
    record = get_int(slots, RECORD)
    for step in range(first, last):
        if record != 0 and step % every == 0:
            copy(n, y, record + 8 * n * (get_int(slots, N_ROWS) * path + step // every))
        point_noise(slots, path, step - first)
        put_int(slots, Y, y)
        put_int(slots, Y_NEW, spare)
        t = get(grid, step)
        code = call_address(get_int(slots, STEP), t, get(grid, step + 1) - t, slots)
        if code != 0 or not finite(n, spare):
            return 1 + step
        y, spare = spare, y
        save(slots, path, step + 1, y)
    if (last - first) % 2 == 1:
        copy(n, y, spare)
    return 0


def walk_block(slots, reals):
    """All steps of a block of paths; FAILED tells how each ended."""
    paths, n_steps, segment, n = get_int(slots, PATHS), get_int(slots, N_STEPS), get_int(slots, SEGMENT), get_int(slots, N)
    plant(slots, reals)
    for path in range(paths):
        put_int(get_int(slots, FAILED), path, 0)
        save(slots, path, 0, get_int(slots, STATE) + 16 * n * path)
    first = 0
    while first < n_steps:
        last = min(first + segment, n_steps)
        make_noise(slots, reals, first, last)
        for path in range(paths):
            if get_int(get_int(slots, FAILED), path) == 0:
                put_int(get_int(slots, FAILED), path, walk_segment(slots, path, first, last))
        first = last


def enter(slots, block):
    """Make one block of paths the current one: its rows of all arrays, its Brownian motions, its initial states."""
    n, m, size, first = get_int(slots, N), get_int(slots, M), get_int(slots, BLOCK), get_int(slots, BLOCK) * block
    paths, wanted = min(size, get_int(slots, TOTAL) - first), get_int(slots, N_WANTED)
    put_int(slots, PATHS, paths)
    put_int(slots, SAVED, get_int(slots, ALL_SAVED) + 8 * n * wanted * first)
    put_int(slots, SAVED_BAR, get_int(slots, ALL_SAVED_BAR) + 8 * n * wanted * first)
    put_int(slots, RECORD, 0 if get_int(slots, ALL_RECORD) == 0 else get_int(slots, ALL_RECORD) + 8 * n * get_int(slots, N_ROWS) * first)
    put_int(slots, FAILED, get_int(slots, ALL_FAILED) + 8 * first)
    put_int(slots, P_BAR, get_int(slots, ALL_P_BAR) + 8 * get_int(slots, N_P) * block)
    put_int(slots, Q_BAR, get_int(slots, ALL_Q_BAR) + 8 * get_int(slots, N_Q) * block)
    if get_int(slots, ALL_NOISE) != 0:
        put_int(slots, NOISE, get_int(slots, ALL_NOISE) + 8 * size * get_int(slots, SEGMENT) * row_size(slots) * block)
    for path in range(size):
        for j in range(m):
            put_int(get_int(slots, B_PATH), m * path + j, get_int(slots, FIRST_PATH) + first + path)
    for path in range(paths):
        copy(n, get_int(slots, Y0) + get_int(slots, Y0_STRIDE) * (first + path), get_int(slots, STATE) + 16 * n * path)


def walk(slots, reals, first, last):
    """Walk the blocks first to last - 1."""
    s, r = data_address(slots, 0), data_address(reals, 0)
    for block in range(first, last):
        enter(s, block)
        walk_block(s, r)


WALK = (
    *brownian.KERNELS, row_size, copy, scatter, add_areas, levy_areas, make_noise, point_noise, finite, find, save, walk_segment,
    walk_block, enter,
)  # fmt: skip


@cache
def compiled_walk():
    """`walk`, compiled; loaded from the disk cache where it is there."""
    return assemble(walk, *WALK, inline=INLINE)
