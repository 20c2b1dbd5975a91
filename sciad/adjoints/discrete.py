"""Discrete adjoint: the exact derivative of the steps that an explicit Runge-Kutta solve took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad.adjoints.checkpoint import schedule
from sciad.adjoints.layout import ALL_SLOTS, F_PLAIN, REV, ROW, STEP_BAR
from sciad.adjoints.primal import forward_solve, state_derivative
from sciad.adjoints.reverse_step import step_bar
from sciad.adjoints.sweep import REPLAY_ALL, REPLAY_IN_PLACE, REVERSE, compiled_sweep
from sciad.adjoints.tangent import RECORDS, Tangents, directional
from sciad.errors import ShapeError, SolveError
from sciad.solvers.auto import Auto
from sciad.solvers.explicit import ERK
from sciad.solvers.integrate import RawSolution
from sciad.solvers.layout import (
    DONE,
    FSAL,
    N_EXTRA,
    N_SAVED,
    N_STAGES,
    N_WANTED,
    STAGE_STRIDE,
    STATES,
    STEP,
    STORE,
    TAPE_STRIDE,
    TAPES,
    F,
    N,
)
from sciad.solvers.methods import find_method
from sciad.solvers.record import Steps
from sciad.solvers.rhs import Rhs

__all__ = ["Discrete", "Residuals", "residuals_of"]

EMPTY = np.empty(0)
TAPE_BYTES = 64 * 1024  # a step whose tapes are larger than this is taken again on the way back


@dataclass(frozen=True)
class Residuals:
    """What the way back needs of the way forward; `wanted` is None where every accepted step was saved."""

    method: ERK
    steps: Steps
    wanted: np.ndarray | None
    ys: np.ndarray
    y0: np.ndarray
    p: np.ndarray
    checkpoints: int | None = None


@dataclass(frozen=True)
class Discrete:
    """The derivative of what was computed: step sizes frozen, everything else exact to rounding, dense output included.

    ``store``: "tapes" keeps what the reverse of the right-hand side needs of every stage, "states" keeps the state of every step
    and takes each step again on the way back; "auto" is "tapes" unless they are large.  ``checkpoints``: keep at most so many
    states (at least 2) and take stretches of steps again, with binomial checkpointing inside them.

    Times: steps are frozen, so a saved time has the time derivative of the dense output there, or f where it falls on the end
    of a step or on t0; t0 and t1 have those of the exact flow, -f(t0, y0) . y0_bar, and f(t1, y1) . y1_bar if every step is saved
    (with t_eval, t1 has none: the saved times carry it).
    """

    store: str = "auto"
    checkpoints: int | None = None

    def forward(self, rhs: Rhs, t_span, y0, p, t_eval=None, options: dict[str, Any] | None = None) -> tuple[RawSolution, Residuals]:
        """Solve, and keep what `backward` needs; options as for `integrate`.  SolveError if the solve fails."""
        options = dict(options or {})
        method = find_method(options.pop("method", "Tsit5"))
        if self.checkpoints is not None:
            if t_eval is None:
                raise ValueError("checkpoints need t_eval: without it every state is kept anyway")
            options |= {"store": "states", "max_states": self.checkpoints}
        else:
            options["store"] = self._store(rhs, method)
        solution = forward_solve(rhs, t_span, y0, p, method, t_eval, options)
        return solution, residuals_of(solution, y0, p, t_eval is None, self.checkpoints)

    def backward(self, rhs: Rhs, residuals: Residuals, ys_bar, times: bool = True):
        """(y0_bar (n,), p_bar (n_p,), t0_bar, t1_bar, t_eval_bar (m,) or None) from ys_bar (m, n), the cotangent of the saved states.

        Without `times`, the last three are 0.0, 0.0 and None.  SolveError if the right-hand side aborts.
        """
        ys_bar = np.ascontiguousarray(ys_bar, np.float64)
        if ys_bar.shape != residuals.ys.shape:
            raise ShapeError(f"ys_bar has shape {ys_bar.shape}, the saved states {residuals.ys.shape}")
        return _Sweep(rhs, residuals, ys_bar, times).run()

    def jvp(self, rhs: Rhs, t_span, y0, p, t_eval=None, options=None, y0_dot=None, p_dot=None, t_span_dot=(0.0, 0.0), t_eval_dot=None):
        """(RawSolution, ys_dot (m, n)): the solve and the derivative of its steps in the direction y0_dot (n,), p_dot (n_p,) and the times.

        None stands for zero.  Times as in the description of the class; t_span_dot[1] matters only where every step is saved.
        """
        options = dict(options or {})
        method = find_method(options.get("method", "Tsit5"))
        if isinstance(method, Auto):  # the tangent must take the steps of the plain solve: find out by which method they are
            inner = {name: value for name, value in options.items() if name not in ("method", *RECORDS)}
            pieces = forward_solve(rhs, t_span, y0, p, method, t_eval, inner).pieces
            method = next((piece.method for piece in pieces if piece.method.implicit), pieces[0].method)
        require_explicit(method)
        options["method"] = method
        return directional(Tangents(False), False, rhs, t_span, y0, p, t_eval, options, y0_dot, p_dot, t_span_dot, t_eval_dot)

    def _store(self, rhs: Rhs, method: ERK) -> str:
        if self.store not in ("auto", "tapes", "states"):
            raise ValueError(f"store must be 'auto', 'tapes' or 'states', not {self.store!r}")
        if isinstance(method, Auto):  # no tapes there
            return "states"
        require_explicit(method)
        if self.store != "auto":
            return self.store
        entries = len(method.dense) * (2 * rhs.n + rhs.tape_size)
        return "tapes" if 8 * entries <= TAPE_BYTES else "states"


def require_explicit(method: Any) -> None:
    """SolveError for a method whose steps this adjoint does not transpose."""
    if method.implicit:
        raise SolveError(
            f"discrete adjoint: {method.name} is implicit, and the transposed steps are those of explicit methods; use adjoint='auto', "
            "'gauss' or 'interpolating', whose reverse solve is implicit as well"
        )


def residuals_of(solution: RawSolution, y0, p, every_step: bool, checkpoints: int | None = None) -> Residuals:
    """What the way back needs of a finished solve by one explicit method, with copies of the caller's arrays; SolveError if by others."""
    for piece in solution.pieces:
        require_explicit(piece.method)
    wanted, method = None if every_step else solution.t, solution.pieces[0].method
    return Residuals(method, solution.steps, wanted, solution.ys, np.array(y0, np.float64), np.array(p, np.float64), checkpoints)


class _Sweep:
    """One way back: the slots and vectors that its pieces share."""

    def __init__(self, rhs: Rhs, residuals: Residuals, ys_bar: np.ndarray, times: bool) -> None:
        self.rhs, self.residuals, self.ys_bar, self.times = rhs, residuals, ys_bar, times
        steps, n = residuals.steps, rhs.n
        self.wanted = np.ascontiguousarray(steps.times) if residuals.wanted is None else residuals.wanted
        self.wanted_bar = np.zeros(len(self.wanted)) if times and residuals.wanted is not None else EMPTY
        self.y_bar, self.p_bar = np.zeros(n), np.zeros(rhs.n_p)
        stages, tape_size = len(residuals.method.dense), rhs.tape_size
        self.work = np.zeros(2 + 4 * n + stages * (4 * n + tape_size))
        self.slots = self._slots(stages, tape_size)

    def _slots(self, stages: int, tape_size: int) -> np.ndarray:
        rhs, tableau = self.rhs, self.residuals.method.tableau
        slots = np.zeros(ALL_SLOTS, np.int64)
        slots[[N, N_STAGES, N_EXTRA, FSAL]] = rhs.n, tableau.n_stages, tableau.n_extra, tableau.fsal
        slots[[STORE, STAGE_STRIDE, TAPE_STRIDE]] = TAPES if self.residuals.steps.store == "tapes" else STATES, 8 * rhs.n, 8 * tape_size
        slots[[F, F_PLAIN, REV, STEP, STEP_BAR]] = rhs.aug(), rhs.f, rhs.rev(), self.residuals.method.step, step_bar(self.residuals.method)
        slots[[N_WANTED, N_SAVED]] = len(self.wanted)
        return slots

    def run(self):
        """The cotangents, as `Discrete.backward` returns them."""
        steps = self.residuals.steps
        n_steps = len(steps.pairs) - 1
        if n_steps == 0:
            self.y_bar += self.ys_bar.sum(axis=0)
        elif steps.every == 1:
            self._piece(REVERSE, 0, n_steps, steps.states)
        else:
            self._checkpointed(n_steps)
        return self.y_bar, self.p_bar, *self._time_cotangents(n_steps)

    def _piece(self, job: int, first: int, last: int, rows: np.ndarray) -> None:
        residuals = self.residuals
        code = compiled_sweep()(
            *(self.slots, job, first, last, residuals.p, residuals.steps.pairs, rows, self.wanted, self.ys_bar, self.wanted_bar),
            *(residuals.method.dense, self.y_bar, self.p_bar, self.work),
        )
        if code != DONE:
            ends = " and ".join(f"t = {float(residuals.steps.times[k])!r}" for k in (first, last))
            raise SolveError(f"the right-hand side or its reverse aborted on the way back, between {ends}")

    def _checkpointed(self, n_steps: int) -> None:
        steps = self.residuals.steps
        for row in reversed(range(len(steps.states))):
            first, last = row * steps.every, min((row + 1) * steps.every, n_steps)
            stored = {first: steps.states[row].copy()}
            free = max(self.residuals.checkpoints - row - 1, 0)
            for action, a, b in schedule(first, last, free) if last > first else ():
                if action == "drop":
                    del stored[a]
                    continue
                rows = np.empty((b - a if action == "reverse" else 1, self.rhs.n))
                rows[0] = stored[a]
                if action == "reverse":
                    self._piece(REPLAY_ALL, a, b - 1, rows)
                    self._piece(REVERSE, a, b, rows)
                    continue
                self._piece(REPLAY_IN_PLACE, a, b, rows)
                if action == "store":
                    stored[b] = rows[0]
                else:
                    self.slots[ROW] = b
                    self._piece(REVERSE, b, b + 1, rows)

    def _time_cotangents(self, n_steps: int):
        if not self.times:
            return 0.0, 0.0, None
        rhs, residuals = self.rhs, self.residuals
        (t0, t1), p = residuals.steps.times[[0, -1]], residuals.p
        f0 = state_derivative(rhs, t0, residuals.y0, p)
        t0_bar = -float(f0 @ self.y_bar)
        if residuals.wanted is not None:
            if n_steps == 0:
                self.wanted_bar[:] = self.ys_bar @ f0
            return t0_bar, 0.0, self.wanted_bar
        t0_bar += float(f0 @ self.ys_bar[0])  # the first saved state is y0, whatever t0
        t1_bar = float(state_derivative(rhs, t1, residuals.ys[-1], p) @ self.ys_bar[-1]) if n_steps > 0 else 0.0
        return t0_bar, t1_bar, None
