"""The integral of f_p^T lambda along a forward and a reverse solution, by Gauss or adaptive Gauss-Kronrod rules, compiled.

The interval is cut where steps of the reverse solve end, and into parts no longer than the steps of the forward solve there:
where lambda is smooth, or constant, a reverse step may be long, and the integrand still varies as the forward solution does.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from sciad.adjoints.reverse_rhs import (
    C_AUG,
    C_DY,
    C_DY_BAR,
    C_FIRST,
    C_LAMBDA,
    C_N,
    C_P,
    C_REV,
    C_STEP,
    C_T_BAR,
    C_TAPE,
    C_TIMES,
    C_Y,
    C_Y_BAR,
    CONTEXT_NAMES,
    state_at,
)  # fmt: skip
from sciad.backend import call_address, data_address
from sciad.solvers.dense import interpolate, weight
from sciad.solvers.link import link
from sciad.solvers.memory import get, get_int, put

__all__ = ["order_of", "gauss_rule", "kronrod_rule", "compiled_gauss", "compiled_kronrod", "TOO_DEEP", "MOST_HALVINGS"]

TOO_DEEP = 2  # the adaptive rule has halved an interval MOST_HALVINGS times and still misses its tolerance
MOST_HALVINGS = 30
RULE_IMPORTS = CONTEXT_NAMES + f"TOO_DEEP, MOST_HALVINGS = {TOO_DEEP}, {MOST_HALVINGS}\n"


def order_of(method: Any) -> int:
    """Order of a method, the highest one where it varies."""
    return getattr(method, "order", None) or getattr(getattr(method, "tableau", None), "order", 5)


def gauss_rule(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1] of the Gauss-Legendre rule whose order is above `order`."""
    x, w = np.polynomial.legendre.leggauss(order // 2 + 1)
    return 0.5 * (1.0 + x), 0.5 * w


def kronrod_rule() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes on [0, 1], weights of the 7-point Kronrod rule, and weights of the 3-point Gauss rule that it contains.

    Kronrod, Nodes and weights of quadrature formulas, 1965; the rules are exact for degrees 11 and 5.
    """
    x = np.array([0.9604912687080202834235070926, 0.7745966692414833770358530799, 0.4342437493468025580020715028])
    w = np.array([0.1046562260264672651938238571, 0.2684880898683334407285692807, 0.4013974147759622229050518186])
    middle = 0.4509165386584741423451100871
    nodes = np.concatenate([-x, [0.0], x[::-1]])
    gauss = np.array([0.0, 5 / 9, 0.0, 8 / 9, 0.0, 5 / 9, 0.0])
    return 0.5 * (1.0 + nodes), 0.5 * np.concatenate([w, [middle], w[::-1]]), 0.5 * gauss


def add_integrand(t, factor, c, t_row, h_row, row, table, p_bar):
    """p_bar += factor f_p(t, y(t))^T lambda(t), with lambda from the step of the reverse solve that begins at t_row."""
    n, y, p, tape, dy_bar = get_int(c, C_N), get_int(c, C_Y), get_int(c, C_P), get_int(c, C_TAPE), get_int(c, C_DY_BAR)
    state_at(t, c)
    stages, terms = table.shape
    interpolate(data_address(table, 0), stages, terms, (t - t_row) / h_row, h_row, n, row, row + 8 * n, get_int(c, C_LAMBDA))
    for i in range(n):
        put(dy_bar, i, factor * get(get_int(c, C_LAMBDA), i))
        put(get_int(c, C_Y_BAR), i, 0.0)
    code = call_address(get_int(c, C_AUG), t, y, p, get_int(c, C_DY), tape)
    if code != 0:
        return code
    return call_address(get_int(c, C_REV), t, y, p, tape, dy_bar, get_int(c, C_Y_BAR), p_bar, get_int(c, C_T_BAR))


def next_cut(a, end, c):
    """Where the part that begins at `a` ends: before `end` if the forward solve took shorter steps there."""
    state_at(a, c)
    times, step = get_int(c, C_TIMES), get_int(c, C_STEP)
    sign = 1.0 if end > a else -1.0
    if step > get_int(c, C_FIRST) and a == get(times, 2 * step):  # the step that begins at `a` is behind us
        step -= 1
    longest = abs(get(times, 2 * step + 1))
    begin = get(times, 2 * step)
    if step > get_int(c, C_FIRST):
        longest = max(sign * (begin - a), min(longest, abs(get(times, 2 * step - 1))))
    return end if 1.5 * longest >= sign * (end - a) else a + sign * longest


def gauss_integral(context, pairs, rows, table, nodes, weights, p_bar):
    """p_bar += integral over all steps of a reverse solve (pairs, rows as in `Steps`, `table` of its method), by a fixed rule."""
    c = data_address(context, 0)
    for step in range(pairs.shape[0] - 1):
        t_row, h_row, row, end = pairs[step, 0], pairs[step, 1], data_address(rows, step * rows.shape[1]), pairs[step + 1, 0]
        a = t_row
        while a != end:
            b = next_cut(a, end, c)
            for k in range(nodes.shape[0]):
                factor = (a - b) * weights[k]
                code = add_integrand(a + (b - a) * nodes[k], factor, c, t_row, h_row, row, table, data_address(p_bar, 0))
                if code != 0:
                    return code
            a = b
    return 0


def kronrod_part(a, b, context, t_row, h_row, row, table, nodes, weights, work):
    """Both rules on one part: Kronrod's into work[0], the difference to Gauss's into work[1]; work[2] is scratch."""
    n_p = work.shape[1]
    work[:2] = 0.0
    for k in range(nodes.shape[0]):
        work[2] = 0.0
        t = a + (b - a) * nodes[k]
        code = add_integrand(t, a - b, data_address(context, 0), t_row, h_row, row, table, data_address(work, 2 * n_p))
        if code != 0:
            return code
        for j in range(n_p):
            work[0, j] += weights[0, k] * work[2, j]
            work[1, j] += (weights[0, k] - weights[1, k]) * work[2, j]
    return 0


def error_of(work, p_bar, rtol, atol):
    """Root mean square of the difference between the rules, scaled by the tolerances."""
    total, n_p = 0.0, work.shape[1]
    for j in range(n_p):
        size = max(abs(p_bar[j]), abs(work[0, j]))
        if work[1, j] != 0.0:
            q = work[1, j] / (atol + rtol * size)
            total += q * q
    return math.sqrt(total / n_p)


def kronrod_integral(context, pairs, rows, table, nodes, weights, rtol, atol, p_bar, work, ends):
    """The same with the Kronrod rule, halving parts until it agrees with the Gauss rule; TOO_DEEP if that does not come to an end.

    weights (2, 7) of both rules; work (3, n_p); ends (MOST_HALVINGS + 1,), a stack of the right ends of parts to be done.
    """
    c = data_address(context, 0)
    for step in range(pairs.shape[0] - 1):
        t_row, h_row, row, end = pairs[step, 0], pairs[step, 1], data_address(rows, step * rows.shape[1]), pairs[step + 1, 0]
        a, depth = t_row, 0
        while a != end:
            if depth == 0:
                ends[0] = next_cut(a, end, c)
                depth = 1
            b = ends[depth - 1]
            code = kronrod_part(a, b, context, t_row, h_row, row, table, nodes, weights, work)
            if code != 0:
                return code
            if not error_of(work, p_bar, rtol, atol) <= 1.0:
                if depth > MOST_HALVINGS:
                    return TOO_DEEP
                ends[depth] = 0.5 * (a + b)
                depth += 1
                continue
            for j in range(p_bar.shape[0]):
                p_bar[j] += work[0, j]
            a = b
            depth -= 1
    return 0


@cache
def compiled_gauss():
    """`gauss_integral`, compiled."""
    return link(gauss_integral, weight, interpolate, state_at, add_integrand, next_cut, imports=RULE_IMPORTS)


@cache
def compiled_kronrod():
    """`kronrod_integral`, compiled."""
    helpers = (weight, interpolate, state_at, add_integrand, next_cut, kronrod_part, error_of)
    return link(kronrod_integral, *helpers, imports=RULE_IMPORTS)
