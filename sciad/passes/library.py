"""Library calls in the passes: the arrays of a call, and its rule, a function in the NumPy subset, lowered where it is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sciad.frontend.calls import call_python
from sciad.frontend.context import Capture, Context, Frame
from sciad.frontend.elementwise import contiguous_strides
from sciad.frontend.expressions import binary
from sciad.frontend.scalars import constant
from sciad.frontend.values import Array, Static, Tuple_
from sciad.frontend.views import assign
from sciad.ir import Builder, Op, Value
from sciad.rules.library import CALLS, LibraryCall
from sciad.types import I8

__all__ = ["LibraryOp"]


def _import(ctx: Context, capture: Capture, found: Any) -> Any:
    """Globals of the rule book are compile-time objects."""
    return constant(ctx, found) if isinstance(found, (int, float)) else Static(found)


class LibraryOp:
    """One call operation, seen through `b`, the builder of the derivative; `get` maps its operands to what `b` may refer to."""

    def __init__(self, op: Op, b: Builder, get: Callable[[Value], Value] = lambda v: v) -> None:
        self.rule: LibraryCall = CALLS[op.attributes["function"]]
        self.b, self.args = b, [get(a) for a in op.args]
        self.ctx = Context(_import)
        self.ctx.b = b
        self.ctx.line = op.line
        self.ctx.frames.append(Frame(f"rule of {self.rule.name}", __file__, 0))
        for length in self.args[len(self.rule.shapes) :]:
            self.ctx.lower_bound[length] = 0

    def array(self, position: int, buffer: Value | None = None) -> Array:
        """An argument as an array; with `buffer`, something of its shape, as its tangent or cotangent is."""
        buffer = self.args[position] if buffer is None else buffer
        lengths = self.rule.shapes[position]
        if lengths:
            shape = tuple(self.args[k] if k >= 0 else self.b.const(-k, I8) for k in lengths)
        else:
            shape = (self.b.pure("size", [buffer], I8),)
        return Array(buffer, buffer.type[1:], self.b.const(0, I8), shape, contiguous_strides(self.ctx, shape), True)

    def derive(self, function: Callable, given: list[Array | None]) -> list:
        """Results of a rule's function for the call's arrays and the given tangents or cotangents."""
        arrays = [self.array(k) for k in range(len(self.rule.shapes))]
        extra = [Static(None) if g is None else g for g in given]
        found = call_python(self.ctx, function, [*arrays, *self.args[len(arrays) :], *extra], {})
        assert isinstance(found, Tuple_)
        return found.items

    def put(self, target: Array, value: Any, *, accumulate: bool) -> None:
        """``target = value`` or ``target += value``."""
        assign(self.ctx, target, [], binary(self.ctx, "add", target, value) if accumulate else value, whole=True)
