"""Gradients of SDE solves by forward sensitivities: one walk for every entry of y0 and of the parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sciad.adjoints.sde_discrete import Cotangents
from sciad.adjoints.sde_kept import Kept, Pushed, adaptive_steps, grid_states
from sciad.solvers.sde.task import Task

__all__ = ["SdeForward"]


@dataclass(frozen=True)
class SdeForward(Pushed):
    """Tangents of the steps taken, in every direction; for few parameters, and to check the others by."""

    def forward(self, task: Task) -> tuple[np.ndarray, Kept]:
        """Saved states (paths, m, n), and the steps; SolveError where a path fails."""
        if task.control is not None:
            ragged = adaptive_steps(task)
            return ragged.ys, Kept(ragged=ragged)
        walked = grid_states(task)
        return walked.ys, Kept(walked)

    def backward(self, task: Task, kept: Kept, ys_bar: np.ndarray) -> Cotangents:
        """Cotangents of y0 (summed over paths), p and q."""
        sizes = np.cumsum([task.sde.n, len(task.p)])
        bars = np.empty(sizes[-1] + len(task.q))
        for k in range(len(bars)):
            unit = np.zeros(len(bars))
            unit[k] = 1.0
            bars[k] = np.vdot(self.push(task, kept, *np.split(unit, sizes)), ys_bar)
        return Cotangents(*np.split(bars, sizes))
