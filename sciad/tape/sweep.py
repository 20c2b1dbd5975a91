"""The reverse sweep: nodes in reverse order of recording, cotangents accumulated at their parents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from sciad.tape.contributions import Scatter, Slot, add_at, project
from sciad.tape.core import F8, MULTI, STORE, Node, Variable
from sciad.tape.elementwise import STRICT
from sciad.tape.indexing import SCATTER
from sciad.tape.saving import dtype_of, value_of

__all__ = ["ordered", "pull", "seeded", "sweep"]

_number = attrgetter("number")


def ordered(outputs: Iterable[Node], after: int = -1) -> list[Node]:
    """The nodes that lead to `outputs`, last recorded first; nodes numbered up to `after` are not looked behind."""
    seen: set[Node] = set()
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            if node.number > after:
                stack.extend(node.parents)
    return sorted(seen, key=_number, reverse=True)


def pull(order: list[Node], seeds: Sequence[tuple[Node, Any]], after: int = -1) -> dict[Node, list]:
    """Cotangents of the inputs, as ``[bar, owned]``, from those of the outputs.

    Where a NaN arrives, the sweep is made again with zero cotangents beating infinite partials everywhere: ``where(x < 700, exp(x), 0)``
    must not fail at x = 1000 because the branch that was not taken has an infinite slope.
    """
    with np.errstate(all="ignore"):  # derivatives at the edge of a domain are no news to the user
        found = sweep(order, seeded(seeds), after)
        if STRICT.on or not any(_has_nan(bar) for bar, _ in found.values()):
            return found
        STRICT.on = True
        try:
            return sweep(order, seeded(seeds), after)
        finally:
            STRICT.on = False


def _has_nan(bar: Any) -> bool:
    kind = type(bar)
    if kind is np.float64:
        return bool(bar != bar)
    bar = bar if kind is np.ndarray else value_of(bar)
    if type(bar) is np.ndarray and bar.dtype == F8 and bar.flags.c_contiguous:
        flat = bar.ravel()
        square = flat.dot(flat)  # a sum of squares is NaN only where one of them is: a third of the time of looking at each
        return bool(square != square)
    return bool(np.isnan(bar).any())


def seeded(seeds: Sequence[tuple[Node, Any]]) -> dict[Node, list]:
    bars: dict[Node, list] = {}
    for node, bar in seeds:
        _accumulate(bars, node, bar)
    return bars


def sweep(order: list[Node], bars: dict[Node, list], after: int = -1) -> dict[Node, list]:
    """Run the nodes in the given order; the cotangents of nodes without parents, or up to number `after`, are returned."""
    found: dict[Node, list] = {}
    for node in order:
        entry = bars.pop(node, None)
        if entry is None:
            continue
        vjp = node.vjp
        if vjp is None or node.number <= after:
            found[node] = entry
            continue
        bar, owned = entry
        if node.kind == STORE:
            base_bar, *parts = vjp(bar if owned else _own(bar))
            _accumulate(bars, node.parents[0], base_bar, owned=True)
            pairs = zip(node.parents[1:], parts)
        else:
            pairs = zip(node.parents, vjp(bar))
        for parent, part in pairs:
            if part is not None:
                _accumulate(bars, parent, part)
    return found


def _own(bar: Any) -> Any:
    return bar.copy() if isinstance(bar, (np.ndarray, Variable)) else np.array(bar)


def _accumulate(bars: dict[Node, list], node: Node, part: Any, owned: bool = False) -> None:
    kind = type(part)
    entry = bars.get(node)
    if kind is Slot:
        _accumulate_slot(bars, node, entry, part)
        return
    if kind is Scatter:
        if not (isinstance(part.bar, Variable) or (entry is not None and isinstance(entry[0], Variable))):
            _accumulate_scatter(bars, node, entry, part)
            return
        part = SCATTER(part.bar, part.index, part.unique, node.shape)
    if kind is float and node.dtype is F8 and not node.shape:
        part = np.float64(part)
    elif (kind is np.ndarray or kind is np.float64) and part.shape == node.shape and part.dtype == node.dtype:
        pass
    else:
        part = project(part, node.shape, node.dtype)
    if entry is None:
        bars[node] = [part, owned]
    elif entry[1] and type(part) is np.ndarray:
        entry[0] += part
    else:
        entry[0] = entry[0] + part
        entry[1] = type(entry[0]) is np.ndarray


def _accumulate_slot(bars: dict[Node, list], node: Node, entry: list | None, part: Slot) -> None:
    assert node.kind == MULTI
    if entry is None:
        entry = bars[node] = [{}, False]
    slots = entry[0]
    slots[part.position] = slots[part.position] + part.bar if part.position in slots else part.bar


def _accumulate_scatter(bars: dict[Node, list], node: Node, entry: list | None, part: Scatter) -> None:
    if entry is None:
        entry = bars[node] = [np.zeros(node.shape, node.dtype), True]
    elif not entry[1]:
        entry[0], entry[1] = np.array(entry[0]), True
    bar = part.bar
    if node.dtype.kind != "c" and dtype_of(bar).kind == "c":
        bar = bar.real
    add_at(entry[0], part.index, bar, part.unique)
