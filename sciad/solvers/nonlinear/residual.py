"""What every method asks of the system: residual, Jacobian, products, and whether the iteration is over."""

from __future__ import annotations

import math

from sciad.backend import call_address
from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.nonlinear.slots import (
    ABORTED,
    BAD_START,
    CONVERGED,
    F_TRIAL,
    FIXED,
    FTOL,
    FX,
    INTS,
    JAC,
    JACOBIAN,
    JVP,
    LARGEST,
    N_F,
    N_J,
    NORM,
    P_BAR,
    P_DOT,
    POINT,
    REALS,
    REV,
    RUNNING,
    STATE_REV,
    STATE_TAPE,
    TAPE,
    TRANSPOSED,
    TRIAL,
    XTOL,
    F,
    N,
    P,
    X,
)  # fmt: skip
from sciad.solvers.nonlinear.vectors import all_finite, copy, largest, norm

__all__ = ["residual", "jacobian", "differences", "product", "begin", "accept", "small_step", "at_rounding_level"]


def residual(slots, x, out):
    """out = f(x), or f(x) - x where a fixed point is wanted; the status of f."""
    code = call_address(get_int(slots, F), 0.0, x, get_int(slots, P), out)
    put_int(slots, N_F, get_int(slots, N_F) + 1)
    if get_int(slots, FIXED) == 1:
        for i in range(get_int(slots, N)):
            put(out, i, get(out, i) - get(x, i))
    return code


def differences(slots, x, out):
    """out = the Jacobian of the residual at x, where it is FX, by forward differences; the status of f."""
    n, fx, trial = get_int(slots, N), get_int(slots, FX), get_int(slots, F_TRIAL)
    for j in range(n):
        here = get(x, j)
        put(x, j, here + 1.5e-8 * max(abs(here), 1e-3))
        step, code = get(x, j) - here, residual(slots, x, trial)
        put(x, j, here)
        if code != 0:
            return code
        for i in range(n):
            put(out, i * n + j, (get(trial, i) - get(fx, i)) / step)
    return 0


def jacobian(slots, x, out):
    """out = the Jacobian of the residual, row-major, by differences where the system offers none; the status of f."""
    if get_int(slots, JAC) == 0:
        put_int(slots, N_J, get_int(slots, N_J) + 1)
        return differences(slots, x, out)
    code = call_address(get_int(slots, JAC), 0.0, x, get_int(slots, P), out)
    put_int(slots, N_J, get_int(slots, N_J) + 1)
    if get_int(slots, FIXED) == 1:
        n = get_int(slots, N)
        for i in range(n):
            put(out, i * n + i, get(out, i * n + i) - 1.0)
    return code


def along(slots, v, out):
    """out = J v at X, where the residual is FX, by a difference; the status of f."""
    n, x, fx, trial = get_int(slots, N), get_int(slots, X), get_int(slots, FX), get_int(slots, TRIAL)
    size, span = norm(n, v), max(norm(n, x), 1e-3)
    step = 1.5e-8 * span / size if size > 0.0 else 1.0
    for i in range(n):
        put(trial, i, get(x, i) + step * get(v, i))
    code = residual(slots, trial, out)
    for i in range(n):
        put(out, i, (get(out, i) - get(fx, i)) / step)
    return code


def product(slots, v, out):
    """out = J v, or J^T v where TRANSPOSED, with the Jacobian J of the residual at POINT; TRIAL is scratch memory of the former."""
    n, p = get_int(slots, N), get_int(slots, P)
    if get_int(slots, TRANSPOSED) == 1:
        for i in range(n):
            put(out, i, 0.0)
        t_bar = get_int(slots, INTS) + 32
        point = get_int(slots, POINT)
        if get_int(slots, STATE_REV) != 0:
            code = call_address(get_int(slots, STATE_REV), 0.0, point, p, get_int(slots, STATE_TAPE), v, out, t_bar)
        else:
            code = call_address(get_int(slots, REV), 0.0, point, p, get_int(slots, TAPE), v, out, get_int(slots, P_BAR), t_bar)
    elif get_int(slots, JVP) == 0:  # by a difference, which includes the identity of a fixed point
        return along(slots, v, out)
    else:
        scratch = get_int(slots, TRIAL)
        code = call_address(get_int(slots, JVP), 0.0, 0.0, get_int(slots, POINT), v, p, get_int(slots, P_DOT), scratch, out)
    if get_int(slots, FIXED) == 1:
        for i in range(n):
            put(out, i, get(out, i) - get(v, i))
    return code


def begin(slots):
    """Evaluate the residual at X: CONVERGED where it is zero, RUNNING, or what went wrong."""
    n, x, fx, reals = get_int(slots, N), get_int(slots, X), get_int(slots, FX), get_int(slots, REALS)
    put_int(slots, N_F, 0)
    put_int(slots, N_J, 0)
    if residual(slots, x, fx) != 0:
        return ABORTED
    if not (all_finite(n, x) and all_finite(n, fx)):
        return BAD_START
    put(reals, LARGEST, norm(n, x))
    put(reals, NORM, norm(n, fx))
    return CONVERGED if largest(n, fx) <= get(reals, FTOL) else RUNNING


def accept(slots, x_new, f_new, size):
    """Let x_new be the iterate; CONVERGED where the step of norm `size` that led there was small, or the residual is."""
    n, reals = get_int(slots, N), get_int(slots, REALS)
    copy(n, x_new, get_int(slots, X))
    copy(n, f_new, get_int(slots, FX))
    put(reals, NORM, norm(n, f_new))
    if largest(n, f_new) <= get(reals, FTOL) or small_step(slots, x_new, size):
        return CONVERGED
    return RUNNING


def small_step(slots, x, size):
    """Whether a step of this norm to x is below the tolerance, or below the rounding of the iterates on the way."""
    reals = get_int(slots, REALS)
    here = norm(get_int(slots, N), x)
    put(reals, LARGEST, max(get(reals, LARGEST), here))
    return size <= get(reals, XTOL) * here + 1e-14 * get(reals, LARGEST)


def at_rounding_level(slots):
    """Whether the residual at X is no larger than what rounding x makes of it: | f_i | <= 8 eps sum_j |J_ij x_j|."""
    n, x, fx, jac = get_int(slots, N), get_int(slots, X), get_int(slots, FX), get_int(slots, JACOBIAN)
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += abs(get(jac, i * n + j) * get(x, j))
        if not abs(get(fx, i)) <= 1.8e-15 * total or not total < math.inf:
            return False
    return True
