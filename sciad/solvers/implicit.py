"""What an implicit method needs besides its step: derivatives of the right-hand side, a linear solver, and memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from sciad.errors import MissingRule
from sciad.solvers.layout import (
    AFTER,
    BASE,
    DETECT,
    DFDT,
    FACTOR,
    FACTOR_Z,
    GETRF,
    GETRF_Z,
    GETRS,
    GETRS_Z,
    J_AT,
    JAC,
    JVP,
    LU_AT,
    LUZ_AT,
    MULTIPLY,
    OWN,
    PIVOTS_AT,
    PIVOTSZ_AT,
    POWER_AT,
    RESTART,
    SOLVE,
    SOLVE_T,
    SOLVE_Z,
    SPARE,
    TIME_DEPENDENT,
    ZEROS,
)  # fmt: skip
from sciad.solvers.linear import dense, dense_complex
from sciad.solvers.rhs import Rhs

__all__ = ["equip"]


def equip(slots: np.ndarray, rhs: Rhs, method: Any, watch: int = 0) -> np.ndarray | None:
    """Fill the slots of implicit methods; returns the memory they point to, which must live as long as the solve.

    `watch` is the value of DETECT; an explicit method that is watched needs a spare vector.
    """
    n = rhs.n
    slots[DETECT] = watch
    slots[AFTER] += 2 * (watch != 0)
    if not method.implicit:
        if watch == 0:
            return None
        memory = np.empty(n)
        slots[SPARE] = memory.ctypes.data
        return memory
    solver = dense(n)
    slots[[FACTOR, SOLVE, SOLVE_T, MULTIPLY]] = solver.factor, solver.solve, solver.solve_t, solver.multiply
    slots[[GETRF, GETRS]] = solver.getrf, solver.getrs
    slots[JAC], slots[TIME_DEPENDENT] = _offered(rhs.jac), not rhs.autonomous
    slots[JVP] = _offered(rhs.jvp) if slots[TIME_DEPENDENT] else 0
    sizes = {J_AT: n * n, LU_AT: n * n, PIVOTS_AT: n, DFDT: n, ZEROS: max(n, rhs.n_p), SPARE: n, BASE: n, POWER_AT: 2 * n}
    if method.complex:
        slots[[FACTOR_Z, SOLVE_Z, GETRF_Z, GETRS_Z]] = dense_complex(n)
        sizes |= {LUZ_AT: 2 * n * n, PIVOTSZ_AT: n}
    own = method.own(n)
    memory = np.zeros(sum(sizes.values()) + len(own))
    address = memory.ctypes.data
    for slot, size in sizes.items():
        slots[slot] = address
        address += 8 * size
    memory[len(memory) - len(own) :] = own
    slots[OWN], slots[RESTART] = address, 1
    start = int(slots[POWER_AT] - memory.ctypes.data) // 8
    memory[start : start + n] = 1 / np.arange(1, n + 1)  # no eigenvector, as a rule
    return memory


def _offered(build) -> int:
    """The address, or 0 where the right-hand side has no such function."""
    try:
        return build()
    except MissingRule:
        return 0
