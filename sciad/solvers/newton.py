"""Simplified Newton iterations for implicit stages, inside compiled kernels (Hairer & Wanner IV.8).

They stop where the estimated error of the iteration is a fraction of what the error test allows.  What they learn is kept in the
first entries of OWN: the step size that the factors belong to, how fast the iterations converged, and how often to renew J and LU.
"""

from __future__ import annotations

import math
from typing import Any

from sciad.backend import call_address, fast_add
from sciad.solvers.jacobian import jacobian
from sciad.solvers.layout import (
    CONSTANT_JAC,
    ERROR,
    FACTOR,
    FAILED,
    J_AT,
    J_STEP,
    N_ACCEPT,
    N_F,
    N_LU,
    NO_CONVERGENCE,
    OWN,
    SOLVE,
    SPARE,
    TOLERANCE,
    F,
    N,
    P,
)  # fmt: skip
from sciad.solvers.mass_kernels import algebraic_part, mass_product, residual
from sciad.solvers.memory import get, get_int, put, put_int

__all__ = ["NEWTON_ENTRIES", "NEWTON_HELPERS", "keep_jacobian", "newton_settings"]

NEWTON_ENTRIES = 8  # of OWN: LU_H, ETA, WORST, JAC_RATE, LU_DRIFT, and room
SMALL = 20  # up to this size Jacobians and factors are cheap against evaluations of f
JAC_RATE, LU_DRIFT = 3, 4  # entries
SLOW = 0.2  # rate of convergence from which a dear Jacobian is renewed
NEAR = 0.25  # relative change of h up to which factors are kept


def newton_settings(n: int, small_rate: float | None = None) -> list[float]:
    """The first entries of OWN for n unknowns; up to SMALL, J is kept while the rate is below `small_rate` (None: never)."""
    if n > SMALL:
        return [0.0, 1.0, 1.0, SLOW, NEAR]
    return [0.0, 1.0, 1.0, -1.0, 0.0] if small_rate is None else [0.0, 1.0, 1.0, small_rate, NEAR]


def keep_jacobian(own: Any, kind: str) -> None:
    """Change the settings for Jacobians that are constant, or that a call of Python makes dear."""
    if kind != "compiled":
        own[JAC_RATE], own[LU_DRIFT] = math.inf if kind == "constant" else SLOW, NEAR


def newton_norm(x, y, scale, slots):
    """Size of scale * x: in units of the tolerance, or, with fixed steps, of 1e-13 |y|."""
    n, tolerance = get_int(slots, N), get_int(slots, TOLERANCE)
    total, size = 0.0, 0.0
    if tolerance == 0:
        for i in range(n):
            total = fast_add(total, get(x, i) * get(x, i))
            size = fast_add(size, get(y, i) * get(y, i))
        return abs(scale) * math.sqrt(total) / (1e-13 * math.sqrt(size) + 1e-290)
    for i in range(n):
        q = get(x, i) / (get(tolerance, i) + get(tolerance, n + i) * abs(get(y, i)))
        total = fast_add(total, q * q)
    return abs(scale) * math.sqrt(total * get(get_int(slots, ERROR), 1))


def prepare_matrix(t, h, c, y, force, slots):
    """Renew J and the factors of c M - h J where the last iterations, the step size or `force` ask for it.

    0, NO_CONVERGENCE if they were as new as can be already, or what went wrong (negative: the right-hand side aborted).
    """
    own, now = get_int(slots, OWN), get_int(slots, N_ACCEPT) + 1
    new_j = get_int(slots, J_STEP) == 0 or (get_int(slots, J_STEP) != now and (force or get(own, 2) > get(own, 3)))
    new_lu = new_j or not abs(h / get(own, 0) - 1.0) <= get(own, 4) or (force and get(own, 0) != h)
    if force and not new_lu:
        return NO_CONVERGENCE
    if new_j:
        if jacobian(t, y, get_int(slots, J_AT), slots) != 0:
            return -1
        put_int(slots, J_STEP, now)
    if new_lu:
        put_int(slots, N_LU, get_int(slots, N_LU) + 1)
        put(own, 0, h)
        code = call_address(get_int(slots, FACTOR), c, h, slots)
        if code != 0:
            put(own, 0, math.nan)
            return code
    return 0


def newton_exact(t, base, h, gamma, k, place, slots):
    """The same without a tolerance, for fixed steps and for steps that an adjoint takes again: to rounding, J renewed where it is slow."""
    n, spare, own, old = get_int(slots, N), get_int(slots, SPARE), get_int(slots, OWN), math.inf
    step = h * gamma
    for i in range(n):
        put(place, i, get(base, i) + step * get(k, i))
    for _ in range(60):
        put_int(slots, N_F, get_int(slots, N_F) + 1)
        if call_address(get_int(slots, F), t, place, get_int(slots, P), spare) != 0:
            return -1
        correction = 2.0 / (1.0 + h / get(own, 0)) / gamma
        residual(correction, spare, k, slots)
        call_address(get_int(slots, SOLVE), slots, spare)
        size = newton_norm(spare, place, step, slots)
        for i in range(n):
            put(k, i, get(k, i) + get(spare, i))
            put(place, i, get(place, i) + step * get(spare, i))
        if size <= 1.0 or (size < 100.0 and size > 0.1 * old):
            return 0
        if not size < math.inf:
            return NO_CONVERGENCE
        if size > 0.1 * old:
            put_int(slots, J_STEP, 0)
            put_int(slots, N_LU, get_int(slots, N_LU) + 1)
            put(own, 0, h)
            if jacobian(t, place, get_int(slots, J_AT), slots) != 0:
                return -1
            if call_address(get_int(slots, FACTOR), 1.0 / gamma, h, slots) != 0:
                return NO_CONVERGENCE
        old = size
    return NO_CONVERGENCE


def first_eta(h, own):
    """Rate / (1 - rate) before it is measured: from what it was, and at least what factors of another step size leave."""
    rate = abs(get(own, 0) - h) / abs(get(own, 0) + h)
    return max(max(get(own, 1), 1e-16) ** 0.8, rate / (1.0 - rate))


def newton(t, base, h, gamma, k, place, slots):
    """Solve M k = f(t, base + h gamma k) from the k given; leaves base + h gamma k at `place`.

    The matrix is M / gamma - h' J, with h' possibly that of an earlier step.  0, NO_CONVERGENCE, or -1 where f aborted.  A first
    iteration is believed only where the Jacobian is that of this step, and the rate of convergence was measured not long ago: with a
    wrong Jacobian it may be small as well.  An old Jacobian must also shrink the residual: where it is far too large in one component, the
    corrections are small there, and the others hide how slowly they converge.  The iteration may be wrong by 0.02 of what the error test
    allows.
    """
    n, f, p, solve, spare, own = (
        get_int(slots, N), get_int(slots, F), get_int(slots, P), get_int(slots, SOLVE), get_int(slots, SPARE), get_int(slots, OWN),
    )  # fmt: skip
    step, correction = h * gamma, 2.0 / (1.0 + h / get(own, 0)) / gamma
    fresh = get_int(slots, J_STEP) == get_int(slots, N_ACCEPT) + 1 or get_int(slots, CONSTANT_JAC) == 1
    if get_int(slots, TOLERANCE) == 0:
        return newton_exact(t, base, h, gamma, k, place, slots)
    eta, last, defect = first_eta(h, own), 0.0, 0.0
    for i in range(n):
        put(place, i, get(base, i) + step * get(k, i))
    for m in range(10):
        put_int(slots, N_F, get_int(slots, N_F) + 1)
        if call_address(f, t, place, p, spare) != 0:
            return -1
        residual(correction, spare, k, slots)
        if not fresh and m < 2:
            left = newton_norm(spare, place, step, slots)
            if m == 1 and left > 0.3 * defect:
                return NO_CONVERGENCE
            defect = left
        call_address(solve, slots, spare)
        size = newton_norm(spare, place, step, slots)
        for i in range(n):
            put(k, i, get(k, i) + get(spare, i))
            put(place, i, get(place, i) + step * get(spare, i))
        if m > 0:
            rate = size / last if size > 0.0 else 0.0
            put(own, 2, max(get(own, 2), rate))
            if not rate < 0.95:
                return NO_CONVERGENCE
            eta = rate / (1.0 - rate)
            if eta * size > 0.02 and size * rate ** (9 - m) / (1.0 - rate) > 0.02:
                return NO_CONVERGENCE
        if eta * size <= 0.02 and size < math.inf and (m > 0 or (eta < 0.5 and fresh)):
            put(own, 1, eta)
            return 0
        if not size < math.inf:
            return NO_CONVERGENCE
        last = size
    return NO_CONVERGENCE


def no_result(code, slots, y_new):
    """Report a step without a result; -1 for one whose right-hand side aborted."""
    if code < 0:
        return -1
    put_int(slots, FAILED, code)
    put(get_int(slots, ERROR), 0, math.inf)
    for i in range(get_int(slots, N)):
        put(y_new, i, math.nan)
    return 0


#: What a step kernel with Newton iterations is linked with, callees first.
NEWTON_HELPERS = (
    jacobian, mass_product, residual, algebraic_part, newton_norm, prepare_matrix, newton_exact, first_eta, newton, no_result,
)  # fmt: skip
