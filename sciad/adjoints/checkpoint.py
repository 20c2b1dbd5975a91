"""Which steps to take again, and from where, when fewer states are kept than steps were taken."""

from __future__ import annotations

from collections.abc import Iterator
from math import comb

__all__ = ["split", "schedule"]


def split(n_steps: int, free: int) -> int:
    """Where to put the next checkpoint, in steps from the last one, with places for `free` states (at least 1).

    With s places and r passes over the steps, C(s + r, r) of them can be reversed (Griewank & Walther, ACM TOMS 26 (2000) 19);
    the later part, with one place less, gets as much as it can take in the fewest passes that suffice for all.
    """
    passes = 1
    while comb(free + passes, passes) < n_steps:
        passes += 1
    return max(1, n_steps - comb(free - 1 + passes, passes))


def schedule(first: int, last: int, free: int) -> Iterator[tuple[str, int, int]]:
    """Actions that reverse steps first to last - 1 from a stored state at `first`, with `free` more places.

    ("reverse", a, b): take steps a to b - 1 again from the stored state at a, keeping the b - a - 1 <= free states between, and
    reverse them; ("single", a, b): go from the stored state at a to b and reverse step b; ("store", a, b): go from the stored
    state at a to b and store the state there; ("drop", a, a): free that place.
    """
    while last - first - 1 > free:
        if free == 0:  # no place at all: go from `first` again for every step
            last -= 1
            yield "single", first, last
            continue
        middle = first + split(last - first, free)
        yield "store", first, middle
        yield from schedule(middle, last, free - 1)
        yield "drop", middle, middle
        last = middle
    yield "reverse", first, last
