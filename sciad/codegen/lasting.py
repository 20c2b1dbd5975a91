"""Which local arrays outlive the iteration that makes them."""

from __future__ import annotations

from sciad.ir import Op, Region, Value, walk
from sciad.types import is_buffer

__all__ = ["lasting"]


def lasting(body: Region) -> set[Value]:
    """Buffers that a loop hands on to its next iteration or a tape keeps, under whatever name.

    An array on the stack has one place, whatever the iteration: ``x = W @ x`` in a loop would overwrite what it reads.
    """
    names: dict[Value, set[Value]] = {}  # what a buffer may be another name of
    found: list[Value] = []
    for op in walk(body):
        inner = {r for region in op.regions for r in region.results if is_buffer(r.type)}
        given = inner | {a for a in op.args if is_buffer(a.type)}
        for value in [*op.results, *[p for region in op.regions for p in region.params]]:
            if is_buffer(value.type) and op.name not in ("alloc", "tape_new"):
                names.setdefault(value, set()).update(given)
        found += inner if op.name in ("for", "while") else _kept(op)
    known: set[Value] = set()
    while found:
        value = found.pop()
        if value not in known:
            known.add(value)
            found += names.get(value, ())
    return known


def _kept(op: Op) -> list[Value]:
    return [a for a in op.args[1:] if is_buffer(a.type)] if op.name == "tape_push" else []
