"""Discrete adjoints within a bound of memory: what every step keeps while that fits, else checkpoints."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from sciad.adjoints.primal import SolveFailed, forward_solve
from sciad.adjoints.tangent import RECORDS
from sciad.solvers.auto import Auto
from sciad.solvers.explicit import ERK
from sciad.solvers.methods import find_method
from sciad.solvers.rhs import Rhs
from sciad.solvers.status import Status

__all__ = ["available_memory", "bounded_forward"]

FEWEST = 10  # checkpoints, whatever the bound


def bounded_forward(discrete: Any, rhs: Rhs, t_span, y0, p, t_eval, options: dict[str, Any] | None, memory: int) -> tuple[Any, Any]:
    """`forward` of a discrete adjoint that keeps at most so many bytes of states and tapes, or `FEWEST` states where these are more.

    A solve whose steps would keep more is given up where they do, and begun anew with as many checkpoints as fit.  One that chooses its
    method is first done without a record, to see whether it meets stiffness, and takes the stiff one throughout if so.
    """
    options = dict(options or {})
    method = find_method(options.get("method", "Tsit5"))
    asked, most = options.get("max_steps", 100_000), memory // (8 * entries_of_a_step(discrete, rhs, method))
    if t_eval is None or discrete.checkpoints is not None or asked <= most:
        return discrete.unbounded(rhs, t_span, y0, p, t_eval, options)
    try:
        return discrete.unbounded(rhs, t_span, y0, p, t_eval, options | {"max_steps": max(most, 1)})
    except SolveFailed as error:
        if error.solution.status != Status.TOO_MANY_STEPS:
            raise
    if isinstance(method, Auto):
        plain = {name: value for name, value in options.items() if name not in ("method", *RECORDS)}
        pieces = forward_solve(rhs, t_span, y0, p, method, t_eval, plain, with_mass=True).pieces
        options["method"] = next((piece.method for piece in pieces if piece.method.implicit), pieces[0].method)
    multistep = getattr(find_method(options.get("method", "Tsit5")), "multistep", False)
    checkpoints = max(memory // (8 * rhs.n * (6 if multistep else 1)), FEWEST)
    return type(discrete)("auto", checkpoints).unbounded(rhs, t_span, y0, p, t_eval, options)


def entries_of_a_step(discrete: Any, rhs: Rhs, method: Any) -> int:
    """Numbers that a step keeps: time and size, the state, and of explicit methods with tapes those of all stages."""
    if not isinstance(method, ERK) or discrete.store_of(rhs, method) == "states":
        return rhs.n + 2
    return len(method.dense) * (2 * rhs.n + rhs.tape_size) + 2


@cache
def available_memory() -> int:
    """Bytes that were free when first asked for; a guess of 4 GB where the system does not tell."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 4 * 10**9
