"""`sciad.checkpoint` in compiled functions: a call, or the trips of a loop, that are run again on the way back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sciad.frontend import calls, iteration
from sciad.frontend.context import Context
from sciad.frontend.merge import describe, leaves_of, rebuild
from sciad.frontend.values import Closure, Iterator_, Range, Static
from sciad.ir import Op, Region, Value
from sciad.types import I8, is_buffer

__all__ = ["lower_checkpoint"]


def lower_checkpoint(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    """``checkpoint(range(n))``: its trips in stretches; ``checkpoint(fun)``: a function whose calls are stretches."""
    if len(args) != 1 or kwargs:
        raise ctx.error("sciad.checkpoint with other than one argument", "write sciad.checkpoint(fun)(...) or sciad.checkpoint(range(n))")
    (what,) = args
    if isinstance(what, (Range, Iterator_)):
        return replace(iteration.iterate(ctx, what), checkpoint=True)
    if isinstance(what, (Static, Closure, calls.Method)):
        return Static(_Checkpointed(what))
    raise ctx.error(f"sciad.checkpoint of {describe(what)}", "pass a function or a range")


@dataclass(eq=False)
class _Checkpointed:
    """A function in `checkpoint`."""

    function: Any

    def __sciad_lower__(self, ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
        """Inline the call as a loop of one trip; where arrays come out of it that are made inside, as an ordinary call."""
        b = ctx.b
        outer = b.enter([Value(I8, None, "once")])
        result = calls.call(ctx, self.function, args, kwargs)
        leaves = leaves_of(result)
        region = b.leave(outer)
        inside = {r for op in region.ops for r in op.results}
        _lift_arrays(b.region, region, inside)
        varying = [v for v in dict.fromkeys(leaves) if v in inside and v.constant is None]
        if any(is_buffer(v.type) for v in varying):
            b.region.ops += region.ops
            return result
        params = [Value(v.type, None, v.hint) for v in varying]
        region.params += params
        region.results = varying
        made = b.emit("for", [b.int(1), *[b.zero(v.type) for v in varying]], [v.type for v in varying], [region], checkpoint="call")
        final = dict(zip(varying, made.results))
        return rebuild(result, [final.get(v, v) for v in leaves])


def _lift_arrays(home: Region, region: Region, inside: set[Value]) -> None:
    """Move what makes arrays of lengths that are known outside to before the region: they may be looked at after it."""
    ops: list[Op] = []
    for op in region.ops:
        if op.name == "const" or (op.name == "alloc" and (op.args[0] not in inside or op.args[0].constant is not None)):
            home.ops.append(op)
            inside.difference_update(op.results)
        else:
            ops.append(op)
    region.ops = ops
