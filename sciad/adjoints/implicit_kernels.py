"""Kernels of the implicit function theorem: a linear solve with the Jacobian at the solution, and how far it can be trusted.

Slots are those of `sciad.solvers.nonlinear.slots`; STEP holds what is given and what is wanted.  WORK holds the scales of rows and columns,
three vectors and, for small systems, a second Jacobian.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from sciad.backend import call_address, entry
from sciad.solvers.link import link
from sciad.solvers.memory import get, get_int, put
from sciad.solvers.nonlinear import krylov, lu
from sciad.solvers.nonlinear.compiled import BASE, imports
from sciad.solvers.nonlinear.krylov import gmres
from sciad.solvers.nonlinear.lu import SMALL, factor, solve, solve_transposed
from sciad.solvers.nonlinear.residual import jacobian, product, residual
from sciad.solvers.nonlinear.slots import (
    ABORTED,
    AFFINE,
    AUG,
    CONDITION,
    CURVATURE,
    F_TRIAL,
    FACTORS,
    FX,
    INTS,
    JACOBIAN,
    JVP,
    MAX_ITERATIONS,
    NORM,
    P_BAR,
    P_DOT,
    PIVOTS,
    POINT,
    REALS,
    REV,
    SINGULAR,
    STATE_AUG,
    STATE_TAPE,
    STEP,
    TAPE,
    TRIAL,
    WORK,
    XTOL,
    N,
    P,
    X,
)  # fmt: skip
from sciad.solvers.nonlinear.vectors import copy, norm

__all__ = ["compiled_prepare", "compiled_derive", "compiled_pull", "compiled_forward", "compiled_record", "compiled_parameters_bar",
           "compiled_forward_defect", "compiled_gmres", "compiled_product", "dense_work"]  # fmt: skip


def dense_work(n: int) -> int:
    """Entries of WORK for the dense kernels."""
    return 5 * n + (n * n if n <= SMALL else 0)


def equilibrate(n, a, rows, columns):
    """Scale the rows of a matrix to largest entry 1, then its columns; False where one of them is zero or not finite."""
    for i in range(n):
        most = 0.0
        for j in range(n):
            most = max(most, abs(get(a, i * n + j)))
            if not abs(get(a, i * n + j)) < math.inf:
                return False
        if most == 0.0:
            return False
        put(rows, i, 1.0 / most)
        put(columns, i, 0.0)
        for j in range(n):
            put(a, i * n + j, get(a, i * n + j) / most)
    for i in range(n):
        for j in range(n):
            put(columns, j, max(get(columns, j), abs(get(a, i * n + j))))
    for j in range(n):
        if get(columns, j) == 0.0:
            return False
        put(columns, j, 1.0 / get(columns, j))
    for i in range(n):
        for j in range(n):
            put(a, i * n + j, get(a, i * n + j) * get(columns, j))
    return True


def sum_norm(n, a):
    """Largest sum of absolute values of a column."""
    most = 0.0
    for j in range(n):
        total = 0.0
        for i in range(n):
            total += abs(get(a, i * n + j))
        most = max(most, total)
    return most


def inverse_norm(slots, a, pivots, x, y):
    """Hager's estimate of the largest column sum of A^-1 from the factors of A (SIAM J. Sci. Stat. Comput. 5 (1984) 311)."""
    n, estimate = get_int(slots, N), 0.0
    for i in range(n):
        put(x, i, 1.0 / n)
    for _ in range(5):
        copy(n, x, y)
        solve(slots, a, pivots, y)
        total = 0.0
        for i in range(n):
            total += abs(get(y, i))
            put(y, i, 1.0 if get(y, i) >= 0.0 else -1.0)
        if not total > estimate:
            return max(estimate, total)
        estimate = total
        solve_transposed(slots, a, pivots, y)
        most, here, product = 0.0, 0, 0.0
        for i in range(n):
            product += get(y, i) * get(x, i)
            if abs(get(y, i)) > most:
                most, here = abs(get(y, i)), i
        if most <= product:
            return estimate
        for i in range(n):
            put(x, i, 1.0 if i == here else 0.0)
    return estimate


def scaled_solve(slots, b):
    """b = J^-1 b."""
    n, work = get_int(slots, N), get_int(slots, WORK)
    for i in range(n):
        put(b, i, get(b, i) * get(work, i))
    solve(slots, get_int(slots, FACTORS), get_int(slots, PIVOTS), b)
    for i in range(n):
        put(b, i, get(b, i) * get(work, n + i))


def scaled_solve_transposed(slots, b):
    """b = J^-T b."""
    n, work = get_int(slots, N), get_int(slots, WORK)
    for i in range(n):
        put(b, i, get(b, i) * get(work, n + i))
    solve_transposed(slots, get_int(slots, FACTORS), get_int(slots, PIVOTS), b)
    for i in range(n):
        put(b, i, get(b, i) * get(work, i))


def rounding_shift(slots, shift):
    """shift = how far rounding of x moves the root, at least sqrt(eps) |x| long; its length."""
    n, x, trial, fx = get_int(slots, N), get_int(slots, X), get_int(slots, TRIAL), get_int(slots, FX)
    for i in range(n):
        put(trial, i, get(x, i) * (1.0 + 8.9e-16))
    if residual(slots, trial, shift) != 0:
        return -1.0
    for i in range(n):
        put(shift, i, get(shift, i) - get(fx, i))
    scaled_solve(slots, shift)
    size, wanted = norm(n, shift), 1.5e-8 * norm(n, x)
    if size < wanted:
        for i in range(n):
            put(shift, i, get(shift, i) * (wanted / size) if size > 0.0 else get(x, i) * 1.5e-8)
        size = wanted
    return size


def contraction(slots, shift, vector):
    """How much a Newton step that is more than rounding shrinks with the Jacobian frozen: about 0 at a simple root, 1/4 at a double one.

    `shift` becomes that step.  0 where the step is nothing but rounding.
    """
    n, x, fx, trial = get_int(slots, N), get_int(slots, X), get_int(slots, FX), get_int(slots, TRIAL)
    copy(n, fx, shift)
    scaled_solve(slots, shift)
    size = norm(n, shift)
    if not size > 1e-11 * norm(n, x):
        return 0.0
    for i in range(n):
        put(trial, i, get(x, i) - get(shift, i))
    if residual(slots, trial, vector) != 0:
        return 0.0
    scaled_solve(slots, vector)
    return norm(n, vector) / size


def curvature(slots):
    """How far the Jacobian can be trusted: relative change of it over the uncertainty of x; at a multiple root that is of order 1."""
    n, x, work, trial = get_int(slots, N), get_int(slots, X), get_int(slots, WORK), get_int(slots, TRIAL)
    shift, vector, second = work + 16 * n, work + 24 * n, work + 40 * n
    found = contraction(slots, shift, vector)
    if n > SMALL:
        return found
    size = rounding_shift(slots, shift)
    if not 0.0 < size < math.inf:
        return found
    for i in range(n):
        put(trial, i, get(x, i) + get(shift, i))
    if jacobian(slots, trial, second) != 0:
        return found
    jac = get_int(slots, JACOBIAN)
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += (get(second, i * n + j) - get(jac, i * n + j)) * get(shift, j)
        put(vector, i, total)
    scaled_solve(slots, vector)
    return max(found, norm(n, vector) / size)


def prepare(slots):
    """Residual, Jacobian and its scaled factors at X, with CONDITION and CURVATURE: 0, SINGULAR or ABORTED."""
    n, reals, work, factors = get_int(slots, N), get_int(slots, REALS), get_int(slots, WORK), get_int(slots, FACTORS)
    put(reals, CONDITION, math.inf)
    put(reals, CURVATURE, 0.0)
    if residual(slots, get_int(slots, X), get_int(slots, FX)) != 0 or jacobian(slots, get_int(slots, X), get_int(slots, JACOBIAN)) != 0:
        return ABORTED
    copy(n * n, get_int(slots, JACOBIAN), factors)
    if not equilibrate(n, factors, work, work + 8 * n):
        return SINGULAR
    size = sum_norm(n, factors)
    if factor(slots, factors, get_int(slots, PIVOTS)) != 0:
        return SINGULAR
    put(reals, CONDITION, size * inverse_norm(slots, factors, get_int(slots, PIVOTS), work + 16 * n, work + 24 * n))
    put(reals, CURVATURE, curvature(slots))
    return 0


def parameters_bar(slots):
    """P_BAR = the cotangent of the parameters from STEP, that of the function; the status of the function."""
    x, p, tape, p_bar = get_int(slots, POINT), get_int(slots, P), get_int(slots, TAPE), get_int(slots, P_BAR)
    return call_address(get_int(slots, REV), 0.0, x, p, tape, get_int(slots, STEP), get_int(slots, TRIAL), p_bar, get_int(slots, INTS) + 32)


def record(slots):
    """Write the tape of the function at POINT; its status."""
    x, p, out = get_int(slots, POINT), get_int(slots, P), get_int(slots, F_TRIAL)
    if get_int(slots, STATE_AUG) != 0 and call_address(get_int(slots, STATE_AUG), 0.0, x, p, out, get_int(slots, STATE_TAPE)) != 0:
        return ABORTED
    return call_address(get_int(slots, AUG), 0.0, x, p, out, get_int(slots, TAPE))


def reverse(slots):
    """STEP = x_bar becomes the adjoint -J^-T x_bar, and P_BAR, zeros on entry, its product with df/dp."""
    scaled_solve_transposed(slots, get_int(slots, STEP))
    for i in range(get_int(slots, N)):
        put(get_int(slots, STEP), i, -get(get_int(slots, STEP), i))
    if record(slots) != 0:
        return ABORTED
    return parameters_bar(slots)


def forward(slots):
    """STEP = x_dot = -J^-1 (df/dp p_dot)."""
    n, x, step, zero = get_int(slots, N), get_int(slots, X), get_int(slots, STEP), get_int(slots, TRIAL)
    for i in range(n):
        put(zero, i, 0.0)
    code = call_address(get_int(slots, JVP), 0.0, 0.0, x, zero, get_int(slots, P), get_int(slots, P_DOT), get_int(slots, F_TRIAL), step)
    if code != 0:
        return code
    scaled_solve(slots, step)
    for i in range(n):
        put(step, i, -get(step, i))
    return 0


def derive(slots, x, p, x_bar, p_bar, doubtful, curved):
    """A whole reverse derivative at the solution x: p_bar = -(df/dp)^T J^-T x_bar, from the factors that are made here.

    0, ABORTED, or SINGULAR where the factors are to be judged first: CONDITION beyond `doubtful` or CURVATURE beyond `curved`.
    """
    n, n_p = get_int(slots, N), len(p)
    for i in range(n):
        put(get_int(slots, X), i, x[i])
    for i in range(n_p):
        put(get_int(slots, P), i, p[i])
    code = prepare(slots)
    if code != 0:
        return code
    reals = get_int(slots, REALS)
    if not (get(reals, CONDITION) <= doubtful and get(reals, CURVATURE) <= curved):
        return SINGULAR
    return pull(slots, x_bar, p_bar)


def pull(slots, x_bar, p_bar):
    """The reverse derivative from factors that are there; 0 or ABORTED."""
    for i in range(get_int(slots, N)):
        put(get_int(slots, STEP), i, x_bar[i])
    bar = get_int(slots, P_BAR)
    for i in range(len(p_bar)):
        put(bar, i, 0.0)
    if reverse(slots) != 0:
        return ABORTED
    for i in range(len(p_bar)):
        p_bar[i] = get(bar, i)
    return 0


def forward_defect(slots):
    """AFFINE = df/dp p_dot at POINT; the status of the function."""
    x, zero, p, p_dot = get_int(slots, POINT), get_int(slots, TRIAL), get_int(slots, P), get_int(slots, P_DOT)
    for i in range(get_int(slots, N)):
        put(zero, i, 0.0)
    return call_address(get_int(slots, JVP), 0.0, 0.0, x, zero, p, p_dot, get_int(slots, F_TRIAL), get_int(slots, AFFINE))


def product_at(slots):
    """FX = the product of the Jacobian at POINT, or its transpose, with X; the status of the function."""
    return product(slots, get_int(slots, X), get_int(slots, FX))


def solve_by_gmres(slots):
    """STEP = -J^-T AFFINE (or -J^-1 AFFINE), without matrices; NORM is the relative residual reached."""
    n, b, out = get_int(slots, N), get_int(slots, F_TRIAL), get_int(slots, STEP)
    for i in range(n):
        put(b, i, -get(get_int(slots, AFFINE), i))
    reached = gmres(slots, b, out, get_int(slots, WORK), get(get_int(slots, REALS), XTOL), get_int(slots, MAX_ITERATIONS))
    put(get_int(slots, REALS), NORM, reached)
    return 0 if reached <= get(get_int(slots, REALS), XTOL) else SINGULAR


_SOLVES = (lu.factor, lu.by_lapack, lu.solve, lu.solve_transposed, scaled_solve, scaled_solve_transposed)


@cache
def compiled_prepare():
    """`prepare`, compiled."""
    parts = equilibrate, sum_norm, inverse_norm, rounding_shift, contraction, curvature
    return link(prepare, *BASE, *_SOLVES, *parts, imports=imports() + f"SMALL = {SMALL}\n")


@cache
def compiled_derive() -> Callable[..., int]:
    """`derive` as machine code that Python calls without a look at the arguments."""
    parts = equilibrate, sum_norm, inverse_norm, rounding_shift, contraction, curvature, prepare, record, parameters_bar, reverse, pull
    function = link(derive, *BASE, *_SOLVES, *parts, imports=imports() + f"SMALL = {SMALL}\n")
    return entry(function, ("i8", "*float64", "*float64", "*float64:", "*float64", "f8", "f8"))


@cache
def compiled_pull() -> Callable[..., int]:
    """`pull` likewise."""
    function = link(pull, *BASE, *_SOLVES, record, parameters_bar, reverse, imports=imports())
    return entry(function, ("i8", "*float64:", "*float64"))


@cache
def compiled_forward():
    """`forward`, compiled."""
    return link(forward, *BASE, *_SOLVES, imports=imports())


@cache
def compiled_record():
    """`record`, compiled."""
    return link(record, *BASE, imports=imports())


@cache
def compiled_parameters_bar():
    """`parameters_bar`, compiled."""
    return link(parameters_bar, *BASE, imports=imports())


@cache
def compiled_forward_defect():
    """`forward_defect`, compiled."""
    return link(forward_defect, *BASE, imports=imports())


@cache
def compiled_gmres():
    """`solve_by_gmres`, compiled."""
    return link(solve_by_gmres, *BASE, krylov.rotate, krylov.expand, krylov.combine, krylov.true_residual, krylov.gmres, imports=imports())


@cache
def compiled_product():
    """`product_at`, compiled."""
    return link(product_at, *BASE, imports=imports())
