"""The solve that is differentiated, and its right-hand side evaluated at single states."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from sciad.backend import call_address, data_address
from sciad.errors import SolveError
from sciad.solvers.integrate import RawSolution, integrate
from sciad.solvers.link import link
from sciad.solvers.mass import slope
from sciad.solvers.rhs import Rhs
from sciad.solvers.status import Status

__all__ = ["SolveFailed", "forward_solve", "refuse_mass", "state_derivative", "saved_derivatives"]


class SolveFailed(SolveError):
    """The solve to be differentiated failed; `solution` is what it has done."""

    def __init__(self, solution: RawSolution) -> None:
        super().__init__(f"the solve to be differentiated failed: {solution.message}")
        self.solution = solution


def forward_solve(rhs: Rhs, t_span, y0, p, method: Any, t_eval, options: dict[str, Any], with_mass: bool = False) -> RawSolution:
    """A solve whose result is going to be differentiated: SolveError (or KeyboardInterrupt) instead of a status.

    `with_mass`: the way back knows mass matrices.
    """
    if options.get("mass") is not None and not with_mass:
        refuse_mass(options)
    if options.get("jumps") is not None:
        raise ValueError("jumps cannot be differentiated by this adjoint; leave them out")
    solution = integrate(rhs, t_span, y0, p, method, t_eval, **options)
    if solution.status == Status.INTERRUPTED:
        raise KeyboardInterrupt
    if not solution.success:
        raise SolveFailed(solution)
    if options.get("stops") is not None and any(getattr(piece.method, "multistep", False) for piece in solution.pieces):
        raise SolveError("NDF begins anew at tstops, which its derivatives do not know; use Rodas5P or KenCarp4, or leave tstops out")
    return solution


def refuse_mass(options: dict[str, Any] | None) -> None:
    """SolveError for M y' = f: what integrates the state backwards would leave the manifold of the algebraic equations."""
    if options and options.get("mass") is not None:
        raise SolveError(
            "the backsolve adjoint, which integrates the state backwards, is not for mass matrices; use adjoint='discrete' with a method "
            "such as Rodas5P, adjoint='gauss', adjoint='forward', or multiply by the inverse in the right-hand side where M is regular"
        )


def state_derivative(rhs: Rhs, t: float, y: np.ndarray, p: np.ndarray, mass: np.ndarray | None = None) -> np.ndarray:
    """y' at one state, from Python: f(t, y, p) or, with a mass matrix, see `slope`; SolveError if the right-hand side aborts."""
    if mass is not None:
        return slope(rhs, float(t), y, p, mass)
    y, p, dy = np.ascontiguousarray(y), np.ascontiguousarray(p), np.empty(rhs.n)
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_double, *[ctypes.c_ssize_t] * 3)(rhs.f)
    if function(t, y.ctypes.data, p.ctypes.data, dy.ctypes.data) != 0:
        raise SolveError(f"the right-hand side aborted at t = {t!r}")
    return dy


def saved_derivatives(rhs: Rhs, times: np.ndarray, ys: np.ndarray, p: np.ndarray, mass: np.ndarray | None = None) -> np.ndarray:
    """y' at saved times (m,) and states (m, n), shape (m, n); SolveError if the right-hand side aborts."""
    if mass is not None:
        return np.array([slope(rhs, float(t), y, p, mass) for t, y in zip(times, ys)]).reshape(ys.shape)
    times, ys, p = (np.ascontiguousarray(x, np.float64) for x in (times, ys, p))
    dys = np.empty(ys.shape)
    failed = _evaluate()(rhs.f, times, ys, p, dys)
    if failed >= 0:
        raise SolveError(f"the right-hand side aborted at t = {float(times[failed])!r}")
    return dys


def evaluate_all(f, times, ys, p, dys):
    """dys[i] = f(times[i], ys[i], p); the number of the first row where f aborts, or -1."""
    m, n = ys.shape
    for i in range(m):
        if call_address(f, times[i], data_address(ys, i * n), data_address(p, 0), data_address(dys, i * n)) != 0:
            return i
    return -1


@cache
def _evaluate():
    return link(evaluate_all)
