"""A loop of matrix-vector products with one matrix becomes one matrix-matrix product: ``for i: t = W @ x[i]; y[i] = tanh(t)``.

A product inside a loop that reads nothing the loop writes is computed for all trips before the loop.  Its target, made in each trip,
becomes a part of a larger one.  Only products of vectors with one and the same matrix are taken together: then the vectors are a matrix.
"""

from __future__ import annotations

from collections.abc import Iterable

from sciad.fold import fold
from sciad.ir import Builder, Op, Region, Value, walk
from sciad.passes.affine import computed, outside, slopes, touched
from sciad.passes.bounded import in_proportion
from sciad.passes.polynomial import Facts, Polynomial
from sciad.passes.products import insert, large_enough, trip_count
from sciad.passes.structure import Structure, reads, writes
from sciad.types import I8

__all__ = ["batch_products", "move_into", "parts_of"]

_A, _B, _C = 0, 4, 8  # where the operands of a product start among its arguments: buffer, offset, strides of rows and columns


def batch_products(body: Region, nonnegative: Iterable[Value] = (), *, at_any_size: bool = False) -> bool:
    """Take products out of loops, in place; whether any was.  `at_any_size`: even where that needs memory (see `bounded`)."""
    known, done = set(nonnegative), False
    while (found := _first(body, known, at_any_size)) is not None:
        found()
        done = True
    return done


def _first(body: Region, known: set[Value], at_any_size: bool):
    """The change for the first product that can leave its loop."""
    structure = Structure(body)
    for op in walk(body):
        loop = structure.owner[structure.region_of[op]] if op.name == "gemm" else None
        if loop is not None and loop.name == "for" and (moving := _moving(op, loop, structure)) is not None:
            rows = moving[0] == _A
            if at_any_size or in_proportion(loop, (op.args[14 if rows else 12], op.args[13]), structure):
                return lambda: _take_out(body, op, loop, moving, known)
    return None


def _moving(product: Op, loop: Op, structure: Structure) -> tuple[int, Polynomial, Polynomial, Polynomial] | None:
    """The operand that moves with the loop (where it starts among the arguments), its offset and slope, and the offset of the other."""
    inner, args = loop.regions[0], product.args
    target, facts = args[_C], Facts()
    own = {structure.memory(args[_A]), structure.memory(args[_B])}
    if own & touched(inner, structure, written=True) or any(op.name == "check" for op in walk(inner)):
        return None
    if target.op not in inner.ops or target.op.name != "alloc" or product.attributes["accumulate"]:  # type: ignore[union-attr]
        return None
    assert target.op is not None
    fixed = [a for k, a in enumerate(args) if k not in (_A + 1, _B + 1, _C)] + [target.op.args[0], loop.args[0]]
    if any(v.constant is None and v in structure.home and structure.is_inside(structure.home[v], inner) for v in fixed):
        return None
    if not _first_use(product, target, inner, structure) or parts_of(target, structure) is None:
        return None
    found = None
    for start, other, extent in ((_A, _B, 12), (_B, _A, 14)):
        parts, still = (slopes(facts.form(args[k + 1]), [inner.params[0]]) for k in (start, other))
        if parts is None or still is None or not all(outside(p, loop, structure) for p in (parts[0], *parts[1], still[0])):
            continue
        if parts[1][0] and not still[1][0] and args[extent].constant == 1:
            found = (start, parts[0], parts[1][0], still[0])
    extents = [loop.args[0] if args[k].constant == 1 else args[k] for k in (12, 13, 14)]
    return found if found is not None and large_enough(extents) else None


def _first_use(product: Op, target: Value, inner: Region, structure: Structure) -> bool:
    """Whether nothing uses the target's memory between its allocation and the product."""
    memory = structure.memory(target)
    before = inner.ops[: inner.ops.index(product)]
    nested = [o for op in before for o in (op, *[x for r in op.regions for x in walk(r)])]
    return not any(structure.memory(buffer) is memory for op in nested for buffer in (*reads(op), *writes(op)))


def parts_of(buffer: Value, structure: Structure) -> list[tuple[Op, int]] | None:
    """The loads, stores and products that use a buffer, and where its offset stands; None where it is used otherwise."""
    found: list[tuple[Op, int]] = []
    for op in walk(structure.body):
        if any(r is buffer for region in op.regions for r in region.results):
            return None
        for k, a in enumerate(op.args):
            if a is not buffer:
                continue
            if not (op.name in ("load", "store") and k == 0) and not (op.name == "gemm" and k in (_A, _B, _C)):
                return None
            found.append((op, k + 1))
    return None if buffer in structure.body.results else found


def _take_out(body: Region, product: Op, loop: Op, moving: tuple[int, Polynomial, Polynomial, Polynomial], known: set[Value]) -> None:
    """Compute the product for all trips before the loop; trip i finds its part at ``i * size``."""
    start, rest, slope, other_rest = moving
    alloc = product.args[_C].op
    assert alloc is not None
    b = Builder(fold)
    outside_ = b.enter()
    b.line = product.line
    trips = trip_count(b, loop, known)
    size = alloc.args[0]
    target = b.alloc("float64", b.mul(trips, size), zero=alloc.attributes["zero"], hint=alloc.result.hint or "product")
    args = list(product.args)
    args[start + 1], args[(_A + _B - start) + 1] = computed(b, rest), computed(b, other_rest)
    rows = start == _A  # the vectors become the rows of A, or the columns of B
    args[start + (2 if rows else 3)] = computed(b, slope)
    args[_C], args[_C + (2 if rows else 3)] = target, size
    args[12 if rows else 14] = trips
    b.emit("gemm", args, [], accumulate=False)
    insert(body, loop, b.leave(outside_).ops)
    insert(body, product, [], remove=True)
    move_into(body, alloc, target, loop.regions[0].params[0])


def move_into(body: Region, alloc: Op, target: Value, trip: Value) -> tuple[Op, list[Op]]:
    """Memory made in each trip becomes the part of a larger one from ``trip * size`` on; gives what computes that, and the new indices."""
    uses = parts_of(alloc.result, Structure(body))
    assert uses is not None
    start = Op("multiply", [trip, alloc.args[0]], [I8], (), {}, alloc.line)
    insert(body, alloc, [start], remove=True)
    indices = []
    for op, position in uses:
        shifted = Op("add", [op.args[position], start.result], [I8], (), {}, op.line)
        insert(body, op, [shifted])
        op.args[position - 1 : position + 1] = [target, shifted.result]
        indices.append(shifted)
    return start, indices
