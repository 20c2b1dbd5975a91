"""Simplification of a whole function: folding, common subexpressions (loads included), carried values that never change, decided ifs.

A load is forwarded from an earlier load or store of the same element, as long as no store in between may have been to it.
"""

from __future__ import annotations

from sciad.fold import fold
from sciad.ir import PURE, Builder, Op, Region, Value, walk
from sciad.passes.structure import Structure, carried, writes
from sciad.passes.unroll import worth_unrolling
from sciad.types import BUFFERS, I8, is_buffer

__all__ = ["simplify"]


def simplify(body: Region, *, unroll: bool = False) -> Region:
    """A rebuilt, simpler copy of a region; parameters stay the same values.  With `unroll`, short loops are written out."""
    return _Rebuild(body, unroll).run()


class _Rebuild:
    """Re-emits every operation through a folding, sharing builder."""

    def __init__(self, body: Region, unroll: bool) -> None:
        self.source, self.unroll = body, unroll
        self.structure = Structure(body)
        self.b = Builder(fold)
        self.new: dict[Value, Value] = {}
        self.top = self.b.region
        self.passed: set[Value] = set()  # conditions that checks of the outermost region have found to hold
        self.memory: dict[tuple, Value] = {}  # (buffer, index) -> the value known to be there

    def run(self) -> Region:
        """Rebuild from the top."""
        outer = self.b.enter(self.source.params)
        self.top = self.b.region
        self._ops(self.source)
        return self.b.leave(outer, [self._get(r) for r in self.source.results])

    def _get(self, v: Value) -> Value:
        """The new value; constants are made where they are used, so that none depends on a region that may go."""
        return self.new.get(v, v) if v.constant is None else self.b.const(v.constant, v.type)

    def _ops(self, region: Region) -> None:
        for op in region.ops:
            self.b.line = op.line
            handler = getattr(self, "_" + op.name, None)
            if handler is not None:
                handler(op)
            elif PURE(op):
                self.new[op.result] = self._pure(op)
            else:
                self._copy(op)

    def _pure(self, op: Op) -> Value:
        if op.name == "const":
            return self.b.const(op.attributes["value"], op.result.type)
        value = self.b.pure(op.name, [self._get(a) for a in op.args], op.result.type)
        if not value.hint:
            value.hint = op.result.hint
        return value

    def _copy(self, op: Op) -> Op:
        made = self.b.emit(op.name, [self._get(a) for a in op.args], [r.type for r in op.results], op.regions, **op.attributes)
        for old, new in zip(op.results, made.results):
            new.hint = old.hint
            self.new[old] = new
        for buffer in writes(op):
            self._forget(buffer)
        return made

    # -- memory ----------------------------------------------------------------------------------------------------------------
    def _forget(self, buffer: Value, element: tuple[Value, Value] | None = None) -> None:
        """Forget what is known of a buffer's memory, but for elements of the same buffer that cannot be the given one."""
        memory = self.structure.memory(buffer)
        for key in [k for k in self.memory if self.structure.memory(k[2]) is memory]:
            if element is None or key[0] is not element[0] or not _apart(key[1], element[1]):
                del self.memory[key]

    def _load(self, op: Op) -> None:
        buffer, index = self._get(op.args[0]), self._get(op.args[1])
        key = (buffer, index, op.args[0])
        known = self.memory.get(key)
        if known is None:
            known = self.b.load(buffer, index, op.result.type)
            known.hint = op.result.hint
            self.memory[key] = known
        self.new[op.result] = known

    def _store(self, op: Op) -> None:
        buffer, index, value = (self._get(a) for a in op.args)
        self._forget(op.args[0], (buffer, index))
        self.b.store(buffer, index, value)
        if value.type == BUFFERS[buffer.type[1:]] and buffer.type[1:] in ("float64", "int64", "bool"):
            self.memory[(buffer, index, op.args[0])] = value  # narrower elements would round or wrap

    def _alloc(self, op: Op) -> None:
        self._copy(op)

    def _check(self, op: Op) -> None:
        condition = self._get(op.args[0])
        if condition.constant is True or condition in self.passed:
            return
        self._copy(op)
        if self.b.region is self.top:
            self.passed.add(condition)
            found = op.args[0].op
            if found is not None and found.name == "equal" and found.args[0].type == I8:
                self._same(*found.args)

    def _same(self, i: Value, j: Value) -> None:
        """From here on, two integers are one: lengths that a check of the outermost region has found equal."""
        if j.constant is not None:
            i, j = j, i
        self.new[j] = self._get(i)

    # -- control flow ----------------------------------------------------------------------------------------------------------
    def _if(self, op: Op) -> None:
        cond = self._get(op.args[0])
        if cond.constant is not None:
            chosen = op.regions[0 if cond.constant else 1]
            self._ops(chosen)
            for old, value in zip(op.results, chosen.results):
                self.new[old] = self._get(value)
            return
        before = self.memory
        regions = []
        for inner in op.regions:
            self.memory = dict(before)
            outer = self.b.enter()
            self._ops(inner)
            regions.append(self.b.leave(outer, [self._get(r) for r in inner.results]))
        self.memory = before
        self._forget_written(op)
        self._emit_if(op, cond, regions)

    def _emit_if(self, op: Op, cond: Value, regions: list[Region]) -> None:
        kept = []
        if all(_only_indices(region) for region in regions):
            for region in regions:
                self.b.region.ops.extend(region.ops)
                region.ops = []
        for k, (a, b) in enumerate(zip(regions[0].results, regions[1].results)):
            outside = self._outer_value(a, regions[0]) and self._outer_value(b, regions[1])
            if a is b:
                self.new[op.results[k]] = a
            elif outside and not is_buffer(a.type):
                self.new[op.results[k]] = self.b.select(cond, self._reissue(a), self._reissue(b))
            else:
                kept.append(k)
        for region in regions:
            region.results = [region.results[k] for k in kept]
        if not kept and not any(_has_effect(region) for region in regions):
            return
        made = self.b.emit("if", [cond], [op.results[k].type for k in kept], regions, **op.attributes)
        for k, new in zip(kept, made.results):
            new.hint = op.results[k].hint
            self.new[op.results[k]] = new

    @staticmethod
    def _outer_value(v: Value, region: Region) -> bool:
        return v.constant is not None or not any(v in o.results for o in region.ops)

    def _reissue(self, v: Value) -> Value:
        return self.b.const(v.constant, v.type) if v.constant is not None else v

    def _forget_written(self, op: Op) -> None:
        for inner in op.regions:
            for nested in walk(inner):
                for buffer in writes(nested):
                    self._forget(buffer)

    def _for(self, op: Op) -> None:
        length = self._get(op.args[0])
        if length.constant is not None and length.constant <= 0:
            for initial, _, _, result in carried(op):
                self.new[result] = self._get(initial)
            return
        if self.unroll and length.constant is not None and not op.attributes.get("checkpoint") and worth_unrolling(op, length.constant):
            self._write_out(op, length.constant)
            return
        self._loop(op, [length], 1)

    def _write_out(self, op: Op, trips: int) -> None:
        """The trips of a loop one after the other."""
        inner, groups = op.regions[0], carried(op)
        values = [self._get(g[0]) for g in groups]
        for k in reversed(range(trips)) if op.attributes.get("down") else range(trips):
            self.new[inner.params[0]] = self.b.const(k)
            self.new.update((g[1], v) for g, v in zip(groups, values))
            self._ops(inner)
            values = [self._get(g[2]) for g in groups]
        self.new.update((g[3], v) for g, v in zip(groups, values))

    def _while(self, op: Op) -> None:
        first = self._get(op.args[0])
        if first.constant is False:
            for initial, _, _, result in carried(op):
                self.new[result] = self._get(initial)
            return
        self._loop(op, [first], 0)

    def _loop(self, op: Op, head: list[Value], skip: int) -> None:
        """Rebuild a loop; a carried value whose next is itself is its initial value throughout."""
        inner = op.regions[0]
        groups = carried(op)
        varying = [g for g in groups if g[2] is not g[1]]
        for initial, parameter, following, result in groups:
            if following is parameter:
                self.new[parameter] = self.new[result] = self._get(initial)
        self._forget_written(op)
        before = dict(self.memory)
        params = [Value(p.type, None, p.hint) for p in inner.params[:skip]]
        self.new.update(zip(inner.params, params))
        for _, parameter, _, _ in varying:
            fresh = Value(parameter.type, None, parameter.hint)
            self.new[parameter] = fresh
            params.append(fresh)
        initial = [self._get(g[0]) for g in varying]
        outer = self.b.enter(params)
        self._ops(inner)
        go = [self._get(inner.results[0])] if op.name == "while" else []
        region = self.b.leave(outer, [*go, *[self._get(g[2]) for g in varying]])
        self.memory = before
        made = self.b.emit(op.name, [*head, *initial], [g[3].type for g in varying], [region], **op.attributes)
        for group, new in zip(varying, made.results):
            new.hint = group[3].hint or group[1].hint
            self.new[group[3]] = new


def _only_indices(region: Region) -> bool:
    """Whether a branch computes a few integers and nothing else: then both are computed and one is chosen."""
    return len(region.ops) <= 3 and all(
        op.name in ("const", "add", "subtract", "multiply", "negative") and op.result.type == I8 for op in region.ops
    )


def _apart(i: Value, j: Value) -> bool:
    """Whether two indices differ by a constant that is not zero."""
    (a, m), (b, n) = _base(i), _base(j)
    return a is b and m != n


def _base(i: Value) -> tuple[Value | None, int]:
    if i.constant is not None:
        return None, i.constant
    if i.op is not None and i.op.name == "add" and i.op.args[1].constant is not None:
        return i.op.args[0], i.op.args[1].constant
    return i, 0


def _has_effect(region: Region) -> bool:
    return any(o.name in ("store", "gemm", "call", "check") or o.name.startswith("tape") for o in walk(region))
