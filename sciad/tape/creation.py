"""Arrays made after the model of a traced one: traced themselves, so that traced values can be written into them."""

from __future__ import annotations

from typing import Any

import numpy as np

from sciad.tape.core import Variable, leaked, wrap
from sciad.tape.dispatch import LIKE, implements
from sciad.tape.joining import array
from sciad.tape.primitive import Linear
from sciad.tape.saving import dtype_of, is_traced, shape_of, value_of

COPY = Linear("copy", lambda x: x.copy() if hasattr(x, "copy") else x, lambda bar, shape: bar)


def _astype(x: Any, dtype: np.dtype) -> Any:
    return x.astype(dtype) if hasattr(x, "astype") else dtype.type(x)


ASTYPE = Linear("astype", _astype, lambda bar, shape, dtype: bar)


def astype(x: Variable, dtype: Any, order="K", casting="unsafe", subok=True, copy=True) -> Any:
    """``x.astype(dtype)``; integers and bools carry no derivative and come back as plain arrays."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "fc":
        return np.asarray(value_of(x)).astype(dtype)[()]
    if dtype == dtype_of(x) and not copy:
        return x
    return ASTYPE(x, dtype)


def _constant(model: Any, shape: Any, dtype: Any, fill: Any) -> Any:
    """A constant array at the level of `model` (a plain one if its type carries no derivative)."""
    dtype = dtype_of(model) if dtype is None else np.dtype(dtype)
    shape = shape_of(model) if shape is None else shape
    if not isinstance(model, Variable) or dtype.kind not in "fc":
        return np.full(shape, fill, dtype)
    if model.level.closed:
        raise leaked()
    return wrap(_constant(model.value, shape, dtype, fill), model.level, None)


@implements("zeros_like")
def zeros_like(a, dtype=None, order="K", subok=True, shape=None, *, device=None):
    return _constant(a, shape, dtype, 0)


@implements("ones_like")
def ones_like(a, dtype=None, order="K", subok=True, shape=None, *, device=None):
    return _constant(a, shape, dtype, 1)


@implements("empty_like")
def empty_like(prototype, dtype=None, order="K", subok=True, shape=None, *, device=None):
    return _constant(prototype, shape, dtype, 0)


@implements("full_like")
def full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, *, device=None):
    out = _constant(a, shape, dtype, 0)
    out[...] = fill_value
    return out


@implements("copy")
def copy(a, order="K", subok=False):
    return COPY(a)


@implements("astype")
def astype_function(x, dtype, /, *, copy=True, device=None):
    return astype(x, dtype, copy=copy)


# -- with like=: NumPy asks the model, and leaves `like` out of the arguments that it passes on ------------------------------------
def with_like(name: str, model: Variable, args: tuple, kwargs: dict) -> Any:
    """``np.zeros(3, like=x)`` and its kin: a traced array of the model's trace."""
    if name in ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray"):
        made = array(args[0], kwargs.get("dtype", args[1] if len(args) > 1 else None))
        return COPY(made) if is_traced(made) and name == "array" else _traced(made, model)
    return _traced(getattr(np, name)(*args, **kwargs), model)


def _traced(made: Any, model: Variable) -> Any:
    if is_traced(made) or dtype_of(made).kind not in "fc":
        return made
    out = zeros_like(model, dtype_of(made), shape=shape_of(made))
    out[...] = made
    return out


LIKE.update(
    dict.fromkeys(
        ["array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "zeros", "ones", "empty", "full", "eye", "identity",
         "arange", "tri"],
        with_like,
    )
)
