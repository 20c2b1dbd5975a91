"""`integrate`: an initial value problem for a compiled right-hand side, from Python."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad.errors import ShapeError
from sciad.solvers.implicit import equip
from sciad.solvers.interpolant import DenseOutput
from sciad.solvers.layout import BAD_Y0, N_ACCEPT, N_F, N_JAC, N_LU, N_REJECT, N_SAVED, OUTSIDE, UNSORTED
from sciad.solvers.methods import find_method
from sciad.solvers.record import Record, Steps, run
from sciad.solvers.rhs import Rhs
from sciad.solvers.setup import new_reals, new_slots, scales, store_level
from sciad.solvers.status import Status, message
from sciad.solvers.stepsize import PI, Controller

__all__ = ["RawSolution", "integrate"]

EMPTY, EMPTY_2D = np.empty(0), np.empty((0, 0))
REFUSALS = {
    BAD_Y0: "All components of the initial state `y0` must be finite.",
    OUTSIDE: "Values in `t_eval` are not within `t_span`.",
    UNSORTED: "Values in `t_eval` are not properly sorted.",
}


@dataclass(frozen=True)
class RawSolution:
    """Result of `integrate`: t (m,), ys (m, n), how it ended, counts, and what was recorded on the way."""

    t: np.ndarray
    ys: np.ndarray
    status: Status
    message: str
    nfev: int
    naccept: int
    nreject: int
    njev: int
    nlu: int
    steps: Steps | None
    sol: DenseOutput | None

    @property
    def success(self) -> bool:
        """Whether the end of the interval was reached."""
        return self.status == Status.SUCCESS


def integrate(
    rhs: Rhs,
    t_span: tuple[float, float],
    y0: np.ndarray,
    p: np.ndarray,
    method: Any = "Tsit5",
    t_eval: np.ndarray | None = None,
    dense_output: bool = False,
    rtol: Any = 1e-3,
    atol: Any = 1e-6,
    *,
    first_step: float | None = None,
    max_step: float = math.inf,
    min_step: float = 0.0,
    max_steps: int = 100_000,
    fixed_step: float | None = None,
    controller: Controller = PI,
    store: str | None = None,
    max_states: int | None = None,
    stops: np.ndarray | None = None,
    jumps: np.ndarray | None = None,
    n_reset: int = 0,
    progress: Callable[[float], None] | None = None,
) -> RawSolution:
    """Integrate y' = f(t, y, p) over t_span (backwards if it ends before it begins) from y0 (n,) with parameters p (n_p,).

    Options as in SciPy's `solve_ivp`; the others:

    - ``t_eval`` (m,): strictly monotone times within t_span to save at; None: at every accepted step.
    - ``rtol``, ``atol``: scalars or (n,); an infinite atol takes a component out of the error norm (a root mean square).
    - ``fixed_step``: take steps of this size, without error control; the last one is cut to end at t_span[1].
    - ``max_steps``: limit of trial steps.  ``min_step``: a rejected step of this size ends the solve.
    - ``store``: record "none", "states", "stages" (states and stage derivatives) or "tapes" (also stage values and the tapes
      of the right-hand side).  ``max_states``: of "states", at most so many, equally many steps apart, thinned out on the way.
    - ``stops`` (s,): monotone times that steps must end on; ``jumps`` (s, n) is added to the state there, or replaces its first
      ``n_reset`` components.  Saved states at a stop are those before the jump.
    - ``progress``: called with the fraction done, about twenty times a second.

    Failures are reported in ``status`` and ``message``; Ctrl-C returns what there is.  Raises ValueError for bad arguments.
    """
    method, n = find_method(method), rhs.n
    y0, p = np.ascontiguousarray(y0, np.float64), np.ascontiguousarray(p, np.float64)
    if y0.shape != (n,) or p.shape != (rhs.n_p,):
        raise ShapeError(f"y0 has shape {y0.shape} and p {p.shape}; this right-hand side takes ({n},) and ({rhs.n_p},)")
    level = store_level(store, max_states, t_eval is not None, dense_output)
    slots = new_slots(rhs, method, level, dense_output, max_steps, n_reset)
    memory = equip(slots, rhs, method) if method.implicit else None
    reals = new_reals(method, n, t_span, first_step, max_step, min_step, fixed_step, controller)
    scales(reals, n, rtol, atol)
    wanted = EMPTY if t_eval is None else np.ascontiguousarray(t_eval, np.float64)
    stops, jumps = _stops(stops, jumps, n)
    ys, record = np.empty((len(wanted), n)), Record(slots, level, max_states or sys.maxsize)
    code = run(slots, reals, p, y0, wanted, ys, record, stops, jumps, method.dense, progress)
    if code in REFUSALS:
        raise ValueError(REFUSALS[code])
    status, steps = Status(code), record.steps(slots)
    if t_eval is None:
        wanted, ys = steps.times.copy(), steps.states[:, :n].copy()
    elif status != Status.SUCCESS:
        saved = int(slots[N_SAVED])
        wanted, ys = wanted[:saved], ys[:saved]
    sol = DenseOutput(steps.times, steps.sizes, steps.states, method.dense, n) if dense_output else None
    counts = int(slots[N_F]), int(slots[N_ACCEPT]), int(slots[N_REJECT]), int(slots[N_JAC]), int(slots[N_LU])
    del memory  # the loop has used it through addresses
    return RawSolution(wanted, ys, status, message(status, slots, reals), *counts, steps, sol)


def _stops(stops, jumps, n: int) -> tuple[np.ndarray, np.ndarray]:
    if stops is None:
        return EMPTY, EMPTY_2D
    stops = np.ascontiguousarray(stops, np.float64)
    jumps = EMPTY_2D if jumps is None else np.ascontiguousarray(jumps, np.float64)
    if len(jumps) and jumps.shape != (len(stops), n):
        raise ShapeError(f"jumps has shape {jumps.shape}; {len(stops)} stops and {n} states ask for ({len(stops)}, {n})")
    return stops, jumps
