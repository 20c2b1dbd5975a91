"""Consistent initial values of M y' = f(t, y, p) with a singular mass matrix.

With the null spaces U_2 of M^T and V_2 of M, the equations U_2^T f(t, y, p) = 0 hold at every time.  They are solved by Newton's method
for y = y_0 + V_2 z, so that what M sees of the initial state stays as it was given; index 1 means that U_2^T f_y V_2 is regular.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from sciad.errors import MissingRule, SolveError
from sciad.solvers.rhs import Rhs

__all__ = ["Inconsistent", "Start", "call", "consistent_start", "jacobian_at", "null_spaces"]

STEPS = 60


class Inconsistent(SolveError):
    """There are no consistent initial values, or they were not found."""


@dataclass(frozen=True)
class Start:
    """A consistent initial state y (n,), and what its derivative needs: U_2 and V_2 (n, k), and U_2^T f_y V_2 (k, k) there."""

    y: np.ndarray
    left: np.ndarray
    right: np.ndarray
    matrix: np.ndarray


def null_spaces(mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal bases U_2 of the null space of M^T and V_2 of that of M, both (n, k)."""
    u, sizes, vt = np.linalg.svd(mass)
    rank = int(np.sum(sizes > len(sizes) * np.finfo(float).eps * max(sizes[0], np.finfo(float).tiny)))
    return u[:, rank:], vt[rank:].T


def consistent_start(rhs: Rhs, t: float, y0: np.ndarray, p: np.ndarray, mass: np.ndarray) -> Start:
    """Make y0 consistent; with a regular mass matrix, or where it is so already, it is left as it is.

    SolveError where no consistent state is found near y0, or the index is not 1.
    """
    left, right = null_spaces(mass)
    y = np.array(y0, np.float64)
    if left.shape[1] == 0:
        return Start(y, left, right, np.empty((0, 0)))
    residual, matrix = _algebraic(rhs, t, y, p, left, right)
    scale = np.abs(left.T) @ (np.abs(jacobian_at(rhs, t, y, p)) @ np.abs(y)) + np.finfo(float).tiny
    if np.all(np.abs(residual) <= 1e-13 * scale):
        return Start(y, left, right, matrix)
    size = np.inf
    for _ in range(STEPS):
        z = -np.linalg.solve(matrix, residual)
        last, size, length = size, float(np.linalg.norm(z)), float(np.linalg.norm(y))
        y = _damped(rhs, t, y, p, left, right, matrix, z)
        residual, matrix = _algebraic(rhs, t, y, p, left, right)
        if size <= 1e-14 * length or (size > 0.5 * last and size <= 1e-10 * length):
            return Start(y, left, right, matrix)
    raise Inconsistent(f"no consistent initial state was found near y0 at t = {t!r} in {STEPS} steps of Newton's method; give a better y0")


def _algebraic(rhs: Rhs, t: float, y: np.ndarray, p: np.ndarray, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """U_2^T f (k,) and U_2^T f_y V_2 (k, k); Inconsistent where the latter, its rows and columns scaled, is singular."""
    residual, matrix = left.T @ _evaluate(rhs, t, y, p), left.T @ jacobian_at(rhs, t, y, p) @ right
    if not (np.all(np.isfinite(matrix)) and np.all(np.isfinite(residual))):
        raise Inconsistent(f"the algebraic equations or their Jacobian are not finite (NaN or Inf) at t = {t!r}; check y0 and f there")
    scaled, tiny = matrix, np.finfo(float).tiny
    for axis in (1, 0):
        scaled = scaled / np.maximum(np.abs(scaled).max(axis=axis, keepdims=True), tiny)
    if np.linalg.cond(scaled) > 1e13:
        raise Inconsistent(
            f"the algebraic equations at t = {t!r} do not fix their variables: the index is not 1, or y0 is singular. Differentiate "
            "the constraints until the index is 1, or change y0."
        )
    return residual, matrix


def _damped(rhs: Rhs, t: float, y: np.ndarray, p: np.ndarray, left, right, matrix: np.ndarray, z: np.ndarray) -> np.ndarray:
    """y after so much of Newton's step z that the step which would follow, with the same matrix, is shorter (Deuflhard 2004, 3.3)."""
    factor, size = 1.0, np.linalg.norm(z)
    while True:
        moved = y + right @ (factor * z)
        residual = left.T @ _evaluate(rhs, t, moved, p)
        if factor < 1e-4 or size <= 1e-9 * np.linalg.norm(y):
            return moved
        if np.all(np.isfinite(residual)) and np.linalg.norm(np.linalg.solve(matrix, residual)) <= (1.0 - 0.5 * factor) * size:
            return moved
        factor *= 0.5


def call(address: int, t: float, *arrays: np.ndarray) -> None:
    """Call a function of the right-hand side, ``g(t, *arrays)``, from Python; SolveError where it aborts."""
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_double, *[ctypes.c_ssize_t] * len(arrays))(address)
    if function(t, *[x.ctypes.data for x in arrays]) != 0:
        raise SolveError(f"the right-hand side aborted at t = {t!r}")


def _evaluate(rhs: Rhs, t: float, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    dy = np.empty(rhs.n)
    call(rhs.f, t, y, p, dy)
    return dy


def jacobian_at(rhs: Rhs, t: float, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """f_y (n, n) from Python, by central differences where the right-hand side offers none."""
    try:
        address = rhs.jac()
    except MissingRule:
        steps = 6e-6 * np.maximum(np.abs(y), 1e-3)
        ends = [[_evaluate(rhs, t, y + sign * step, p) for sign in (1.0, -1.0)] for step in np.diag(steps)]
        return np.stack([(plus - minus) / (2.0 * step) for (plus, minus), step in zip(ends, steps)], axis=1)
    jac = np.empty((rhs.n, rhs.n))
    call(address, t, y, p, jac)
    return jac
