"""NDF steps as plain NumPy for adjoint "direct": one step from the differences that the step before has left, with tables for every step.

A step of order k takes D_1 to D_k over from the step before, which K held as D_j / h there; `respaced` interpolates them to its own
spacing.  What Newton's iterations of the solve have left of the equation is kept as a constant (row 0 of `start`), so that the recorded
state solves it to rounding: derivatives are then those at the states that were computed, as those of the discrete adjoint are.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import numpy as np

from sciad.adjoints.primal import saved_derivatives
from sciad.errors import SolveError
from sciad.solvers.bdf.ndf import KAPPA
from sciad.solvers.record import Steps
from sciad.solvers.rhs import Rhs

__all__ = ["TABLE_SHAPES", "ndf_defects", "ndf_inverses", "ndf_step", "ndf_tables"]

#: respaced, gamma_j / alpha, which D_j the step leaves, 1 / alpha, and whether D_1 is h f(t, y)
TABLE_SHAPES = ((5, 5), (5,), (5,), (1,), (1,))
GAMMA = np.cumsum([0.0, *[1.0 / j for j in range(1, 6)]])


def ndf_step(f: Callable, jac: Callable, slope: Callable, iterations: int, t, h, y, start, inverses, tables):
    """x = y_p - sum_j gamma_j D_j / alpha + h / alpha f(t + h, x) by Newton's method, y_p = y + sum_j D_j; K holds the new D_j / h."""
    respaced, psi, left, scale, begins, before = tables
    n = y.shape[0]
    d = respaced @ before.reshape(5, n)
    d[0] += begins[0] * h * f(t, y)
    predicted = y.copy()
    for j in range(5):
        predicted += d[j]
    base = predicted - psi @ d + start[0]
    x = y + h * start[1]
    for _ in range(iterations):
        x = x + inverses @ (base + scale[0] * h * f(t + h, x) - x)
    k = np.zeros((6, n))
    new = x - predicted
    for i in range(5):
        new = new + d[4 - i]
        k[5 - i] = left[4 - i] / h * new
    return x, k


def ndf_inverses(f: Callable, jac: Callable, slope: Callable, iterations: int, t, h, y, start, inverses, tables):
    """(I - h / alpha J)^-1 at the end that `start` holds."""
    _, _, _, scale, _, _ = tables
    return np.linalg.inv(np.eye(y.shape[0]) - scale[0] * h * jac(t + h, y + h * start[1]))


def ndf_tables(steps: Steps) -> np.ndarray:
    """The tables of all steps, one row each, from the sizes and orders that were recorded."""
    if steps.orders is None:
        raise SolveError("the steps of NDF were recorded without their orders, and cannot be taken again")
    rows, sizes = [], steps.sizes
    for k, (h, order) in enumerate(zip(sizes, steps.orders.astype(int))):
        respaced, alpha = np.zeros((5, 5)), (1.0 - KAPPA[order]) * GAMMA[order]
        if k > 0:
            respaced[:order, :order] = sizes[k - 1] * respacing(order, h / sizes[k - 1])
        left = np.arange(1, 6) <= order + 1
        rows.append(np.concatenate([respaced.ravel(), GAMMA[1:] / alpha, left, [1.0 / alpha, float(k == 0)]]))
    return np.array(rows).reshape(len(sizes), -1)


def respacing(order: int, ratio: float) -> np.ndarray:
    """D at a spacing of `ratio` times the old one from D_1 to D_order: the values of the polynomial there, and their differences."""
    if ratio == 1.0:
        return np.eye(order)
    i = np.arange(order + 1)
    factors = [(m - 1 - ratio * i) / m for m in range(1, order + 1)]
    values = np.cumprod([np.ones(order + 1), *factors], axis=0).T  # row i: weights of D_0 to D_order in the value i spacings ago
    differences = np.array([[(-1.0) ** k * comb(row, k) for k in range(order + 1)] for row in range(order + 1)])
    return (differences @ values)[1:, 1:]


def ndf_defects(rhs: Rhs, steps: Steps, p: np.ndarray, y: np.ndarray, start: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """What is left of the equation at the recorded ends, (steps, n), from the states with their D_j (steps + 1, 6 n) and K (steps, 6 n)."""
    n, h = rhs.n, steps.sizes[:, None]
    respaced, psi, scale, begins = tables[:, :25].reshape(-1, 5, 5), tables[:, 25:30], tables[:, 35:36], tables[:, 36:37]
    begin, end = y[:-1, :n], y[:-1, :n] + h * start[:, n : 2 * n]
    d = respaced @ y[:-1, n:].reshape(-1, 5, n)
    d[:, 0] += begins * h * saved_derivatives(rhs, steps.times[:-1], begin, p)
    base = begin + d.sum(axis=1) - np.einsum("kj,kjn->kn", psi, d)
    return end - base - scale * h * saved_derivatives(rhs, steps.times[:-1] + steps.sizes, end, p)
