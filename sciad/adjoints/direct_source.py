"""The steps of our methods as plain NumPy: what adjoint "direct" differentiates, and where to read what a method computes.

Each takes the right-hand side f(t, y), its derivatives jac(t, y) = f_y (n, n) and slope(t, y) = f_t (n,), the step from y (n,) at t of size
h, the rows of K that the solve recorded (rows, n), inverse matrices for Newton's method, and the method's tables; it gives the state at the
end, and K, whose rows dense output weighs.  The compiled engine takes them as they stand (`sciad.adjoints.direct_forms`).

Newton's iterations keep their matrix, as those of the solve do, and begin at the solution: start and matrix are no functions of y then, and
every iteration makes one more derivative exact.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["explicit_step", "radau_inverses", "radau_step", "rosenbrock_step", "sdirk_inverses", "sdirk_step"]


def explicit_step(f: Callable, jac: Callable, slope: Callable, iterations: int, t, h, y, start, inverses, tables):
    """k_i = f(t + c_i h, y + h sum_j a_ij k_j), y_new = y + h sum_i b_i k_i."""
    a, b, c = tables
    k = np.zeros(start.shape)
    for i in range(start.shape[0]):
        x = y.copy()
        for j in range(i):
            x += h * a[i, j] * k[j]
        k[i] = f(t + c[i] * h, x)
    return y + h * (b @ k), k


def rosenbrock_step(f: Callable, jac: Callable, slope: Callable, iterations: int, t, h, y, start, inverses, tables):
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


def sdirk_step(f: Callable, jac: Callable, slope: Callable, iterations: int, t, h, y, start, inverses, tables):
    """k_0 = f(t, y), k_i = f(t + c_i h, y + h sum_(j<=i) a_ij k_j) by Newton's method, y_new = y + h sum_i a_si k_i.

    Where `carried` is 1, k_0 is `first`, the last stage of the step before: f_y at a recorded state would multiply by the stiffness what
    Newton's iterations have left of its error.
    """
    a, c, carried, first = tables
    k = start.copy()
    k[0] = carried[0] * first + (1.0 - carried[0]) * f(t, y)
    last = start.shape[0] - 1
    for i in range(1, start.shape[0]):
        base = y.copy()
        for j in range(i):
            base += h * a[i, j] * k[j]
        for _ in range(iterations):
            k[i] += inverses[i - 1] @ (f(t + c[i] * h, base + h * a[i, i] * k[i]) - k[i])
    return y + h * (a[last] @ k), k


def sdirk_inverses(f: Callable, jac: Callable, slope: Callable, iterations: int, t, h, y, start, inverses, tables):
    """(I - h a_ii J)^-1 at the stages that `start` holds."""
    a, c, _, _ = tables
    found = np.zeros(inverses.shape)
    for i in range(1, start.shape[0]):
        x = y.copy()
        for j in range(i + 1):
            x += h * a[i, j] * start[j]
        found[i - 1] = np.linalg.inv(np.eye(y.shape[0]) - h * a[i, i] * jac(t + c[i] * h, x))
    return found


def radau_step(f: Callable, jac: Callable, slope: Callable, iterations: int, t, h, y, start, inverses, tables):
    """M z_i = h sum_j a_ij f(t + c_j h, y + z_j) by Newton's method for all three at once, y_new = y + z_3; K holds z_i / h from row 1."""
    a, c, mass = tables
    n = y.shape[0]
    z = h * start[1:]
    fs = np.zeros((3, n))
    for _ in range(iterations):
        for j in range(3):
            fs[j] = f(t + c[j] * h, y + z[j])
        residual = h * (a @ fs) - z @ mass.T
        z = z + (inverses @ residual.reshape(3 * n)).reshape(3, n)
    k = np.zeros((4, n))
    k[1:] = z / h
    return y + z[2], k


def radau_inverses(f: Callable, jac: Callable, slope: Callable, iterations: int, t, h, y, start, inverses, tables):
    """The inverse of the matrix of all three stages, blocks M delta_ij - h a_ij J_j, at those that `start` holds."""
    a, c, mass = tables
    n = y.shape[0]
    blocks = np.zeros((3, n, n))
    for j in range(3):
        blocks[j] = jac(t + c[j] * h, y + h * start[j + 1])
    matrix = np.zeros((3 * n, 3 * n))
    for row in range(3 * n):
        for column in range(3 * n):
            i, j = row // n, column // n
            matrix[row, column] = (mass[row % n, column % n] if i == j else 0.0) - h * a[i, j] * blocks[j, row % n, column % n]
    return np.linalg.inv(matrix)
