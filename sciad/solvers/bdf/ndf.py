"""Numerical differentiation formulas of orders 1 to 5 in backward differences: Shampine & Reichelt, SIAM J. Sci. Comput. 18 (1997) 1.

Steps stay equal for order + 1 of them; then order and size are chosen anew, and the differences interpolated to the new spacing.  OWN
holds, after the settings of Newton's iteration, the spacing, the order and the number of equal steps, then the differences D_0 to D_7
at the beginning of the step, then d = y_new - y_predicted, two vectors, and a matrix.  K holds, from its second row on, D_1 / h to
D_5 / h at the end of the step: dense output is the polynomial through the last states, y + sum w_j(theta) D_j with w_1 = theta and
w_j = (theta - 1) theta ... (theta + j - 2) / j!.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from sciad.solvers.link import HEADER, load_kernels, source_of
from sciad.solvers.newton import NEWTON_ENTRIES, NEWTON_HELPERS, newton_settings
from sciad.solvers.recording import copy
from sciad.solvers.stepsize import exp2_roughly, log2_roughly
from sciad.solvers.tableau import nested_from_powers

__all__ = ["Ndf", "ndf_functions"]

KAPPA = (0.0, -0.1850, -1 / 9, -0.0823, -0.0415, 0.0)  # Shampine & Reichelt, table 1

STEP = """
@njit(cache=False)
def coefficient(order):
    return ALPHA_1 if order == 1 else (ALPHA_2 if order == 2 else (ALPHA_3 if order == 3 else (ALPHA_4 if order == 4 else ALPHA_5)))


@njit(cache=False)
def error_constant(k):
    low = ERROR_1 if k == 1 else (ERROR_2 if k == 2 else ERROR_3)
    return low if k <= 3 else (ERROR_4 if k == 4 else (ERROR_5 if k == 5 else ERROR_6))


@njit(cache=False)
def powers(order, factor, out):
    for j in range(order + 1):
        put(out, j, 1.0)
        for i in range(1, order + 1):
            put(out, 6 * i + j, get(out, 6 * (i - 1) + j) * (i - 1 - factor * j) / i if j > 0 else 0.0)


@njit(cache=False)
def respace(order, factor, n, d, work):
    r, u, m = work, work + 8 * 36, work + 8 * 72
    powers(order, factor, r)
    powers(order, 1.0, u)
    for i in range(order + 1):
        for j in range(order + 1):
            total = 0.0
            for k in range(order + 1):
                total += get(r, 6 * i + k) * get(u, 6 * k + j)
            put(m, 6 * j + i, total)
    column = work + 8 * 108
    for c in range(n):
        for j in range(order + 1):
            put(column, j, get(d, n * j + c))
        for i in range(1, order + 1):
            total = 0.0
            for j in range(1, order + 1):
                total += get(m, 6 * i + j) * get(column, j)
            put(d, n * i + c, total)


@njit(cache=False)
def predict(h, slots):
    n, own = get_int(slots, N), get_int(slots, OWN)
    d = own + ENTRIES
    extra = d + 64 * n
    predicted, base, order = extra + 8 * n, extra + 16 * n, get_int(own, 6)
    if get_int(slots, RESTART) == 1:
        y, f0 = get_int(slots, Y), get_int(slots, K)
        for i in range(n):
            put(d, i, get(y, i))
            put(d, n + i, h * get(f0, i))
        for i in range(2 * n, 8 * n):
            put(d, i, 0.0)
        put(own, 0, math.nan)
        put_int(own, 7, 0)
        order = 1
    elif h != get(own, 5):
        respace(order, h / get(own, 5), n, d, extra + 24 * n)
        put_int(own, 7, 0)
    put(own, 5, h)
    put_int(own, 6, order)
    put_int(slots, RESTART, 0)
    alpha = coefficient(order)
    for i in range(n):
        total, psi, weight = get(d, i), 0.0, 0.0
        for j in range(1, order + 1):
            weight += 1.0 / j
            total += get(d, n * j + i)
            psi += weight * get(d, n * j + i)
        put(predicted, i, total)
        put(base, i, total - psi / alpha)
        put(extra, i, psi / h)
    return order


@njit(cache=False)
def solve_step(t, h, order, force, slots):
    n, own = get_int(slots, N), get_int(slots, OWN)
    extra, alpha = own + ENTRIES + 64 * n, coefficient(order)
    predicted, base = extra + 8 * n, extra + 16 * n
    code = prepare_matrix(t + h, h, alpha, predicted, force, slots)
    if code != 0:
        return code
    put(own, 2, 0.0)
    unknown = get_int(slots, STAGE)
    for i in range(n):
        put(unknown, i, get(extra, i))
    return newton(t + h, base, h, 1.0 / alpha, unknown, get_int(slots, Y_NEW), slots)


@njit(cache=False)
def mean_square(x, scale, slots):
    n, y, y_new, tolerance, total = get_int(slots, N), get_int(slots, Y), get_int(slots, Y_NEW), get_int(slots, TOLERANCE), 0.0
    for i in range(n):
        new = get(y_new, i)
        q = get(x, i) / (get(tolerance, i) + get(tolerance, n + i) * max(abs(get(y, i)), abs(new)))
        total = fast_add(total, q * q + 0.0 * new)
    return scale * scale * total * get(get_int(slots, ERROR), 1)


@njit(cache=False)
def factor_for(square, exponent):
    return exp2_roughly(-0.5 * log2_roughly(max(square, 1e-20)) / exponent)


@njit(cache=False)
def accepted(h, slots):
    n, own, k = get_int(slots, N), get_int(slots, OWN), get_int(slots, K)
    reals, order = get_int(slots, ERROR) - 8 * NORM, get_int(own, 6)
    d = own + ENTRIES
    new = d + 64 * n
    if get_int(slots, ORDERS) != 0:
        put(get_int(slots, ORDERS), get_int(slots, N_ACCEPT), order)
    for i in range(n):
        put(d, n * (order + 2) + i, get(new, i) - get(d, n * (order + 1) + i))
        put(d, n * (order + 1) + i, get(new, i))
        for j in range(order, -1, -1):
            put(d, n * j + i, get(d, n * j + i) + get(d, n * (j + 1) + i))
        put(d, i, get(get_int(slots, Y_NEW), i))
        for j in range(1, 6):
            put(k, n * j + i, get(d, n * j + i) / h if j <= order + 1 else 0.0)
    if get_int(slots, WIDTH) == 6 * n and get_int(slots, STORE) == STATES and (get_int(slots, N_ACCEPT) + 1) % get_int(slots, EVERY) == 0:
        row = get_int(slots, ROWS) + 8 * get_int(slots, WIDTH) * ((get_int(slots, N_ACCEPT) + 1) // get_int(slots, EVERY))
        copy(5 * n, d + 8 * n, row + 8 * n)
    equal = get_int(own, 7) + 1
    put_int(own, 7, equal)
    put(reals, H, abs(h))
    if equal <= order:
        return 0
    best, chosen = factor_for(get(reals, NORM), order + 1.0), order
    if order > 1:
        factor = factor_for(mean_square(d + 8 * n * order, error_constant(order - 1), slots), order)
        if factor > best:
            best, chosen = factor, order - 1
    if order < 5:
        factor = factor_for(mean_square(d + 8 * n * (order + 2), error_constant(order + 1), slots), order + 2.0)
        if factor > best:
            best, chosen = factor, order + 1
    best = min(best * get(reals, SAFETY), get(reals, GROW), 4.0)  # an extrapolated polynomial allows no larger leap
    if chosen == order and 0.95 < best < 1.15:
        return 0
    if chosen != order:
        put(own, 0, math.nan)
    put(reals, H, abs(h) * best)
    put(reals, ALPHA, 1.0 / (chosen + 1))
    put_int(own, 6, chosen)
    put_int(own, 7, 0)
    return 0


@cfunc(kernel_signature(2, 1))
def step(t, h, slots):
    if get_int(slots, PART) == 2:
        return accepted(h, slots)
    n, own, y_new = get_int(slots, N), get_int(slots, OWN), get_int(slots, Y_NEW)
    if get_int(slots, MASS) != 0 and get_int(slots, RESTART) == 1:
        k = get_int(slots, K)
        code = call_address(get_int(slots, SLOPE), t, h, get_int(slots, Y), k, k + 8 * n, slots)
        if code != 0:
            return no_result(code, slots, y_new)
    order = predict(h, slots)
    code = solve_step(t, h, order, False, slots)
    if code == NO_CONVERGENCE:
        code = solve_step(t, h, order, True, slots)
    if code != 0:
        return no_result(code, slots, y_new)
    extra, unknown, alpha = own + ENTRIES + 64 * n, get_int(slots, STAGE), coefficient(order)
    for i in range(n):
        put(extra, i, h / alpha * (get(unknown, i) - get(extra, i)))
    put(get_int(slots, ERROR), 0, mean_square(extra, error_constant(order), slots))
    return 0
"""


def _source() -> str:
    """The kernel with its constants filled in."""
    lines = [f"ENTRIES = {8 * NEWTON_ENTRIES}\n"]
    gamma = np.cumsum([0.0, *[1 / j for j in range(1, 6)]])
    for k in range(1, 6):
        lines.append(f"ALPHA_{k} = {float((1 - KAPPA[k]) * gamma[k])!r}\n")
        lines.append(f"ERROR_{k} = {float(KAPPA[k] * gamma[k] + 1 / (k + 1))!r}\n")
    lines.append(f"ERROR_6 = {1 / 7!r}\n\n\n")
    helpers = (*NEWTON_HELPERS, log2_roughly, exp2_roughly, copy)
    return "".join(lines) + "".join(source_of(function) for function in helpers) + STEP


def ndf_functions() -> str:
    """The same without the step itself, for kernels that take parts of it."""
    source = _source()
    return source[: source.index("@cfunc")]


def weight_powers() -> list[list[Fraction]]:
    """Coefficients of theta, ..., theta^5 in w_1 to w_5."""
    rows, product = [], [Fraction(0), Fraction(1)]  # theta
    for j in range(1, 6):
        if j > 1:
            root = Fraction(1) if j == 2 else Fraction(2 - j)  # w_j has the factors (theta - 1), theta, (theta + 1), ..., (theta + j - 2)
            shifted, scaled = [Fraction(0), *product], [root * x for x in product] + [Fraction(0)]
            product = [(x - y) / j for x, y in zip(shifted, scaled)]
        rows.append(product[1:] + [Fraction(0)] * (6 - len(product)))
    return rows


@dataclass(frozen=True, eq=False)
class Ndf:
    """NDF of orders 1 to 5 in quasi-constant steps."""

    name = "NDF"
    error_order = 1  # of the first step
    n_stages = 6
    n_extra = 0
    adaptive = True
    implicit = True
    newton = True
    mass = True  # takes a mass matrix
    fsal = True  # nothing needs f at the beginning of a step
    f_calls = 0  # the Newton iterations count theirs
    after = True
    complex = False
    multistep = True  # its orders are recorded and, where few states are kept, its differences with them

    @cached_property
    def dense(self) -> np.ndarray:
        """Nested coefficients of dense output, shape (rows of K, terms)."""
        rows = [[float(x) for x in nested_from_powers(tuple(row))] for row in weight_powers()]
        return np.array([[0.0] * 5, *rows])

    def own(self, n: int) -> np.ndarray:
        """Initial contents of the memory that the step needs for itself."""
        return np.array([*newton_settings(n, 0.05), *[0.0] * (NEWTON_ENTRIES - 5), *[0.0] * (11 * n + 120)])

    @cached_property
    def step(self) -> int:
        """Address of ``int64 step(double t, double h, intp slots)``, see `sciad.solvers.layout`."""
        return load_kernels(HEADER + _source(), "step_ndf").step.address
