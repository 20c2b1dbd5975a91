"""Which loops are written out: few trips, known when compiling, of straight-line code.

Written out, the elements of small local arrays become scalars: their loads are forwarded from the stores before them (see `simplify`), and
a derivative has no memory to save or to zero.
"""

from __future__ import annotations

from sciad.ir import Op, Region, Value
from sciad.passes.polynomial import Facts

__all__ = ["worth_unrolling"]

MAX_TRIPS, MAX_OPERATIONS = 12, 600


def worth_unrolling(loop: Op, trips: int) -> bool:
    """Whether a `for` of so many trips is to be written out."""
    if not 0 < trips <= MAX_TRIPS:
        return False
    size = _size(loop.regions[0], {loop.regions[0].params[0]: (trips - 1) / 2}, Facts())
    return size is not None and size * trips <= MAX_OPERATIONS


def _size(region: Region, middle: dict[Value, float], facts: Facts) -> float | None:
    """Operations of a region with its loops written out; None where one cannot be.  `middle` are trip numbers half-way."""
    total = 0.0
    for op in region.ops:
        if op.name in ("while", "alloc", "call", "gemm"):
            return None
        total += op.name != "const"
        factor = 1.0
        if op.name == "for":
            trips = _at(facts, op.args[0], middle)
            if trips is None or trips > MAX_TRIPS:
                return None
            factor = max(trips, 1.0)
            middle[op.regions[0].params[0]] = (trips - 1) / 2
        for inner in op.regions:
            size = _size(inner, middle, facts)
            if size is None:
                return None
            total += factor * size
    return total


def _at(facts: Facts, v: Value, middle: dict[Value, float]) -> float | None:
    """An integer's value where the trip numbers are half-way; None where it depends on anything else."""
    total = 0.0
    for monomial, c in facts.form(v).items():
        term = float(c)
        for atom in monomial:
            if atom not in middle:
                return None
            term *= middle[atom]
        total += term
    return total
