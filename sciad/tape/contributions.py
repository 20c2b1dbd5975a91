"""What rules hand back to the reverse sweep: arrays, sparse and partial cotangents, and how they are made to fit their operand."""

from __future__ import annotations

from typing import Any

import numpy as np

from sciad.errors import SciadError
from sciad.tape.core import F8
from sciad.tape.saving import dtype_of, shape_of

__all__ = ["Scatter", "Slot", "add_at", "project", "unbroadcast"]


class Scatter:
    """A cotangent that is zero but for ``bar`` at ``index``; accumulated in place, so that reading one element costs one element."""

    __slots__ = ("index", "bar", "unique")

    def __init__(self, index: Any, bar: Any, unique: bool) -> None:
        self.index, self.bar, self.unique = index, bar, unique


class Slot:
    """The cotangent of one output of a node that has several."""

    __slots__ = ("position", "bar")

    def __init__(self, position: int, bar: Any) -> None:
        self.position, self.bar = position, bar


def add_at(target: np.ndarray, index: Any, values: Any, unique: bool) -> None:
    """``target[index] += values`` that counts repeated indices; in place."""
    if unique:
        target[index] += values
    elif target.ndim == 1 and type(index) is np.ndarray and target.dtype == F8 and index.size > 64 and index.min() >= 0:
        target += np.bincount(index.ravel(), np.broadcast_to(values, index.shape).ravel(), target.size)
    else:
        np.add.at(target, index, values)


def project(bar: Any, shape: tuple, dtype: np.dtype) -> Any:
    """A cotangent with the shape and type of what it belongs to: summed over broadcast axes, real part of complex for real."""
    if shape_of(bar) != shape:
        bar = unbroadcast(bar, shape)
    found = dtype_of(bar)
    if found != dtype:
        if found.kind == "c" and dtype.kind != "c":
            bar = bar.real
            found = dtype_of(bar)
        if found != dtype:
            bar = bar.astype(dtype) if hasattr(bar, "astype") else dtype.type(bar)
    elif type(bar) is float:
        bar = np.float64(bar)
    return bar


def unbroadcast(bar: Any, shape: tuple) -> Any:
    """Sum of `bar` over the axes along which `shape` was broadcast; a bar with fewer axes is broadcast to `shape`."""
    found = shape_of(bar)
    extra = len(found) - len(shape)
    if extra < 0 or any(m != n and n != 1 for m, n in zip(found[extra:], shape)):
        if len(found) <= len(shape) and all(m in (1, n) for m, n in zip(found[::-1], shape[::-1])):
            return np.broadcast_to(bar, shape)
        raise SciadError(f"a rule returned a cotangent of shape {found} for an operand of shape {shape}")
    if extra:
        bar = np.sum(bar, axis=tuple(range(extra)))
    axes = tuple([k for k, (m, n) in enumerate(zip(found[extra:], shape)) if m != n])
    return np.sum(bar, axis=axes, keepdims=True) if axes else bar
