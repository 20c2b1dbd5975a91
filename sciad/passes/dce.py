"""Dead code: operations, carried values and whole buffers that nothing observable depends on."""

from __future__ import annotations

from sciad.ir import Op, Region, Value, walk
from sciad.passes.structure import Structure, carried, reads, writes
from sciad.types import is_buffer

__all__ = ["dce"]

_TAPE = {"tape_reserve", "tape_release", "tape_put", "tape_get", "tape_push", "tape_pop"}


def dce(body: Region) -> None:
    """Remove what cannot influence results, inputs' memory, or checks; in place."""
    live = _Live(body)
    live.run()
    _sweep(body, live)


class _Live:
    """Marks live values and operations, from the results backwards."""

    def __init__(self, body: Region) -> None:
        self.structure = Structure(body)
        self.body = body
        self.values: set[Value] = set()
        self.ops: set[Op] = set()
        self.memories: set[Value] = set()
        self.queue: list[Value] = []
        self.writers: dict[Value, list[Op]] = {}
        self.tapes: set[Value] = set()
        self.tape_ops: dict[Value, list[Op]] = {}  # reserve, release, push and pop: they belong together
        self.role: dict[Value, tuple] = {}  # loop parameter or result -> (initial, parameter, next, result)
        self._index()

    def _index(self) -> None:
        for op in walk(self.body):
            for buffer in writes(op):
                self.writers.setdefault(self.structure.memory(buffer), []).append(op)
            if op.name in _TAPE:
                self.tape_ops.setdefault(self.structure.memory(op.args[0]), []).append(op)
            if op.name in ("for", "while"):
                for group in carried(op):
                    self.role[group[1]] = self.role[group[3]] = group

    def run(self) -> None:
        """Mark everything that is live."""
        for p in self.body.params:
            if is_buffer(p.type):
                self._memory(p)
        for r in self.body.results:
            self._value(r)
            if is_buffer(r.type):
                self._memory(r)
        for op in walk(self.body):
            if op.name == "check":
                self._op(op)
        while self.queue:
            self._propagate(self.queue.pop())

    def _value(self, v: Value) -> None:
        if v not in self.values:
            self.values.add(v)
            self.queue.append(v)

    def _memory(self, buffer: Value) -> None:
        memory = self.structure.memory(buffer)
        if memory not in self.memories:
            self.memories.add(memory)
            for op in self.writers.get(memory, []):
                self._op(op)

    def _op(self, op: Op) -> None:
        if op in self.ops:
            return
        self.ops.add(op)
        if op.name == "if" or op.name == "for":
            self._value(op.args[0])
        elif op.name == "while":
            self._value(op.args[0])
            self._value(op.regions[0].results[0])
            self._value(op.results[0])  # the number of trips, which a reverse sweep asks for
        else:
            for a in op.args:
                self._value(a)
            for buffer in reads(op):
                self._memory(buffer)
            if op.name in _TAPE:  # a tape's bookkeeping is one whole
                self._tape(op.args[0])
        owner = self.structure.owner[self.structure.region_of[op]]
        if owner is not None:
            self._op(owner)

    def _tape(self, tape: Value) -> None:
        memory = self.structure.memory(tape)
        if memory not in self.tapes:
            self.tapes.add(memory)
            for op in self.tape_ops.get(memory, []):
                self._op(op)

    def _propagate(self, v: Value) -> None:
        group = self.role.get(v)
        if group is not None:
            for member in group:
                self._value(member)
        if v.op is not None:
            self._op(v.op)
            if v.op.name == "if":
                position = v.op.results.index(v)
                for inner in v.op.regions:
                    self._value(inner.results[position])
        else:
            home = self.structure.home.get(v)
            owner = self.structure.owner.get(home) if home is not None else None
            if owner is not None:
                self._op(owner)


def _sweep(region: Region, live: _Live) -> None:
    kept = []
    for op in region.ops:
        if op not in live.ops:
            continue
        if op.name in ("if", "for", "while"):
            _prune(op, live)
        for inner in op.regions:
            _sweep(inner, live)
        kept.append(op)
    region.ops = kept


def _prune(op: Op, live: _Live) -> None:
    """Drop results (and carried values) that nobody reads."""
    keep = [k for k, r in enumerate(op.results) if r in live.values]
    if len(keep) == len(op.results):
        return
    op.results = [op.results[k] for k in keep]
    if op.name == "if":
        for inner in op.regions:
            inner.results = [inner.results[k] for k in keep]
        return
    inner = op.regions[0]
    op.args = [op.args[0], *[op.args[1 + k] for k in keep]]
    if op.name == "for":
        inner.params = [inner.params[0], *[inner.params[1 + k] for k in keep]]
        inner.results = [inner.results[k] for k in keep]
    else:
        inner.params = [inner.params[k] for k in keep]
        inner.results = [inner.results[0], *[inner.results[1 + k] for k in keep]]
