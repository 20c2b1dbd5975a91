"""A solve with events, segment by segment, plain or traced.

Under differentiation each segment is a solve to a fixed time, and what depends on parameters moves the event from there.  With g the event
function and f the right-hand side before the event,

    dt* = -(g_y . dy + g_p . dp) / (g_t + g_y . f),        y(t*) = y + f dt*

where y is the state at the fixed time; the effect and the next segment, which begins at t*, follow on the tape: that is saltation.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.errors import SolveError
from sciad.solvers.events import Event, Occurrence, Watch
from sciad.solvers.integrate import RawSolution
from sciad.solvers.interpolant import DenseOutput, PiecewiseOutput
from sciad.solvers.status import Status
from sciad.tape import array, custom_node, is_traced, value_of

__all__ = ["EventRun"]

STANDSTILL = 20  # changes of state in a row without time passing
ZENO = (
    "Events changed the state {count} times in a row without time passing, at t = {t!r}. "
    "Let `apply` move the state away from the event's zero, or make the event terminal."
)


class EventRun:
    """The segments of a solve; after `run`: times and states as saved, occurrences, counts, status, message, dense output."""

    def __init__(
        self, events: list[Event], args: tuple, shape: tuple[int, ...], plain: Callable, node: Callable | None, slope: Callable
    ) -> None:
        """``plain(y0, t0, watch) -> RawSolution`` runs on numbers, every step saved; ``node(y0, t0, t1, times) -> states`` on the tape
        (None where nothing is traced); ``slope(t, y)`` is the right-hand side."""
        self.events, self.args, self.shape, self.n = events, args, shape, int(np.prod(shape))
        self.plain, self.node, self.slope = plain, node, slope
        self.times: list = []
        self.states: list = []
        self.t_events: list[list] = [[] for _ in events]
        self.y_events: list[list] = [[] for _ in events]
        self.outputs: list[DenseOutput] = []
        self.raws: list[RawSolution] = []
        self.status, self.message = 0, ""

    def run(self, y0: Any, t0: Any, t1: float, t_eval: Any) -> None:
        """All segments, from (t0, y0) to t1 or a terminal event."""
        counts, fired, standstill = [0] * len(self.events), dict[int, float](), 0
        self.sign = 1.0 if t1 >= float(value_of(t0)) else -1.0
        y, t, first = y0, t0, True
        while True:
            watch = Watch(self.events, counts, fired, self.n)
            start = float(value_of(t))
            raw = self.plain(np.array(value_of(y), float).reshape(-1), start, watch)
            self.raws.append(raw)
            self.status, self.message = int(raw.status), raw.message
            end = watch.ended.t if watch.ended is not None else float(raw.t[-1])
            self._dense(raw, end, watch.ended)
            t_star, y_star = self._segment(raw, watch, y, t, start, end, t_eval, first)
            if watch.ended is None:
                return
            counts, first = watch.counts, False
            if any(counts[o.event.number] >= o.event.limit for o in watch.simultaneous):
                self.status = 1
                return
            y = y_star
            for occurrence in sorted(watch.simultaneous, key=lambda o: o.event.number):
                y = self._effect(occurrence.event, t_star, y)
            t, fired = t_star, self._rates(watch.simultaneous, end, y)
            standstill = standstill + 1 if abs(end - start) <= 1e-14 * max(abs(end), 1e-300) else 0
            if standstill >= STANDSTILL:
                self.status, self.message = int(Status.STEP_TOO_SMALL), ZENO.format(count=standstill, t=end)
                return
            if end == t1:
                self.status, self.message = 0, "The solver successfully reached the end of the integration interval."
                if t_eval is None:
                    self._keep(t, y)
                return

    def _rates(self, fired: list[Occurrence], t: float, y: Any) -> dict[int, float]:
        """How fast the functions of events that have just fired leave zero from the changed state."""
        state = np.array(value_of(y), float).reshape(-1)
        f, rates = self.slope(t, state), {}
        for occurrence in fired:
            g_t, g_y, _ = _partials(occurrence.event, t, state)
            rates[occurrence.event.number] = float(g_t + g_y @ f)
        return rates

    def _effect(self, event: Event, t: Any, y: Any) -> Any:
        if event.apply is None:
            return y
        given = y.copy() if isinstance(y, np.ndarray) or is_traced(y) else y
        changed = event.apply(t, given, *self.args)
        changed = given if changed is None else changed
        if isinstance(changed, (list, tuple)):
            changed = array(changed)
        if np.shape(value_of(changed)) != self.shape:
            raise SolveError(f"`apply` of event `{event.name}` returns shape {np.shape(value_of(changed))}, the state has {self.shape}")
        return changed

    # -- one segment -----------------------------------------------------------------------------------------------------------
    def _segment(
        self, raw: RawSolution, watch: Watch, y: Any, t: Any, start: float, end: float, t_eval: Any, first: bool
    ) -> tuple[Any, Any]:
        """Save what was asked for up to the end of the segment; time and state of the event that ended it."""
        sign = self.sign
        if t_eval is None:
            recorded = raw.t[sign * raw.t < sign * end]
            wanted: list = [float(x) for x in recorded]
            if watch.ended is None and len(raw.t) and raw.t[-1] == end:
                wanted.append(end)
        else:
            plain = value_of(t_eval)
            inside = (sign * plain <= sign * end) & ((sign * plain >= sign * start) if first else (sign * plain > sign * start))
            wanted = [t_eval[k] for k in np.flatnonzero(inside)]
        rows = self._states(raw, watch, y, t, end, wanted)
        for when in wanted:
            self._keep(when, rows[float(value_of(when))])
        found: dict[float, tuple[Any, Any]] = {}
        for occurrence in watch.found:
            moved = found.get(occurrence.t) if occurrence.event is not watch.found[0].event else None
            moved = moved or self._moved(occurrence, rows[occurrence.t])
            found[occurrence.t] = moved
            self.t_events[occurrence.event.number].append(moved[0])
            self.y_events[occurrence.event.number].append(moved[1])
        if watch.ended is None:
            return end, None
        t_star, y_star = found[watch.ended.t]
        if t_eval is None:
            self._keep(t_star, y_star)
        return t_star, y_star

    def _states(self, raw: RawSolution, watch: Watch, y: Any, t: Any, end: float, wanted: list) -> dict[float, Any]:
        """The state at each wanted time and each occurrence."""
        occurrences = {o.t: o.y for o in watch.found}
        if self.node is None:
            rows = {}
            output = self._combined(self.outputs[self._first_output :])
            for when in wanted:
                at = float(when)
                rows[at] = np.asarray(y, float) if at == float(value_of(t)) else output(at).reshape(self.shape)[()]
            for at, state in occurrences.items():
                rows[at] = state.reshape(self.shape)[()]
            return rows
        by_time = {float(value_of(when)): when for when in wanted}
        clash = [at for at in occurrences if at in by_time and is_traced(by_time[at])]
        if clash:
            raise SolveError(f"an event falls exactly on the traced time {clash[0]!r} of t_eval, which has no derivative there; move it")
        sign = self.sign
        merged = sorted({*by_time, *occurrences}, key=lambda at: sign * at)
        states = self.node(y, t, end, array([by_time.get(at, at) for at in merged])) if merged else []
        return {at: states[k] for k, at in enumerate(merged)}

    def _keep(self, t: Any, y: Any) -> None:
        self.times.append(t)
        self.states.append(y)

    def _moved(self, occurrence: Occurrence, y: Any) -> tuple[Any, Any]:
        """Time and state of an occurrence, traced where they depend on something that is."""
        event = occurrence.event
        if not is_traced(y) and not any(map(is_traced, event.leaves)):
            return occurrence.t, y
        if any(is_traced(x) and is_traced(x.value) for x in (y, *event.leaves)):
            raise SolveError(
                f"second derivatives through event `{event.name}` at t = {occurrence.t!r} are not known, as its time depends on what is "
                "differentiated; take differences of gradients, or pass the event's time in and solve piece by piece with constant times"
            )
        state = np.array(value_of(y), float).reshape(-1)
        f = self.slope(occurrence.t, state)
        g_t, g_y, g_p = _partials(event, occurrence.t, state)
        rate = g_t + g_y @ f
        if abs(rate) <= 1e-12 * (abs(g_t) + np.abs(g_y) @ np.abs(f)):
            raise SolveError(f"event `{event.name}` touches zero at t = {occurrence.t!r} without crossing it; its time has no derivative")
        g_leaves = event.compiled.field.unpack(g_p)

        def vjp(t_bar: Any) -> list:
            scale = -float(t_bar) / rate
            return [(scale * g_y).reshape(self.shape)[()], *[None if g is None else scale * g for g in g_leaves]]

        def jvp(y_dot: Any, *dots: Any) -> Any:
            total = 0.0 if y_dot is None else float(g_y @ np.reshape(y_dot, -1))
            total += sum(float(np.sum(g * d)) for g, d in zip(g_leaves, dots) if g is not None and d is not None)
            return -total / rate

        t_star = custom_node(occurrence.t, [y, *event.leaves], vjp, jvp, f"time of event `{event.name}`")
        return t_star, y + f.reshape(self.shape)[()] * (t_star - occurrence.t)

    # -- dense output ----------------------------------------------------------------------------------------------------------
    def _dense(self, raw: RawSolution, end: float, ended: Occurrence | None) -> None:
        self._first_output = len(self.outputs)
        pieces = raw.sol.pieces if isinstance(raw.sol, PiecewiseOutput) else (raw.sol,)
        for piece in pieces:
            sign = self.sign
            if ended is None or sign * piece.ts[-1] <= sign * end:
                self.outputs.append(piece)
                continue
            last = max(int(np.searchsorted(sign * piece.ts, sign * end, side="left")), 1)
            ts, states = piece.ts[: last + 1].copy(), piece.states[: last + 1].copy()
            ts[-1], states[-1, : self.n] = end, ended.y
            self.outputs.append(DenseOutput(ts, piece.sizes[:last], states, piece.table, self.n))
            return

    @staticmethod
    def _combined(outputs: list[DenseOutput]) -> Any:
        return outputs[0] if len(outputs) == 1 else PiecewiseOutput(tuple(outputs))

    @property
    def sol(self) -> Any:
        """The continuous solution over all segments."""
        return self._combined(self.outputs)


def _partials(event: Event, t: float, y: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Derivatives of an event function with respect to t, y (n,) and its parameters."""
    rhs, p = event.compiled.rhs, event.p
    tape, out, one = np.empty(max(rhs.tape_size, 1)), np.empty(1), np.ones(1)
    y_bar, p_bar, t_bar = np.zeros(rhs.n), np.zeros(rhs.n_p), np.zeros(1)
    call(rhs.aug(), t, y, p, out, tape)
    call(rhs.rev(), t, y, p, tape, one, y_bar, p_bar, t_bar)
    return float(t_bar[0]), y_bar, p_bar


def call(address: int, t: float, *arrays: np.ndarray) -> None:
    """Call a compiled form once from Python; SolveError where it aborts."""
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_double, *[ctypes.c_ssize_t] * len(arrays))(address)
    if function(t, *[a.ctypes.data for a in arrays]) != 0:
        raise SolveError(f"a function aborted at t = {t!r}")
