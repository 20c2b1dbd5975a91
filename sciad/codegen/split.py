"""Big functions in parts: compilers take more than twice the time for twice the code.

Neighbouring statements with loops among them become a function of their own, which reads what it needs as arguments and gives back what is
used after it.  Arrays that a part makes or looks into stay with the caller, and so do tapes that grow.
"""

from __future__ import annotations

from collections.abc import Callable

from sciad.ir import PURE, Op, Region, Value, walk
from sciad.types import is_buffer

__all__ = ["LARGE", "Part", "split"]

#: Operations of a function that is left whole, and of a part.
LARGE, PART = 900, 300

_WITHIN = {"for", "while", "if", "load", "store", "check", "gemm", "call"}


class Part:
    """A region of its own, and whether its array arguments are known to be apart."""

    def __init__(self, name: str, region: Region, apart: bool) -> None:
        self.name, self.region, self.apart = name, region, apart


def split(body: Region, name: Callable[[int], str]) -> list[Part]:
    """Take parts out of a large function, named by their number; an operation `part` stays in the place of each.  `body` is changed."""
    if sum(1 for _ in walk(body)) <= LARGE:
        return []
    runs = _runs(body)
    used_after = _last_uses(body)
    roots = set(body.params) | {op.result for op in body.ops if op.name == "alloc"}
    parts: list[Part] = []
    ops: list[Op] = []
    for run in runs:
        if not _may_move(run[0]) or sum(map(_weight, run)) < PART // 2 or not any(op.name in ("for", "while") for op in run):
            ops += run
            continue
        region = Region(_free(run))
        region.ops = run
        inside = set(run)
        region.results = [r for op in run if op.name != "const" for r in op.results if not used_after.get(r, set()) <= inside]
        arrays = [p for p in region.params if is_buffer(p.type)]
        parts.append(Part(name(len(parts)), region, all(a in roots for a in arrays)))
        call = Op("part", region.params, (), attributes={"name": parts[-1].name})
        call.results = list(region.results)
        ops += [*[op for op in run if op.name == "const"], call]
    body.ops = ops
    return parts


def _weight(op: Op) -> int:
    return 1 + sum(1 for inner in op.regions for _ in walk(inner))


def _runs(body: Region) -> list[list[Op]]:
    """Neighbouring operations that may stand in one part, up to its size; others alone."""
    runs: list[list[Op]] = []
    size = PART
    for op in body.ops:
        weight = _weight(op)
        if not _may_move(op):
            runs.append([op])
            size = PART
        elif size >= PART or size + weight > 2 * PART:
            runs.append([op])
            size = weight
        else:
            runs[-1].append(op)
            size += weight
    return runs


def _may_move(op: Op) -> bool:
    """Whether an operation leaves no array or tape behind that lives in the function."""
    if not (op.name in _WITHIN or PURE(op)) or op.name == "subbuffer" or any(is_buffer(r.type) for r in op.results):
        return False
    return not any(inner.name.startswith("tape") for region in op.regions for inner in walk(region))


def _free(ops: list[Op]) -> list[Value]:
    """What the operations read from outside, constants aside."""
    made: set[Value] = set()
    found: dict[Value, None] = {}

    def look(values: list[Value]) -> None:
        for v in values:
            if v not in made and v.constant is None:
                found.setdefault(v)

    def visit(some: list[Op]) -> None:
        for op in some:
            look(op.args)
            for region in op.regions:
                made.update(region.params)
                visit(region.ops)
                look(region.results)
            made.update(op.results)

    visit(ops)
    return list(found)


def _last_uses(body: Region) -> dict[Value, set]:
    """Value -> the operations of the outermost region that use it; the string "end" where it is a result."""
    uses: dict[Value, set] = {}
    for op in body.ops:
        inside = [*op.args, *[a for region in op.regions for inner in walk(region) for a in inner.args]]
        for region in op.regions:
            inside += region.results
            inside += [r for inner in walk(region) for deeper in inner.regions for r in deeper.results]
        for value in inside:
            uses.setdefault(value, set()).add(op)
    for value in body.results:
        uses.setdefault(value, set()).add("end")
    return uses
