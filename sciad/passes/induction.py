"""Counters in closed form: an integer that grows by the same amount, or by one linear in k, in trip k of a loop.

``c += 1`` in loops over k is ``c0 + k``.  Then nothing has to be carried, nor stored for a reverse sweep, and what is known of k is known
of c.
"""

from __future__ import annotations

from collections.abc import Iterable

from sciad.fold import fold
from sciad.ir import Builder, Op, Region, Value, substitute, walk
from sciad.passes.polynomial import Facts, Polynomial, combine
from sciad.passes.structure import carried
from sciad.types import I8

__all__ = ["close_counters"]


def close_counters(body: Region, nonnegative: Iterable[Value] = ()) -> None:
    """Replace counters by their closed forms, in place; their carried values die in `dce`."""
    _visit(body, body, set(nonnegative))


def _visit(region: Region, body: Region, nonnegative: set[Value]) -> None:
    ops: list[Op] = []
    for op in region.ops:
        for inner in op.regions:
            _visit(inner, body, nonnegative)
        ops.append(op)
        if op.name == "for" and not op.attributes.get("down"):
            ops.extend(_close(op, body, nonnegative))
    region.ops = ops


def _close(loop: Op, body: Region, nonnegative: set[Value]) -> list[Op]:
    """Closed forms at the start of the loop's body; gives the operations that compute the final values."""
    inner = loop.regions[0]
    k = inner.params[0]
    own = set(inner.params)
    for op in walk(inner):
        own.update(op.results, *[r.params for r in op.regions])
    after: list[Op] = []
    mapping: dict[Value, Value] = {}
    for initial, parameter, following, result in carried(loop):
        if parameter.type != I8 or parameter is following:
            continue
        step = combine(Facts().form(following), {(parameter,): 1}, -1)
        split = _linear_in(step, k, own)
        if split is None:
            continue
        n = loop.args[0]
        if n not in nonnegative and n.constant is None and not (n.op is not None and n.op.name == "maximum" and n.op.args[1].constant == 0):
            clip, zero = Op("maximum", [n], [I8]), Op("const", [], [I8], (), {"value": 0})
            clip.args.append(zero.result)
            after += [zero, clip]
            n = clip.result
        head, mapping[parameter] = _value(initial, *split, k)
        tail, mapping[result] = _value(initial, *split, n)
        inner.ops[:0] = head
        after += tail
    substitute(body, mapping)
    return after


def _linear_in(step: Polynomial, k: Value, own: set[Value]) -> tuple[Polynomial, Polynomial] | None:
    """`step` as ``fixed + slope * k``, both of values from outside the loop."""
    fixed: Polynomial = {}
    slope: Polynomial = {}
    for monomial, c in step.items():
        rest = tuple(v for v in monomial if v is not k)
        if len(monomial) - len(rest) > 1 or any(v in own for v in rest):
            return None
        if c.denominator != 1:
            return None
        (slope if len(rest) < len(monomial) else fixed)[rest] = c
    return fixed, slope


def _value(initial: Value, fixed: Polynomial, slope: Polynomial, k: Value) -> tuple[list[Op], Value]:
    """Operations for ``initial + fixed k + slope k (k - 1) / 2``, and their result."""
    b = Builder(fold)
    outer = b.enter()
    total = b.add(initial, b.mul(_emit(b, fixed), k))
    if slope:
        pairs = b.pure("right_shift", [b.mul(k, b.sub(k, 1)), b.int(1)], I8)
        total = b.add(total, b.mul(_emit(b, slope), pairs))
    return b.leave(outer).ops, total


def _emit(b: Builder, p: Polynomial) -> Value:
    total = b.int(0)
    for monomial, c in p.items():
        term = b.int(int(c))
        for v in monomial:
            term = b.mul(term, v)
        total = b.add(total, term)
    return total
