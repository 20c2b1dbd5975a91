"""Joining what variables hold where control flow joins: one structure, with IR scalars and buffers at its leaves."""

from __future__ import annotations

from typing import Any

from sciad.frontend.values import Array, Closure, Complex, Conflict, Dict_, Lazy, Maybe, Range, Record, Static, Tuple_
from sciad.ir import Builder, Region, Value
from sciad.types import is_buffer, promote

__all__ = ["leaves_of", "children_of", "rebuild", "same", "weaken", "describe", "Joiner", "append_to"]


def leaves_of(value: Any) -> list[Value]:
    """The IR values inside a compile-time structure, in a fixed order."""
    if isinstance(value, Value):
        return [value]
    if isinstance(value, Array):
        return [value.buffer, value.offset, *value.shape, *value.strides]
    if isinstance(value, Complex):
        return [value.real, value.imag]
    if isinstance(value, Range):
        return [value.start, value.stop, value.step]
    if isinstance(value, Maybe):
        return [value.defined, *leaves_of(value.value)]
    children = children_of(value)
    return [leaf for child in children for leaf in leaves_of(child)]


def children_of(value: Any) -> list:
    """The parts of a container, in order; empty for everything else."""
    if isinstance(value, Tuple_):
        return value.items
    if isinstance(value, Dict_):
        return list(value.items.values())
    if isinstance(value, Record):
        return list(value.fields.values())
    return []


def rebuild(value: Any, leaves: list[Value]) -> Any:
    """The structure of `value` with other leaves (consumed from the front of the list)."""
    if isinstance(value, (Value, int)):  # an int is the position of a result that does not exist yet (see Joiner)
        return leaves.pop(0)
    if isinstance(value, Array):
        buffer, offset = leaves.pop(0), leaves.pop(0)
        n = value.ndim
        shape = tuple(leaves.pop(0) for _ in range(n))
        strides = tuple(leaves.pop(0) for _ in range(n))
        return Array(buffer, value.dtype, offset, shape, strides, value.contiguous)
    if isinstance(value, Complex):
        return Complex(leaves.pop(0), leaves.pop(0))
    if isinstance(value, Range):
        return Range(leaves.pop(0), leaves.pop(0), leaves.pop(0))
    if isinstance(value, Maybe):
        return Maybe(leaves.pop(0), rebuild(value.value, leaves))
    if isinstance(value, Tuple_):
        return Tuple_([rebuild(x, leaves) for x in value.items], value.type)
    if isinstance(value, Dict_):
        return Dict_({k: rebuild(x, leaves) for k, x in value.items.items()})
    if isinstance(value, Record):
        return Record(value.type, {k: rebuild(x, leaves) for k, x in value.fields.items()})
    return value


def same(a: Any, b: Any) -> bool:
    """Whether two values have one structure (kinds, lengths, keys, static objects), whatever their leaves."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, Array):
        return a.dtype == b.dtype and a.ndim == b.ndim
    if isinstance(a, Tuple_):
        return a.type is b.type and len(a.items) == len(b.items) and all(map(same, a.items, b.items))
    if isinstance(a, Dict_):
        return list(a.items) == list(b.items) and all(map(same, a.items.values(), b.items.values()))
    if isinstance(a, Record):
        return a.type is b.type and all(map(same, a.fields.values(), b.fields.values()))
    if isinstance(a, Static):
        plain = type(a.object) is type(b.object) and isinstance(a.object, (str, int, float, tuple))
        return a.object is b.object or (plain and a.object == b.object)
    if isinstance(a, Closure):
        return a.node is b.node and a.frame is b.frame
    if isinstance(a, Maybe):
        return same(a.value, b.value)
    return isinstance(a, (Value, Complex, Range))


def describe(value: Any) -> str:
    """A short name of a kind of value, for messages."""
    if isinstance(value, Value):
        return {"f8": "a float", "f4": "a float32", "i8": "an int", "b1": "a bool"}.get(value.type, "memory")
    if isinstance(value, Array):
        return f"a {value.ndim}-d {value.dtype} array"
    if isinstance(value, Lazy):
        return f"a {value.ndim}-d array expression"
    if isinstance(value, Tuple_):
        return f"a {value.type.__name__} of {len(value.items)}"
    if isinstance(value, Static):
        return "None" if value.object is None else f"`{value.object!r}`"
    if isinstance(value, Conflict):
        return value.message
    return type(value).__name__.rstrip("_").lower()


def weaken(a: Any, b: Any) -> Any:
    """`a`, claiming contiguity only where `b` has it too."""
    if isinstance(a, Array):
        return a if b.contiguous else Array(a.buffer, a.dtype, a.offset, a.shape, a.strides)
    if isinstance(a, Maybe):
        return Maybe(a.defined, weaken(a.value, b.value))
    if isinstance(a, Tuple_):
        return Tuple_(list(map(weaken, a.items, b.items)), a.type)
    if isinstance(a, Dict_):
        return Dict_({k: weaken(v, b.items[k]) for k, v in a.items.items()})
    if isinstance(a, Record):
        return Record(a.type, {k: weaken(v, b.fields[k]) for k, v in a.fields.items()})
    return a


class append_to:
    """Let a builder append to the end of an existing region."""

    def __init__(self, b: Builder, region: Region) -> None:
        self.b, self.region = b, region

    def __enter__(self) -> None:
        self.outer = self.b.region
        self.b.region = self.region
        self.b._known.append({})

    def __exit__(self, *_) -> None:
        self.b._known.pop()
        self.b.region = self.outer


class Joiner:
    """Collects the leaves that differ between two branches, so that they become results of one `if`."""

    def __init__(self, b: Builder, cond: Value, then: Region, other: Region) -> None:
        self.b, self.cond, self.then, self.other = b, cond, then, other
        self.pairs: list[tuple[Value, Value, str]] = []
        self._finish: list[Any] = []

    def leaf(self, a: Value, b: Value) -> Value | int:
        """The common value, or the position of a result of the `if`."""
        a, b = self._known(a, True), self._known(b, False)
        if a is b:
            return a
        if a.constant is not None and b.constant is not None and a.type == b.type:
            return self.b.select(self.cond, self._constant(a), self._constant(b))
        if a.type != b.type:
            if is_buffer(a.type) or is_buffer(b.type):
                raise _Mismatch
            type_ = promote(a.type, b.type)
            with append_to(self.b, self.then):
                a = self.b.cast(a, type_)
            with append_to(self.b, self.other):
                b = self.b.cast(b, type_)
        for position, (x, y, _) in enumerate(self.pairs):
            if x is a and y is b:
                return position
        self.pairs.append((a, b, a.type))
        return len(self.pairs) - 1

    def _known(self, v: Value, in_then: bool) -> Value:
        """A constant in place of the condition, or what it negates, on the branch that it decides."""
        if v is self.cond:
            return self.b.const(in_then)
        if self.cond.op is not None and self.cond.op.name == "logical_not" and v is self.cond.op.args[0]:
            return self.b.const(not in_then)
        if v.op is not None and v.op.name == "logical_not" and v.op.args[0] is self.cond:
            return self.b.const(not in_then)
        return v

    def _constant(self, a: Value) -> Value:
        return self.b.const(a.constant, a.type)

    def join(self, a: Any, b: Any) -> Any:
        """A structure whose leaves are values, or positions of results (resolved by `resolve`)."""
        if a is b:
            return a
        if a is None or b is None:
            return self._one_sided(a, b)
        if isinstance(a, Maybe) or isinstance(b, Maybe):
            a, b = self._maybe(a), self._maybe(b)
        if isinstance(a, Conflict) or isinstance(b, Conflict):
            return a if isinstance(a, Conflict) else b
        if not same(a, b):
            return Conflict(f"it is {describe(a)} on one path and {describe(b)} on another")
        a = weaken(a, b)
        try:
            return rebuild(a, [self.leaf(x, y) for x, y in zip(leaves_of(a), leaves_of(b))])  # type: ignore[misc]
        except _Mismatch:
            return Conflict("it is arrays of different dtypes on two paths")

    def _maybe(self, value: Any) -> Maybe:
        return value if isinstance(value, Maybe) else Maybe(self.b.const(True), value)

    def _one_sided(self, a: Any, b: Any) -> Any:
        present, region = (a, self.other) if b is None else (b, self.then)
        if isinstance(present, Conflict):
            return present
        if isinstance(present, Closure):
            return Conflict("it is a function defined on one path only")
        inner = self._maybe(present)
        with append_to(self.b, region):
            blank = rebuild(inner.value, [self.b.zero(v.type) for v in leaves_of(inner.value)])
            missing = Maybe(self.b.const(False), blank)
        return self.join(inner, missing) if b is None else self.join(missing, inner)

    def resolve(self, value: Any, results: list[Value]) -> Any:
        """Replace positions by the results of the `if`."""
        if isinstance(value, int):
            return results[value]
        if isinstance(value, (Value, Conflict, Static, Closure)) or value is None:
            return value
        return rebuild(value, [results[x] if isinstance(x, int) else x for x in _raw_leaves(value)])


class _Mismatch(Exception):
    """Leaves that no common type holds."""


def _raw_leaves(value: Any) -> list:
    """Like leaves_of, where leaves may still be positions."""
    if isinstance(value, (Value, int)):
        return [value]
    if isinstance(value, Array):
        return [value.buffer, value.offset, *value.shape, *value.strides]
    if isinstance(value, Complex):
        return [value.real, value.imag]
    if isinstance(value, Range):
        return [value.start, value.stop, value.step]
    if isinstance(value, Maybe):
        return [value.defined, *_raw_leaves(value.value)]
    return [leaf for child in children_of(value) for leaf in _raw_leaves(child)]
