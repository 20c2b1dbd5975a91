"""Scalar functions for generated code that neither `math` nor `sciad.vmath` has."""

from __future__ import annotations

import math

from sciad.backend import njit

__all__ = ["logaddexp", "logaddexp2", "psi", "zeta", "fmax", "fmin", "heaviside", "log_expit", "xlogy", "xlog1py"]

LN2 = math.log(2.0)

#: Bernoulli numbers B_2, B_4, ... B_14.
B2, B4, B6, B8, B10, B12, B14 = 1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6


@njit
def logaddexp(a, b):
    """log(exp(a) + exp(b))."""
    if a == b:
        return a + LN2  # infinities of one sign included
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))


@njit
def logaddexp2(a, b):
    """log2(2**a + 2**b)."""
    if a == b:
        return a + 1.0
    return max(a, b) + math.log1p(math.exp(-abs(a - b) * LN2)) / LN2


@njit
def psi(x):
    """The derivative of log gamma: recurrence up to 10, then the asymptotic series (DLMF 5.5.2, 5.11.2); reflection on the left."""
    if x <= 0.0 and x == math.floor(x):
        return math.nan
    if x < 0.0:
        return psi_right(1.0 - x) - math.pi / math.tan(math.pi * x)
    return psi_right(x)


@njit
def psi_right(x):
    """`psi` of a positive number."""
    shift = 0.0
    while x < 10.0:
        shift += 1.0 / x
        x += 1.0
    r = 1.0 / (x * x)
    series = r * (B2 / 2 + r * (B4 / 4 + r * (B6 / 6 + r * (B8 / 8 + r * (B10 / 10 + r * (B12 / 12 + r * B14 / 14))))))
    return math.log(x) - 0.5 / x - series - shift


@njit
def zeta(s, q):
    """Hurwitz' zeta for s > 1, q > 0: ten terms, then Euler-Maclaurin (DLMF 25.11.5)."""
    if not (s > 1.0 and q > 0.0):
        return math.nan
    total = 0.0
    for k in range(10):
        total += (q + k) ** -s
    a = q + 10.0
    total += a ** (1.0 - s) / (s - 1.0) + 0.5 * a**-s
    term = s * a ** (-s - 1.0)  # s (s+1) ... (s+2j-2) / a^(s+2j-1), times B_2j / (2j)!
    total += B2 / 2 * term
    term *= (s + 1.0) * (s + 2.0) / (a * a)
    total += B4 / 24 * term
    term *= (s + 3.0) * (s + 4.0) / (a * a)
    total += B6 / 720 * term
    term *= (s + 5.0) * (s + 6.0) / (a * a)
    total += B8 / 40320 * term
    term *= (s + 7.0) * (s + 8.0) / (a * a)
    return total + B10 / 3628800 * term


@njit
def fmax(a, b):
    """The larger one; a NaN is ignored."""
    return b if a != a or b > a else a


@njit
def fmin(a, b):
    """The smaller one; a NaN is ignored."""
    return b if a != a or b < a else a


@njit
def heaviside(x, at_zero):
    """0 on the left, 1 on the right."""
    if x == 0.0:
        return at_zero
    return 1.0 if x > 0.0 else 0.0 if x < 0.0 else x


@njit
def log_expit(x):
    """Logarithm of the logistic function."""
    return -math.log1p(math.exp(-x)) if x > 0.0 else x - math.log1p(math.exp(x))


@njit
def xlogy(x, y):
    """``x log(y)``, 0 where x is 0."""
    return 0.0 if x == 0.0 and not math.isnan(y) else x * math.log(y)


@njit
def xlog1py(x, y):
    """``x log(1 + y)``, 0 where x is 0."""
    return 0.0 if x == 0.0 and not math.isnan(y) else x * math.log1p(y)
