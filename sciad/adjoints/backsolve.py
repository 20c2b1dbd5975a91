"""Backsolve adjoint: state, lambda and p_bar integrated backwards together, and the state compared with the forward one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from sciad.adjoints.continuous import JUMP_ENTRIES, Continuous, WayBack, reverse_solve
from sciad.adjoints.reverse_rhs import C_AUG, C_DY_BAR, C_N, C_NP, C_P, C_REV, C_T_BAR, C_TAPE, CONTEXT_NAMES
from sciad.adjoints.trajectory import Trajectory, solve_forward
from sciad.backend import call_address
from sciad.errors import SolveError
from sciad.solvers.integrate import RawSolution
from sciad.solvers.link import link
from sciad.solvers.memory import get, get_int, put
from sciad.solvers.rhs import Rhs

__all__ = ["Backsolve"]


@dataclass(frozen=True)
class Backsolve(Continuous):
    """z' = (f, -J^T lambda, -f_p^T lambda) from the end to the beginning: no memory of the forward solve but the saved states.

    At every saved time, at ``checkpoints`` more states if given, and at t0, the state that the reverse solve has reconstructed is
    compared with the forward one, and put right; where it is off by more than ``departure`` times the tolerances of the forward
    solve (root mean square), `backward` raises SolveError.  Dissipative and stiff problems are unstable backwards and do not pass.
    """

    departure: float = 100.0

    name: ClassVar[str] = "backsolve"

    def forward(self, rhs: Rhs, t_span, y0, p, t_eval=None, options: dict[str, Any] | None = None) -> tuple[RawSolution, Trajectory]:
        """Solve, and keep what `backward` needs; options as for `integrate`.  SolveError if the solve fails."""
        return solve_forward(rhs, t_span, y0, p, t_eval, options, self.checkpoints, dense=False)

    def _way_back(self, rhs: Rhs, residuals: Trajectory, ys_bar: np.ndarray) -> WayBack:
        return _WayBack(self, rhs, residuals, ys_bar)


class _WayBack(WayBack):
    """z is y, then lambda, then p_bar; at every stop y is replaced and lambda added to."""

    def __init__(self, adjoint: Backsolve, rhs: Rhs, trajectory: Trajectory, ys_bar: np.ndarray) -> None:
        super().__init__(adjoint, rhs, trajectory, ys_bar)
        self.departure = adjoint.departure
        self.z = np.zeros(2 * rhs.n + rhs.n_p)
        self.times, self.states, self.bars = self._landmarks()

    def _landmarks(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Times where the state is known, from the last saved time to t0, the states there, and the cotangents that jump there."""
        trajectory, n = self.trajectory, self.rhs.n
        wanted = trajectory.wanted
        known = {trajectory.span[0]: trajectory.y0}
        direction = 1.0 if trajectory.span[1] > trajectory.span[0] else -1.0
        for piece in trajectory.pieces:
            if piece.steps is not None and len(wanted):
                times = piece.steps.times[:: piece.steps.every].tolist()
                known |= {t: y for t, y in zip(times, piece.steps.states[:, :n]) if direction * (wanted[-1] - t) > 0}
        known |= dict(zip(wanted.tolist(), trajectory.ys))
        bars = dict(zip(wanted.tolist(), self.ys_bar))
        times = np.array(sorted(known, reverse=direction > 0))
        states = np.array([known[t] for t in times.tolist()])
        return times, states, np.array([bars.get(t, np.zeros(n)) for t in times.tolist()])

    def run(self) -> tuple[np.ndarray, np.ndarray]:
        """y0_bar and p_bar."""
        n = self.rhs.n
        if self.scale > 0.0:
            self.z[n : 2 * n] = self.bars[0]
            most, first = max(2, JUMP_ENTRIES // len(self.z)), 0
            while first < len(self.times) - 1:
                last = min(first + most, len(self.times) - 1)
                self._legs(first, last)
                first = last
        return self.z[n : 2 * n].copy(), self.z[2 * n :].copy()

    def _legs(self, first: int, last: int) -> None:
        """One reverse solve from landmark `first` to landmark `last`, whose cotangent is added at the end."""
        n, times = self.rhs.n, self.times
        self.z[:n] = self.states[first]
        stops = times[first + 1 : last]
        jumps = np.zeros((len(stops), len(self.z)))
        jumps[:, :n], jumps[:, n : 2 * n] = self.states[first + 1 : last], self.bars[first + 1 : last]
        options = self.options(self.adjoint.method or self.trajectory.method, times[first], times[last], (n, n, self.rhs.n_p))
        t_eval = times[first + 1 : last + 1]
        rhs = Rhs(back_rhs(), len(self.z), len(self.context.values), autonomous=self.rhs.autonomous, owner=self.context)
        options |= {"linear": "dense", "t_eval": t_eval, "stops": stops, "jumps": jumps, "n_reset": n}
        solution = reverse_solve(self.adjoint.name, rhs, self.context, self.z, float(times[first]), float(times[last]), **options)
        self._compare(t_eval, solution.ys[:, :n], self.states[first + 1 : last + 1])
        self.z = solution.ys[-1].copy()
        self.z[n : 2 * n] += self.bars[last]

    def tolerances(self, sizes: tuple[int, ...]) -> tuple[Any, Any]:
        """As for the others, but the state, in front, keeps its own absolute tolerance."""
        rtol, atol = super().tolerances(sizes)
        n, forward = self.rhs.n, self.trajectory.options
        state_atol = forward.get("atol", 1e-6) if self.adjoint.atol is None else self.adjoint.atol
        atol[:n] = np.asarray(state_atol) * np.sqrt(n / len(atol))
        return rtol, atol

    def _compare(self, times: np.ndarray, ys: np.ndarray, true: np.ndarray) -> None:
        """SolveError at the first time where the reconstructed state is not the forward one."""
        forward = self.trajectory.options
        scale = np.asarray(forward.get("atol", 1e-6)) + np.asarray(forward.get("rtol", 1e-3)) * np.abs(true)
        off = np.sqrt(np.mean(((ys - true) / scale) ** 2, axis=1))
        gone = np.flatnonzero(~(off <= self.departure))
        if len(gone):
            i = gone[0]
            raise SolveError(
                f"backsolve adjoint: going back, the reconstructed state left the forward one before t = {float(times[i])!r} (there it is "
                f"off by {off[i]:.3g} times the tolerances, {self.departure:g} are allowed); this problem is unstable backwards in time: "
                "use adjoint='discrete' or 'gauss', or Backsolve(checkpoints=...) for more states to return to"
            )


def augmented_rhs(t, z, c, dz):
    """(f, -J^T lambda, -f_p^T lambda) at the state that is part of z."""
    n, n_p, p, tape, dy_bar = get_int(c, C_N), get_int(c, C_NP), get_int(c, C_P), get_int(c, C_TAPE), get_int(c, C_DY_BAR)
    for i in range(n):
        put(dy_bar, i, -get(z, n + i))
    for i in range(n, 2 * n + n_p):
        put(dz, i, 0.0)
    code = call_address(get_int(c, C_AUG), t, z, p, dz, tape)
    if code != 0:
        return code
    return call_address(get_int(c, C_REV), t, z, p, tape, dy_bar, dz + 8 * n, dz + 16 * n, get_int(c, C_T_BAR))


@cache
def _compiled():
    return link(augmented_rhs, imports=CONTEXT_NAMES, decorator="@cfunc(kernel_signature(1, 3))")


def back_rhs() -> int:
    """Address of `augmented_rhs`, compiled."""
    return _compiled().address
