"""Dense output: y(t + theta h) = y + h sum_i w_i(theta) k_i, inside compiled kernels."""

from __future__ import annotations

from sciad.solvers.memory import get, put

__all__ = ["weight", "weight_slope", "interpolate"]


def weight(row, terms, theta):
    """w_i(theta) = theta (d_1 + (1 - theta)(d_2 + theta (d_3 + ...))) from the address of its coefficients."""
    w = 0.0
    for k in range(terms - 1, -1, -1):
        w = w * (1.0 - theta if k % 2 == 0 else theta) + get(row, k)
    return w * theta


def weight_slope(row, terms, theta):
    """w_i'(theta)."""
    w, slope = 0.0, 0.0
    for k in range(terms - 1, -1, -1):
        factor = 1.0 - theta if k % 2 == 0 else theta
        slope = slope * factor + (-w if k % 2 == 0 else w)
        w = w * factor + get(row, k)
    return slope * theta + w


def interpolate(table, stages, terms, theta, h, n, y, k, out):
    """Write the state at t + theta h to address `out`; y is the state at t, k the stage derivatives (addresses)."""
    for i in range(n):
        put(out, i, 0.0)
    for j in range(stages):
        w = h * weight(table + 8 * terms * j, terms, theta)
        if w != 0.0:
            k_j = k + 8 * n * j
            for i in range(n):
                put(out, i, get(out, i) + w * get(k_j, i))
    for i in range(n):
        put(out, i, get(y, i) + get(out, i))
