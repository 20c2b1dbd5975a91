"""The typed structured IR: values, operations with regions, functions, a builder that simplifies, a printer.

A function is a region; a region is a list of operations with parameters and results.  Scalars are in SSA form; memory is explicit:
flat buffers with `load` and `store`.  Control flow is nested regions:

    results = if(cond) {then} {else}            each region gives the results
    results = for(n, *inits) {k, *carried}      k is 0..n-1 (n-1..0 with attribute ``down``); the region gives the next carried values
    results, trips = while(go, *inits) {*carried}   the region gives ``go`` for the next trip, then the next carried values

Loops carry values instead of overwriting variables, so every value has one definition, and what must be saved for a reverse
sweep is a question about values, not about program points.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sciad.types import B1, F4, F8, I8, is_buffer

__all__ = ["Value", "Op", "Region", "Function", "Builder", "PURE", "walk", "substitute", "text"]

_numbers = itertools.count()


class Value:
    """One SSA value: a scalar, or a reference to a buffer."""

    __slots__ = ("type", "op", "hint", "number")

    def __init__(self, type_: str, op: Op | None = None, hint: str = "") -> None:
        self.type, self.op, self.hint, self.number = type_, op, hint, next(_numbers)

    @property
    def constant(self):
        """The Python number of a constant, else None."""
        return self.op.attributes["value"] if self.op is not None and self.op.name == "const" else None

    def __repr__(self) -> str:
        return f"%{self.hint or 'v'}{self.number}"


class Op:
    """One operation; `regions` belong to control flow, `attributes` are compile-time data."""

    __slots__ = ("name", "args", "results", "regions", "attributes", "line")

    def __init__(self, name: str, args: Iterable[Value], types: Iterable[str], regions=(), attributes=None, line: int = 0) -> None:
        self.name, self.args, self.regions = name, list(args), list(regions)
        self.attributes: dict[str, Any] = attributes or {}
        self.line = line
        self.results = [Value(t, self) for t in types]

    @property
    def result(self) -> Value:
        """The only result."""
        return self.results[0]

    def __repr__(self) -> str:
        return f"{self.results} = {self.name}{self.args}"


class Region:
    """A straight list of operations with parameters and results."""

    __slots__ = ("params", "ops", "results")

    def __init__(self, params: Iterable[Value] = ()) -> None:
        self.params = list(params)
        self.ops: list[Op] = []
        self.results: list[Value] = []


class Function:
    """A named region; `inputs` describe the parameters for the caller (see `sciad.jit`)."""

    def __init__(self, name: str, body: Region, filename: str = "?") -> None:
        self.name, self.body, self.filename = name, body, filename

    def __str__(self) -> str:
        return text(self)


#: Operations without effects whose value depends on nothing but the operands: free to move, merge, repeat and drop.
PURE_STRUCTURE = {"const", "select", "cast"}
EFFECTS = {"load", "store", "alloc", "check", "gemm", "call", "part", "if", "for", "while"}


def PURE(op: Op) -> bool:
    """Whether an operation has no effects, reads no memory and has no regions."""
    return op.name not in EFFECTS and not op.name.startswith("tape")


def walk(region: Region) -> Iterator[Op]:
    """All operations of a region, nested ones after the operation that holds them."""
    for op in region.ops:
        yield op
        for inner in op.regions:
            yield from walk(inner)


def substitute(region: Region, mapping: dict[Value, Value]) -> None:
    """Replace values throughout a region, in place."""
    if not mapping:
        return
    get = mapping.get
    for op in walk(region):
        op.args = [get(a, a) for a in op.args]
        for inner in op.regions:
            inner.results = [get(r, r) for r in inner.results]
    region.results = [get(r, r) for r in region.results]


class Builder:
    """Appends operations to a current region; folds constants and merges equal pure operations as it goes.

    `fold(builder, name, args, type)` may return an existing value in place of a new operation.
    """

    def __init__(self, fold: Callable | None = None) -> None:
        self.fold = fold
        self.region: Region = Region()
        self.line = 0
        self._known: list[dict] = [{}]  # available pure operations, one table a region

    # -- regions ---------------------------------------------------------------------------------------------------------------
    def enter(self, params: Iterable[Value] = ()) -> Region:
        """Open a nested region; give it back to `leave`."""
        outer = self.region
        self.region = Region(params)
        self._known.append({})
        return outer

    def leave(self, outer: Region, results: Iterable[Value] = ()) -> Region:
        """Close the nested region with the given results and return to `outer`."""
        done = self.region
        done.results = list(results)
        self.region = outer
        self._known.pop()
        return done

    # -- operations ------------------------------------------------------------------------------------------------------------
    def emit(self, name: str, args: Iterable[Value], types: Iterable[str], regions=(), **attributes) -> Op:
        """Append an operation as it is."""
        op = Op(name, args, types, regions, attributes, self.line)
        self.region.ops.append(op)
        return op

    def const(self, value, type_: str | None = None) -> Value:
        """A constant; its type follows Python's unless given."""
        if type_ is None:
            type_ = B1 if isinstance(value, bool) else I8 if isinstance(value, int) else F8
        value = bool(value) if type_ == B1 else int(value) if type_ == I8 else float(value)
        # repr tells -0.0 from 0.0 and nan from nan
        return self._shared("const", (), type_, (repr(value),), {"value": value})

    def pure(self, name: str, args: list[Value], type_: str) -> Value:
        """A pure scalar operation, folded or shared where possible."""
        if self.fold is not None:
            folded = self.fold(self, name, args, type_)
            if folded is not None:
                return folded
        return self._shared(name, args, type_, (), None)

    def _shared(self, name, args, type_, extra, attributes) -> Value:
        key = (name, type_, *extra, *[a.number for a in args])
        for table in reversed(self._known):
            found = table.get(key)
            if found is not None:
                return found
        op = Op(name, args, (type_,), (), attributes, self.line)
        self.region.ops.append(op)
        self._known[-1][key] = op.results[0]
        return op.results[0]

    # -- shorthand -------------------------------------------------------------------------------------------------------------
    def int(self, value) -> Value:
        """An integer constant, or the value itself."""
        return value if isinstance(value, Value) else self.const(int(value), I8)

    def cast(self, value: Value, type_: str) -> Value:
        """`value` as another scalar type."""
        return value if value.type == type_ else self.pure("cast", [value], type_)

    def add(self, a, b) -> Value:
        """Sum of two integers (Python ints allowed)."""
        return self.pure("add", [self.int(a), self.int(b)], I8)

    def sub(self, a, b) -> Value:
        """Difference of two integers."""
        return self.pure("subtract", [self.int(a), self.int(b)], I8)

    def mul(self, a, b) -> Value:
        """Product of two integers."""
        return self.pure("multiply", [self.int(a), self.int(b)], I8)

    def compare(self, name: str, a, b) -> Value:
        """Comparison of two integers."""
        return self.pure(name, [self.int(a), self.int(b)], B1)

    def logical_not(self, a: Value) -> Value:
        """Negation of a bool."""
        return self.pure("logical_not", [a], B1)

    def logical_and(self, a: Value, b: Value) -> Value:
        """Conjunction of two bools, both evaluated."""
        return self.pure("logical_and", [a, b], B1)

    def logical_or(self, a: Value, b: Value) -> Value:
        """Disjunction of two bools, both evaluated."""
        return self.pure("logical_or", [a, b], B1)

    def select(self, cond: Value, a: Value, b: Value) -> Value:
        """`a` where `cond` holds, else `b`."""
        return self.pure("select", [cond, a, b], a.type)

    def zero_wins(self, g: Value, partial: Value) -> Value:
        """``g * partial``, or 0 where g is 0, even for an infinite partial; its own derivative by g is `partial`, there too."""
        return self.pure("zero_wins", [g, partial], g.type)

    def load(self, buffer: Value, index: Value, type_: str) -> Value:
        """The element at a flat index."""
        return self.emit("load", [buffer, index], [type_]).result

    def store(self, buffer: Value, index: Value, value: Value) -> None:
        """Write the element at a flat index."""
        self.emit("store", [buffer, index, value], [])

    def alloc(self, dtype: str, size, *, zero: bool, hint: str = "") -> Value:
        """A new buffer of `size` elements, filled with zeros or undefined."""
        value = self.emit("alloc", [self.int(size)], ["*" + dtype], dtype=dtype, zero=zero).result
        value.hint = hint
        return value

    def check(self, ok: Value, exception: str, message: str) -> None:
        """Raise at run time unless `ok`."""
        if ok.constant is not True:
            self.emit("check", [ok], [], exception=exception, message=message)

    def zero(self, type_: str) -> Value:
        """Zero of a scalar type; an empty buffer for a buffer type."""
        if is_buffer(type_):
            return self.alloc(type_[1:], 0, zero=False)
        return self.const(0, type_)


def text(function: Function) -> str:
    """The IR as readable text, one operation a line."""
    lines = [f"function {function.name}({', '.join(f'{p}: {p.type}' for p in function.body.params)})"]
    _region_text(function.body, 1, lines)
    return "\n".join(lines)


def _region_text(region: Region, depth: int, lines: list[str]) -> None:
    pad = "    " * depth
    for op in region.ops:
        left = ", ".join(f"{r}: {r.type}" for r in op.results)
        extra = "".join(f" {k}={v!r}" for k, v in op.attributes.items())
        lines.append(f"{pad}{left + ' = ' if left else ''}{op.name}({', '.join(map(repr, op.args))}){extra}")
        for inner in op.regions:
            lines.append(f"{pad}  ({', '.join(map(repr, inner.params))}):")
            _region_text(inner, depth + 1, lines)
    lines.append(f"{pad}-> {', '.join(map(repr, region.results))}")


__all__ += ["F8", "F4", "I8", "B1"]
