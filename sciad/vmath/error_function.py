"""erf, erfc and gelu.

Near zero ``erf x = x (2/sqrt(pi) + P(x**2))``. Further out ``erfc a = e**(-a**2) w Q(c + b w)`` with ``w = 1 / (a + k)``:
w maps the long range of a to a short interval, on which ``erfcx(a) (a + k)`` is a polynomial; erfcx is erfc without the
exponential. Both ways are computed and one is chosen.
"""

from __future__ import annotations

from . import tables as t
from .emit import Float, copysign, fma, polynomial, where
from .exponential import BIAS, clamp, power_of_two, reduce, two_halves


def scaled_tail(a, square, square_low, fit: tuple, factor=None) -> tuple[Float, object]:
    """``e**-(square + square_low) v Q(c + b w)``, times `factor`; the result is to be multiplied by ``2**(k - 2046)``."""
    near, far, c, b, coefficients = fit
    d, d_far = a + near, a + far
    inverse = 1.0 / (d * d_far)
    w = inverse * d_far
    w_low = w * fma(-w, a - (d - near), fma(-w, d, 1.0))
    u = fma(inverse * d, b, c)
    slope = polynomial(u, coefficients[1:])
    q = fma(u, slope, coefficients[0])
    q_low = fma(u, slope, coefficients[0] - q)
    _, r, lost, k = reduce(-square, 2 * BIAS)
    v = r * r * polynomial(r, t.EXPM1)
    rest = r + v
    one = 1.0 + rest
    rest_low = ((r - rest) + v) + (lost - square_low) * one
    if factor is not None:
        product = factor * w
        w, w_low = product, fma(factor, w_low, fma(factor, w, -product))
    g = w * q
    g_low = fma(w, q, -g) + fma(w_low, q, w * q_low)
    return g + fma(g, rest, fma(g, rest_low, g_low * one)), k


def erf(x) -> Float:
    """Error function"""
    a = clamp(abs(x), 0.0, 6.0)
    z = a * a
    near = fma(a, t.TWO_OVER_SQRT_PI, a * polynomial(z, t.ERF, 2))
    y, k = scaled_tail(a, z, fma(a, a, -z), t.ERF_TAIL)
    far = fma(-y, power_of_two(k - BIAS), 1.0)
    return copysign(where(a < 0.6, near, far), x)


def erfc(x) -> Float:
    """1 - erf"""
    a = clamp(abs(x), 0.0, 28.0)
    z = a * a
    near = fma(-a, polynomial(z, t.ERF, 2), fma(-a, t.TWO_OVER_SQRT_PI, 1.0))
    y, k = scaled_tail(a, z, fma(a, a, -z), t.ERFC_TAIL)
    first, second = two_halves(k)
    y = where(a < 0.6, near, y * first * second)
    return where(x < 0.0, 2.0 - y, y)


def gelu(x) -> Float:
    """``x (1 + erf(x / sqrt(2))) / 2 = max(x, 0) - a erfc(a / sqrt(2)) / 2`` with ``a = |x|``"""
    a = clamp(abs(x), 0.0, 40.0)
    z = a * a
    half = 0.5 * a
    v = fma(-a, t.GELU_SLOPE, 0.5)
    v_low = fma(-a, t.GELU_SLOPE, 0.5 - v)
    near = fma(a, v, a * fma(-a, polynomial(z, t.GELU, 2), v_low))
    y, k = scaled_tail(a, half * a, fma(half, a, -half * a), t.GELU_TAIL, a)
    first, second = two_halves(k)
    return where(x < 0.0, -0.0, x) - where(a < 0.85, near, y * first * second)
