"""What a node keeps for the way back must not change later: traced arrays are copied on write, plain ones when recorded."""

from __future__ import annotations

from typing import Any

import numpy as np

from sciad.errors import SciadError
from sciad.tape.core import Trace, Variable, refresh, wrap

__all__ = [
    "dtype_of",
    "freeze",
    "freeze_index",
    "is_traced",
    "ndim_of",
    "plain",
    "saved",
    "shape_of",
    "share",
    "snapshot",
    "strong",
    "value_of",
]

#: Arrays up to this many bytes are copied each time; larger ones once, and compared on later uses.
SMALL = 4096
_SCALARS = {float, int, bool, complex, np.float64, np.float32, np.int64, np.int32, np.bool_, np.complex128}


def is_traced(x: Any) -> bool:
    """Whether `x` is a value under differentiation."""
    return isinstance(x, Variable)


def value_of(x: Any) -> Any:
    """The plain number or array below all levels of tracing; not to be written to."""
    while isinstance(x, Variable):
        if x.window is None:
            x.shared = True
        else:
            refresh(x)
            share(x)
        x = x.value
    return x


Variable.__sciad_value__ = property(value_of)  # type: ignore[attr-defined]  # for those below the tape, who cannot import it


def shape_of(x: Any) -> tuple:
    """Shape of a number, array or variable."""
    try:
        return x.shape
    except AttributeError:
        return np.shape(x)


def ndim_of(x: Any) -> int:
    """Number of dimensions of a number, array or variable."""
    return len(shape_of(x))


def dtype_of(x: Any) -> np.dtype:
    """Data type of a number, array or variable."""
    try:
        return x.dtype
    except AttributeError:
        return np.asarray(x).dtype


def share(x: Variable) -> None:
    """Declare that somebody keeps the array in `x`: the next write to it goes to a copy."""
    x.owner.shared = True


def saved(x: Variable) -> Any:
    """The (fresh) value of a variable, to be kept by a node."""
    value = x.value
    if x.window is None:
        x.shared = True
    else:
        share(x)
    return value if type(value) is np.ndarray else strong(value)


def snapshot(x: Variable) -> Variable:
    """A handle of its own for what `x` is now."""
    refresh(x)
    share(x)
    new = wrap(x.value, x.level, x.deriv)
    new.shared = True
    return new


def strong(x: Any) -> Any:
    """Python numbers as NumPy's, at the bottom of all levels: in a partial derivative 1/0 is inf, not an exception."""
    if type(x) is float:
        return np.float64(x)
    if isinstance(x, Variable):
        inner = strong(x.value)
        return x if inner is x.value else wrap(inner, x.level, x.deriv)
    return np.complex128(x) if type(x) is complex else x


def freeze(x: Any, trace: Trace) -> Any:
    """A constant operand, to be kept by a node: copied where anybody could still write to it."""
    if type(x) is np.ndarray:
        if _immutable(x):
            return x
        return x.copy() if x.nbytes <= SMALL else _copied_once(x, trace)
    if isinstance(x, Variable):
        return strong(snapshot(x))
    return np.float64(x) if type(x) is float and x == 0.0 else x


def _immutable(x: Any) -> bool:
    while type(x) is np.ndarray:
        if x.flags.writeable:
            return False
        x = x.base
    return x is None or isinstance(x, bytes)


def _copied_once(x: np.ndarray, trace: Trace) -> np.ndarray:
    """One copy for all uses of a large array in a trace, as long as its contents stay the same."""
    known = trace.frozen.get(id(x))
    if known is not None and known[0] is x and np.array_equal(x, known[1]):
        return known[1]
    copy = x.copy()
    trace.frozen[id(x)] = (x, copy)  # holding x keeps its id from being given to another array
    return copy


def plain(x: Any) -> Any:
    """An operand that is not traced, as a number or array; SciadError for what NumPy could only treat as objects."""
    kind = type(x)
    if kind in _SCALARS:
        return x
    if kind is np.ndarray:
        if x.dtype.hasobject:
            raise SciadError("an array of Python objects meets a traced value; use an array of numbers, or np.stack for traced parts")
        return x
    if isinstance(x, (Variable, np.generic)):
        return x
    if isinstance(x, (list, tuple, range)):
        return plain(np.asarray(x))  # refuses traced elements
    if isinstance(x, np.memmap):
        return np.asarray(x)
    raise SciadError(f"an operand of type {type(x).__module__}.{type(x).__qualname__} meets a traced value; use numbers and NumPy arrays")


def freeze_index(index: Any) -> Any:
    """An index that later changes of index arrays cannot alter; lists become arrays."""
    if type(index) is tuple:
        return tuple([freeze_index(i) for i in index])
    if isinstance(index, np.ndarray):
        return index.copy() if index.ndim or index.dtype == bool else int(index)
    if isinstance(index, list):
        return np.array(index, dtype=np.intp if not index else None)
    if isinstance(index, Variable):
        raise IndexError("a float cannot be an index; use int(x)")
    return index
