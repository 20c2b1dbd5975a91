"""Whether explicit steps may be transposed as they are.

Beyond its boundary of stability a step multiplies stiff modes by |R(-h rho)| > 1, where the flow damps them.  A smooth solution does not
show it for many steps, as these modes begin at rounding; cotangents hold them from the beginning: the derivative of the steps taken is then
far from that of the solution (a Brusselator on 10 x 10 points at 1e-5: by 43 percent).  The spectral radius rho of J along the steps is
estimated by a power iteration, whatever the solution holds of its mode.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from sciad.adjoints.primal import forward_solve
from sciad.backend import call_address, data_address
from sciad.errors import SciadError
from sciad.solvers.auto import Auto, choose
from sciad.solvers.integrate import RawSolution
from sciad.solvers.link import link
from sciad.solvers.rhs import Rhs

__all__ = ["amplifies", "steady_solve"]

MOST = 10.0  # growth of a stiff mode, over steps in a row
FIRST, NEXT = 12, 2  # power iterations at the first step, and at each other one


def steady_solve(rhs: Rhs, t_span, y0, p, method: Any, t_eval, options: dict[str, Any]) -> RawSolution:
    """`forward_solve`; where a method that chooses for itself took explicit steps that amplify, by its stiff method alone."""
    solution = forward_solve(rhs, t_span, y0, p, method, t_eval, options, with_mass=True)
    if isinstance(method, Auto) and amplifies(rhs, solution.pieces, p):
        stiff = choose(method, rhs.n, options.get("rtol", 1e-3))[1]
        solution = forward_solve(rhs, t_span, y0, p, stiff, t_eval, options, with_mass=True)
    return solution


def amplifies(rhs: Rhs, pieces: Sequence[Any], p: np.ndarray, most: float = MOST) -> bool:
    """Whether an explicit piece lets a stiff mode grow by more than a factor of `most`, or that cannot be known beside implicit ones."""
    explicit = [piece for piece in pieces if not piece.method.implicit and len(piece.steps.sizes)]
    try:
        return any(not growth(rhs, piece, p) <= math.log(most) for piece in explicit)
    except SciadError:  # no products with J
        return len(explicit) < len(pieces)


def growth(rhs: Rhs, piece: Any, p: np.ndarray) -> float:
    """The largest sum of log |R(-h rho)| over explicit steps in a row; NaN where the right-hand side aborts."""
    steps, n = piece.steps, rhs.n
    v = np.modf(np.arange(1, n + 1) * 0.6180339887498949)[0] - 0.5  # a direction without a pattern
    work = np.concatenate([v / np.linalg.norm(v), np.zeros(2 * n + rhs.n_p)])
    p = np.ascontiguousarray(p, np.float64)
    return _compiled()(rhs.jvp(), steps.pairs, steps.states, steps.every, n, p, polynomial(piece.method), work, FIRST, NEXT)


@cache
def polynomial(method: Any) -> np.ndarray:
    """Coefficients of R(z) = 1 + sum_j b A^(j-1) 1 z^j, from the highest power down."""
    tableau = method.tableau
    s = tableau.n_stages
    a = np.array([[float(x) for x in row[:s]] + [0.0] * (s - len(row[:s])) for row in tableau.exact_a[:s]])
    b, power, found = np.array([float(x) for x in tableau.exact_b]), np.ones(s), [1.0]
    for _ in range(s):
        found.append(float(b @ power))
        power = a @ power
    return np.array(found[::-1])


def stiff_growth(jvp, pairs, states, every, n, p, coefficients, work, first, following):
    """See `growth`; `work` holds a unit vector, two vectors and the zero tangent of p."""
    best, total = 0.0, 0.0
    v, dy, w, zeros = data_address(work, 0), data_address(work, n), data_address(work, 2 * n), data_address(work, 3 * n)
    for k in range(pairs.shape[0] - 1):
        y, rho = data_address(states, (k // every) * states.shape[1]), 0.0
        for _ in range(first if k == 0 else following):
            if call_address(jvp, pairs[k, 0], 0.0, y, v, data_address(p, 0), zeros, dy, w) != 0:
                return math.nan
            size = 0.0
            for i in range(n):
                size += work[2 * n + i] * work[2 * n + i]
            rho = math.sqrt(size)
            if not 0.0 < rho < math.inf:
                break
            for i in range(n):
                work[i] = work[2 * n + i] / rho
        value, z = 0.0, -abs(pairs[k, 1]) * rho
        for c in coefficients:
            value = value * z + c
        total = max(0.0, total + math.log(max(abs(value), 1e-9)))
        best = max(best, total)
    return best


@cache
def _compiled():
    return link(stiff_growth)
