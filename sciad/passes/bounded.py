"""Is the memory of a product that leaves its loops in proportion to what the program has anyway?

A product for all trips needs memory for all of them, where the loop made do with one trip's.  A reverse sweep keeps that much in any case.
Without one, a product leaves its loops only where an array as large is written in them, or where its vectors are known to be about as long
as their images.
"""

from __future__ import annotations

from sciad.ir import Op, Value, walk
from sciad.passes.affine import slopes
from sciad.passes.polynomial import Facts
from sciad.passes.structure import Structure

__all__ = ["in_proportion"]

_LONGER = 4


def in_proportion(outer: Op, extents: tuple[Value, Value], structure: Structure) -> bool:
    """Whether products for all trips of a loop may be kept; `extents` are the lengths of one trip's image and of the vector."""
    image, vector = (n.constant for n in extents)
    if image is not None and vector is not None and image <= _LONGER * vector:
        return True
    return any(_as_large(op, outer, structure) for op in walk(outer.regions[0]) if op.name == "store")


def _as_large(store: Op, outer: Op, structure: Structure) -> bool:
    """Whether each trip of the loop, and of one inside it, stores an element of its own in memory from outside."""
    loops = structure.loops(structure.region_of[store])
    loops = loops[: loops.index(outer) + 1]
    if len(loops) < 2 or structure.is_inside(structure.home[store.args[0]], outer.regions[0]):
        return False
    parts = slopes(Facts().form(store.args[1]), [loop.regions[0].params[0] for loop in (loops[0], outer) if loop.name == "for"])
    return parts is not None and len(parts[1]) == 2 and all(parts[1])
