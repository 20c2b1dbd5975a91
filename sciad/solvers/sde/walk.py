"""The walk of a block of paths over a grid that they share, and of one path with steps of its own."""

from __future__ import annotations

from functools import cache

from sciad.backend import call_address, data_address, fast_add
from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.sde import brownian
from sciad.solvers.sde.assemble import assemble
from sciad.solvers.sde.brownian import difference, increments, look_up, plant
from sciad.solvers.sde.layout import (
    ALL_FAILED,
    ALL_NOISE,
    ALL_P_BAR,
    ALL_Q_BAR,
    ALL_RECORD,
    ALL_SAVED,
    ALL_SAVED_BAR,
    AREA,
    AREAS,
    B_AT,
    B_COLUMNS,
    B_PATH,
    BLOCK,
    COUNT,
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
    TOGETHER,
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
    """Entries of one step's noise of a block: increments, space-time areas of all columns, and Levy areas of all paths, where wanted."""
    m = get_int(slots, M)
    return (1 + get_int(slots, AREAS)) * get_int(slots, B_COLUMNS) + (get_int(slots, BLOCK) * m * m if get_int(slots, N_LEVY) > 0 else 0)


def copy(n, source, target):
    """Copy n floats from address to address."""
    for i in range(n):
        put(target, i, get(source, i))


def add_areas(slots, areas, before, after):
    """Add to the Levy areas of one step those of a piece of it: A_ij += (W_i - W_i(start)) dW_j - ... + H_i dW_j - H_j dW_i.

    ``before`` is W at the beginning of the piece, relative to that of the step; increments and areas of the piece lie at ``after``.
    """
    m, columns = get_int(slots, M), get_int(slots, B_COLUMNS)
    for path in range(get_int(slots, PATHS)):
        row = areas + 8 * m * m * path
        for i in range(m):
            w_i, d_i, h_i = get(before, path * m + i), get(after, path * m + i), get(after, columns + path * m + i)
            for j in range(m):
                w_j, d_j, h_j = get(before, path * m + j), get(after, path * m + j), get(after, columns + path * m + j)
                put(row, i * m + j, get(row, i * m + j) + 0.5 * (w_i * d_j - w_j * d_i) + (h_i * d_j - h_j * d_i))


def levy_areas(slots, reals, at_t, t, t_new, areas):
    """Levy areas of one step, which begins with W and its integral at `at_t`, into `areas`.

    They are the sum over its pieces, each with the part that its increment and space-time area determine.
    """
    columns, pieces, m = get_int(slots, B_COLUMNS), get_int(slots, N_LEVY), get_int(slots, M)
    at = get_int(slots, B_AT)
    start, here, there = at + 48 * columns, at + 64 * columns, at + 80 * columns
    relative, piece = at + 96 * columns, at + 104 * columns
    for i in range(get_int(slots, BLOCK) * m * m):
        put(areas, i, 0.0)
    copy(2 * columns, at_t, start)
    copy(2 * columns, at_t, here)
    for k in range(pieces):
        begin = t + (t_new - t) * k / pieces
        end = t_new if k == pieces - 1 else t + (t_new - t) * (k + 1) / pieces
        look_up(slots, reals, end, there)
        difference(columns, end - begin, here, there, piece, piece + 8 * columns)
        for i in range(columns):
            put(relative, i, get(here, i) - get(start, i))
        add_areas(slots, areas, relative, piece)
        copy(2 * columns, there, here)


def make_noise(slots, reals, first, last):
    """The noise of steps first to last - 1 of all paths in the block, into NOISE."""
    grid, columns, size = get_int(slots, GRID), get_int(slots, B_COLUMNS), row_size(slots)
    start, row = get_int(slots, B_AT), get_int(slots, NOISE)
    end = start + 16 * columns
    look_up(slots, reals, get(grid, first), start)
    for step in range(first, last):
        t, t_new = get(grid, step), get(grid, step + 1)
        look_up(slots, reals, t_new, end)
        if get_int(slots, AREAS) == 1:
            difference(columns, t_new - t, start, end, row, row + 8 * columns)
        else:
            increments(columns, start, end, row)
        if get_int(slots, N_LEVY) > 0:
            levy_areas(slots, reals, start, t, t_new, row + 8 * columns * (1 + get_int(slots, AREAS)))
        start, end = end, start
        row += 8 * size


def point_noise(slots, path, step):
    """Let a step kernel find the noise of step number `step` of the segment."""
    m, columns = get_int(slots, M), get_int(slots, B_COLUMNS)
    row = get_int(slots, NOISE) + 8 * row_size(slots) * step
    put_int(slots, DW, row + 8 * m * path)
    put_int(slots, AREA, row + 8 * (columns + m * path))
    put_int(slots, LEVY, row + 8 * (columns * (1 + get_int(slots, AREAS)) + m * m * path))


def finite(n, x):
    """Whether the n floats at address x are all finite."""
    total = 0.0
    for i in range(n):
        total = fast_add(total, 0.0 * get(x, i))
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


def save(slots, path, count, at, y):
    """Write the states of some paths to every saved row that belongs to grid point `at`."""
    n, wanted, n_wanted = get_int(slots, N), get_int(slots, WANTED), get_int(slots, N_WANTED)
    low = find(wanted, n_wanted, at)
    while low < n_wanted and get_int(wanted, low) == at:
        for c in range(count):
            copy(n, y + 8 * n * c, get_int(slots, SAVED) + 8 * n * (n_wanted * (path + c) + low))
        low += 1


def walk_segment(slots, path, count, base, first, last):
    """Take steps first to last - 1 of `count` paths from their running states; 0, or 1 + the step that failed, whose states are left.

    The rows of noise begin with step `base`.
    """
    n, size, grid, every = get_int(slots, N), get_int(slots, BLOCK), get_int(slots, GRID), get_int(slots, EVERY)
    y = get_int(slots, STATE) + 8 * n * path
    spare, record = y + 8 * n * size, get_int(slots, RECORD)
    put_int(slots, COUNT, count)
    failed, step = 0, first
    while failed == 0 and step < last:
        if record != 0 and step % every == 0:
            copy(n * count, y, record + 8 * n * (size * (step // every) + path))
        point_noise(slots, path, step - base)
        put_int(slots, Y, y)
        put_int(slots, Y_NEW, spare)
        t = get(grid, step)
        code = call_address(get_int(slots, STEP), t, get(grid, step + 1) - t, slots)
        step += 1
        if code != 0 or not finite(n * count, spare):
            failed = step
        else:
            y, spare = spare, y
            save(slots, path, count, step, y)
    if y > spare:
        copy(n * count, y, spare)
    return failed


def walk_block(slots, reals):
    """All steps of a block of paths; FAILED tells how each ended.  Where a step of several paths fails, each goes on alone."""
    paths, n_steps, segment = get_int(slots, PATHS), get_int(slots, N_STEPS), get_int(slots, SEGMENT)
    together = get_int(slots, TOGETHER)
    plant(slots, reals)
    save(slots, 0, paths, 0, get_int(slots, STATE))
    for path in range(paths):
        put_int(get_int(slots, FAILED), path, 0)
    first = 0
    while first < n_steps:
        last = min(first + segment, n_steps)
        make_noise(slots, reals, first, last)
        start = 0
        while start < paths:
            count, begin = min(together, paths - start), first
            failed = walk_segment(slots, start, count, first, first, last) if count > 1 else 0
            if failed > 0:
                together, begin = 1, failed - 1
            if failed > 0 or count == 1:
                for path in range(start, start + count):
                    if get_int(get_int(slots, FAILED), path) == 0:
                        put_int(get_int(slots, FAILED), path, walk_segment(slots, path, 1, first, begin, last))
            start += count
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
        put_int(slots, NOISE, get_int(slots, ALL_NOISE) + 8 * get_int(slots, SEGMENT) * row_size(slots) * block)
    for path in range(size):
        for j in range(m):
            put_int(get_int(slots, B_PATH), m * path + j, get_int(slots, FIRST_PATH) + first + path)
    for path in range(paths):
        copy(n, get_int(slots, Y0) + get_int(slots, Y0_STRIDE) * (first + path), get_int(slots, STATE) + 8 * n * path)


def walk(slots, reals, first, last):
    """Walk the blocks first to last - 1."""
    s, r = data_address(slots, 0), data_address(reals, 0)
    for block in range(first, last):
        enter(s, block)
        walk_block(s, r)


WALK = (
    *brownian.KERNELS, row_size, copy, add_areas, levy_areas, make_noise, point_noise, finite, find, save, walk_segment,
    walk_block, enter,
)  # fmt: skip


@cache
def compiled_walk():
    """`walk`, compiled; loaded from the disk cache where it is there."""
    return assemble(walk, *WALK, inline=INLINE)
