"""What an implicit method needs besides its step: derivatives of the right-hand side, a linear solver, and memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from sciad.errors import MissingRule
from sciad.solvers.layout import (
    AFTER,
    ALGEBRAIC,
    BASE,
    COLOURS_AT,
    CONSTANT_JAC,
    DETECT,
    DFDT,
    EVALUATE,
    FACTOR,
    FACTOR_Z,
    GETRF,
    GETRF_Z,
    GETRS,
    GETRS_Z,
    J_AT,
    JAC,
    JVP,
    KRYLOV,
    LBAND,
    LU_AT,
    LUZ_AT,
    MASS,
    MASS_INVERSE,
    MULTIPLY,
    N_PRECONDITION_P,
    OWN,
    PATTERN_AT,
    PIVOTS_AT,
    PIVOTSZ_AT,
    POWER_AT,
    PRECONDITION,
    PRECONDITION_P,
    RESTART,
    SEED,
    SLOPE,
    SOLVE,
    SOLVE_T,
    SOLVE_Z,
    SOLVE_Z_T,
    SPARE,
    TIME_DEPENDENT,
    UBAND,
    ZEROS,
)  # fmt: skip
from sciad.solvers.linear import Banded, Dense, Krylov, Sparse, dense_complex, dense_complex_transposed
from sciad.solvers.newton import keep_jacobian
from sciad.solvers.rhs import Rhs
from sciad.solvers.slope import slope_kernel

__all__ = ["equip"]


def equip(slots: np.ndarray, rhs: Rhs, method: Any, linear: Any, watch: int = 0, mass: np.ndarray | None = None) -> np.ndarray | None:
    """Fill the slots of implicit methods; returns the memory they point to, which must live as long as the solve.

    `linear` is the linear algebra, as `choose_linear` gives it (None for explicit methods); `watch` is the value of DETECT; an explicit
    method that is watched needs a spare vector; `mass` (n, n) is the mass matrix, contiguous.  ValueError where the method cannot do with
    these.
    """
    n = rhs.n
    slots[DETECT] = watch
    slots[AFTER] += 2 * (watch != 0)
    if not method.implicit:
        if mass is not None:
            raise ValueError(f"{method.name} is explicit and takes no mass matrix; choose Rodas5P, RadauIIA5, KenCarp4 or NDF")
        if watch == 0:
            return None
        memory = np.empty(n)
        slots[SPARE] = memory.ctypes.data
        return memory
    inner = getattr(linear, "inner", linear)  # the linear algebra of the block that is factored, where only one is
    _check(method, inner, mass)
    slots[MASS] = 0 if mass is None else mass.ctypes.data
    by_newton = mass is not None and method.newton
    solver = linear.addresses()
    slots[[FACTOR, SOLVE, SOLVE_T, MULTIPLY]] = solver.factor, solver.solve, solver.solve_t, solver.multiply
    slots[[GETRF, GETRS, EVALUATE]] = solver.getrf, solver.getrs, solver.evaluate
    slots[JAC], slots[TIME_DEPENDENT] = _offered(rhs.jac) if solver.evaluate == 0 else 0, not rhs.autonomous
    slots[JVP] = _offered(rhs.jvp) if slots[TIME_DEPENDENT] or solver.evaluate != 0 else 0
    _describe(slots, inner)
    sizes = {
        J_AT: linear.j_size, LU_AT: linear.lu_size, PIVOTS_AT: n, DFDT: n, ZEROS: max(n, rhs.n_p), SPARE: n, BASE: n, SEED: n,
        POWER_AT: 2 * n,
    }  # fmt: skip
    if by_newton:
        slots[ALGEBRAIC] = np.linalg.matrix_rank(mass) < n
        slots[AFTER] |= slots[ALGEBRAIC]
        slots[SLOPE] = slope_kernel()
        sizes |= {MASS_INVERSE: n * n}
    if method.complex:
        slots[[FACTOR_Z, SOLVE_Z, GETRF_Z, GETRS_Z]] = dense_complex(n) if inner is linear else linear.addresses_z()
        slots[SOLVE_Z_T] = dense_complex_transposed(n) if inner is linear else 0
        sizes |= {LUZ_AT: 2 * inner.n**2, PIVOTSZ_AT: inner.n}
    own = method.own(n)
    slots[CONSTANT_JAC] = rhs.jac_kind == "constant" and slots[JAC] != 0
    if method.newton:
        keep_jacobian(own, rhs.jac_kind)
    memory = np.zeros(sum(sizes.values()) + len(own))
    address = memory.ctypes.data
    for slot, size in sizes.items():
        slots[slot] = address
        address += 8 * size
    memory[len(memory) - len(own) :] = own
    slots[OWN], slots[RESTART] = address, 1
    if by_newton:
        start = int(slots[MASS_INVERSE] - memory.ctypes.data) // 8
        memory[start : start + n * n] = np.linalg.pinv(mass, n * np.finfo(float).eps).ravel()
    start = int(slots[POWER_AT] - memory.ctypes.data) // 8
    memory[start : start + n] = 1 / np.arange(1, n + 1)  # no eigenvector, as a rule
    return memory


def _check(method: Any, linear: Any, mass: np.ndarray | None) -> None:
    if mass is not None and not method.mass:
        raise ValueError(f"{method.name} takes no mass matrix; choose Rodas5P, Rodas4 or RadauIIA5")
    if mass is not None and not isinstance(linear, Dense):
        raise ValueError(f"a mass matrix needs dense linear algebra, not {linear.name}; pass linear='dense'")
    if method.complex and not isinstance(linear, Dense):
        raise ValueError(f"{method.name} works with dense Jacobians only; choose KenCarp4, Rodas5P or NDF for {linear.name} ones")
    if isinstance(linear, Krylov) and not method.newton:
        raise ValueError(f"{method.name} needs factors, which GMRES has not; choose NDF, KenCarp4 or another method with Newton iterations")


def _describe(slots: np.ndarray, linear: Any) -> None:
    """What structured linear algebra reads from the slots."""
    if linear.table is not None:
        slots[COLOURS_AT] = linear.table.ctypes.data
    if isinstance(linear, Banded):
        slots[LBAND], slots[UBAND] = linear.lower, linear.upper
    elif isinstance(linear, Sparse):
        slots[PATTERN_AT] = linear.pattern.ctypes.data
    elif isinstance(linear, Krylov):
        slots[KRYLOV] = linear.dimension
        slots[[PRECONDITION, PRECONDITION_P, N_PRECONDITION_P]] = linear.preconditioner_slots()
        if slots[JVP] == 0:
            raise ValueError("GMRES needs products with the Jacobian, which this right-hand side does not offer; use linear='dense'")


def _offered(build) -> int:
    """The address, or 0 where the right-hand side has no such function."""
    try:
        return build()
    except MissingRule:
        return 0
