"""Consistent initial values of M y' = f(t, y, p) with a singular mass matrix.

With the null spaces U_2 of M^T and V_2 of M, the equations U_2^T f(t, y, p) = 0 hold at every time.  They are solved by Newton's method
for y = y_0 + V_2 z, so that what M sees of the initial state stays as it was given; index 1 means that U_2^T f_y V_2 is regular.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from sciad.errors import SolveError
from sciad.solvers.rhs import Rhs

__all__ = ["Start", "call", "consistent_start"]

STEPS = 30


@dataclass(frozen=True)
class Start:
    """A consistent initial state y (n,), and what its derivative needs: U_2 and V_2 (n, k), and U_2^T f_y V_2 (k, k) there."""

    y: np.ndarray
    left: np.ndarray
    right: np.ndarray
    matrix: np.ndarray


def consistent_start(rhs: Rhs, t: float, y0: np.ndarray, p: np.ndarray, mass: np.ndarray) -> Start:
    """Make y0 consistent; with a regular mass matrix, or where it is so already, it is left as it is.

    SolveError where no consistent state is found near y0, or the index is not 1.
    """
    u, sizes, vt = np.linalg.svd(mass)
    rank = int(np.sum(sizes > len(sizes) * np.finfo(float).eps * max(sizes[0], np.finfo(float).tiny)))
    left, right = u[:, rank:], vt[rank:].T
    y = np.array(y0, np.float64)
    if rank == len(sizes):
        return Start(y, left, right, np.empty((0, 0)))
    size = np.inf
    for _ in range(STEPS):
        residual, jac = left.T @ _evaluate(rhs, t, y, p), _jacobian(rhs, t, y, p)
        matrix = left.T @ jac @ right
        scale = np.abs(left.T) @ (np.abs(jac) @ np.abs(y)) + np.finfo(float).tiny
        if not np.all(np.isfinite(matrix)) or np.linalg.cond(matrix) > 1e14:
            raise SolveError(f"the algebraic equations at t = {t!r} do not fix their variables: the index is not 1, or y0 is singular")
        if np.all(np.abs(residual) <= 1e-13 * scale):
            return Start(y, left, right, matrix)
        z = -np.linalg.solve(matrix, residual)
        y = y + right @ z
        size, last = float(np.linalg.norm(z)), size
        if size <= 1e-14 * np.linalg.norm(y) or (size > 0.5 * last and size <= 1e-10 * np.linalg.norm(y)):
            return Start(y, left, right, left.T @ _jacobian(rhs, t, y, p) @ right)
    raise SolveError(f"no consistent initial state was found near y0 at t = {t!r} in {STEPS} steps of Newton's method; give a better y0")


def call(address: int, t: float, *arrays: np.ndarray) -> None:
    """Call a function of the right-hand side, ``g(t, *arrays)``, from Python; SolveError where it aborts."""
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_double, *[ctypes.c_ssize_t] * len(arrays))(address)
    if function(t, *[x.ctypes.data for x in arrays]) != 0:
        raise SolveError(f"the right-hand side aborted at t = {t!r}")


def _evaluate(rhs: Rhs, t: float, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    dy = np.empty(rhs.n)
    call(rhs.f, t, y, p, dy)
    return dy


def _jacobian(rhs: Rhs, t: float, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    jac = np.empty((rhs.n, rhs.n))
    call(rhs.jac(), t, y, p, jac)
    return jac
