"""The walk of single paths with steps of their own: proposals, estimates, rejections, on one and the same Brownian path.

A step ends on a multiple of a length that is at least four times smaller, a node of the tree: looking W up then takes few cuts.  A
rejected step costs nothing but its evaluations, because the tree gives the same W again for whatever is asked next.
"""

from __future__ import annotations

import math
from functools import cache

from sciad.backend import call_address, data_address
from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.sde.assemble import assemble
from sciad.solvers.sde.brownian import difference, look_up, plant
from sciad.solvers.sde.layout import (
    ABORTED,
    ALL_COUNTS,
    ALL_POSITIONS,
    ALL_TIMES,
    ATOL,
    B_AT,
    B_COLUMNS,
    B_LEAF,
    B_START,
    DONE,
    ERROR,
    FIRST_STEP,
    GROW,
    MAX_STEP,
    MAX_STEPS,
    MIN_STEP,
    N_SNAP,
    N_STOPS,
    N_TIMES,
    N_WANTED,
    NEED_ROOM,
    NOISE,
    NORM,
    NOT_FINITE,
    POWER,
    RTOL,
    SAFETY,
    SAVED,
    SHRINK,
    SNAP,
    STATE,
    STEP,
    STEP_TOO_SMALL,
    STOPS,
    T_0,
    T_1,
    TOO_MANY_STEPS,
    WORK,
    Y_NEW,
    F,
    G,
    N,
    P,
    Q,
    Y,
)  # fmt: skip
from sciad.solvers.sde.philox import INLINE
from sciad.solvers.sde.walk import WALK, copy, enter, finite, point_noise

__all__ = ["compiled_walk_adaptive"]


def first_length(slots, reals, span):
    """Size of the first step: a hundredth of the state's scale over that of drift and noise (after Hairer, Norsett, Wanner I, II.4)."""
    if get(reals, FIRST_STEP) > 0.0:
        return min(get(reals, FIRST_STEP), span)
    n, y, work = get_int(slots, N), get_int(slots, STATE), get_int(slots, WORK)
    if call_address(get_int(slots, F), get(reals, T_0), y, get_int(slots, P), work) != 0:
        return -1.0
    noise = work + 8 * n
    if call_address(get_int(slots, G), get(reals, T_0), y, get_int(slots, Q), noise) != 0:
        return -1.0
    size, slope = 0.0, 0.0
    for i in range(n):
        scale = get(get_int(slots, ATOL), i) + get(get_int(slots, RTOL), i) * abs(get(y, i))
        size += (get(y, i) / scale) ** 2
        slope += ((abs(get(work, i)) + 3.0 * abs(get(noise, i))) / scale) ** 2
    size, slope = math.sqrt(size / n), math.sqrt(slope / n)
    h = 0.01 * max(size, 1.0) / slope if slope > 0.0 else 0.01 * span
    return max(min(h, 0.1 * span), 1e-7 * span)


def propose(slots, reals, t, h, bound):
    """End of a step of at most h towards `bound`: the bound itself, or a time of which the tree knows W with few cuts."""
    left = bound - t
    if h >= abs(left) * 0.999:
        return bound
    target = t + h if left > 0.0 else t - h
    lengths, start = get_int(slots, SNAP), get(reals, B_START)
    for k in range(get_int(slots, N_SNAP)):
        unit = get(lengths, k)
        if 4.0 * unit <= h:
            place = (target - start) / unit
            snapped = start + unit * (math.floor(place) if left > 0.0 else math.ceil(place))
            return snapped if abs(snapped - t) > 0.5 * h else target
    return target


def smallest(reals, t):
    """Smallest step: the user's limit, some leaves of the tree, and the spacing of floats at t."""
    return max(get(reals, MIN_STEP), 8.0 * get(reals, B_LEAF), 1e-13 * abs(t))


def try_step(slots, reals, t, t_new, y, y_new):
    """Take one step on trial; the mean square of its scaled error, infinite where it is not to be used, negative where f aborted."""
    columns, at = get_int(slots, B_COLUMNS), get_int(slots, B_AT)
    look_up(slots, reals, t_new, at + 16 * columns)
    noise = get_int(slots, NOISE)
    difference(columns, t_new - t, at, at + 16 * columns, noise, noise + 8 * columns)
    point_noise(slots, 0, 0)
    put_int(slots, Y, y)
    put_int(slots, Y_NEW, y_new)
    code = call_address(get_int(slots, STEP), t, t_new - t, slots)
    if code == 1:
        return -1.0
    if code == 2 or not finite(get_int(slots, N), y_new) or not get(reals, NORM) < math.inf:
        return math.inf
    return get(reals, NORM)


def save_stop(slots, path, t, stopped, step, y):
    """Save the state if t is a wanted time; the number of stops passed."""
    n, wanted, stops = get_int(slots, N), get_int(slots, N_WANTED), get_int(slots, STOPS)
    while stopped < get_int(slots, N_STOPS) and get(stops, stopped) == t:
        if stopped < wanted:
            copy(n, y, get_int(slots, SAVED) + 8 * n * stopped)
            put_int(get_int(slots, ALL_POSITIONS) + 8 * wanted * path, stopped, step)
            put_int(get_int(slots, ALL_COUNTS) + 32 * path, 3, stopped + 1)
        stopped += 1
    return stopped


def walk_path(slots, reals, path):
    """All steps of one path; DONE, or what ended it.  Its counts say how far it got."""
    n, t, end = get_int(slots, N), get(reals, T_0), get(reals, T_1)
    columns, at, counts = get_int(slots, B_COLUMNS), get_int(slots, B_AT), get_int(slots, ALL_COUNTS) + 32 * path
    y = get_int(slots, STATE)
    y_new = y + 8 * n
    times = get_int(slots, ALL_TIMES)
    row = times + 8 * get_int(slots, N_TIMES) * path
    accepted, rejected, again = 0, 0, 0
    put_int(slots, ERROR, reals + 8 * NORM)
    plant(slots, reals)
    look_up(slots, reals, t, at)
    stopped = save_stop(slots, path, t, 0, 0, y)
    h = first_length(slots, reals, abs(end - t))
    if h < 0.0:
        return ABORTED
    if times != 0:
        put(row, 0, t)
    while t != end:
        if accepted + rejected >= get_int(slots, MAX_STEPS):
            return TOO_MANY_STEPS
        if times != 0 and accepted + 1 >= get_int(slots, N_TIMES):
            return NEED_ROOM
        h = min(h, get(reals, MAX_STEP))
        if again == 0:
            h = max(h, smallest(reals, t))
        t_new = propose(slots, reals, t, h, get(get_int(slots, STOPS), stopped))
        used = abs(t_new - t)
        square = try_step(slots, reals, t, t_new, y, y_new)
        if square < 0.0:
            return ABORTED
        factor = get(reals, GROW)
        if square > 0.0:
            factor = get(reals, SAFETY) * square ** (-0.5 / get(reals, POWER)) if square < math.inf else get(reals, SHRINK)
        factor = min(max(factor, get(reals, SHRINK)), get(reals, GROW))
        if square <= 1.0:
            accepted += 1
            if factor < 1.0 or used * factor > h or used > 0.5 * h:
                h = used * (min(factor, 1.0) if again > 0 else factor)
            again = 0
            t = t_new
            y, y_new = y_new, y
            copy(2 * columns, at + 16 * columns, at)
            if times != 0:
                put(row, accepted, t)
            stopped = save_stop(slots, path, t, stopped, accepted, y)
            put_int(counts, 0, accepted)
        else:
            rejected += 1
            again += 1
            put_int(counts, 1, rejected)
            if used <= 1.01 * smallest(reals, t):  # rounding of t + h
                return STEP_TOO_SMALL if square < math.inf else NOT_FINITE
            h = max(used * min(factor, 0.9), smallest(reals, t))
    return DONE


def walk_adaptive(slots, reals, first, last):
    """Walk the paths first to last - 1, each a block of its own; the third of a path's counts tells how it ended."""
    s, r = data_address(slots, 0), data_address(reals, 0)
    for path in range(first, last):
        enter(s, path)
        counts = get_int(s, ALL_COUNTS) + 32 * path
        put_int(counts, 0, 0)
        put_int(counts, 1, 0)
        put_int(counts, 3, 0)
        put_int(counts, 2, walk_path(s, r, path))


@cache
def compiled_walk_adaptive():
    """`walk_adaptive`, compiled; loaded from the disk cache where it is there."""
    return assemble(walk_adaptive, *WALK, first_length, propose, smallest, try_step, save_stop, walk_path, inline=INLINE)
