"""Is a region well formed and well typed?  Runs after every pass in the tests (``sciad.verify.ENABLED = True``)."""

from __future__ import annotations

from collections.abc import Callable

from sciad.ir import Op, Region, Value
from sciad.types import B1, F4, F8, I8, element_of, is_buffer

__all__ = ["verify", "verified", "ENABLED", "MalformedIR"]

ENABLED = False
WATCH: Callable[[str, Region], None] | None = None  # is shown the region after each pass

_COMPARE = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}
_LOGICAL = {"logical_and", "logical_or", "logical_xor", "logical_not"}
_TEST = {"isnan", "isinf", "isfinite", "signbit"}


class MalformedIR(AssertionError):
    """A pass produced IR that breaks a rule; the message names the operation."""


def verified(region: Region, after: str) -> Region:
    """The region itself, checked where checking is on."""
    if WATCH is not None:
        WATCH(after, region)
    if ENABLED:
        verify(region, after)
    return region


def verify(region: Region, after: str = "") -> None:
    """Raise MalformedIR unless every value is defined once, before its use, in scope (constants anywhere), and types are right."""
    _Check(after).region(region, set())


class _Check:
    def __init__(self, after: str) -> None:
        self.after = after
        self.defined: set[Value] = set()

    def fail(self, op: Op | None, message: str) -> None:
        raise MalformedIR(f"after {self.after or 'a pass'}: {message}" + (f" in {op!r} (line {op.line})" if op is not None else ""))

    def define(self, v: Value, scope: set[Value], op: Op | None) -> None:
        if v in self.defined and v in scope:
            self.fail(op, f"{v} is defined twice")
        self.defined.add(v)
        scope.add(v)

    def region(self, region: Region, outer: set[Value]) -> None:
        scope = set(outer)
        for p in region.params:
            self.define(p, scope, None)
        for op in region.ops:
            for a in op.args:
                if a not in scope and a.constant is None:
                    self.fail(op, f"{a} is used where it is not available")
            for inner in op.regions:
                self.region(inner, scope)
            self.types(op)
            for r in op.results:
                self.define(r, scope, op)
        for r in region.results:
            if r not in scope and r.constant is None:
                self.fail(None, f"result {r} is not available at the end of its region")

    def types(self, op: Op) -> None:
        handler = getattr(self, "_" + op.name, None)
        if handler is not None:
            handler(op)
        elif op.name in _COMPARE | _TEST:
            self.expect(op, op.result.type == B1 and len({a.type for a in op.args}) == 1, "comparison of operands of one type gives a bool")
        elif op.name in _LOGICAL:
            self.expect(op, all(a.type == B1 for a in op.args) and op.result.type == B1, "logic on bools")
        elif op.results and op.result.type in (F8, F4, I8) and not op.name.startswith(("tape", "size", "subbuffer", "call")):
            self.expect(op, all(a.type == op.result.type for a in op.args), "operands of the result's type")

    def expect(self, op: Op, condition: bool, rule: str) -> None:
        if not condition:
            self.fail(op, f"rule `{rule}` broken ({[a.type for a in op.args]} -> {[r.type for r in op.results]})")

    def _const(self, op: Op) -> None:
        wanted = {B1: bool, I8: int, F8: float, F4: float}[op.result.type]
        self.expect(op, isinstance(op.attributes["value"], wanted), "a constant has its type's Python type")

    def _cast(self, op: Op) -> None:
        self.expect(op, not is_buffer(op.args[0].type) and not is_buffer(op.result.type), "casts are of scalars")

    def _select(self, op: Op) -> None:
        cond, a, b = op.args
        self.expect(op, cond.type == B1 and a.type == b.type == op.result.type, "select on a bool, of one type")

    def _load(self, op: Op) -> None:
        buffer, index = op.args
        self.expect(op, is_buffer(buffer.type) and index.type == I8 and op.result.type == element_of(buffer.type), "load of an element")

    def _store(self, op: Op) -> None:
        buffer, index, value = op.args
        self.expect(op, is_buffer(buffer.type) and index.type == I8 and value.type == element_of(buffer.type), "store of an element")

    def _alloc(self, op: Op) -> None:
        self.expect(op, op.args[0].type == I8 and op.result.type == "*" + op.attributes["dtype"], "alloc of a length")

    def _check(self, op: Op) -> None:
        self.expect(op, op.args[0].type == B1, "check of a bool")

    def _gemm(self, op: Op) -> None:
        buffers = [op.args[k].type for k in (0, 4, 8)]
        self.expect(op, len(op.args) == 15 and buffers == ["*float64"] * 3, "gemm of three float64 buffers")

    def _if(self, op: Op) -> None:
        self.expect(op, op.args[0].type == B1 and len(op.regions) == 2, "if on a bool with two regions")
        for inner in op.regions:
            self.expect(op, [r.type for r in inner.results] == [r.type for r in op.results], "each region gives the results")

    def _for(self, op: Op) -> None:
        inner = op.regions[0]
        self.expect(op, op.args[0].type == I8 and inner.params[0].type == I8, "for over an int")
        self.carried(op, op.args[1:], inner.params[1:], inner.results)

    def _while(self, op: Op) -> None:
        inner = op.regions[0]
        self.expect(op, op.args[0].type == B1 and inner.results[0].type == B1, "while on a bool")
        self.carried(op, op.args[1:], inner.params, inner.results[1:])

    def carried(self, op: Op, *lists: list[Value]) -> None:
        types = [[v.type for v in values] for values in (*lists, op.results)]
        self.expect(op, all(t == types[0] for t in types), f"carried values of one type throughout, not {types}")
