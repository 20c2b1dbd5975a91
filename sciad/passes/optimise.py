"""What happens to a lowered function before anything is derived from it: what costs little here saves much in every derivative."""

from __future__ import annotations

from collections.abc import Iterable

from sciad.ir import Region, Value
from sciad.passes.batches import batch_products
from sciad.passes.distribute import distribute
from sciad.passes.fuse import fuse
from sciad.passes.hoist import hoist
from sciad.passes.induction import close_counters
from sciad.passes.peel import peel
from sciad.passes.products import raise_products
from sciad.passes.promote import promote
from sciad.passes.ranges import decide_ranges
from sciad.passes.simplify import simplify
from sciad.passes.tidy import tidy
from sciad.passes.updates import raise_updates
from sciad.verify import verified

__all__ = ["optimise", "improve_loops", "with_products"]

_ROUNDS = 3  # a counter of an outer loop is closed once that of the inner loop is, and its clippings are decided


def optimise(body: Region, lengths: Iterable[Value] = ()) -> Region:
    """The function with counters in closed form and decided comparisons gone; `lengths` are parameters that are never negative."""
    lengths = set(lengths)
    body = tidy(body)
    for turn in range(_ROUNDS):
        decide_ranges(body, lengths)
        close_counters(body, lengths)
        body = tidy(verified(body, "counters and ranges"))
        if turn == 0:
            peel(body, lengths)
            body = tidy(verified(body, "peel"))
    body = tidy(verified(simplify(body, unroll=True), "unroll"))
    body = in_registers(body, lengths)
    if raise_updates(body):
        body = tidy(verified(body, "updates"))
    return improve_loops(with_products(body, lengths), lengths)


def with_products(body: Region, lengths: Iterable[Value] = (), *, at_any_size: bool = False) -> Region:
    """The function with matrix products in the place of loops that compute them; `at_any_size`: what they need is kept in any case."""
    while True:
        products = raise_products(body, lengths, at_any_size=at_any_size)
        body = verified(body, "products")
        batches = batch_products(body, lengths, at_any_size=at_any_size)
        if products or batches:
            body = tidy(verified(body, "batches"))
        if not at_any_size or not distribute(body, lengths):
            return body
        body = tidy(verified(body, "distribute"))


def improve_loops(body: Region, lengths: Iterable[Value] = ()) -> Region:
    """The function with invariant operations before its loops, updated elements in registers, and loops fused; for derivatives too."""
    lengths = set(lengths)
    body = in_registers(body, lengths)
    return in_registers(tidy(verified(body, "fuse")), lengths) if fuse(body, lengths) else body


def in_registers(body: Region, lengths: Iterable[Value] = ()) -> Region:
    """The function with invariant operations before its loops and updated elements carried."""
    hoist(body)
    body = tidy(verified(body, "hoist"))
    promote(body, lengths)
    return tidy(verified(body, "promote"))
