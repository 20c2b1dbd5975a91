"""The clean-up after lowering and after each derivative: simplification, then dead code."""

from __future__ import annotations

from sciad.ir import Region
from sciad.passes.dce import dce
from sciad.passes.simplify import simplify
from sciad.verify import verified

__all__ = ["tidy"]


def tidy(body: Region) -> Region:
    """A simplified copy without dead code; parameters stay the same values."""
    body = verified(simplify(body), "simplify")
    dce(body)
    return verified(body, "dce")
