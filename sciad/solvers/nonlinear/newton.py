"""Newton's method with a line search on the norm of the residual (Dennis and Schnabel, 6.3)."""

from __future__ import annotations

import math

from sciad.solvers.memory import get, get_int, put_int
from sciad.solvers.nonlinear.lu import factor, solve
from sciad.solvers.nonlinear.residual import accept, at_rounding_level, begin, jacobian, residual, small_step
from sciad.solvers.nonlinear.slots import (
    ABORTED,
    CONVERGED,
    F_TRIAL,
    FACTORS,
    FX,
    JACOBIAN,
    MAX_ITERATIONS,
    N_ITERATIONS,
    NORM,
    PIVOTS,
    REALS,
    RUNNING,
    SINGULAR,
    STALLED,
    STEP,
    TOO_MANY,
    TRIAL,
    N,
    X,
)  # fmt: skip
from sciad.solvers.nonlinear.vectors import add_scaled, copy, norm, scale_to

__all__ = ["newton", "linearize", "search"]


def linearize(slots):
    """Jacobian at X and its factors: 0, SINGULAR or ABORTED."""
    n, jac, factors = get_int(slots, N), get_int(slots, JACOBIAN), get_int(slots, FACTORS)
    if jacobian(slots, get_int(slots, X), jac) != 0:
        return ABORTED
    copy(n * n, jac, factors)
    return SINGULAR if factor(slots, factors, get_int(slots, PIVOTS)) != 0 else 0


def search(slots, smallest):
    """Go along STEP, all the way if that lowers the norm of the residual enough, else part of it; STALLED below the fraction `smallest`."""
    n, x, step, trial, f_trial = get_int(slots, N), get_int(slots, X), get_int(slots, STEP), get_int(slots, TRIAL), get_int(slots, F_TRIAL)
    before, size, part = get(get_int(slots, REALS), NORM), norm(n, step), 1.0
    if not size < math.inf:
        return SINGULAR
    while part >= smallest:
        add_scaled(n, part, step, x, trial)
        if residual(slots, trial, f_trial) != 0:
            return ABORTED
        after = norm(n, f_trial)
        if after <= (1.0 - 1e-4 * part) * before:
            code = accept(slots, trial, f_trial, part * size)
            return code if part == 1.0 or get(get_int(slots, REALS), NORM) == 0.0 else RUNNING
        if part == 1.0 and after < 4.0 * before and small_step(slots, trial, size):  # nothing but rounding is left
            return CONVERGED
        if after < math.inf:  # the minimum of the parabola through both norms and the slope, within limits
            ratio = after / before
            part *= min(max(1.0 / (1.0 + ratio * ratio), 0.1), 0.5)
        else:
            part *= 0.25
    return STALLED


def newton(slots):
    """Iterate to the end: a code of `slots`."""
    code = begin(slots)
    if code != RUNNING:
        return code
    n, step = get_int(slots, N), get_int(slots, STEP)
    for iteration in range(get_int(slots, MAX_ITERATIONS)):
        put_int(slots, N_ITERATIONS, iteration + 1)
        code = linearize(slots)
        if code != 0:
            return code
        scale_to(n, -1.0, get_int(slots, FX), step)
        solve(slots, get_int(slots, FACTORS), get_int(slots, PIVOTS), step)
        code = search(slots, 1e-10)
        if code == STALLED and at_rounding_level(slots):
            return CONVERGED
        if code != RUNNING:
            return code
    return TOO_MANY
