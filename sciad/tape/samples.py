"""Functions of sampled data: differences, derivatives, integrals, interpolation, convolution, polynomials."""

from __future__ import annotations

import numpy as np

from sciad.errors import SciadError
from sciad.tape.dispatch import implements
from sciad.tape.helpers import axes_of, axis_of
from sciad.tape.joining import array
from sciad.tape.primitive import Multilinear
from sciad.tape.saving import is_traced, ndim_of, shape_of, value_of


def along(axis, ndim, part):
    """An index that takes `part` along one axis."""
    return (*(slice(None),) * axis_of(axis, ndim), part)


@implements("diff")
def diff(a, n=1, axis=-1, prepend=None, append=None):
    parts = []
    for part in (prepend, a, append):
        if part is None:
            continue
        if ndim_of(part) == 0:
            shape = list(shape_of(a))
            shape[axis] = 1
            part = np.broadcast_to(part, shape)
        parts.append(part)
    x = a if len(parts) == 1 else np.concatenate(parts, axis=axis)
    for _ in range(n):
        x = x[along(axis, x.ndim, slice(1, None))] - x[along(axis, x.ndim, slice(None, -1))]
    return x


@implements("ediff1d")
def ediff1d(ary, to_end=None, to_begin=None):
    parts = [to_begin, diff(np.ravel(ary)), to_end]
    parts = [np.ravel(array(p)) for p in parts if p is not None]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


@implements("trapezoid", "trapz")
def trapezoid(y, x=None, dx=1.0, axis=-1):
    y = array(y)
    n = y.ndim
    if x is None:
        d = dx
    elif ndim_of(x) == 1:
        d = diff(array(x)) if is_traced(x) else np.diff(x)
        shape = [1] * n
        shape[axis] = -1
        d = np.reshape(d, tuple(shape))
    else:
        d = np.diff(array(x), axis=axis)
    return np.sum(d * (y[along(axis, n, slice(1, None))] + y[along(axis, n, slice(None, -1))]) / 2.0, axis=axis)


@implements("gradient")
def gradient(f, *varargs, axis=None, edge_order=1):
    f = array(f)
    axes = axes_of(axis, f.ndim)
    spacings = list(varargs) if varargs else [1.0]
    if len(spacings) == 1:
        spacings *= len(axes)
    if len(spacings) != len(axes):
        raise TypeError("invalid number of arguments")
    out = [_gradient(f, h, k, edge_order) for h, k in zip(spacings, axes)]
    return out[0] if len(out) == 1 else tuple(out)


def _gradient(f, h, axis, edge_order):
    f = np.moveaxis(f, axis, 0)
    if f.shape[0] < edge_order + 1:
        raise ValueError("the array is too small to calculate a numerical gradient")
    steps = np.full(f.shape[0] - 1, 1.0) * h if ndim_of(h) == 0 else np.diff(h)
    d = np.reshape(steps, (-1,) + (1,) * (f.ndim - 1))
    h0, h1 = d[:-1], d[1:]
    middle = (-h1 / (h0 * (h0 + h1))) * f[:-2] + ((h1 - h0) / (h0 * h1)) * f[1:-1] + (h0 / (h1 * (h0 + h1))) * f[2:]
    n = f.shape[0]
    f = [f[k: k + 1] for k in (0, 1, 2, n - 3, n - 2, n - 1)]  # the ends, as rows
    if edge_order == 1:
        first, last = (f[1] - f[0]) / d[:1], (f[5] - f[4]) / d[-1:]
    else:
        a, b = d[:1], d[1:2]
        first = -(2 * a + b) / (a * (a + b)) * f[0] + (a + b) / (a * b) * f[1] - a / (b * (a + b)) * f[2]
        a, b = d[-2:-1], d[-1:]
        last = b / (a * (a + b)) * f[3] - (a + b) / (a * b) * f[4] + (2 * b + a) / (b * (a + b)) * f[5]
    return np.moveaxis(np.concatenate([first, middle, last]), 0, axis)


# -- interpolation -----------------------------------------------------------------------------------------------------------------
@implements("interp")
def interp(x, xp, fp, left=None, right=None, period=None):
    x, xp, fp = array(x), array(xp), array(fp)
    if period is not None:
        period = abs(period)
        x, xp = x % period, xp % period
        order = np.argsort(value_of(xp), kind="stable")
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    if shape_of(xp)[0] == 1:
        inside = fp[0] + 0 * x
    else:
        k = np.clip(np.searchsorted(value_of(xp), value_of(x), side="right") - 1, 0, shape_of(xp)[0] - 2)
        inside = fp[k] + (fp[k + 1] - fp[k]) / (xp[k + 1] - xp[k]) * (x - xp[k])
    if period is not None:
        return inside
    at, low, high = value_of(x), value_of(xp)[0], value_of(xp)[-1]
    out = np.where(at < low, fp[0] if left is None else left, inside)
    return np.where(at > high, fp[-1] if right is None else right, out)


# -- convolution -------------------------------------------------------------------------------------------------------------------
def _full(bar, other):
    return np.correlate(bar, other, "valid")


CONVOLVE = Multilinear(
    "convolve",
    lambda a, v: np.convolve(a, v),
    (lambda bar, ops: _full(bar, ops[1]), lambda bar, ops: _full(bar, ops[0])),
)


@implements("convolve")
def convolve(a, v, mode="full"):
    a, v = np.atleast_1d(array(a)), np.atleast_1d(array(v))
    full = CONVOLVE((a, v))
    if mode == "full":
        return full
    short, long = sorted((shape_of(a)[0], shape_of(v)[0]))
    start, length = ((short - 1) // 2, long) if mode == "same" else (short - 1, long - short + 1)
    return full[start: start + length]


@implements("correlate")
def correlate(a, v, mode="valid"):
    a, v = np.atleast_1d(array(a)), np.atleast_1d(array(v))
    if shape_of(v)[0] > shape_of(a)[0]:
        return np.flip(np.conjugate(correlate(v, a, mode)))
    return convolve(a, np.flip(np.conjugate(v)), mode)


# -- polynomials -------------------------------------------------------------------------------------------------------------------
@implements("polyval")
def polyval(p, x):
    x = array(x)
    y = np.zeros_like(x)
    for c in array(p):
        y = y * x + c
    return y


@implements("polyadd")
def polyadd(a1, a2):
    a1, a2 = np.atleast_1d(array(a1)), np.atleast_1d(array(a2))
    n = max(shape_of(a1)[0], shape_of(a2)[0])
    return np.pad(a1, (n - shape_of(a1)[0], 0)) + np.pad(a2, (n - shape_of(a2)[0], 0))


@implements("polysub")
def polysub(a1, a2):
    return polyadd(a1, -array(a2))


@implements("polymul")
def polymul(a1, a2):
    return np.convolve(np.atleast_1d(array(a1)), np.atleast_1d(array(a2)))


@implements("polyder")
def polyder(p, m=1):
    p = array(p)
    for _ in range(m):
        p = p[:-1] * np.arange(shape_of(p)[0] - 1, 0, -1)
    return p


@implements("vander")
def vander(x, N=None, increasing=False):
    x = array(x)
    n = shape_of(x)[0] if N is None else N
    powers = np.stack([x**k for k in range(n)], axis=1) if n else np.zeros((shape_of(x)[0], 0))
    return powers if increasing else np.flip(powers, 1)


@implements("polyfit")
def polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False):
    if full or cov:
        raise SciadError("np.polyfit with full or cov on traced values; use np.linalg.lstsq on np.vander(x, deg + 1)")
    a, b = vander(x, deg + 1), array(y)
    if w is not None:
        a, b = a * np.reshape(array(w), (-1, 1)), np.reshape(array(w), (-1,) + (1,) * (ndim_of(b) - 1)) * b
    scale = np.sqrt(np.sum(a * a, axis=0))
    c = np.linalg.lstsq(a / scale, b, rcond)[0]
    return (c.T / scale).T

