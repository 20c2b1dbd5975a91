"""Forward mode: every operation followed by its tangent; one direction a call."""

from __future__ import annotations

from collections.abc import Sequence

from sciad.fold import fold
from sciad.ir import PURE, Builder, Op, Region, Value
from sciad.passes.activity import Activity, rule_of
from sciad.passes.library import LibraryOp
from sciad.passes.structure import Structure, carried
from sciad.passes.symbol import partials
from sciad.passes.tidy import tidy
from sciad.types import is_buffer, is_float
from sciad.verify import verified

__all__ = ["pushforward"]


def pushforward(body: Region, wrt: Sequence[Value]) -> tuple[Region, list[Value]]:
    """The function together with its directional derivative.

    The new region's parameters are those of `body`, then a tangent for each of `wrt` and for each further buffer parameter that receives
    derivatives (given as the second result); its results are those of `body`, then the tangent of each float result.  Tangents of buffer
    parameters hold the tangent of the initial contents on entry and of the final contents on exit.
    """
    structure = Structure(body)
    floats = [r for r in body.results if is_float(r.type)]
    written = [p for p in body.params if is_buffer(p.type)]
    activity = Activity(structure, wrt, [*floats, *written])
    carriers = list(wrt) + [p for p in written if p not in wrt and structure.memory(p) in activity.varied]
    sweep = _Forward(activity)
    tangents = []
    for p in carriers:
        t = Value(p.type, None, f"{p.hint}_dot")
        sweep.tangents[p] = t
        tangents.append(t)
    b = sweep.b
    outer = b.enter([*body.params, *tangents])
    sweep.region(body)
    done = b.leave(outer, [sweep.get(r) for r in body.results])
    with_tangents = [sweep.tangent_or_zero(r) for r in floats]
    done.ops.extend(sweep.tail)
    done.results += with_tangents
    return tidy(verified(done, "pushforward")), carriers


class _Forward:
    """Re-emits a region with tangents; primal values map to their copies, and to their tangents where they vary."""

    def __init__(self, activity: Activity) -> None:
        self.activity = activity
        self.b = Builder(fold)
        self.new: dict[Value, Value] = {}
        self.tangents: dict[Value, Value] = {}
        self.tail: list[Op] = []

    def get(self, v: Value) -> Value:
        """The copy of a primal value."""
        return self.new.get(v, v)

    def tangent_or_zero(self, v: Value) -> Value:
        """The tangent of a value; zero, as a number or a buffer of the same size, where it does not vary."""
        found = self.tangents.get(v)
        if found is not None:
            return found
        if not is_buffer(v.type):
            op = Op("const", [], [v.type], (), {"value": 0.0})
            self.tail.append(op)
            return op.result
        size = Op("size", [self.get(v)], ["i8"])
        blank = Op("alloc", [size.result], [v.type], (), {"dtype": v.type[1:], "zero": True})
        self.tail += [size, blank]
        return blank.result

    def _varied(self, v: Value) -> bool:
        return self.activity._is_varied(v) and is_float(v.type)

    def _zero(self, type_: str) -> Value:
        return self.b.const(0, type_)

    def _dot(self, v: Value) -> Value:
        """The tangent of a scalar, zero where it does not vary."""
        return self.tangents.get(v) or self._zero(v.type)

    def region(self, region: Region) -> None:
        """Emit all operations of a region with their tangents."""
        for op in region.ops:
            self.b.line = op.line
            handler = getattr(self, "_op_" + op.name, None)
            if handler is not None:
                handler(op)
            elif PURE(op):
                self._op_pure(op)
            else:
                self._copy(op)

    def _copy(self, op: Op) -> Op:
        made = self.b.emit(op.name, [self.get(a) for a in op.args], [r.type for r in op.results], (), **op.attributes)
        for old, new in zip(op.results, made.results):
            new.hint = old.hint
            self.new[old] = new
        return made

    def _op_pure(self, op: Op) -> None:
        b = self.b
        if op.name == "const":
            self.new[op.result] = b.const(op.attributes["value"], op.result.type)
            return
        args = [self.get(a) for a in op.args]
        y = b.pure(op.name, args, op.result.type)
        self.new[op.result] = y
        if not self._varied(op.result):
            return
        if op.name == "select":
            self.tangents[op.result] = b.select(args[0], self._dot(op.args[1]), self._dot(op.args[2]))
        elif op.name == "cast":
            self.tangents[op.result] = b.cast(self._dot(op.args[0]), op.result.type)
        elif op.name == "fast_add":
            self.tangents[op.result] = b.pure("fast_add", [self._dot(a) for a in op.args], op.result.type)
        elif op.name == "zero_wins":
            terms = [b.zero_wins(self.tangents[a], other) for a, other in zip(op.args, args[::-1]) if a in self.tangents]
            self.tangents[op.result] = terms[0] if len(terms) == 1 else b.pure("add", terms, op.result.type)
        else:
            self.tangents[op.result] = self._by_rule(op, y, args)

    def _by_rule(self, op: Op, y: Value, args: list[Value]) -> Value:
        b, rule = self.b, rule_of(op)
        wanted = [k for k, a in enumerate(op.args) if a in self.tangents]
        total: Value | None = None
        for k, partial in zip(wanted, partials(b, rule, y, args, wanted)):
            t = self.tangents[op.args[k]]
            term = self._term(t, partial, rule.singular)
            total = term if total is None else b.pure("add", [total, term], op.result.type)
        return total if total is not None else self._zero(op.result.type)

    def _term(self, t: Value, partial: Value | float, strong: bool) -> Value:
        b = self.b
        if not isinstance(partial, Value):
            return t if partial == 1.0 else b.pure("multiply", [t, b.const(partial, t.type)], t.type)
        return b.zero_wins(t, partial) if strong else b.pure("multiply", [t, partial], t.type)

    # -- memory ----------------------------------------------------------------------------------------------------------------
    def _op_alloc(self, op: Op) -> None:
        self._copy(op)
        if self._varied(op.result):
            made = self.b.emit("alloc", [self.get(op.args[0])], [op.result.type], dtype=op.attributes["dtype"], zero=True)
            made.result.hint = f"{op.result.hint or 'v'}_dot"
            self.tangents[op.result] = made.result

    def _op_subbuffer(self, op: Op) -> None:
        args = [self.get(a) for a in op.args]
        self.new[op.result] = self.b.pure("subbuffer", args, op.result.type)
        if self._varied(op.result):
            self.tangents[op.result] = self.b.pure("subbuffer", [self.tangents[op.args[0]], *args[1:]], op.result.type)

    def _op_load(self, op: Op) -> None:
        self._copy(op)
        if self._varied(op.result):
            self.tangents[op.result] = self.b.load(self.tangents[op.args[0]], self.get(op.args[1]), op.result.type)

    def _op_store(self, op: Op) -> None:
        self._copy(op)
        if self._varied(op.args[0]):
            self.b.store(self.tangents[op.args[0]], self.get(op.args[1]), self._dot(op.args[2]))

    def _op_gemm(self, op: Op) -> None:
        """``C_dot = A_dot B + A B_dot``."""
        args = [self.get(a) for a in op.args]
        self._copy(op)
        if not self._varied(op.args[8]):
            return
        accumulate = op.attributes["accumulate"]
        for k in (0, 4):
            if self._varied(op.args[k]):
                row = list(args)
                row[k], row[8] = self.tangents[op.args[k]], self.tangents[op.args[8]]
                self.b.emit("gemm", row, [], accumulate=accumulate)
                accumulate = True

    def _op_call(self, op: Op) -> None:
        """Tangents of a library call by its rule; they are known before anything is overwritten."""
        self._copy(op)
        call = LibraryOp(op, self.b, self.get)
        outputs = [k for k in call.rule.outputs if self._varied(op.args[k])]
        if not outputs:
            return
        dots = [call.array(k, self.tangents[op.args[k]]) if self._varied(op.args[k]) else None for k in call.rule.inputs]
        for k, dot in zip(call.rule.outputs, call.derive(call.rule.forward, dots)):
            if k in outputs:
                call.put(call.array(k, self.tangents[op.args[k]]), dot, accumulate=False)

    def _op_tape_new(self, op: Op) -> None:
        self._copy(op)
        if self._varied_tape(op.result):
            self.tangents[op.result] = self.b.emit("tape_new", [], [op.result.type], **op.attributes).result

    def _varied_tape(self, v: Value) -> bool:
        return self.activity._is_varied(v)

    def _op_tape_reserve(self, op: Op) -> None:
        self._copy(op)
        if op.args[0] in self.tangents:
            self.b.emit(op.name, [self.tangents[op.args[0]], self.get(op.args[1])], ["i8"])

    _op_tape_release = _op_tape_reserve

    def _op_tape_put(self, op: Op) -> None:
        self._copy(op)
        if op.args[0] in self.tangents:
            self.b.emit(op.name, [self.tangents[op.args[0]], self.get(op.args[1]), self._dot(op.args[2])], [])

    def _op_tape_get(self, op: Op) -> None:
        self._copy(op)
        if self._varied(op.result):
            made = self.b.emit(op.name, [self.tangents[op.args[0]], self.get(op.args[1])], [op.result.type])
            self.tangents[op.result] = made.result

    def _op_tape_push(self, op: Op) -> None:
        self._copy(op)
        if op.args[0] in self.tangents:
            self.b.emit(op.name, [self.tangents[op.args[0]], self.tangents[op.args[1]]], [])

    def _op_tape_pop(self, op: Op) -> None:
        self._copy(op)
        if self._varied(op.result):
            self.tangents[op.result] = self.b.emit(op.name, [self.tangents[op.args[0]]], [op.result.type]).result

    # -- control flow ----------------------------------------------------------------------------------------------------------
    def _op_if(self, op: Op) -> None:
        b = self.b
        varied = [k for k, r in enumerate(op.results) if self._varied(r)]
        regions = []
        for inner in op.regions:
            outer = b.enter()
            self.region(inner)
            tangents = [self._tangent_here(inner.results[k]) for k in varied]
            regions.append(b.leave(outer, [*[self.get(r) for r in inner.results], *tangents]))
        types = [r.type for r in op.results]
        made = b.emit("if", [self.get(op.args[0])], [*types, *[types[k] for k in varied]], regions)
        self._results(op.results, varied, made)

    def _tangent_here(self, v: Value) -> Value:
        """The tangent of a scalar or buffer; a zero made on the spot where it does not vary."""
        found = self.tangents.get(v)
        if found is not None:
            return found
        if not is_buffer(v.type):
            return self._zero(v.type)
        size = self.b.pure("size", [self.get(v)], "i8")
        return self.b.alloc(v.type[1:], size, zero=True)

    def _results(self, results: list[Value], varied: list[int], made: Op) -> None:
        for old, new in zip(results, made.results):
            new.hint = old.hint
            self.new[old] = new
        for k, new in zip(varied, made.results[len(results) :]):
            new.hint = f"{results[k].hint or 'v'}_dot"
            self.tangents[results[k]] = new

    def _op_for(self, op: Op) -> None:
        self._loop(op, 1)

    def _op_while(self, op: Op) -> None:
        self._loop(op, 0)

    def _loop(self, op: Op, skip: int) -> None:
        b, inner = self.b, op.regions[0]
        groups = carried(op)
        varied = [k for k, g in enumerate(groups) if self._varied(g[1])]
        start = [self._tangent_here(groups[k][0]) for k in varied]
        params = []
        for p in inner.params:
            fresh = Value(p.type, None, p.hint)
            self.new[p] = fresh
            params.append(fresh)
        for k in varied:
            fresh = Value(groups[k][1].type, None, f"{groups[k][1].hint or 'v'}_dot")
            self.tangents[groups[k][1]] = fresh
            params.append(fresh)
        args = [self.get(a) for a in op.args]
        outer = b.enter(params)
        self.region(inner)
        tangents = [self._tangent_here(groups[k][2]) for k in varied]
        region = b.leave(outer, [*[self.get(r) for r in inner.results], *tangents])
        types = [g[3].type for g in groups]
        made = b.emit(op.name, [*args, *start], [*types, *[types[k] for k in varied]], [region], **op.attributes)
        self._results([g[3] for g in groups], varied, made)

