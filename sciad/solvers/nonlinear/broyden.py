"""Broyden's first method on the inverse Jacobian, which is exact at the start and again where a step fails (Math. Comp. 19 (1965) 577)."""

from __future__ import annotations

from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.nonlinear.lu import solve
from sciad.solvers.nonlinear.newton import linearize, search
from sciad.solvers.nonlinear.residual import at_rounding_level, begin
from sciad.solvers.nonlinear.slots import (
    CONVERGED,
    FACTORS,
    FX,
    MAX_ITERATIONS,
    N_ITERATIONS,
    PIVOTS,
    RUNNING,
    STALLED,
    STEP,
    TOO_MANY,
    WORK,
    N,
    X,
)  # fmt: skip
from sciad.solvers.nonlinear.vectors import add_scaled, copy, dot

__all__ = ["broyden"]


def invert(slots):
    """WORK = the inverse of the Jacobian at X, row-major; 0, SINGULAR or ABORTED."""
    n, work, column = get_int(slots, N), get_int(slots, WORK), get_int(slots, STEP)
    code = linearize(slots)
    if code != 0:
        return code
    for j in range(n):
        for i in range(n):
            put(column, i, 1.0 if i == j else 0.0)
        solve(slots, get_int(slots, FACTORS), get_int(slots, PIVOTS), column)
        for i in range(n):
            put(work, i * n + j, get(column, i))
    return 0


def update(n, inverse, moved, change, image, row):
    """Sherman-Morrison: inverse += (moved - inverse change) (moved^T inverse) / (moved^T inverse change)."""
    for j in range(n):
        put(row, j, 0.0)
    for i in range(n):
        put(image, i, dot(n, inverse + 8 * i * n, change))
        for j in range(n):
            put(row, j, get(row, j) + get(moved, i) * get(inverse, i * n + j))
    below = dot(n, moved, image)
    if not abs(below) > 1e-8 * dot(n, moved, moved):
        return
    for i in range(n):
        left = (get(moved, i) - get(image, i)) / below
        for j in range(n):
            put(inverse, i * n + j, get(inverse, i * n + j) + left * get(row, j))


def broyden(slots):
    """Iterate to the end: a code of `slots`."""
    code = begin(slots)
    if code != RUNNING:
        return code
    n, x, fx, step, inverse = get_int(slots, N), get_int(slots, X), get_int(slots, FX), get_int(slots, STEP), get_int(slots, WORK)
    x_old, f_old = inverse + 8 * n * n, inverse + 8 * n * (n + 1)
    fresh, stuck = False, True
    for iteration in range(get_int(slots, MAX_ITERATIONS)):
        put_int(slots, N_ITERATIONS, iteration + 1)
        if stuck:
            code = invert(slots)
            if code != 0:
                return code
            fresh = True
        stuck = False
        for i in range(n):
            put(step, i, -dot(n, inverse + 8 * i * n, fx))
        copy(n, x, x_old)
        copy(n, fx, f_old)
        code = search(slots, 1e-10 if fresh else 0.05)
        if code == STALLED or (code < 0 and not fresh):
            if fresh:
                return CONVERGED if at_rounding_level(slots) else STALLED
            stuck = True
            continue
        if code != RUNNING:
            return code
        add_scaled(n, -1.0, x_old, x, x_old)
        add_scaled(n, -1.0, f_old, fx, f_old)
        update(n, inverse, x_old, f_old, inverse + 8 * n * (n + 2), inverse + 8 * n * (n + 3))
        fresh = False
    return TOO_MANY
