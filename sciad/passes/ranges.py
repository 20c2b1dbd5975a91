"""Comparisons and clippings of integers that can only go one way, by the ranges of trip numbers: ``max(n - k, 0)``, ``k - 1 < 0``."""

from __future__ import annotations

from collections.abc import Iterable

from sciad.ir import Op, Region, Value, substitute
from sciad.passes.polynomial import Facts, combine
from sciad.types import B1, I8

__all__ = ["decide_ranges"]


def decide_ranges(body: Region, nonnegative: Iterable[Value] = ()) -> None:
    """Replace decided integer comparisons and clippings, in place; `nonnegative` are parameters known not to be negative."""
    decided: dict[Value, Value] = {}
    _visit(body, Facts(nonnegative), decided)
    for v in list(decided):
        while decided[v] in decided:
            decided[v] = decided[decided[v]]
    substitute(body, decided)


def _visit(region: Region, facts: Facts, decided: dict[Value, Value]) -> None:
    ops: list[Op] = []
    for op in region.ops:
        ops.append(op)
        if op.name == "for":
            undo = facts.enter(op)
            _visit(op.regions[0], facts, decided)
            facts.leave(undo)
            continue
        for inner in op.regions:
            _visit(inner, facts, decided)
        if len(op.args) != 2 or any(a.type != I8 for a in op.args):
            continue
        found = _clipping(op, facts) if op.name in ("maximum", "minimum") else _comparison(op, facts)
        if isinstance(found, Value):
            decided[op.result] = found
        elif found is not None:
            made = Op("const", [], [B1], (), {"value": found}, op.line)
            ops.append(made)
            decided[op.result] = made.result
    region.ops = ops


def _clipping(op: Op, facts: Facts) -> Value | None:
    x, y = op.args
    larger, smaller = (x, y) if _not_below(facts, x, y) else (y, x) if _not_below(facts, y, x) else (None, None)
    return larger if op.name == "maximum" else smaller


def _comparison(op: Op, facts: Facts) -> bool | None:
    x, y = op.args
    if op.name in ("equal", "not_equal"):
        return op.name == "not_equal" if facts.different(x, y) else None
    if op.name in ("greater", "less_equal"):
        x, y = y, x
    if op.name in ("less", "greater"):  # x < y
        return False if _not_below(facts, x, y) else True if _not_below(facts, y, x, 1) else None
    if op.name in ("greater_equal", "less_equal"):  # x >= y
        return True if _not_below(facts, x, y) else False if _not_below(facts, y, x, 1) else None
    return None


def _not_below(facts: Facts, x: Value, y: Value, by: int = 0) -> bool:
    """Whether ``x >= y + by`` is proved."""
    difference = combine(facts.form(x), facts.form(y), -1)
    return facts.nonnegative(combine(difference, {(): by}, -1))
