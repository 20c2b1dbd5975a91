"""Real and imaginary parts, conjugates, moduli; and elementwise functions of NumPy that are not ufuncs."""

from __future__ import annotations

import numpy as np

from sciad.tape.dispatch import implements
from sciad.tape.elementwise import operation, unary
from sciad.tape.helpers import is_complex
from sciad.tape.joining import array
from sciad.tape.primitive import Linear
from sciad.tape.saving import is_traced, value_of

REAL = Linear("real", lambda x: np.real(x), lambda bar, shape: bar, view=True)
IMAG = Linear("imag", lambda x: np.imag(x), lambda bar, shape: 1j * bar, view=True)
CONJUGATE = Linear("conjugate", lambda x: np.conjugate(x), lambda bar, shape: np.conjugate(bar))


@implements("real")
def real(val):
    return REAL(val) if is_complex(val) else val


@implements("imag")
def imag(val):
    return IMAG(val) if is_complex(val) else np.zeros_like(val)


def conjugate(x):
    """Complex conjugate; a copy for real values, as in NumPy."""
    return CONJUGATE(x)


def absolute(x):
    """Modulus; derivative 0 at 0."""
    if not is_complex(x):
        return unary(operation(np.absolute), x)
    return np.hypot(real(x), imag(x))


@implements("angle")
def angle(z, deg=False):
    out = np.arctan2(imag(z), real(z)) if is_complex(z) else np.where(value_of(z) < 0, np.pi, 0.0)
    return np.degrees(out) if deg else out


@implements("real_if_close")
def real_if_close(a, tol=100):
    return real(a) if is_complex(a) and not np.iscomplexobj(np.real_if_close(value_of(a), tol)) else a


@implements("sinc")
def sinc(x):
    """sin(pi x) / (pi x), by its series near 0, where the quotient's derivatives cancel."""
    near = np.abs(value_of(x)) < 0.1
    t = (np.pi * x) ** 2
    series, term = 1.0, 1.0
    for k in range(1, 9):
        term = term * t / (-2 * k * (2 * k + 1))
        series = series + term
    safe = np.pi * np.where(near, 1.0, x)
    return np.where(near, series, np.sin(safe) / safe)


@implements("i0")
def i0(x):
    from scipy.special import i0 as bessel

    return bessel(x)


@implements("unwrap")
def unwrap(p, discont=None, axis=-1, *, period=2 * np.pi):
    plain = value_of(p)
    return p + (np.unwrap(plain, discont, axis, period=period) - plain)


def _endpoints(start, stop, num, endpoint, axis):
    start, stop = array(start), array(stop)
    steps = max(num - 1 if endpoint else num, 1)
    t = np.arange(num) / steps
    gap = stop - start
    if is_traced(gap) and gap.ndim:
        gap, start, t = gap[None], start[None], np.reshape(t, (-1,) + (1,) * gap.ndim)
    out = start + gap * t
    return (np.moveaxis(out, 0, axis) if axis else out), (stop - start) / steps


@implements("linspace")
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, *, device=None):
    out, step = _endpoints(start, stop, num, endpoint, axis)
    return (out, step) if retstep else out


@implements("logspace")
def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    return np.power(base, _endpoints(start, stop, num, endpoint, axis)[0])


@implements("geomspace")
def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    return np.exp(_endpoints(np.log(start), np.log(stop), num, endpoint, axis)[0])
