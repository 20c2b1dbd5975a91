"""Loop-invariant motion: pure operations, and checks, whose operands come from outside a loop are done once, before it."""

from __future__ import annotations

from sciad.ir import PURE, Op, Region, Value
from sciad.types import B1, I8, is_float

__all__ = ["hoist"]

#: What may trap for some operands stays where the program put it: the loop may make no trip.
_STAYS = {"floor_divide", "remainder", "power", "left_shift", "right_shift", "subbuffer"}


def hoist(body: Region) -> None:
    """Move invariant operations out of loops, in place; inner loops first, so that they may go out of several."""
    _visit(body)


def _visit(region: Region) -> set[Value]:
    """Handle the loops of a region; gives all values that it defines, nested ones included."""
    defined = set(region.params)
    ops: list[Op] = []
    for op in region.ops:
        for inner in op.regions:
            own = _visit(inner)
            if op.name in ("for", "while"):
                moved = _invariant(inner, own)
                moved += _checks(op, own) if op.name == "for" else []
                ops.extend(moved)
                defined.update(r for made in moved for r in made.results)
            defined |= own
        ops.append(op)
        defined.update(op.results)
    region.ops = ops
    return defined


def _invariant(inner: Region, own: set[Value]) -> list[Op]:
    """Take the invariant operations out of a loop's body."""
    moved: list[Op] = []
    stay: list[Op] = []
    for op in inner.ops:
        if PURE(op) and (op.name not in _STAYS or is_float(op.result.type)) and not any(a in own for a in op.args):
            moved.append(op)
            own.discard(op.result)
        else:
            stay.append(op)
    inner.ops = stay
    return moved


def _checks(loop: Op, own: set[Value]) -> list[Op]:
    """Take checks of invariant conditions out of a loop: made once, before it, where it has a trip.

    Only those that the first trip is sure to come to.  What it would have written until then is not written if they raise.
    """
    inner = loop.regions[0]
    taken = [op for op in inner.ops if op.name == "check" and op.args[0] not in own and op.args[0].constant is None]
    if not taken or any(_may_not_return(op) for op in inner.ops[: inner.ops.index(taken[-1])] if op not in taken):
        return []
    made: list[Op] = []
    zero = Op("const", [], [I8], (), {"value": 0})
    never = Op("less_equal", [loop.args[0], zero.result], [B1], (), {}, loop.line)
    made += [zero, never]
    for op in taken:
        passed = Op("logical_or", [op.args[0], never.result], [B1], (), {}, op.line)
        made += [passed, Op("check", [passed.result], [], (), op.attributes, op.line)]
        inner.ops.remove(op)
    return made


def _may_not_return(op: Op) -> bool:
    """Whether an operation may raise, or run for ever."""
    return op.name in ("check", "while") or any(_may_not_return(nested) for inner in op.regions for nested in inner.ops)
