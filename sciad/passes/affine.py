"""Indices that are affine in the trip numbers of a nest: their slopes, and how they are computed before the nest."""

from __future__ import annotations

from collections.abc import Sequence

from sciad.ir import Builder, Op, Region, Value, walk
from sciad.passes.polynomial import Polynomial, by_degree
from sciad.passes.structure import Structure, reads, writes
from sciad.types import I8

__all__ = ["slopes", "outside", "computed", "touched"]


def slopes(p: Polynomial, trips: Sequence[Value]) -> tuple[Polynomial, list[Polynomial]] | None:
    """``p = rest + sum slope_l trip_l``: the rest and the slopes; None where p is not affine."""
    found = []
    for k in trips:
        parts = by_degree(p, k)
        if len(parts) > 2:
            return None
        p = parts[0]
        found.append(parts[1] if len(parts) == 2 else {})
    names = set(trips)
    if any(v in names for q in found for monomial in q for v in monomial):
        return None
    return p, found


def outside(p: Polynomial, loop: Op, structure: Structure) -> bool:
    """Whether a polynomial has whole coefficients and is made of values from outside a loop."""
    inner = loop.regions[0]
    return all(c == int(c) for c in p.values()) and not any(
        v in structure.home and structure.is_inside(structure.home[v], inner) for monomial in p for v in monomial
    )


def computed(b: Builder, p: Polynomial) -> Value:
    """Operations that compute a polynomial."""
    total: Value = b.const(0, I8)
    for monomial, c in p.items():
        term = b.const(int(c), I8)
        for v in monomial:
            term = b.mul(term, v)
        total = b.add(total, term)
    return total


def touched(region: Region, structure: Structure, *, written: bool) -> set[Value]:
    """Memory that the operations of a region, nested ones included, write (or read or write)."""
    return {
        structure.memory(buffer) for op in walk(region) for buffer in (writes(op) if written else (*writes(op), *reads(op)))
    }


