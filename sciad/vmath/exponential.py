"""exp, exp2, expm1, the hyperbolic functions and what machine learning makes of them (sigmoid; softplus is in `logarithm`).

All of them split ``x = n ln 2 + r`` with integer n and ``|r| <= ln(2)/2``, take a polynomial in r, and scale by ``2**n``.
"""

from __future__ import annotations

from . import tables as t
from .emit import Float, Int, copysign, fma, polynomial, where

#: Adding this to a double below 2**51 in size rounds it to an integer, whose bits are then the low bits of the sum.
ROUND = 1.5 * 2.0**52
#: The exponent bias of a double.
BIAS = 1023


def clamp(x, low: float, high: float) -> Float:
    """x limited to [low, high]; NaN stays."""
    x = where(x > high, high, x)
    return where(x < low, low, x)


def round_scaled(x, factor: float, offset: int, bias: float = 0.0) -> tuple[Float, Int]:
    """``n = round(x * factor - bias)`` as a double, and ``n + offset`` in the low bits of an integer (the high bits hold rubbish)."""
    sum_ = fma(x, factor, ROUND + offset) if not bias else fma(x, factor, -bias) + (ROUND + offset)
    return sum_ - (ROUND + offset), sum_.bits()


def power_of_two(k: Int) -> Float:
    """``2**(k - 1023)`` from the low 11 bits of k."""
    return (k << 52).as_float()


def two_halves(k: Int) -> tuple[Float, Float]:
    """Two doubles with product ``2**(k - 2046)``; used one after the other they overflow and go subnormal as they should."""
    half = k >> 1
    return power_of_two(half), power_of_two(k - half)


def reduce(x, offset: int, bias: float = 0.0) -> tuple[Float, Float, Float, Int]:
    """``x = n ln 2 + r``: n, r rounded, what the rounding of r lost, and ``n + offset`` as an integer.

    r lies in ``ln(2) * [bias - 0.5, bias + 0.5]``.
    """
    n, k = round_scaled(x, t.INV_LN2, offset, bias)
    exact = fma(n, -t.LN2[0], x)  # a multiple of 2**-54 below 1/2
    r = fma(n, -t.LN2[1], exact)
    return n, r, fma(n, -t.LN2[1], exact - r), k


def exp(x) -> Float:
    """``2**n (1 + expm1(r))``; below 1 ulp."""
    _, r, _, k = reduce(clamp(x, -800.0, 800.0), 2 * BIAS)
    first, second = two_halves(k)
    return (1.0 + fma(r * r, polynomial(r, t.EXP), r)) * first * second


def exp_of(x) -> Float:
    _, r, lost, k = reduce(clamp(x, -800.0, 800.0), 2 * BIAS)
    first, second = two_halves(k)
    return (1.0 + (r + fma(r * r, polynomial(r, t.EXP), lost))) * first * second


def exp2(x) -> Float:
    """``2**n 2**r`` with r exact and a polynomial made for 2**r; below 1 ulp."""
    x = clamp(x, -1200.0, 1200.0)
    n, k = round_scaled(x, 1.0, 2 * BIAS)
    r = x - n
    first, second = two_halves(k)
    return (1.0 + fma(r, t.EXP2[0], (r * r) * polynomial(r, t.EXP2[1:]))) * first * second


def expm1(x) -> Float:
    """``2**n (expm1(r) + (1 - 2**-n))``, taken as twice the half so that n = 1024 does not overflow early; below 1.5 ulp."""
    _, r, lost, k = reduce(clamp(x, -40.0, 710.0), BIAS - 1)
    half = power_of_two(k)
    rest = fma(r * r, polynomial(r, t.EXPM1), lost)
    q = r + rest
    y = fma(half, (r - q) + rest, fma(half, q, half - 0.5)) * 2.0
    return where(abs(x) < 2.0**-54, x, y)  # for -0 and subnormal x


def tanh(x) -> Float:
    """``-e / (2 + e)`` with ``e = expm1(-2|x|) = 2**n q + (2**n - 1)``; 1.6 ulp. Beyond 22 it is 1."""
    _, r, _, k = reduce(-2.0 * clamp(abs(x), 0.0, 22.0), BIAS)
    scale = power_of_two(k)
    q = fma(r * r, polynomial(r, t.EXPM1), r)
    n = fma(-scale, q, 1.0 - scale)
    d = fma(scale, q, 1.0 + scale)
    return copysign(quotient(n, fma(-scale, q, (1.0 - scale) - n), d, fma(scale, q, (1.0 + scale) - d)), x)


def quotient(n, n_low, d, d_low) -> Float:
    """``(n + n_low) / (d + d_low)`` for d in [1, 2], nearly correctly rounded: the remainder is divided by a rough d."""
    y = n / d
    remainder = fma(-y, d, n) + fma(-y, d_low, n_low)
    return fma(remainder, fma(d, -0.5, 1.457), y)


def hyperbolic(x) -> tuple[Float, Float, Float, Float, Float]:
    """What sinh and cosh of |x| share: ``(sinh r, cosh r - 1, 2**(-2n), and two factors whose product is 2**(n - 1))``."""
    n, r, _, k = reduce(clamp(abs(x), 0.0, 800.0), 2 * BIAS - 1, 0.2)
    square = r * r
    s = fma(r * square, polynomial(square, t.SINH), r)
    c = square * polynomial(square, t.COSH)
    _, j = round_scaled(where(n > 64.0, 64.0, n), -2.0, BIAS)
    return s, c, power_of_two(j), *two_halves(k)


def sinh(x) -> Float:
    """``2**(n-1) (cosh(r) (1 - u) + sinh(r) (1 + u))`` with ``u = 2**(-2n)``; below 2 ulp."""
    s, c, u, first, second = hyperbolic(x)
    v = 1.0 - u
    y = v + fma(c, v, s * (1.0 + u))
    return copysign(y * first * second, x)


def cosh(x) -> Float:
    """``2**(n-1) (cosh(r) (1 + u) + sinh(r) (1 - u))`` with ``u = 2**(-2n)``; below 1.5 ulp."""
    s, c, u, first, second = hyperbolic(x)
    v = 1.0 + u
    return (v + fma(c, v, s * (1.0 - u))) * first * second


def sigmoid(x) -> Float:
    """``1 / (1 + e**-x)``, for negative x as ``e**x / (1 + e**x)``; 1 ulp."""
    _, r, lost, k = reduce(clamp(-abs(x), -800.0, 0.0), 2 * BIAS)
    first, second = two_halves(k)
    rest = r + fma(r * r, polynomial(r, t.EXP), lost)
    p = 1.0 + rest
    e = p * first * second
    e_low = ((1.0 - p) + rest) * first * second
    d = 1.0 + e
    negative = x < 0.0
    return quotient(where(negative, e, 1.0), where(negative, e_low, 0.0), d, ((1.0 - d) + e) + e_low)
