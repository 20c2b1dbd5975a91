"""The kernels of all methods, compiled when first used, with the memory that each needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from sciad.backend import call_address, entry
from sciad.solvers.link import link
from sciad.solvers.memory import get, get_int, put
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
from sciad.solvers.nonlinear.slots import CONVERGED, FX, KERNEL, MANY, N_F, N_ITERATIONS, N_J, N, P, X

__all__ = ["kernel", "runner", "enterer", "work_size", "imports", "BASE"]

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
def kernel(method: str) -> Any:
    """The compiled iteration of a method, with its `address`: a C function that takes the address of the slots and returns a code."""
    iteration, *helpers = _PARTS[method]
    constants = f"WIDE = {anderson.WIDE}\n" if method == "anderson" else ""
    return link(iteration, *BASE, *helpers, imports=imports() + constants, decorator="@cfunc(kernel_signature(0, 1))")


def run(slots):
    """Iterate as KERNEL does; its code."""
    return call_address(get_int(slots, KERNEL), slots)


@cache
def runner() -> Callable[[int], int]:
    """`run` as machine code that Python calls without a look at the argument."""
    return entry(link(run, imports=imports()), ("i8",))


def enter(slots, x0, x, fx, count, a, b):
    """A whole solve: start, the first `count` parameters, the iteration KERNEL; x and fx become the solution and its residual.

    Gives the counters of f, J and iterations, 20 bits each; the kernel's code where it did not converge, MANY where they are more.
    """
    n, p, start = get_int(slots, N), get_int(slots, P), get_int(slots, X)
    for i in range(n):
        put(start, i, x0[i])
    if count > 0:
        put(p, 0, a)
    if count > 1:
        put(p, 1, b)
    code = call_address(get_int(slots, KERNEL), slots)
    found, residual = get_int(slots, X), get_int(slots, FX)
    for i in range(n):
        x[i] = get(found, i)
        fx[i] = get(residual, i)
    if code != CONVERGED:
        return code
    f, j, iterations = get_int(slots, N_F), get_int(slots, N_J), get_int(slots, N_ITERATIONS)
    if max(f, max(j, iterations)) >= 1048576:
        return MANY
    return (f << 40) | (j << 20) | iterations


@cache
def enterer() -> Callable[..., int]:
    """`enter` as machine code that Python calls without a look at the arguments, which must be what it takes."""
    return entry(link(enter, imports=imports()), ("i8", "*float64:", "*float64", "*float64", "i8", "f8", "f8"))


def work_size(method: str, n: int, rows: int, memory: int) -> int:
    """Entries of WORK that a method needs."""
    if method in ("anderson", "iteration"):
        width = n // rows
        return rows * (8 + 4 * width + 2 * memory * width + 2 * memory * memory + memory)
    if method == "newton-krylov":
        return n * (memory + 1) + memory * (memory + 1) + 3 * memory + 1
    return {"trust-region": 3 * n, "levenberg-marquardt": n + n * n, "broyden": n * n + 4 * n}.get(method, 0)
