"""The kernels of all methods, compiled when first used, with the memory that each needs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sciad.solvers.link import link
from sciad.solvers.nonlinear import (
    anderson,
    brent,
    broyden,
    krylov,
    levenberg_marquardt,
    lu,
    newton,
    pseudo_transient,
    residual,
    slots,
    trust_region,
    vectors,
)

__all__ = ["kernel", "work_size", "imports", "BASE"]

BASE = (
    vectors.copy, vectors.scale_to, vectors.dot, vectors.norm, vectors.all_finite, vectors.add_scaled, vectors.largest,
    residual.residual, residual.differences, residual.along, residual.jacobian, residual.product,
)  # fmt: skip
_SEARCH = (residual.small_step, residual.accept, residual.begin, residual.at_rounding_level)
_DENSE = (lu.factor, lu.by_lapack, lu.solve, newton.linearize, newton.search)
_GMRES = (krylov.rotate, krylov.expand, krylov.combine, krylov.true_residual, krylov.gmres)
_TRUST = (trust_region.descent, trust_region.times, trust_region.dogleg, trust_region.directions)
_LM = (trust_region.descent, levenberg_marquardt.normal_matrix, levenberg_marquardt.damped_step)
_ROWS = (anderson.defect, anderson.row_done, anderson.row_size, anderson.first_defect)

_PARTS = {
    "newton": (newton.newton, *_SEARCH, *_DENSE),
    "trust-region": (trust_region.trust_region, *_SEARCH, *_DENSE, *_TRUST),
    "levenberg-marquardt": (levenberg_marquardt.levenberg_marquardt, *_SEARCH, *_DENSE, *_LM),
    "broyden": (broyden.broyden, *_SEARCH, *_DENSE, broyden.invert, broyden.update),
    "newton-krylov": (krylov.newton_krylov, *_SEARCH, newton.search, *_GMRES),
    "pseudo-transient": (pseudo_transient.pseudo_transient, *_SEARCH, lu.factor, lu.by_lapack, lu.solve),
    "brent": (brent.brent, brent.value_at, brent.interpolated),
    "iteration": (anderson.iteration, *_ROWS),
    "anderson": (anderson.anderson, *_ROWS, anderson.coefficients, anderson.remember, anderson.mix_row),
}


@cache
def imports() -> str:
    """The import line of the slots, with their text in it: what is linked depends on it."""
    import hashlib

    stamp = hashlib.sha256(Path(slots.__file__).read_bytes()).hexdigest()[:12]
    return f"from sciad.solvers.nonlinear.slots import *  # {stamp}\n"


@cache
def kernel(method: str):
    """The compiled iteration of a method: takes the address of its slots, returns a code."""
    entry, *helpers = _PARTS[method]
    constants = f"WIDE = {anderson.WIDE}\n" if method == "anderson" else ""
    return link(entry, *BASE, *helpers, imports=imports() + constants)


def work_size(method: str, n: int, rows: int, memory: int) -> int:
    """Entries of WORK that a method needs."""
    if method in ("anderson", "iteration"):
        width = n // rows
        return rows * (8 + 4 * width + 2 * memory * width + 2 * memory * memory + memory)
    if method == "newton-krylov":
        return n * (memory + 1) + memory * (memory + 1) + 3 * memory + 1
    return {"trust-region": 3 * n, "levenberg-marquardt": n + n * n, "broyden": n * n + 4 * n}.get(method, 0)
