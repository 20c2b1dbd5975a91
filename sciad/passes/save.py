"""What the reverse sweep needs of the primal one is brought to it: stored or computed again, whichever costs less.

The mirror (see `reverse`) refers to primal values.  Those of the outermost region are simply still there; `choice` decides for the others,
`tape_layout` says where stored ones lie, `local_memory` keeps buffers, and `patches` puts everything in place.
"""

from __future__ import annotations

from collections.abc import Collection

from sciad.ir import Op, Region, Value
from sciad.passes.choice import Choice
from sciad.passes.local_memory import LocalMemory
from sciad.passes.patches import Nests, Patches
from sciad.passes.structure import Structure
from sciad.passes.tape_layout import Layout
from sciad.types import B1, F4, F8, I8, is_buffer

__all__ = ["Saver"]


class Saver:
    """Resolves the references of a mirror to primal values.

    With `tape`, a buffer of constant size, the two sweeps become separate functions: everything that the mirror needs, except parameters,
    goes through it, local memory included; `tape_size` is the number of its entries after `run`.  The mirror then does not get the
    parameters `unseen`.  Raises NotStatic where that cannot be.
    """

    def __init__(
        self,
        body: Region,
        structure: Structure,
        mirror: dict[Region, Region],
        trip: dict[Region, Value],
        tape: Value | None = None,
        lengths: Collection[Value] = (),
        unseen: Collection[Value] = (),
    ) -> None:
        self.body, self.structure, self.trip = body, structure, trip
        self.resolved: dict[Value, Value] = {}
        self.patches = Patches(mirror)
        nests = Nests(body, structure, constant=tape is not None)
        self.choice = Choice(body, structure, nests, trip, tape is not None, lengths, unseen)
        self.own = self.choice.own
        self.layout = Layout(body, nests, self.patches, trip, self.value, tape)
        self.memory = LocalMemory(nests, self.patches, self.layout, trip)

    @property
    def tape_size(self) -> int:
        """Entries of the given tape that are used."""
        return self.layout.size

    @property
    def top_prefix(self) -> list[Op]:
        """Operations to put before the primal sweep."""
        return self.patches.top_prefix

    def run(self, reverse_ops: list[Op], extra: dict[Region, list[Op]]) -> None:
        """Rewrite the mirror so that it refers to what is available; `extra` are operations for the start of mirrors (shadow buffers)."""
        self.choice.decide(self._references(reverse_ops, extra))
        prologue = self.patches.prologue
        for region, ops in extra.items():
            self._rewrite(ops)
            prologue.setdefault(region, []).extend(ops)
        self._rewrite(reverse_ops)
        self.layout.place()
        self.patches.insert(self.body)
        _last_in_first_out(reverse_ops)

    def _references(self, reverse_ops: list[Op], extra: dict[Region, list[Op]]) -> list[Value]:
        """The primal values that are referred to."""
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
        home, choice = self.structure.home[v], self.choice
        if choice.outermost(v, home):
            return v
        if v.constant is not None:
            return self._again_constant(v)
        if home in self.trip and v is home.params[0]:
            return self.trip[home]
        if v in choice.stored or not choice.again(v):
            return self._stored(v, home)
        op = v.op
        assert op is not None
        if op.name == "alloc":
            return self.memory.expanded(v, home)
        if v in choice.kept_in:
            made = Op("load", [self.value(a) for a in choice.kept_in[v]], [v.type], (), {}, op.line)
        else:
            made = Op(op.name, [self.value(a) for a in op.args], [v.type], (), dict(op.attributes), op.line)
        made.result.hint = v.hint
        self.patches.in_mirror(home).append(made)
        return made.result

    def _again_constant(self, v: Value) -> Value:
        op = Op("const", [], [v.type], (), {"value": v.constant})
        self.patches.prologue[self.body].append(op)
        return op.result

    def _stored(self, v: Value, home: Region) -> Value:
        owner = self.structure.owner[home]
        if is_buffer(v.type):
            return self.memory.reference(v, home)
        if owner is not None and owner.name == "if":
            return self.value(self._export(v, owner, home))
        dtype = {F8: "float64", F4: "float32", I8: "int64", B1: "bool"}[v.type]
        load = Op("load", [], [v.type], (), {}, owner.line if owner is not None else 0)
        load.result.hint = v.hint
        self.patches.in_mirror(home).append(load)
        self.layout.slots.setdefault((owner, dtype), []).append((v, load))
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

    # -- rewriting -------------------------------------------------------------------------------------------------------------
    def _rewrite(self, ops: list[Op]) -> None:
        for op in ops:
            op.args = [self.value(a) for a in op.args]
            for inner in op.regions:
                self._rewrite(inner.ops)
                inner.results = [self.value(r) for r in inner.results]


def _last_in_first_out(ops: list[Op]) -> bool:
    """Turn loops of the mirror that take from growing tapes or lists downwards, whatever else allows; True where something takes."""
    takes = False
    for op in ops:
        inside = [_last_in_first_out(inner.ops) for inner in op.regions]
        if op.name == "for" and any(inside):
            op.attributes.update(down=True, parallel=False)
        takes = takes or any(inside) or op.name in ("tape_release", "tape_pop")
    return takes
