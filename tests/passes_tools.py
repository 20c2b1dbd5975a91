"""For tests of passes: a Python function as IR, IR as text with small numbers, and what is in it."""

from __future__ import annotations

import re
from collections import Counter

from sciad import tree
from sciad.frontend.lower import kind_of, lower
from sciad.ir import Function, Region, Value, text, walk
from sciad.passes.optimise import optimise
from sciad.passes.pullback import pullback
from sciad.passes.simplify import simplify

__all__ = ["lowered", "plain", "count", "gradient", "stores", "loops", "deep"]


def lowered(function, *args) -> tuple[Region, list[Value]]:
    """The optimised body of a function for these arguments, and the first IR parameter of each leaf."""
    leaves, structure = tree.flatten(args)
    found = lower(function, structure, [kind_of(x) for x in leaves])
    lengths = [n for leaf in found.leaves for n in leaf.params[1:]]
    return optimise(found.function.body, lengths), [leaf.params[0] for leaf in found.leaves if leaf.params]


def plain(region: Region) -> str:
    """The region as text, values numbered from 0 in the order in which they appear."""
    numbers: dict[str, str] = {}
    body = "\n".join(text(Function("f", region)).splitlines())
    return re.sub(r"%([A-Za-z_]*)(?:\w*?)(\d+)\b", lambda m: numbers.setdefault(m.group(0), f"%{len(numbers)}"), body)


def count(region: Region, *names: str) -> int:
    """How many operations of these names a region holds, at any depth."""
    kinds = Counter(op.name for op in walk(region))
    return sum(kinds[name] for name in names)


def loops(region: Region) -> list:
    """All loops, outer ones first."""
    return [op for op in walk(region) if op.name in ("for", "while")]


def stores(region: Region, buffer: Value) -> int:
    """Stores into one buffer."""
    return sum(op.name == "store" and op.args[0] is buffer for op in walk(region))


def deep(region: Region, name: str) -> int:
    """The number of loops around the innermost operation of this name."""

    def visit(inner: Region, depth: int) -> int:
        found = [depth for op in inner.ops if op.name == name]
        found += [visit(r, depth + (op.name in ("for", "while"))) for op in inner.ops for r in op.regions]
        return max(found, default=-1)

    return visit(region, 0)


def gradient(function, *args, wrt=(0,), inout=()) -> Region:
    """The fused primal and reverse sweep."""
    body, params = lowered(function, *args)
    outputs = [k for k, r in enumerate(body.results) if r.type in ("f8", "*float64")]
    return pullback(simplify(body), [params[k] for k in wrt], outputs, [params[k] for k in inout])


