"""Which array lengths are compiled in: trailing ones of arrays of two and more axes, where small, and those of small square matrices.

The length of a row says what is computed (dimensions, features, components), that of the first axis how often.  With the former constant,
short loops are written out and small arrays become scalars.  A function that is called with many different ones is compiled once for all.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np

from sciad.frontend.lower import Kind

__all__ = ["specialised"]

LONGEST, VARIANTS = 64, 4

#: The kinds compiled so far for each function and generic kinds of arguments.
_variants: dict[Hashable, set[tuple[Kind, ...]]] = {}


def specialised(owner: Hashable, kinds: tuple[Kind, ...], leaves: list[Any]) -> tuple[Kind, ...]:
    """The kinds with small trailing lengths filled in, unless `owner` has been compiled for enough others."""
    found = tuple(_with_lengths(kind, x) if kind.shape is not None and len(kind.shape) > 1 else kind for kind, x in zip(kinds, leaves))
    if found == kinds:
        return kinds
    known = _variants.setdefault((owner, kinds), set())
    if found not in known:
        if len(known) >= VARIANTS:
            return kinds
        known.add(found)
    return found


def _with_lengths(kind: Kind, x: Any) -> Kind:
    shape = np.shape(getattr(x, "__sciad_value__", x))
    known = kind.shape or ()
    found = (known[0], *[n if k is None and n <= LONGEST else k for k, n in zip(known[1:], shape[1:])])
    if found[0] is None and shape[0] == found[1]:  # a square matrix
        found = (shape[0], *found[1:])
    return replace(kind, shape=found)
