"""Counts of the work that solves did, forwards and backwards, for whoever compares them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Counts", "counting", "count", "going_back"]


@dataclass
class Counts:
    """Evaluations of right-hand sides (those of adjoint equations included) on the way forward and on the way back."""

    forward: int = 0
    backward: int = 0


_open: list[Counts] = []
_back = [0]  # depth of `going_back`


@contextmanager
def counting() -> Iterator[Counts]:
    """Count the work of all solves inside the block."""
    counts = Counts()
    _open.append(counts)
    try:
        yield counts
    finally:
        _open.remove(counts)


class going_back:
    """What is counted inside the block belongs to the way back."""

    def __enter__(self) -> None:
        _back[0] += 1

    def __exit__(self, *_: object) -> None:
        _back[0] -= 1


def count(calls: int) -> None:
    """Add evaluations to every open count."""
    for counts in _open:
        if _back[0]:
            counts.backward += calls
        else:
            counts.forward += calls
