"""What the store-or-recompute decision weighs: memory moved, and work done again, times the trips of the loops around."""

from __future__ import annotations

from sciad.ir import PURE, Op, Region, Value
from sciad.passes.structure import Structure
from sciad.types import B1, F4, F8, I8

__all__ = ["TRIPS", "COPY", "STORE", "ELEMENTARY", "repeated", "work", "trips_in"]

TRIPS = 30.0  # assumed where a trip count is not a constant
COPY = 3.0  # of an element of an array, beside STORE of one value
STORE = {F8: 8.0, F4: 6.0, I8: 8.0, B1: 4.0}
WORK = {"divide": 8.0, "sqrt": 8.0, "floor_divide": 8.0, "remainder": 10.0, "load": 2.0, "select": 1.0, "cast": 1.0, "zero_wins": 3.0}
CHEAP = {"add", "subtract", "multiply", "negative", "absolute", "fast_add", "const", "subbuffer"} | {
    "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "logical_and", "logical_or", "logical_not",
    "minimum", "maximum", "bitwise_and", "bitwise_or", "bitwise_xor",
}  # fmt: skip
ELEMENTARY = 20.0


def repeated(index: Value) -> float:
    """The cost of a load at an index."""
    return WORK["load"] * (4 if _scattered(index) else 1)


def work(op: Op) -> float:
    """The cost of an operation done once."""
    if op.name == "load":
        return repeated(op.args[1])
    if op.name in CHEAP or (op.name == "select" and op.result.type == I8):
        return 0.3 if op.result.type in (I8, B1) else 1.0  # indices cost next to nothing beside memory traffic
    return WORK.get(op.name, ELEMENTARY)


def trips_in(structure: Structure, region: Region) -> float:
    """How often a region runs, with assumed trip counts."""
    count = 1.0
    for loop in structure.loops(region):
        n = loop.args[0].constant if loop.name == "for" else None
        count *= TRIPS if n is None else max(float(n), 1.0)
    return count


def _scattered(index: Value) -> bool:
    """Whether neighbouring trips may read far from each other: an index that is chosen or loaded."""
    op = index.op
    if op is None or not PURE(op):
        return op is not None
    return op.name in ("select", "remainder") or any(_scattered(a) for a in op.args)
