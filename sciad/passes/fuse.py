"""Loop fusion: neighbouring loops over the same trips, of which the second reads what the first stores, become one.

Then a stored element is at hand as a scalar where it is read (see `simplify`), and an array that nobody else reads goes (see `dce`):
``t = a * x + b; y = exp(t) * c`` needs no memory for t, in the primal sweep or in its derivatives.

Only loops without loops inside, and nests of one shape in which all happens innermost.  Two may run as one where no trip of the second
touches an element that a later trip of the first touches, one of them writing.
"""

from __future__ import annotations

from collections.abc import Iterable

from sciad.ir import PURE, Op, Region, Value, substitute, walk
from sciad.passes.polynomial import Facts, Polynomial, combine
from sciad.passes.structure import Structure, writes
from sciad.passes.trips import Trips, replaced
from sciad.types import is_buffer

__all__ = ["fuse"]


def fuse(body: Region, nonnegative: Iterable[Value] = ()) -> bool:
    """Fuse loops, in place, outer ones first; whether any were.  `nonnegative` are parameters that are never negative."""
    pass_ = _Fuse(body, set(nonnegative))
    pass_.region(body)
    return pass_.done


class _Fuse:
    def __init__(self, body: Region, nonnegative: set[Value]) -> None:
        self.body, self.nonnegative, self.done = body, nonnegative, False
        self.structure = Structure(body)
        self.trips = Trips(self.structure, nonnegative)

    def region(self, region: Region) -> None:
        """Handle the loops of a region, then what is inside."""
        position = 0
        while position < len(region.ops):
            op = region.ops[position]
            while op.name == "for" and (follower := self._follower(region, position)) is not None:
                position = self._join(region, position, follower)
                op = region.ops[position]
            for inner in op.regions:
                self.region(inner)
            position += 1

    def _follower(self, region: Region, position: int) -> int | None:
        """Where the loop stands that may join the one at `position`: only arithmetic, allocations and checks in between."""
        first = region.ops[position]
        for at in range(position + 1, len(region.ops)):
            op = region.ops[at]
            if op.name == "for":
                return at if self._may_join(first, op) else None
            early = PURE(op) or op.name == "alloc" or (op.name == "check" and self._local(first))
            if not early or any(a in first.results for a in op.args):
                return None
        return None

    def _local(self, loop: Op) -> bool:
        """Whether a loop writes only memory that nobody sees if the function then raises."""
        seen = {self.structure.memory(p) for p in self.body.params if is_buffer(p.type)}
        return not any(self.structure.memory(x) in seen for op in walk(loop.regions[0]) for x in writes(op))

    def _may_join(self, first: Op, second: Op) -> bool:
        if not _same_trips(first, second) or bool(first.attributes.get("down")) or bool(second.attributes.get("down")):
            return False
        if not 0 < _depth(first) == _depth(second):  # else what vectorises would no longer do so
            return False
        inside = [*walk(first.regions[0]), *walk(second.regions[0])]
        if any(op.name in _APART for op in inside) or set(first.results) & _used(second):
            return False
        pairs = self.trips.conflicts(first.regions[0].ops, second.regions[0].ops)
        if pairs is None or not any(self._hands_over(a, b, first, second) for a, b in pairs):
            return False
        return all(self.trips.never_meets(a, b, first, second) for a, b in pairs)

    def _hands_over(self, store: Op, load: Op, first: Op, second: Op) -> bool:
        """Whether a load reads what a store of the same trip has written, both directly in the loops, or in loops of the same depth."""
        here, there = (self.trips.loops(op, loop) for op, loop in ((store, first), (load, second)))
        if store.name != "store" or load.name != "load" or len(here) != len(there):
            return False
        facts = Facts()
        if not all(_same_trips(a, b) for a, b in zip(here, there)):
            return False
        same: dict[Value, Polynomial] = {b.regions[0].params[0]: {(a.regions[0].params[0],): 1} for a, b in zip(here, there)}
        return not combine(replaced(facts.form(load.args[1]), same), facts.form(store.args[1]), -1)

    def _join(self, region: Region, position: int, follower: int) -> int:
        """One loop in the place of two; gives where it stands."""
        first, second = region.ops[position], region.ops[follower]
        between = region.ops[position + 1 : follower]
        one, two = first.regions[0], second.regions[0]
        pairs = self.trips.conflicts(first.regions[0].ops, second.regions[0].ops) or []
        apart = all(self.trips.never_meets(b, a, second, first) for a, b in pairs)  # no trip of one meets any other trip
        substitute(two, {two.params[0]: one.params[0]})
        one.params += two.params[1:]
        one.ops += two.ops
        one.results += two.results
        first.args += second.args[1:]
        for r in second.results:
            r.op = first
        first.results += second.results
        parallel = bool(first.attributes.get("parallel")) and bool(second.attributes.get("parallel")) and apart
        first.attributes = {**first.attributes, "parallel": parallel}
        region.ops[position : follower + 1] = [*between, first]
        self.structure = Structure(self.body)
        self.trips = Trips(self.structure, self.nonnegative)
        self.done = True
        return position + len(between)


#: What keeps loops from being fused: order of effects that is not about elements of memory.
_APART = {"while", "check", "call", "gemm", "tape_reserve", "tape_release", "tape_put", "tape_get", "tape_push", "tape_pop", "tape_new"}


def _depth(loop: Op) -> int:
    """How many loops deep a nest is in which nothing happens but in the innermost one; 0 where it is none."""
    ops = loop.regions[0].ops
    nested = [op for op in ops if op.regions]
    if not nested:
        return 1
    if len(nested) > 1 or nested[0].name != "for" or not all(PURE(op) or op.name == "load" for op in ops if op is not nested[0]):
        return 0
    inner = _depth(nested[0])
    return inner + 1 if inner else 0


def _used(loop: Op) -> set[Value]:
    """The values that a loop refers to, its own included."""
    inner = loop.regions[0]
    regions = [inner, *[r for op in walk(inner) for r in op.regions]]
    return {*loop.args, *[a for op in walk(inner) for a in op.args], *[r for region in regions for r in region.results]}


def _same_trips(a: Op, b: Op) -> bool:
    n, m = a.args[0], b.args[0]
    return n is m or (n.constant is not None and n.constant == m.constant)
