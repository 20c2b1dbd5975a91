"""Recomputation in the reverse sweep: keep the arguments of a function in place of everything that it does."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.errors import SciadError
from sciad.frontend.checkpoint import lower_checkpoint
from sciad.tape.core import Node, Trace, Variable, refresh, top_trace
from sciad.tape.primitive import record
from sciad.tape.saving import snapshot, value_of
from sciad.tape.sweep import ordered, seeded, sweep
from sciad.tree import flatten, unflatten

__all__ = ["checkpoint"]


def checkpoint(fun: Callable) -> Callable:
    """`fun`, run again in the reverse sweep instead of being remembered; traced values that it closes over are differentiated, too.

    `fun` must give the same result each time: SciadError where it does not (random numbers, or variables that have changed since).
    In compiled functions ``for k in sciad.checkpoint(range(n))`` keeps about sqrt(n) states and runs sqrt(n) trips at a time again; on the
    tape such a range is a range.
    """
    if isinstance(fun, range):
        return fun  # type: ignore[return-value]

    @functools.wraps(fun)
    def call(*args: Any, **kwargs: Any) -> Any:
        start = Node((), None, 0.0).number
        leaves, structure = flatten((args, kwargs))
        kept = [_kept(leaf) for leaf in leaves]
        out_leaves, out_structure = flatten(fun(*args, **kwargs))
        trace = top_trace(out_leaves)
        if trace is None or trace.forward:
            return unflatten(out_structure, out_leaves)
        owners = [leaf.owner for leaf in leaves if isinstance(leaf, Variable)]
        places = [k for k, leaf in enumerate(out_leaves) if _is_internal(leaf, trace, start, owners)]
        if not places:
            return unflatten(out_structure, out_leaves)
        boundary = _boundary([out_leaves[k].deriv for k in places], start)
        values = tuple([out_leaves[k].value for k in places])

        def rerun() -> list:
            fresh_args, fresh_kwargs = unflatten(structure, [_fresh(leaf) for leaf in kept])
            again = flatten(fun(*fresh_args, **fresh_kwargs))[0]
            return [again[k] for k in places]

        def vjp(bars: tuple) -> list:
            return _recompute(trace, rerun, values, boundary, bars, getattr(fun, "__name__", "the function"))

        out, _ = record(trace, tuple(boundary), vjp, values)
        for k, leaf in zip(places, out):
            out_leaves[k] = leaf
        return unflatten(out_structure, out_leaves)

    return call


def _kept(leaf: Any) -> Any:
    """A leaf as it is now."""
    if isinstance(leaf, Variable):
        return snapshot(leaf)
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


def _fresh(leaf: Any) -> Any:
    """A kept leaf that the function may write to."""
    return _kept(leaf)


def _is_internal(leaf: Any, trace: Trace, start: int, owners: list) -> bool:
    """Whether an output was computed inside, and is not a window into an array that lives outside."""
    if not (isinstance(leaf, Variable) and leaf.level is trace):
        return False
    refresh(leaf)
    if leaf.deriv is None or leaf.deriv.number <= start:
        return False
    owner = leaf.owner
    return owner.deriv is not None and owner.deriv.number > start and not any(owner is o for o in owners)


def _boundary(nodes: list[Node], start: int) -> list[Node]:
    """What was computed before and is used inside."""
    return [node for node in ordered(nodes, start) if node.number <= start]


def _recompute(trace: Trace, rerun: Callable, values: tuple, boundary: list[Node], bars: tuple, name: str) -> list:
    start = Node((), None, 0.0).number
    closed, trace.closed = trace.closed, False
    try:
        again = rerun()
        for leaf in again:
            if isinstance(leaf, Variable):
                refresh(leaf)
    finally:
        trace.closed = closed
    for leaf, value in zip(again, values):
        if not np.array_equal(value_of(leaf), value_of(value), equal_nan=True):
            raise SciadError(f"checkpoint: {name} gave another result when it was run again; it must depend on its arguments alone")
    nodes = [leaf.deriv for leaf in again]
    order = ordered(nodes, start)
    if {node for node in order if node.number <= start} != set(boundary):
        raise SciadError(f"checkpoint: {name} reads a traced array from outside that was written to since; pass it as an argument")
    found = sweep(order, seeded([(node, bar) for node, bar in zip(nodes, bars) if bar is not None]), start)
    return [found[node][0] if node in found else None for node in boundary]


checkpoint.__sciad_lower__ = lower_checkpoint  # type: ignore[attr-defined]
