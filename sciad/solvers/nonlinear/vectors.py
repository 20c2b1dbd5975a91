"""Small vector operations of the kernels, on addresses."""

from __future__ import annotations

import math

from sciad.backend import fast_add
from sciad.solvers.memory import get, put

__all__ = ["copy", "scale_to", "dot", "norm", "all_finite", "add_scaled", "largest"]


def copy(n, source, target):
    """target = source."""
    for i in range(n):
        put(target, i, get(source, i))


def scale_to(n, factor, source, target):
    """target = factor * source."""
    for i in range(n):
        put(target, i, factor * get(source, i))


def dot(n, a, b):
    """Inner product."""
    total = 0.0
    for i in range(n):
        total = fast_add(total, get(a, i) * get(b, i))
    return total


def norm(n, x):
    """Euclidean norm."""
    total = 0.0
    for i in range(n):
        total = fast_add(total, get(x, i) * get(x, i))
    return math.sqrt(total)


def largest(n, x):
    """Largest absolute value; NaN does not count."""
    found = 0.0
    for i in range(n):
        found = max(found, abs(get(x, i)))
    return found


def all_finite(n, x):
    """Whether no component is NaN or infinite."""
    total = 0.0
    for i in range(n):
        total += get(x, i) * 0.0
    return total == 0.0


def add_scaled(n, factor, x, base, target):
    """target = base + factor * x."""
    for i in range(n):
        put(target, i, get(base, i) + factor * get(x, i))
