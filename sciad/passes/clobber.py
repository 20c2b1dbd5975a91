"""Whether memory that an operation reads, or writes, may be written afterwards."""

from __future__ import annotations

from collections.abc import Collection

from sciad.ir import Op, Region, Value, walk
from sciad.passes.later import Later
from sciad.passes.structure import Structure, writes

__all__ = ["Clobber"]


class Clobber:
    """Whether memory that a load read may be written afterwards, in this trip or a later one."""

    def __init__(self, body: Region, structure: Structure, lengths: Collection[Value] = ()) -> None:
        self.structure = structure
        self.writers: dict[Value, list[Op]] = {}
        self.known: dict[tuple[Op, Value], bool] = {}
        self.later = Later(structure, lengths)
        for op in walk(body):
            for buffer in writes(op):
                self.writers.setdefault(structure.memory(buffer), []).append(op)

    def after(self, op: Op, buffer: Value | None = None) -> bool:
        """Whether another write to memory that an operation reads or writes (that of `buffer`, else its first operand) may follow."""
        buffer = op.args[0] if buffer is None else buffer
        found = self.known.get((op, buffer))
        if found is None:
            found = self.known[op, buffer] = self._after(op, buffer)
        return found

    def _after(self, load: Op, buffer: Value) -> bool:
        s = self.structure
        memory = s.memory(buffer)
        writers = self.writers.get(memory, [])
        if not writers:
            return False
        around = s.loops(s.region_of[load])
        if buffer.op is not None and buffer.op.name == "alloc" and memory is buffer:
            home = s.region_of[buffer.op]  # loops outside the allocation get fresh memory each trip
            around = [loop for loop in around if s.is_inside(s.region_of[loop], home)]
        common = set(around)
        distinct = load.name == "store" and all(loop.attributes.get("parallel") for loop in around)  # each trip writes its own element
        return any(
            (s.order[w] > s.order[load] or common & set(s.loops(s.region_of[w]))) and not self._spared(load, buffer, w)
            for w in writers
            if not (w is load and distinct)
        )

    def _spared(self, op: Op, buffer: Value, writer: Op) -> bool:
        """Whether the element that a load reads, or a store writes, is proved to survive a later store."""
        return op.name in ("load", "store") and op.args[0] is buffer and self.later.spares(op, writer)
