"""The stepping loop: propose a step, take it, accept or reject it, save, record.  There is no other.

A method enters as the address of its step kernel (see `layout`).  The loop allocates nothing and can stop after any step:
its whole state is in ``slots`` and ``reals``, so that Python may enlarge the record, show progress or look for events, and
go on.  Functions named here return DONE (0) or the code of what ended the work.
"""

from __future__ import annotations

import math
from functools import cache

from sciad.backend import call_address, data_address
from sciad.solvers.auto import detect, distance, explicit_radius, stiff_radius
from sciad.solvers.dense import interpolate, weight
from sciad.solvers.derivative import derivative
from sciad.solvers.layout import (
    ABORTED,
    AFTER,
    ATOL,
    BAD_START,
    BAD_STATE,
    BUDGET,
    DENSE,
    DETECT,
    DIRECTION,
    DONE,
    ERROR,
    EXTRA_STEP,
    F_CALLS,
    FAILED,
    FIRST_STEP,
    FIXED_STEP,
    FRESH,
    FSAL,
    HAVE_K1,
    HEAD,
    JUMPS,
    MAX_STEP,
    MAX_STEPS,
    MIN_STEP,
    N_ACCEPT,
    N_EXTRA,
    N_F,
    N_REJECT,
    N_ROWS,
    N_SAVED,
    N_STAGES,
    N_STOPPED,
    N_STOPS,
    N_TIMES,
    N_WANTED,
    NEED_ROOM,
    NO_CONVERGENCE,
    NORM,
    NOT_FINITE,
    NOTHING,
    ONE_PER_COUNT,
    PART,
    PHASE,
    REJECTED,
    RESUMED,
    ROWS,
    RTOL,
    RUNNING,
    SAVED,
    SINCE,
    SINGULAR,
    SPARE,
    STAGE,
    START,
    STARTED,
    STEP,
    STEP_TOO_SMALL,
    STOPS,
    STORE,
    SWITCH,
    T_BASE,
    T_END,
    TABLE,
    TERMS,
    TIMES,
    TOLERANCE,
    TOO_MANY_STEPS,
    WANTED,
    WIDTH,
    Y_NEW,
    H,
    K,
    N,
    P,
    T,
    Y,
)  # fmt: skip
from sciad.solvers.link import link
from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.recording import check, copy, finite, jump, place, record, room
from sciad.solvers.stepsize import between, exp2_roughly, first_step, growth, log2_roughly, retreat, scaled_norm

__all__ = ["compiled_loop"]


def bind(slots, reals):
    """Find the places of all vectors behind HEAD, fill in tolerances and the initial state; returns its size."""
    n, base, rtol, atol = get_int(slots, N), reals + 8 * HEAD, get(reals, RTOL), get(reals, ATOL)
    put_int(slots, TOLERANCE, base if get(reals, FIXED_STEP) == 0.0 else 0)
    put_int(slots, ERROR, reals + 8 * NORM)
    put_int(slots, Y, base + 16 * n)
    put_int(slots, Y_NEW, base + 24 * n)
    put_int(slots, STAGE, base + 32 * n)
    put_int(slots, K, base + 40 * n)
    if rtol >= 0.0:
        put(reals, ONE_PER_COUNT, 1.0 / max(n, 1))
        for i in range(n):
            put(base, i, atol)
            put(base, n + i, rtol)
    copy(n, get_int(slots, START), base + 16 * n)
    put(reals, T_BASE, get(reals, T))
    put(reals, DIRECTION, 1.0 if get(reals, T_END) >= get(reals, T) else -1.0)
    place(slots)
    return n


def begin(slots, reals):
    """Check the input, save what is wanted at t0, evaluate f there, choose the first step."""
    n, t = bind(slots, reals), get(reals, T)
    code = check(slots, reals)
    if code != DONE:
        return code
    if get_int(slots, N_WANTED) > 0 and get(get_int(slots, WANTED), 0) == t:
        copy(n, get_int(slots, Y), get_int(slots, SAVED))
        put_int(slots, N_SAVED, 1)
    if get_int(slots, N_STOPS) > 0 and get(get_int(slots, STOPS), 0) == t:
        jump(slots, reals)
    record(slots, reals)
    put_int(slots, PHASE, STARTED)
    return DONE if t == get(reals, T_END) else first_derivative(slots, reals)


def first_derivative(slots, reals):
    """k_1 at the very beginning, and from it the size of the first step."""
    if derivative(get(reals, T), get_int(slots, Y), get_int(slots, K), slots, 0) != 0:
        return ABORTED
    put_int(slots, HAVE_K1, 1)
    if not finite(get_int(slots, N), get_int(slots, K)):
        return BAD_START
    put(reals, H, get(reals, FIRST_STEP))
    if get(reals, FIRST_STEP) == 0.0 and get(reals, FIXED_STEP) == 0.0 and first_step(slots, reals) != 0:
        return ABORTED
    return DONE


def smallest(reals):
    """Smallest step: the user's limit, and ten times the spacing of floats at t."""
    return max(get(reals, MIN_STEP), 2.3e-15 * abs(get(reals, T)), 5e-323)


def propose(slots, reals, bound):
    """End of the next step: the controller's size within its limits, stretched or cut to meet `bound` exactly."""
    t, direction, fixed, max_step = get(reals, T), get(reals, DIRECTION), get(reals, FIXED_STEP), get(reals, MAX_STEP)
    left = direction * (bound - t)
    if fixed != 0.0:
        t_new = get(reals, T_BASE) + direction * fixed * (get_int(slots, SINCE) + 1)
        return bound if direction * (bound - t_new) < 1e-9 * fixed else t_new
    h = min(get(reals, H), max_step)
    if get_int(slots, REJECTED) == 0:
        h = max(h, smallest(reals))
    put(reals, H, h)
    return bound if h >= left or (1.01 * h >= left and left <= max_step) else t + direction * h


def judge(slots, reals, h):
    """After a trial step: accept (DONE) with the next size, reject (RUNNING) with a smaller one, or give up."""
    if get(reals, FIXED_STEP) != 0.0:
        return DONE if finite(get_int(slots, N), get_int(slots, Y_NEW)) else BAD_STATE
    square, old, rejected = get(reals, NORM), get(reals, H), get_int(slots, REJECTED)
    if square <= 1.0:
        factor = growth(square, reals)
        if rejected > 0:
            factor = min(factor, 1.0)
        if factor < 1.0 or h * factor > old or h > 0.99 * old:
            put(reals, H, h * factor)  # otherwise h was cut to meet a bound, which says nothing against the size before
        put_int(slots, REJECTED, 0)
        return DONE
    put_int(slots, N_REJECT, get_int(slots, N_REJECT) + 1)
    put_int(slots, REJECTED, rejected + 1)
    failed = 0 if square < math.inf else get_int(slots, FAILED)
    put_int(slots, FAILED, failed)
    put_int(slots, NOT_FINITE, 0 if square < math.inf or failed in (SINGULAR, NO_CONVERGENCE) else 1)
    if h <= 1.1 * smallest(reals):  # h is a difference of two times, and rounded as such
        return STEP_TOO_SMALL
    factor = 0.35 if failed == NO_CONVERGENCE else retreat(square, reals)
    put(reals, H, max(h * factor, smallest(reals)))
    return RUNNING


def extra_stages(slots, reals, h):
    """Evaluate the stages that only dense output needs."""
    put_int(slots, PART, 1)
    code = call_address(get_int(slots, EXTRA_STEP), get(reals, T), h, slots)
    put_int(slots, PART, 0)
    put_int(slots, N_F, get_int(slots, N_F) + get_int(slots, N_EXTRA))
    return code


def save(slots, reals, t_new, h):
    """Write the states at those wanted times that the step to t_new has reached."""
    n, direction, done = get_int(slots, N), get(reals, DIRECTION), get_int(slots, N_SAVED)
    wanted, n_wanted = get_int(slots, WANTED), get_int(slots, N_WANTED)
    ready = get_int(slots, N_EXTRA) == 0
    if not ready and get_int(slots, DENSE) == 1:
        ready = True
        if extra_stages(slots, reals, h) != 0:
            return ABORTED
    while done < n_wanted and direction * (t_new - get(wanted, done)) >= 0.0:
        out = get_int(slots, SAVED) + 8 * n * done
        if get(wanted, done) == t_new:
            copy(n, get_int(slots, Y_NEW), out)
        else:
            if not ready and extra_stages(slots, reals, h) != 0:
                return ABORTED
            ready = True
            theta, stages = (get(wanted, done) - get(reals, T)) / h, get_int(slots, N_STAGES) + get_int(slots, N_EXTRA)
            table, terms = get_int(slots, TABLE), get_int(slots, TERMS)
            interpolate(table, stages, terms, theta, h, n, get_int(slots, Y), get_int(slots, K), out)
        done += 1
    put_int(slots, N_SAVED, done)
    return DONE


def move_on(slots, reals, t_new, h):
    """Make the end of the step the beginning of the next one, with the jump that may be due there; record it."""
    n, done, y, y_new = get_int(slots, N), get_int(slots, N_ACCEPT), get_int(slots, Y), get_int(slots, Y_NEW)
    last = get_int(slots, K) + 8 * n * (get_int(slots, N_STAGES) - 1)
    if get_int(slots, STORE) != NOTHING:
        put(get_int(slots, TIMES), 2 * done + 1, h)
    put_int(slots, Y, y_new)
    put_int(slots, Y_NEW, y)
    put(reals, T, t_new)
    put_int(slots, N_ACCEPT, done + 1)
    put_int(slots, SINCE, get_int(slots, SINCE) + 1)
    put_int(slots, HAVE_K1, get_int(slots, FSAL))
    place(slots)
    stopped = get_int(slots, N_STOPPED)
    if stopped < get_int(slots, N_STOPS) and t_new == get(get_int(slots, STOPS), stopped):
        jump(slots, reals)
    elif get_int(slots, FSAL) == 1:
        copy(n, last, get_int(slots, K))
    record(slots, reals)


def conclude_with_hooks(slots, reals, t_new, h):
    """The end of an accepted step whose method wants to know of it, or in a solve that looks for stiffness."""
    code, watch, stopped = DONE, get_int(slots, DETECT), get_int(slots, N_STOPPED)
    if get_int(slots, AFTER) & 1 != 0:
        put_int(slots, PART, 2)
        call_address(get_int(slots, STEP), get(reals, T), h, slots)
        put_int(slots, PART, 0)
    if watch != 0:
        code = detect(slots, reals, t_new, h)
    if code < 0 or save(slots, reals, t_new, h) != DONE:
        return ABORTED
    move_on(slots, reals, t_new, h)
    if watch == 1 and get_int(slots, FSAL) == 0 and get_int(slots, N_STOPPED) == stopped:
        copy(get_int(slots, N), get_int(slots, SPARE), get_int(slots, K))  # detection has evaluated f there
        put_int(slots, HAVE_K1, 1)
    return code


def attempt(slots, reals):
    """Try one step; DONE after an accepted one, RUNNING after a rejected one, else what ended the solve."""
    t, stopped = get(reals, T), get_int(slots, N_STOPPED)
    bound = get(get_int(slots, STOPS), stopped) if stopped < get_int(slots, N_STOPS) else get(reals, T_END)
    if get_int(slots, HAVE_K1) == 0:
        if derivative(t, get_int(slots, Y), get_int(slots, K), slots, 0) != 0:
            return ABORTED
        put_int(slots, HAVE_K1, 1)
    if get(reals, MAX_STEP) < smallest(reals):
        return STEP_TOO_SMALL
    t_new = propose(slots, reals, bound)
    h = t_new - t
    put_int(slots, N_F, get_int(slots, N_F) + get_int(slots, F_CALLS))
    if call_address(get_int(slots, STEP), t, h, slots) != 0:
        return ABORTED
    code = judge(slots, reals, abs(h))
    if code != DONE:
        return code
    if get_int(slots, AFTER) != 0:
        return conclude_with_hooks(slots, reals, t_new, h)
    code = save(slots, reals, t_new, h)
    if code == DONE:
        move_on(slots, reals, t_new, h)
    return code


def drive(slots, reals):
    """Step until the end, a failure, a full record or the end of the budget."""
    if get_int(slots, PHASE) == FRESH:
        code = begin(slots, reals)
        if code != DONE:
            return code
    elif get_int(slots, PHASE) == RESUMED:
        bind(slots, reals)
        record(slots, reals)
        put_int(slots, PHASE, STARTED)
    place(slots)
    budget, max_steps = get_int(slots, BUDGET), get_int(slots, MAX_STEPS)
    while get(reals, T) != get(reals, T_END):
        if get_int(slots, N_ACCEPT) + get_int(slots, N_REJECT) >= max_steps:
            return TOO_MANY_STEPS
        if budget <= 0:
            return RUNNING
        if not room(slots):
            return NEED_ROOM
        budget -= 1
        code = attempt(slots, reals)
        if code < 0 or code == SWITCH:
            return code
    return DONE


def advance(slots, reals, p, y0, wanted, saved, times, rows, stops, jumps, table):
    """Integrate until the end, a failure, a full record (NEED_ROOM), the end of the budget of trial steps (RUNNING), or SWITCH.

    Arrays: `slots`, `reals` as in `layout`; p (n_p,); y0 (n,); wanted (m,), saved (m, n); times (rows, 2) of t_n and h_n, rows with y
    and, if recorded, stage derivatives, stage values and tapes; stops (s,), jumps (s or 0, n); table as `Tableau.dense_table`.
    """
    slots[START] = data_address(y0, 0)
    slots[P], slots[TABLE], slots[TERMS] = data_address(p, 0), data_address(table, 0), table.shape[1]
    slots[WANTED], slots[N_WANTED], slots[SAVED] = data_address(wanted, 0), wanted.shape[0], data_address(saved, 0)
    slots[TIMES], slots[N_TIMES] = data_address(times, 0), times.shape[0]
    slots[ROWS], slots[N_ROWS], slots[WIDTH] = data_address(rows, 0), rows.shape[0], rows.shape[1]
    slots[STOPS], slots[N_STOPS] = data_address(stops, 0), stops.shape[0]
    slots[JUMPS] = data_address(jumps, 0) if jumps.shape[0] > 0 else 0
    return drive(data_address(slots, 0), data_address(reals, 0))


@cache
def compiled_loop():
    """`advance`, compiled; loaded from the disk cache where it is there."""
    helpers = (
        derivative, log2_roughly, exp2_roughly, between, growth, retreat, scaled_norm, first_step, weight, interpolate,
        copy, finite, place, room, check, jump, record, distance, explicit_radius, stiff_radius, detect, first_derivative, bind, begin,
        smallest, propose, judge, extra_stages, save, move_on, conclude_with_hooks, attempt, drive,
    )  # fmt: skip
    return link(advance, *helpers)
