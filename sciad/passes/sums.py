"""Sums over the trips of a loop may be added in any order: the code generator writes `fast_add`, and LLVM keeps several partial sums.

Only a carried value that nothing but its own sum reads: ``s += e``.  In a compensated sum the partial sum is read elsewhere, so it stays
as it is written.  The result differs from the sum in order by rounding, as NumPy's does.
"""

from __future__ import annotations

from sciad.ir import Op, Region, Value, walk
from sciad.passes.structure import carried
from sciad.types import F8

__all__ = ["plain_sums"]


def plain_sums(body: Region) -> set[Op]:
    """The adds and subtractions of plain sums."""
    uses = _uses(body)
    found: set[Op] = set()
    for op in walk(body):
        if op.name in ("for", "while"):
            for _, parameter, following, _ in carried(op):
                found.update(_chain(op.regions[0], parameter, following, uses) or ())
    return found


def _uses(body: Region) -> dict[Value, list[Op | None]]:
    """The operations that use each value; None stands for the end of a region."""
    found: dict[Value, list[Op | None]] = {}
    for region in [body, *[r for op in walk(body) for r in op.regions]]:
        for r in region.results:
            found.setdefault(r, []).append(None)
        for op in region.ops:
            for a in op.args:
                found.setdefault(a, []).append(op)
    return found


def _chain(region: Region, parameter: Value, following: Value, uses: dict[Value, list[Op | None]]) -> list[Op] | None:
    """The adds that lead from the carried value to its next one, each the only use of the one before; None where it is no plain sum."""
    if parameter.type != F8 or parameter is following:
        return None
    here, chain, own = parameter, [], set(region.ops)
    while here is not following:
        users = uses.get(here, [])
        link = users[0] if len(users) == 1 else None
        if link is None or link not in own:
            return None
        if link.name not in ("add", "fast_add") and not (link.name == "subtract" and link.args[0] is here and link.args[1] is not here):
            return None
        chain.append(link)
        here = link.result
    return chain if uses[following] == [None] else None
