"""Loops whose first or last trips differ from all others, as at the border of a periodic grid, are cut into three.

In the middle part the comparisons that tell border from interior are decided (see `ranges`), so its indices run straight and it vectorises.
"""

from __future__ import annotations

from collections.abc import Iterable

from sciad.fold import fold
from sciad.ir import PURE, Builder, Op, Region, Value, substitute
from sciad.passes.polynomial import Facts, combine
from sciad.types import I8

__all__ = ["peel"]

_COMPARE = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}
_MIRRORED = {"less": "greater", "greater": "less", "less_equal": "greater_equal", "greater_equal": "less_equal"}
_DEEPEST, _MOST_OPERATIONS = 4, 80


def peel(body: Region, nonnegative: Iterable[Value] = ()) -> None:
    """Cut border trips off innermost loops, in place."""
    facts = Facts(nonnegative)
    replaced: dict[Value, Value] = {}
    _visit(body, facts, replaced)
    substitute(body, replaced)


def _visit(region: Region, facts: Facts, replaced: dict[Value, Value]) -> None:
    ops: list[Op] = []
    for op in region.ops:
        for inner in op.regions:
            _visit(inner, facts, replaced)
        border = _border(op, facts)
        if border is None:
            ops.append(op)
        else:
            made, results = _cut(op, *border)
            ops.extend(made)
            replaced.update(zip(op.results, results))
    region.ops = ops


def _border(loop: Op, facts: Facts) -> tuple[int, int] | None:
    """How many first and last trips are to be cut off; None where the loop stays whole."""
    if loop.name != "for" or loop.attributes.get("down") or loop.attributes.get("peeled"):
        return None
    inner = loop.regions[0]
    if len(inner.ops) > _MOST_OPERATIONS or not all(PURE(op) or op.name in ("load", "store") for op in inner.ops):
        return None
    asked = {op.args[0] for op in inner.ops if op.name == "select" and op.result.type == I8}
    first = last = 0
    for op in inner.ops:
        if op.name in _COMPARE and op.result in asked and op.args[0].type == I8:
            found = _depth(op, loop, facts)
            first, last = max(first, found[0]), max(last, found[1])
    trips = loop.args[0].constant
    if first + last == 0 or max(first, last) > _DEEPEST or (trips is not None and trips < 4 * (first + last)):
        return None
    return first, last


def _depth(op: Op, loop: Op, facts: Facts) -> tuple[int, int]:
    """The number of first and of last trips in which a comparison may differ from the others."""
    k, n = loop.regions[0].params[0], loop.args[0]
    difference = combine(facts.form(op.args[0]), facts.form(op.args[1]), -1)
    sign = difference.pop((k,), 0)
    if abs(sign) != 1:
        return 0, 0
    name = _MIRRORED.get(op.name, op.name) if sign < 0 else op.name
    later = 0 if name in ("less", "greater_equal") else 1  # the answer changes before the border, or behind it
    from_start, from_end = difference, combine(difference, facts.form(n), int(sign))  # k - n + c in place of k + c
    if set(from_start) <= {()} and 0 <= (trips := later - int(sign) * int(from_start.get((), 0))) <= _DEEPEST:
        return trips, 0
    if set(from_end) <= {()}:  # the border lies at k = n - c
        trips = int(sign) * int(from_end.get((), 0)) - (later if name in ("less_equal", "greater") else 0)
        return 0, trips if 0 <= trips <= _DEEPEST else 0
    return 0, 0


def _cut(loop: Op, first: int, last: int) -> tuple[list[Op], list[Value]]:
    """The three loops with the same trips in the same order, and their results."""
    b = Builder(fold)
    outer = b.enter()
    n = loop.args[0]
    values = loop.args[1:]
    start = b.int(0)
    middle = b.pure("maximum", [b.sub(n, first + last), b.int(0)], I8)
    if first:
        head = b.pure("minimum", [n, b.int(first)], I8)
        head = b.pure("maximum", [head, b.int(0)], I8)
        values = _part(b, loop, head, start, values)
        start = head
    values = _part(b, loop, middle, b.int(first), values)
    if last:
        done = b.add(start, middle)
        rest = b.pure("maximum", [b.sub(n, done), b.int(0)], I8)
        values = _part(b, loop, rest, done, values)
    return b.leave(outer).ops, values


def _part(b: Builder, loop: Op, trips: Value, start: Value, values: list[Value]) -> list[Value]:
    """One of the loops: trips ``start ... start + trips - 1`` of the whole."""
    inner = loop.regions[0]
    k = Value(I8, None, inner.params[0].hint)
    new: dict[Value, Value] = {p: Value(p.type, None, p.hint) for p in inner.params[1:]}
    outer = b.enter([k, *new.values()])
    new[inner.params[0]] = b.add(k, start)
    for op in inner.ops:
        b.line = op.line
        copy = b.emit(op.name, [new.get(a, a) for a in op.args], [r.type for r in op.results], (), **op.attributes)
        for old, made in zip(op.results, copy.results):
            made.hint = old.hint
            new[old] = made
    region = b.leave(outer, [new.get(r, r) for r in inner.results])
    b.line = loop.line
    return b.emit("for", [trips, *values], [v.type for v in values], [region], **loop.attributes, peeled=True).results
