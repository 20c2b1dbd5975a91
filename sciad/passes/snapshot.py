"""Copies of memory for the reverse sweep: one copy of an array before a nest of loops that only reads it, in place of each value read.

A load from memory that is written later cannot be repeated on the way back.  Where a nest reads the same array many times (the state of a
time step, the activations of a layer), a copy of the array costs less than the values: a row for each execution of the nest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sciad.ir import Op, Region, Value
from sciad.passes.polynomial import clipped
from sciad.passes.structure import Structure, writes
from sciad.types import I8, element_of

__all__ = ["Version", "versions", "copy_of"]

_BORDER = 8


@dataclass(eq=False)
class Version:
    """The contents of a buffer between two writes: known after operation number `position` of a region; the loads that read them."""

    buffer: Value
    region: Region
    position: int
    size: Value
    elements: float = 0.0  # of the buffer, with assumed lengths
    loads: list[Value] = field(default_factory=list)


def versions(loads: list[Value], structure: Structure, size_of: Callable[[Value], Value | None], assumed: float) -> list[Version]:
    """The versions that the given loads read, where the array is not larger than what the loops between read of it for one of them.

    `size_of` gives the length of a buffer where it is known at the start, `assumed` stands for unknown numbers of trips.
    """
    found: dict[tuple[Value, Region, int], Version] = {}
    covered: set[Version] = set()
    for v in loads:
        assert v.op is not None
        buffer = v.op.args[0]
        size = size_of(buffer)
        if size is None:
            continue
        region, position, loops = _seen_from(v.op, structure)
        if region is None:
            continue
        key = (buffer, region, position)
        if key not in found:
            elements = 1.0
            for factor in _factors(size):
                elements *= assumed if factor.constant is None else factor.constant
            found[key] = Version(buffer, region, position, size, elements)
        found[key].loads.append(v)
        if _covered(size, [_whole(loop.args[0]) for loop in loops]):
            covered.add(found[key])
    return [version for version in found.values() if version in covered]


def _whole(trips: Value) -> Value:
    """The number of trips that a loop had before its border trips were cut off (see `peel`)."""
    inside = clipped(trips)
    op = inside.op
    if op is not None and op.name == "add" and op.args[1].constant is not None and -_BORDER <= op.args[1].constant <= 0:
        return op.args[0]
    return inside


def _seen_from(load: Op, structure: Structure) -> tuple[Region | None, int, list[Op]]:
    """The outermost region, before one of whose operations the contents that the load reads are complete, and the loops from there in."""
    memory = structure.memory(load.args[0])
    here, region = load, structure.region_of[load]
    loops: list[Op] = []
    while True:
        owner = structure.owner[region]
        if owner is None or owner.name == "while" or _writes(owner, memory, structure):
            break
        if owner.name == "for":
            loops.append(owner)
        here, region = owner, structure.region_of[owner]
    home = structure.home.get(load.args[0])
    if home is not None and not structure.is_inside(region, home):
        return None, 0, loops
    position, buffer = region.ops.index(here), load.args[0]
    while position > 0 and not _writes(region.ops[position - 1], memory, structure) and buffer not in region.ops[position - 1].results:
        position -= 1
    return region, position, loops


def _writes(op: Op, memory: Value, structure: Structure) -> bool:
    if any(structure.memory(buffer) is memory for buffer in writes(op)):
        return True
    return any(_writes(o, memory, structure) for inner in op.regions for o in inner.ops)


def _factors(size: Value) -> list[Value]:
    if size.op is not None and size.op.name == "multiply":
        return [f for a in size.op.args for f in _factors(a)]
    return [size]


def _covered(size: Value, trips: list[Value]) -> bool:
    """Whether every factor of a size is a number of trips (small constants aside)."""
    left = [f for n in trips for f in _factors(n)]
    room = 8.0
    for factor in _factors(size):
        if factor in left:
            left.remove(factor)
        elif factor.constant is not None:
            match = next((f for f in left if f.constant is not None), None)
            if match is not None:
                left.remove(match)
            room *= (match.constant if match is not None else 1) / max(factor.constant, 1)
        else:
            return False
    return room >= 1.0


def copy_of(version: Version) -> tuple[list[Op], Value]:
    """Operations that copy the contents into a new buffer, and the buffer."""
    kind = version.buffer.type
    alloc = Op("alloc", [version.size], [kind], (), {"dtype": kind[1:], "zero": False})
    alloc.result.hint = f"{version.buffer.hint or 'v'}_was"
    k = Value(I8, None, "i")
    inner = Region([k])
    load = Op("load", [version.buffer, k], [element_of(kind)])
    inner.ops = [load, Op("store", [alloc.result, k, load.result], [])]
    return [alloc, Op("for", [version.size], [], [inner], {"parallel": True})], alloc.result
