"""Slopes y' of M y' = f(t, y) inside compiled steps, in a kernel of its own: few solves need it."""

from __future__ import annotations

import math
from functools import cache

from sciad.backend import call_address
from sciad.solvers.jacobian import jacobian
from sciad.solvers.layout import ALGEBRAIC, FACTOR, J_AT, J_STEP, MASS_INVERSE, N_LU, OWN, STAGE, TOLERANCE, N
from sciad.solvers.link import link
from sciad.solvers.mass_kernels import residual
from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.newton import newton_exact, newton_norm

__all__ = ["slope_kernel"]


def euler_slope(t, h, y, k, slots):
    """A backward Euler step of size h from (t, y), to rounding: M k = f(t + h, y + h k).  Its status."""
    own = get_int(slots, OWN)
    put_int(slots, N_LU, get_int(slots, N_LU) + 1)
    put(own, 0, h)
    code = call_address(get_int(slots, FACTOR), 1.0, h, slots)
    return code if code != 0 else newton_exact(t + h, y, h, 1.0, k, get_int(slots, STAGE), slots)


def slope(t, h, y, f, scratch, slots):
    """y' at (t, y) in place of `f`, which holds M y'; h is the size of a step there, `scratch` two vectors.  0, or what went wrong.

    With M^+ the pseudo-inverse, y' = k + M^+ (f - M k) for any k that has the algebraic components of y'.  They are derivatives of what the
    algebraic equations say: backward Euler steps of h / 1000 and half of that give them by extrapolation to 1e-6 of an error of order h^2.
    """
    n, own, tolerance = get_int(slots, N), get_int(slots, OWN), get_int(slots, TOLERANCE)
    k, half, inverse, small = scratch, scratch + 8 * n, get_int(slots, MASS_INVERSE), 1e-3 * h
    for i in range(2 * n):
        put(scratch, i, 0.0)
    if get_int(slots, ALGEBRAIC) == 1:
        if jacobian(t, y, get_int(slots, J_AT), slots) != 0:
            return -1
        put_int(slots, TOLERANCE, 0)
        code, size, at = 0, small, k
        while code == 0 and at <= half:
            code = euler_slope(t, size, y, at, slots)
            size, at = 0.5 * size, at + 8 * n
        put_int(slots, TOLERANCE, tolerance)
        put_int(slots, J_STEP, 0)
        put(own, 0, math.nan)
        if code != 0:
            return code
        for i in range(n):
            put(k, i, 2.0 * get(half, i) - get(k, i))
    residual(1.0, f, k, slots)
    for i in range(n):
        total = get(k, i)
        for j in range(n):
            total += get(inverse, n * i + j) * get(f, j)
        put(half, i, total)
    for i in range(n):
        put(f, i, get(half, i))
    return 0


@cache
def slope_kernel() -> int:
    """Address of ``int64 slope(double t, double h, intp y, intp f, intp scratch, intp slots)``."""
    helpers = jacobian, residual, newton_norm, newton_exact, euler_slope
    return link(slope, *helpers, decorator="@cfunc(kernel_signature(2, 4))").address
