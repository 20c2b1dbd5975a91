"""The transpose of NDF steps, as one recursion for the cotangents of the backward differences.

A step of order k from differences D_0 to D_k, already at its spacing h, with gamma_i = 1 + ... + 1/i and alpha = (1 - kappa_k) gamma_k:

    y_p = sum_i D_i,   y_new = y_p - sum_i gamma_i D_i / alpha + h / alpha f(t + h, y_new),   d = y_new - y_p,
    D_(k+1)' = d,   D_j' = d + sum_(i>=j) D_i for j <= k.

From the last step to the first, with cotangents D_bar_j' of the new differences, to which states saved inside the step add theirs:

    d_bar = sum_j D_bar_j',   (I - h / alpha J)^T v = d_bar,   p_bar += h / alpha f_p^T v,   J and f_p at y_new,
    D_bar_i = sum_(j<=i) D_bar_j' - d_bar + (1 - gamma_i / alpha) v,   gamma_0 = 0,

then the transposed interpolation to the spacing of the step before, D = M(h / h_before) D'.  At the very beginning D_1 = h f(t0, y0).
All but J and f_p is linear, so that of the forward solve only the states, sizes and orders are needed.  The systems are solved by
iteration with factors kept from step to step while they serve, and to rounding (up to 20 unknowns: renewed for every step).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from sciad.adjoints.layout import F_PLAIN, REV, ROW
from sciad.adjoints.primal import saved_derivatives
from sciad.adjoints.stiff_layout import AUG, N_PARAMETERS, STIFF_SLOTS
from sciad.adjoints.stiff_sweep import PULL_IMPORTS, pull
from sciad.adjoints.sweep import REPLAY_ALL, REVERSE, add_to, dot, fill
from sciad.adjoints.way_back import Sweep
from sciad.solvers.bdf.ndf import ndf_functions
from sciad.solvers.dense import weight
from sciad.solvers.implicit import equip
from sciad.solvers.layout import ERROR, N_STAGES, TAPE_SIZE, F, N
from sciad.solvers.linear.choice import choose_linear
from sciad.solvers.link import HEADER, load_kernels, source_of

__all__ = ["NdfSweep"]

KERNEL = """
REPLAY_ALL, REPLAY_IN_PLACE, REVERSE = range(3)
SMALL = 20


@njit(cache=False)
def product(t, y, v, out, slots, count):
    fill(get_int(slots, N), out, 0.0)
    p_bar = get_int(slots, P_BAR) if count else get_int(slots, P_SPARE)
    return call_address(get_int(slots, REV), t, y, get_int(slots, P), get_int(slots, ONE_TAPE), v, out, p_bar, get_int(slots, T_BAR))


@njit(cache=False)
def renew(t, y, alpha, h, slots):
    own = get_int(slots, OWN)
    put(own, 0, h)
    put(own, 1, alpha)
    if jacobian(t, y, get_int(slots, J_AT), slots) != 0:
        return -1
    return call_address(get_int(slots, FACTOR), alpha, h, slots)


@njit(cache=False)
def transposed_solve(t, y, alpha, h, d_bar, v, slots):
    # v with (I - h / alpha J)^T v = d_bar, and p_bar += h / alpha f_p^T v; z = h / alpha v is what J^T and f_p^T are applied to
    n, own, r, jt, z = get_int(slots, N), get_int(slots, OWN), get_int(slots, BAR_2), get_int(slots, BAR_3), get_int(slots, U)
    code = call_address(get_int(slots, AUG), t, y, get_int(slots, P), get_int(slots, ONE_DY), get_int(slots, ONE_TAPE))
    fresh, old, largest = False, 0.0, 0.0
    for i in range(n):
        largest = max(largest, abs(get(d_bar, i)))
        put(v, i, 0.0)
        put(jt, i, 0.0)
    if code != 0 or largest == 0.0:
        return code
    if not abs(h * get(own, 1) / (alpha * get(own, 0)) - 1.0) <= (0.25 if n > SMALL else 0.0):
        code = renew(t, y, alpha, h, slots)
        fresh = True
    for m in range(200):
        if code != 0:
            return code
        correction = 2.0 * get(own, 1) / (1.0 + h * get(own, 1) / (alpha * get(own, 0)))
        for i in range(n):
            put(r, i, correction * (get(d_bar, i) - get(v, i) + get(jt, i)))
        call_address(get_int(slots, SOLVE_T), slots, r)
        size, total = 0.0, 0.0
        for i in range(n):
            put(v, i, get(v, i) + get(r, i))
            size += get(r, i) * get(r, i)
            total += get(v, i) * get(v, i)
        if not size < math.inf:
            return 1
        stuck = (size > 0.25 * old and size < 1e-24 * total) or (size > 0.8 * old and size < 1e-18 * total)  # by rounding
        last = size <= 1e-28 * total or (m > 1 and stuck)
        for i in range(n):
            put(z, i, h / alpha * get(v, i))
        code = product(t, y, z, jt, slots, last)
        if last:
            return code
        if code == 0 and m > 0 and size > 0.1 * old and not (fresh and m < 6):
            code = renew(t, y, alpha, h, slots)
            fresh = True
        old = size
    return 1


@njit(cache=False)
def reverse_differences(n, order, d_bar, v, total, alpha):
    # d_bar: from those of the new differences to those at the beginning of the step; total holds their sum
    for at in range(n, n * (order + 1)):
        put(d_bar, at, get(d_bar, at - n) + get(d_bar, at))  # sums so far
    gamma = 0.0
    for j in range(order + 1):
        gamma += 1.0 / j if j > 0 else 0.0
        for i in range(n):
            put(d_bar, n * j + i, get(d_bar, n * j + i) - get(total, i) + (1.0 - gamma / alpha) * get(v, i))
    fill(n, d_bar + 8 * n * (order + 1), 0.0)


@njit(cache=False)
def respace_back(n, order, factor, d_bar, work):
    # the transpose of `respace`
    r, u, m, column = work, work + 8 * 36, work + 8 * 72, work + 8 * 108
    powers(order, factor, r)
    powers(order, 1.0, u)
    for i in range(1, order + 1):
        for j in range(1, order + 1):
            total = 0.0
            for k in range(order + 1):
                total += get(r, 6 * j + k) * get(u, 6 * k + i)
            put(m, 6 * j + i, total)
    for c in range(n):
        for i in range(1, order + 1):
            put(column, i, get(d_bar, n * i + c))
        for j in range(1, order + 1):
            total = 0.0
            for i in range(1, order + 1):
                total += get(m, 6 * j + i) * get(column, i)
            put(d_bar, n * j + c, total)


@njit(cache=False)
def add_saved(slots, t, h, t_new, d_bar, order):
    # saved states at the end of the step and inside it; what they ask of the state at its beginning goes to AT_T
    n, wanted, left, terms = get_int(slots, N), get_int(slots, WANTED), get_int(slots, N_SAVED), get_int(slots, TERMS)
    at_t = get_int(slots, AT_T)
    direction = 1.0 if h > 0.0 else -1.0
    fill(n, at_t, 0.0)
    if left > 0 and get(wanted, left - 1) == t_new:
        left -= 1
        add_to(n, d_bar, get_int(slots, SAVED_BAR) + 8 * n * left)
    while left > 0 and direction * (get(wanted, left - 1) - t) > 0.0:
        left -= 1
        bar, theta = get_int(slots, SAVED_BAR) + 8 * n * left, (get(wanted, left) - t) / h
        add_to(n, at_t, bar)
        for j in range(1, min(order + 1, 5) + 1):
            w = weight(get_int(slots, TABLE) + 8 * terms * j, terms, theta)
            for i in range(n):
                put(d_bar, n * j + i, get(d_bar, n * j + i) + w * get(bar, i))
    put_int(slots, N_SAVED, left)


@njit(cache=False)
def reverse_ndf_step(slots, step, orders, d_bar, work):
    n, times, v, total = get_int(slots, N), get_int(slots, TIMES), get_int(slots, BAR_1), get_int(slots, ONE_K_BAR)
    t, h, t_new, order = get(times, 2 * step), get(times, 2 * step + 1), get(times, 2 * step + 2), int(orders[step])
    y = get_int(slots, ROWS) + 8 * get_int(slots, WIDTH) * (step - get_int(slots, ROW))
    y_new, alpha = y + 8 * get_int(slots, WIDTH), coefficient(order)
    add_saved(slots, t, h, t_new, d_bar, order)
    fill(n, total, 0.0)
    for j in range(order + 2):
        add_to(n, total, d_bar + 8 * n * j)
    code = transposed_solve(t_new, y_new, alpha, h, total, v, slots)
    if code != 0:
        return code
    reverse_differences(n, order, d_bar, v, total, alpha)
    add_to(n, d_bar, get_int(slots, AT_T))
    if step > 0:
        if h != get(times, 2 * step - 1):
            respace_back(n, order, h / get(times, 2 * step - 1), d_bar, work)
        return 0
    y_bar = get_int(slots, Y_BAR)
    for i in range(n):
        put(y_bar, i, get(d_bar, i))
        put(v, i, h * get(d_bar, n + i))
    code = pull(t, y, v, y_bar, slots)
    if get_int(slots, N_SAVED) > 0 and get(get_int(slots, WANTED), 0) == t:
        add_to(n, y_bar, get_int(slots, SAVED_BAR))
        put_int(slots, N_SAVED, 0)
    return code


@njit(cache=False)
def replay_ndf(slots, first, last, orders, in_place):
    # take steps again from row 0, which holds the state and its differences D_1 to D_5
    n, row, times, own = get_int(slots, N), get_int(slots, ROWS), get_int(slots, TIMES), get_int(slots, OWN)
    d, width = own + ENTRIES, 8 * get_int(slots, WIDTH)
    new = d + 64 * n
    copy(6 * n, row, d)
    put_int(slots, RESTART, 1 if first == 0 else 0)
    put(own, 5, get(times, 2 * first - 1) if first > 0 else 0.0)
    for step in range(first, last):
        t, h, order = get(times, 2 * step), get(times, 2 * step + 1), int(orders[step])
        put_int(own, 6, order)
        put_int(slots, Y, row)
        put_int(slots, J_STEP, 0)
        if step == 0 and call_address(get_int(slots, F_PLAIN), t, row, get_int(slots, P), get_int(slots, K)) != 0:
            return -1
        predict(h, slots)
        code = solve_step(t, h, order, True, slots)
        if code != 0:
            return code
        row += 0 if in_place else width
        for i in range(n):
            difference = h / coefficient(order) * (get(get_int(slots, STAGE), i) - get(new, i))
            put(d, n * (order + 1) + i, difference)
            for j in range(order, -1, -1):
                put(d, n * j + i, get(d, n * j + i) + get(d, n * (j + 1) + i))
            put(d, i, get(get_int(slots, Y_NEW), i))
        copy(6 * n, d, row)
    put(own, 0, math.nan)  # these factors are not those of a transposed solve
    return 0


@njit
def ndf_sweep(slots, job, first, last, p, times, rows, wanted, saved_bar, table, y_bar, p_bar, orders, d_bar, work):
    slots[P], slots[TIMES], slots[TABLE], slots[TERMS] = data_address(p, 0), data_address(times, 0), data_address(table, 0), table.shape[1]
    slots[ROWS], slots[WIDTH] = data_address(rows, 0), rows.shape[1]
    slots[WANTED], slots[SAVED_BAR] = data_address(wanted, 0), data_address(saved_bar, 0)
    slots[Y_BAR], slots[P_BAR] = data_address(y_bar, 0), data_address(p_bar, 0)
    address, n, base = data_address(slots, 0), slots[N], data_address(work, 0)
    slots[T_BAR] = base
    place = base + 16 + 8 * 120
    for name in (ONE_K_BAR, AT_T, ONE_DY, BAR_1, BAR_2, BAR_3, U, Y_NEW, STAGE, K):
        slots[name] = place
        place += 8 * n
    slots[P_SPARE] = place
    slots[ONE_TAPE] = place + 8 * slots[N_PARAMETERS]
    if job != REVERSE:
        slots[ROW] = first
        return replay_ndf(address, first, last, orders, job == REPLAY_IN_PLACE)
    for step in range(last - 1, first - 1, -1):
        code = reverse_ndf_step(address, step, orders, data_address(d_bar, 0), base + 16)
        if code != 0:
            return code
    return 0
"""


class NdfSweep(Sweep):
    """The way back over the steps of an NDF; cotangents of saved times are those of the exact flow."""

    def _prepare(self) -> None:
        rhs, method, n, first = self.rhs, self.residuals.method, self.rhs.n, self.residuals
        self.slots = slots = np.zeros(STIFF_SLOTS, np.int64)
        linear = choose_linear(None, rhs, float(first.steps.times[0]), first.y0, first.p)
        self.memory, self.norm = (equip(slots, rhs, method, linear, 0), linear), np.zeros(2)
        slots[[N, N_STAGES, N_PARAMETERS, TAPE_SIZE]] = n, method.n_stages, rhs.n_p, rhs.tape_size
        slots[[F, F_PLAIN, AUG, REV, ERROR]] = rhs.f, rhs.f, rhs.aug(), rhs.rev(), self.norm.ctypes.data
        self.work = np.zeros(2 + 120 + 10 * n + rhs.n_p + rhs.tape_size)
        self.d_bar = np.zeros(7 * n)

    def run(self):
        """The cotangents, as `Discrete.backward` returns them."""
        self.d_bar[: self.rhs.n] = self.y_bar
        found = super().run()
        if self.times and len(self.wanted_bar):
            slopes = saved_derivatives(self.rhs, self.wanted, self.residuals.ys, self.residuals.p)
            self.wanted_bar[:] = np.einsum("mi,mi->m", slopes, self.ys_bar)
        return found

    def _call(self, job: int, first: int, last: int, rows: np.ndarray) -> int:
        if job == REVERSE and len(rows) == last - first:  # the end of the last step is missing
            rows = np.vstack([rows, np.empty((1, rows.shape[1]))])
            code = self._call(REPLAY_ALL, last - 1, last, rows[-2:])
            if code != 0:
                return code
            self.slots[ROW] = first
        residuals = self.residuals
        return _compiled()(
            *(self.slots, job, first, last, residuals.p, residuals.steps.pairs, rows, self.wanted, self.ys_bar),
            *(residuals.method.dense, self.y_bar, self.p_bar, residuals.steps.orders, self.d_bar, self.work),
        )


@cache
def _compiled():
    """`ndf_sweep`, compiled; loaded from the disk cache where it is there."""
    helpers = "".join(source_of(function) for function in (add_to, fill, dot, pull, weight))
    return load_kernels(HEADER + PULL_IMPORTS + ndf_functions() + helpers + KERNEL, "ndf_sweep").ndf_sweep
