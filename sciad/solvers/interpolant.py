"""The solution as a function of time, from recorded stages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["DenseOutput", "nested_weights"]


@dataclass(frozen=True)
class DenseOutput:
    """Callable ``sol(t)``: shape (n,) for a scalar t, (n, m) for t of shape (m,), as SciPy's OdeSolution.

    Outside the interval the first or the last piece is continued.  `ts` (N+1,) are the ends of the steps, `sizes` (N,) their
    lengths, `states` (N+1, width) hold y and the stage derivatives, `table` as in `Tableau.dense_table`.
    """

    ts: np.ndarray
    sizes: np.ndarray
    states: np.ndarray
    table: np.ndarray
    n: int

    @property
    def t_min(self) -> float:
        """Earlier end of the interval."""
        return min(self.ts[0], self.ts[-1])

    @property
    def t_max(self) -> float:
        """Later end of the interval."""
        return max(self.ts[0], self.ts[-1])

    def __call__(self, t) -> np.ndarray:
        """The state at time t."""
        t = np.asarray(t, float)
        if len(self.sizes) == 0:
            return np.broadcast_to(self.states[0, : self.n].reshape(-1, *[1] * t.ndim), (self.n, *t.shape)).copy()
        step, theta = self._locate(np.atleast_1d(t))
        increments = self._combine(step, self.sizes[step][:, None] * nested_weights(self.table, theta))
        y = self.states[step, : self.n] + increments
        ends = theta == 1.0  # there the state was computed with other roundings: give it exactly
        y[ends] = self.states[step[ends] + 1, : self.n]
        return y[0] if t.ndim == 0 else y.T

    def derivative(self, t) -> np.ndarray:
        """Time derivative of the interpolant, same shapes."""
        t = np.asarray(t, float)
        if len(self.sizes) == 0:
            raise ValueError("a solution without steps has no derivative")
        step, theta = self._locate(np.atleast_1d(t))
        dy = self._combine(step, _nested_slope(self.table, theta))
        return dy[0] if t.ndim == 0 else dy.T

    def _locate(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Index of the step that holds each t, and theta there; a time between two steps belongs to the first."""
        sign = 1.0 if self.ts[-1] >= self.ts[0] else -1.0
        step = np.clip(np.searchsorted(sign * self.ts, sign * t, side="left") - 1, 0, len(self.sizes) - 1)
        theta = (t - self.ts[step]) / self.sizes[step]
        theta[t == self.ts[step + 1]] = 1.0
        return step, theta

    def _combine(self, step: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """sum_j weights[m, j] k_j of step m, without what unused stages hold."""
        total = np.zeros((len(step), self.n))
        for j in range(self.table.shape[0]):
            if np.any(self.table[j]):
                first = self.n * (j + 1)
                total += weights[:, j : j + 1] * self.states[step, first : first + self.n]
        return total


def nested_weights(table: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Weights w_j(theta_m), shape (m, stages)."""
    w = np.zeros((len(theta), len(table)))
    x = theta[:, None]
    for k in range(table.shape[1] - 1, -1, -1):
        w = w * (1.0 - x if k % 2 == 0 else x) + table[:, k]
    return w * x


def _nested_slope(table: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Derivatives w_j'(theta_m), shape (m, stages)."""
    w, slope = np.zeros((len(theta), len(table))), np.zeros((len(theta), len(table)))
    x = theta[:, None]
    for k in range(table.shape[1] - 1, -1, -1):
        factor, sign = (1.0 - x, -1.0) if k % 2 == 0 else (x, 1.0)
        w, slope = w * factor + table[:, k], slope * factor + sign * w
    return slope * x + w


@dataclass(frozen=True)
class PiecewiseOutput:
    """The same over the pieces of a solve that changed its method; a time where two meet belongs to the first."""

    pieces: tuple[DenseOutput, ...]

    @property
    def ts(self) -> np.ndarray:
        """Ends of all steps."""
        return np.concatenate([self.pieces[0].ts, *[piece.ts[1:] for piece in self.pieces[1:]]])

    @property
    def t_min(self) -> float:
        """Earlier end of the interval."""
        return min(self.pieces[0].ts[0], self.pieces[-1].ts[-1])

    @property
    def t_max(self) -> float:
        """Later end of the interval."""
        return max(self.pieces[0].ts[0], self.pieces[-1].ts[-1])

    def __call__(self, t) -> np.ndarray:
        """The state at time t."""
        return self._each(t, DenseOutput.__call__)

    def derivative(self, t) -> np.ndarray:
        """Time derivative of the interpolant, same shapes."""
        return self._each(t, DenseOutput.derivative)

    def _each(self, t, evaluate) -> np.ndarray:
        t = np.asarray(t, float)
        flat = np.atleast_1d(t)
        sign = 1.0 if self.pieces[0].ts[-1] >= self.pieces[0].ts[0] else -1.0
        ends = sign * np.array([piece.ts[-1] for piece in self.pieces[:-1]])
        owner = np.searchsorted(ends, sign * flat, side="left")
        out = np.empty((self.pieces[0].n, len(flat)))
        for k in np.unique(owner):
            out[:, owner == k] = evaluate(self.pieces[k], flat[owner == k])
        return out[:, 0] if t.ndim == 0 else out
