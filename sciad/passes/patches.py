"""Operations that the reverse sweep adds to both sweeps: collected while it is decided what is stored, put in place at the end."""

from __future__ import annotations

from collections.abc import Iterable

from sciad.ir import Op, Region, Value, walk
from sciad.passes.structure import Structure
from sciad.types import I8

__all__ = ["Patches", "Nests", "emit", "const", "product", "linear", "insert_before", "constant_trips"]


class Patches:
    """What is to be added, and where."""

    def __init__(self, mirror: dict[Region, Region]) -> None:
        self.mirror = mirror
        self.prologue: dict[Region, list[Op]] = {r: [] for r in mirror}  # primal region -> operations for the start of its mirror
        self.top_prefix: list[Op] = []  # tapes, made before everything
        self.before: dict[Op, list[Op]] = {}  # operations to put before an operation of the primal sweep
        self.after_value: dict[Region, list[tuple[Value, Op]]] = {}
        self.before_mirror: dict[Region, list[Op]] = {}  # mirror of a loop body -> operations to put before that loop

    def in_mirror(self, home: Region) -> list[Op]:
        """The start of the mirror of a region."""
        if home not in self.prologue:
            raise AssertionError("a value is needed in a region that has no mirror")
        return self.prologue[home]

    def before_loop_in_mirror(self, loop: Op) -> list[Op]:
        """Operations to put right before the mirror of a loop."""
        return self.before_mirror.setdefault(self.mirror[loop.regions[0]], [])

    def once_known(self, region: Region, v: Value, ops: Iterable[Op]) -> None:
        """Put operations after the definition of a value."""
        self.after_value.setdefault(region, []).extend((v, op) for op in ops)

    def insert(self, body: Region) -> None:
        """Put everything in place."""
        for region in [body, *[r for op in walk(body) for r in op.regions]]:
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
        by_value: dict[Value, list[Op]] = {}
        for v, op in self.after_value.get(region, []):
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


class Nests:
    """Loops whose trips are known before all of them; with `constant`, only those whose trips are constants."""

    def __init__(self, body: Region, structure: Structure, constant: bool) -> None:
        self.body, self.structure, self.constant = body, structure, constant

    def top(self, v: Value) -> bool:
        """Whether a value is known in the outermost region (a constant, where only constants count)."""
        return v.constant is not None or (not self.constant and self.structure.home.get(v) is self.body)

    def static(self, home: Region) -> list[Op] | None:
        """The loops around a region, outermost first, where all are counted and their trips known in the outermost region."""
        loops = self.structure.loops(home)[::-1]
        if all(loop.name == "for" and self.top(loop.args[0]) for loop in loops):
            return loops
        return None

    def outermost(self, op: Op) -> Op:
        """The operation of the outermost region that holds `op`: a buffer for a nest is made before it."""
        while self.structure.region_of[op] is not self.body:
            owner = self.structure.owner[self.structure.region_of[op]]
            assert owner is not None
            op = owner
        return op


# -- integer arithmetic ------------------------------------------------------------------------------------------------------------
def emit(where: list[Op], name: str, args: list[Value]) -> Value:
    """Append an integer operation, unless one operand is neutral."""
    constants = [a.constant for a in args]
    if name == "multiply" and 1 in constants:
        return args[1] if constants[0] == 1 else args[0]
    if name == "add" and 0 in constants:
        return args[1] if constants[0] == 0 else args[0]
    op = Op(name, args, [I8])
    where.append(op)
    return op.result


def const(where: list[Op], value: int) -> Value:
    """Append an integer constant."""
    op = Op("const", [], [I8], (), {"value": value})
    where.append(op)
    return op.result


def product(where: list[Op], factors: list[Value]) -> Value:
    """Append the product of integers."""
    total = factors[0] if factors else const(where, 1)
    for f in factors[1:]:
        total = emit(where, "multiply", [total, f])
    return total


def linear(where: list[Op], nest: list[Op], trips: list[Value]) -> Value:
    """Append the number of a trip among all trips of a nest."""
    position = trips[0] if trips else const(where, 0)
    for loop, k in zip(nest[1:], trips[1:]):
        position = emit(where, "add", [emit(where, "multiply", [position, loop.args[0]]), k])
    return position


def insert_before(ops: list[Op], op: Op, new: list[Op]) -> None:
    """Put operations before one of a list."""
    position = next(k for k, o in enumerate(ops) if o is op)
    ops[position:position] = new


def constant_trips(nest: list[Op]) -> int:
    """All trips of a nest whose trip counts are constants."""
    count = 1
    for loop in nest:
        count *= int(loop.args[0].constant)  # type: ignore[arg-type]
    return count
