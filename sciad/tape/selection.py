"""Choosing elements: where, select, clip, take, sort, quantiles, and the functions that write at chosen places."""

from __future__ import annotations

import functools

import numpy as np

from sciad.errors import SciadError
from sciad.tape.core import Variable
from sciad.tape.dispatch import HANDLERS, NAMES, implements, refuse_buffer
from sciad.tape.helpers import axes_of, axis_of
from sciad.tape.indexing import SCATTER
from sciad.tape.joining import array
from sciad.tape.primitive import Joining
from sciad.tape.saving import is_traced, ndim_of, shape_of, value_of

# -- by condition ------------------------------------------------------------------------------------------------------------------
WHERE = Joining(
    "where",
    lambda xs, c: np.where(c, xs[0], xs[1]),
    lambda bar, shapes, needs, c: [np.where(c, bar, 0.0) if needs[0] else None, np.where(c, 0.0, bar) if needs[1] else None],
)


def _condition(c):
    c = np.asarray(value_of(c)) != 0 if is_traced(c) else np.array(c, dtype=bool)  # a copy: the caller may reuse the mask
    return c if c.ndim else bool(c)


@implements("where")
def where(condition, x=None, y=None, /):
    if x is None and y is None:
        return np.nonzero(value_of(condition))
    if not (is_traced(x) or is_traced(y)):
        return np.where(value_of(condition), x, y)
    return WHERE([array(x), array(y)], _condition(condition))


@implements("select")
def select(condlist, choicelist, default=0):
    out = default
    for condition, choice in zip(condlist[::-1], choicelist[::-1]):
        out = np.where(condition, array(choice), out)
    return out


@implements("piecewise")
def piecewise(x, condlist, funclist, *args, **kw):
    shape = shape_of(x)
    if np.ndim(condlist) == 0 or (not isinstance(condlist[0], (list, np.ndarray)) and shape != ()):
        condlist = [condlist]
    conditions = [np.broadcast_to(np.asarray(value_of(c), dtype=bool), shape) for c in condlist]
    if len(funclist) == len(conditions) + 1:
        conditions = [*conditions, ~np.any(conditions, axis=0)]
    y = np.zeros_like(np.atleast_1d(x))
    flat = np.atleast_1d(x)
    for condition, function in zip(conditions, funclist):
        mask = np.atleast_1d(condition)
        if mask.any():
            y[mask] = function(flat[mask], *args, **kw) if callable(function) else function
    return np.reshape(y, shape)


@implements("choose")
def choose(a, choices, mode="raise"):
    a = np.asarray(value_of(a))
    if mode != "raise":
        a = np.clip(a, 0, len(choices) - 1) if mode == "clip" else a % len(choices)
    return select([a == k for k in range(len(choices))], list(choices))


@implements("clip")
def clip(a, a_min=None, a_max=None, *, min=None, max=None):
    low, high = (min, max) if a_min is None and a_max is None else (a_min, a_max)
    out = a if low is None else np.maximum(a, low)
    return out if high is None else np.minimum(out, high)


@implements("nan_to_num")
def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    v = np.asarray(value_of(x))
    info = np.finfo(v.dtype)
    out = np.where(np.isnan(v), nan, x)
    out = np.where(np.isposinf(v), info.max if posinf is None else posinf, out)
    out = np.where(np.isneginf(v), info.min if neginf is None else neginf, out)
    if copy or not ndim_of(x):
        return out
    x[...] = out
    return x


# -- by index ----------------------------------------------------------------------------------------------------------------------
@implements("take")
def take(a, indices, axis=None, mode="raise"):
    if axis is None:
        a, axis = np.ravel(a), 0
    axis, indices = axis_of(axis, ndim_of(a)), np.asarray(value_of(indices))
    n = shape_of(a)[axis]
    if mode != "raise":
        indices = np.clip(indices, 0, n - 1) if mode == "clip" else indices % n
    return a[(*(slice(None),) * axis, indices if indices.ndim else int(indices))]


def _along(shape, indices, axis):
    """The index that picks, along one axis, the elements at `indices`, as np.take_along_axis does."""
    places = []
    for k, m in enumerate(shape):
        if k == axis:
            places.append(indices)
        else:
            places.append(np.arange(m).reshape((1,) * k + (-1,) + (1,) * (len(shape) - k - 1)))
    return tuple(places)


@implements("bincount")
def bincount(x, weights=None, minlength=0):
    x = np.array(value_of(x))
    if not is_traced(weights):
        return np.bincount(x, weights, minlength)
    return SCATTER(weights, x, False, (max(minlength, int(x.max(initial=-1)) + 1),))


@implements("take_along_axis")
def take_along_axis(arr, indices, axis=-1):
    if axis is None:
        arr, axis = np.ravel(arr), 0
    axis = axis_of(axis, ndim_of(arr))
    return arr[_along(shape_of(arr), np.asarray(indices), axis)]


@implements("compress")
def compress(condition, a, axis=None):
    return take(a, np.flatnonzero(value_of(condition)), axis)


@implements("extract")
def extract(condition, arr):
    return np.ravel(array(arr))[np.flatnonzero(value_of(condition))]


@implements("apply_along_axis")
def apply_along_axis(func1d, axis, arr, *args, **kwargs):
    rows = np.moveaxis(arr, axis, -1)
    outer = shape_of(rows)[:-1]
    results = [array(func1d(rows[k], *args, **kwargs)) for k in np.ndindex(*outer)]
    inner = shape_of(results[0])
    out, place = np.reshape(np.stack(results), (*outer, *inner)), axis_of(axis, ndim_of(arr))
    return np.moveaxis(out, range(len(outer), len(outer) + len(inner)), range(place, place + len(inner)))


@implements("trim_zeros")
def trim_zeros(filt, trim="fb"):
    used = np.flatnonzero(value_of(filt))
    first = used[0] if used.size and "f" in trim.lower() else 0 if used.size else shape_of(filt)[0]
    last = used[-1] + 1 if used.size and "b" in trim.lower() else shape_of(filt)[0]
    return filt[int(first): int(last)]


# -- by order ----------------------------------------------------------------------------------------------------------------------
@implements("sort")
def sort(a, axis=-1, kind=None, order=None, *, stable=None):
    if axis is None:
        a, axis = np.ravel(a), 0
    return take_along_axis(a, np.argsort(value_of(a), axis=axis, kind="stable"), axis)


@implements("sort_complex")
def sort_complex(a):
    return sort(a).astype(complex)


@implements("partition")
def partition(a, kth, axis=-1, kind="introselect", order=None):
    if axis is None:
        a, axis = np.ravel(a), 0
    return take_along_axis(a, np.argpartition(value_of(a), kth, axis=axis), axis)


@implements("unique")
def unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True, sorted=True):
    found = np.unique(value_of(ar), True, return_inverse, return_counts, axis, equal_nan=equal_nan)
    values = take(ar, found[1], axis)
    rest = found[1:] if return_index else found[2:]
    return (values, *rest) if rest else values


@implements("unique_values")
def unique_values(x, /):
    return unique(x)


def _quantile(a, q, axis, keepdims, scale, method):
    if method != "linear" or is_traced(q):
        raise SciadError("quantiles of traced values: only method='linear', at levels that are not traced")
    n, q = ndim_of(a), np.asarray(q, dtype=float) / scale
    axes = axes_of(axis, n)
    x = np.moveaxis(a, axes, range(len(axes)))
    x = sort(np.reshape(x, (-1, *shape_of(x)[len(axes):])), 0)
    place = q * (x.shape[0] - 1)
    low = np.floor(place).astype(int)
    weight = np.reshape(place - low, q.shape + (1,) * (x.ndim - 1))
    lower, upper = take(x, low, 0), take(x, np.minimum(low + 1, x.shape[0] - 1), 0)
    out = lower + (upper - lower) * weight
    bad = np.isnan(value_of(x)).any(axis=0)
    out = np.where(bad, np.nan, out) if np.any(bad) else out
    return np.expand_dims(out, tuple([k + q.ndim for k in axes])) if keepdims else out


@implements("quantile")
def quantile(a, q, axis=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    return _quantile(a, q, axis, keepdims, 1.0, method)


@implements("percentile")
def percentile(a, q, axis=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    return _quantile(a, q, axis, keepdims, 100.0, method)


@implements("median")
def median(a, axis=None, overwrite_input=False, keepdims=False):
    return _quantile(a, 0.5, axis, keepdims, 1.0, "linear")


# -- writing at chosen places ------------------------------------------------------------------------------------------------------
def _writes(name):
    """Register a function that changes its first argument, which must be traced if anything is."""

    def register(handler):
        def checked(a, *args, **kwargs):
            if not isinstance(a, Variable):
                raise refuse_buffer(f"np.{name}")
            return handler(a, *args, **kwargs)

        HANDLERS[getattr(np, name)] = NAMES[name] = functools.wraps(handler)(checked)
        return handler

    return register


@_writes("copyto")
def copyto(dst, src, casting="same_kind", where=True):
    src = array(src)
    dst[...] = src if where is True else np.where(where, src, dst)


@_writes("put")
def put(a, ind, v, mode="raise"):
    ind = np.ravel(np.asarray(value_of(ind)))
    if mode != "raise":
        ind = np.clip(ind, 0, a.size - 1) if mode == "clip" else ind % a.size
    values = np.ravel(array(v))
    a[np.unravel_index(np.where(ind < 0, ind + a.size, ind), a.shape)] = values[np.arange(ind.size) % values.size]


@_writes("place")
def place(arr, mask, vals):
    mask, values = np.asarray(value_of(mask), dtype=bool), np.ravel(array(vals))
    arr[np.reshape(mask, arr.shape)] = values[np.arange(int(mask.sum())) % values.size]


@_writes("putmask")
def putmask(a, mask, values):
    mask, values = np.broadcast_to(np.asarray(value_of(mask), dtype=bool), a.shape), np.ravel(array(values))
    a[mask] = values[np.flatnonzero(mask) % values.size]


@_writes("put_along_axis")
def put_along_axis(arr, indices, values, axis):
    axis = axis_of(axis, arr.ndim)
    arr[_along(arr.shape, np.asarray(indices), axis)] = array(values)


@_writes("fill_diagonal")
def fill_diagonal(a, val, wrap=False):
    if a.ndim != 2 and len(set(a.shape)) != 1:
        raise ValueError("all dimensions of the array must be of equal length")
    if wrap and a.shape[0] > a.shape[1]:
        raise SciadError("np.fill_diagonal(wrap=True) on a tall traced array")
    places = np.arange(min(a.shape))
    values = array(val)
    a[(places,) * a.ndim] = values if ndim_of(values) == 0 else np.ravel(values)[places % np.size(value_of(values))]


