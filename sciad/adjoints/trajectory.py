"""The forward solution as continuous adjoints read it: with its stages, all at once or stretch by stretch from kept states."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from sciad.adjoints.primal import forward_solve, refuse_mass
from sciad.backend import call_address, data_address
from sciad.errors import SolveError
from sciad.solvers.integrate import RawSolution
from sciad.solvers.layout import DONE, FSAL, N_EXTRA, N_SLOTS, N_STAGES, PART, STAGE, STEP, Y_NEW, F, K, N, P, Y
from sciad.solvers.link import link
from sciad.solvers.memory import get, get_int, put_int
from sciad.solvers.methods import find_method
from sciad.solvers.pieces import Piece
from sciad.solvers.recording import copy
from sciad.solvers.rhs import Rhs

__all__ = ["Stretch", "Trajectory", "solve_forward", "trajectory_of"]


@dataclass(frozen=True)
class Stretch:
    """Steps first to last - 1 of a solve by one method: pairs of all its steps, as in `Steps`, and rows from step `first` on."""

    method: Any
    pairs: np.ndarray
    rows: np.ndarray
    first: int
    last: int

    @property
    def span(self) -> tuple[float, float]:
        """Where the stretch begins and ends, in the direction of the forward solve."""
        return float(self.pairs[self.first, 0]), float(self.pairs[self.last, 0])


@dataclass(frozen=True)
class Trajectory:
    """What the way back needs of the way forward: its pieces, and the saved states `ys` (m, n) at the times `wanted` (m,)."""

    method: Any
    pieces: tuple[Piece, ...]
    span: tuple[float, float]
    n_steps: int
    wanted: np.ndarray
    every_step: bool
    ys: np.ndarray
    y0: np.ndarray
    p: np.ndarray
    options: dict[str, Any] = field(default_factory=dict)

    def stretches(self, rhs: Rhs, start: float) -> Iterator[Stretch]:
        """The solution from its step that holds `start` back to t0, with stages, the last stretch first."""
        direction = 1.0 if self.span[1] > self.span[0] else -1.0
        for piece in reversed(self.pieces):
            steps = piece.steps
            n_steps = len(steps.pairs) - 1
            if steps.store != "states":
                if n_steps and direction * (start - steps.pairs[0, 0]) > 0:
                    yield Stretch(piece.method, steps.pairs, steps.states, 0, n_steps)
                continue
            for row in reversed(range(len(steps.states))):
                first, last = row * steps.every, min((row + 1) * steps.every, n_steps)
                if first == last or direction * (start - steps.pairs[first, 0]) <= 0:
                    continue
                if piece.method.implicit:
                    yield solve_again(rhs, self, piece, row, first, last)
                else:
                    yield Stretch(piece.method, steps.pairs, take_again(rhs, self.p, piece, row, first, last), first, last)


def solve_forward(rhs: Rhs, t_span, y0, p, t_eval, options: dict[str, Any] | None, checkpoints: int | None, dense: bool = True):
    """(RawSolution, Trajectory) with at most `checkpoints` states or, where that is None, the stages of every step if `dense`.

    SolveError if the solve fails.
    """
    options = dict(options or {})
    if not dense:
        refuse_mass(options)
    method = find_method(options.pop("method", "Tsit5"))
    if checkpoints is not None and t_eval is None:
        raise ValueError("checkpoints need t_eval: without it every state is kept anyway")
    kept: dict[str, Any] = {"store": "states", "max_states": checkpoints} if checkpoints is not None else {}
    if checkpoints is None and dense:
        kept = {"dense_output": True}
    solution = forward_solve(rhs, t_span, y0, p, method, t_eval, options | kept, with_mass=True)
    return solution, trajectory_of(solution, method, t_span, y0, p, t_eval is None, options)


def trajectory_of(solution: RawSolution, method: Any, t_span, y0, p, every_step: bool, options: dict[str, Any]) -> Trajectory:
    """A finished solve as the way back sees it, with copies of the caller's arrays."""
    y0, p, span = np.array(y0, np.float64), np.array(p, np.float64), (float(t_span[0]), float(t_span[1]))
    return Trajectory(method, solution.pieces, span, solution.naccept, solution.t, every_step, solution.ys, y0, p, options)


def solve_again(rhs: Rhs, trajectory: Trajectory, piece: Piece, row: int, first: int, last: int) -> Stretch:
    """The stretch from step `first` to step `last` of a piece, solved anew from its stored state.

    The steps of implicit methods depend on what earlier ones left behind (Jacobian, factors, differences), so that these are others,
    to the same tolerances.
    """
    pairs, options = piece.steps.pairs, {k: v for k, v in trajectory.options.items() if k not in ("first_step", "progress", "watch")}
    t_from, t_to, h = float(pairs[first, 0]), float(pairs[last, 0]), abs(float(pairs[first, 1]))
    if options.get("fixed_step") is not None:
        options["fixed_step"] = min(options["fixed_step"], abs(t_to - t_from))
    else:
        options["first_step"] = min(h, abs(t_to - t_from))
    options |= {"dense_output": True}
    y = piece.steps.states[row, : rhs.n]
    steps = forward_solve(rhs, (t_from, t_to), y, trajectory.p, piece.method, np.array([t_to]), options, with_mass=True).steps
    return Stretch(piece.method, steps.pairs, steps.states, 0, len(steps.pairs) - 1)


def replay(slots, first, last, pairs, rows, p, scratch):
    """Take steps first to last - 1 again from the state in row 0, with all stages, into rows from `first` on."""
    s = data_address(slots, 0)
    put_int(s, P, data_address(p, 0))
    n, times, width = get_int(s, N), data_address(pairs, 0), 8 * rows.shape[1]
    row, end = data_address(rows, 0), data_address(scratch, 0)
    put_int(s, STAGE, end + 8 * n)
    put_int(s, Y_NEW, end)
    for step in range(first, last):
        t, h, k = get(times, 2 * step), get(times, 2 * step + 1), row + 8 * n
        put_int(s, Y, row)
        put_int(s, K, k)
        if get_int(s, FSAL) == 1 and step > first:
            copy(n, row - width + 8 * n * get_int(s, N_STAGES), k)
        elif call_address(get_int(s, F), t, row, get_int(s, P), k) != 0:
            return 1
        put_int(s, PART, 0)
        code = call_address(get_int(s, STEP), t, h, s)
        if code == 0 and get_int(s, N_EXTRA) > 0:
            put_int(s, PART, 1)
            code = call_address(get_int(s, STEP), t, h, s)
        if code != 0:
            return code
        row += width
        if step < last - 1:
            copy(n, end, row)
    return 0


@cache
def _replay():
    return link(replay, copy)


def take_again(rhs: Rhs, p: np.ndarray, piece: Piece, row: int, first: int, last: int) -> np.ndarray:
    """Rows of states and stage derivatives of steps first to last - 1 of an explicit piece, exactly as the forward solve had them."""
    method, n, steps = piece.method, rhs.n, piece.steps
    rows = np.zeros((last - first, n * (1 + len(method.dense))))
    rows[0, :n] = steps.states[row]
    slots = np.zeros(N_SLOTS, np.int64)
    slots[[F, N, STEP, N_STAGES, N_EXTRA, FSAL]] = rhs.f, n, method.step, method.n_stages, method.n_extra, method.fsal
    if _replay()(slots, first, last, steps.pairs, rows, p, np.empty(2 * n)) != DONE:
        raise SolveError(f"the right-hand side aborted when the steps from t = {float(steps.times[first])!r} were taken again")
    return rows
