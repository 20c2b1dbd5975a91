"""The way back over all paths: blocks of paths from their last step to the first, with the noise made again from the seed."""

from __future__ import annotations

from functools import cache

from sciad.backend import call_address, data_address
from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.sde.assemble import assemble
from sciad.solvers.sde.brownian import plant
from sciad.solvers.sde.layout import (
    ALL_NOISE,
    ALL_Y_BAR,
    BLOCK,
    COUNT,
    EVERY,
    FAILED,
    GRID,
    N_STEPS,
    N_WANTED,
    PATHS,
    RECORD,
    SAVED_BAR,
    SEGMENT,
    STATES,
    STEP,
    STEP_BAR,
    TOGETHER,
    WANTED,
    Y_BAR,
    Y_NEW,
    N,
    Y,
)  # fmt: skip
from sciad.solvers.sde.philox import INLINE
from sciad.solvers.sde.walk import WALK, copy, enter, find, make_noise, point_noise

__all__ = ["BACK", "compiled_walk_back"]


def pull(slots, path, count, at, y_bar):
    """Add to the cotangents of some paths those of the saved rows that belong to grid point `at`."""
    n, wanted, n_wanted = get_int(slots, N), get_int(slots, WANTED), get_int(slots, N_WANTED)
    low = find(wanted, n_wanted, at)
    while low < n_wanted and get_int(wanted, low) == at:
        for c in range(count):
            row, target = get_int(slots, SAVED_BAR) + 8 * n * (n_wanted * (path + c) + low), y_bar + 8 * n * c
            for i in range(n):
                put(target, i, get(target, i) + get(row, i))
        low += 1


def states_of(slots, path, count, first, last):
    """Address of the states of steps first to last - 1 of some paths: recorded ones, or taken again from the recorded first; 0: failed."""
    n, grid, every, size = get_int(slots, N), get_int(slots, GRID), get_int(slots, EVERY), get_int(slots, BLOCK)
    record = get_int(slots, RECORD) + 8 * n * (size * (first // every) + path)
    if every == 1:
        return record
    states, row = get_int(slots, STATES) + 8 * n * path, 8 * n * size
    copy(n * count, record, states)
    for step in range(first, last - 1):
        point_noise(slots, path, step - first)
        put_int(slots, Y, states + row * (step - first))
        put_int(slots, Y_NEW, states + row * (step - first + 1))
        t = get(grid, step)
        if call_address(get_int(slots, STEP), t, get(grid, step + 1) - t, slots) != 0:
            return 0
    return states


def back_segment(slots, path, count, first, last, y_bar):
    """Reverse steps last - 1 to first of some paths; 0, or 1 + the place of the path where a function aborted."""
    grid, row = get_int(slots, GRID), 8 * get_int(slots, N) * get_int(slots, BLOCK)
    put_int(slots, COUNT, count)
    states = states_of(slots, path, count, first, last)
    if states == 0:
        return 1
    put_int(slots, Y_BAR, y_bar)
    for step in range(last - 1, first - 1, -1):
        pull(slots, path, count, step + 1, y_bar)
        point_noise(slots, path, step - first)
        put_int(slots, Y, states + row * (step - first))
        t = get(grid, step)
        code = call_address(get_int(slots, STEP_BAR), t, get(grid, step + 1) - t, slots)
        if code != 0:
            return code
    return 0


def back_block(slots, reals, block):
    """All steps of a block of paths; its rows of ALL_Y_BAR are zero before, and the cotangents of the initial states after."""
    paths, n_steps, segment, n = get_int(slots, PATHS), get_int(slots, N_STEPS), get_int(slots, SEGMENT), get_int(slots, N)
    y_bars = get_int(slots, ALL_Y_BAR) + 8 * n * get_int(slots, BLOCK) * block
    together = get_int(slots, TOGETHER)
    plant(slots, reals)
    last = n_steps
    while last > 0:
        first = (last - 1) // segment * segment
        if get_int(slots, ALL_NOISE) == 0:
            make_noise(slots, reals, first, last)
        for path in range(0, paths, together):
            count = min(together, paths - path)
            code = back_segment(slots, path, count, first, last, y_bars + 8 * n * path)
            if code != 0:
                put_int(get_int(slots, FAILED), path + min(code, count) - 1, last)
                return
        last = first
    pull(slots, 0, paths, 0, y_bars)


def walk_back(slots, reals, first, last):
    """Reverse the blocks first to last - 1."""
    s, r = data_address(slots, 0), data_address(reals, 0)
    for block in range(first, last):
        enter(s, block)
        back_block(s, r, block)


BACK = (*WALK, pull, states_of, back_segment, back_block)


@cache
def compiled_walk_back():
    """`walk_back`, compiled; loaded from the disk cache where it is there."""
    return assemble(walk_back, *BACK, inline=INLINE)
