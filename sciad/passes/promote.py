"""An element of memory that a loop updates in every trip becomes a carried scalar: loaded before the loop, stored after it.

``L[i, j] -= L[i, k] * L[j, k]`` over k keeps ``L[i, j]`` in a register, and its sum may then be vectorised.  Only where every other access
in the loop to the same memory is proved to be to other elements, and the element is accessed outside the loop anyway (or the loop has a
trip), so that nothing is touched that was not before.
"""

from __future__ import annotations

from collections.abc import Iterable

from sciad.ir import Op, Region, Value, substitute, walk
from sciad.passes.polynomial import Facts
from sciad.passes.structure import Structure, reads, writes

__all__ = ["promote"]


def promote(body: Region, nonnegative: Iterable[Value] = ()) -> None:
    """Promote elements in place, in inner loops first."""
    _Promote(body, Facts(nonnegative)).region(body)


class _Promote:
    def __init__(self, body: Region, facts: Facts) -> None:
        self.body, self.facts = body, facts
        self.structure = Structure(body)

    def region(self, region: Region) -> None:
        """Handle the loops of a region."""
        position = 0
        while position < len(region.ops):
            op = region.ops[position]
            undo = self.facts.enter(op) if op.name == "for" else None
            for inner in op.regions:
                self.region(inner)
            if undo is not None:
                before, after = self.loop(op, region)
                self.facts.leave(undo)
                region.ops[position : position + 1] = [*before, op, *after]
                position += len(before) + len(after)
            position += 1

    def loop(self, loop: Op, around: Region) -> tuple[list[Op], list[Op]]:
        """Promote what one `for` updates; gives the loads before it and the stores after it."""
        inner = loop.regions[0]
        own = {r for op in walk(inner) for r in op.results} | {p for r in _regions(inner) for p in r.params}
        before: list[Op] = []
        after: list[Op] = []
        done: set[tuple[Value, Value]] = set()
        for op in list(inner.ops):
            if op.name != "store" or op.args[0] in own or op.args[1] in own or (op.args[0], op.args[1]) in done:
                continue
            element = (op.args[0], op.args[1])
            done.add(element)
            if op.args[0].type == "*float64" and self._alone(inner, *element) and self._touched(loop, around, *element):
                self._carry(loop, *element, before, after)
        return before, after

    def _alone(self, inner: Region, buffer: Value, index: Value) -> bool:
        """Whether the loop accesses the element only by direct loads and stores, and everything else of that memory is elsewhere."""
        memory, direct = self.structure.memory(buffer), set(inner.ops)
        loaded = False
        for op in walk(inner):
            if not any(self.structure.memory(b) is memory for b in (*writes(op), *reads(op))):
                continue
            if op.name not in ("load", "store") or op.args[0] is not buffer:
                return False
            if op.args[1] is index:
                if op not in direct:
                    return False
                loaded = loaded or op.name == "load"
            elif not self.facts.different(op.args[1], index):
                return False
        return loaded

    def _touched(self, loop: Op, around: Region, buffer: Value, index: Value) -> bool:
        """Whether the element is accessed even if the loop has no trip."""
        n = loop.args[0].constant
        if n is not None:
            return n > 0
        return any(op.name in ("load", "store") and op.args[0] is buffer and op.args[1] is index for op in around.ops)

    def _carry(self, loop: Op, buffer: Value, index: Value, before: list[Op], after: list[Op]) -> None:
        inner = loop.regions[0]
        load = Op("load", [buffer, index], ["f8"], (), {}, loop.line)
        before.append(load)
        parameter = Value("f8", None, load.result.hint)
        now, mapping, ops = parameter, {}, []
        for op in inner.ops:
            if op.name == "load" and op.args[0] is buffer and op.args[1] is index:
                mapping[op.result] = now
            elif op.name == "store" and op.args[0] is buffer and op.args[1] is index:
                now = mapping.get(op.args[2], op.args[2])
            else:
                ops.append(op)
        inner.ops = ops
        inner.params.append(parameter)
        inner.results.append(now)
        substitute(self.body, mapping)
        substitute(inner, mapping)
        loop.args.append(load.result)
        result = Value("f8", loop, "")
        loop.results.append(result)
        after.append(Op("store", [buffer, index, result], [], (), {}, loop.line))
        for op in (load, after[-1]):
            self.structure.region_of[op] = self.structure.region_of.get(loop, self.body)


def _regions(region: Region) -> list[Region]:
    return [region, *[r for op in walk(region) for r in op.regions]]
