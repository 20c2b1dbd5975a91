"""Events: zeros of functions of time and state along a solution, as in SciPy, and effects that change the state there.

A solve with events runs in segments, each from one change of the state (or the start) to the next.  While a segment runs, the loop stops
every few steps, and the event functions are evaluated at the new ends of steps; a change of sign is located on the dense output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad.errors import SciadError, SolveError
from sciad.solvers.event_kernels import evaluate_rows, find_root
from sciad.solvers.fields import field_for, is_inplace
from sciad.solvers.interpolant import nested_weights
from sciad.solvers.record import Steps

__all__ = ["Event", "Occurrence", "Watch", "make_events"]

ATTRIBUTES = ("terminal", "direction")  # of event functions, as in SciPy
SAME_TIME = 1e-14  # zeros closer than this, relative to the time, happen together
JUST_AFTER = 1e-6  # part of a step after a change of state at which the sign of the event that caused it is taken


class Event:
    """One event function, compiled, with SciPy's `terminal` and `direction`, and an effect `apply` on the state."""

    def __init__(self, fun: Callable, shape: tuple[int, ...], args: tuple, number: int) -> None:
        if not callable(fun):
            raise TypeError(f"`events` must be functions event(t, y, *args), not {fun!r}")
        self.fun, self.number = fun, number
        self.apply = getattr(fun, "apply", None)
        self.direction = float(getattr(fun, "direction", 0))
        self.limit = _limit(getattr(fun, "terminal", None))
        if is_inplace(fun, len(args)):
            raise SciadError(f"event `{getattr(fun, '__name__', number)}` takes one argument too many; it is called as event(t, y, *args)")
        self.compiled, self.leaves = field_for(fun, shape, args, out_shape=())
        self.p = self.compiled.field.pack(self.leaves)

    @property
    def name(self) -> str:
        """For messages."""
        return getattr(self.fun, "__name__", f"number {self.number}")

    def values(self, times: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The event function at times (m,) and states in the rows."""
        found = np.empty(len(times))
        failed = evaluate_rows()(self.compiled.rhs.f, np.ascontiguousarray(times), rows, self.p, found)
        if failed >= 0:
            getattr(self.compiled.field, "reraise", lambda: None)()
            raise SolveError(f"event `{self.name}` failed at t = {float(times[failed])!r}; check it there")
        return found


def _limit(terminal: Any) -> float:
    """After how many occurrences the solve ends."""
    if terminal is None or terminal == 0:
        return np.inf
    if int(terminal) != terminal or terminal < 0:
        raise ValueError("The `terminal` attribute of each event must be a boolean or positive integer.")
    return float(int(terminal))


def make_events(events: Any, shape: tuple[int, ...], args: tuple) -> list[Event]:
    """Events from a callable or a sequence of callables."""
    if callable(events):
        events = (events,)
    return [Event(fun, shape, args, k) for k, fun in enumerate(events)]


@dataclass(frozen=True)
class Occurrence:
    """One zero: which event, where, the state there, and the slope of the event function along the solution."""

    event: Event
    t: float
    y: np.ndarray


class Watch:
    """Looks at the steps of one segment as they come; `ended` is the occurrence that ends it, the last of `found`.

    `counts` are occurrences before the segment, by event; `fired` the events that caused the change of state at its beginning, with the
    rate at which their function leaves zero: they are not seen again before it has.
    """

    def __init__(self, events: list[Event], counts: list[int], fired: dict[int, float], n: int) -> None:
        self.events, self.counts, self.fired, self.n = events, list(counts), fired, n
        self.found: list[Occurrence] = []
        self.simultaneous: list[Occurrence] = []
        self.ended: Occurrence | None = None
        self._record: Any = None
        self._seen = 0
        self._begun = False

    def __call__(self, record: Any, steps: Steps, table: np.ndarray) -> bool:
        """Look at the steps that are new in a record; True where the solve is to stop."""
        if record is not self._record:  # another method took over
            self._record, self._seen = record, 0
        done = len(steps.pairs) - 1
        if done > self._seen:
            self._look(steps, table, done)
            self._seen = done
        return self.ended is not None

    def _look(self, steps: Steps, table: np.ndarray, done: int) -> None:
        first = self._seen
        times, rows = steps.times[first : done + 1], np.ascontiguousarray(steps.states[first : done + 1])
        values = np.array([event.values(times, rows) for event in self.events]).reshape(len(self.events), len(times))
        lows = np.zeros((len(self.events), done - first))
        old, new = values[:, :-1], values[:, 1:]
        if not self._begun:
            self._begun = True
            old[:, 0] = self._leave_zero(old[:, 0], new[:, 0], lows, steps, table, rows[0])
        up, down = (old <= 0) & (new >= 0), (old >= 0) & (new <= 0)
        directions = np.array([event.direction for event in self.events])[:, None]
        active = (up & (directions > 0)) | (down & (directions < 0)) | ((up | down) & (directions == 0))
        for k in range(done - first):
            if active[:, k].any() and self._step(np.flatnonzero(active[:, k]), old[:, k], new[:, k], lows[:, k], first + k, steps, table):
                return

    def _leave_zero(
        self, values: np.ndarray, ends: np.ndarray, lows: np.ndarray, steps: Steps, table: np.ndarray, row: np.ndarray
    ) -> np.ndarray:
        """Values at the beginning; of an event that has just fired, and that its effect has left at zero, a little later.

        `ends` are the values at the end of the first step.
        """
        values = values.copy()
        t, h = steps.times[0], steps.sizes[0]
        for k, rate in self.fired.items():
            if abs(values[k]) > JUST_AFTER * max(abs(rate * h), abs(ends[k])):
                continue  # the effect has moved it away from zero: it may come back
            y = _inside(row, h, JUST_AFTER, table, self.n)
            values[k] = self.events[k].values(np.array([t + JUST_AFTER * h]), y[None])[0]
            if rate * h * values[k] >= 0.0:
                lows[k, 0] = JUST_AFTER
            else:  # it has left zero and come back already
                values[k] = np.copysign(1e-300, rate * h)
        return values

    def _step(
        self, active: np.ndarray, old: np.ndarray, new: np.ndarray, lows: np.ndarray, k: int, steps: Steps, table: np.ndarray
    ) -> bool:
        """Locate the zeros in one step, in the order of time, up to one that ends the segment."""
        t, h, row = steps.times[k], steps.sizes[k], np.ascontiguousarray(steps.states[k])
        zeros = []
        for e in active:
            event = self.events[e]
            y, value = np.empty(self.n), np.empty(1)
            low, high = lows[e], 1.0
            if old[e] == 0.0 and any(o.event is event and o.t == t for o in self.found):
                continue  # this zero was seen as the end of the step before
            if old[e] == 0.0:
                theta = low
            else:
                theta = find_root()(event.compiled.rhs.f, event.p, t, h, row, self.n, table, low, old[e], high, new[e], y, value)
            if not theta == theta:
                raise SolveError(f"event `{event.name}` is not finite between t = {t!r} and {t + h!r}; check it there")
            zeros.append((theta, int(e)))
        zeros.sort()
        for place, (theta, e) in enumerate(zeros):
            event = self.events[e]
            y = np.ascontiguousarray(steps.states[k + 1][: self.n]) if theta == 1.0 else _inside(row, h, theta, table, self.n)
            at = steps.times[k + 1] if theta == 1.0 else t + theta * h
            occurrence = Occurrence(event, float(at), y)
            self.found.append(occurrence)
            self.counts[e] += 1
            if self.counts[e] >= event.limit or event.apply is not None:
                self.ended = occurrence
                together = [other for later, other in zeros[place + 1 :] if abs(later - theta) * abs(h) <= SAME_TIME * (abs(at) + abs(h))]
                self.simultaneous = [occurrence, *[Occurrence(self.events[other], float(at), y) for other in together]]
                self.found += self.simultaneous[1:]
                for other in together:
                    self.counts[other] += 1
                return True
        return False


def _inside(row: np.ndarray, h: float, theta: float, table: np.ndarray, n: int) -> np.ndarray:
    """The state inside a recorded step."""
    stages = row[n : n * (1 + len(table))].reshape(len(table), n)
    used = np.any(table != 0.0, axis=1)
    return row[:n] + h * (nested_weights(table, np.array([theta]))[0][used] @ stages[used])
