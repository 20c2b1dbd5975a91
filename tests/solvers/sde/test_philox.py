"""The generator against Random123's published vectors, its normal variates against the distribution they are to have."""

import math

import mpmath
import numpy as np
import pytest
from scipy import stats

from sciad.solvers.sde.assemble import assemble
from sciad.solvers.sde.philox import INLINE, philox

ALL = 0xFFFFFFFF
#: Random123 1.09, kat_vectors, philox4x32 10: counter, key, output.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ALL, ALL, ALL, ALL), (ALL, ALL), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0), (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]


def draw(counters, key, out):
    for i in range(counters.shape[0]):
        z_1, z_2 = normal_pair(counters[i, 0], counters[i, 1], counters[i, 2], counters[i, 3], key[0], key[1])  # noqa: F821
        out[i, 0], out[i, 1] = z_1, z_2


def turn(a, out):
    for i in range(a.shape[0]):
        out[i, 0], out[i, 1] = cosine_sine(a[i])  # noqa: F821


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_published_vectors(counter, key, expected):
    assert philox(*counter, *key) == expected


def test_normal_pairs():
    """Both variates are standard normal, uncorrelated, and uncorrelated with those of neighbouring counters."""
    counters = np.zeros((200_000, 4), np.int64)
    counters[:, 0] = np.arange(len(counters)) % 1000
    counters[:, 3] = np.arange(len(counters)) // 1000
    z = np.empty((len(counters), 2))
    assemble(draw, inline=INLINE)(counters, np.array([7, 11]), z)
    for column in z.T:
        assert stats.kstest(column, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(z.T)[0, 1]) < 0.01
    assert abs(np.corrcoef(z[1:, 0], z[:-1, 0])[0, 1]) < 0.01
    assert abs(np.mean(z**4) - 3.0) < 0.05


def test_cosine_and_sine():
    a = np.concatenate([np.linspace(-0.5, 0.5, 10_001), np.array([-0.125, 0.125, 0.375, -0.375])])
    out = np.empty((len(a), 2))
    assemble(turn, inline=INLINE)(a, out)
    np.testing.assert_allclose(out[:, 0], [math.cos(2 * math.pi * x) for x in a], atol=1e-15)
    np.testing.assert_allclose(out[:, 1], [math.sin(2 * math.pi * x) for x in a], atol=1e-15)




def logs(x, out):
    for i in range(x.shape[0]):
        out[i] = logarithm(x[i])  # noqa: F821


def test_logarithm():
    """To two units in the last place on all that a uniform variate can be: from 2**-52 to 1."""
    x = np.concatenate([2.0 ** -np.arange(53), np.linspace(0.0, 1.0, 10_001)[1:], 1.0 - np.arange(1, 100) * 2.0**-52, [0.5**0.5]])
    out = np.empty(len(x))
    assemble(logs, inline=INLINE)(x, out)
    with mpmath.workdps(30):
        exact = np.array([float(mpmath.log(float(v))) for v in x])
    assert out[0] == 0.0
    np.testing.assert_allclose(out, exact, rtol=4.5e-16, atol=0.0)
