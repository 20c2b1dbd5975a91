"""The way back over the recorded steps of one method: what it needs, and the pieces it is done in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from sciad.adjoints.checkpoint import schedule
from sciad.adjoints.layout import ALL_SLOTS, F_PLAIN, REV, ROW, STEP_BAR
from sciad.adjoints.primal import state_derivative
from sciad.adjoints.reverse_step import step_bar
from sciad.adjoints.sweep import REPLAY_ALL, REPLAY_IN_PLACE, REVERSE, compiled_sweep
from sciad.errors import SolveError
from sciad.solvers.counting import count
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
from sciad.solvers.record import Steps
from sciad.solvers.rhs import Rhs

__all__ = ["Residuals", "Sweep"]

EMPTY = np.empty(0)
#: The slots of explicit sweeps as they begin, by right-hand side, method and kind of record.
_SLOTS: WeakKeyDictionary[Rhs, dict[tuple, np.ndarray]] = WeakKeyDictionary()


@dataclass(eq=False)
class Residuals:
    """What the way back needs of the way forward; `wanted` is None where every accepted step was saved."""

    method: Any
    steps: Steps
    wanted: np.ndarray | None
    ys: np.ndarray
    y0: np.ndarray
    p: np.ndarray
    checkpoints: int | None = None
    mass: np.ndarray | None = None


class Sweep:
    """One way back: the slots and vectors that its pieces share."""

    def __init__(self, rhs: Rhs, residuals: Residuals, ys_bar: np.ndarray, times: bool) -> None:
        self.rhs, self.residuals, self.ys_bar, self.times = rhs, residuals, ys_bar, times
        steps, n = residuals.steps, rhs.n
        self.wanted = np.ascontiguousarray(steps.times) if residuals.wanted is None else residuals.wanted
        self.wanted_bar = np.zeros(len(self.wanted)) if times and residuals.wanted is not None else EMPTY
        self.y_bar, self.p_bar = np.zeros(n), np.zeros(rhs.n_p)
        self._prepare()
        self.slots[[N_WANTED, N_SAVED]] = len(self.wanted)

    def _prepare(self) -> None:
        """The slots and the memory that the compiled sweep works on."""
        rhs, tableau, n, tape_size = self.rhs, self.residuals.method.tableau, self.rhs.n, self.rhs.tape_size
        self.work = np.zeros(2 + 4 * n + len(self.residuals.method.dense) * (4 * n + tape_size))
        known, key = _SLOTS.setdefault(rhs, {}), (self.residuals.method, self.residuals.steps.store)
        if key not in known:
            slots = np.zeros(ALL_SLOTS, np.int64)
            slots[[N, N_STAGES, N_EXTRA, FSAL]] = rhs.n, tableau.n_stages, tableau.n_extra, tableau.fsal
            slots[[STORE, STAGE_STRIDE, TAPE_STRIDE]] = TAPES if key[1] == "tapes" else STATES, 8 * rhs.n, 8 * tape_size
            slots[[F, F_PLAIN, REV, STEP, STEP_BAR]] = rhs.aug(), rhs.f, rhs.rev(), key[0].step, step_bar(key[0])
            known[key] = slots  # last: other threads copy what they find
        self.slots = known[key].copy()

    def run(self):
        """The cotangents, as `Discrete.backward` returns them."""
        steps = self.residuals.steps
        n_steps = len(steps.pairs) - 1
        count(n_steps * self.residuals.method.n_stages)
        if n_steps == 0:
            self.y_bar += self.ys_bar.sum(axis=0)
        elif steps.every == 1:
            self._piece(REVERSE, 0, n_steps, steps.states)
        else:
            self._checkpointed(n_steps)
        return self.y_bar, self.p_bar, *self._time_cotangents(n_steps)

    def _piece(self, job: int, first: int, last: int, rows: np.ndarray) -> None:
        if self._call(job, first, last, rows) != DONE:
            ends = " and ".join(f"t = {float(self.residuals.steps.times[k])!r}" for k in (first, last))
            raise SolveError(f"the right-hand side or its reverse aborted on the way back, between {ends}")

    def _call(self, job: int, first: int, last: int, rows: np.ndarray) -> int:
        residuals = self.residuals
        return self._compiled()(
            *(self.slots, job, first, last, residuals.p, residuals.steps.pairs, rows, self.wanted, self.ys_bar, self.wanted_bar),
            *(residuals.method.dense, self.y_bar, self.p_bar, self.work),
        )

    def _compiled(self):
        return compiled_sweep()

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
                rows = np.empty((b - a if action == "reverse" else 1, steps.states.shape[1]))
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
