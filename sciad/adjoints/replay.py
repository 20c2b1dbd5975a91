"""The accepted steps of a solve, taken again one by one through the compiled engine, with derivatives of first and second order.

Every step begins at the state that was recorded (NDF: with its differences), so the derivative is that of what was computed, even where a
solution amplifies rounding.  Implicit stages are solved to rounding, from the recorded ones on (NDF: see `direct_ndf`).  What is then
differentiated are Newton's iterations at the solution with the matrix A fixed: an iteration turns the error e of a stage, as a function of
(y, p), into (I - A^-1 F') e + O(e^2), one order smaller in the distance from the point where A and the start were taken.  One iteration
carries the first derivative, two the second; one more refines the solution of the linear systems.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad.adjoints.direct_forms import StepForms, forms_of, replayed, state_size
from sciad.adjoints.direct_ndf import ndf_defects
from sciad.adjoints.direct_tables import step_tables
from sciad.errors import SolveError
from sciad.solvers.bdf.ndf import Ndf
from sciad.solvers.counting import count
from sciad.solvers.interpolant import nested_weights
from sciad.solvers.pieces import Piece
from sciad.solvers.rhs import Rhs

__all__ = ["Problem", "Replay", "refuse_unknown"]

EPS = float(np.finfo(float).eps)


@dataclass(frozen=True)
class Problem:
    """A solve with its stages recorded; `wanted` (m,) are the times of the saved states, rtol and atol what it was asked for."""

    pieces: tuple[Piece, ...]
    wanted: np.ndarray
    p: np.ndarray
    mass: np.ndarray | None
    rtol: Any
    atol: Any


def refuse_unknown(pieces: tuple[Piece, ...]) -> None:
    """SolveError where a piece was taken by a method whose steps are not known as sources."""
    for piece in pieces:
        if not replayed(piece.method):
            raise SolveError(
                f"the source of the steps of {piece.method.name} is not known, so they are not taken again one by one; use a method such "
                "as Rodas5P, KenCarp4 or NDF, or first derivatives with adjoint='gauss' or 'forward'"
            )


class Replay:
    """All steps, in order; vectors of derivatives are those of y (n) and p (n_p)."""

    def __init__(self, rhs: Rhs, problem: Problem, order: int) -> None:
        refuse_unknown(problem.pieces)
        self.rhs, self.problem = rhs, problem
        self.p = np.ascontiguousarray(problem.p, np.float64)
        self.pieces, end = [], len(problem.wanted)
        for number in reversed(range(len(problem.pieces))):
            piece = problem.pieces[number]
            sizes = piece.steps.sizes
            sign = 1.0 if len(sizes) == 0 or sizes[0] > 0 else -1.0
            first = int(np.searchsorted(sign * problem.wanted[:end], sign * piece.start, side="right")) if number > 0 else 0
            self.pieces.insert(0, _Stretch(rhs, problem, piece, slice(first, end), self.p, order))
            end = first

    def tangents(self, y_dot: np.ndarray, p_dot: np.ndarray) -> np.ndarray:
        """Tangents (m, n) of the saved states."""
        out, y_dot = np.empty((len(self.problem.wanted), self.rhs.n)), np.array(y_dot, np.float64)
        for piece in self.pieces:
            out[piece.part], y_dot = piece.push(y_dot, p_dot)
        return out

    def cotangents(self, ys_bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cotangents of the initial state and of the parameters from those of the saved states (m, n)."""
        y_bar, p_bar = np.zeros(self.rhs.n), np.zeros(self.rhs.n_p)
        for piece in reversed(self.pieces):
            y_bar = piece.pull(ys_bar[piece.part], y_bar, p_bar)
        return y_bar, p_bar

    def second(self, y_dot: np.ndarray, p_dot: np.ndarray, ys_bar: np.ndarray, ys_bar_dot: np.ndarray) -> tuple[np.ndarray, ...]:
        """Tangents ys_dot, cotangents y_bar and p_bar, and tangents of these where y and p move along the dots and ys_bar along its own.

        With J the derivative of the saved states: J (y_dot, p_dot), J^T ys_bar, and J^T ys_bar_dot + (dJ^T along the dots) ys_bar.
        """
        ys_dot, y_dot = np.empty(ys_bar.shape), np.array(y_dot, np.float64)
        for piece in self.pieces:
            ys_dot[piece.part], y_dot = piece.push(y_dot, p_dot, keep=True)
        y_bar, p_bar, y_bar_dot, p_bar_dot = (np.zeros(k) for k in (self.rhs.n, self.rhs.n_p) * 2)
        for piece in reversed(self.pieces):
            y_bar, y_bar_dot = piece.push_pull(p_dot, ys_bar[piece.part], ys_bar_dot[piece.part], y_bar, p_bar, y_bar_dot, p_bar_dot)
        return ys_dot, y_bar, p_bar, y_bar_dot, p_bar_dot

    def mixed(self, one: tuple[np.ndarray, np.ndarray], two: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Second derivative (m, n) of the saved states along two directions (y_dot, p_dot)."""
        out = np.empty((len(self.problem.wanted), self.rhs.n))
        state = np.array(one[0], np.float64), np.array(two[0], np.float64), np.zeros(self.rhs.n)
        for piece in self.pieces:
            out[piece.part], state = piece.push_push(state, one[1], two[1])
        return out


class _Stretch:
    """The steps of one method; row k of every array belongs to step k."""

    def __init__(self, rhs: Rhs, problem: Problem, piece: Piece, part: slice, p: np.ndarray, order: int) -> None:
        method, steps, n = piece.method, piece.steps, rhs.n
        self.n, self.n_p, self.part, self.p = n, rhs.n_p, part, p
        self.rows, self.length = len(method.dense), len(steps.sizes)
        self.times, self.sizes = steps.times[:-1].tolist(), steps.sizes.tolist()
        self.y = np.zeros((self.length + 1, state_size(type(method), n)))
        self.y[:, :n] = steps.states[:, :n]
        self.carried = self.y.shape[1] - n  # of the last rows of K into the next step: the last stage, or differences
        self.tables, self.start = step_tables(method, steps, problem.mass, n), np.zeros((self.length, self.rows * n))
        self._locate(problem.wanted[part], steps.times, steps.sizes, method.dense)
        if self.length == 0:
            return
        self.forms: StepForms = forms_of(rhs, method, order + 1)
        self.inverse = np.zeros(self.forms.n_inverse)
        if self.forms.matrices is not None:
            self.start[:] = steps.states[: self.length, n : n * (1 + self.rows)]
        if isinstance(method, Ndf):
            self.y[1:, n:], self.start[:, :n] = self.start[:, n:], 0.0
            self._take(method.name, problem)
            self.start[:, :n] = ndf_defects(rhs, steps, p, self.y, self.start, self.tables)
        else:
            self._take(method.name, problem, polish=self.forms.matrices is not None, first=self.carried > 0)

    def _locate(self, wanted: np.ndarray, times: np.ndarray, sizes: np.ndarray, table: np.ndarray) -> None:
        """The saved states of each step: rows from `first` on, weights of K for those inside, and which are at its end."""
        if self.length == 0:
            return
        sign = 1.0 if sizes[0] > 0 else -1.0
        step = np.clip(np.searchsorted(sign * times, sign * wanted, side="left") - 1, 0, self.length - 1)
        theta = (wanted - times[step]) / sizes[step]
        self.at_end = wanted == times[step + 1]
        self.weights = sizes[step][:, None] * nested_weights(table, theta)
        self.first = np.searchsorted(step, np.arange(self.length + 1)).tolist()

    # -- calls -----------------------------------------------------------------------------------------------------------------
    def _caller(self, address: int, n_more: int) -> Callable[[int, Any], None]:
        """``call(k, *arrays)`` for step k: t, h, y, p, start, inverse, table and then the arrays; SolveError where it aborts.

        Where there are matrices to be inverted, they are those of the last step that was asked for.
        """
        invert = None if self.forms.matrices is None else self._function(self.forms.invert, 0)
        function, shown = self._function(address, n_more), -1
        count(self.length * self.rows)

        def call(k: int, *arrays: np.ndarray) -> None:
            nonlocal shown
            if invert is not None and k != shown:
                invert(k)
                shown = k
            function(k, *arrays)

        return call

    def _function(self, address: int, n_more: int, first: bool = False) -> Callable[[int, Any], None]:
        """A form as a function of the number of the step and further arrays; `first`: each with the table of the first."""
        form = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_double] * 2, *[ctypes.c_ssize_t] * (5 + n_more))(address)
        y, p, start, inverse, table = (x.ctypes.data for x in (self.y, self.p, self.start, self.inverse, self.tables))
        y_row, start_row, table_row = 8 * self.y.shape[1], 8 * self.rows * self.n, 8 * self.tables.shape[1]
        last = 0 if first else len(self.tables) - 1

        def call(k: int, *arrays: np.ndarray) -> None:
            more = [x.ctypes.data for x in arrays]
            given = y + k * y_row, p, start + k * start_row, inverse, table + min(k, last) * table_row
            if form(self.times[k], self.sizes[k], *given, *more) != 0:
                raise SolveError(f"the right-hand side or its derivative aborted in the step that begins at t = {self.times[k]!r}")

        return call

    def _take(self, name: str, problem: Problem, polish: bool = False, first: bool = False) -> None:
        """Take all steps, which end at the recorded state, within the tolerances; `polish`: Newton's iterations go on to rounding.

        `first`: each as if it were the first, with the stage that it would take over recorded.
        """
        call, n, out = self._function(self.forms.value, 1, first), self.n, np.empty(self.n * (1 + self.rows))
        invert = None if self.forms.matrices is None else self._function(self.forms.invert, 0, first)
        rtol = np.broadcast_to(np.asarray(problem.rtol, float), n)
        atol = np.broadcast_to(np.asarray(problem.atol, float), n)
        for k in range(self.length):
            if polish:
                self._polish(invert, call, k, out, name)
            else:
                if invert is not None:
                    invert(k)
                call(k, out)
            if first:
                self.y[k, n:] = out[n : 2 * n]
            end = self.y[k + 1, :n]
            allowed = atol + (rtol + 1e-9) * np.abs(end) + 1e-9 * np.max(np.abs(end))
            if not np.all(np.abs(out[:n] - end) <= allowed):
                raise SolveError(
                    f"the step of {name} that begins at t = {self.times[k]!r} does not end at the recorded state when it is taken again; "
                    "its Jacobian may be wrong (pass no jac), or its iterations did not converge: use smaller tolerances"
                )

    def _polish(self, invert: Callable, call: Callable, k: int, out: np.ndarray, name: str) -> None:
        """Repeat Newton's iterations of step k, a new matrix each time, until nothing but rounding changes."""
        row, last = self.start[k], np.inf
        for _ in range(12):
            invert(k)
            call(k, out)
            stages = out[self.n :]
            change, size = np.max(np.abs(stages - row)), np.max(np.abs(stages))
            row[:] = stages
            if change <= 16 * EPS * size or (change >= 0.5 * last and change <= 1e-9 * size):
                return
            last = change
        raise SolveError(f"Newton's iterations in the step of {name} that begins at t = {self.times[k]!r} do not converge to rounding")

    # -- sweeps ----------------------------------------------------------------------------------------------------------------
    def _saved(self, k: int, y: np.ndarray, out: np.ndarray, to: np.ndarray) -> None:
        """The saved states of step k from its beginning and its outcome; linear, so that of tangents from tangents."""
        first, end = self.first[k], self.first[k + 1]
        for i in range(first, end):
            inside = y + self.weights[i] @ out[self.n :].reshape(self.rows, self.n)
            to[i] = out[: self.n] if self.at_end[i] else inside

    def _begins(self, y: np.ndarray) -> np.ndarray:
        """What the first step begins with, from y or its like."""
        return np.concatenate([y, np.zeros(self.y.shape[1] - self.n)])

    def _goes_on(self, out: np.ndarray) -> np.ndarray:
        """What the next step begins with, from the outcome of a step."""
        return np.concatenate([out[: self.n], out[len(out) - self.carried :]])

    def _seeds(self, k: int, ys_bar: np.ndarray, end_bar: np.ndarray, out_bar: np.ndarray) -> np.ndarray:
        """The transpose: fill the cotangent of the outcome of step k; what the saved states ask of its beginning."""
        out_bar[: self.n], out_bar[self.n :] = end_bar[: self.n], 0.0
        out_bar[len(out_bar) - self.carried :] = end_bar[self.n :]
        first, end, y_bar = self.first[k], self.first[k + 1], np.zeros(self.y.shape[1])
        for i in range(first, end):
            if self.at_end[i]:
                out_bar[: self.n] += ys_bar[i]
            else:
                y_bar[: self.n] += ys_bar[i]
                out_bar[self.n :].reshape(self.rows, self.n)[:] += np.outer(self.weights[i], ys_bar[i])
        return y_bar

    def push(self, y_dot: np.ndarray, p_dot: np.ndarray, keep: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Tangents of the saved states, and of the end; `keep` those of all steps for `push_pull`."""
        ys_dot, dots = np.empty((self.part.stop - self.part.start, self.n)), np.empty(self.y.shape)
        dots[0], ys_dot[:] = self._begins(y_dot), y_dot
        if self.length:
            call, out_dot = self._caller(self.forms.push, 3), np.zeros(self.n * (1 + self.rows))
            for k in range(self.length):
                out_dot[:] = 0.0
                call(k, dots[k], p_dot, out_dot)
                dots[k + 1] = self._goes_on(out_dot)
                self._saved(k, dots[k, : self.n], out_dot, ys_dot)
        if keep:
            self.dots = dots
        return ys_dot, dots[-1, : self.n].copy()

    def pull(self, ys_bar: np.ndarray, y_bar: np.ndarray, p_bar: np.ndarray) -> np.ndarray:
        """The cotangent of the beginning from that of the end; adds to p_bar."""
        if not self.length:
            return y_bar + ys_bar.sum(axis=0)
        call, out_bar = self._caller(self.forms.pull, 3), np.empty(self.n * (1 + self.rows))
        y_bar = self._begins(y_bar)
        for k in reversed(range(self.length)):
            y_bar = self._seeds(k, ys_bar, y_bar, out_bar)
            call(k, out_bar, y_bar, p_bar)
        return y_bar[: self.n]

    def push_pull(self, p_dot, ys_bar, ys_bar_dot, y_bar, p_bar, y_bar_dot, p_bar_dot) -> tuple[np.ndarray, np.ndarray]:
        """Cotangent of the beginning and its tangent, from those of the end; adds to p_bar and p_bar_dot."""
        if not self.length:
            return y_bar + ys_bar.sum(axis=0), y_bar_dot + ys_bar_dot.sum(axis=0)
        call = self._caller(self.forms.push_pull, 8)
        bar, bar_dot = (np.empty(self.n * (1 + self.rows)) for _ in range(2))
        y_bar, y_bar_dot = self._begins(y_bar), self._begins(y_bar_dot)
        for k in reversed(range(self.length)):
            y_bar = self._seeds(k, ys_bar, y_bar, bar)
            y_bar_dot = self._seeds(k, ys_bar_dot, y_bar_dot, bar_dot)
            call(k, self.dots[k], p_dot, bar_dot, bar, y_bar_dot, p_bar_dot, y_bar, p_bar)
        return y_bar[: self.n], y_bar_dot[: self.n]

    def push_push(self, state: tuple, one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, tuple]:
        """Second derivatives of the saved states; `state` is the tangents along both directions and the second derivative."""
        n, size = self.n, self.n * (1 + self.rows)
        ys = np.empty((self.part.stop - self.part.start, n))
        ys[:] = state[2]
        if self.length:
            call = self._caller(self.forms.push_push, 7)
            first, second = self._caller(self.forms.push, 3), np.zeros(size)
            state = tuple(map(self._begins, state))
            for k in range(self.length):
                along_two, both = np.zeros(size), np.zeros(size)
                second[:] = 0.0
                first(k, state[0], one, second)
                call(k, state[0], one, state[1], two, state[2], along_two, both)
                self._saved(k, state[2][:n], both, ys)
                state = self._goes_on(second), self._goes_on(along_two), self._goes_on(both)
        return ys, tuple(x[:n] for x in state)
