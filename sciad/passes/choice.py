"""Stored or computed again: a minimum cut through the data flow that leads to what the reverse sweep needs.

Cutting at a value means storing it in each trip (bytes moved), not cutting means computing it again from what is upstream (work).  Cannot
be computed again: carried loop values, results of inner loops, and loads from memory that is written later.  (Enzyme cuts with unit
weights; here a weight is cost times trip count.)  Copies of whole arrays (see `snapshot`) are taken where they lower the cost.
"""

from __future__ import annotations

from collections.abc import Collection

from sciad.ir import PURE, Op, Region, Value, walk
from sciad.passes.clobber import Clobber
from sciad.passes.costs import COPY, ELEMENTARY, STORE, TRIPS, repeated, trips_in, work
from sciad.passes.mincut import INFINITE, MinCut
from sciad.passes.patches import Nests
from sciad.passes.snapshot import Version, copy_of, versions
from sciad.passes.structure import Structure
from sciad.types import F8, is_buffer

__all__ = ["Choice"]


class Choice:
    """Which values are stored (`stored`), and which are at hand in memory (`kept_in`: buffer and index of each).

    `trip` gives trip numbers in the mirror; `separate` says that the mirror is another function, which sees parameters only, but not
    those of `unseen`.
    """

    def __init__(
        self, body: Region, structure: Structure, nests: Nests, trip: dict[Region, Value], separate: bool, lengths: Collection[Value],
        unseen: Collection[Value] = (),
    ) -> None:  # fmt: skip
        self.body, self.structure, self.nests, self.trip, self.separate = body, structure, nests, trip, separate
        self.own, self.unseen = set(structure.home), unseen
        self.clobber = Clobber(body, structure, lengths)
        self.stored: set[Value] = set()
        self.kept_in = self._kept_in_memory()
        self.copied: dict[Value, Op] = {}  # copies of arrays and their allocations
        self.moved: dict[Region, list[tuple[int, int]]] = {}  # places of copies in the primal sweep, and how many operations they are

    def _kept_in_memory(self) -> dict[Value, tuple[Value, Value]]:
        """Costly values that the primal sweep stores anyway, in memory that nothing overwrites."""
        found: dict[Value, tuple[Value, Value]] = {}
        for op in walk(self.body):
            if op.name != "store" or op.args[2].op is None or work(op.args[2].op) < ELEMENTARY / 3:
                continue
            buffer, index, v = op.args
            region = self.structure.region_of[op]
            same_region = self.structure.region_of.get(v.op) is region and PURE(v.op)  # type: ignore[arg-type]
            exact = buffer.type[1:] == "float64" and v.type == F8
            reachable = self.available(buffer) or _is_local(buffer)
            if same_region and exact and reachable and region is not self.body and not self.clobber.after(op):
                found[v] = (buffer, index)
        return found

    # -- what is possible ------------------------------------------------------------------------------------------------------
    def available(self, v: Value) -> bool:
        """Whether a value is at hand in the mirror without storing or computing it."""
        if v in self.unseen:
            return False
        if v.constant is not None or v not in self.own:
            return True
        home = self.structure.home[v]
        return self.outermost(v, home) or (home in self.trip and v is home.params[0])

    def outermost(self, v: Value, home: Region) -> bool:
        """Whether a value of the outermost region is at hand in the mirror: all are, unless the mirror is another function."""
        return home is self.body and (not self.separate or v.op is None)

    def again(self, v: Value) -> bool:
        """Whether a value can be computed again in the mirror."""
        op = v.op
        if op is None:
            return False
        if v in self.kept_in:
            return True
        if op.name == "load":
            return not self.clobber.after(op) and (self.available(op.args[0]) or _is_local(op.args[0]))
        if op.name == "alloc":
            return _is_local(v)
        return PURE(op)

    def _index_at_hand(self, v: Value) -> bool:
        """Whether the mirror can compute an index without anything stored."""
        if self.available(v):
            return True
        return v.op is not None and PURE(v.op) and all(self._index_at_hand(a) for a in v.op.args)

    # -- the decision ----------------------------------------------------------------------------------------------------------
    def decide(self, needed: list[Value]) -> None:
        """Choose what is stored so that the mirror gets `needed`; copies of arrays go into the primal sweep at once."""
        cost, seen, _ = self._cut(needed)
        loads = [v for v in seen if v.op is not None and v.op.name == "load" and not self.again(v) and self._index_at_hand(v.op.args[1])]
        candidates = [v for v in versions(loads, self.structure, self._size_at_top, TRIPS) if self._may_copy(v)]
        for version in sorted(candidates, key=lambda v: -len(v.loads)):
            copies, buffer = copy_of(version)
            self.kept_in.update({v: (buffer, v.op.args[1]) for v in version.loads})  # type: ignore[union-attr]
            self.copied[buffer] = copies[0]
            with_copy, _, computed = self._cut(needed)
            price = COPY * version.elements * trips_in(self.structure, version.region)
            if with_copy + price < cost and computed & set(version.loads):
                cost = with_copy + price
                self._insert_copy(version, copies)
            else:
                del self.copied[buffer]
                for v in version.loads:
                    del self.kept_in[v]
        if candidates:
            self._cut(needed)

    def _insert_copy(self, version: Version, copies: list[Op]) -> None:
        """Put a copy where the contents are complete; earlier insertions in the same region have moved the place."""
        region, s = version.region, self.structure
        position = self.moved.setdefault(region, [])
        place = version.position + sum(n for at, n in position if at <= version.position)
        position.append((version.position, len(copies)))
        region.ops[place:place] = copies
        s.add(copies, region)
        self.own.add(copies[0].result)

    def _may_copy(self, version: Version) -> bool:
        if version.buffer.type != "*float64":
            return False
        return version.region is self.body or self.nests.static(version.region) is not None

    def _size_at_top(self, buffer: Value) -> Value | None:
        """The length of a buffer, where it is known in the outermost region."""
        op = buffer.op
        size = op.args[0] if op is not None and op.name == "alloc" else op.args[2] if op is not None and op.name == "subbuffer" else None
        return size if size is not None and self.nests.top(size) else None

    def _cut(self, needed: list[Value]) -> tuple[float, set[Value], set[Value]]:
        """The cheapest cut; gives its cost, all values that were looked at, and those that are computed again."""
        cut = MinCut()
        seen: set[Value] = set()
        queue = [v for v in needed if not self.available(v)]
        for v in queue:
            cut.connect(("out", v), "sink", INFINITE)
        while queue:
            v = queue.pop()
            if v in seen:
                continue
            seen.add(v)
            trips = trips_in(self.structure, self.structure.home[v])
            store = INFINITE / 1e6 if is_buffer(v.type) else STORE[v.type] * trips
            cut.connect(("in", v), ("out", v), store)
            if not self.again(v):
                cut.connect("source", ("in", v), INFINITE)
                continue
            assert v.op is not None
            kept = self.kept_in.get(v)
            cut.connect("source", ("in", v), (repeated(kept[1]) if kept else work(v.op)) * trips)
            for a in kept or v.op.args:
                if not self.available(a) and a not in self.copied:
                    cut.connect(("out", a), ("in", v), INFINITE)
                    queue.append(a)
        self.stored = set()
        if not seen:
            return 0.0, seen, seen
        side = cut.source_side("source", "sink")
        self.stored = {v for v in seen if ("in", v) in side and ("out", v) not in side}
        return cut.flow, seen, {v for v in seen if ("out", v) not in side and v not in self.stored}


def _is_local(buffer: Value) -> bool:
    """Local memory that the mirror can reach: one part of a larger buffer for each trip, or references kept on a list."""
    return buffer.op is not None and buffer.op.name in ("alloc", "subbuffer")
