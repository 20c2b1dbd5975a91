"""Loop-invariant motion: costly pure operations whose operands a loop does not change are computed before it.

LLVM does this too where it may; here it decides what the reverse sweep keeps: one number instead of one a trip.  Cheap operations move only
with a costly one that needs them: in the loop they cost nothing, and outside a register.
"""

from __future__ import annotations

from sciad.ir import PURE, Op, Region, Value
from sciad.passes.save import CHEAP
from sciad.types import is_buffer, is_float

__all__ = ["hoist"]


def hoist(body: Region) -> bool:
    """Move what can be moved, inner loops first; in place, True where anything moved."""
    moved = False
    ops: list[Op] = []
    for op in body.ops:
        for inner in op.regions:
            moved |= hoist(inner)
        if op.name in ("for", "while"):
            out = _movable(op.regions[0])
            moved |= bool(out)
            ops.extend(out)
        ops.append(op)
    body.ops = ops
    return moved


def _movable(body: Region) -> list[Op]:
    """The operations to move, taken out of the loop's body."""
    inside: set[Value] = {*body.params, *[r for op in body.ops for r in op.results]}
    invariant: dict[Value, Op] = {}
    for op in body.ops:
        if PURE(op) and not any(a in inside or is_buffer(a.type) for a in op.args) and _harmless(op):
            inside.discard(op.result)
            invariant[op.result] = op
    wanted: set[Op] = set()
    queue = [op for op in invariant.values() if _costly(op)]
    while queue:
        op = queue.pop()
        if op not in wanted:
            wanted.add(op)
            queue += [invariant[a] for a in op.args if a in invariant]
    if not wanted:
        return []
    moved = [op for op in body.ops if op in wanted]
    body.ops = [op for op in body.ops if op not in wanted]
    return moved


def _costly(op: Op) -> bool:
    return is_float(op.result.type) and op.name not in CHEAP and op.name not in ("select", "cast")


def _harmless(op: Op) -> bool:
    """Whether the operation may be computed where the loop makes no trip: a division of ints may trap."""
    return is_float(op.result.type) or op.name not in ("floor_divide", "remainder", "power", "left_shift", "right_shift")
