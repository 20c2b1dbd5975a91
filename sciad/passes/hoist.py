"""Loop-invariant motion: pure operations whose operands come from outside a loop are computed once, before it."""

from __future__ import annotations

from sciad.ir import PURE, Op, Region, Value
from sciad.types import is_float

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
                ops.extend(moved)
                defined.update(op.result for op in moved)
            defined |= own
        ops.append(op)
        defined.update(op.results)
    region.ops = ops
    return defined


def _invariant(inner: Region, own: set[Value]) -> list[Op]:
    """Take the invariant operations out of a loop's body."""
    moved, stay = [], []
    for op in inner.ops:
        if PURE(op) and (op.name not in _STAYS or is_float(op.result.type)) and not any(a in own for a in op.args):
            moved.append(op)
            own.discard(op.result)
        else:
            stay.append(op)
    inner.ops = stay
    return moved
