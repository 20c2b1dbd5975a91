"""The stretches of a solve that one method takes: their state while they run, what is left of them, and how they follow each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad.solvers.auto import WATCH_EXPLICIT, WATCH_STIFF, stability_boundary
from sciad.solvers.interpolant import DenseOutput, PiecewiseOutput
from sciad.solvers.layout import (
    HAVE_K1,
    LOG_1,
    LOG_2,
    MAX_STEPS,
    N_ACCEPT,
    N_F,
    N_LU,
    N_REJECT,
    N_SAVED,
    N_STOPPED,
    PHASE,
    RESTART,
    RESUMED,
    STABILITY,
    SWITCH,
    H,
    N,
    T,
    Y,
)
from sciad.solvers.record import Record, Steps, run

__all__ = ["Part", "Piece", "run_switching", "joined", "dense"]

COUNTERS = slice(N_F, N_LU + 1)  # N_F, N_ACCEPT, N_REJECT, N_JAC, N_LU
ANEW = slice(HAVE_K1, N_LU + 1)


@dataclass(eq=False)
class Piece:
    """What one method has done: from where, in which steps, and the counts of f, accepted, rejected, J and LU."""

    method: Any
    start: float
    steps: Steps | None
    counts: np.ndarray
    n: int


class Part:
    """One method with the arrays that the compiled loop works on; it may run several times."""

    def __init__(self, method: Any, slots: np.ndarray, reals: np.ndarray, memory: Any, record: Record) -> None:
        self.method, self.slots, self.reals, self.memory, self.record = method, slots, reals, memory, record
        self.start = self.origin = float(reals[T])

    def run(self, y0: np.ndarray, given: tuple) -> int:
        """Run the loop to its end, a failure, or SWITCH; `given` is what all parts share."""
        p, wanted, ys, stops, jumps, progress, watch = given
        given = p, y0, wanted, ys, self.record, stops, jumps, self.method.dense, progress, self.origin, watch
        return run(self.slots, self.reals, *given)

    def piece(self) -> Piece:
        """What this run has done."""
        return Piece(self.method, self.start, self.record.steps(self.slots), self.slots[COUNTERS].copy(), int(self.slots[N]))

    def state(self) -> np.ndarray:
        """The state now."""
        at = int(self.slots[Y] - self.reals.ctypes.data) // 8
        return self.reals[at : at + self.slots[N]].copy()

    def follow(self, other: Part) -> None:
        """Begin anew where `other` has stopped."""
        slots, reals = self.slots, self.reals
        slots[ANEW] = 0
        slots[PHASE], slots[RESTART] = RESUMED, 1
        slots[N_SAVED], slots[N_STOPPED] = other.slots[N_SAVED], other.slots[N_STOPPED]
        slots[MAX_STEPS] = other.slots[MAX_STEPS] - other.slots[N_ACCEPT] - other.slots[N_REJECT]
        reals[T], reals[H] = other.reals[T], other.reals[H]
        reals[LOG_1] = reals[LOG_2] = 0.0
        self.start = float(reals[T])
        self.record = Record(slots, self.record.store, self.record.limit, self.record.multistep)


def run_switching(
    explicit: Any, stiff: Any, part: Callable[[Any, int], Part], y0: np.ndarray, given: tuple, run_part: Callable = Part.run
) -> tuple[int, Part, list[Piece]]:
    """Begin with the explicit method and change with every SWITCH; the last code and part, and the pieces."""
    current, other, pieces = part(explicit, WATCH_EXPLICIT), None, []
    current.reals[STABILITY] = stability_boundary(explicit)
    while True:
        code = run_part(current, y0, given)
        pieces.append(current.piece())
        if code != SWITCH:
            return code, current, pieces
        if other is None:
            other = part(stiff, WATCH_STIFF)
            other.reals[STABILITY] = current.reals[STABILITY]
        y0 = current.state()
        other.follow(current)
        current, other = other, current


def joined(pieces: list[Piece]) -> tuple[np.ndarray, np.ndarray]:
    """Times and states of all accepted steps; where pieces meet, once."""
    n = pieces[0].n
    times = [piece.steps.times[int(k > 0) :] for k, piece in enumerate(pieces)]
    states = [piece.steps.states[int(k > 0) :, :n] for k, piece in enumerate(pieces)]
    return np.concatenate(times), np.concatenate(states)


def dense(pieces: list[Piece]) -> DenseOutput | PiecewiseOutput:
    """The solution as a function of time."""
    kept = [x for x in pieces if len(x.steps.sizes)] or pieces[:1]
    outputs = [DenseOutput(x.steps.times, x.steps.sizes, x.steps.states, x.method.dense, x.n) for x in kept]
    return outputs[0] if len(outputs) == 1 else PiecewiseOutput(tuple(outputs))
