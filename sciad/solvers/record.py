"""What a solve records, in buffers that grow, and the driver that runs the compiled loop in pieces."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sciad.solvers.layout import (
    BUDGET,
    EVERY,
    INTERRUPTED,
    N_ACCEPT,
    N_EXTRA,
    N_STAGES,
    NEED_ROOM,
    ORDERS,
    RUNNING,
    STAGES,
    STATES,
    STOPPED,
    T_END,
    TAPE_SIZE,
    TAPES,
    N,
    T,
)
from sciad.solvers.loop import compiled_loop

__all__ = ["UNLIMITED", "Record", "Steps", "run"]

UNLIMITED = sys.maxsize  # states kept
WATCHED = 8  # steps between two looks of whoever watches
CHUNK_SECONDS = 0.05  # how long the compiled loop may keep Ctrl-C and the progress callback waiting
NO_TIMES, NO_STATES = np.empty((0, 2)), np.empty((0, 0))


@dataclass(eq=False)
class Steps:
    """The accepted steps: pairs (N+1, 2) of times and sizes (the last one is the end), and states (rows, width).

    Row k of `states` belongs to step k * every and holds y (n); for ``store`` "stages" and "tapes" then the stage
    derivatives (S n); for "tapes" then the stage values from stage 2 on ((S-1) n) and the tapes (S tape_size).  Of multistep methods,
    `orders` (N,) are those of the steps, and where few states are kept, the differences D_1 to D_5 follow y.
    """

    pairs: np.ndarray
    states: np.ndarray
    store: str
    every: int
    orders: np.ndarray | None = None

    @property
    def times(self) -> np.ndarray:
        """Times of the states, (N+1,)."""
        return self.pairs[:, 0]

    @property
    def sizes(self) -> np.ndarray:
        """Signed sizes of the steps, (N,)."""
        return self.pairs[:-1, 1]


class Record:
    """Buffers for times (rows, 2) and states (rows, width) of accepted steps."""

    def __init__(self, slots: np.ndarray, store: int, limit: int, multistep: bool = False, rows: int = 0) -> None:
        """`rows`: make room for so many at least; at first it is little."""
        self.limit, self.store, self.multistep = limit, store, multistep
        self.orders = np.empty(max(rows, 128)) if multistep and store > 0 else None  # as many as times
        slots[ORDERS] = 0 if self.orders is None else self.orders.ctypes.data
        if store == 0:
            self.times, self.states = NO_TIMES, NO_STATES
            return
        n, stages = int(slots[N]), int(slots[N_STAGES] + slots[N_EXTRA])
        width = n if not multistep or limit == UNLIMITED else 6 * n
        if store >= STAGES:
            width += stages * n
        if store == TAPES:
            width += (stages - 1) * n + stages * int(slots[TAPE_SIZE])
        first = max(rows, 4, min(128, 65536 // max(width, 1)))
        self.times, self.states = np.empty((max(rows, 128), 2)), np.empty((min(first, limit), width))

    def grow(self, slots: np.ndarray) -> None:
        """Make room for more steps; where the number of states is limited, keep every second one and record half as often."""
        done, every = int(slots[N_ACCEPT]) + 1, int(slots[EVERY])
        if done >= len(self.times):
            self.times = _doubled(self.times)
            if self.orders is not None:
                self.orders = np.concatenate([self.orders, np.empty(len(self.orders))])
                slots[ORDERS] = self.orders.ctypes.data
        if done // every < len(self.states):
            return
        if len(self.states) < self.limit:
            self.states = _doubled(self.states)[: self.limit]
        else:
            kept = self.states[::2].copy()
            self.states[: len(kept)] = kept
            slots[EVERY] = 2 * every

    def steps(self, slots: np.ndarray) -> Steps | None:
        """What was recorded, trimmed; None if nothing was."""
        if self.store == 0:
            return None
        done = int(slots[N_ACCEPT])
        store = {STATES: "states", STAGES: "stages", TAPES: "tapes"}[self.store]
        every = int(slots[EVERY])
        states = self.states[: done // every + 1]
        return Steps(self.times[: done + 1], states, store, every, None if self.orders is None else self.orders[:done])


def _doubled(old: np.ndarray) -> np.ndarray:
    new = np.empty((2 * len(old), old.shape[1]))
    new[: len(old)] = old
    return new


def run(
    slots, reals, p, y0, t_eval, ys, record: Record, stops, jumps, dense, progress: Callable[[float], None] | None, origin: float,
    watch: Callable[[Record, Steps, np.ndarray], bool] | None = None,
) -> int:  # fmt: skip
    """Drive the compiled loop to its end; returns its code.

    ``watch(record, steps, dense)`` is called with the steps so far every WATCHED steps and at the end, failures included; where it
    returns True, the code is STOPPED.

    `origin` is the time at which the solve began.  The loop is entered for about CHUNK_SECONDS at a time, so that Ctrl-C is answered
    (the code is then INTERRUPTED) and progress shown.
    """
    advance = compiled_loop()
    budget = max(20, 20_000 // max(slots[N], 1)) if watch is None else WATCHED
    try:
        while True:
            slots[BUDGET], begin = budget, time.perf_counter()
            code = advance(slots, reals, p, y0, t_eval, ys, record.times, record.states, stops, jumps, dense)
            if code == NEED_ROOM:
                record.grow(slots)
                continue
            if watch is not None and watch(record, record.steps(slots), dense):
                return STOPPED
            if code != RUNNING:
                return code
            else:
                seconds = time.perf_counter() - begin
                if watch is None:
                    budget = int(min(max(1, budget * CHUNK_SECONDS / max(seconds, 1e-6)), 1e9))
                if progress is not None:
                    progress(float((reals[T] - origin) / (reals[T_END] - origin)))
    except KeyboardInterrupt:
        return INTERRUPTED
