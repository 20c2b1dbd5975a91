"""Reverse mode: from a region to the operations that pull cotangents back through it.

Each primal region gets a mirror: operations in reverse order, a `for` becomes a `for` over the same trips (downwards unless its trips are
independent), a `while` becomes a `for` over the trips that were taken, an `if` an `if` on the same condition.  Scalars are in SSA form, so
the adjoint of a value lives in the mirror of its region; memory has shadow buffers, and the adjoint of a store reads and zeroes the shadow,
then accumulates (zero first: right even where the stored value was loaded from the same place).

The mirror refers to primal values as if all were still there; `save` then decides which are stored and which computed again.
"""

from __future__ import annotations

from collections.abc import Iterable

from sciad.ir import PURE, Builder, Op, Region, Value, walk
from sciad.passes.activity import Activity, rule_of
from sciad.passes.checkpoint import stretch_mirror
from sciad.passes.library import LibraryOp
from sciad.passes.structure import Structure, carried
from sciad.passes.symbol import partials
from sciad.rules.library import CALLS
from sciad.types import F8, I8, is_buffer, is_float

__all__ = ["Reverse"]


class Reverse:
    """The mirror of a region.

    `shadows` maps buffers of the outside world to their given shadow buffers; after `run`, `adjoints` holds the cotangents of scalar
    parameters, `mirror` the regions, and `prologue` what must stand at the start of each mirror (shadow buffers of local memory).
    """

    def __init__(self, body: Region, b: Builder, activity: Activity, structure: Structure, shadows: dict[Value, Value]) -> None:
        self.body, self.b, self.activity, self.structure = body, b, activity, structure
        self.shadows = dict(shadows)
        self.adjoints: dict[Value, Value] = {}
        self.mirror: dict[Region, Region] = {}
        self.trip: dict[Region, Value] = {}  # primal loop body -> trip number in its mirror
        self.prologue: dict[Region, list[Op]] = {}

    def run(self, seeds: Iterable[tuple[Value, Value]]) -> None:
        """Append the mirror of the body to the builder's region, with the given cotangents of scalar results."""
        self.mirror[self.body] = self.b.region
        for value, seed in seeds:
            self.add(value, seed)
        self._region(self.body)

    # -- adjoints of scalars ---------------------------------------------------------------------------------------------------
    def add(self, v: Value, contribution: Value) -> None:
        """Accumulate into the adjoint of a scalar."""
        if not self.activity.active(v):
            return
        before = self.adjoints.get(v)
        if before is None:
            self.adjoints[v] = contribution
        else:
            self.adjoints[v] = self.b.pure("fast_add" if v.type == F8 else "add", [before, contribution], v.type)

    def take(self, v: Value) -> Value | None:
        """The adjoint of a scalar, which is then used up."""
        return self.adjoints.pop(v, None)

    def _scaled(self, g: Value, partial: Value | float, strong: bool) -> Value:
        """``g * partial``; where `strong`, a zero cotangent gives zero whatever the partial is."""
        b = self.b
        if not isinstance(partial, Value):
            if partial == 1.0:
                return g
            partial = b.const(partial, g.type)
        return b.zero_wins(g, partial) if strong else b.pure("multiply", [g, partial], g.type)

    # -- memory ----------------------------------------------------------------------------------------------------------------
    def shadow(self, buffer: Value) -> Value:
        """The buffer that holds the cotangents of a buffer."""
        found = self.shadows.get(buffer)
        if found is not None:
            return found
        op = buffer.op
        if op is not None and op.name == "alloc":
            made = Op("alloc", [op.args[0]], [buffer.type], (), {"dtype": op.attributes["dtype"], "zero": True}, op.line)
            home = self.structure.region_of[op]
        else:  # a parameter that is not differentiated itself, but may be the same memory as one that is
            made = Op("alloc", [self._size(buffer)], [buffer.type], (), {"dtype": buffer.type[1:], "zero": True})
            home = self.body
        made.result.hint = f"{buffer.hint or 'v'}_bar"
        self.prologue.setdefault(home, []).append(made)
        self.shadows[buffer] = made.result
        return made.result

    def _size(self, buffer: Value) -> Value:
        op = Op("size", [buffer], [I8])
        self.prologue.setdefault(self.body, []).append(op)
        return op.result

    # -- regions ---------------------------------------------------------------------------------------------------------------
    def _region(self, region: Region) -> None:
        for op in reversed(region.ops):
            self.b.line = op.line
            handler = getattr(self, "_op_" + op.name, None)
            if handler is not None:
                handler(op)
            elif PURE(op):
                self._op_pure(op)

    def _op_pure(self, op: Op) -> None:
        g = self.take(op.result)
        if g is None or op.name == "const":
            return
        b = self.b
        if op.name == "select":
            cond, x, y = op.args
            zero = b.const(0, g.type)
            self.add(x, b.select(cond, g, zero))
            self.add(y, b.select(cond, zero, g))
        elif op.name == "cast":
            if is_float(op.args[0].type):
                self.add(op.args[0], b.cast(g, op.args[0].type))
        elif op.name == "fast_add":
            self.add(op.args[0], g)
            self.add(op.args[1], g)
        elif op.name == "zero_wins":
            for a, other in zip(op.args, op.args[::-1]):
                if self.activity.active(a):
                    self.add(a, b.zero_wins(g, other))
        else:
            self._by_rule(op, g)

    def _by_rule(self, op: Op, g: Value) -> None:
        rule = rule_of(op)
        wanted = [k for k, a in enumerate(op.args) if self.activity.active(a)]
        if rule.kind == "nondiff" or not wanted:
            return
        if op.name == "divide" and len(wanted) == 2:
            self._quotient(op, g)
            return
        for k, partial in zip(wanted, partials(self.b, rule, op.result, op.args, wanted)):
            self.add(op.args[k], self._scaled(g, partial, rule.singular))

    def _quotient(self, op: Op, g: Value) -> None:
        """``y = a / b`` with one division: a gains ``t = g / b``, b gains ``-t y``."""
        a, divisor = op.args
        inverse = self.b.pure("divide", [self.b.const(1, g.type), divisor], g.type)
        share = self._scaled(g, inverse, True)
        self.add(a, share)
        self.add(divisor, self._scaled(self.b.pure("negative", [share], g.type), op.result, True))

    def _op_load(self, op: Op) -> None:
        g = self.take(op.result)
        buffer, index = op.args
        if g is None or not self.activity.active(buffer):
            return
        shadow = self.shadow(buffer)
        old = self.b.load(shadow, index, g.type)
        self.b.store(shadow, index, self.b.pure("fast_add" if g.type == F8 else "add", [old, g], g.type))

    def _op_store(self, op: Op) -> None:
        buffer, index, value = op.args
        if not self.activity.active(buffer):
            return
        shadow = self.shadow(buffer)
        if self.activity.active(value):
            self.add(value, self.b.load(shadow, index, value.type))
        self.b.store(shadow, index, self.b.const(0, value.type))

    def _op_gemm(self, op: Op) -> None:
        """``C = A B``: the adjoint of A gains ``C_bar B^T``, that of B gains ``A^T C_bar``; transposition swaps strides."""
        a, oa, ra, ca, c2, ob, rb, cb, c, oc, rc, cc, m, k, n = op.args
        if not self.activity.active(c):
            return
        bar = self.shadow(c)
        if self.activity.active(a):
            self.b.emit("gemm", [bar, oc, rc, cc, c2, ob, cb, rb, self.shadow(a), oa, ra, ca, m, n, k], [], accumulate=True)
        if self.activity.active(c2):
            self.b.emit("gemm", [a, oa, ca, ra, bar, oc, rc, cc, self.shadow(c2), ob, rb, cb, k, m, n], [], accumulate=True)
        if not op.attributes["accumulate"]:
            self._zero_matrix(bar, oc, rc, cc, m, n)

    def _op_call(self, op: Op) -> None:
        """Cotangents of a library call by its rule; what the call overwrote had none of its own."""
        call = LibraryOp(op, self.b)
        rule = call.rule
        active = [self.activity.active(op.args[k]) for k in rule.outputs]
        if not any(active):
            return
        bars = [call.array(k, self.shadow(op.args[k])) if on else None for k, on in zip(rule.outputs, active)]
        for k, bar in zip(rule.inputs, call.derive(rule.reverse, bars)):
            if self.activity.active(op.args[k]):
                call.put(call.array(k, self.shadow(op.args[k])), bar, accumulate=True)
        for target in bars:
            if target is not None:
                call.put(target, self.b.const(0.0), accumulate=False)

    def _zero_matrix(self, bar: Value, offset: Value, row: Value, column: Value, m: Value, n: Value) -> None:
        b = self.b
        i, j = Value(I8, None, "i"), Value(I8, None, "j")
        outer = b.enter([i])
        inner = b.enter([j])
        b.store(bar, b.add(offset, b.add(b.mul(i, row), b.mul(j, column))), b.const(0.0, F8))
        columns = b.leave(inner)
        b.emit("for", [n], [], [columns], parallel=True)
        rows = b.leave(outer)
        b.emit("for", [m], [], [rows], parallel=True)

    # -- control flow ----------------------------------------------------------------------------------------------------------
    def _free(self, regions: list[Region]) -> list[Value]:
        """Active scalars from outside that the regions use, in order of first use."""
        inside: set[Value] = set()
        used: dict[Value, None] = {}
        for region in regions:
            inside.update(region.params)
            for op in walk(region):
                inside.update(op.results)
                for inner in op.regions:
                    inside.update(inner.params)
                    used.update(dict.fromkeys(inner.results))
                used.update(dict.fromkeys(op.args))
            used.update(dict.fromkeys(region.results))
        return [v for v in used if v not in inside and not is_buffer(v.type) and self.activity.active(v)]

    def has_work(self, regions: list[Region]) -> bool:
        """Whether anything inside touches the memory of active buffers."""
        return any(
            (op.name in ("load", "store") and self.activity.active(op.args[0]))
            or (op.name == "gemm" and self.activity.active(op.args[8]))
            or (op.name == "call" and any(self.activity.active(op.args[k]) for k in CALLS[op.attributes["function"]].outputs))
            for region in regions
            for op in walk(region)
        )

    def _op_if(self, op: Op) -> None:
        seeds = [(k, g) for k, r in enumerate(op.results) if not is_buffer(r.type) and (g := self.take(r)) is not None]
        if not seeds and not self.has_work(op.regions):
            return
        free = self._free(op.regions)
        outside = self.adjoints
        regions = []
        for inner in op.regions:
            self.adjoints = {}
            outer = self.b.enter()
            self.mirror[inner] = self.b.region
            for k, g in seeds:
                self.add(inner.results[k], g)
            self._region(inner)
            regions.append(self.b.leave(outer, [self._final(f) for f in free]))
            # what a region is left with are adjoints of values outside it
        self.adjoints = outside
        made = self.b.emit("if", [op.args[0]], [f.type for f in free], regions)
        for f, r in zip(free, made.results):
            self.add(f, r)

    def _final(self, v: Value) -> Value:
        found = self.adjoints.get(v)
        return found if found is not None else self.b.const(0, v.type)

    def _op_for(self, op: Op) -> None:
        if op.attributes.get("kept") is not None:
            stretch_mirror(self, op)
            return
        self._loop(op, op.args[0], carried(op))

    def _op_while(self, op: Op) -> None:
        self._loop(op, op.results[0], carried(op)[1:])

    def _loop(self, op: Op, trips: Value, groups: list) -> None:
        b, inner = self.b, op.regions[0]
        groups = [g for g in groups if not is_buffer(g[1].type) and self.activity.active(g[1])]
        seeds = [self.take(g[3]) for g in groups]
        if all(s is None for s in seeds) and not self.has_work([inner]):
            return
        free = self._free([inner])
        start = [s if s is not None else b.const(0, g[1].type) for s, g in zip(seeds, groups)]
        start += [b.const(0, f.type) for f in free]
        k = Value(I8, None, inner.params[0].hint or "k")
        incoming = [Value(g[1].type, None, f"{g[1].hint or 'v'}_bar") for g in groups]
        sums = [Value(f.type, None, f"{f.hint or 'v'}_bar") for f in free]
        outside, self.adjoints = self.adjoints, dict(zip(free, sums))
        outer = b.enter([k, *incoming, *sums])
        self.mirror[inner], self.trip[inner] = b.region, k
        for g, bar in zip(groups, incoming):
            self.add(g[2], bar)
        self._region(inner)
        region = b.leave(outer, [self._final(g[1]) for g in groups] + [self._final(f) for f in free])
        self.adjoints = outside
        parallel = bool(op.attributes.get("parallel"))
        made = b.emit("for", [trips, *start], [v.type for v in start], [region], down=not parallel, parallel=parallel)
        for g, r in zip(groups, made.results):
            self.add(g[0], r)
        for f, r in zip(free, made.results[len(groups) :]):
            self.add(f, r)
