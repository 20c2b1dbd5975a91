"""Nests of loops that add products to a matrix become one product: ``for i: for k: for j: C[i, j] += A[i, k] * B[k, j]``, in any order.

Each loop moves two of the three: rows of A and C, columns of B and C, or the sum along A and B.  Nothing else may happen in the nest, and C
is other memory than A and B.  (Elements of C may meet: the kernel then adds one by one.)  The sums are in another order than written.  With
two loops it is a matrix times a vector, raised where the inner loop reads the matrix across its rows.
"""

from __future__ import annotations

from sciad.fold import fold
from sciad.ir import PURE, Builder, Op, Region, Value, walk
from sciad.passes.affine import computed, outside, slopes
from sciad.passes.polynomial import Facts, Polynomial
from sciad.passes.products import insert, large_enough
from sciad.passes.structure import Structure

__all__ = ["raise_updates"]


#: Which of A, B and C a loop moves.
_ROW, _COLUMN, _SUM = (True, False, True), (False, True, True), (True, True, False)
_ONE: Polynomial = {(): 1}


def raise_updates(body: Region) -> bool:
    """Raise nests that add products to memory, in place; whether anything was raised."""
    done = False
    facts = Facts()
    structure = Structure(body)
    for store in [op for op in walk(body) if op.name == "store"]:
        loads = _update(store, structure)
        if loads is None:
            continue
        nest = _nest(store, structure)
        for depth in (3, 2):
            made = _product(store, loads, nest[:depth], structure, facts) if len(nest) >= depth else None
            if made is not None:
                insert(body, nest[depth - 1], made, remove=True)
                done = True
                break
    return done


def _update(store: Op, structure: Structure) -> tuple[Op, Op, bool] | None:
    """The loads of ``C[i] = C[i] +- A[j] * B[k]``, and whether the product is subtracted."""
    buffer, index, value = store.args
    op, here = value.op, structure.region_of[store]
    if buffer.type != "*float64" or op is None or op.name not in ("add", "fast_add", "subtract"):
        return None
    for old, term in (op.args, op.args[::-1]):
        if old.op is None or old.op.name != "load" or old.op.args[0] is not buffer or old.op.args[1] is not index:
            continue
        if structure.region_of[old.op] is not here:  # what was there before the loop
            return None
        if op.name == "subtract" and old is not op.args[0]:
            return None
        factors = term.op.args if term.op is not None and term.op.name == "multiply" else []
        loads = [f.op for f in factors if f.op is not None and f.op.name == "load" and f.op.args[0].type == "*float64"]
        if len(loads) == 2:
            return loads[0], loads[1], op.name == "subtract"
    return None


def _nest(store: Op, structure: Structure) -> list[Op]:
    """The loops around a store, from the inside out, in which nothing else happens."""
    found: list[Op] = []
    region, allowed = structure.region_of[store], store
    while all(op is allowed or PURE(op) or op.name == "load" for op in region.ops):
        loop = structure.owner[region]
        if loop is None or loop.name != "for" or loop.results:
            break
        found.append(loop)
        region, allowed = structure.region_of[loop], loop
    return found


def _product(store: Op, loads: tuple[Op, Op, bool], nest: list[Op], structure: Structure, facts: Facts) -> list[Op] | None:
    """The product in the place of the loops; None where they are none."""
    outer, target = nest[-1], store.args[0]
    operands = [(op.args[0], op.args[1]) for op in (*loads[:2], store)]
    if any(structure.memory(buffer) is structure.memory(target) for buffer, _ in operands[:2]):
        return None
    if loads[2] or not all(outside(facts.form(loop.args[0]), outer, structure) for loop in nest):
        return None  # the kernel adds; a subtraction would need a sign
    found: list[tuple[Value, Polynomial, list[Polynomial]]] = []
    for buffer, index in operands:
        parts = slopes(facts.form(index), [loop.regions[0].params[0] for loop in nest])
        if parts is None or structure.is_inside(structure.home[buffer], outer.regions[0]):
            return None
        if not all(outside(p, outer, structure) for p in (parts[0], *parts[1])):
            return None
        found.append((buffer, *parts))
    moves = [tuple(bool(x[2][k]) for x in found) for k in range(len(nest))]
    if _COLUMN in moves and _ROW not in moves:  # one row: the transposed product
        found[:2], moves = found[1::-1], [(m[1], m[0], m[2]) for m in moves]
    place = {m: k for k, m in enumerate(moves)}
    if len(place) != len(nest) or not {_ROW, _SUM} <= set(place) or set(place) - {_ROW, _SUM, _COLUMN}:
        return None
    matrix = found[0][2]
    if _COLUMN not in place and (place[_SUM] != 0 or matrix[0] == _ONE or matrix[place[_ROW]] != _ONE):
        return None  # a matrix times a vector, read along rows as it is
    if not large_enough([loop.args[0] for loop in nest], vectors=len(nest) == 2):
        return None
    return _emitted(store, found, place, nest)


def _emitted(store: Op, found: list, place: dict[tuple[bool, ...], int], nest: list[Op]) -> list[Op]:
    """The operations of the product."""
    b = Builder(fold)
    outside_ = b.enter()
    b.line = store.line
    starts = [computed(b, rest) for _, rest, _ in found]

    def step(operand: int, role: tuple[bool, ...]) -> Value:
        return computed(b, found[operand][2][place[role]]) if role in place else b.const(0)

    args: list[Value] = []
    for operand, roles in enumerate(((_ROW, _SUM), (_SUM, _COLUMN), (_ROW, _COLUMN))):
        args += [found[operand][0], starts[operand], *[step(operand, role) for role in roles]]
    args += [nest[place[role]].args[0] if role in place else b.const(1) for role in (_ROW, _SUM, _COLUMN)]
    b.emit("gemm", args, [], accumulate=True)
    return b.leave(outside_).ops
