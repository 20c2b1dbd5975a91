"""Switching between an explicit and a stiff method where the problem turns stiff, and back.

After every accepted step the loop estimates the spectral radius of the Jacobian: an explicit step from its last two evaluations of f,
both at the end of the step, |f(y_new) - f(Y_s)| / |y_new - Y_s| (Hairer & Wanner IV.2), a stiff one by one power iteration on the
Jacobian it has.  Ten steps at the boundary of the explicit method's stability make the problem stiff; six steps in a row of the
stiff method that the explicit one could take as well make it non-stiff again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from sciad.backend import call_address, fast_add
from sciad.solvers.derivative import derivative
from sciad.solvers.layout import (
    DETECT,
    DONE,
    FSAL,
    MULTIPLY,
    N_STAGES,
    POWER_AT,
    SPARE,
    STABILITY,
    STAGE,
    STIFF_COUNT,
    SWITCH,
    TOLERANCE,
    Y_NEW,
    K,
    N,
)
from sciad.solvers.memory import get, get_int, put, put_int

__all__ = ["Auto", "AUTO", "choose", "distance", "explicit_radius", "stiff_radius", "detect"]

LARGE = 60  # unknowns from which a multistep method, with its one evaluation and one solve a step, takes the stiff part
TIGHT = 1e-6  # relative tolerance below which Vern7 takes the other
WATCH_EXPLICIT, WATCH_STIFF = 1, 2  # DETECT


@dataclass(frozen=True, eq=False)
class Auto:
    """A pair of methods; None: chosen by size and tolerance.  Solves begin with the explicit one."""

    explicit: Any = None
    stiff: Any = None
    name = "auto"


AUTO = Auto()


def choose(auto: Auto, n: int, rtol: Any) -> tuple[Any, Any]:
    """The explicit and the stiff method for n unknowns and this tolerance."""
    return _pair(auto, n > LARGE, (rtol if type(rtol) is float else float(np.min(rtol))) < TIGHT)


@cache
def _pair(auto: Auto, large: bool, tight: bool) -> tuple[Any, Any]:
    from sciad.solvers.methods import METHODS

    explicit = auto.explicit or METHODS["Vern7" if tight else "Tsit5"]
    return explicit, auto.stiff or METHODS["NDF" if large else "Rodas5P"]


@cache
def stability_boundary(method: Any) -> float:
    """Length of the interval of stability of an explicit method on the negative real axis."""
    tableau = method.tableau
    s = tableau.n_stages
    a = np.array([[float(x) for x in row[:s]] + [0.0] * (s - len(row[:s])) for row in tableau.exact_a[:s]])
    b, one = np.array([float(x) for x in tableau.exact_b]), np.ones(s)
    z = 0.0
    while abs(1 - z * (b @ np.linalg.solve(np.eye(s) + z * a, one))) <= 1 + 1e-9 and z < 100:
        z += 0.02
    return z


def distance(x, y, slots):
    """Square of |x - y| in units of the tolerance; x and y are addresses."""
    n, tolerance, end, total = get_int(slots, N), get_int(slots, TOLERANCE), get_int(slots, Y_NEW), 0.0
    for i in range(n):
        q = (get(x, i) - get(y, i)) / (get(tolerance, i) + get(tolerance, n + i) * abs(get(end, i)))
        total = fast_add(total, q * q)
    return total


def explicit_radius(slots, t_new):
    """Estimate of the spectral radius at the end of an explicit step; leaves f(t_new, y_new) in SPARE unless the last stage has it."""
    n, k, last = get_int(slots, N), get_int(slots, K), get_int(slots, N_STAGES) - 1
    if get_int(slots, FSAL) == 1:
        at_end, before = k + 8 * n * last, k + 8 * n * (last - 1)
    else:
        at_end, before = get_int(slots, SPARE), k + 8 * n * last
        if derivative(t_new, get_int(slots, Y_NEW), at_end, slots, 0) != 0:
            return -1.0
    states = distance(get_int(slots, Y_NEW), get_int(slots, STAGE), slots)
    return math.sqrt(distance(at_end, before, slots) / states) if states > 0.0 else 0.0


def stiff_radius(slots):
    """Estimate of the spectral radius by one step of the power iteration with the Jacobian of a stiff step."""
    n, v = get_int(slots, N), get_int(slots, POWER_AT)
    w, total = v + 8 * n, 0.0
    call_address(get_int(slots, MULTIPLY), slots, v, w)
    for i in range(n):
        total = fast_add(total, get(w, i) * get(w, i))
    size = math.sqrt(total)
    if not 0.0 < size < math.inf:
        return 0.0
    for i in range(n):
        put(v, i, get(w, i) / size)
    return size


def detect(slots, reals, t_new, h):
    """Count steps that speak for the other method: SWITCH when there are enough, DONE before, negative if f aborted."""
    watch, count = get_int(slots, DETECT), get_int(slots, STIFF_COUNT)
    if watch == 1:
        radius = explicit_radius(slots, t_new)
        if radius < 0.0:
            return -1
        count = count + 1 if abs(h) * radius > 0.8 * get(reals, STABILITY) else max(count - 2, 0)
    else:
        count = count + 1 if abs(h) * stiff_radius(slots) < 0.6 * get(reals, STABILITY) else 0
    put_int(slots, STIFF_COUNT, count)
    return SWITCH if count >= (10 if watch == 1 else 6) else DONE
