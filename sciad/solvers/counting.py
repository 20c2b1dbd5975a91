"""Counts of the work that solves did, forwards and backwards, for whoever compares them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Counts", "counting", "count"]


@dataclass
class Counts:
    """Evaluations of the right-hand side on the way forward, and of it or its reverse on the way back; solves."""

    forward: int = 0
    backward: int = 0
    solves: int = 0


_open: list[Counts] = []


@contextmanager
def counting() -> Iterator[Counts]:
    """Count the work of all solves inside the block."""
    counts = Counts()
    _open.append(counts)
    try:
        yield counts
    finally:
        _open.remove(counts)


def count(forward: int = 0, backward: int = 0, solves: int = 0) -> None:
    """Add to every open count."""
    for counts in _open:
        counts.forward += forward
        counts.backward += backward
        counts.solves += solves
