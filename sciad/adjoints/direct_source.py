"""The steps of our methods as plain NumPy: what adjoint "direct" differentiates, and where to read what a method computes.

Each takes the right-hand side f(t, y), its derivatives jac(t, y) = f_y (n, n) and slope(t, y) = f_t (n,), the step from y (n,) at t of size
h, the rows of K that the solve recorded (rows, n), and the method's tables; it gives the state at the end, and K, whose rows dense output
weighs.  The compiled engine takes them as they stand (`sciad.adjoints.direct_forms`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["explicit_step", "radau_step", "rosenbrock_step", "sdirk_step"]


def explicit_step(f: Callable, jac: Callable, slope: Callable, iterations: int, t, h, y, start, tables):
    """k_i = f(t + c_i h, y + h sum_j a_ij k_j), y_new = y + h sum_i b_i k_i."""
    a, b, c = tables
    k = np.zeros(start.shape)
    for i in range(start.shape[0]):
        x = y.copy()
        for j in range(i):
            x += h * a[i, j] * k[j]
        k[i] = f(t + c[i] * h, x)
    return y + h * (b @ k), k


def rosenbrock_step(f: Callable, jac: Callable, slope: Callable, iterations: int, t, h, y, start, tables):
    """(M / gamma - h J) k_i = f(t + c_i h, y + h sum_j a_ij k_j) + M sum_j c_ij k_j + d_i h f_t, y_new = y + h sum_i m_i k_i.

    k_i is u_i / h of `RosenbrockTableau`; row 0 of K is f at the beginning, which nothing weighs, and stays zero.
    """
    a, coupling, m, c, d, inverse_gamma, mass = tables
    k = np.zeros(start.shape)
    matrix = inverse_gamma[0] * mass - h * jac(t, y)
    f_t = slope(t, y)
    for i in range(m.shape[0]):
        x = y.copy()
        known = np.zeros(y.shape[0])
        for j in range(i):
            x += h * a[i, j] * k[j + 1]
            known += coupling[i, j] * k[j + 1]
        k[i + 1] = np.linalg.solve(matrix, f(t + c[i] * h, x) + mass @ known + d[i] * h * f_t)
    y_new = y.copy()
    for i in range(m.shape[0]):
        y_new += h * m[i] * k[i + 1]
    return y_new, k


def sdirk_step(f: Callable, jac: Callable, slope: Callable, iterations: int, t, h, y, start, tables):
    """k_0 = f(t, y), k_i = f(t + c_i h, y + h sum_(j<=i) a_ij k_j) by Newton's method, y_new = y + h sum_i b_i k_i."""
    a, c = tables
    k = start.copy()
    k[0] = f(t, y)
    last = start.shape[0] - 1
    for i in range(1, start.shape[0]):
        base = y.copy()
        for j in range(i):
            base += h * a[i, j] * k[j]
        for _ in range(iterations):
            x = base + h * a[i, i] * k[i]
            matrix = np.eye(y.shape[0]) - h * a[i, i] * jac(t + c[i] * h, x)
            k[i] += np.linalg.solve(matrix, f(t + c[i] * h, x) - k[i])
    return y + h * (a[last] @ k), k


def radau_step(f: Callable, jac: Callable, slope: Callable, iterations: int, t, h, y, start, tables):
    """M z_i = h sum_j a_ij f(t + c_j h, y + z_j) by Newton's method for all three at once, y_new = y + z_3; rows 1 to 3 of K are z_i / h."""
    a, c, mass = tables
    n = y.shape[0]
    z = h * start[1:]
    for _ in range(iterations):
        matrix = np.zeros((3, n, 3, n))
        residual = np.zeros((3, n))
        for j in range(3):
            f_j = f(t + c[j] * h, y + z[j])
            jac_j = jac(t + c[j] * h, y + z[j])
            for i in range(3):
                residual[i] += h * a[i, j] * f_j
                matrix[i, :, j, :] -= h * a[i, j] * jac_j
        for i in range(3):
            residual[i] -= mass @ z[i]
            matrix[i, :, i, :] += mass
        z = z + np.linalg.solve(matrix.reshape(3 * n, 3 * n), residual.reshape(3 * n)).reshape(3, n)
    k = np.zeros((4, n))
    k[1:] = z / h
    return y + z[2], k
