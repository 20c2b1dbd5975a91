"""Operands of matrix products that something overwrites before the reverse sweep reads them are copied first."""

from __future__ import annotations

from sciad.ir import Builder, Op, Region, Value, walk
from sciad.passes.activity import Activity
from sciad.passes.clobber import Clobber
from sciad.passes.structure import Structure
from sciad.types import F8, I8

__all__ = ["pin"]


def pin(body: Region, structure: Structure, activity: Activity) -> bool:
    """Let every product read memory that stays as it is, as far as its adjoint reads it; in place, True where anything changed."""
    clobber = Clobber(body, structure)
    copies: dict[Op, list[Op]] = {}
    for op in walk(body):
        if op.name != "gemm" or not activity.active(op.args[8]):
            continue
        a, b, (m, k, n) = op.args[0], op.args[4], op.args[12:15]
        if activity.active(b) and clobber.after(op, a):
            _copy(op, 0, m, k, copies)
        if activity.active(a) and clobber.after(op, b):
            _copy(op, 4, k, n, copies)
    for region in [body, *[r for op in list(walk(body)) for r in op.regions]]:
        region.ops = [made for op in region.ops for made in (*copies.get(op, ()), op)]
    return bool(copies)


def _copy(op: Op, position: int, rows: Value, columns: Value, copies: dict[Op, list[Op]]) -> None:
    """Operations that copy an operand into memory of its own, row by row; the product reads from there."""
    buffer, offset, row, column = op.args[position : position + 4]
    b = Builder()
    b.line = op.line
    target = b.alloc("float64", b.mul(rows, columns), zero=False, hint=buffer.hint or "operand")
    i, j = Value(I8, None, "i"), Value(I8, None, "j")
    outer = b.enter([i])
    start = b.add(offset, b.mul(i, row))
    inner = b.enter([j])
    value = b.load(buffer, b.add(start, b.mul(j, column)), F8)
    b.store(target, b.add(b.mul(i, columns), j), value)
    across = b.leave(inner)
    b.emit("for", [columns], [], [across], parallel=True)
    down = b.leave(outer)
    b.emit("for", [rows], [], [down], parallel=True)
    zero, one = b.const(0, I8), b.const(1, I8)
    op.args[position : position + 4] = [target, zero, columns, one]
    copies.setdefault(op, []).extend(b.region.ops)
