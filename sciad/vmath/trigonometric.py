"""sin, cos, tan for all doubles, huge ones included, without a branch.

Payne and Hanek's reduction: write ``|x| = M * 2**E`` with an integer M below 2**56 and E a multiple of four (plus a constant). Of
``M * (2**E * 2/pi)`` only the value modulo 4 matters: the quadrant and the position in it. So for each E a table holds
``2**E * 2/pi`` modulo 4 to 170 bits: 64 bits as an integer with 62 bits after the point, the rest as two doubles. The
integer product wraps around, which is the reduction modulo 4. The nearest that a double comes to a multiple of pi/2 is
2**-61 quarter turns; the position is right to 2**-115, so the reduced argument is right to 2**-54 of itself even there.
"""

from __future__ import annotations

import math
import struct
from functools import cache

from . import tables as t
from .emit import Float, Int, fma, polynomial, rint, table, where

_SIGN = -(1 << 63)
_FRACTION = (1 << 52) - 1
_SMALL = 2.0**-27  # below this, sin x and tan x round to x, and cos x to 1
_FIRST = 1023 - 27  # exponent field of the first row; a multiple of 4


@cache
def _rows() -> list[int]:
    """The table: four 64-bit entries for each four exponents."""
    rows = []
    width = 1400  # bits of 2/pi after the point
    two_over_pi = int(t.TWO_OVER_PI, 16) >> (4 * len(t.TWO_OVER_PI) - width)
    for field in range(_FIRST, 2047, 4):
        exponent = field - 1075
        # 2**exponent * 2/pi modulo 4, in units of 2**-62, is value / 2**shift
        shift = width - 62 - exponent
        value = two_over_pi % (1 << (shift + 64))
        whole = (value + (1 << (shift - 1))) >> shift
        rest = value - (whole << shift)
        middle = rest / (1 << shift)  # int / int is correctly rounded
        numerator, denominator = middle.as_integer_ratio()
        low = (rest * denominator - (numerator << shift)) / (denominator << shift)
        rows += [(whole + (1 << 63)) % (1 << 64) - (1 << 63), *struct.unpack("<2q", struct.pack("<2d", middle, low)), 0]
    return rows


def reduce(a) -> tuple[Int, Float, Float]:
    """``a = q pi/2 + r + low`` for a >= 2**-27: q modulo 4, ``|r| <= pi/4``, and what the rounding of r lost."""
    bits = a.bits()
    field = bits >> 52
    row = (field - _FIRST) & -4
    m = ((bits & _FRACTION) | (1 << 52)) << (field & 3)
    m_float = ((bits & _FRACTION) | (((field & 3) + 1075) << 52)).as_float()
    first, middle, low = (table(bits, "two_over_pi", _rows, row + i) for i in range(3))
    product = m_float * middle.as_float()
    nearest = rint(product)
    below = fma(m_float, low.as_float(), fma(m_float, middle.as_float(), -nearest))
    turns = m * first + nearest.truncated()  # quarter turns modulo 4, in units of 2**-62
    q = (turns + (1 << 61)) >> 62
    position = turns - (q << 62)
    coarse = position.to_float()
    fine = (position - coarse.truncated()).to_float() + below
    high = coarse + fine
    low = fine - (high - coarse)
    r = high * t.HALF_PI[0]
    return q, r, fma(high, t.HALF_PI[0], -r) + fma(high, t.HALF_PI[1], low * t.HALF_PI[0])


def sin_reduced(r, low) -> Float:
    z = r * r
    return r + fma(r * z, polynomial(z, t.SIN), low * fma(z, -0.5, 1.0))


def cos_reduced(r, low) -> Float:
    z = r * r
    w = fma(z, -0.5, 1.0)
    return w + (fma(z, -0.5, 1.0 - w) + fma(z * z, polynomial(z, t.COS), -r * low))


def _reduce(x) -> tuple[Float, Int, Float, Float]:
    a = abs(x)
    return a, *reduce(where(a < _SMALL, _SMALL, a))


def _finish(a, y, sign, small) -> Float:
    y = (y.bits() ^ (sign & _SIGN)).as_float()
    return where(a < math.inf, where(a < _SMALL, small, y), math.nan)


def sin(x) -> Float:
    """Sine"""
    a, q, r, low = _reduce(x)
    y = where((q & 1) == 0, sin_reduced(r, low), cos_reduced(r, low))
    return _finish(a, y, (q << 62) ^ x.bits(), x)


def cos(x) -> Float:
    """Cosine"""
    a, q, r, low = _reduce(x)
    y = where((q & 1) == 0, cos_reduced(r, low), sin_reduced(r, low))
    return _finish(a, y, (q + 1) << 62, 1.0)


def tan(x) -> Float:
    """Tangent"""
    a, q, r, low = _reduce(x)
    z = r * r
    y = r + fma(r * z, polynomial(z, t.TAN), fma(low, z, low))
    y = where((q & 1) == 0, y, -1.0 / y)
    return _finish(a, y, x.bits(), x)
