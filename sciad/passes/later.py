"""Whether a store that runs later can hit the element that a load read: dependence by ranges of trip numbers.

A later run of the store is in a later trip of some loop around both, with equal trips of the loops outside that one; or in the same trips,
further down.  For each of these cases the difference of the two indices, with trip numbers of its own for the store, is to be proved not to
be zero.
"""

from __future__ import annotations

from collections.abc import Iterable

from sciad.ir import Op, Value
from sciad.passes.polynomial import Facts, Polynomial, clipped, combine
from sciad.passes.structure import Structure
from sciad.passes.trips import replaced
from sciad.types import I8

__all__ = ["Later"]


class Later:
    """Proofs about the stores of one function; `nonnegative` are values that are never negative."""

    def __init__(self, structure: Structure, nonnegative: Iterable[Value]) -> None:
        self.structure = structure
        self.nonnegative = set(nonnegative)

    def spares(self, access: Op, store: Op) -> bool:
        """Whether no run of `store` after a run of `access` (a load or a store) is to the same element."""
        if store.name != "store" or store.args[0] is not access.args[0]:
            return False
        s = self.structure
        here, there = (s.loops(s.region_of[op])[::-1] for op in (access, store))
        if not all(_counted_upwards(loop) for loop in (*here, *there)):
            return False
        common = 0
        while common < min(len(here), len(there)) and here[common] is there[common]:
            common += 1
        cases = list(range(common))
        if s.order[store] > s.order[access]:
            cases.append(common)
        return all(self._differ(access, store, here, there, depth, common) for depth in cases)

    def _differ(self, access: Op, store: Op, here: list[Op], there: list[Op], depth: int, common: int) -> bool:
        """Whether the indices differ where the store is `depth` equal trips in and then later (or, at `common`, further down)."""
        facts = Facts(self.nonnegative)
        for loop in here:
            facts.enter(loop)
        varied = here[depth:] + there[depth:]
        new: dict[Value, Polynomial] = {}
        for position, loop in enumerate(there):
            k = loop.regions[0].params[0]
            if position < depth:
                continue
            number = Value(I8, None, "later")
            facts.at_least[number] = 0
            trips = facts.form(clipped(loop.args[0]))
            if not self._settled(trips, varied):
                return False
            if replaced(trips, new) == trips:  # else it is another number of trips than what `facts` would call by its name
                facts.at_least_one_trip(loop)
            trips = replaced(trips, new)
            if position == depth < common:  # k + 1 + number
                facts.trips[number] = combine(combine(trips, {(): 1}, -1), {(k,): 1}, -1)
                new[k] = {(number,): 1, (k,): 1, (): 1}
            else:
                facts.trips[number] = trips
                new[k] = {(number,): 1}
        if not self._settled(facts.form(store.args[1]), varied) or not self._settled(facts.form(access.args[1]), varied):
            return False
        difference = combine(replaced(facts.form(store.args[1]), new), facts.form(access.args[1]), -1)
        return facts.nonzero(difference)

    def _settled(self, p: Polynomial, varied: list[Op]) -> bool:
        """Whether a polynomial is made of trip numbers and of values from outside the loops whose trips differ."""
        s = self.structure
        numbers = {loop.regions[0].params[0] for loop in varied}
        atoms = {v for monomial in p for v in monomial if v not in numbers}
        return not any(v in s.home and s.is_inside(s.home[v], loop.regions[0]) for v in atoms for loop in varied)


def _counted_upwards(loop: Op) -> bool:
    return loop.name == "for" and not loop.attributes.get("down")
