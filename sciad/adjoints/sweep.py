"""The way back over the steps of a forward solve, and once more forward from a recorded state.

Both run compiled, method by method through the kernels `step` and `step_bar`, allocate nothing, and keep their state in
``slots`` and in the vectors it points to, so that a sweep can be done in pieces (checkpoints).  The record of states that it
reads begins with step ROW.
"""

from __future__ import annotations

from functools import cache

from sciad.adjoints.layout import (
    AT_T,
    CARRY,
    END_BAR,
    F_PLAIN,
    K_BAR,
    LIVE_EXTRA,
    LIVE_LAST,
    ONE_K_BAR,
    P_BAR,
    REV,
    ROW,
    SAVED_BAR,
    SCRATCH_K,
    SCRATCH_STAGE,
    SCRATCH_TAPE,
    SCRATCH_Y,
    STEP_BAR,
    T_BAR,
    WANTED_BAR,
    Y_BAR,
    U,
)  # fmt: skip
from sciad.backend import call_address, data_address, fast_add
from sciad.solvers.dense import weight, weight_slope
from sciad.solvers.layout import (
    ABORTED,
    DONE,
    FSAL,
    N_EXTRA,
    N_SAVED,
    N_STAGES,
    PART,
    ROWS,
    STAGE,
    STEP,
    STORE,
    TABLE,
    TAPE,
    TAPES,
    TERMS,
    TIMES,
    WANTED,
    WIDTH,
    Y_NEW,
    F,
    K,
    N,
    P,
    Y,
)  # fmt: skip
from sciad.solvers.link import link
from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.recording import copy

__all__ = ["compiled_sweep", "REPLAY_ALL", "REPLAY_IN_PLACE", "REVERSE"]

REPLAY_ALL, REPLAY_IN_PLACE, REVERSE = range(3)


def add_to(n, target, source):
    """target += source, n floats from address to address."""
    for i in range(n):
        put(target, i, get(target, i) + get(source, i))


def fill(n, target, value):
    """Set n floats at an address."""
    for i in range(n):
        put(target, i, value)


def dot(n, a, b):
    """Scalar product of n floats at each of two addresses."""
    total = 0.0
    for i in range(n):
        total = fast_add(total, get(a, i) * get(b, i))
    return total


def take_again(slots, step, with_extra):
    """Take a recorded step again, with tapes; K, STAGE, TAPE and Y_NEW then hold what it computes."""
    put_int(slots, K, get_int(slots, SCRATCH_K))
    put_int(slots, STAGE, get_int(slots, SCRATCH_STAGE))
    put_int(slots, TAPE, get_int(slots, SCRATCH_TAPE))
    put_int(slots, Y_NEW, get_int(slots, SCRATCH_Y))
    t, h, y, k = get(get_int(slots, TIMES), 2 * step), get(get_int(slots, TIMES), 2 * step + 1), get_int(slots, Y), get_int(slots, K)
    if get_int(slots, FSAL) == 1 and step > 0:  # this stage goes back with the step before
        code = call_address(get_int(slots, F_PLAIN), t, y, get_int(slots, P), k)
    else:
        code = call_address(get_int(slots, F), t, y, get_int(slots, P), k, get_int(slots, TAPE))
    if code == 0:
        code = call_address(get_int(slots, STEP), t, h, slots)
    if code == 0 and with_extra == 1:
        put_int(slots, PART, 1)
        code = call_address(get_int(slots, STEP), t, h, slots)
        put_int(slots, PART, 0)
    return code


def prepare(slots, step, with_extra):
    """Make Y, Y_NEW, K, STAGE and TAPE hold the recorded step, from the record or by taking it again."""
    n, stages, width = get_int(slots, N), get_int(slots, N_STAGES) + get_int(slots, N_EXTRA), get_int(slots, WIDTH)
    y = get_int(slots, ROWS) + 8 * width * (step - get_int(slots, ROW))
    put_int(slots, Y, y)
    if get_int(slots, STORE) != TAPES:
        return take_again(slots, step, with_extra)
    put_int(slots, Y_NEW, y + 8 * width)
    put_int(slots, K, y + 8 * n)
    put_int(slots, STAGE, y + 8 * n * (1 + stages))
    put_int(slots, TAPE, y + 8 * n * 2 * stages)
    return DONE


def pull_saved(slots, save, theta, h, with_times):
    """Distribute the cotangent of a state saved inside the step over its stage derivatives and its beginning."""
    n, stages, terms = get_int(slots, N), get_int(slots, N_STAGES) + get_int(slots, N_EXTRA), get_int(slots, TERMS)
    saved_bar, slope = get_int(slots, SAVED_BAR) + 8 * n * save, 0.0
    add_to(n, get_int(slots, AT_T), saved_bar)
    for j in range(stages):
        row, k_bar = get_int(slots, TABLE) + 8 * terms * j, get_int(slots, K_BAR) + 8 * n * j
        w = h * weight(row, terms, theta)
        if w != 0.0:
            for i in range(n):
                put(k_bar, i, get(k_bar, i) + w * get(saved_bar, i))
            if with_times:
                slope += weight_slope(row, terms, theta) * dot(n, saved_bar, get_int(slots, K) + 8 * n * j)
    if with_times:
        put(get_int(slots, WANTED_BAR), save, slope)


def pull_end(slots, save, t_new, with_times):
    """The same for a state saved at the end of the step; the cotangent of its time is the one of the exact flow."""
    n = get_int(slots, N)
    saved_bar, dy = get_int(slots, SAVED_BAR) + 8 * n * save, get_int(slots, ONE_K_BAR)
    add_to(n, get_int(slots, Y_BAR), saved_bar)
    if not with_times:
        return DONE
    if get_int(slots, FSAL) == 1:
        dy = get_int(slots, K) + 8 * n * (get_int(slots, N_STAGES) - 1)
    elif call_address(get_int(slots, F_PLAIN), t_new, get_int(slots, Y_NEW), get_int(slots, P), dy) != 0:
        return ABORTED
    put(get_int(slots, WANTED_BAR), save, dot(n, saved_bar, dy))
    return DONE


def reverse_step(slots, step):
    """From the cotangent of the state at the end of a step, and those of what was saved in it, to that at its beginning."""
    n, times, wanted, left = get_int(slots, N), get_int(slots, TIMES), get_int(slots, WANTED), get_int(slots, N_SAVED)
    t, h, t_new = get(times, 2 * step), get(times, 2 * step + 1), get(times, 2 * step + 2)
    direction, with_times = 1.0 if h > 0.0 else -1.0, get_int(slots, WANTED_BAR) != 0
    at_end = left > 0 and get(wanted, left - 1) == t_new
    inside = left - (1 if at_end else 0)
    has_inside = inside > 0 and direction * (get(wanted, inside - 1) - t) > 0.0
    put_int(slots, LIVE_EXTRA, 1 if has_inside and get_int(slots, N_EXTRA) > 0 else 0)
    put_int(slots, LIVE_LAST, 1 if has_inside or get_int(slots, CARRY) == 1 else 0)
    code = prepare(slots, step, get_int(slots, LIVE_EXTRA))
    if code == 0 and at_end:
        code = pull_end(slots, left - 1, t_new, with_times)
    while inside > 0 and direction * (get(wanted, inside - 1) - t) > 0.0:
        inside -= 1
        pull_saved(slots, inside, (get(wanted, inside) - t) / h, h, with_times)
    put_int(slots, N_SAVED, inside)
    if code == 0:
        code = call_address(get_int(slots, STEP_BAR), t, h, slots)
    if has_inside:
        add_to(n, get_int(slots, Y_BAR), get_int(slots, AT_T))
        fill(n, get_int(slots, AT_T), 0.0)
    return first_stage_bar(slots, step, t) if code == 0 else ABORTED


def first_stage_bar(slots, step, t):
    """Hand the cotangent of k_1 to the step before, whose last stage it is, or pull it back through f."""
    n, k_bar, y_bar = get_int(slots, N), get_int(slots, K_BAR), get_int(slots, Y_BAR)
    if get_int(slots, FSAL) == 1 and step > 0:
        copy(n, k_bar, k_bar + 8 * n * (get_int(slots, N_STAGES) - 1))
        put_int(slots, CARRY, 1)
        code = 0
    else:
        y, p, tape = get_int(slots, Y), get_int(slots, P), get_int(slots, TAPE)
        p_bar, t_bar = get_int(slots, P_BAR), get_int(slots, T_BAR)
        code = call_address(get_int(slots, REV), t, y, p, tape, k_bar, y_bar, p_bar, t_bar)
    fill(n, k_bar, 0.0)
    if step == 0:
        finish(slots, t)
    return DONE if code == 0 else ABORTED


def finish(slots, t):
    """At t0: what was saved there, and the cotangent of t0 as the exact flow has it, -f(t0, y0) . y0_bar."""
    n, y_bar, k1 = get_int(slots, N), get_int(slots, Y_BAR), get_int(slots, K)
    if get_int(slots, N_SAVED) > 0 and get(get_int(slots, WANTED), 0) == t:
        add_to(n, y_bar, get_int(slots, SAVED_BAR))
        put_int(slots, N_SAVED, 0)
        if get_int(slots, WANTED_BAR) != 0:
            put(get_int(slots, WANTED_BAR), 0, dot(n, get_int(slots, SAVED_BAR), k1))
    put(get_int(slots, T_BAR), 1, -dot(n, k1, y_bar))


def replay(slots, first, last, in_place):
    """Take steps first to last - 1 again from row 0, each state into the next row, or all into row 0; no tapes."""
    n, row, f = get_int(slots, N), get_int(slots, ROWS), get_int(slots, F)
    put_int(slots, F, get_int(slots, F_PLAIN))
    put_int(slots, TAPE, 0)
    put_int(slots, K, get_int(slots, SCRATCH_K))
    put_int(slots, STAGE, get_int(slots, SCRATCH_STAGE))
    put_int(slots, Y_NEW, get_int(slots, SCRATCH_Y))
    code = 0
    for step in range(first, last):
        t, h = get(get_int(slots, TIMES), 2 * step), get(get_int(slots, TIMES), 2 * step + 1)
        put_int(slots, Y, row)
        k = get_int(slots, K)
        if get_int(slots, FSAL) == 1 and step > first:
            copy(n, k + 8 * n * (get_int(slots, N_STAGES) - 1), k)
        elif code == 0:
            code = call_address(get_int(slots, F_PLAIN), t, row, get_int(slots, P), k)
        if code == 0:
            code = call_address(get_int(slots, STEP), t, h, slots)
        row += 0 if in_place else 8 * n
        copy(n, get_int(slots, SCRATCH_Y), row)
    put_int(slots, F, f)
    return DONE if code == 0 else ABORTED


def bind_work(slots, base):
    """Lay the vectors of a sweep out from one address."""
    n, stages = get_int(slots, N), get_int(slots, N_STAGES) + get_int(slots, N_EXTRA)
    put_int(slots, T_BAR, base)
    place = base + 16
    for name in (ONE_K_BAR, END_BAR, AT_T, SCRATCH_Y):
        put_int(slots, name, place)
        place += 8 * n
    for name in (K_BAR, U, SCRATCH_K, SCRATCH_STAGE):
        put_int(slots, name, place)
        place += 8 * n * stages
    put_int(slots, SCRATCH_TAPE, place)


def sweep(slots, job, first, last, p, times, rows, wanted, saved_bar, wanted_bar, table, y_bar, p_bar, work):
    """Do a piece of work on the steps first to last - 1: REPLAY_ALL, REPLAY_IN_PLACE or REVERSE (from the last one to the first).

    Arrays: times (N+1, 2), rows as in `Steps` from step ROW on, wanted (m,), saved_bar (m, n), wanted_bar (m or 0,), table as
    `Tableau.dense_table`, y_bar (n,), p_bar (n_p,); work has 2 + 4 n + S (4 n + tape_size) entries, zero before the first piece.
    """
    slots[P], slots[TIMES], slots[TABLE], slots[TERMS] = data_address(p, 0), data_address(times, 0), data_address(table, 0), table.shape[1]
    slots[ROWS], slots[WIDTH] = data_address(rows, 0), rows.shape[1]
    slots[WANTED], slots[SAVED_BAR] = data_address(wanted, 0), data_address(saved_bar, 0)
    slots[WANTED_BAR] = data_address(wanted_bar, 0) if wanted_bar.shape[0] > 0 else 0
    slots[Y_BAR], slots[P_BAR] = data_address(y_bar, 0), data_address(p_bar, 0)
    address = data_address(slots, 0)
    bind_work(address, data_address(work, 0))
    if job != REVERSE:
        slots[ROW] = first
        return replay(address, first, last, job == REPLAY_IN_PLACE)
    for step in range(last - 1, first - 1, -1):
        code = reverse_step(address, step)
        if code != DONE:
            return code
    return DONE


@cache
def compiled_sweep():
    """`sweep`, compiled; loaded from the disk cache where it is there."""
    helpers = (
        weight, weight_slope, copy, add_to, fill, dot, take_again, prepare, pull_saved, pull_end, finish, first_stage_bar, reverse_step,
        replay, bind_work,
    )  # fmt: skip
    return link(sweep, *helpers, imports="from sciad.adjoints.layout import *\nREPLAY_ALL, REPLAY_IN_PLACE, REVERSE = range(3)\n")
