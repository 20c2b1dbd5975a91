"""Complex states as pairs of real ones: y = z[0] + i z[1]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.solvers.events import ATTRIBUTES

__all__ = ["real_function", "real_event", "real_state", "complex_states"]


def real_state(y0: Any) -> Any:
    """z, shape (2, *shape); y0 may be traced."""
    return np.stack([np.real(y0), np.imag(y0)])


def real_function(fun: Callable, inplace: bool) -> Callable:
    """fun(t, y, *args) on z."""

    def split(t: Any, z: Any, *args: Any) -> Any:
        y = z[0] + 1j * z[1]
        if inplace:
            dy = np.zeros_like(y)
            fun(dy, t, y, *args)
        else:
            dy = fun(t, y, *args)
            dy = np.stack(dy) if isinstance(dy, (list, tuple)) else dy
        return np.stack([np.real(dy), np.imag(dy)])

    split.__name__ = getattr(fun, "__name__", type(fun).__name__)
    return split


def real_event(event: Callable) -> Callable:
    """An event function (or effect) on z, with the attributes of the original."""

    def split(t: Any, z: Any, *args: Any) -> Any:
        return np.real(event(t, z[0] + 1j * z[1], *args))

    for name in ATTRIBUTES:
        if hasattr(event, name):
            setattr(split, name, getattr(event, name))
    effect = getattr(event, "apply", None)
    if effect is not None:
        split.apply = lambda t, z, *args: real_state(effect(t, z[0] + 1j * z[1], *args))  # type: ignore[attr-defined]
    return split


def complex_states(zs: Any) -> Any:
    """States (m, 2, *shape) as complex ones (m, *shape)."""
    return zs[:, 0] + 1j * zs[:, 1]
