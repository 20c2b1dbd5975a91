"""Pseudo-transient continuation: implicit Euler steps that grow as the residual falls, and end as Newton's (Kelley and Keyes 1998)."""

from __future__ import annotations

import math

from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.nonlinear.lu import factor, solve
from sciad.solvers.nonlinear.residual import accept, at_rounding_level, begin, jacobian, residual
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
    STALLED,
    STEP,
    TOO_MANY,
    TRIAL,
    N,
    X,
)
from sciad.solvers.nonlinear.vectors import add_scaled, copy, norm

__all__ = ["pseudo_transient"]


def pseudo_transient(slots):
    """(I / dt - J) step = f(x), dt inversely as the norm of f: a code of `slots`."""
    code = begin(slots)
    if code != RUNNING:
        return code
    n, x, step, trial, f_trial = get_int(slots, N), get_int(slots, X), get_int(slots, STEP), get_int(slots, TRIAL), get_int(slots, F_TRIAL)
    reals, jac, factors = get_int(slots, REALS), get_int(slots, JACOBIAN), get_int(slots, FACTORS)
    dt = 0.01 * max(norm(n, x), 1e-3) / get(reals, NORM)
    stale = True
    for iteration in range(get_int(slots, MAX_ITERATIONS)):
        put_int(slots, N_ITERATIONS, iteration + 1)
        if stale and jacobian(slots, x, jac) != 0:
            return ABORTED
        stale = False
        for i in range(n * n):
            put(factors, i, -get(jac, i))
        for i in range(n):
            put(factors, i * n + i, get(factors, i * n + i) + 1.0 / dt)
        before, size = get(reals, NORM), math.inf
        if factor(slots, factors, get_int(slots, PIVOTS)) == 0:
            copy(n, get_int(slots, FX), step)
            solve(slots, factors, get_int(slots, PIVOTS), step)
            size = norm(n, step)
        after = math.inf
        if size < math.inf:
            add_scaled(n, 1.0, step, x, trial)
            if residual(slots, trial, f_trial) != 0:
                return ABORTED
            after = norm(n, f_trial)
        if not after < math.inf or (size > 0.2 * norm(n, x) and after > 2.0 * before):
            dt *= 0.1
            if dt < 1e-300:
                return STALLED
            continue
        newton_like = dt * before >= 100.0 * size  # then 1 / dt hardly matters beside J
        code = accept(slots, trial, f_trial, size if newton_like else math.inf)
        if code == CONVERGED or (newton_like and at_rounding_level(slots)):
            return CONVERGED
        stale = True
        dt *= min(max(before / after if after > 0.0 else 10.0, 0.3), 10.0) * 1.5
    return TOO_MANY
