"""NumPy functions written in the subset: the frontend inlines them like a user's, and so they are differentiated in turn."""

from __future__ import annotations

import numpy as np

__all__ = ["SOURCES"]


# -- joining and moving ------------------------------------------------------------------------------------------------------------
def vstack(arrays):
    return np.concatenate([a[None, :] if a.ndim == 1 else a for a in arrays])


def hstack(arrays):
    return np.concatenate(arrays, axis=0 if arrays[0].ndim == 1 else 1)


def column_stack(arrays):
    return np.concatenate([a[:, None] if a.ndim == 1 else a for a in arrays], axis=1)


def flip(x, axis=None):
    if axis is None:
        return x[::-1] if x.ndim == 1 else x[::-1, ::-1]
    return x[::-1] if axis == 0 else x[:, ::-1]


def flipud(x):
    return x[::-1]


def fliplr(x):
    return x[:, ::-1]


def roll(x, shift, axis=None):
    if axis is None:
        v = x.ravel()
        k = shift % v.shape[0]
        return np.concatenate((v[v.shape[0] - k :], v[: v.shape[0] - k])).reshape(x.shape)
    k = shift % x.shape[axis]
    if axis == 0:
        return np.concatenate((x[x.shape[0] - k :], x[: x.shape[0] - k]))
    return np.concatenate((x[:, x.shape[1] - k :], x[:, : x.shape[1] - k]), axis=1)


def tile(x, reps):
    y = np.empty((reps, x.shape[0]), x.dtype)
    y[:] = x
    return y.reshape(-1)


def repeat(x, repeats):
    y = np.empty((x.shape[0], repeats), x.dtype)
    y[:] = x[:, None]
    return y.reshape(-1)


def meshgrid(x, y):
    return x[None, :] + np.zeros((y.shape[0], 1)), y[:, None] + np.zeros((1, x.shape[0]))


def swapaxes(x, axis1, axis2):
    return x if axis1 == axis2 else x.T


def copyto(dst, src):
    dst[...] = src


def fill_diagonal(a, value):
    for i in range(min(a.shape[0], a.shape[1])):
        a[i, i] = value


# -- differences and sums ----------------------------------------------------------------------------------------------------------
def diff(x):
    return x[..., 1:] - x[..., :-1]


def trapezoid(y, x=None, dx=1.0):
    steps = dx if x is None else x[1:] - x[:-1]
    return np.sum(0.5 * steps * (y[1:] + y[:-1]))


def gradient(y):
    g = np.empty(y.shape)
    g[0], g[-1] = y[1] - y[0], y[-1] - y[-2]
    g[1:-1] = 0.5 * (y[2:] - y[:-2])
    return g


def cumprod(x):
    y = np.empty(x.shape)
    p = 1.0
    for i in range(x.shape[0]):
        p = p * x[i]
        y[i] = p
    return y


def convolve(a, v):
    y = np.zeros(a.shape[0] + v.shape[0] - 1)
    for i in range(a.shape[0]):
        for j in range(v.shape[0]):
            y[i + j] += a[i] * v[j]
    return y


def polyval(p, x):
    y = x * 0.0
    for c in p:
        y = y * x + c
    return y


# -- statistics --------------------------------------------------------------------------------------------------------------------
def var(x, axis=None, ddof=0, keepdims=False):
    d = x - np.mean(x, axis=axis, keepdims=True)
    return np.sum(d * d, axis=axis, keepdims=keepdims) / ((x.size if axis is None else x.shape[axis]) - ddof)


def std(x, axis=None, ddof=0, keepdims=False):
    return np.sqrt(var(x, axis, ddof, keepdims))


def average(x, weights=None):
    return np.mean(x) if weights is None else np.sum(x * weights) / np.sum(weights)


def ptp(x):
    return np.max(x) - np.min(x)


def median(x):
    y = sort(x.ravel())
    n = y.shape[0]
    return 0.5 * (y[(n - 1) // 2] + y[n // 2])


def count_nonzero(x):
    return np.sum(x != 0)


def isclose(a, b, rtol=1e-05, atol=1e-08):
    return np.abs(a - b) <= atol + rtol * np.abs(b)


def allclose(a, b, rtol=1e-05, atol=1e-08):
    return np.all(isclose(a, b, rtol, atol))


# -- searching and sorting ---------------------------------------------------------------------------------------------------------
def argmax(x):
    v = x.ravel()
    k = 0
    for i in range(v.shape[0]):
        if v[i] > v[k]:
            k = i
    return k


def argmin(x):
    v = x.ravel()
    k = 0
    for i in range(v.shape[0]):
        if v[i] < v[k]:
            k = i
    return k


def argsort(x):
    """Bottom-up merge sort: stable."""
    n = x.shape[0]
    order, merged = np.arange(n), np.arange(n)
    width = 1
    while width < n:
        for start in range(0, n, 2 * width):
            middle, stop = min(start + width, n), min(start + 2 * width, n)
            i, j = start, middle
            for k in range(start, stop):
                if i < middle and (j >= stop or x[order[i]] <= x[order[j]]):
                    merged[k] = order[i]
                    i += 1
                else:
                    merged[k] = order[j]
                    j += 1
        order[:] = merged
        width *= 2
    return order


def sort(x):
    return x[argsort(x)]


def searchsorted(a, v):
    low, high = 0, a.shape[0]
    while low < high:
        middle = (low + high) // 2
        if a[middle] < v:
            low = middle + 1
        else:
            high = middle
    return low


def _interpolated(x, xp, fp):
    n = xp.shape[0]
    if x <= xp[0]:
        return fp[0]
    if x >= xp[n - 1]:
        return fp[n - 1]
    k = searchsorted(xp, x) - 1
    return fp[k] + (fp[k + 1] - fp[k]) / (xp[k + 1] - xp[k]) * (x - xp[k])


def interp(x, xp, fp):
    if not isinstance(x, np.ndarray):
        return _interpolated(x, xp, fp)
    y = np.empty(x.shape)
    for i in range(x.shape[0]):
        y[i] = _interpolated(x[i], xp, fp)
    return y


# -- products ----------------------------------------------------------------------------------------------------------------------
def cross(a, b):
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def kron(a, b):
    y = np.empty((a.shape[0], b.shape[0], a.shape[1], b.shape[1]))
    for i in range(a.shape[0]):
        for k in range(b.shape[0]):
            for j in range(a.shape[1]):
                y[i, k, j] = a[i, j] * b[k]
    return y.reshape(a.shape[0] * b.shape[0], a.shape[1] * b.shape[1])


def matrix_power(a, n):
    """By repeated multiplication; the exponent is not negative."""
    assert n >= 0, "np.linalg.matrix_power with a negative exponent: invert the matrix first"
    p = np.eye(a.shape[0])
    for _ in range(n):
        p = p @ a
    return p


def inner(a, b):
    return np.dot(a, b) if a.ndim == 1 and b.ndim == 1 else a @ b.T


SOURCES = {
    np.vstack: vstack, np.hstack: hstack, np.column_stack: column_stack, np.flip: flip, np.flipud: flipud, np.fliplr: fliplr, np.roll: roll,
    np.tile: tile, np.repeat: repeat, np.meshgrid: meshgrid, np.swapaxes: swapaxes, np.copyto: copyto, np.fill_diagonal: fill_diagonal,
    np.diff: diff, np.gradient: gradient, np.cumprod: cumprod, np.convolve: convolve, np.polyval: polyval, np.var: var, np.std: std,
    np.average: average, np.ptp: ptp, np.median: median, np.count_nonzero: count_nonzero, np.isclose: isclose, np.allclose: allclose,
    np.argmax: argmax, np.argmin: argmin, np.argsort: argsort, np.sort: sort, np.searchsorted: searchsorted, np.interp: interp,
    np.cross: cross, np.kron: kron, np.linalg.matrix_power: matrix_power, np.inner: inner,
    getattr(np, "trapezoid", None) or np.trapz: trapezoid,  # noqa: NPY201  the older name of NumPy 1
}  # fmt: skip
