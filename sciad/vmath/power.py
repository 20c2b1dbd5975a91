"""pow: ``e**(y log x)`` with the logarithm to 64 bits, which is what large exponents ask for.

``log m = 2 atanh(s)`` with ``s = f / (2 + f)`` as the unevaluated sum of two doubles; so are its first two terms, ``2 s + 2/3 s**3``, and
the rest is a polynomial in one double.
"""

from __future__ import annotations

import math

from . import tables as t
from .emit import Float, copysign, fma, polynomial, rint, where
from .exponential import BIAS, clamp, reduce, two_halves
from .logarithm import split


def log_to_64_bits(x) -> tuple[Float, Float]:
    """``log x`` for finite x > 0 as the unevaluated sum of two doubles."""
    e, f, _ = split(x)
    d = 2.0 + f
    s = f / d
    s_low = (fma(-s, d, f) - s * (f - (d - 2.0))) / d
    z = s * s
    z_low = fma(s, s, -z) + 2.0 * s * s_low
    cube = z * s
    cube_low = fma(z, s, -cube) + fma(z, s_low, z_low * s)
    third = cube * t.TWO_THIRDS[0]
    third_low = fma(cube, t.TWO_THIRDS[0], -third) + fma(cube, t.TWO_THIRDS[1], cube_low * t.TWO_THIRDS[0])
    rest = cube * z * polynomial(z, t.ATANH)
    twice = 2.0 * s
    m = twice + third
    m_low = ((twice - m) + third) + (third_low + fma(2.0, s_low, rest))
    whole = e * t.LN2_SHORT[0]
    high = whole + m
    low = ((whole - high) + m) + fma(e, t.LN2_SHORT[1], m_low)
    total = high + low
    return total, (high - total) + low


def power_of_positive(a, y) -> Float:
    """``a**y`` for a >= 0, inf and NaN included; NaN where y is."""
    regular = (a > 0.0) & (a < math.inf)
    high, low = log_to_64_bits(where(regular, a, 1.0))
    high = where(regular, high, where(a == 0.0, -math.inf, a))
    low = where(regular, low, 0.0)
    product = y * high
    inside = abs(product) < 800.0
    product_low = where(inside, fma(y, high, -product) + y * low, 0.0)
    product = where((a == 1.0) & (abs(y) == math.inf), 0.0, product)
    _, r, lost, k = reduce(clamp(product, -800.0, 800.0), 2 * BIAS)
    first, second = two_halves(k)
    curve = r * r * polynomial(r, t.EXP)
    lost = lost + product_low  # up to 2**-44, so that its product with e**r - 1 counts
    return (1.0 + (r + (curve + fma(lost, r + curve, lost)))) * first * second


def pow(x, y) -> Float:
    """``x**y``, with C99's special values; below 1 ulp."""
    a = abs(x)
    size = power_of_positive(a, y)
    whole = y == rint(y)
    half = 0.5 * y
    odd = whole & (half != rint(half))
    signed = where(odd, copysign(size, x), size)
    signed = where((x < 0.0) & (a < math.inf) & ~whole, math.nan, signed)
    return where((y == 0.0) | (x == 1.0), 1.0, signed)
