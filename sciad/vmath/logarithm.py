"""log, log2, log10, log1p and softplus.

All of them split ``x = 2**e m`` with ``m = 1 + f`` in [sqrt(1/2), sqrt(2)), put ``s = f / (2 + f)`` and use
``log m = 2 atanh s = f - f**2/2 + s (f**2/2 + s**2 P(s**2))``, in which the first two terms carry nearly all of the value.
"""

from __future__ import annotations

import math

from . import tables as t
from .emit import Float, Int, fma, polynomial, where
from .exponential import BIAS, exp_of

_SQRT_HALF = 0x3FE6A09E667F3BCD  # the bits of sqrt(1/2)
_ONE = 0x3FF0000000000000
_FRACTION = (1 << 52) - 1
_SMALLEST_NORMAL = 2.0**-1022
_TWO_52 = 0x4330000000000000  # the bits of 2**52: or-ed into a small integer they make the double 2**52 + that integer


def split(x) -> tuple[Float, Float, Int]:
    """``x = 2**e (1 + f)`` for x > 0, subnormal or not: e and f as doubles, and ``e + 1023`` as an integer (before scaling)."""
    small = x < _SMALLEST_NORMAL
    bits = where(small, x * 2.0**54, x).bits() + (_ONE - _SQRT_HALF)
    biased = bits >> 52
    e = (biased | _TWO_52).as_float() - where(small, 2.0**52 + BIAS + 54, 2.0**52 + BIAS)
    return e, ((bits & _FRACTION) + _SQRT_HALF).as_float() - 1.0, biased


def tail(f) -> tuple[Float, Float]:
    """``h = f**2/2`` and ``log(1 + f) - (f - h)``."""
    s = f / (2.0 + f)
    h = 0.5 * f * f
    z = s * s
    return h, s * fma(z, polynomial(z, t.LOG), h)


def with_special_values(x, y) -> Float:
    """y, but the argument itself where it is inf or NaN, -inf at zero, NaN below."""
    y = where(x < math.inf, y, x)
    return where(x > 0.0, y, where(x == 0.0, -math.inf, where(x < 0.0, math.nan, x)))


def log_of_sum(x, low) -> Float:
    """``log(x + low)`` for finite x > 0 and low below one ulp of x; 1.1 ulp."""
    e, f, biased = split(x)
    h, rest = tail(f)
    low = low * ((2 * BIAS - biased) << 52).as_float() * fma(f, f - 1.0, 1.0)  # low / x, roughly
    return fma(e, t.LN2[0], f - (h - (fma(e, t.LN2[1], rest) + low)))


def log(x) -> Float:
    """``e ln 2 + log(1 + f)``; 1.1 ulp."""
    e, f, _ = split(x)
    h, rest = tail(f)
    return with_special_values(x, fma(e, t.LN2[0], f - (h - fma(e, t.LN2[1], rest))))


def log_pair(f) -> tuple[Float, Float]:
    """``log(1 + f)`` as the unevaluated sum of two doubles, right to about 2**-57 of its value."""
    h, rest = tail(f)
    high = f - h
    return high, ((f - high) - h) - fma(0.5 * f, f, -h) + rest


def scaled_log(x, one: tuple, two: tuple) -> Float:
    """``log(x) * one + e * two``, where each constant is a pair of doubles and the second has a short high part."""
    e, f, _ = split(x)
    high, low = log_pair(f)
    product = high * one[0]
    product_low = fma(high, one[0], -product) + fma(high, one[1], low * one[0])
    whole = e * two[0]
    y = whole + product
    return y + (((whole - y) + product) + fma(e, two[1], product_low))


def log2(x) -> Float:
    """``e + log(1 + f) / ln 2`` with the product in two doubles; 0.6 ulp, exact for powers of two."""
    return with_special_values(x, scaled_log(x, t.LOG2_E, (1.0, 0.0)))


def log10(x) -> Float:
    """``e log10(2) + log(1 + f) / ln 10`` in two doubles; 0.6 ulp, exact for powers of ten."""
    return with_special_values(x, scaled_log(x, t.LOG10_E, t.LOG10_2))


def log1p(x) -> Float:
    """``log(1 + x)`` with what the rounding of the sum lost; 1.1 ulp."""
    one = 1.0 + x
    back = one - 1.0
    low = (1.0 - (one - back)) + (x - back)
    y = with_special_values(one, log_of_sum(one, low))
    return where(abs(x) < 2.0**-54, x, y)


def softplus(x) -> Float:
    """``log(1 + e**x) = max(x, 0) + log(1 + u)`` with ``u = e**-|x|``, halved and with ln 2 added where u > 1/2; below 2 ulp."""
    u = exp_of(-abs(x))
    big = u > 0.5
    f = where(big, 0.5 * u - 0.5, u)
    h, rest = tail(f)
    return where(x > 0.0, x, 0.0) + (where(big, t.LN2[0], 0.0) + (f - (h - (rest + where(big, t.LN2[1], 0.0)))))
