"""Mass matrices as users give them, and the slope y' of M y' = f(t, y, p) where M may be singular.

With the null spaces U_2 of M^T and V_2 of M (see `consistent`), y' solves M y' = f and the derivative of the algebraic equations,
U_2^T (f_y y' + f_t) = 0; both together are

    (M + U_2 U_2^T f_y) y' = (I - U_2 U_2^T) f - U_2 U_2^T f_t.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from sciad.errors import MissingRule, ShapeError, SolveError
from sciad.solvers.consistent import call, consistent_start, jacobian_at
from sciad.solvers.rhs import Rhs

__all__ = ["checked_mass", "slope"]


def checked_mass(matrix: Any, n: int) -> np.ndarray | None:
    """The mass matrix that a user gives for n states, dense or of scipy.sparse, as (n, n); None for None and for the identity.

    ValueError or ShapeError for what it cannot be.
    """
    if matrix is None:
        return None
    if callable(matrix):
        raise ValueError("mass_matrix must be a constant array; put a factor that depends on t or y into the right-hand side")
    matrix = matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)
    if matrix.dtype.kind not in "fiub":
        raise ValueError(f"mass_matrix holds {matrix.dtype}; give real numbers")
    if matrix.shape != (n, n):
        raise ShapeError(f"mass_matrix has shape {matrix.shape}; {n} states ask for {(n, n)}")
    matrix = np.array(matrix, np.float64, order="C")
    if not np.all(np.isfinite(matrix)):
        raise ValueError("mass_matrix has entries that are not finite")
    return None if np.array_equal(matrix, np.eye(n)) else matrix


def slope(rhs: Rhs, t: float, y: np.ndarray, p: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """y' (n,) at y, made consistent first; SolveError where the index is not 1 or the right-hand side aborts."""
    p = np.ascontiguousarray(p, np.float64)
    start = consistent_start(rhs, t, np.ascontiguousarray(y, np.float64), p, mass)
    f = np.empty(rhs.n)
    call(rhs.f, t, start.y, p, f)
    if start.matrix.size == 0:
        return np.linalg.solve(mass, f)
    algebraic = start.left @ start.left.T
    right = f - algebraic @ (f + time_derivative_at(rhs, t, start.y, p))
    return np.linalg.solve(mass + algebraic @ jacobian_at(rhs, t, start.y, p), right)


def time_derivative_at(rhs: Rhs, t: float, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """f_t (n,) from Python, by central differences where the right-hand side has no derivative."""
    out, spare = np.zeros(rhs.n), np.empty(rhs.n)
    if rhs.autonomous:
        return out
    try:
        address = rhs.jvp()
    except MissingRule:
        step = 6e-6 * max(abs(t), 1e-3)
        call(rhs.f, t + step, y, p, out)
        call(rhs.f, t - step, y, p, spare)
        return (out - spare) / (2.0 * step)
    zeros = np.zeros(max(rhs.n, rhs.n_p, 1))
    arrays = y, zeros, p, zeros, spare, out
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_double, ctypes.c_double, *[ctypes.c_ssize_t] * 6)(address)
    if function(t, 1.0, *[x.ctypes.data for x in arrays]) != 0:
        raise SolveError(f"the derivative of the right-hand side aborted at t = {t!r}")
    return out
