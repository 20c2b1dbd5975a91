"""A root of one function between two points where it has opposite signs (Brent 1973, chapter 4)."""

from __future__ import annotations

import math

from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.nonlinear.residual import residual
from sciad.solvers.nonlinear.slots import (
    ABORTED,
    BAD_START,
    CONVERGED,
    FX,
    LOWER,
    MAX_ITERATIONS,
    N_F,
    N_ITERATIONS,
    N_J,
    NO_BRACKET,
    NORM,
    REALS,
    TOO_MANY,
    UPPER,
    XTOL,
    X,
)  # fmt: skip

__all__ = ["brent"]


def value_at(slots, point):
    """Residual at a point; NaN where the function aborts."""
    put(get_int(slots, X), 0, point)
    if residual(slots, get_int(slots, X), get_int(slots, FX)) != 0:
        return math.nan
    return get(get_int(slots, FX), 0)


def interpolated(a, b, c, fa, fb, fc):
    """Step from b towards the root by inverse quadratic interpolation, or by the secant, as a fraction p / q with p >= 0."""
    s = fb / fa
    if a == c:
        p, q = 2.0 * (0.5 * (c - b)) * s, 1.0 - s
    else:
        q, r = fa / fc, fb / fc
        p = s * ((c - b) * q * (q - r) - (b - a) * (r - 1.0))
        q = (q - 1.0) * (r - 1.0) * (s - 1.0)
    return (p, -q) if p > 0.0 else (-p, q)


def brent(slots):
    """Narrow the bracket to the end: a code of `slots`."""
    reals = get_int(slots, REALS)
    put_int(slots, N_F, 0)
    put_int(slots, N_J, 0)
    a, b = get(reals, LOWER), get(reals, UPPER)
    fa, fb = value_at(slots, a), value_at(slots, b)
    if math.isnan(fa) or math.isnan(fb):
        return BAD_START
    if fa * fb > 0.0 and fa != 0.0 and fb != 0.0:
        return NO_BRACKET
    c, fc, step, last = a, fa, b - a, b - a
    for iteration in range(get_int(slots, MAX_ITERATIONS)):
        put_int(slots, N_ITERATIONS, iteration + 1)
        if abs(fc) < abs(fb):
            a, b, c, fa, fb, fc = b, c, b, fb, fc, fb
        tolerance, half = 4.5e-16 * abs(b) + 0.5 * get(reals, XTOL) * abs(b), 0.5 * (c - b)
        if abs(half) <= tolerance or fb == 0.0:
            put(get_int(slots, X), 0, b)
            put(get_int(slots, FX), 0, fb)
            put(reals, NORM, abs(fb))
            return CONVERGED
        bisect = abs(last) < tolerance or abs(fa) <= abs(fb)
        if not bisect:
            p, q = interpolated(a, b, c, fa, fb, fc)
            bisect = not 2.0 * p < min(3.0 * half * q - abs(tolerance * q), abs(last * q))
            if not bisect:
                last, step = step, p / q
        if bisect:
            last = step = half
        a, fa = b, fb
        b += step if abs(step) > tolerance else (tolerance if half > 0.0 else -tolerance)
        fb = value_at(slots, b)
        if math.isnan(fb):
            return ABORTED
        if (fb > 0.0) == (fc > 0.0):
            c, fc, step, last = a, fa, b - a, b - a
    return TOO_MANY
