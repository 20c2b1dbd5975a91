"""Sums of products in plain loops become matrix products: ``for j: s = 0; for k: s += A[j, k] * x[k, i]``, in loops over i.

A sum over k of two loaded elements, inside loops over i and j that do not write what it reads, is an element of a product when one
operand moves with i and k, the other with j and k.  The whole product is computed before the loops, and the sum becomes a load.  With one
loop only it is a matrix times a vector: raised where the matrix is read across its rows, which the loop as written could not do at speed.

Not raised: a sum that may not run in every trip (inside a branch, or after a check that may raise), operands that anything in the loops
writes, bounds that change with the loops (triangles), indices that are not affine, and products that are small.  Sums are in another
order than written: results differ by rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sciad.fold import fold
from sciad.ir import PURE, Builder, Op, Region, Value, substitute, walk
from sciad.passes.affine import computed, outside, slopes, touched
from sciad.passes.bounded import in_proportion
from sciad.passes.polynomial import Facts, Polynomial
from sciad.passes.structure import Structure
from sciad.types import F8, I8

__all__ = ["raise_products", "sum_of_products", "product_at", "large_enough", "insert", "trip_count"]

_MIDDLING, _LONG, LEAST_WORK, LEAST_EXTENT = 32, 256, 4096, 4


@dataclass(eq=False)
class _Sum:
    """``s = first +- sum_k A[...] B[...]``: the loop, its two loads, and whether terms are subtracted."""

    loop: Op
    loads: tuple[Op, Op]
    minus: bool


@dataclass(eq=False)
class _Plan:
    """Where a product goes and what it is: for each operand its rest and slopes, one for each loop from the sum's outwards."""

    sum: _Sum
    loops: list[Op]  # from the inside out, that of the sum first
    operands: list[tuple[Value, Polynomial, list[Polynomial]]]
    row: Op | None = None  # the loop that the first operand moves with
    column: Op | None = None


def raise_products(body: Region, nonnegative: Iterable[Value] = (), *, at_any_size: bool = False) -> bool:
    """Raise sums of products, in place; whether anything was raised.

    `nonnegative` are parameters that are never negative; `at_any_size`: even where that needs memory (see `bounded`).
    """
    done = False
    while (plan := _first(body, at_any_size)) is not None:
        _apply(body, plan, set(nonnegative))
        done = True
    return done


def large_enough(extents: Iterable[Value], *, vectors: bool = False) -> bool:
    """Whether a product of these extents is worth a call; unknown ones are taken as middling (as long where one operand is a vector)."""
    work = 1
    for n in extents:
        if n.constant is not None and n.constant < LEAST_EXTENT:
            return False
        work *= (_LONG if vectors else _MIDDLING) if n.constant is None else int(n.constant)
    return work >= LEAST_WORK


def _first(body: Region, at_any_size: bool) -> _Plan | None:
    """The first sum that can be raised."""
    structure = Structure(body)
    for op in walk(body):
        found = sum_of_products(op) if op.name == "for" else None
        plan = _plan(found, structure) if found is not None else None
        if plan is not None and (at_any_size or plan.column is None or _in_proportion(plan, structure)):
            return plan
    return None


def _in_proportion(plan: _Plan, structure: Structure) -> bool:
    inner = plan.row if plan.loops[-1] is plan.column else plan.column
    assert inner is not None
    return in_proportion(plan.loops[-1], (inner.args[0], plan.sum.loop.args[0]), structure)


def sum_of_products(loop: Op) -> _Sum | None:
    """The sum of products that a loop is."""
    inner = loop.regions[0]
    if len(loop.results) != 1 or loop.results[0].type != F8 or not all(PURE(op) or op.name == "load" for op in inner.ops):
        return None
    total, following = inner.params[1], inner.results[0].op
    if following not in inner.ops or following.name not in ("add", "fast_add", "subtract"):
        return None
    assert following is not None
    if following.args.count(total) != 1 or sum(op.args.count(total) for op in inner.ops) != 1:
        return None
    minus = following.name == "subtract"
    term = following.args[1 - following.args.index(total)].op
    if (minus and following.args[0] is not total) or term is None or term.name != "multiply":
        return None
    loads = [a.op for a in term.args if a.op is not None and a.op.name == "load" and a.op.args[0].type == "*float64"]
    return _Sum(loop, (loads[0], loads[1]), minus) if len(loads) == 2 else None


def _plan(found: _Sum, structure: Structure) -> _Plan | None:
    """How far out the sum can go, and whether it is a product there."""
    facts, loops, best = Facts(), [found.loop], None
    region = structure.region_of[found.loop]
    while (loop := structure.owner[region]) is not None and loop.name == "for":
        loops.append(loop)
        plan = product_at(found, loops, structure, facts)
        if plan is None:
            break
        best = plan
        if plan.column is not None:
            break
        region = structure.region_of[loop]
    return best if best is not None and _worth(best) else None


def product_at(found: _Sum, loops: list[Op], structure: Structure, facts: Facts) -> _Plan | None:
    """The product before the last of the loops; None where it cannot be there."""
    outer = loops[-1]
    memory = {structure.memory(load.args[0]) for load in found.loads}
    if memory & touched(outer.regions[0], structure, written=True) or any(op.name == "check" for op in walk(outer.regions[0])):
        return None
    if not all(outside(facts.form(loop.args[0]), outer, structure) for loop in loops):
        return None
    trips = [loop.regions[0].params[0] for loop in loops]
    operands = []
    for load in found.loads:
        parts = slopes(facts.form(load.args[1]), trips)
        buffer = load.args[0]
        if parts is None or structure.is_inside(structure.home[buffer], outer.regions[0]) or not parts[1][0]:
            return None
        if not all(outside(p, outer, structure) for p in (parts[0], *parts[1])):
            return None
        operands.append((buffer, *parts))
    plan = _Plan(found, list(loops), operands)
    for position, loop in enumerate(loops[1:], start=1):
        moves = [bool(slope[position]) for _, _, slope in operands]
        if all(moves):
            return None
        if not any(moves):
            continue
        if plan.row is None:
            plan.row = loop
            plan.operands = operands = operands if moves[0] else operands[::-1]
        elif moves[1] and plan.column is None:
            plan.column = loop
        else:
            return None
    return plan if plan.row is not None else None


def _worth(plan: _Plan) -> bool:
    """Whether the product is faster than the loops: two matrices, or a matrix that the loops read across its rows."""
    extents = [loop.args[0] for loop in (plan.sum.loop, plan.row, plan.column) if loop is not None]
    if plan.column is not None:
        return large_enough(extents)
    assert plan.row is not None
    along_sum, along_row = (plan.operands[0][2][plan.loops.index(loop)] for loop in (plan.sum.loop, plan.row))
    return along_row == {(): 1} and along_sum != {(): 1} and large_enough(extents, vectors=True)


def _apply(body: Region, plan: _Plan, nonnegative: set[Value]) -> None:
    """Put the product before the outermost loop, and a load in the place of the sum."""
    b = Builder(fold)
    outside_ = b.enter()
    outer, inner = plan.loops[-1], plan.sum.loop
    b.line = inner.line
    one, zero = b.const(1), b.const(0)
    (a, a_rest, a_slopes), (c, c_rest, c_slopes) = plan.operands
    columns = trip_count(b, plan.column, nonnegative) if plan.column is not None else one
    rows = trip_count(b, plan.row, nonnegative)
    place = plan.loops.index
    row_first = plan.column is None or place(plan.row) > place(plan.column)  # the innermost loop reads the product along its rows
    strides = (columns, one) if row_first else (one, rows)
    target = b.alloc("float64", b.mul(rows, columns) if row_first else b.mul(columns, rows), zero=False, hint="product")
    args = [a, computed(b, a_rest), computed(b, a_slopes[place(plan.row)]), computed(b, a_slopes[0]), c, computed(b, c_rest)]
    args += [computed(b, c_slopes[0]), computed(b, c_slopes[place(plan.column)]) if plan.column is not None else zero]
    b.emit("gemm", [*args, target, zero, *strides, rows, inner.args[0], columns], [], accumulate=False)
    before = b.leave(outside_).ops
    insert(body, outer, before)
    outside_ = b.enter()
    index = zero
    for stride, loop in sorted(zip(strides, (plan.row, plan.column)), key=lambda pair: pair[0] is one):  # as a user's index is written
        index = b.add(index, b.mul(loop.regions[0].params[0], stride)) if loop is not None else index
    value = b.load(target, index, F8)
    total = b.pure("subtract" if plan.sum.minus else "fast_add", [inner.args[1], value], F8)
    after = b.leave(outside_).ops
    insert(body, inner, after, remove=True)
    substitute(body, {inner.results[0]: total})


def trip_count(b: Builder, loop: Op | None, nonnegative: set[Value]) -> Value:
    """The number of trips of a loop, not below zero."""
    assert loop is not None
    n = loop.args[0]
    return n if n.constant is not None or n in nonnegative else b.pure("maximum", [n, b.const(0)], I8)


def insert(body: Region, op: Op, new: list[Op], *, remove: bool = False) -> None:
    """Put operations before one, or in its place."""
    for region in [body, *[r for o in walk(body) for r in o.regions]]:
        if op in region.ops:
            at = region.ops.index(op)
            region.ops[at : at + remove] = new
            return
