"""Step sizes: the first one, what the controller makes of an error norm, and the named controllers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sciad.backend import fast_add
from sciad.solvers.derivative import derivative
from sciad.solvers.layout import (
    ALPHA,
    BETA_1,
    BETA_2,
    BETA_3,
    DIRECTION,
    ERROR,
    GROW,
    LOG_1,
    LOG_2,
    MAX_STEP,
    SAFETY,
    SHRINK,
    STAGE,
    T_END,
    TOLERANCE,
    H,
    K,
    N,
    T,
    Y,
)  # fmt: skip
from sciad.solvers.memory import bits, from_bits, get, get_int, put

__all__ = [
    "Controller", "I", "PI", "PID", "find_controller", "log2_roughly", "exp2_roughly", "growth", "retreat", "scaled_norm", "first_step",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Controller:
    """h_new = h * safety * e_n^-(p+i+d)/q * e_(n-1)^(p+2d)/q * e_(n-2)^-d/q, with q the order of the error estimate plus 1.

    Coefficients p, i, d: Soederlind, Numer. Algorithms 31 (2002) 281.  The factor stays within [shrink, grow]; after a
    rejection it is at most 1, and the rejection itself uses the last error norm alone.
    """

    p: float = 0.0
    i: float = 1.0
    d: float = 0.0
    safety: float = 0.9
    shrink: float = 0.2
    grow: float = 10.0

    def exponents(self, q: float) -> tuple[float, float, float]:
        """Exponents of 1/e_n, 1/e_(n-1) and 1/e_(n-2)."""
        return (self.p + self.i + self.d) / q, -(self.p + 2 * self.d) / q, self.d / q


I = Controller()
PI = Controller(p=0.4, i=0.6)  # as few steps as I on smooth problems, and none rejected where stability limits them
PID = Controller(p=0.3, i=0.3, d=0.1)


def find_controller(controller: Controller | str | None) -> Controller:
    """The controller of a name ("I", "PI", "PID"), PI for None, or the object itself; ValueError for other names."""
    if isinstance(controller, Controller):
        return controller
    found = {None: PI, "I": I, "PI": PI, "PID": PID}.get(controller)
    if found is None:
        raise ValueError(f"unknown step size controller {controller!r}; choose 'I', 'PI', 'PID', or a Controller")
    return found


def log2_roughly(x):
    """log2 of a positive, normal float to 0.008: step sizes need no more, and the loop waits for them at every step."""
    i = bits(x)
    f = from_bits((i & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000) - 1.0
    return ((i >> 52) - 1023) + f * (1.34655435 - 0.34655435 * f)


def exp2_roughly(x):
    """2**x to 0.2 percent, for |x| < 1000."""
    shifted = x + 6755399441055744.0  # 1.5 * 2**52: the nearest integer is now in the lowest bits
    f = x - (shifted - 6755399441055744.0)
    return from_bits((bits(shifted) + 1023) << 52) * (0.9998488 + f * (0.7036052 + f * 0.24324549))


def between(low, x, high):
    """x moved into [low, high]; `min` and `max` would spend branches on NaN."""
    x = x if x > low else low
    return x if x < high else high


def growth(mean_square, reals):
    """Factor for the next step after one whose scaled error has this mean square (at most 1); moves the history on."""
    log = 0.5 * log2_roughly(mean_square if mean_square > 1e-20 else 1e-20)
    power = get(reals, BETA_1) * log + get(reals, BETA_2) * get(reals, LOG_1) + get(reals, BETA_3) * get(reals, LOG_2)
    put(reals, LOG_2, get(reals, LOG_1))
    put(reals, LOG_1, log if log > -13.3 else -13.3)  # an error norm below 1e-4 says nothing more about the next one
    return between(get(reals, SHRINK), get(reals, SAFETY) * exp2_roughly(-power), get(reals, GROW))


def retreat(mean_square, reals):
    """Factor below 1 for the next attempt after a rejection; `mean_square` may be infinite or NaN."""
    if not mean_square < 1e40:
        return get(reals, SHRINK)
    power = 0.5 * get(reals, ALPHA) * log2_roughly(mean_square)
    return max(get(reals, SAFETY) * exp2_roughly(-power), get(reals, SHRINK))


def scaled_norm(x, y, slots):
    """Root mean square of x / (atol + rtol |y|) over the components that count; x and y are addresses."""
    n, tolerance = get_int(slots, N), get_int(slots, TOLERANCE)
    total = 0.0
    for i in range(n):
        q = get(x, i) / (get(tolerance, i) + get(tolerance, n + i) * abs(get(y, i)))
        total = fast_add(total, q * q)
    return math.sqrt(total * get(get_int(slots, ERROR), 1))


def first_step(slots, reals):
    """Choose the size of the first step: Hairer, Norsett, Wanner I, II.4; needs k_1, evaluates f once, returns its code."""
    n, y, k, stage = get_int(slots, N), get_int(slots, Y), get_int(slots, K), get_int(slots, STAGE)
    t, direction, k2 = get(reals, T), get(reals, DIRECTION), k + 8 * n
    limit = min(direction * (get(reals, T_END) - t), get(reals, MAX_STEP))
    d0, d1 = scaled_norm(y, y, slots), scaled_norm(k, y, slots)
    h0 = min(0.01 * d0 / d1 if d0 >= 1e-5 and 1e-5 <= d1 < math.inf else 1e-6, limit)  # NaN and Inf: atol is 0 where y is
    for i in range(n):
        put(stage, i, get(y, i) + direction * h0 * get(k, i))
    code = derivative(t + direction * h0, stage, k2, slots, 1)
    for i in range(n):
        put(k2, i, get(k2, i) - get(k, i))
    steepest = max(d1, scaled_norm(k2, y, slots) / h0)
    if not steepest < 1e300:  # f overflows already at t + h0
        put(reals, H, 1e-3 * h0)
        return code
    h1 = max(1e-6, 1e-3 * h0) if steepest <= 1e-15 else exp2_roughly(get(reals, ALPHA) * log2_roughly(0.01 / steepest))
    put(reals, H, min(100.0 * h0, h1, limit))
    return code
