"""Reversible Heun: one new evaluation of drift and diffusion a step, and steps that can be undone exactly.

z1 = 2 y0 - z0 + f(t0, z0) h + g(t0, z0) dW,   y1 = y0 + (f(t0, z0) + f(t1, z1)) h / 2 + (g(t0, z0) + g(t1, z1)) dW / 2

for Stratonovich equations; P. Kidger, J. Foster, X. Li & T. Lyons, "Efficient and accurate gradients for neural SDEs", NeurIPS 2021.
The state of a path is (y, z), 2 n entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from sciad.backend import call_address
from sciad.solvers.link import _source
from sciad.solvers.memory import get, get_int, put
from sciad.solvers.sde.assemble import load
from sciad.solvers.sde.layout import DIAGONAL, DW, MATRIX, SHAPE, WORK, Y_NEW, F, G, M, N, P, Q, Y

__all__ = ["KERNELS", "REVERSIBLE_HEUN", "ReversibleHeun", "add_product", "increment"]


def add_product(shape, n, m, g, dw, factor, out):
    """Add factor (g . dw) to out."""
    if shape == MATRIX:
        for i in range(n):
            total = 0.0
            for j in range(m):
                total += get(g, i * m + j) * get(dw, j)
            put(out, i, get(out, i) + factor * total)
    else:
        for i in range(n):
            put(out, i, get(out, i) + factor * get(g, i) * get(dw, i if shape == DIAGONAL else 0))


def increment(slots, t, h, z, f, g, out):
    """f(t, z) h + g(t, z) dW into out; f and g are scratch memory."""
    n, m = get_int(slots, N) // 2, get_int(slots, M)
    if call_address(get_int(slots, F), t, z, get_int(slots, P), f) != 0:
        return 1
    if call_address(get_int(slots, G), t, z, get_int(slots, Q), g) != 0:
        return 1
    for i in range(n):
        put(out, i, h * get(f, i))
    add_product(get_int(slots, SHAPE), n, m, g, get_int(slots, DW), 1.0, out)
    return 0


def step(t, h, slots):
    """One step of (y, z)."""
    n, y, y_new, work = get_int(slots, N) // 2, get_int(slots, Y), get_int(slots, Y_NEW), get_int(slots, WORK)
    z, z_new, first, second, f, g = y + 8 * n, y_new + 8 * n, work, work + 8 * n, work + 16 * n, work + 24 * n
    if increment(slots, t, h, z, f, g, first) != 0:
        return 1
    for i in range(n):
        put(z_new, i, 2.0 * get(y, i) - get(z, i) + get(first, i))
    if increment(slots, t + h, h, z_new, f, g, second) != 0:
        return 1
    for i in range(n):
        put(y_new, i, get(y, i) + 0.5 * (get(first, i) + get(second, i)))
    return 0


KERNELS = (add_product, increment)


@dataclass(frozen=True, eq=False)
class ReversibleHeun:
    """The method as the catalogue knows it."""

    name: str = "ReversibleHeun"
    calculus: str = "stratonovich"
    noise: tuple[str, ...] = ("diagonal", "scalar", "additive", "general")
    order: float = 0.5
    error: tuple = ()
    adaptive = implicit = levy = areas = False
    copies = 2

    @property
    def step(self) -> int:
        """Address of its step, for any shape of noise."""
        return _kernel()

    def work_size(self, n: int, m: int) -> int:
        """Entries of scratch memory of a step."""
        return 3 * n + n * max(m, 1) + 8

    def step_on_tape(self, path: Any, k: int, y: Any, z: Any) -> tuple[Any, Any]:
        """The step in NumPy, for direct differentiation: `path` evaluates functions and multiplies with noise."""
        t, t_new = path.task.grid.times[k : k + 2]

        def change(s: float, z: Any) -> Any:
            return (t_new - t) * path.calls[0](s, z) + path.times_noise(path.calls[1](s, z), path.dw[k])

        first = change(t, z)
        z_new = 2.0 * y - z + first
        return y + 0.5 * (first + change(t_new, z_new)), z_new


@cache
def _kernel() -> int:
    parts = [f"@njit(cache=False)\n{_source(function)}\n\n" for function in KERNELS]
    return load("".join(parts) + f"@cfunc(kernel_signature(2, 1))\n{_source(step)}", "step_reversible_heun").step.address


REVERSIBLE_HEUN = ReversibleHeun()
