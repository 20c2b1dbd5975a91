"""The loop's book-keeping: where the record of the next step goes, whether it fits, what the input must satisfy, jumps."""

from __future__ import annotations

from sciad.solvers.layout import (
    BAD_Y0,
    DIRECTION,
    DONE,
    EVERY,
    HAVE_K1,
    JUMPS,
    N_ACCEPT,
    N_EXTRA,
    N_RESET,
    N_ROWS,
    N_STAGES,
    N_STOPPED,
    N_TIMES,
    N_WANTED,
    NOTHING,
    OUTSIDE,
    RESTART,
    ROWS,
    SINCE,
    STAGE,
    STAGES,
    STORE,
    T_BASE,
    T_END,
    TAPE,
    TAPES,
    TIMES,
    UNSORTED,
    WANTED,
    WIDTH,
    K,
    N,
    T,
    Y,
)  # fmt: skip
from sciad.solvers.memory import get, get_int, put, put_int

__all__ = ["copy", "finite", "place", "room", "check", "record", "jump"]


def copy(n, source, target):
    """Copy n floats from address to address."""
    for i in range(n):
        put(target, i, get(source, i))


def finite(n, x):
    """Whether the n floats at address x are all finite."""
    total = 0.0
    for i in range(n):
        total += 0.0 * get(x, i)
    return total == 0.0


def place(slots):
    """Point K, STAGE and TAPE to the row of the record that the next step fills, where that row holds them."""
    store = get_int(slots, STORE)
    if store < STAGES:
        return
    n, stages = get_int(slots, N), get_int(slots, N_STAGES) + get_int(slots, N_EXTRA)
    k = get_int(slots, ROWS) + 8 * (get_int(slots, WIDTH) * get_int(slots, N_ACCEPT) + n)
    put_int(slots, K, k)
    if store == TAPES:
        put_int(slots, STAGE, k + 8 * n * stages)
        put_int(slots, TAPE, k + 8 * n * (2 * stages - 1))


def room(slots):
    """Whether the record has place for one more step."""
    done = get_int(slots, N_ACCEPT) + 1
    fits = done < get_int(slots, N_TIMES) and done // get_int(slots, EVERY) < get_int(slots, N_ROWS)
    return fits or get_int(slots, STORE) == NOTHING


def record(slots, reals):
    """Write time and state, both at the beginning of the next step, to the record."""
    if get_int(slots, STORE) == NOTHING:
        return
    done, every = get_int(slots, N_ACCEPT), get_int(slots, EVERY)
    put(get_int(slots, TIMES), 2 * done, get(reals, T))
    if done % every == 0:
        row = get_int(slots, ROWS) + 8 * get_int(slots, WIDTH) * (done // every)
        copy(get_int(slots, N), get_int(slots, Y), row)


def check(slots, reals):
    """DONE, or the code of what is wrong with the wanted times or the initial state."""
    direction, wanted, m = get(reals, DIRECTION), get_int(slots, WANTED), get_int(slots, N_WANTED)
    if not finite(get_int(slots, N), get_int(slots, Y)):
        return BAD_Y0
    for i in range(1, m):
        if not direction * (get(wanted, i) - get(wanted, i - 1)) > 0.0:
            return UNSORTED
    after = m == 0 or direction * (get(wanted, 0) - get(reals, T)) >= 0.0
    before = m == 0 or direction * (get(reals, T_END) - get(wanted, m - 1)) >= 0.0
    return DONE if after and before else OUTSIDE


def jump(slots, reals):
    """Change the state at a stop; its derivative there must be evaluated anew."""
    n, n_reset, y, stopped = get_int(slots, N), get_int(slots, N_RESET), get_int(slots, Y), get_int(slots, N_STOPPED)
    if get_int(slots, JUMPS) != 0:
        row = get_int(slots, JUMPS) + 8 * n * stopped
        for i in range(n):
            put(y, i, get(row, i) if i < n_reset else get(y, i) + get(row, i))
    put_int(slots, N_STOPPED, stopped + 1)
    put_int(slots, HAVE_K1, 0)
    put_int(slots, RESTART, 1)
    put_int(slots, SINCE, 0)
    put(reals, T_BASE, get(reals, T))
