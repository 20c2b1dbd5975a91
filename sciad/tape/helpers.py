"""Small things that many rules need: axes, conjugates, spreading a cotangent over what was summed."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from sciad.tape.saving import dtype_of, is_traced, ndim_of

__all__ = ["axis_of", "axes_of", "conj", "swap", "adjoint", "spread", "expand", "is_complex", "as_tuple"]


def axis_of(axis: int, ndim: int) -> int:
    """A non-negative axis; AxisError (an IndexError and ValueError) where there is none."""
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes as a tuple of non-negative integers; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    return tuple([axis_of(a, ndim) for a in axis]) if isinstance(axis, Iterable) else (axis_of(axis, ndim),)


def as_tuple(x: Any) -> tuple:
    """A tuple of a number or of a sequence of numbers."""
    return tuple(x) if isinstance(x, (tuple, list, np.ndarray)) else (x,)


def is_complex(x: Any) -> bool:
    """Whether the elements are complex."""
    return dtype_of(x).kind == "c"


def conj(x: Any) -> Any:
    """Complex conjugate; real values as they are, without a copy."""
    return np.conjugate(x) if is_complex(x) else x


def swap(x: Any) -> Any:
    """The last two axes exchanged."""
    return np.swapaxes(x, -1, -2)


def adjoint(x: Any) -> Any:
    """Conjugate transpose of matrices."""
    return conj(np.swapaxes(x, -1, -2))


def expand(bar: Any, shape: tuple, axis: Any, keepdims: bool) -> Any:
    """Put back, with length 1, the axes that a reduction removed from an array of the given shape."""
    if keepdims or axis is None or ndim_of(bar) == len(shape):
        return bar
    return np.expand_dims(bar, axes_of(axis, len(shape)))


def spread(bar: Any, shape: tuple, axis: Any, keepdims: bool) -> Any:
    """Cotangent of what was summed: the cotangent of the sum, everywhere."""
    bar = expand(bar, shape, axis, keepdims)
    if is_traced(bar):
        return np.broadcast_to(bar, shape)
    out = np.empty(shape, dtype_of(bar))
    out[...] = bar
    return out
