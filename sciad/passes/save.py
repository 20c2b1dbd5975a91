"""What the reverse sweep needs of the primal one: stored or computed again, whichever costs less.

The mirror (see `reverse`) refers to primal values.  Those of the outermost region are simply still there.  For the others a minimum cut
through the data flow decides: cutting at a value means storing it in each trip (bytes moved), not cutting means computing it again from
what is upstream (work).  Cannot be computed again: carried loop values, results of inner loops, and loads from memory that is written
later.  (Enzyme cuts with unit weights; here a weight is cost times trip count.)

A stored value goes to a row of a tape: one array for a loop nest with trip counts known at the start, else a tape that grows.
"""

from __future__ import annotations

from collections.abc import Collection

from sciad.ir import PURE, Op, Region, Value, walk
from sciad.passes.later import Later
from sciad.passes.mincut import INFINITE, MinCut
from sciad.passes.snapshot import Version, copy_of, versions
from sciad.passes.structure import Structure, writes
from sciad.types import B1, F4, F8, I8, is_buffer

__all__ = ["Saver", "NotStatic", "Clobber"]

TRIPS = 30.0  # assumed where a trip count is not a constant
COPY = 3.0  # of an element of an array, beside STORE of one value
STORE = {F8: 8.0, F4: 6.0, I8: 8.0, B1: 4.0}
WORK = {"divide": 8.0, "sqrt": 8.0, "floor_divide": 8.0, "remainder": 10.0, "load": 2.0, "select": 1.0, "cast": 1.0}
CHEAP = {"add", "subtract", "multiply", "negative", "absolute", "fast_add", "const", "subbuffer"} | {
    "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "logical_and", "logical_or", "logical_not",
    "minimum", "maximum", "bitwise_and", "bitwise_or", "bitwise_xor",
}  # fmt: skip
ELEMENTARY = 20.0


class NotStatic(Exception):
    """The size of a tape is not a constant, so that the two sweeps cannot be separate functions."""


class Saver:
    """Resolves the references of a mirror to primal values.

    With `tape`, a buffer of constant size, the two sweeps become separate functions: everything that the mirror needs, except parameters,
    goes through it, local memory included; `tape_size` is the number of its entries after `run`.  Raises NotStatic where that cannot be.
    """

    def __init__(
        self,
        body: Region,
        structure: Structure,
        mirror: dict[Region, Region],
        trip: dict[Region, Value],
        tape: Value | None = None,
        lengths: Collection[Value] = (),
    ) -> None:
        self.tape, self.tape_size = tape, 0
        self.body, self.structure, self.mirror, self.trip = body, structure, mirror, trip
        self.resolved: dict[Value, Value] = {}
        self.prologue: dict[Region, list[Op]] = {r: [] for r in mirror}
        self.cached: set[Value] = set()
        self.slots: dict[tuple[Op | None, str], list[tuple[Value, Op]]] = {}  # (loop, dtype) -> stored values and their loads
        self.own = set(structure.home)
        self.clobber = Clobber(body, structure, lengths)
        self.kept_in = self._kept_in_memory()
        self.copied: dict[Value, Op] = {}  # copies of arrays and their allocations
        self.moved: dict[Region, list[tuple[int, int]]] = {}  # places of copies in the primal sweep, and how many operations they are
        self.top_prefix: list[Op] = []  # tapes, made before everything
        self.before: dict[Op, list[Op]] = {}  # operations to put before an operation of the primal sweep
        self.after_value: dict[Region, list[tuple[Value, Op]]] = {}
        self.before_mirror: dict[Region, list[Op]] = {}  # mirror of a loop body -> operations to put before that loop

    def run(self, reverse_ops: list[Op], extra: dict[Region, list[Op]]) -> None:
        """Rewrite the mirror so that it refers to what is available; `extra` are operations for the start of mirrors (shadow buffers)."""
        needed = self._references(reverse_ops, extra)
        self._choose_copies(needed)
        for region, ops in extra.items():
            self._rewrite(ops)
            self.prologue[region] = self.prologue.get(region, [])
            self.prologue[region].extend(ops)
        self._rewrite(reverse_ops)
        self._place_slots()
        self._insert()
        _last_in_first_out(reverse_ops)

    def _kept_in_memory(self) -> dict[Value, tuple[Value, Value]]:
        """Costly values that the primal sweep stores anyway, in memory that nothing overwrites: (buffer, index) of each."""
        found: dict[Value, tuple[Value, Value]] = {}
        for op in walk(self.body):
            if op.name != "store" or op.args[2].op is None or self._work(op.args[2].op) < ELEMENTARY / 3:
                continue
            buffer, index, v = op.args
            region = self.structure.region_of[op]
            same_region = self.structure.region_of.get(v.op) is region and PURE(v.op)  # type: ignore[arg-type]
            exact = buffer.type[1:] == "float64" and v.type == F8
            reachable = self.available(buffer) or self._reachable_buffer(buffer)
            if same_region and exact and reachable and region is not self.body and not self.clobber.after(op):
                found[v] = (buffer, index)
        return found

    # -- which values are referred to ------------------------------------------------------------------------------------------
    def _references(self, reverse_ops: list[Op], extra: dict[Region, list[Op]]) -> list[Value]:
        found: dict[Value, None] = {}

        def visit(ops: list[Op]) -> None:
            for op in ops:
                found.update(dict.fromkeys(a for a in op.args if a in self.own))
                for inner in op.regions:
                    found.update(dict.fromkeys(r for r in inner.results if r in self.own))
                    visit(inner.ops)

        visit(reverse_ops)
        for ops in extra.values():
            visit(ops)
        return list(found)

    def available(self, v: Value) -> bool:
        """Whether a value is at hand in the mirror without storing or computing it."""
        if v.constant is not None or v not in self.own:
            return True
        home = self.structure.home[v]
        return self._outermost(v, home) or (home in self.trip and v is home.params[0])

    def _outermost(self, v: Value, home: Region) -> bool:
        """Whether a value of the outermost region is at hand in the mirror: all are, unless the mirror is another function."""
        return home is self.body and (self.tape is None or v.op is None)

    def again(self, v: Value) -> bool:
        """Whether a value can be computed again in the mirror."""
        op = v.op
        if op is None:
            return False
        if v in self.kept_in:
            return True
        if op.name == "load":
            return not self.clobber.after(op) and (self.available(op.args[0]) or self._reachable_buffer(op.args[0]))
        if op.name == "alloc":
            return self._reachable_buffer(v)
        return PURE(op)

    def _reachable_buffer(self, buffer: Value) -> bool:
        """Local memory that the mirror can reach: one region of a larger buffer for each trip, or references kept on a list."""
        return buffer.op is not None and buffer.op.name in ("alloc", "subbuffer")

    # -- the decision ----------------------------------------------------------------------------------------------------------
    def _choose_copies(self, needed: list[Value]) -> None:
        """Decide, with copies of arrays (see `snapshot`) where they lower the cost."""
        cost, seen, _ = self._decide(needed)
        loads = [v for v in seen if v.op is not None and v.op.name == "load" and not self.again(v) and self._index_at_hand(v.op.args[1])]
        candidates = [v for v in versions(loads, self.structure, self._size_at_top, TRIPS) if self._may_copy(v)]
        chosen: list[Version] = []
        for version in sorted(candidates, key=lambda v: -len(v.loads)):
            copies, buffer = copy_of(version)
            self.kept_in.update({v: (buffer, v.op.args[1]) for v in version.loads})  # type: ignore[union-attr]
            self.copied[buffer] = copies[0]
            with_copy, _, computed = self._decide(needed)
            trips = self._trips_in(version.region)
            if with_copy + COPY * version.elements * trips < cost and computed & set(version.loads):
                cost = with_copy + COPY * version.elements * trips
                self._insert_copy(version, copies)
                chosen.append(version)
            else:
                del self.copied[buffer]
                for v in version.loads:
                    del self.kept_in[v]
        if candidates:
            self._decide(needed)

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
        return version.region is self.body or self._static_nest(version.region) is not None

    def _size_at_top(self, buffer: Value) -> Value | None:
        """The length of a buffer, where it is known in the outermost region."""
        op = buffer.op
        size = op.args[0] if op is not None and op.name == "alloc" else op.args[2] if op is not None and op.name == "subbuffer" else None
        return size if size is not None and self._top(size) else None

    def _index_at_hand(self, v: Value) -> bool:
        """Whether the mirror can compute an index without anything stored."""
        if self.available(v):
            return True
        return v.op is not None and PURE(v.op) and all(self._index_at_hand(a) for a in v.op.args)

    def _decide(self, needed: list[Value]) -> tuple[float, set[Value], set[Value]]:
        """Choose what is stored; gives the cost, all values that were looked at, and those that are computed again."""
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
            trips = self._trips(v)
            store = INFINITE / 1e6 if is_buffer(v.type) else STORE[v.type] * trips
            cut.connect(("in", v), ("out", v), store)
            if not self.again(v):
                cut.connect("source", ("in", v), INFINITE)
                continue
            assert v.op is not None
            kept = self.kept_in.get(v)
            cut.connect("source", ("in", v), (self._repeated(kept[1]) if kept else self._work(v.op)) * trips)
            for a in kept or v.op.args:
                if not self.available(a) and a not in self.copied:
                    cut.connect(("out", a), ("in", v), INFINITE)
                    queue.append(a)
        self.cached = set()
        if not seen:
            return 0.0, seen, seen
        side = cut.source_side("source", "sink")
        self.cached = {v for v in seen if ("in", v) in side and ("out", v) not in side}
        return cut.flow, seen, {v for v in seen if ("out", v) not in side and v not in self.cached}

    def _repeated(self, index: Value) -> float:
        """The cost of a load at an index."""
        return WORK["load"] * (4 if _scattered(index) else 1)

    def _work(self, op: Op) -> float:
        if op.name == "load":
            return self._repeated(op.args[1])
        if op.name in CHEAP or (op.name == "select" and op.result.type == I8):
            return 0.3 if op.result.type in (I8, B1) else 1.0  # indices cost next to nothing beside memory traffic
        return WORK.get(op.name, ELEMENTARY)

    def _trips(self, v: Value) -> float:
        return self._trips_in(self.structure.home[v])

    def _trips_in(self, region: Region) -> float:
        count = 1.0
        for loop in self.structure.loops(region):
            n = loop.args[0].constant if loop.name == "for" else None
            count *= TRIPS if n is None else max(float(n), 1.0)
        return count

    # -- bringing values to the mirror -----------------------------------------------------------------------------------------
    def value(self, v: Value) -> Value:
        """What stands for a primal value in the mirror."""
        if v not in self.own:
            return v
        found = self.resolved.get(v)
        if found is None:
            found = self.resolved[v] = self._bring(v)
        return found

    def _bring(self, v: Value) -> Value:
        home = self.structure.home[v]
        if v.constant is not None or self._outermost(v, home):
            return v if self._outermost(v, home) else self._again_constant(v)
        if home in self.trip and v is home.params[0]:
            return self.trip[home]
        if v in self.cached or not self.again(v):
            return self._stored(v, home)
        op = v.op
        assert op is not None
        if op.name == "alloc":
            return self._expanded(v, home)
        if v in self.kept_in:
            made = Op("load", [self.value(a) for a in self.kept_in[v]], [v.type], (), {}, op.line)
            made.result.hint = v.hint
            self._mirror_prologue(home).append(made)
            return made.result
        args = [self.value(a) for a in op.args]
        made = Op(op.name, args, [v.type], (), dict(op.attributes), op.line)
        made.result.hint = v.hint
        self._mirror_prologue(home).append(made)
        return made.result

    def _again_constant(self, v: Value) -> Value:
        op = Op("const", [], [v.type], (), {"value": v.constant})
        self.prologue[self.body].append(op)
        return op.result

    def _mirror_prologue(self, home: Region) -> list[Op]:
        if home not in self.prologue:
            raise AssertionError("a value is needed in a region that has no mirror")
        return self.prologue[home]

    def _stored(self, v: Value, home: Region) -> Value:
        owner = self.structure.owner[home]
        if is_buffer(v.type):
            return self._kept_reference(v, home)
        if owner is not None and owner.name == "if":
            return self.value(self._export(v, owner, home))
        dtype = {F8: "float64", F4: "float32", I8: "int64", B1: "bool"}[v.type]
        load = Op("load", [], [v.type], (), {}, owner.line if owner is not None else 0)
        load.result.hint = v.hint
        self._mirror_prologue(home).append(load)
        self.slots.setdefault((owner, dtype), []).append((v, load))
        return load.result

    def _export(self, v: Value, owner: Op, home: Region) -> Value:
        """A value of one branch as a result of the `if`, zero on the other branch."""
        result = Value(v.type, owner, v.hint)
        owner.results.append(result)
        for region in owner.regions:
            if region is home:
                region.results.append(v)
            else:
                zero = Op("const", [], [v.type], (), {"value": False if v.type == B1 else 0 if v.type == I8 else 0.0})
                region.ops.append(zero)
                region.results.append(zero.result)
        self.structure.home[result] = self.structure.region_of[owner]
        self.own.add(result)
        return result

    def _kept_reference(self, v: Value, home: Region) -> Value:
        """References to memory made anew in each trip are kept on a list, last in first out."""
        if self.tape is not None:
            raise NotStatic
        tape = Op("tape_new", [], ["tape:" + v.type], (), {"dtype": v.type})
        self.top_prefix.append(tape)
        push = Op("tape_push", [tape.result, v], [])
        self.after_value.setdefault(home, []).append((v, push))
        pop = Op("tape_pop", [tape.result], [v.type])
        self._mirror_prologue(home).append(pop)
        return pop.result

    def _expanded(self, v: Value, home: Region) -> Value:
        """Memory made in each trip of a counted nest becomes one region a trip of a buffer made before the nest."""
        op = v.op
        assert op is not None
        nest = self._static_nest(home)
        if nest is None or not self._top(op.args[0]):
            return self._kept_reference(v, home)
        if self.tape is not None:
            return self._expanded_on_tape(v, home, nest)
        size = op.args[0]
        prefix = self._before_top(op)
        total = self._emit(prefix, "multiply", [self._product(prefix, [loop.args[0] for loop in nest]), size])
        big = Op("alloc", [total], [v.type], (), dict(op.attributes), op.line)
        big.result.hint = v.hint
        prefix.append(big)
        forward: list[Op] = []
        position = self._linear(forward, nest, [loop.regions[0].params[0] for loop in nest])
        offset = self._emit(forward, "multiply", [position, size])
        self.before.setdefault(op, []).extend(forward)
        op.name, op.args, op.attributes = "subbuffer", [big.result, offset, size], {}
        mirror = self._mirror_prologue(home)
        position = self._linear(mirror, nest, [self.trip[loop.regions[0]] for loop in nest])
        made = Op("subbuffer", [big.result, self._emit(mirror, "multiply", [position, size]), size], [v.type])
        made.result.hint = v.hint
        mirror.append(made)
        return made.result

    def _expanded_on_tape(self, v: Value, home: Region, nest: list[Op]) -> Value:
        """Local memory placed in the given tape, so that the other function sees it."""
        if v.type != "*float64":  # the tape holds doubles
            raise NotStatic
        op = v.op
        assert op is not None
        assert op.args[0].constant is not None
        size, zero, line = int(op.args[0].constant), op.attributes["zero"], op.line
        start = self._claim(size * _constant_trips(nest))
        forward = self.before.setdefault(op, [])
        trips = [loop.regions[0].params[0] for loop in nest]
        op.name, op.attributes = "subbuffer", {}
        op.args = self._on_tape(forward, nest, trips, start, size)
        if zero:
            self.after_value.setdefault(home, []).extend((v, o) for o in _zeroing(v, size, line))
        mirror = self._mirror_prologue(home)
        back = self._on_tape(mirror, nest, [self.trip[loop.regions[0]] for loop in nest], start, size)
        made = Op("subbuffer", back, [v.type])
        made.result.hint = v.hint
        mirror.append(made)
        return made.result

    def _on_tape(self, where: list[Op], nest: list[Op], trips: list[Value], start: int, size: int) -> list[Value]:
        """Arguments of a subbuffer of the tape: the block of one trip."""
        assert self.tape is not None
        length = self._const(where, size)
        offset = self._emit(where, "multiply", [self._linear(where, nest, trips), length])
        return [self.tape, self._emit(where, "add", [offset, self._const(where, start)]), length]

    def _claim(self, entries: int) -> int:
        """Reserve entries of the tape."""
        start, self.tape_size = self.tape_size, self.tape_size + entries
        return start

    # -- rewriting -------------------------------------------------------------------------------------------------------------
    def _rewrite(self, ops: list[Op]) -> None:
        for op in ops:
            op.args = [self.value(a) for a in op.args]
            for inner in op.regions:
                self._rewrite(inner.ops)
                inner.results = [self.value(r) for r in inner.results]

    # -- tapes -----------------------------------------------------------------------------------------------------------------
    def _top(self, v: Value) -> bool:
        """Whether a value is known in the outermost region (a constant, where a tape of constant size is laid out)."""
        if self.tape is not None:
            return v.constant is not None
        return v.constant is not None or self.structure.home.get(v) is self.body

    def _static_nest(self, home: Region) -> list[Op] | None:
        """The loops around a region, outermost first, where all are counted and their trips known in the outermost region."""
        loops = self.structure.loops(home)[::-1]
        if all(loop.name == "for" and self._top(loop.args[0]) for loop in loops):
            return loops
        return None

    def _before_top(self, op: Op) -> list[Op]:
        """Where a buffer for a nest is made: before the operation of the outermost region that holds `op`."""
        while self.structure.region_of[op] is not self.body:
            owner = self.structure.owner[self.structure.region_of[op]]
            assert owner is not None
            op = owner
        return self.before.setdefault(op, [])

    def _emit(self, where: list[Op], name: str, args: list[Value]) -> Value:
        constants = [a.constant for a in args]
        if name == "multiply" and 1 in constants:
            return args[1] if constants[0] == 1 else args[0]
        if name == "add" and 0 in constants:
            return args[1] if constants[0] == 0 else args[0]
        op = Op(name, args, [I8])
        where.append(op)
        return op.result

    def _const(self, where: list[Op], value: int) -> Value:
        op = Op("const", [], [I8], (), {"value": value})
        where.append(op)
        return op.result

    def _product(self, where: list[Op], factors: list[Value]) -> Value:
        total = factors[0] if factors else self._const(where, 1)
        for f in factors[1:]:
            total = self._emit(where, "multiply", [total, f])
        return total

    def _linear(self, where: list[Op], nest: list[Op], trips: list[Value]) -> Value:
        """The number of a trip among all trips of a nest."""
        position = trips[0] if trips else self._const(where, 0)
        for loop, k in zip(nest[1:], trips[1:]):
            position = self._emit(where, "add", [self._emit(where, "multiply", [position, loop.args[0]]), k])
        return position

    def _place_slots(self) -> None:
        seen = 0
        while seen != len(self.slots):  # the trip counts of counted loops on growing tapes are needed too, and may need slots themselves
            seen = len(self.slots)
            for loop, _ in list(self.slots):
                if loop is not None and loop.name == "for" and self._static_nest(loop.regions[0]) is None:
                    self.value(loop.args[0])
        for loop, dtype in self.slots:
            self._place(loop, dtype)

    def _place(self, loop: Op | None, dtype: str) -> None:
        stored = self.slots[(loop, dtype)]
        if self.tape is not None:
            self._place_on_tape(loop, stored)
            return
        assert loop is not None
        nest = self._static_nest(loop.regions[0])
        if nest is not None:
            self._place_static(nest, loop, dtype, stored)
        elif loop.name == "for":
            self._place_counted(loop, dtype, stored)
        else:
            self._place_while(loop, dtype, stored)

    def _place_static(self, nest: list[Op], loop: Op, dtype: str, stored: list) -> None:
        """One array: slot j of trip k is at ``j * trips + k``."""
        prefix = self._before_top(nest[0])
        total = self._product(prefix, [o.args[0] for o in nest])
        size = self._emit(prefix, "multiply", [total, self._const(prefix, len(stored))])
        tape = Op("alloc", [size], ["*" + dtype], (), {"dtype": dtype, "zero": False})
        tape.result.hint = "tape"
        prefix.append(tape)
        body = loop.regions[0]
        for j, (v, load) in enumerate(stored):
            puts: list[Op] = []
            where = self._linear(puts, nest, [o.regions[0].params[0] for o in nest])
            puts.append(Op("store", [tape.result, self._slot(puts, where, total, j), v], []))
            self.after_value.setdefault(body, []).extend((v, op) for op in puts)
            gets: list[Op] = []
            where = self._linear(gets, nest, [self.trip[o.regions[0]] for o in nest])
            load.args = [tape.result, self._slot(gets, where, total, j)]
            _insert_before(self._mirror_prologue(body), load, gets)

    def _place_on_tape(self, loop: Op | None, stored: list) -> None:
        """Slot j of trip k at ``start + j * trips + k`` of the given tape; ints and bools travel as floats."""
        region = self.body if loop is None else loop.regions[0]
        nest = self._static_nest(region)
        if nest is None:
            raise NotStatic
        trips = _constant_trips(nest)
        start = self._claim(trips * len(stored))
        for j, (v, load) in enumerate(stored):
            puts: list[Op] = []
            where = self._linear(puts, nest, [o.regions[0].params[0] for o in nest])
            place = self._emit(puts, "add", [where, self._const(puts, start + j * trips)])
            as_float = v
            if v.type != F8:
                cast = Op("cast", [v], [F8])
                puts.append(cast)
                as_float = cast.result
            puts.append(Op("store", [self.tape, place, as_float], []))  # type: ignore[list-item]
            self.after_value.setdefault(region, []).extend((v, op) for op in puts)
            gets: list[Op] = []
            where = self._linear(gets, nest, [self.trip[o.regions[0]] for o in nest])
            place = self._emit(gets, "add", [where, self._const(gets, start + j * trips)])
            load.args = [self.tape, place]
            if v.type != F8:  # the load's result keeps its type and its users; the float comes from another load
                raw = Op("load", load.args, [F8])
                gets.append(raw)
                load.name, load.args = "cast", [raw.result]
            _insert_before(self._mirror_prologue(region), load, gets)

    def _slot(self, where: list[Op], position: Value, total: Value, j: int) -> Value:
        if j == 0:
            return position
        return self._emit(where, "add", [position, self._emit(where, "multiply", [total, self._const(where, j)])])

    def _place_counted(self, loop: Op, dtype: str, stored: list) -> None:
        """A growing tape; a block for each execution of a counted loop, slot j of trip k at ``base + j * n + k``."""
        tape = self._growing(dtype)
        body, n = loop.regions[0], loop.args[0]
        prefix = self.before.setdefault(loop, [])
        count = self._emit(prefix, "multiply", [n, self._const(prefix, len(stored))])
        reserve = Op("tape_reserve", [tape, count], [I8])
        prefix.append(reserve)
        back = self._mirror_before(loop)
        n_back = self.value(n)
        count = self._emit(back, "multiply", [n_back, self._const(back, len(stored))])
        release = Op("tape_release", [tape, count], [I8])
        back.append(release)
        for j, (v, load) in enumerate(stored):
            puts: list[Op] = []
            where = self._emit(puts, "add", [reserve.result, body.params[0]])
            puts.append(Op("tape_put", [tape, self._slot(puts, where, n, j), v], []))
            self.after_value.setdefault(body, []).extend((v, op) for op in puts)
            gets: list[Op] = []
            where = self._emit(gets, "add", [release.result, self.trip[body]])
            load.name, load.args = "tape_get", [tape, self._slot(gets, where, n_back, j)]
            _insert_before(self._mirror_prologue(body), load, gets)

    def _place_while(self, loop: Op, dtype: str, stored: list) -> None:
        """A growing tape with a row for each trip."""
        tape = self._growing(dtype)
        body = loop.regions[0]
        head: list[Op] = []
        reserve = Op("tape_reserve", [tape, self._const(head, len(stored))], [I8])
        head.append(reserve)
        self.after_value.setdefault(body, [])[:0] = [(body.params[0], op) for op in head]
        mirror = self._mirror_prologue(body)
        back: list[Op] = []
        release = Op("tape_release", [tape, self._const(back, len(stored))], [I8])
        back.append(release)
        mirror[:0] = back
        for j, (v, load) in enumerate(stored):
            puts: list[Op] = []
            where = self._emit(puts, "add", [reserve.result, self._const(puts, j)])
            puts.append(Op("tape_put", [tape, where, v], []))
            self.after_value[body].extend((v, op) for op in puts)
            gets: list[Op] = []
            where = self._emit(gets, "add", [release.result, self._const(gets, j)])
            load.name, load.args = "tape_get", [tape, where]
            _insert_before(mirror, load, gets)

    def _growing(self, dtype: str) -> Value:
        op = Op("tape_new", [], ["tape:" + dtype], (), {"dtype": dtype})
        self.top_prefix.append(op)
        return op.result

    def _mirror_before(self, loop: Op) -> list[Op]:
        """Operations to put right before the mirror of a loop."""
        mirrored = self.mirror[loop.regions[0]]
        return self.before_mirror.setdefault(mirrored, [])

    # -- putting it all in place -----------------------------------------------------------------------------------------------
    def _insert(self) -> None:
        for region in [self.body, *[r for op in walk(self.body) for r in op.regions]]:
            self._insert_primal(region)
        for region, ops in self.prologue.items():
            self.mirror[region].ops[:0] = ops
        if self.before_mirror:
            for mirror in list(self.mirror.values()):
                made: list[Op] = []
                for op in mirror.ops:
                    for inner in op.regions:
                        made.extend(self.before_mirror.get(inner, []))
                    made.append(op)
                mirror.ops = made

    def _insert_primal(self, region: Region) -> None:
        pending = self.after_value.get(region, [])
        by_value: dict[Value, list[Op]] = {}
        for v, op in pending:
            by_value.setdefault(v, []).append(op)
        ops: list[Op] = []
        for p in region.params:
            ops.extend(by_value.pop(p, []))
        for op in region.ops:
            ops.extend(self.before.get(op, []))
            ops.append(op)
            for r in op.results:
                ops.extend(by_value.pop(r, []))
        region.ops = ops
        assert not by_value, "a stored value is not defined where it is to be stored"


def _last_in_first_out(ops: list[Op]) -> bool:
    """Turn loops of the mirror that take from growing tapes or lists downwards, whatever else allows; True where something takes."""
    takes = False
    for op in ops:
        inside = [_last_in_first_out(inner.ops) for inner in op.regions]
        if op.name == "for" and any(inside):
            op.attributes.update(down=True, parallel=False)
        takes = takes or any(inside) or op.name in ("tape_release", "tape_pop")
    return takes


def _scattered(index: Value) -> bool:
    """Whether neighbouring trips may read far from each other: an index that is chosen or loaded."""
    op = index.op
    if op is None or not PURE(op):
        return op is not None
    return op.name in ("select", "remainder") or any(_scattered(a) for a in op.args)


def _insert_before(ops: list[Op], op: Op, new: list[Op]) -> None:
    position = next(k for k, o in enumerate(ops) if o is op)
    ops[position:position] = new


def _constant_trips(nest: list[Op]) -> int:
    count = 1
    for loop in nest:
        count *= int(loop.args[0].constant)  # type: ignore[arg-type]
    return count


def _zeroing(buffer: Value, size: int, line: int) -> list[Op]:
    """Operations that fill a buffer with zeros."""
    n = Op("const", [], [I8], (), {"value": size})
    zero = Op("const", [], [F8], (), {"value": 0.0})
    k = Value(I8, None, "k")
    region = Region([k])
    region.ops = [Op("store", [buffer, k, zero.result], [])]
    return [n, zero, Op("for", [n.result], [], [region], {"parallel": True}, line)]


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
