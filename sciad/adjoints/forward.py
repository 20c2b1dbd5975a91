"""Forward sensitivities: the derivatives of the state with respect to y0 and p, integrated along with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sciad.adjoints.continuous import checked_bar, time_cotangents
from sciad.adjoints.curvature import controlled_curvature
from sciad.adjoints.direct import curvature
from sciad.adjoints.primal import forward_solve
from sciad.adjoints.tangent import RECORDS, Tangents, directional
from sciad.adjoints.trajectory import Trajectory, trajectory_of
from sciad.solvers.integrate import RawSolution
from sciad.solvers.methods import find_method
from sciad.solvers.rhs import Rhs

__all__ = ["Forward", "Sensitivities"]

STATES_AT_ONCE = 512


@dataclass(frozen=True)
class Sensitivities:
    """The derivatives s (m, n, n + n_p) of the saved states with respect to y0 and p, and the solve they belong to."""

    trajectory: Trajectory
    s: np.ndarray


@dataclass(frozen=True)
class Forward:
    """S' = J S + (0, f_p) from S(t0) = (I, 0), simultaneous with the state: the choice for few states and parameters.

    ``chunk``: at most so many of the n + n_p columns in one solve; None: as many as make up about 512 states.
    ``error_control``: whether the columns count in the error norm, each with a norm of its own; without, the steps are those of the
    plain solve, and S is the exact derivative of what they compute, which is not always close to the derivative of the solution.
    ``rtol``, ``atol``: of these solves, where they differ from those asked for; atol is for y, and divided by |p_j| for column p_j.
    """

    chunk: int | None = None
    error_control: bool = True
    rtol: Any = None
    atol: Any = None

    def forward(self, rhs: Rhs, t_span, y0, p, t_eval=None, options: dict[str, Any] | None = None) -> tuple[RawSolution, Sensitivities]:
        """Solve with sensitivities; options as for `integrate`.  SolveError if a solve fails."""
        if self.chunk is not None and self.chunk < 1:
            raise ValueError(f"chunk must be at least 1, not {self.chunk!r}")
        options, y0, p = self._options(options), np.array(y0, np.float64), np.array(p, np.float64)
        method = find_method(options.get("method", "Tsit5"))
        n, columns, solution, times = rhs.n, rhs.n + rhs.n_p, None, t_eval
        if any(options.get(name) for name in RECORDS):  # a record must be of y alone
            inner = {k: v for k, v in options.items() if k != "method"}
            solution = forward_solve(rhs, t_span, y0, p, method, t_eval, inner, with_mass=True)
            times = solution.t
        inner = {k: v for k, v in options.items() if k not in RECORDS}
        parts, chunk = [], self.chunk or max(1, STATES_AT_ONCE // n)
        for first in range(0, columns, chunk):
            seed = np.eye(min(chunk, columns - first), columns, first)
            whole, ys, s = Tangents(self.error_control).solve(rhs, t_span, y0, p, times, inner, seed[:, :n], seed[:, n:])
            solution = solution or replace(whole, ys=ys)
            times = solution.t  # without t_eval, the first solve chooses the times
            parts.append(s)
        s = np.concatenate(parts).transpose(1, 2, 0)
        return solution, Sensitivities(trajectory_of(solution, method, t_span, y0, p, t_eval is None, options), s)

    def backward(self, rhs: Rhs, residuals: Sensitivities, ys_bar, times: bool = True):
        """(y0_bar (n,), p_bar (n_p,), t0_bar, t1_bar, t_eval_bar (m,) or None) from ys_bar (m, n), the cotangent of the saved states.

        Without `times`, the last three are 0.0, 0.0 and None.
        """
        ys_bar = checked_bar(ys_bar, residuals.trajectory.ys)
        bar = np.einsum("mi,mij->j", ys_bar, residuals.s)
        y0_bar = bar[: rhs.n].copy()
        all_times = time_cotangents(rhs, residuals.trajectory, ys_bar, y0_bar) if times else (0.0, 0.0, None)
        return y0_bar, bar[rhs.n :].copy(), *all_times

    def jvp(self, rhs: Rhs, t_span, y0, p, t_eval=None, options=None, y0_dot=None, p_dot=None, t_span_dot=(0.0, 0.0), t_eval_dot=None):
        """(RawSolution, ys_dot (m, n)): the solve and its derivative in the direction y0_dot (n,), p_dot (n_p,) and that of the times.

        None stands for zero.  Times as in `backward`: those of the exact flow, t_span_dot[1] only where every step is saved.
        """
        options, way = self._options(options), Tangents(self.error_control)
        return directional(way, True, rhs, t_span, y0, p, t_eval, options, y0_dot, p_dot, t_span_dot, t_eval_dot)

    def curvature(self, rhs: Rhs, t_span, y0, p, t_eval, options, direction):
        """What second derivatives along a direction need, see `sciad.adjoints.replay`."""
        make = controlled_curvature if self.error_control else curvature
        return make(rhs, t_span, y0, p, t_eval, self._options(options), direction)

    def _options(self, options: dict[str, Any] | None) -> dict[str, Any]:
        own = {"rtol": self.rtol, "atol": self.atol}
        return dict(options or {}) | {name: value for name, value in own.items() if value is not None}
