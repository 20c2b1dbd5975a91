"""Levenberg and Marquardt's method with Nielsen's damping (IMM-REP-1999-05): also where the Jacobian is singular on the way."""

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
    WORK,
    N,
    X,
)  # fmt: skip
from sciad.solvers.nonlinear.trust_region import descent
from sciad.solvers.nonlinear.vectors import add_scaled, copy, dot, norm

__all__ = ["levenberg_marquardt"]


def normal_matrix(n, jac, out):
    """out = J^T J; the largest entry of its diagonal."""
    for i in range(n * n):
        put(out, i, 0.0)
    for k in range(n):
        for i in range(n):
            left = get(jac, k * n + i)
            if left != 0.0:
                for j in range(n):
                    put(out, i * n + j, get(out, i * n + j) + left * get(jac, k * n + j))
    most = 0.0
    for i in range(n):
        most = max(most, get(out, i * n + i))
    return most


def damped_step(slots, damping):
    """Fill STEP with -(J^T J + damping I)^-1 J^T f; whether that worked."""
    n, work, step, factors = get_int(slots, N), get_int(slots, WORK), get_int(slots, STEP), get_int(slots, FACTORS)
    copy(n * n, work + 8 * n, factors)
    for i in range(n):
        put(factors, i * n + i, get(factors, i * n + i) + damping)
    if factor(slots, factors, get_int(slots, PIVOTS)) != 0:
        return False
    copy(n, work, step)
    solve(slots, factors, get_int(slots, PIVOTS), step)
    return norm(n, step) < math.inf


def levenberg_marquardt(slots):
    """Iterate to the end: a code of `slots`."""
    code = begin(slots)
    if code != RUNNING:
        return code
    n, x, step, trial, f_trial = get_int(slots, N), get_int(slots, X), get_int(slots, STEP), get_int(slots, TRIAL), get_int(slots, F_TRIAL)
    reals, work, jac = get_int(slots, REALS), get_int(slots, WORK), get_int(slots, JACOBIAN)
    damping, growth, stale = -1.0, 2.0, True
    most = 0.0
    for iteration in range(get_int(slots, MAX_ITERATIONS)):
        put_int(slots, N_ITERATIONS, iteration + 1)
        if stale:
            if jacobian(slots, x, jac) != 0:
                return ABORTED
            most = normal_matrix(n, jac, work + 8 * n)
            descent(n, jac, get_int(slots, FX), work)
            stale = False
            if damping < 0.0:
                damping = 1e-3 * most
        before = get(reals, NORM)
        if norm(n, work) <= 1e-15 * before * math.sqrt(most) or not most < math.inf:
            return STALLED
        if damped_step(slots, damping):
            add_scaled(n, 1.0, step, x, trial)
            if residual(slots, trial, f_trial) != 0:
                return ABORTED
            after, size = norm(n, f_trial), norm(n, step)
            predicted = 0.5 * (damping * size * size + dot(n, step, work))
            gain = 0.5 * (before - after) * (before + after) / predicted if predicted > 0.0 and after < math.inf else -1.0
            if gain > 0.0:
                code = accept(slots, trial, f_trial, size if 4.0 * predicted >= before * before else math.inf)
                if code != RUNNING:
                    return code
                damping *= max(0.03, 1.0 - (2.0 * gain - 1.0) ** 3)
                growth, stale = 2.0, True
                continue
            if at_rounding_level(slots):
                return CONVERGED
            if size <= 1e-15 * norm(n, x):
                return STALLED
        damping = max(damping, 1e-16 * most) * growth
        growth *= 2.0
        if not damping < math.inf:
            return STALLED
    return TOO_MANY
