"""Loops whose trips are run again on the way back, from copies of what they read, instead of being remembered.

A `for` with the attribute ``checkpoint`` is a stretch: its mirror is the whole pullback of the loop, put in place.  Before the stretch the
memory that it touches is copied where anything writes to it; the copies, and the scalars that it reads, are all that is kept of it.  With
``checkpoint="loop"`` a loop of n trips first becomes one of sqrt(n) stretches of sqrt(n) trips each (the memory of two square roots, the
primal once more: Griewank & Walther, Evaluating Derivatives, 2nd ed., section 12.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sciad.fold import fold
from sciad.ir import Builder, Op, Region, Value, substitute, walk
from sciad.passes.simplify import simplify
from sciad.passes.structure import Structure, writes
from sciad.types import F8, I8, is_buffer

if TYPE_CHECKING:
    from sciad.passes.reverse import Reverse

__all__ = ["keep_states", "stretch_mirror"]


def keep_states(body: Region, structure: Structure) -> bool:
    """Cut loops into stretches and copy what stretches read, in place; True where anything changed.

    A stretch that carries or chooses arrays, or reads memory under two names, is an ordinary loop again.
    """
    marked = _outermost(body)
    written = {structure.memory(buffer) for op in walk(body) for buffer in writes(op)} if marked else set()
    regions = structure.region_of
    for op in marked:
        mode = op.attributes["checkpoint"]
        buffers = [v for v in free_values(op) if is_buffer(v.type)]
        memories = {structure.memory(v) for v in buffers}
        joins = [op, *[inner for inner in walk(op.regions[0]) if inner.regions]]
        if len(memories) < len(buffers) or any(is_buffer(r.type) for join in joins for r in join.results):
            del op.attributes["checkpoint"]
            continue
        home, stretch = regions[op], op
        if mode == "loop":
            home, stretch = _in_stretches(op, home)
        before: list[Op] = []
        kept: dict[Value, Value] = {}
        for v in buffers:
            if structure.memory(v) in written:
                made, kept[v] = _copy(v)
                before += made
        stretch.attributes["checkpoint"] = True
        stretch.attributes["kept"] = kept
        at = home.ops.index(stretch)
        home.ops[at:at] = before
    return bool(marked)


def _outermost(region: Region) -> list[Op]:
    """Marked loops that are in no other marked loop: those inside are looked at when the stretch around them is pulled back."""
    found = []
    for op in region.ops:
        if op.name == "for" and op.attributes.get("checkpoint"):
            found.append(op)
            continue
        for inner in op.regions:
            found += _outermost(inner)
    return found


def free_values(op: Op) -> list[Value]:
    """What a loop reads from outside, constants aside, in order of first use."""
    made: set[Value] = set()
    found: dict[Value, None] = {}

    def look(values: list[Value]) -> None:
        found.update(dict.fromkeys(v for v in values if v not in made and v.constant is None))

    def visit(one: Op) -> None:
        look(one.args)
        for region in one.regions:
            made.update(region.params)
            for inner in region.ops:
                visit(inner)
            look(region.results)
        made.update(one.results)

    visit(op)
    return list(found)


def _in_stretches(op: Op, home: Region) -> tuple[Region, Op]:
    """``for(n)`` as a loop over stretches of about sqrt(n) trips; the region and the loop of a stretch."""
    b = Builder(fold)
    b.line = op.line
    n = b.pure("maximum", [op.args[0], b.int(0)], I8)
    length = b.add(b.cast(b.pure("sqrt", [b.cast(n, F8)], F8), I8), 1)
    count = b.pure("floor_divide", [b.sub(b.add(n, length), 1), length], I8)
    inner = op.regions[0]
    number, within = Value(I8, None, "stretch"), Value(I8, None, "within")
    states = [Value(r.type, None, r.hint) for r in op.results]
    outer = b.enter([number, *states])
    start = b.mul(number, length)
    trips = b.pure("minimum", [length, b.sub(n, start)], I8)
    attributes = {key: value for key, value in op.attributes.items() if key != "parallel"}
    stretch = Op("for", [trips, *states], [r.type for r in op.results], [inner], attributes, op.line)
    b.region.ops.append(stretch)
    stretches = b.leave(outer, stretch.results)
    trip = Op("add", [start, within], [I8], (), None, op.line)
    substitute(inner, {inner.params[0]: trip.result})
    inner.params[0] = within
    inner.ops.insert(0, trip)
    whole = Op("for", [count, *op.args[1:]], [], [stretches], {}, op.line)
    whole.results = op.results
    for r in op.results:
        r.op = whole
    at = home.ops.index(op)
    home.ops[at : at + 1] = [*b.region.ops, whole]
    return stretches, stretch


def _copy(buffer: Value) -> tuple[list[Op], Value]:
    """Operations that copy a whole buffer, and the copy."""
    b = Builder(fold)
    size = b.pure("size", [buffer], I8)
    target = b.alloc(buffer.type[1:], size, zero=False, hint=f"{buffer.hint or 'v'}_kept")
    k = Value(I8, None, "k")
    outer = b.enter([k])
    b.store(target, k, b.load(buffer, k, _element(buffer)))
    b.emit("for", [size], [], [b.leave(outer)], parallel=True)
    return b.region.ops, target


def _element(buffer: Value) -> str:
    return {"float64": "f8", "float32": "f4", "bool": "b1"}.get(buffer.type[1:], "i8")


def stretch_mirror(sweep: Reverse, op: Op) -> bool:
    """Append the pullback of a stretch, primal included, to the mirror; False where the stretch has nothing to pull back."""
    from sciad.passes.pullback import pullback

    active = sweep.activity.active
    seeds = [sweep.take(r) if active(r) else None for r in op.results]
    if all(s is None for s in seeds) and not sweep.has_work(op.regions):
        return False
    b = sweep.b
    free = free_values(op)
    kept = op.attributes["kept"]
    wrt = [v for v in free if active(v)]
    again = Region(free)
    again.ops, again.results = [op], list(op.results)
    again = simplify(again)
    for inner in again.ops:
        if inner.attributes.get("kept") is kept:
            inner.attributes = {key: value for key, value in inner.attributes.items() if key not in ("checkpoint", "kept")}
    inside = {v: Value(v.type, None, v.hint) for v in free}
    substitute(again, inside)
    again.params = list(inside.values())
    outputs = [k for k, s in enumerate(seeds) if s is not None]
    arrays = [v for v in wrt if is_buffer(v.type)]
    done = pullback(again, [inside[v] for v in wrt], outputs, [inside[v] for v in arrays])
    given = [kept.get(v, v) for v in free] + [sweep.shadow(v) for v in arrays] + [seeds[k] for k in outputs]
    substitute(done, dict(zip(done.params, given)))
    b.region.ops += done.ops
    for v, bar in zip([v for v in wrt if not is_buffer(v.type)], done.results[len(op.results) :]):
        sweep.add(v, bar)
    return True
