"""Powell's dogleg in a trust region: between the steepest descent of |f|^2 / 2 and Newton's step (Nocedal and Wright, 11.2)."""

from __future__ import annotations

import math

from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.nonlinear.lu import solve
from sciad.solvers.nonlinear.newton import linearize
from sciad.solvers.nonlinear.residual import accept, at_rounding_level, begin, residual
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
from sciad.solvers.nonlinear.vectors import add_scaled, dot, norm, scale_to

__all__ = ["trust_region", "descent", "times"]


def descent(n, jac, fx, out):
    """out = -J^T f."""
    for j in range(n):
        put(out, j, 0.0)
    for i in range(n):
        for j in range(n):
            put(out, j, get(out, j) - get(jac, i * n + j) * get(fx, i))


def times(n, jac, v, out):
    """out = J v."""
    for i in range(n):
        put(out, i, dot(n, jac + 8 * i * n, v))


def dogleg(slots, radius, regular):
    """Fill STEP with the dogleg step of at most `radius`; WORK holds the descent direction, Newton's step and J times the former."""
    n, work, step, jac = get_int(slots, N), get_int(slots, WORK), get_int(slots, STEP), get_int(slots, JACOBIAN)
    newton_step, image = work + 8 * n, work + 16 * n
    size = norm(n, newton_step)
    if regular and size <= radius:
        scale_to(n, 1.0, newton_step, step)
        return
    times(n, jac, work, image)
    slope, bend = dot(n, work, work), dot(n, image, image)
    length = math.sqrt(slope)
    cauchy = slope / bend if bend > 0.0 else math.inf  # multiple of the descent direction with the lowest |f + J s|
    if not cauchy * length < radius or not regular:
        scale_to(n, min(cauchy, radius / length), work, step)
        return
    a, b, c = 0.0, 0.0, cauchy * cauchy * slope - radius * radius  # |cauchy point + s (newton - cauchy point)| = radius
    for i in range(n):
        start = cauchy * get(work, i)
        way = get(newton_step, i) - start
        a += way * way
        b += start * way
    part = -c / (b + math.sqrt(max(b * b - a * c, 0.0)))
    for i in range(n):
        start = cauchy * get(work, i)
        put(step, i, start + part * (get(newton_step, i) - start))


def directions(slots):
    """Descent direction and, where the Jacobian has an inverse, Newton's step: 1 with both, 0 with the former alone, or ABORTED."""
    n, work, fx = get_int(slots, N), get_int(slots, WORK), get_int(slots, FX)
    code = linearize(slots)
    if code == ABORTED:
        return ABORTED
    descent(n, get_int(slots, JACOBIAN), fx, work)
    if code != 0:
        return 0
    scale_to(n, -1.0, fx, work + 8 * n)
    solve(slots, get_int(slots, FACTORS), get_int(slots, PIVOTS), work + 8 * n)
    return 1 if norm(n, work + 8 * n) < math.inf else 0


def trust_region(slots):
    """Iterate to the end: a code of `slots`."""
    code = begin(slots)
    if code != RUNNING:
        return code
    n, x, step, trial, f_trial = get_int(slots, N), get_int(slots, X), get_int(slots, STEP), get_int(slots, TRIAL), get_int(slots, F_TRIAL)
    reals, work = get_int(slots, REALS), get_int(slots, WORK)
    radius, known = max(10.0 * norm(n, x), 10.0), -1
    for iteration in range(get_int(slots, MAX_ITERATIONS)):
        put_int(slots, N_ITERATIONS, iteration + 1)
        if known < 0:
            known = directions(slots)
            if known == ABORTED:
                return ABORTED
        before = get(reals, NORM)
        if norm(n, work) <= 1e-15 * before * norm(n * n, get_int(slots, JACOBIAN)):
            return STALLED
        dogleg(slots, radius, known == 1)
        size = norm(n, step)
        add_scaled(n, 1.0, step, x, trial)
        times(n, get_int(slots, JACOBIAN), step, work + 16 * n)
        add_scaled(n, 1.0, work + 16 * n, get_int(slots, FX), work + 16 * n)
        predicted = before - norm(n, work + 16 * n)
        if residual(slots, trial, f_trial) != 0:
            return ABORTED
        after = norm(n, f_trial)
        gain = (before - after) / predicted if predicted > 0.0 and after < math.inf else -1.0
        whole = known == 1 and size >= 0.999 * norm(n, work + 8 * n)
        if gain < 0.1:
            radius = 0.25 * min(radius, size)
        elif gain > 0.75:
            radius = max(radius, 2.0 * size)
        if gain > 1e-4:
            code = accept(slots, trial, f_trial, size if whole else math.inf)
            if code != RUNNING:
                return code
            known = -1
        elif at_rounding_level(slots):
            return CONVERGED
        elif size <= 1e-15 * norm(n, x) or radius < 1e-300:
            return STALLED
    return TOO_MANY
