"""Local memory of the primal sweep that the mirror reads: made in each trip, it has to be there for all trips.

Memory made in each trip of a counted nest becomes one part a trip of a buffer made before the nest (or of the given tape); elsewhere
references are kept on a list, last in first out.
"""

from __future__ import annotations

from sciad.ir import Op, Region, Value
from sciad.passes.patches import Nests, Patches, const, constant_trips, emit, linear, product
from sciad.passes.tape_layout import Layout, NotStatic
from sciad.types import F8, I8

__all__ = ["LocalMemory"]


class LocalMemory:
    """Gives the mirror what stands for local buffers; `trip` gives trip numbers in the mirror."""

    def __init__(self, nests: Nests, patches: Patches, layout: Layout, trip: dict[Region, Value]) -> None:
        self.nests, self.patches, self.layout, self.trip = nests, patches, layout, trip

    def reference(self, v: Value, home: Region) -> Value:
        """References to memory made anew in each trip, kept on a list."""
        if self.layout.tape is not None:
            raise NotStatic
        tape = Op("tape_new", [], ["tape:" + v.type], (), {"dtype": v.type})
        self.patches.top_prefix.append(tape)
        push = Op("tape_push", [tape.result, v], [])
        self.patches.once_known(home, v, [push])
        pop = Op("tape_pop", [tape.result], [v.type])
        self.patches.in_mirror(home).append(pop)
        return pop.result

    def expanded(self, v: Value, home: Region) -> Value:
        """The part of a trip of the buffer that stands for an allocation."""
        op = v.op
        assert op is not None
        nest = self.nests.static(home)
        if nest is None or not self.nests.top(op.args[0]):
            return self.reference(v, home)
        if self.layout.tape is not None:
            return self._on_tape(v, home, nest)
        size = op.args[0]
        prefix = self.patches.before.setdefault(self.nests.outermost(op), [])
        total = emit(prefix, "multiply", [product(prefix, [loop.args[0] for loop in nest]), size])
        big = Op("alloc", [total], [v.type], (), dict(op.attributes), op.line)
        big.result.hint = v.hint
        prefix.append(big)
        forward: list[Op] = []
        position = linear(forward, nest, [loop.regions[0].params[0] for loop in nest])
        offset = emit(forward, "multiply", [position, size])
        self.patches.before.setdefault(op, []).extend(forward)
        op.name, op.args, op.attributes = "subbuffer", [big.result, offset, size], {}
        mirror = self.patches.in_mirror(home)
        position = linear(mirror, nest, [self.trip[loop.regions[0]] for loop in nest])
        made = Op("subbuffer", [big.result, emit(mirror, "multiply", [position, size]), size], [v.type])
        made.result.hint = v.hint
        mirror.append(made)
        return made.result

    def _on_tape(self, v: Value, home: Region, nest: list[Op]) -> Value:
        """Local memory placed in the given tape, so that the other function sees it."""
        if v.type != "*float64":  # the tape holds doubles
            raise NotStatic
        op = v.op
        assert op is not None
        assert op.args[0].constant is not None
        size, zero, line = int(op.args[0].constant), op.attributes["zero"], op.line
        start = self.layout.claim(size * constant_trips(nest))
        forward = self.patches.before.setdefault(op, [])
        trips = [loop.regions[0].params[0] for loop in nest]
        op.name, op.attributes = "subbuffer", {}
        op.args = self._part(forward, nest, trips, start, size)
        if zero:
            self.patches.once_known(home, v, _zeroing(v, size, line))
        mirror = self.patches.in_mirror(home)
        back = self._part(mirror, nest, [self.trip[loop.regions[0]] for loop in nest], start, size)
        made = Op("subbuffer", back, [v.type])
        made.result.hint = v.hint
        mirror.append(made)
        return made.result

    def _part(self, where: list[Op], nest: list[Op], trips: list[Value], start: int, size: int) -> list[Value]:
        """Arguments of a subbuffer of the tape: the block of one trip."""
        assert self.layout.tape is not None
        length = const(where, size)
        offset = emit(where, "multiply", [linear(where, nest, trips), length])
        return [self.layout.tape, emit(where, "add", [offset, const(where, start)]), length]


def _zeroing(buffer: Value, size: int, line: int) -> list[Op]:
    """Operations that fill a buffer with zeros."""
    n = Op("const", [], [I8], (), {"value": size})
    zero = Op("const", [], [F8], (), {"value": 0.0})
    k = Value(I8, None, "k")
    region = Region([k])
    region.ops = [Op("store", [buffer, k, zero.result], [])]
    return [n, zero, Op("for", [n.result], [], [region], {"parallel": True}, line)]
