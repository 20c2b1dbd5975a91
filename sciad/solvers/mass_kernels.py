"""Mass matrices inside compiled steps: products and residuals."""

from __future__ import annotations

from sciad.solvers.layout import MASS, MASS_INVERSE, N
from sciad.solvers.memory import get, get_int, put

__all__ = ["algebraic_part", "mass_product", "residual"]


def mass_product(slots, x, out):
    """out = M x."""
    n, mass = get_int(slots, N), get_int(slots, MASS)
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += get(mass, n * i + j) * get(x, j)
        put(out, i, total)


def residual(factor, f, k, slots):
    """f = factor (f - M k), in place."""
    n, mass = get_int(slots, N), get_int(slots, MASS)
    if mass == 0:
        for i in range(n):
            put(f, i, factor * (get(f, i) - get(k, i)))
        return
    for i in range(n):
        total = get(f, i)
        for j in range(n):
            total -= get(mass, n * i + j) * get(k, j)
        put(f, i, factor * total)


def algebraic_part(x, scratch, out, slots):
    """out = (I - M^+ M) x, what M does not see of x."""
    n, inverse = get_int(slots, N), get_int(slots, MASS_INVERSE)
    mass_product(slots, x, scratch)
    for i in range(n):
        total = get(x, i)
        for j in range(n):
            total -= get(inverse, n * i + j) * get(scratch, j)
        put(out, i, total)
