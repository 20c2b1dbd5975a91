"""A loop is cut in two before a product whose vector it makes itself, so that the product can leave it: layers of a network.

    for i: {h = tanh(V @ x[i]); y[i] = W @ h}   ->   for i: {h[i] = tanh(V @ x[i])}; for i: {y[i] = W @ h[i]}

Memory that each trip writes anew before it reads it gets a part for each trip.  Other memory that both halves touch must not meet: no trip
of the second half an element that a later trip of the first touches, one of them writing.  Scalars that the second half needs are computed
again, or kept in an array.  Memory grows with the trips: for the reverse sweep only, which keeps as much in any case.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sciad.ir import PURE, Op, Region, Value, substitute, walk
from sciad.passes.affine import outside, slopes, touched
from sciad.passes.batches import move_into, parts_of
from sciad.passes.polynomial import Facts
from sciad.passes.products import insert, large_enough, product_at, sum_of_products
from sciad.passes.structure import Structure, carried, reads, writes
from sciad.passes.trips import Trips
from sciad.types import B1, F8, I8, is_buffer

__all__ = ["distribute"]


@dataclass(eq=False)
class _Cut:
    """A loop, the first operation of its second half, and what has to be done for it."""

    loop: Op
    second: list[Op]
    own: list[Op] = field(default_factory=list)  # allocations that get a part for each trip
    again: list[Op] = field(default_factory=list)  # operations of the first half that are repeated in the second, in order
    kept: list[Value] = field(default_factory=list)  # scalars that go through an array


def distribute(body: Region, nonnegative: Iterable[Value] = ()) -> bool:
    """Cut one loop, in place; whether any was.  `nonnegative` are parameters that are never negative."""
    structure, known = Structure(body), set(nonnegative)
    trips = Trips(structure, known)
    for op in walk(body):
        found = _candidate(op, structure)
        cut = _cut(*found, structure, trips) if found is not None else None
        if cut is not None:
            _apply(body, cut)
            return True
    return False


# -- where -------------------------------------------------------------------------------------------------------------------------
def _candidate(op: Op, structure: Structure) -> tuple[Op, Op, Value] | None:
    """A loop, the operation in it that is a matrix times a vector, and the buffer of the vector, which an earlier operation writes."""
    found = _of_gemm(op, structure) if op.name == "gemm" else _of_sum(op, structure) if op.name == "for" else None
    if found is None:
        return None
    inner, matrix, vector, extents = found
    loop = structure.owner[structure.region_of[inner]]
    if loop is None or loop.name != "for" or not large_enough([*extents, loop.args[0]]):
        return None
    written = touched(loop.regions[0], structure, written=True)
    if structure.memory(matrix[0]) in written or structure.memory(vector[0]) not in written:
        return None
    trip = loop.regions[0].params[0]
    for buffer_forms, may_move in ((matrix[1], False), (vector[1], True)):
        for p in buffer_forms:
            parts = slopes(p, [trip])
            if parts is None or (parts[1][0] and not may_move) or not all(outside(q, loop, structure) for q in (parts[0], *parts[1])):
                return None
    return loop, inner, vector[0]


def _of_sum(op: Op, structure: Structure) -> tuple[Op, tuple, tuple, list[Value]] | None:
    """A sum of products in a loop that is a row of a matrix times a vector: the loop, buffers and forms of both, lengths."""
    found, owner = sum_of_products(op), structure.owner[structure.region_of[op]]
    if found is None or owner is None or owner.name != "for":
        return None
    facts = Facts()
    plan = product_at(found, [op, owner], structure, facts)
    if plan is None:
        return None
    matrix, vector = [(buffer, [rest, *steps]) for buffer, rest, steps in plan.operands]
    for n in (op.args[0], owner.args[0]):
        matrix[1].append(facts.form(n))
    return owner, matrix, vector, [op.args[0], owner.args[0]]


def _of_gemm(op: Op, structure: Structure) -> tuple[Op, tuple, tuple, list[Value]] | None:
    """A product with a vector into memory made in the same region."""
    args, facts = op.args, Facts()
    target = args[8].op
    made = target is not None and target.name == "alloc" and structure.region_of[target] is structure.region_of[op]
    if not made or op.attributes["accumulate"] or (args[12].constant == 1) == (args[14].constant == 1):
        return None
    start = 0 if args[12].constant == 1 else 4  # of the vector
    matrix = (args[4 - start], [facts.form(a) for k, a in enumerate(args) if k not in (0, 4, 8, start + 1)])
    return op, matrix, (args[start], [facts.form(args[start + 1])]), [n for n in args[12:15] if n.constant != 1]


# -- whether -----------------------------------------------------------------------------------------------------------------------
def _cut(loop: Op, inner: Op, vector: Value, structure: Structure, trips: Trips) -> _Cut | None:
    """The cut before `inner`; None where it is not possible."""
    body = loop.regions[0]
    at = body.ops.index(inner)
    first, second = body.ops[:at], body.ops[at:]
    if loop.attributes.get("down") or any(op.name in ("check", "while") for op in walk(body)):
        return None
    if any(is_buffer(g[1].type) for g in carried(loop)):
        return None
    used = _used(first)
    only_later = [op for op in first if op.name == "alloc" and op.result not in used]
    first = [op for op in first if op not in only_later]
    cut = _Cut(loop, [*only_later, *second])
    if not _memory_allows(cut, first, structure, trips) or vector.op not in cut.own or not _carried_allow(loop, first, cut.second):
        return None
    return cut if _scalars_allow(cut, first, structure) else None


def _touches(ops: list[Op], buffer: Value, structure: Structure) -> bool:
    memory = structure.memory(buffer)
    return any(structure.memory(x) is memory for op in _within(ops) for x in (*reads(op), *writes(op)))


def _within(ops: list[Op]) -> list[Op]:
    """Operations and those inside them."""
    return [o for op in ops for o in (op, *[x for inner in op.regions for x in walk(inner)])]


def _memory_allows(cut: _Cut, first: list[Op], structure: Structure, trips: Trips) -> bool:
    """Find what gets a part for each trip; False where other memory forbids the cut."""
    written = {structure.memory(x) for op in _within([*first, *cut.second]) for x in writes(op)}
    both = {m for m in written if _touches(first, m, structure) and _touches(cut.second, m, structure)}
    for memory in both:
        alloc = memory.op
        if alloc is not None and alloc.name == "alloc" and _anew(alloc, cut.loop, first, structure):
            cut.own.append(alloc)
            continue
        one, two = ([op for op in _within(ops) if _touches_itself(op, memory, structure)] for ops in (first, cut.second))
        pairs = trips.conflicts(one, two)
        if pairs is None or not all(trips.never_meets(a, b, cut.loop, cut.loop) for a, b in pairs):
            return False
    return True


def _touches_itself(op: Op, memory: Value, structure: Structure) -> bool:
    return any(structure.memory(x) is memory for x in (*reads(op), *writes(op)))


def _anew(alloc: Op, loop: Op, first: list[Op], structure: Structure) -> bool:
    """Whether each trip writes the whole of some memory before it reads any of it, and nobody else sees it."""
    buffer, inner = alloc.result, loop.regions[0]
    size = alloc.args[0]
    uses = parts_of(buffer, structure)
    if buffer.type != "*float64" or uses is None or any(not structure.is_inside(structure.region_of[op], inner) for op, _ in uses):
        return False
    if size in structure.home and size.constant is None and structure.is_inside(structure.home[size], inner):
        return False
    if structure.region_of[alloc] is inner:
        return True
    for op in first:
        if _touches([op], buffer, structure):
            return _fills(op, buffer, size, structure)
    return False


def _fills(op: Op, buffer: Value, size: Value, structure: Structure) -> bool:
    """Whether a loop stores every element of a buffer and reads none."""
    n = op.args[0] if op.name == "for" else None
    if n is None or not (n is size or (n.constant is not None and n.constant == size.constant)):
        return False
    k, memory = op.regions[0].params[0], structure.memory(buffer)
    if any(structure.memory(x) is memory for o in walk(op.regions[0]) for x in reads(o)):
        return False
    return any(o.name == "store" and o.args[0] is buffer and o.args[1] is k for o in op.regions[0].ops)


def _used(ops: list[Op]) -> set[Value]:
    """The values that operations refer to, nested ones and results of regions included."""
    inside = _within(ops)
    return {a for op in inside for a in op.args} | {r for op in inside for inner in op.regions for r in inner.results}


def _carried_allow(loop: Op, first: list[Op], second: list[Op]) -> bool:
    """Whether each carried value belongs to one half."""
    early = {r for op in first for r in op.results}
    for _, parameter, following, _ in carried(loop):
        in_first, in_second = parameter in _used(first), parameter in _used(second)
        whole = following in early or following is parameter
        if (in_first or following in early) and (in_second or not whole):
            return False
    return True


def _scalars_allow(cut: _Cut, first: list[Op], structure: Structure) -> bool:
    """Decide for each value that crosses the cut whether it is computed again or kept."""
    made = {r: op for op in first for r in op.results}
    wanted = [v for v in _used(cut.second) if v in made]
    written = {structure.memory(x) for op in _within([*first, *cut.second]) for x in writes(op)}
    again: set[Op] = set()
    while wanted:
        v = wanted.pop()
        op = made[v]
        if op in again or op in cut.own or v in cut.kept:
            continue
        unchanged = op.name == "load" and structure.memory(op.args[0]) not in written
        if unchanged or (PURE(op) and (v.type in (I8, B1) or v.constant is not None)):
            again.add(op)
            wanted += [a for a in op.args if a in made]
        elif v.type == F8:
            cut.kept.append(v)
        else:
            return False
    cut.again = [op for op in first if op in again]
    return True


# -- how ---------------------------------------------------------------------------------------------------------------------------
def _apply(body: Region, cut: _Cut) -> None:
    """Make the two loops; the second is the old one with less in it."""
    loop, inner = cut.loop, cut.loop.regions[0]
    trips = _clipped(body, loop)
    starts, indices = _give_parts(body, cut, trips)
    first, second = _halves(inner.ops, cut.second, indices)
    region = Region([Value(I8, None, inner.params[0].hint)])
    front = Op("for", [loop.args[0]], [], [region], dict(loop.attributes), loop.line)
    new: dict[Value, Value] = {}
    repeated: list[Op] = []
    for op in first:
        if op in cut.again or op in starts:
            copy = Op(op.name, [new.get(a, a) for a in op.args], [r.type for r in op.results], (), dict(op.attributes), op.line)
            new.update(zip(op.results, copy.results))
            repeated.append(copy)
    for v in cut.kept:
        array = Op("alloc", [trips], ["*float64"], (), {"dtype": "float64", "zero": False}, loop.line)
        insert(body, loop, [array])
        position = next(i for i, op in enumerate(first) if v in op.results)
        first.insert(position + 1, Op("store", [array.result, inner.params[0], v], [], (), {}, loop.line))
        repeated.append(Op("load", [array.result, inner.params[0]], [F8], (), {}, loop.line))
        new[v] = repeated[-1].result
    region.ops = first
    _share_carried(loop, front)
    inner.ops = second
    substitute(inner, new)
    inner.ops = [*repeated, *second]
    substitute(region, {inner.params[0]: region.params[0]})
    insert(body, loop, [front])


def _halves(ops: list[Op], second: list[Op], indices: set[Op]) -> tuple[list[Op], list[Op]]:
    """The operations of both halves; a new index goes with the operation that it stands before."""
    late = set(second)
    halves: tuple[list[Op], list[Op]] = ([], [])
    waiting: list[Op] = []
    for op in ops:
        waiting.append(op)
        if op not in indices:
            halves[op in late].extend(waiting)
            waiting = []
    return halves


def _share_carried(loop: Op, front: Op) -> None:
    """Give the first loop the carried values that its half computes."""
    inner, region = loop.regions[0], front.regions[0]
    early = {r for op in region.ops for r in op.results}
    used = _used(region.ops)
    for position, (initial, parameter, following, result) in reversed(list(enumerate(carried(loop)))):
        if following in early or parameter in used:
            front.args.insert(1, initial)
            region.params.insert(1, parameter)
            region.results.insert(0, following)
            front.results.insert(0, result)
            result.op = front
            del loop.args[position + 1], inner.params[position + 1], inner.results[position], loop.results[position]


def _give_parts(body: Region, cut: _Cut, trips: Value) -> tuple[set[Op], set[Op]]:
    """Memory of a trip becomes a part of memory for all; gives what computes where parts start, and the new indices."""
    loop, inner = cut.loop, cut.loop.regions[0]
    starts, indices = set(), set()
    for alloc in cut.own:
        if alloc not in inner.ops:
            insert(body, alloc, [], remove=True)
            inner.ops.insert(0, alloc)
        size = Op("multiply", [trips, alloc.args[0]], [I8], (), {}, alloc.line)
        large = Op("alloc", [size.result], [alloc.result.type], (), dict(alloc.attributes), alloc.line)
        large.result.hint = alloc.result.hint
        insert(body, loop, [size, large])
        start, shifted = move_into(body, alloc, large.result, inner.params[0])
        starts.add(start)
        indices.update(shifted)
    return starts, indices


def _clipped(body: Region, loop: Op) -> Value:
    """The number of trips of a loop, not below zero."""
    n = loop.args[0]
    if n.constant is not None:
        return n
    zero = Op("const", [], [I8], (), {"value": 0})
    found = Op("maximum", [n, zero.result], [I8], (), {}, loop.line)
    insert(body, loop, [zero, found])
    return found.result
