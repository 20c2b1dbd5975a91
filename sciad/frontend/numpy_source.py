"""NumPy functions written in the subset: the frontend inlines them like a user's, and so they are differentiated in turn."""

from __future__ import annotations

import numpy as np

__all__ = ["SOURCES", "AXES", "integers", "vector", "matrix", "vector_or_matrix"]


# -- what the functions below ask of their arguments; the frontend answers while it lowers them --------------------------------------
def vector(x):
    """Refuse all but arrays with one axis."""


def matrix(x):
    """Refuse all but arrays with two axes."""


def vector_or_matrix(x):
    """Refuse arrays with more than two axes."""


def integers(x):
    """Refuse all but arrays of ints."""


#: Numbers of axes that each of these lets pass.
AXES = {vector: (1,), matrix: (2,), vector_or_matrix: (0, 1, 2)}


# -- joining and moving ------------------------------------------------------------------------------------------------------------
def vstack(arrays):
    return np.concatenate([a[None, :] if a.ndim == 1 else a for a in arrays])


def hstack(arrays):
    return np.concatenate(arrays, axis=0 if arrays[0].ndim == 1 else 1)


def column_stack(arrays):
    return np.concatenate([a[:, None] if a.ndim == 1 else a for a in arrays], axis=1)


def _first_axis(x, axis):
    """`x` with an axis in front."""
    return np.moveaxis(x, axis, 0)


def flip(x, axis=None):
    if axis is None:
        return x.ravel()[::-1].reshape(x.shape)
    return np.moveaxis(_first_axis(x, axis)[::-1], 0, axis)


def flipud(x):
    return x[::-1]


def fliplr(x):
    return x[:, ::-1]


def roll(x, shift, axis=None):
    if axis is None:
        v = x.ravel()
        k = shift % v.shape[0]
        return np.concatenate((v[v.shape[0] - k :], v[: v.shape[0] - k])).reshape(x.shape)
    y = _first_axis(x, axis)
    k = shift % y.shape[0]
    return np.moveaxis(np.concatenate((y[y.shape[0] - k :], y[: y.shape[0] - k])), 0, axis)


def tile(x, reps):
    vector(x)
    y = np.empty((reps, x.shape[0]), x.dtype)
    y[:] = x
    return y.reshape(-1)


def repeat(x, repeats):
    x = x.ravel()
    y = np.empty((x.shape[0], repeats), x.dtype)
    y[:] = x[:, None]
    return y.reshape(-1)


def meshgrid(x, y):
    x, y = x.ravel(), y.ravel()
    return x[None, :] + np.zeros((y.shape[0], 1)), y[:, None] + np.zeros((1, x.shape[0]))


def copyto(dst, src):
    dst[...] = src


def fill_diagonal(a, value):
    matrix(a)
    for i in range(min(a.shape[0], a.shape[1])):
        a[i, i] = value


# -- differences and sums ----------------------------------------------------------------------------------------------------------
def diff(x, n=1, axis=-1):
    y = _first_axis(x, axis)
    for _ in range(n):
        y = y[1:] - y[:-1]
    return np.moveaxis(y, 0, axis)


def trapezoid(y, x=None, dx=1.0):
    steps = dx if x is None else x[..., 1:] - x[..., :-1]
    return np.sum(0.5 * steps * (y[..., 1:] + y[..., :-1]), axis=-1)


def gradient(y):
    vector(y)
    g = np.empty(y.shape)
    g[0], g[-1] = y[1] - y[0], y[-1] - y[-2]
    g[1:-1] = 0.5 * (y[2:] - y[:-2])
    return g


def cumprod(x):
    x = x.ravel()
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
    v = var(x, axis, ddof, keepdims)
    return np.where(v > 0, np.sqrt(np.where(v > 0, v, 1.0)), v)  # where nothing varies its derivative is taken to be zero


def average(x, weights=None):
    return np.mean(x) if weights is None else np.sum(x * weights) / np.sum(weights)


def ptp(x):
    return np.max(x) - np.min(x)


def median(x):
    y = sort(x.ravel())
    n = y.shape[0]
    return 0.5 * (y[(n - 1) // 2] + y[n // 2])


def round_(x, decimals=0):
    if decimals == 0:
        return np.rint(x)
    scale = 10.0 ** abs(decimals)
    return np.rint(x * scale) / scale if decimals > 0 else np.rint(x / scale) * scale


def count_nonzero(x):
    return np.sum(x != 0)


def isclose(a, b, rtol=1e-05, atol=1e-08):
    return np.abs(a - b) <= atol + rtol * np.abs(b)


def allclose(a, b, rtol=1e-05, atol=1e-08):
    return np.all(isclose(a, b, rtol, atol))


def take(x, indices, axis=None):
    if axis is None:
        return x.ravel()[indices]
    assert axis == 0, "np.take along another axis than the first: index with colons before it"
    return x[indices]


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


def argsort(x, axis=-1):
    """Bottom-up merge sort: stable."""
    vector(x)
    x = _first_axis(x, axis)
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


def sort(x, axis=-1):
    return x[argsort(x, axis)]


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


def sinc(x):
    """Near zero by its series, whose derivatives are those of the function."""
    z = np.pi * x
    q = z * z
    series = 1 - q / 6 * (1 - q / 20 * (1 - q / 42 * (1 - q / 72 * (1 - q / 110 * (1 - q / 156)))))
    y = np.where(np.abs(z) < 0.3, 1.0, z)
    return np.where(np.abs(z) < 0.3, series, np.sin(y) / y)


def add_at(a, indices, b):
    vector(indices)
    integers(indices)
    if not isinstance(b, np.ndarray):
        for k in range(indices.shape[0]):
            a[indices[k]] += b
    else:
        assert b.ndim == a.ndim, "np.add.at with values of other than one number, or one entry (or row) for each index"
        assert b.shape[0] == indices.shape[0], "np.add.at with values of other than one number, or one entry (or row) for each index"
        added = b.copy()
        for k in range(indices.shape[0]):
            a[indices[k]] += added[k]


def subtract_at(a, indices, b):
    add_at(a, indices, -b)


# -- products ----------------------------------------------------------------------------------------------------------------------
def cross(a, b):
    assert a.shape[-1] == 3, "np.cross of vectors whose length is not 3"
    assert b.shape[-1] == 3, "np.cross of vectors whose length is not 3"
    x, y, z = a[..., 0], a[..., 1], a[..., 2]
    u, v, w = b[..., 0], b[..., 1], b[..., 2]
    return np.stack([y * w - z * v, z * u - x * w, x * v - y * u], axis=-1)


def kron(a, b):
    y = np.empty((a.shape[0], b.shape[0], a.shape[1], b.shape[1]))
    for i in range(a.shape[0]):
        for k in range(b.shape[0]):
            for j in range(a.shape[1]):
                y[i, k, j] = a[i, j] * b[k]
    return y.reshape(a.shape[0] * b.shape[0], a.shape[1] * b.shape[1])


def matrix_power(a, n):
    """By repeated multiplication; the exponent is not negative."""
    matrix(a)
    assert n >= 0, "np.linalg.matrix_power with a negative exponent: invert the matrix first"
    p = np.eye(a.shape[0])
    for _ in range(n):
        p = p @ a
    return p


def inner(a, b):
    vector_or_matrix(b)
    return np.dot(a, b) if a.ndim == 1 and b.ndim == 1 else a @ b.T


def vdot(a, b):
    return np.dot(a.ravel(), b.ravel())


SOURCES = {
    np.vstack: vstack, np.hstack: hstack, np.column_stack: column_stack, np.flip: flip, np.flipud: flipud, np.fliplr: fliplr, np.roll: roll,
    np.tile: tile, np.repeat: repeat, np.meshgrid: meshgrid, np.copyto: copyto, np.fill_diagonal: fill_diagonal,
    np.diff: diff, np.gradient: gradient, np.cumprod: cumprod, np.convolve: convolve, np.polyval: polyval, np.var: var, np.std: std,
    np.average: average, np.ptp: ptp, np.median: median, np.count_nonzero: count_nonzero, np.isclose: isclose, np.allclose: allclose,
    np.argmax: argmax, np.argmin: argmin, np.argsort: argsort, np.sort: sort, np.searchsorted: searchsorted, np.interp: interp,
    np.cross: cross, np.kron: kron, np.linalg.matrix_power: matrix_power, np.inner: inner, np.vdot: vdot,
    np.sinc: sinc, np.add.at: add_at, np.subtract.at: subtract_at, np.round: round_, np.around: round_, np.take: take,
    getattr(np, "trapezoid", None) or np.trapz: trapezoid,  # noqa: NPY201  the older name of NumPy 1
}  # fmt: skip
