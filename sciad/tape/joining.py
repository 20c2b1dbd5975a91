"""Putting arrays together and taking them apart: concatenate, stack and their kin, splits, append, insert, delete, meshgrid."""

from __future__ import annotations

from typing import Any

import numpy as np

from sciad.tape.core import Variable
from sciad.tape.dispatch import implements
from sciad.tape.helpers import axis_of
from sciad.tape.primitive import Joining
from sciad.tape.saving import ndim_of, shape_of

__all__ = ["array", "contains_traced"]


def _unconcatenate(bar, shapes, needs, axis):
    axis = axis_of(axis, ndim_of(bar))
    ends = np.cumsum([shape[axis] for shape in shapes])
    before = (slice(None),) * axis
    return [bar[(*before, slice(e - s[axis], e))] if n else None for e, s, n in zip(ends, shapes, needs)]


CONCATENATE = Joining("concatenate", lambda xs, axis: np.concatenate(xs, axis), _unconcatenate)


def _unstack(bar, shapes, needs, axis):
    before = (slice(None),) * axis_of(axis, ndim_of(bar))
    return [bar[(*before, k)] if n else None for k, n in enumerate(needs)]


STACK = Joining("stack", lambda xs, axis: np.stack(xs, axis), _unstack)


@implements("concatenate", "concat")
def concatenate(arrays, /, axis=0, *, dtype=None, casting="same_kind"):
    if axis is None:
        arrays, axis = [np.ravel(a) for a in arrays], 0
    return _as_type(CONCATENATE(list(arrays), axis), dtype)


@implements("stack")
def stack(arrays, axis=0, *, dtype=None, casting="same_kind"):
    return _as_type(STACK([array(a) for a in arrays], axis), dtype)


def _as_type(x, dtype):
    return x if dtype is None else x.astype(dtype)


def contains_traced(x: Any) -> bool:
    """Whether nested lists and tuples hold a traced value."""
    return isinstance(x, Variable) or (isinstance(x, (list, tuple)) and any(map(contains_traced, x)))


def array(x: Any, dtype: Any = None) -> Any:
    """An array from nested lists and tuples of numbers, arrays and traced values: what ``np.array`` cannot do without ``like=``."""
    if isinstance(x, Variable) or (type(x) is np.ndarray and dtype is None):
        return _as_type(x, dtype)
    if not contains_traced(x):
        return np.asarray(x, dtype)
    return _as_type(STACK([array(v) for v in x], 0), dtype)


@implements("vstack", "row_stack")
def vstack(tup, *, dtype=None, casting="same_kind"):
    return _as_type(CONCATENATE([np.atleast_2d(array(a)) for a in tup], 0), dtype)


@implements("hstack")
def hstack(tup, *, dtype=None, casting="same_kind"):
    arrays = [np.atleast_1d(array(a)) for a in tup]
    return _as_type(CONCATENATE(arrays, 0 if arrays[0].ndim == 1 else 1), dtype)


@implements("dstack")
def dstack(tup):
    return CONCATENATE([np.atleast_3d(array(a)) for a in tup], 2)


@implements("column_stack")
def column_stack(tup):
    arrays = [np.atleast_1d(array(a)) for a in tup]
    return CONCATENATE([a if a.ndim > 1 else np.reshape(a, (-1, 1)) for a in arrays], 1)


@implements("block")
def block(arrays):
    def depth(x: Any) -> int:
        return 1 + depth(x[0]) if isinstance(x, list) else 0

    levels = depth(arrays)

    def leaves(x: Any) -> list:
        return [v for part in x for v in leaves(part)] if isinstance(x, list) else [x]

    ndim = max([levels, *[ndim_of(x) for x in leaves(arrays)]])

    def build(x: Any, axis: int) -> Any:
        if isinstance(x, list):
            return CONCATENATE([build(part, axis + 1) for part in x], axis)
        shape = shape_of(x)
        return np.reshape(array(x), (1,) * (ndim - len(shape)) + tuple(shape))

    return build(arrays, -levels)


@implements("append")
def append(arr, values, axis=None):
    if axis is None:
        return CONCATENATE([np.ravel(arr), np.ravel(array(values))], 0)
    return CONCATENATE([arr, array(values)], axis)


@implements("insert")
def insert(arr, obj, values, axis=None):
    if axis is None:
        arr, axis = np.ravel(arr), 0
    axis = axis_of(axis, ndim_of(arr))
    n, values = shape_of(arr)[axis], array(values)
    places = np.insert(np.arange(n), obj, -1)  # -1 marks what is new
    new = places < 0
    shape = list(shape_of(arr))
    shape[axis] = int(new.sum())
    if np.ndim(obj) == 0 and not isinstance(obj, slice):  # one place: values are rows along the axis, as in NumPy
        values = np.moveaxis(np.reshape(values, (1,) * (len(shape) - ndim_of(values)) + shape_of(values)), 0, axis)
    both = CONCATENATE([arr, np.broadcast_to(values, shape)], axis)
    order = np.where(new, n + np.cumsum(new) - 1, places)
    return np.take(both, order, axis)


@implements("delete")
def delete(arr, obj, axis=None):
    if axis is None:
        arr, axis = np.ravel(arr), 0
    return np.take(arr, np.delete(np.arange(shape_of(arr)[axis]), obj), axis)


# -- splits ------------------------------------------------------------------------------------------------------------------------
@implements("array_split")
def array_split(ary, indices_or_sections, axis=0):
    axis = axis_of(axis, ndim_of(ary))
    n = shape_of(ary)[axis]
    if np.ndim(indices_or_sections) == 0:
        parts = int(indices_or_sections)
        each, extra = divmod(n, parts)
        ends = np.cumsum([each + (k < extra) for k in range(parts)])[:-1].tolist()
    else:
        ends = [int(i) for i in indices_or_sections]
    before = (slice(None),) * axis
    return [ary[(*before, slice(start, stop))] for start, stop in zip([0, *ends], [*ends, n])]


@implements("split")
def split(ary, indices_or_sections, axis=0):
    if np.ndim(indices_or_sections) == 0 and shape_of(ary)[axis] % indices_or_sections:
        raise ValueError("array split does not result in an equal division")
    return array_split(ary, indices_or_sections, axis)


@implements("hsplit")
def hsplit(ary, indices_or_sections):
    return split(ary, indices_or_sections, 0 if ndim_of(ary) == 1 else 1)


@implements("vsplit")
def vsplit(ary, indices_or_sections):
    return split(ary, indices_or_sections, 0)


@implements("dsplit")
def dsplit(ary, indices_or_sections):
    return split(ary, indices_or_sections, 2)


@implements("unstack")
def unstack(x, /, *, axis=0):
    before = (slice(None),) * axis_of(axis, ndim_of(x))
    return tuple([x[(*before, k)] for k in range(shape_of(x)[axis])])


@implements("meshgrid")
def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    n = len(xi)
    grids = []
    for k, x in enumerate(xi):
        place = (1 - k) if indexing == "xy" and n > 1 and k < 2 else k
        grids.append(np.reshape(array(x), (1,) * place + (-1,) + (1,) * (n - 1 - place)))
    if not sparse:
        shape = np.broadcast_shapes(*[shape_of(g) for g in grids])
        grids = [np.broadcast_to(g, shape) for g in grids]
    return tuple([g.copy() for g in grids]) if copy else tuple(grids)


