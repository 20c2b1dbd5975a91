"""Counter-based random numbers: Philox4x32-10 and pairs of normal variates, in branch-free arithmetic that LLVM vectorises.

A number depends on its counter and key only, never on what was drawn before: that is what makes a Brownian path a function.
Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import math

from sciad.solvers.memory import bits, from_bits

__all__ = ["INLINE", "multiply", "two_rounds", "philox", "cosine_sine", "logarithm", "normal_pair"]


def multiply(a, b):
    """High and low half of the product of two 32-bit numbers that are held in 64 bits."""
    product = a * b
    return (product >> 32) & 0xFFFFFFFF, product & 0xFFFFFFFF


def two_rounds(c0, c1, c2, c3, k0, k1):
    """Two rounds, with the key `k0`, `k1` and with the one after it."""
    high_0, low_0 = multiply(c0, 0xD2511F53)
    high_1, low_1 = multiply(c2, 0xCD9E8D57)
    c0, c1, c2, c3 = high_1 ^ c1 ^ (k0 & 0xFFFFFFFF), low_1, high_0 ^ c3 ^ (k1 & 0xFFFFFFFF), low_0
    high_0, low_0 = multiply(c0, 0xD2511F53)
    high_1, low_1 = multiply(c2, 0xCD9E8D57)
    return high_1 ^ c1 ^ ((k0 + 0x9E3779B9) & 0xFFFFFFFF), low_1, high_0 ^ c3 ^ ((k1 + 0xBB67AE85) & 0xFFFFFFFF), low_0


def philox(c0, c1, c2, c3, k0, k1):
    """Four 32-bit numbers from a counter of four and a key of two: Philox4x32 with 10 rounds (no loop: LLVM vectorises around it)."""
    c0, c1, c2, c3 = two_rounds(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3 = two_rounds(c0, c1, c2, c3, k0 + 2 * 0x9E3779B9, k1 + 2 * 0xBB67AE85)
    c0, c1, c2, c3 = two_rounds(c0, c1, c2, c3, k0 + 4 * 0x9E3779B9, k1 + 4 * 0xBB67AE85)
    c0, c1, c2, c3 = two_rounds(c0, c1, c2, c3, k0 + 6 * 0x9E3779B9, k1 + 6 * 0xBB67AE85)
    return two_rounds(c0, c1, c2, c3, k0 + 8 * 0x9E3779B9, k1 + 8 * 0xBB67AE85)


def cosine_sine(a):
    """cos and sin of 2 pi a for -1/2 <= a <= 1/2: nearest quarter turn, then Taylor polynomials on [-pi/4, pi/4], below 1e-15."""
    shifted = 4.0 * a + 6755399441055744.0  # 1.5 * 2**52: the last bits now hold the nearest integer to 4 a
    quarter = bits(shifted) & 3
    x = (a - 0.25 * (shifted - 6755399441055744.0)) * 6.283185307179586
    z = x * x
    c = z * (4.779477332387385e-14) - 1.1470745597729725e-11
    c = c * z + 2.08767569878681e-09
    c = c * z - 2.755731922398589e-07
    c = c * z + 2.48015873015873e-05
    c = c * z - 0.001388888888888889
    c = c * z + 0.041666666666666664
    c = 1.0 + z * (c * z - 0.5)
    s = z * (-7.647163731819816e-13) + 1.6059043836821613e-10
    s = s * z - 2.505210838544172e-08
    s = s * z + 2.7557319223985893e-06
    s = s * z - 0.0001984126984126984
    s = s * z + 0.008333333333333333
    s = s * z - 0.16666666666666666
    s = x + x * (z * s)
    odd = -(quarter & 1)  # all ones in odd quarter turns, where cosine and sine change places
    bits_c, bits_s = bits(c), bits(s)
    swap = (bits_c ^ bits_s) & odd
    sign_c = (quarter + 1) >> 1
    return from_bits((bits_c ^ swap) ^ (sign_c << 63)), from_bits((bits_s ^ swap) ^ ((quarter >> 1) << 63))


def logarithm(x):
    """log x for 2**-52 <= x <= 1, to 2 ulp: `vmath.log` without its special values, half of its work.

    x = 2**e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), and log(1 + f) by the series of atanh(f / (2 + f)).
    """
    b = bits(x) + 0x95F619980C433  # 1 less sqrt(1/2), in bits
    e = from_bits((b >> 52) | 0x4330000000000000) - 4503599627371519.0  # 2**52 + 1023
    f = from_bits((b & 0xFFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD) - 1.0
    s = f / (2.0 + f)
    z, h = s * s, 0.5 * f * f
    p = z * 0.13847682671225098 + 0.13173202341202794
    p = p * z + 0.1539112045417336
    p = p * z + 0.18181665947908984
    p = p * z + 0.22222224293155812
    p = p * z + 0.28571428555842976
    p = p * z + 0.4000000000005666
    p = p * z + 0.666666666666666
    return e * 0.6931471805599453 + (f - (h - s * (h + z * p)))


def normal_pair(c0, c1, c2, c3, k0, k1):
    """Two independent standard normal variates for one counter: Box and Muller, Ann. Math. Stat. 29 (1958) 610, on 52-bit uniforms."""
    # masks: products of numbers known to have 32 bits are one instruction
    x0, x1, x2, x3 = philox(c0, c1, c2 & 0xFFFFFFFF, c3 & 0xFFFFFFFF, k0, k1)
    first = from_bits((((x0 << 20) ^ (x1 >> 12)) & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000)  # uniform on [1, 2)
    second = from_bits((((x2 << 20) ^ (x3 >> 12)) & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000)
    radius = math.sqrt(-2.0 * logarithm(2.0 - first))
    c, s = cosine_sine(second - 1.5)
    return radius * c, radius * s


INLINE = (multiply, two_rounds, philox, cosine_sine, logarithm, normal_pair)
