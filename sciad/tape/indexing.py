"""Reading and writing elements: ``x[i]``, ``x[i] = v``, ``x += v``, with NumPy's aliasing between an array and its views."""

from __future__ import annotations

from typing import Any

import numpy as np

from sciad.errors import SciadError
from sciad.tape.contributions import Scatter, add_at, unbroadcast
from sciad.tape.core import STORE, ArrayVariable, Node, Trace, Variable, leaked, refresh, wrap
from sciad.tape.primitive import Linear
from sciad.tape.saving import dtype_of, freeze_index, is_traced, plain, shape_of, snapshot

__all__ = ["getitem", "setitem", "assign", "SCATTER"]


# -- reading -----------------------------------------------------------------------------------------------------------------------
def is_basic(index: Any) -> bool:
    """Whether an index is made of integers, slices, ... and np.newaxis only: it reads a view, and no element twice."""
    if type(index) is tuple:
        return all(is_basic(i) for i in index)
    kind = type(index)
    return kind is int or kind is slice or index is None or index is Ellipsis or isinstance(index, (np.integer, int))


def _unique(index: Any) -> bool:
    """Whether an index names no element twice: basic ones and boolean masks."""
    if type(index) is tuple:
        return all(_unique(i) for i in index)
    return is_basic(index) or (isinstance(index, np.ndarray) and index.dtype == bool) or isinstance(index, (bool, np.bool_))


def _scatter(bar: Any, index: Any, unique: bool, shape: tuple) -> np.ndarray:
    if is_traced(bar):
        return SCATTER(bar, index, unique, shape)
    out = np.zeros(shape, dtype_of(bar))
    add_at(out, index, bar, unique)
    return out


GET = Linear(
    "getitem",
    lambda x, index, unique: x[index],
    lambda bar, shape, index, unique: Scatter(index, bar, unique),
    view=True,
)
SCATTER = Linear("scatter", _scatter, lambda bar, shape, index, unique, size: bar[index])


def getitem(x: Variable, index: Any) -> Any:
    """``x[index]``: a view for basic indices, as in NumPy; repeated indices accumulate in reverse."""
    if type(index) is int or is_basic(index):
        return GET(x, index, True)
    index = freeze_index(index)
    return GET(x, index, _unique(index))


# -- writing -----------------------------------------------------------------------------------------------------------------------
def setitem(x: Variable, index: Any, w: Any) -> None:
    """``x[index] = w``, seen by every view of the same memory; values recorded before stay as they were."""
    if isinstance(w, Variable) and w.window is not None and w.window.parent is x and w.window.step is GET and w.window.params[0] is index:
        refresh(w)
        return  # the second half of x[index] += v: the view has written already
    if not is_basic(index):
        index = freeze_index(index)
    if isinstance(w, Variable):
        refresh(w)
    else:
        w = plain(w)
    owner = x.owner
    trace = owner.level
    if trace.closed:
        raise leaked()
    w_value, w_deriv = _operand(trace, w)
    steps = [] if x.window is None else x.window.steps()
    _make_writable(owner, w_value)
    window = _window(owner.value, steps)
    if type(w_value) is np.ndarray is type(window) and not is_basic(index) and np.may_share_memory(w_value, window):
        w_value = w_value.copy()  # older NumPy reads elements that it has just written
    window[index] = _storable(w_value, window)
    w_shape = shape_of(w_value)
    if trace.forward:
        owner.deriv = _stored_tangent(owner, steps, index, w_deriv)
    else:
        owner.deriv = _stored_node(owner, steps, index, w_deriv, w_shape)
    owner.version += 1
    if x.window is not None:
        refresh(x)


def assign(x: Variable, new: Any) -> None:
    """``x[...] = new`` where `new` is a result of the same trace and shape: the handle takes it over."""
    owner_takes = x.window is None and isinstance(new, Variable) and new.level is x.level and new.window is None
    if not owner_takes or new.shape != x.shape or new.dtype != x.dtype or not isinstance(new.value, type(x.value)):
        setitem(x, Ellipsis, new)
        return
    _check_writable(x)
    x.value, x.deriv, x.shared = new.value, new.deriv, True
    x.version += 1


def _operand(trace: Trace, w: Any) -> tuple[Any, Any]:
    """Value and derivative, at the level of the array that is written to, of what is written."""
    if not isinstance(w, Variable):
        return w, None
    if w.level is trace:
        return w.value, w.deriv
    if w.level.number > trace.number:
        raise SciadError(
            "a value of an inner differentiation is written into an array that was made outside it; "
            "make the array inside the inner function (np.zeros_like of one of its arguments)"
        )
    return snapshot(w), None


def _check_writable(owner: Variable) -> None:
    value = owner.value
    if isinstance(value, np.ndarray) and not value.flags.writeable:
        raise ValueError("assignment destination is read-only")
    if owner.version == 0:
        inputs = owner.level.inputs
        mine = next((array for leaf, array in inputs if leaf is owner), None)
        if mine is not None and any(leaf is not owner and np.shares_memory(array, mine) for leaf, array in inputs):
            raise SciadError("an argument is written to that shares memory with another argument; pass a copy of one of them")


def _make_writable(owner: Variable, w_value: Any) -> None:
    """Give the owner an array of its own, one level deeper where an outer trace's value is to be written into it."""
    _check_writable(owner)
    value = owner.value
    if not isinstance(value, (np.ndarray, Variable)):
        raise TypeError("a traced number does not support item assignment")
    if owner.shared:
        value = value.copy() if isinstance(value, Variable) else _copy(value)
        owner.shared = False
    if isinstance(w_value, Variable) and (not isinstance(value, Variable) or value.level.number < w_value.level.number):
        value = wrap(value, w_value.level, None)
    owner.value = value


def _copy(value: np.ndarray) -> np.ndarray:
    return value.copy("F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C")


def _storable(w: Any, window: Any) -> Any:
    if dtype_of(w).kind == "c" and dtype_of(window).kind != "c":
        raise SciadError("a complex value is written into a traced array of floats: its imaginary part would be lost; write w.real")
    return w


def _window(array: Any, steps: list) -> Any:
    """The part of an array that a view looks at, as a view of that array; SciadError where it would be a copy."""
    window = array
    for step, params in steps:
        window = step.fun(window, *params)
    if steps and not isinstance(array, Variable) and not np.may_share_memory(window, array):
        raise SciadError("a write through a view whose memory layout was lost; write to the array itself")
    if steps and isinstance(array, Variable) and (not isinstance(window, Variable) or window.window is None):
        raise SciadError("a write through a view whose memory layout was lost; write to the array itself")
    return window


def _stored_tangent(owner: Variable, steps: list, index: Any, w_dot: Any) -> Any:
    if w_dot is None and owner.deriv is None:
        return None
    if owner.deriv is None:
        new = np.zeros_like(owner.value)
    else:
        new = owner.deriv.copy() if isinstance(owner.deriv, Variable) else _copy_like(owner.deriv, owner.value)
    if isinstance(w_dot, Variable) and (not isinstance(new, Variable) or new.level.number < w_dot.level.number):
        new = wrap(new, w_dot.level, None)
    _window(new, steps)[index] = 0.0 if w_dot is None else w_dot
    return new


def _copy_like(array: Any, model: Any) -> np.ndarray:
    """A copy in the memory layout of another array, so that views of one are views of the other."""
    dtype = dtype_of(array)
    new = np.empty_like(model, dtype=dtype) if type(model) is np.ndarray else np.empty(shape_of(array), dtype)
    new[...] = array
    return new


def _stored_node(owner: Variable, steps: list, index: Any, w_deriv: Any, w_shape: tuple) -> Any:
    base = owner.deriv
    if base is None and w_deriv is None:
        return None
    value = owner.value
    order = "F" if type(value) is np.ndarray and value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    repeated = w_deriv is not None and not _unique(index)

    def vjp(bar: Any) -> tuple:
        if steps and type(bar) is np.ndarray:
            bar = np.asarray(bar, order=order)  # the views below must be views of it, too
        window = _window(bar, steps)
        w_bar = None if w_deriv is None else _read_back(window, index, repeated, w_shape)
        if base is None:
            return (w_bar,)
        window[index] = 0.0
        return (bar,) if w_deriv is None else (bar, w_bar)

    if base is None:
        return Node((w_deriv,), vjp, value)
    return Node((base,) if w_deriv is None else (base, w_deriv), vjp, value, STORE)


def _read_back(window: Any, index: Any, repeated: bool, w_shape: tuple) -> Any:
    """Cotangent of the values stored at `index`."""
    bar = window[index]
    if not isinstance(bar, (np.ndarray, ArrayVariable)):
        return bar
    if repeated:
        return unbroadcast(np.where(_last_written(shape_of(window), index, bar.shape), bar, 0.0), w_shape)
    return unbroadcast(bar.copy(), w_shape)  # what it looks into is about to be cleared


def _last_written(shape: tuple, index: Any, w_shape: tuple) -> np.ndarray:
    """For each value stored at repeated indices, whether it is the one that stays (the last)."""
    order = np.arange(int(np.prod(w_shape))).reshape(w_shape)
    winner = np.full(shape, -1)
    winner[index] = order
    return winner[index] == order


