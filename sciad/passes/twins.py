"""Shadow buffers made during the primal sweep, for memory that is chosen at run time.

Where a buffer is the result of an `if` or is carried by a loop (``cur, nxt = nxt, cur``), the shadow must be chosen with it: every
member of such a class of memory gets a twin, made where it is made and carried where it is carried.
"""

from __future__ import annotations

from sciad.ir import Op, Region, Value, walk
from sciad.passes.activity import Activity
from sciad.passes.structure import Structure, carried
from sciad.types import is_buffer

__all__ = ["add_twins"]


def add_twins(body: Region, structure: Structure, activity: Activity, shadows: dict[Value, Value]) -> bool:
    """Add twins to `body` (in place) and enter them into `shadows`; False where no memory is chosen at run time."""
    chosen: set[Value] = set()
    for op in walk(body):
        joins = op.results if op.name == "if" else [g[1] for g in carried(op)] if op.name in ("for", "while") else []
        joins = joins + op.results if op.name == "tape_pop" else joins
        chosen.update(structure.memory(v) for v in joins if is_buffer(v.type) and activity.active(v))
    if not chosen:
        return False
    _Twins(structure, chosen, shadows).visit_body(body)
    return True


class _Twins:
    def __init__(self, structure: Structure, chosen: set[Value], shadows: dict[Value, Value]) -> None:
        self.structure, self.chosen, self.shadows = structure, chosen, shadows

    def _wanted(self, v: Value) -> bool:
        return is_buffer(v.type) and self.structure.memory(v) in self.chosen

    def visit_body(self, body: Region) -> None:
        """Give parameters that have no shadow one of zeros, then follow the operations."""
        head: list[Op] = []
        for p in body.params:
            if self._wanted(p) and p not in self.shadows:
                size = Op("size", [p], ["i8"])
                blank = _blank(p.type, size.result, p.hint)
                head += [size, blank]
                self.shadows[p] = blank.result
        self._visit(body)
        body.ops[:0] = head

    def _visit(self, region: Region) -> None:
        ops: list[Op] = []
        for op in region.ops:
            ops.append(op)
            if op.name == "alloc" and self._wanted(op.result) and op.result not in self.shadows:
                blank = _blank(op.result.type, op.args[0], op.result.hint)
                self.shadows[op.result] = blank.result
                ops.append(blank)
            elif op.name == "if":
                self._join(op)
            elif op.name in ("for", "while"):
                self._loop(op)
        region.ops = ops

    def _join(self, op: Op) -> None:
        for inner in op.regions:
            self._visit(inner)
        for k, r in enumerate(list(op.results)):
            if self._wanted(r):
                twin = Value(r.type, op, f"{r.hint or 'v'}_bar")
                for inner in op.regions:
                    inner.results.append(self.shadows[inner.results[k]])
                op.results.append(twin)
                self.shadows[r] = twin

    def _loop(self, op: Op) -> None:
        inner = op.regions[0]
        groups = [g for g in carried(op) if self._wanted(g[1])]
        for initial, parameter, _, _ in groups:
            twin = Value(parameter.type, None, f"{parameter.hint or 'v'}_bar")
            inner.params.append(twin)
            op.args.append(self.shadows[initial])
            self.shadows[parameter] = twin
        self._visit(inner)
        for _, _, following, result in groups:
            inner.results.append(self.shadows[following])
            twin = Value(result.type, op, f"{result.hint or 'v'}_bar")
            op.results.append(twin)
            self.shadows[result] = twin


def _blank(type_: str, size: Value, hint: str) -> Op:
    op = Op("alloc", [size], [type_], (), {"dtype": type_[1:], "zero": True})
    op.result.hint = f"{hint or 'v'}_bar"
    return op
