"""What a Python expression can be while a function is lowered: IR scalars, arrays over flat buffers, and compile-time structures.

Tuples, dicts, records, functions and None exist only while lowering; what reaches the IR are their scalar and buffer leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sciad.ir import Value
from sciad.types import BUFFERS

__all__ = [
    "Array", "Lazy", "Sequence", "Tuple_", "Dict_", "Record", "Static", "Closure", "Range", "Slice", "Complex", "Maybe", "Conflict",
    "Iterator_",
]  # fmt: skip


@dataclass(eq=False)
class Array:
    """A strided view of a flat buffer: element (i, j) is at ``offset + i * strides[0] + j * strides[1]``; all are IR integers."""

    buffer: Value
    dtype: str
    offset: Value
    shape: tuple[Value, ...]
    strides: tuple[Value, ...]
    contiguous: bool = False

    @property
    def scalar(self) -> str:
        """Scalar type of a loaded element."""
        return BUFFERS[self.dtype]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def anywhere(self) -> Array:
        """The array as the source of an expression that reads it at other places than its own: the same view as no target."""
        return replace(self, shape=(), strides=())


@dataclass(eq=False)
class Lazy:
    """An elementwise array expression that is not stored yet: `element` builds the value at given indices."""

    scalar: str
    shape: tuple[Value, ...]
    element: Callable[[list[Value]], Value]
    sources: list[Array] = field(default_factory=list)  # the arrays it reads, for overlap checks; each at its own place, or `anywhere`
    cost: int = 1  # rough number of operations an element

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)


@dataclass(eq=False)
class Tuple_:
    """A tuple, list or named tuple of known length."""

    items: list
    type: type = tuple

    @property
    def fields(self) -> tuple[str, ...]:
        """Field names of a named tuple, else empty."""
        return getattr(self.type, "_fields", ())


@dataclass(eq=False)
class Dict_:
    """A dict with constant keys."""

    items: dict


@dataclass(eq=False)
class Record:
    """An instance of a dataclass."""

    type: type
    fields: dict[str, Any]


@dataclass(eq=False)
class Static:
    """Any Python object used at compile time: module, function, type, string, None."""

    object: Any


@dataclass(eq=False)
class Closure:
    """A function defined inside a lowered function; free names are looked up in `frame` when it is called, as in Python."""

    node: Any
    frame: Any
    name: str
    defaults: dict[str, Any]


@dataclass(eq=False)
class Range:
    """``range(start, stop, step)``."""

    start: Value
    stop: Value
    step: Value


@dataclass(eq=False)
class Slice:
    """``start:stop:step`` with None for what was left out."""

    start: Value | None
    stop: Value | None
    step: Value | None


@dataclass(eq=False)
class Complex:
    """A complex scalar as two floats."""

    real: Value
    imag: Value


@dataclass(eq=False)
class Iterator_:
    """Something a `for` runs over: `length` trips, `item(k)` gives the k-th; `static` items are unrolled.

    `checkpoint`: the trips are run again on the way back.
    """

    length: Value
    item: Callable[[Value], Any]
    static: int | None = None
    checkpoint: bool = False


@dataclass(eq=False)
class Maybe:
    """A variable that is bound on some paths only: `defined` tells at run time."""

    defined: Value
    value: Any


@dataclass(eq=False)
class Conflict:
    """A variable whose kinds on two paths do not fit together; an error only if it is used."""

    message: str


Sequence = (Array, Lazy)
