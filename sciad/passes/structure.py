"""Facts about a region that several passes need: where each value lives, which buffers may be the same memory."""

from __future__ import annotations

from sciad.ir import Op, Region, Value
from sciad.types import is_buffer

__all__ = ["Structure", "writes", "reads", "carried"]


def writes(op: Op) -> list[Value]:
    """Buffers that the operation itself (not what it contains) may write."""
    if op.name == "store":
        return [op.args[0]]
    if op.name == "gemm":
        return [op.args[8]]
    if op.name in ("tape_put", "tape_push"):
        return [op.args[0]]
    if op.name == "call":
        return [op.args[k] for k in op.attributes["writes"]]
    return []


def reads(op: Op) -> list[Value]:
    """Buffers whose contents the operation itself may read."""
    if op.name == "load":
        return [op.args[0]]
    if op.name == "gemm":
        return [op.args[0], op.args[4], *([op.args[8]] if op.attributes["accumulate"] else [])]
    if op.name == "call":
        return [op.args[k] for k in op.attributes["reads"]]
    return []


def carried(op: Op) -> list[tuple[Value, Value, Value, Value]]:
    """For a loop: (initial value, body parameter, next value, result) of each carried value."""
    region = op.regions[0]
    if op.name == "for":
        return list(zip(op.args[1:], region.params[1:], region.results, op.results))
    return list(zip(op.args[1:], region.params, region.results[1:], op.results))


class Structure:
    """Parents of operations and regions, loops around each value, and classes of buffers that may share memory."""

    def __init__(self, body: Region) -> None:
        self.body = body
        self.home: dict[Value, Region] = {}  # the region in which a value is available first
        self.region_of: dict[Op, Region] = {}
        self.owner: dict[Region, Op | None] = {body: None}
        self.order: dict[Op, int] = {}
        self._class: dict[Value, Value] = {}
        self.written: set[Value] = set()  # representatives of classes that something writes
        self._visit(body)

    def add(self, ops: list[Op], region: Region) -> None:
        """Take note of operations that were put into a region; they have no place in the order."""
        for op in ops:
            self.region_of[op] = region
            for inner in op.regions:
                self.owner[inner] = op
                for p in inner.params:
                    self.home[p] = inner
                self.add(inner.ops, inner)
            for r in op.results:
                self.home[r] = region

    def _visit(self, region: Region) -> None:
        for p in region.params:
            self.home[p] = region
        for op in region.ops:
            self.order[op] = len(self.order)
            self.region_of[op] = region
            for inner in op.regions:
                self.owner[inner] = op
                self._visit(inner)
            for r in op.results:
                self.home[r] = region
            self._link(op)

    def _link(self, op: Op) -> None:
        if op.name == "subbuffer":
            self._union(op.result, op.args[0])
        elif op.name == "tape_push":  # what comes back from a list of references may be any of them
            self._union(op.args[1], op.args[0])
        elif op.name == "tape_pop":
            self._union(op.result, op.args[0])
        elif op.name == "if":
            for k, result in enumerate(op.results):
                if is_buffer(result.type):
                    for inner in op.regions:
                        self._union(result, inner.results[k])
        elif op.name in ("for", "while"):
            for initial, parameter, following, result in carried(op):
                if is_buffer(result.type):
                    self._union(result, initial)
                    self._union(result, parameter)
                    self._union(result, following)

    def _union(self, a: Value, b: Value) -> None:
        self._class[self.memory(a)] = self.memory(b)

    def memory(self, buffer: Value) -> Value:
        """A representative of the memory that a buffer value may refer to."""
        while buffer in self._class and self._class[buffer] is not buffer:
            buffer = self._class[buffer]
        return buffer

    def ancestors(self, region: Region):
        """The region and those around it, from the inside out."""
        while True:
            yield region
            owner = self.owner[region]
            if owner is None:
                return
            region = self.region_of[owner]

    def loops(self, region: Region) -> list[Op]:
        """The loops around a region, from the inside out."""
        return [o for r in self.ancestors(region) if (o := self.owner[r]) is not None and o.name in ("for", "while")]

    def is_inside(self, region: Region, outer: Region) -> bool:
        """Whether `region` is `outer` or nested in it."""
        return any(r is outer for r in self.ancestors(region))
