"""Compiled parts of event detection: event functions at the ends of steps, and their roots inside a step."""

from __future__ import annotations

from functools import cache

from sciad.backend import call_address, data_address
from sciad.solvers.dense import interpolate, weight
from sciad.solvers.link import link
from sciad.solvers.memory import get

__all__ = ["evaluate_rows", "find_root"]


def rows_values(g, times, rows, p, values):
    """values[i] = g(times[i], state in row i, p); the number of the first row where g aborts, or -1."""
    for i in range(times.shape[0]):
        if call_address(g, times[i], data_address(rows, i * rows.shape[1]), data_address(p, 0), data_address(values, i)) != 0:
            return i
    return -1


def inside(g, p, t, h, row, n, table, theta, y, value):
    """g at t + theta h along the dense output of one step; the state is left in y."""
    stages, terms = table.shape[0], table.shape[1]
    start = data_address(row, 0)
    interpolate(data_address(table, 0), stages, terms, theta, h, n, start, start + 8 * n, data_address(y, 0))
    if call_address(g, t + theta * h, data_address(y, 0), data_address(p, 0), data_address(value, 0)) != 0:
        return 1e300 * 1e300 - 1e300 * 1e300
    return get(data_address(value, 0), 0)


def root(g, p, t, h, row, n, table, low, g_low, high, g_high, y, value):
    """theta in [low, high] where g changes its sign, to the last bits: Anderson & Bjorck's regula falsi, bisection where it is slow."""
    theta, width = high, high - low
    for k in range(200):
        if g_high == 0.0 or abs(high - low) <= 4.5e-16 * max(abs(high), abs(low)):
            return high
        if k % 3 == 2 and abs(high - low) > 0.5 * width:
            theta = 0.5 * (low + high)
        else:
            theta = high - g_high * (high - low) / (g_high - g_low)
        if k % 3 == 0:
            width = abs(high - low)
        if not min(low, high) < theta < max(low, high):
            theta = 0.5 * (low + high)
            if theta in (low, high):
                return high
        g_new = inside(g, p, t, h, row, n, table, theta, y, value)
        if g_new != g_new:
            return g_new
        if (g_new < 0.0) != (g_high < 0.0):
            low, g_low = high, g_high
        else:
            factor = 1.0 - g_new / g_high
            g_low = g_low * (factor if factor > 0.0 else 0.5)
        high, g_high = theta, g_new
    return high


@cache
def evaluate_rows():
    """`rows_values`, compiled."""
    return link(rows_values)


@cache
def find_root():
    """`root`, compiled."""
    return link(root, weight, interpolate, inside)
