"""Small functions that are hard to differentiate, grouped by what makes them so.

`case(args)` registers a function with arguments to try it on.  What the derivative is, CPython says: by complex step through the same text
(tests/fuzz/step.py), or by differences where `oracle="difference"`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Case", "case", "CASES", "A"]


class Case(NamedTuple):
    """One function, its arguments, the arrays that it writes into, and who judges."""

    function: Callable
    args: Callable[[], tuple]
    inout: tuple[int, ...]
    oracle: str
    tolerance: float
    raises: type | None


CASES: list[Case] = []


def case(*args: Any, inout: tuple[int, ...] = (), oracle: str = "step", tolerance: float = 1e-10, raises: type | None = None):
    """Register the decorated function with arguments; arrays among them are copied for each use."""

    def register(function):
        CASES.append(Case(function, lambda: args, inout, oracle, tolerance, raises))
        return function

    return register


def A(*values: float) -> np.ndarray:
    """A float64 array."""
    return np.array(values, dtype=float)
