"""Whether two pieces of code may be in another order, trip by trip: which accesses to memory conflict, and whether they ever meet."""

from __future__ import annotations

from collections.abc import Iterable

from sciad.ir import Op, Region, Value, walk
from sciad.passes.polynomial import Facts, Polynomial, clipped, combine, times
from sciad.passes.structure import Structure, reads, writes
from sciad.types import I8

__all__ = ["Trips", "replaced"]


class Trips:
    """Proofs about the loops of one function; `nonnegative` are values that are never negative."""

    def __init__(self, structure: Structure, nonnegative: Iterable[Value]) -> None:
        self.structure, self.nonnegative = structure, set(nonnegative)

    def conflicts(self, first: list[Op], second: list[Op]) -> list[tuple[Op, Op]] | None:
        """Pairs of accesses to the same memory, one of them a write; None where some are not single elements."""
        found = []
        touching: dict[Value, list[Op]] = {}
        for op in _all(first):
            for buffer in {self.structure.memory(x) for x in (*reads(op), *writes(op))}:
                touching.setdefault(buffer, []).append(op)
        for op in _all(second):
            for buffer in {self.structure.memory(x) for x in (*reads(op), *writes(op))}:
                for other in touching.get(buffer, []):
                    if not writes(op) and not writes(other):
                        continue
                    if not {op.name, other.name} <= {"load", "store"} or op.args[0] is not other.args[0]:
                        return None
                    found.append((other, op))
        return found

    def loops(self, op: Op, outer: Op) -> list[Op]:
        """The loops around an operation, from `outer` inwards."""
        found = self.structure.loops(self.structure.region_of[op])
        return found[: found.index(outer) + 1][::-1]

    def never_meets(self, early: Op, late: Op, first: Op, second: Op) -> bool:
        """Whether an access of the first loop never meets one that the second makes in a trip before."""
        here, there = self.loops(early, first), self.loops(late, second)
        if any(loop.name != "for" for loop in (*here, *there)):
            return False
        facts, inside = Facts(self.nonnegative), [first, second]
        for loop in (*self.structure.loops(self.structure.region_of[first])[::-1], *here, *there):
            if loop.name == "for":
                facts.enter(loop)
        forms = [facts.form(early.args[1]), facts.form(late.args[1])]
        numbers = {loop.regions[0].params[0] for loop in (*here, *there)}
        counts = [facts.form(clipped(loop.args[0])) for loop in (*here, *there)]
        if not all(self._settled(p, inside, numbers) for p in (*forms, *counts)):
            return False
        k, ahead = Value(I8, None, "trip"), Value(I8, None, "ahead")  # of the late access; how far beyond it the early one is, less one
        facts.at_least[k] = facts.at_least[ahead] = 0
        facts.trips[k] = counts[0]
        facts.trips[ahead] = combine(combine(counts[0], {(): 1}, -1), {(k,): 1}, -1)
        of_early: dict[Value, Polynomial] = {first.regions[0].params[0]: {(k,): 1, (ahead,): 1, (): 1}}
        of_late: dict[Value, Polynomial] = {second.regions[0].params[0]: {(k,): 1}}
        for nested, new in ((here[1:], of_early), (there[1:], of_late)):  # triangles: bounds that move with the trip
            for loop in nested:
                number = loop.regions[0].params[0]
                facts.trips[number] = replaced(facts.trips[number], new)
        return facts.nonzero(combine(replaced(forms[0], of_early), replaced(forms[1], of_late), -1))

    def _settled(self, p: Polynomial, loops: list[Op], numbers: set[Value]) -> bool:
        """Whether a polynomial is made of the loops' trip numbers and of values from outside them."""
        s = self.structure
        atoms = {v for monomial in p for v in monomial if v not in numbers}
        return not any(v in s.home and s.is_inside(s.home[v], loop.regions[0]) for v in atoms for loop in loops)


def _all(ops: list[Op]) -> list[Op]:
    """Operations and those inside them."""
    region = Region()
    region.ops = ops
    return list(walk(region))


def replaced(p: Polynomial, new: dict[Value, Polynomial]) -> Polynomial:
    """The polynomial with trip numbers replaced."""
    out: Polynomial = {}
    for monomial, c in p.items():
        term: Polynomial = {(): c}
        for v in monomial:
            term = times(term, new.get(v, {(v,): 1}))
        out = combine(out, term)
    return out
