"""`integrate`: an initial value problem for a compiled right-hand side, from Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad.errors import ShapeError
from sciad.solvers.auto import Auto, choose
from sciad.solvers.consistent import consistent_start
from sciad.solvers.counting import count
from sciad.solvers.implicit import equip
from sciad.solvers.interpolant import DenseOutput, PiecewiseOutput
from sciad.solvers.layout import BAD_Y0, N_SAVED, OUTSIDE, TAPES, UNSORTED
from sciad.solvers.linear.choice import choose_linear
from sciad.solvers.methods import METHODS, find_method
from sciad.solvers.pieces import Part, Piece, dense, joined, run_switching
from sciad.solvers.record import UNLIMITED, Record, Steps
from sciad.solvers.rhs import Rhs
from sciad.solvers.setup import new_reals, new_slots, scales, store_level
from sciad.solvers.status import Status, message
from sciad.solvers.stepsize import PI, Controller

__all__ = ["RawSolution", "integrate", "not_begun"]

EMPTY, EMPTY_2D = np.empty(0), np.empty((0, 0))
REFUSALS = {
    BAD_Y0: "All components of the initial state `y0` must be finite.",
    OUTSIDE: "Values in `t_eval` are not within `t_span`.",
    UNSORTED: "Values in `t_eval` are not properly sorted.",
}


@dataclass(eq=False)
class RawSolution:
    """Result of `integrate`: t (m,), ys (m, n), how it ended, counts, and what was recorded on the way.

    `pieces` are the stretches that one method took; `steps` is None where there are several.
    """

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
    sol: DenseOutput | PiecewiseOutput | None
    pieces: tuple[Piece, ...]

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """Evaluations of f and J, factorisations, accepted and rejected steps."""
        return self.nfev, self.njev, self.nlu, self.naccept, self.nreject

    @property
    def switches(self) -> list[tuple[float, str]]:
        """Times at which a method took over, and its name; the first is the beginning."""
        return [(piece.start, piece.method.name) for piece in self.pieces]

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
    linear: Any = None,
    mass: np.ndarray | None = None,
    store: str | None = None,
    max_states: int | None = None,
    stops: np.ndarray | None = None,
    jumps: np.ndarray | None = None,
    n_reset: int = 0,
    progress: Callable[[float], None] | None = None,
    watch: Callable[..., bool] | None = None,
    consistent: bool = False,
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
    - ``linear``: linear algebra of implicit methods, "dense", "sparse" (pattern found), "gmres", or an object: Banded(n, lower, upper),
      Sparse(pattern), Krylov(n, dimension, preconditioner); None: dense, or sparse for many unknowns of which few depend on each other.
    - ``mass`` (n, n): M y' = f(t, y, p), M constant; where it is singular (index 1), y0 is made consistent first, unless it is
      said to be ``consistent``.
    - ``method``: "auto" begins with an explicit method and switches to a stiff one and back; see `sciad.solvers.auto`.
    - ``progress``: called with the fraction done, about twenty times a second.
    - ``watch``: called every few steps with what was recorded, see `record.run`; where it returns True the solve ends there.

    Failures are reported in ``status`` and ``message``; Ctrl-C returns what there is.  Raises ValueError for bad arguments,
    SolveError where no consistent initial state is found.
    """
    method, n = find_method(method), rhs.n
    y0, p = np.ascontiguousarray(y0, np.float64), np.ascontiguousarray(p, np.float64)
    if y0.shape != (n,) or p.shape != (rhs.n_p,):
        raise ShapeError(f"y0 has shape {y0.shape} and p {p.shape}; this right-hand side takes ({n},) and ({rhs.n_p},)")
    if mass is not None:
        mass = np.ascontiguousarray(mass, np.float64)
        if mass.shape != (n, n):
            raise ShapeError(f"the mass matrix has shape {mass.shape}; {n} states ask for ({n}, {n})")
        if not consistent:
            y0 = consistent_start(rhs, float(t_span[0]), y0, p, mass).y
        if isinstance(method, Auto):
            method = choose(method, n, rtol)[1] if method.stiff else METHODS["Rodas5P"]
    level = store_level(store, max_states, t_eval is not None, dense_output)
    steps_given = first_step, max_step, min_step, fixed_step, controller

    def part(method: Any, watch: int) -> Part:
        slots = new_slots(rhs, method, level, dense_output, max_steps, n_reset)
        algebra = None
        if method.implicit:
            given = "dense" if linear is None and (method.complex or mass is not None) else linear
            algebra = choose_linear(given, rhs, float(t_span[0]), y0, p)
        memory = equip(slots, rhs, method, algebra, watch, mass)
        reals = new_reals(method, n, t_span, *steps_given)
        scales(reals, n, rtol, atol)
        record = Record(slots, level, max_states or UNLIMITED, getattr(method, "multistep", False))
        return Part(method, slots, reals, (memory, algebra), record)

    wanted = EMPTY if t_eval is None else np.ascontiguousarray(t_eval, np.float64)
    stops, jumps = _stops(stops, jumps, n)
    ys = np.empty((len(wanted), n))
    given = p, wanted, ys, stops, jumps, progress, watch
    if isinstance(method, Auto):
        if level == TAPES or max_states is not None or fixed_step is not None:
            raise ValueError("method 'auto' takes no store='tapes', max_states or fixed_step; choose a method, such as Tsit5 or Rodas5P")
        code, last, pieces = run_switching(*choose(method, n, rtol), part, y0, given)
    else:
        last = part(method, 0)
        code = last.run(y0, given)
        pieces = [last.piece()]
    if code in REFUSALS:
        raise ValueError(REFUSALS[code])
    status = Status(code)
    if t_eval is None:
        wanted, ys = joined(pieces)
    elif status != Status.SUCCESS:
        saved = int(last.slots[N_SAVED])
        wanted, ys = wanted[:saved], ys[:saved]
    sol = dense(pieces) if dense_output else None
    single = len(pieces) == 1
    counts = (pieces[0].counts if single else sum(piece.counts for piece in pieces)).tolist()
    count(counts[0])
    steps = pieces[0].steps if single else None
    return RawSolution(wanted, ys, status, message(status, last.slots, last.reals), *counts, steps, sol, tuple(pieces))


def not_begun(t0: float, y0: np.ndarray, t_eval: np.ndarray | None, text: str) -> RawSolution:
    """The result of a solve that has no consistent initial values, with `text` as its message."""
    t = np.array([t0] if t_eval is None else [], float)
    return RawSolution(t, y0[None][: len(t)].copy(), Status.INCONSISTENT, text, 0, 0, 0, 0, 0, None, None, ())


def _stops(stops, jumps, n: int) -> tuple[np.ndarray, np.ndarray]:
    if stops is None:
        return EMPTY, EMPTY_2D
    stops = np.ascontiguousarray(stops, np.float64)
    jumps = EMPTY_2D if jumps is None else np.ascontiguousarray(jumps, np.float64)
    if len(jumps) and jumps.shape != (len(stops), n):
        raise ShapeError(f"jumps has shape {jumps.shape}; {len(stops)} stops and {n} states ask for ({len(stops)}, {n})")
    return stops, jumps
