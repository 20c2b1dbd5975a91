"""Ways back that keep no states: the state runs backwards beside its cotangent, from the end of every path.

Reversible Heun undoes its steps exactly, so its adjoint is that of the steps taken.  Backsolve solves the equation of the state and its
cotangent a backwards on the same Brownian path, in the Stratonovich sense, in which the chain rule is the ordinary one:

    dy = f dt + g o dW,    da = -(df/dy)^T a dt - (dg/dy)^T a o dW,    dp_bar = -(df/dp)^T a dt,    dq_bar = -(dg/dq)^T a o dW

(X. Li, T.-K. L. Wong, R. Chen & D. Duvenaud, AISTATS 2020), by Heun's method.  An Ito equation becomes a Stratonovich one with the drift
f - c / 2, where c_i = sum over j, k of (dg_ik / dy_j) g_jk; its transpose takes second derivatives of g.
"""

from __future__ import annotations

from functools import cache

from sciad.adjoints.sde_sweep import pull
from sciad.backend import call_address, data_address
from sciad.solvers.link import _source
from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.sde.assemble import assemble, load
from sciad.solvers.sde.brownian import plant
from sciad.solvers.sde.layout import (
    ALL_DEVIATION,
    ALL_END,
    ALL_Y_BAR,
    BLOCK,
    DIAGONAL,
    DW,
    F_AUG,
    F_REV,
    F_TAPE,
    FAILED,
    G_AUG,
    G_JVP,
    G_JVP_REV,
    G_REV,
    G_TAPE,
    GRID,
    ITO,
    MATRIX,
    N_STEPS,
    N_WANTED,
    P_BAR,
    PATHS,
    Q_BAR,
    Q_DOT,
    SAVED,
    SEGMENT,
    SHAPE,
    STATE,
    STEP_BAR,
    T_BAR,
    WANTED,
    WORK,
    Y_BAR,
    Y_NEW,
    M,
    N,
    P,
    Q,
    Y,
)  # fmt: skip
from sciad.solvers.sde.philox import INLINE
from sciad.solvers.sde.reversible import add_product
from sciad.solvers.sde.walk import WALK, copy, enter, find, make_noise, point_noise

__all__ = ["backsolve_step_kernel", "compiled_run_back", "reversible_step_kernel", "running_work_size"]


# -- the walk ------------------------------------------------------------------------------------------------------------------------
def compare(slots, path, at, y):
    """How far a running state is from those saved at grid point `at`, relative to their size; the running state becomes the saved one."""
    n, wanted, n_wanted = get_int(slots, N), get_int(slots, WANTED), get_int(slots, N_WANTED)
    worst, k = 0.0, find(wanted, n_wanted, at)
    while k < n_wanted and get_int(wanted, k) == at:
        row = get_int(slots, SAVED) + 8 * n * (n_wanted * path + k)
        size, far = 0.0, 0.0
        for i in range(n):
            d = abs(get(y, i) - get(row, i))
            size, far = max(size, abs(get(row, i))), max(far, d if d == d else 1e300)
        worst = max(worst, far / (size + 1e-3))
        copy(n, row, y)
        k += 1
    return worst


def run_segment(slots, path, first, last, y, y_bar, deviation):
    """Undo steps last - 1 to first of one path; 0, or 1 where a function aborted."""
    n, grid = get_int(slots, N), get_int(slots, GRID)
    spare = y + 8 * n
    put_int(slots, Y_BAR, y_bar)
    for step in range(last - 1, first - 1, -1):
        pull(slots, path, 1, step + 1, y_bar)
        if deviation != 0:
            put(deviation, 0, max(get(deviation, 0), compare(slots, path, step + 1, y)))
        point_noise(slots, path, step - first)
        put_int(slots, Y, y)
        put_int(slots, Y_NEW, spare)
        t = get(grid, step)
        if call_address(get_int(slots, STEP_BAR), t, get(grid, step + 1) - t, slots) != 0:
            return 1
        copy(n, spare, y)
    return 0


def run_block(slots, reals, block):
    """All steps of a block of paths, from the states at the end."""
    paths, n_steps, segment, n = get_int(slots, PATHS), get_int(slots, N_STEPS), get_int(slots, SEGMENT), get_int(slots, N)
    start = get_int(slots, BLOCK) * block
    y_bars, deviation = get_int(slots, ALL_Y_BAR) + 8 * n * start, 0
    plant(slots, reals)
    for path in range(paths):
        copy(n, get_int(slots, ALL_END) + 8 * n * (start + path), get_int(slots, STATE) + 16 * n * path)
    last = n_steps
    while last > 0:
        first = (last - 1) // segment * segment
        make_noise(slots, reals, first, last)
        for path in range(paths):
            if get_int(slots, ALL_DEVIATION) != 0:
                deviation = get_int(slots, ALL_DEVIATION) + 8 * (start + path)
            if run_segment(slots, path, first, last, get_int(slots, STATE) + 16 * n * path, y_bars + 8 * n * path, deviation) != 0:
                put_int(get_int(slots, FAILED), path, last)
                return
        last = first
    for path in range(paths):
        pull(slots, path, 1, 0, y_bars + 8 * n * path)
        if get_int(slots, ALL_DEVIATION) != 0:
            deviation = get_int(slots, ALL_DEVIATION) + 8 * (start + path)
            put(deviation, 0, max(get(deviation, 0), compare(slots, path, 0, get_int(slots, STATE) + 16 * n * path)))


def run_back(slots, reals, first, last):
    """Go back over the blocks first to last - 1."""
    s, r = data_address(slots, 0), data_address(reals, 0)
    for block in range(first, last):
        enter(s, block)
        run_block(s, r, block)


@cache
def compiled_run_back():
    """`run_back`, compiled; loaded from the disk cache where it is there."""
    return assemble(run_back, *WALK, pull, compare, run_segment, run_block, inline=INLINE)


# -- pieces of steps -----------------------------------------------------------------------------------------------------------------
def evaluate(slots, n, t, h, z, f, g, tapes, out):
    """f(t, z) h + g(t, z) dW into out, with tapes for `transpose`."""
    g_tapes = tapes + 8 * get_int(slots, F_TAPE)
    if call_address(get_int(slots, F_AUG), t, z, get_int(slots, P), f, tapes) != 0:
        return 1
    if call_address(get_int(slots, G_AUG), t, z, get_int(slots, Q), g, g_tapes) != 0:
        return 1
    for i in range(n):
        put(out, i, h * get(f, i))
    add_product(get_int(slots, SHAPE), n, get_int(slots, M), g, get_int(slots, DW), 1.0, out)
    return 0


def spread(shape, n, m, bar, dw, factor, g_bar):
    """The cotangent of g from that of factor (g . dw)."""
    if shape == MATRIX:
        for i in range(n):
            for j in range(m):
                put(g_bar, i * m + j, factor * get(bar, i) * get(dw, j))
    else:
        for i in range(n):
            put(g_bar, i, factor * get(bar, i) * get(dw, i if shape == DIAGONAL else 0))


def transpose(slots, n, t, h, z, bar, f_bar, g_bar, tapes, z_bar):
    """Add the transpose of what `evaluate` did, applied to bar, to z_bar and the cotangents of the parameters; g_bar is given."""
    for i in range(n):
        put(f_bar, i, h * get(bar, i))
    p_bar, q_bar, t_bar = get_int(slots, P_BAR), get_int(slots, Q_BAR), get_int(slots, T_BAR)
    if call_address(get_int(slots, F_REV), t, z, get_int(slots, P), tapes, f_bar, z_bar, p_bar, t_bar) != 0:
        return 1
    g_tapes = tapes + 8 * get_int(slots, F_TAPE)
    return call_address(get_int(slots, G_REV), t, z, get_int(slots, Q), g_tapes, g_bar, z_bar, q_bar, t_bar)


# -- reversible Heun -----------------------------------------------------------------------------------------------------------------
def undo(t, h, slots):
    """Take one step of (y, z) back, and transpose it."""
    n, m, shape, dw = get_int(slots, N) // 2, get_int(slots, M), get_int(slots, SHAPE), get_int(slots, DW)
    y, y_new, work, y_bar = get_int(slots, Y), get_int(slots, Y_NEW), get_int(slots, WORK), get_int(slots, Y_BAR)
    z, z_new, z_bar, size = y + 8 * n, y_new + 8 * n, y_bar + 8 * n, n * m if shape == MATRIX else n
    first, second, bar, f, f_bar = work, work + 8 * n, work + 16 * n, work + 24 * n, work + 32 * n
    g = work + 40 * n
    g_bar = g + 8 * size
    tapes = g_bar + 8 * size
    if evaluate(slots, n, t + h, h, z, f, g, tapes, second) != 0:
        return 1
    for i in range(n):
        put(bar, i, 0.5 * get(y_bar, i))
    spread(shape, n, m, bar, dw, 1.0, g_bar)
    if transpose(slots, n, t + h, h, z, bar, f_bar, g_bar, tapes, z_bar) != 0:
        return 1
    for i in range(n):
        put(z_new, i, 2.0 * get(y, i) - get(z, i) - get(second, i))
        put(bar, i, 0.5 * get(y_bar, i) + get(z_bar, i))
        put(y_bar, i, get(y_bar, i) + 2.0 * get(z_bar, i))
        put(z_bar, i, -get(z_bar, i))
    if evaluate(slots, n, t, h, z_new, f, g, tapes, first) != 0:
        return 1
    spread(shape, n, m, bar, dw, 1.0, g_bar)
    if transpose(slots, n, t, h, z_new, bar, f_bar, g_bar, tapes, z_bar) != 0:
        return 1
    for i in range(n):
        put(y_new, i, get(y, i) - 0.5 * (get(first, i) + get(second, i)))
    return 0


# -- backsolve -----------------------------------------------------------------------------------------------------------------------
def correct(slots, n, t, h, y, a, g, g_bar, scratch, change, a_change):
    """Ito's correction of the drift, -c / 2: add h times it to `change`; add half the transpose of -h times it to a_change and g_bar."""
    m, shape = get_int(slots, M), get_int(slots, SHAPE)
    columns, width = (m, m) if shape == MATRIX else (1, 1)
    direction, dg, dg_dot, blank, seed, back = scratch, scratch + 8 * n, 0, 0, 0, 0
    dg_dot = dg + 8 * n * width
    blank = dg_dot + 8 * n * width
    seed = blank + 8 * n * width
    back = seed + 8 * n * width
    for k in range(columns):
        for i in range(n):
            put(direction, i, get(g, i * width + k))
            put(back, i, 0.0)
        for i in range(n * width):
            put(blank, i, 0.0)
            put(seed, i, 0.0)
        if call_address(get_int(slots, G_JVP), t, 0.0, y, direction, get_int(slots, Q), get_int(slots, Q_DOT), dg, dg_dot) != 0:
            return 1
        for i in range(n):
            put(change, i, get(change, i) - 0.5 * h * get(dg_dot, i * width + k))
            put(seed, i * width + k, 0.25 * h * get(a, i))
        code = call_address(
            get_int(slots, G_JVP_REV), t, 0.0, y, direction, get_int(slots, Q), blank, seed, a_change, back, get_int(slots, Q_BAR),
            get_int(slots, T_BAR),
        )  # fmt: skip
        if code != 0:
            return 1
        for i in range(n):
            put(g_bar, i * width + k, get(g_bar, i * width + k) + get(back, i))
    return 0


def slope(slots, n, t, h, y, a, scratch, change, a_change):
    """Change of y over a step h of the equations backwards at (t, y, a), and half the change of a; parameters take their half, too."""
    m, shape, dw = get_int(slots, M), get_int(slots, SHAPE), get_int(slots, DW)
    size = n * m if shape == MATRIX else n
    f, f_bar, bar, g = scratch, scratch + 8 * n, scratch + 16 * n, scratch + 24 * n
    g_bar = g + 8 * size
    tapes = g_bar + 8 * size
    rest = tapes + 8 * (get_int(slots, F_TAPE) + get_int(slots, G_TAPE))
    if evaluate(slots, n, t, h, y, f, g, tapes, change) != 0:
        return 1
    for i in range(n):
        put(change, i, -get(change, i))
        put(bar, i, 0.5 * get(a, i))
        put(a_change, i, 0.0)
    spread(shape, n, m, bar, dw, 1.0, g_bar)
    if get_int(slots, ITO) == 1 and correct(slots, n, t, -h, y, a, g, g_bar, rest, change, a_change) != 0:
        return 1
    return transpose(slots, n, t, h, y, bar, f_bar, g_bar, tapes, a_change)


def back_heun(t, h, slots):
    """One step of Heun's method from t + h back to t, on the increment of the step."""
    n, y, y_new, a, work = get_int(slots, N), get_int(slots, Y), get_int(slots, Y_NEW), get_int(slots, Y_BAR), get_int(slots, WORK)
    first, second, a_first, a_second = work, work + 8 * n, work + 16 * n, work + 24 * n
    middle, a_middle, scratch = work + 32 * n, work + 40 * n, work + 48 * n
    if slope(slots, n, t + h, h, y, a, scratch, first, a_first) != 0:
        return 1
    for i in range(n):
        put(middle, i, get(y, i) + get(first, i))
        put(a_middle, i, get(a, i) + 2.0 * get(a_first, i))
    if slope(slots, n, t, h, middle, a_middle, scratch, second, a_second) != 0:
        return 1
    for i in range(n):
        put(y_new, i, get(y, i) + 0.5 * (get(first, i) + get(second, i)))
        put(a, i, get(a, i) + get(a_first, i) + get(a_second, i))
    return 0


PIECES = (add_product, evaluate, spread, transpose)


@cache
def _kernel(name: str) -> int:
    entry, helpers = {"undo": (undo, PIECES), "back_heun": (back_heun, (*PIECES, correct, slope))}[name]
    parts = [f"@njit(cache=False)\n{_source(function)}\n\n" for function in helpers]
    return getattr(load("".join(parts) + f"@cfunc(kernel_signature(2, 1))\n{_source(entry)}", name), name).address


def reversible_step_kernel() -> int:
    """Address of `undo`."""
    return _kernel("undo")


def backsolve_step_kernel() -> int:
    """Address of `back_heun`."""
    return _kernel("back_heun")


def running_work_size(n: int, m: int, tapes: int) -> int:
    """Entries of scratch memory of either."""
    return 20 * n + 8 * n * max(m, 1) + tapes + 16
