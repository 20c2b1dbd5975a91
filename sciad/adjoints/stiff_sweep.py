"""The way back over implicit steps: each is taken again from its state, then transposed with the factors that this has left.

Taken again without a tolerance, Newton's iterations end at rounding, so that what is differentiated are the equations of the stages.
The kernels ``step_bar(t, h, slots)`` find y at Y, the rows of K, the Jacobian and the factors of the step, and the cotangents Y_BAR
of y_new and K_BAR of the rows; they leave in Y_BAR that of y, but for what comes through f(t, y), the first row, whose own they leave
in K_BAR.  Where y_new is the last stage of the step, as of ESDIRK methods, the first row is the last one of the step before, and its
cotangent goes back there (CARRY): through f_y at the recorded state it would not, as this lies off the state that the step taken again
ends at by what Newton's iterations have left, which a stiff f_y multiplies.
"""

from __future__ import annotations

from functools import cache

from sciad.adjoints.layout import (
    AT_T,
    CARRY,
    END_BAR,
    F_PLAIN,
    K_BAR,
    ONE_K_BAR,
    P_BAR,
    REV,
    ROW,
    SAVED_BAR,
    SCRATCH_K,
    SCRATCH_STAGE,
    SCRATCH_Y,
    STEP_BAR,
    T_BAR,
    WANTED_BAR,
    Y_BAR,
    U,
)
from sciad.adjoints.stiff_layout import AUG, BAR_1, BAR_2, BAR_3, N_PARAMETERS, NOTHING_BAR, ONE_DY, ONE_TAPE, P_SPARE
from sciad.adjoints.sweep import REVERSE, add_to, dot, fill, finish, pull_end, pull_saved
from sciad.backend import call_address, data_address
from sciad.solvers.dense import weight, weight_slope
from sciad.solvers.layout import (
    ABORTED,
    DONE,
    J_STEP,
    N_SAVED,
    N_STAGES,
    RESTART,
    ROWS,
    STAGE,
    STEP,
    TABLE,
    TERMS,
    TIMES,
    WANTED,
    WIDTH,
    Y_NEW,
    K,
    N,
    P,
    Y,
)
from sciad.solvers.link import link
from sciad.solvers.memory import get, get_int, put_int
from sciad.solvers.recording import copy, finite

__all__ = ["compiled_stiff_sweep", "pull", "PULL_IMPORTS"]

PULL_IMPORTS = "from sciad.adjoints.layout import *\nfrom sciad.adjoints.stiff_layout import *\n"


def pull(t, y, bar, y_bar, slots):
    """y_bar += J(t, y)^T bar, p_bar += f_p(t, y)^T bar; the status of the right-hand side."""
    p, tape = get_int(slots, P), get_int(slots, ONE_TAPE)
    code = call_address(get_int(slots, AUG), t, y, p, get_int(slots, ONE_DY), tape)
    if code != 0:
        return code
    return call_address(get_int(slots, REV), t, y, p, tape, bar, y_bar, get_int(slots, P_BAR), get_int(slots, T_BAR))


def take_stiff_step(slots, t, h):
    """Take the step from Y again, with a Jacobian of its own; ABORTED where it has no result."""
    put_int(slots, J_STEP, 0)
    put_int(slots, RESTART, 1)
    code = call_address(get_int(slots, F_PLAIN), t, get_int(slots, Y), get_int(slots, P), get_int(slots, K))
    if code == 0:
        code = call_address(get_int(slots, STEP), t, h, slots)
    return DONE if code == 0 and finite(get_int(slots, N), get_int(slots, Y_NEW)) else ABORTED


def reverse_stiff_step(slots, step):
    """From the cotangent of the state at the end of a step, and those of what was saved in it, to that at its beginning."""
    n, times, wanted, left = get_int(slots, N), get_int(slots, TIMES), get_int(slots, WANTED), get_int(slots, N_SAVED)
    t, h, t_new = get(times, 2 * step), get(times, 2 * step + 1), get(times, 2 * step + 2)
    direction, with_times = 1.0 if h > 0.0 else -1.0, get_int(slots, WANTED_BAR) != 0
    put_int(slots, Y, get_int(slots, ROWS) + 8 * get_int(slots, WIDTH) * (step - get_int(slots, ROW)))
    code = take_stiff_step(slots, t, h)
    if code == 0 and left > 0 and get(wanted, left - 1) == t_new:
        code = pull_end(slots, left - 1, t_new, with_times)
        left -= 1
    while left > 0 and direction * (get(wanted, left - 1) - t) > 0.0:
        left -= 1
        pull_saved(slots, left, (get(wanted, left) - t) / h, h, with_times)
    put_int(slots, N_SAVED, left)
    if code == 0:
        code = call_address(get_int(slots, STEP_BAR), t, h, slots)
    k_bar, y_bar = get_int(slots, K_BAR), get_int(slots, Y_BAR)
    add_to(n, y_bar, get_int(slots, AT_T))
    fill(n, get_int(slots, AT_T), 0.0)
    if code == 0 and step > 0 and get_int(slots, CARRY) == 1:  # the first stage is the last one of the step before
        fill(n * (get_int(slots, N_STAGES) - 1), k_bar + 8 * n, 0.0)
        copy(n, k_bar, k_bar + 8 * n * (get_int(slots, N_STAGES) - 1))
        fill(n, k_bar, 0.0)
        return DONE
    if code == 0:
        code = pull(t, get_int(slots, Y), k_bar, y_bar, slots)
    fill(n * get_int(slots, N_STAGES), k_bar, 0.0)
    if step == 0:
        finish(slots, t)
    return DONE if code == 0 else ABORTED


def replay_stiff(slots, first, last, in_place):
    """Take steps first to last - 1 again from row 0, each state into the next row, or all into row 0."""
    n, row, times = get_int(slots, N), get_int(slots, ROWS), get_int(slots, TIMES)
    for step in range(first, last):
        put_int(slots, Y, row)
        if take_stiff_step(slots, get(times, 2 * step), get(times, 2 * step + 1)) != DONE:
            return ABORTED
        row += 0 if in_place else 8 * n
        copy(n, get_int(slots, Y_NEW), row)
    return DONE


def bind_stiff(slots, base):
    """Lay the vectors of a sweep out from one address."""
    n, stages = get_int(slots, N), get_int(slots, N_STAGES)
    put_int(slots, T_BAR, base)
    place = base + 16
    for name in (ONE_K_BAR, END_BAR, AT_T, SCRATCH_Y, SCRATCH_STAGE, ONE_DY, BAR_1, BAR_2, BAR_3, NOTHING_BAR):
        put_int(slots, name, place)
        place += 8 * n
    for name in (K_BAR, U, SCRATCH_K):
        put_int(slots, name, place)
        place += 8 * n * stages
    put_int(slots, P_SPARE, place)
    put_int(slots, ONE_TAPE, place + 8 * get_int(slots, N_PARAMETERS))
    put_int(slots, K, get_int(slots, SCRATCH_K))
    put_int(slots, STAGE, get_int(slots, SCRATCH_STAGE))
    put_int(slots, Y_NEW, get_int(slots, SCRATCH_Y))


def stiff_sweep(slots, job, first, last, p, times, rows, wanted, saved_bar, wanted_bar, table, y_bar, p_bar, work):
    """Do a piece of work on the steps first to last - 1: REPLAY_ALL, REPLAY_IN_PLACE or REVERSE (from the last one to the first).

    Arrays as in `sciad.adjoints.sweep.sweep`; work has 2 + 10 n + 3 S n + n_p + 3 tape_size entries, zero before the first piece.
    """
    slots[P], slots[TIMES], slots[TABLE], slots[TERMS] = data_address(p, 0), data_address(times, 0), data_address(table, 0), table.shape[1]
    slots[ROWS], slots[WIDTH] = data_address(rows, 0), rows.shape[1]
    slots[WANTED], slots[SAVED_BAR] = data_address(wanted, 0), data_address(saved_bar, 0)
    slots[WANTED_BAR] = data_address(wanted_bar, 0) if wanted_bar.shape[0] > 0 else 0
    slots[Y_BAR], slots[P_BAR] = data_address(y_bar, 0), data_address(p_bar, 0)
    address = data_address(slots, 0)
    bind_stiff(address, data_address(work, 0))
    if job != REVERSE:
        slots[ROW] = first
        return replay_stiff(address, first, last, job != 0)
    for step in range(last - 1, first - 1, -1):
        code = reverse_stiff_step(address, step)
        if code != DONE:
            return code
    return DONE


@cache
def compiled_stiff_sweep():
    """`stiff_sweep`, compiled; loaded from the disk cache where it is there."""
    helpers = (
        weight, weight_slope, copy, finite, add_to, fill, dot, pull_saved, pull_end, finish, pull, take_stiff_step, reverse_stiff_step,
        replay_stiff, bind_stiff,
    )  # fmt: skip
    return link(stiff_sweep, *helpers, imports=PULL_IMPORTS + "REPLAY_ALL, REPLAY_IN_PLACE, REVERSE = range(3)\n")
