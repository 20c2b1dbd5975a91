"""Sums, products, extremes, moments and cumulative operations."""

from __future__ import annotations

import numpy as np

from sciad.errors import SciadError
from sciad.tape.dispatch import implements
from sciad.tape.helpers import axes_of, is_complex, spread
from sciad.tape.joining import array
from sciad.tape.primitive import Linear
from sciad.tape.saving import ndim_of, shape_of, value_of

SUM = Linear(
    "sum",
    lambda x, axis, keepdims: np.add.reduce(x, axis=axis, keepdims=keepdims),
    lambda bar, shape, axis, keepdims: spread(bar, shape, axis, keepdims),
)
MEAN = Linear(
    "mean",
    lambda x, axis, keepdims: np.mean(x, axis=axis, keepdims=keepdims),
    lambda bar, shape, axis, keepdims: spread(bar / _count(shape, axis), shape, axis, keepdims),
)
CUMSUM = Linear(
    "cumsum",
    lambda x, axis: np.cumsum(x, axis),
    lambda bar, shape, axis: np.flip(np.cumsum(np.flip(bar, axis), axis), axis),
)


def _count(shape, axis):
    return int(np.prod([shape[k] for k in axes_of(axis, len(shape))]))


def _axis(axis):
    return tuple(axis) if isinstance(axis, list) else axis


def _chosen(a, where, otherwise):
    return a if where is True else np.where(where, a, otherwise)


@implements("sum")
def sum_(a, axis=None, dtype=None, keepdims=False, initial=0, where=True):
    a = a if dtype is None else a.astype(dtype)
    total = SUM(_chosen(a, where, 0.0), _axis(axis), bool(keepdims))
    return total if type(initial) is int and initial == 0 else total + initial


@implements("mean")
def mean(a, axis=None, dtype=None, keepdims=False, *, where=True):
    a = a if dtype is None else a.astype(dtype)
    if where is True:
        return MEAN(a, _axis(axis), bool(keepdims))
    count = np.sum(np.broadcast_to(where, shape_of(a)), axis=axis, keepdims=keepdims)
    return sum_(a, axis, keepdims=keepdims, where=where) / count


@implements("average")
def average(a, axis=None, weights=None, returned=False, *, keepdims=False):
    if weights is None:
        result = mean(a, axis, keepdims=keepdims)
        total = np.full(shape_of(result), float(_count(shape_of(a), axis)))
    else:
        weights = array(weights)
        if shape_of(weights) != shape_of(a):
            shape = [1] * ndim_of(a)
            for k, m in zip(axes_of(axis, ndim_of(a)), shape_of(weights)):
                shape[k] = m
            weights = np.broadcast_to(np.reshape(weights, tuple(shape)), shape_of(a))
        total = np.sum(weights, axis=axis, keepdims=keepdims)
        result = np.sum(array(a) * weights, axis=axis, keepdims=keepdims) / total
    return (result, total) if returned else result


# -- products: by halves, so that zeros need no special care at any order of differentiation ---------------------------------------
@implements("prod")
def prod(a, axis=None, dtype=None, keepdims=False, initial=1, where=True):
    x = _chosen(a if dtype is None else a.astype(dtype), where, 1.0)
    n = ndim_of(x)
    axes = axes_of(axis, n)
    x = np.moveaxis(x, axes, range(len(axes)))
    rest = shape_of(x)[len(axes):]
    x = np.reshape(x, (-1, *rest))
    while x.shape[0] > 1:
        half = x.shape[0] // 2
        product = x[:half] * x[half: 2 * half]
        x = product if x.shape[0] == 2 * half else np.concatenate([product, x[2 * half:]])
    out = x[0] if x.shape[0] else np.ones(rest)
    if keepdims:
        out = np.expand_dims(out, axes)
    return out if type(initial) is int and initial == 1 else out * initial


@implements("cumprod")
def cumprod(a, axis=None, dtype=None):
    x = a if dtype is None else a.astype(dtype)
    if axis is None:
        x, axis = np.ravel(x), 0
    x, step = np.moveaxis(x, axis, 0), 1
    while step < x.shape[0]:
        x = np.concatenate([x[:step], x[step:] * x[:-step]])
        step *= 2
    return np.moveaxis(x, 0, axis)


@implements("cumsum")
def cumsum(a, axis=None, dtype=None):
    a = a if dtype is None else a.astype(dtype)
    return CUMSUM(np.ravel(a), 0) if axis is None else CUMSUM(a, axis)


def _cumulative(function, start):
    def handler(x, /, *, axis=None, dtype=None, include_initial=False):
        if axis is None:
            if ndim_of(x) > 1:
                raise ValueError("axis is needed for an array of more than one dimension")
            axis = 0
        out = function(x, axis, dtype)
        if include_initial:
            shape = list(out.shape)
            shape[axis] = 1
            out = np.concatenate([np.full(shape, start), out], axis=axis)
        return out

    return handler


implements("cumulative_sum")(_cumulative(cumsum, 0.0))
implements("cumulative_prod")(_cumulative(cumprod, 1.0))


# -- extremes: the first of equal elements has the derivative ----------------------------------------------------------------------
def _extreme(arg, combine):
    def handler(a, axis=None, keepdims=False, initial=None, where=True):
        n = ndim_of(a)
        if where is not True:
            if initial is None:
                raise ValueError("reduction with where= needs initial=")
            a = np.where(where, a, initial)
        axes = axes_of(axis, n)
        x = np.moveaxis(a, axes, range(len(axes)))
        x = np.reshape(x, (-1, *shape_of(x)[len(axes):]))
        place = arg(value_of(x), axis=0)
        out = x[place] if np.ndim(place) == 0 else np.take_along_axis(x, place[None], 0)[0]
        if keepdims:
            out = np.expand_dims(out, axes)
        return out if initial is None or where is not True else combine(out, initial)

    return handler


maximum = implements("max", "amax")(_extreme(np.argmax, np.maximum))
minimum = implements("min", "amin")(_extreme(np.argmin, np.minimum))


@implements("ptp")
def ptp(a, axis=None, keepdims=False):
    return maximum(a, axis, keepdims) - minimum(a, axis, keepdims)


# -- moments -----------------------------------------------------------------------------------------------------------------------
@implements("var")
def var(a, axis=None, dtype=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=None):
    ddof = ddof if correction is None else correction
    a = a if dtype is None else a.astype(dtype)
    middle = np.mean(a, axis=axis, keepdims=True, where=where) if mean is None else mean
    off = a - middle
    squares = np.real(off) ** 2 + np.imag(off) ** 2 if is_complex(off) else off * off
    count = np.sum(np.broadcast_to(where, shape_of(a)), axis=_axis(axis), keepdims=keepdims)
    return sum_(squares, axis, keepdims=keepdims, where=where) / np.maximum(count - ddof, 0)


def safe_sqrt(x):
    """Square root with derivative 0 at 0: the distance from a minimum that is not smooth there."""
    flat = value_of(x) == 0
    return np.where(flat, 0.0, np.sqrt(np.where(flat, 1.0, x))) if np.any(flat) else np.sqrt(x)


@implements("std")
def std(a, axis=None, dtype=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=None):
    return safe_sqrt(var(a, axis, dtype, ddof, keepdims, where=where, mean=mean, correction=correction))


@implements("cov")
def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None):
    if fweights is not None or aweights is not None:
        raise SciadError("np.cov with weights on traced values; weight the data with np.average")
    x = np.atleast_2d(array(m))
    x = x if rowvar or x.shape[0] == 1 else x.T
    if y is not None:
        other = np.atleast_2d(array(y))
        x = np.concatenate([x, other if rowvar or other.shape[0] == 1 else other.T])
    off = x - np.mean(x, axis=1, keepdims=True)
    count = x.shape[1] - ((0 if bias else 1) if ddof is None else ddof)
    return np.squeeze(off @ np.conjugate(off).T / count)


@implements("corrcoef")
def corrcoef(x, y=None, rowvar=True, *, dtype=None):
    c = cov(x, y, rowvar)
    if ndim_of(c) == 0:
        return c / c
    d = np.sqrt(np.real(np.diagonal(c)))
    return c / d[:, None] / d[None, :]


# -- ignoring NaN ------------------------------------------------------------------------------------------------------------------
def _present(a):
    return ~np.isnan(value_of(a))


implements("nansum")(lambda a, axis=None, dtype=None, keepdims=False, **kw: sum_(a, axis, dtype, keepdims, where=_present(a), **kw))
implements("nanprod")(lambda a, axis=None, dtype=None, keepdims=False, **kw: prod(a, axis, dtype, keepdims, where=_present(a), **kw))
implements("nanmean")(lambda a, axis=None, dtype=None, keepdims=False: mean(a, axis, dtype, keepdims, where=_present(a)))
implements("nanvar")(lambda a, axis=None, dtype=None, ddof=0, keepdims=False: _nanvar(a, axis, dtype, ddof, keepdims))
implements("nanstd")(lambda a, axis=None, dtype=None, ddof=0, keepdims=False: safe_sqrt(_nanvar(a, axis, dtype, ddof, keepdims)))
implements("nancumsum")(lambda a, axis=None, dtype=None: cumsum(np.where(_present(a), a, 0.0), axis, dtype))
implements("nancumprod")(lambda a, axis=None, dtype=None: cumprod(np.where(_present(a), a, 1.0), axis, dtype))
implements("nanmax")(lambda a, axis=None, keepdims=False: maximum(np.where(_present(a), a, -np.inf), axis, keepdims))
implements("nanmin")(lambda a, axis=None, keepdims=False: minimum(np.where(_present(a), a, np.inf), axis, keepdims))


def _nanvar(a, axis, dtype, ddof, keepdims):
    present = _present(a)
    return var(np.where(present, a, 0.0), axis, dtype, ddof, keepdims, where=present)
