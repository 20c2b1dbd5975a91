"""What an implicit method needs besides its step: derivatives of the right-hand side, a linear solver, and memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from sciad.errors import MissingRule
from sciad.solvers.layout import (
    BASE,
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
    OWN,
    PIVOTS_AT,
    PIVOTSZ_AT,
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


def equip(slots: np.ndarray, rhs: Rhs, method: Any) -> np.ndarray:
    """Fill the slots of implicit methods; returns the memory they point to, which must live as long as the solve."""
    n, solver = rhs.n, dense(rhs.n)
    slots[[FACTOR, SOLVE, SOLVE_T, GETRF, GETRS]] = solver.factor, solver.solve, solver.solve_t, solver.getrf, solver.getrs
    slots[JAC], slots[TIME_DEPENDENT] = _offered(rhs.jac), not rhs.autonomous
    slots[JVP] = _offered(rhs.jvp) if slots[TIME_DEPENDENT] else 0
    sizes = {J_AT: n * n, LU_AT: n * n, PIVOTS_AT: n, DFDT: n, ZEROS: max(n, rhs.n_p), SPARE: n, BASE: n}
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
    return memory


def _offered(build) -> int:
    """The address, or 0 where the right-hand side has no such function."""
    try:
        return build()
    except MissingRule:
        return 0
