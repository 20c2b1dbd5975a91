"""Adjoints of SDE solves by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sciad.adjoints.sde_backward import SdeBacksolve, SdeReversible
from sciad.adjoints.sde_direct import SdeDirect
from sciad.adjoints.sde_discrete import Cotangents, walk_grid_back
from sciad.adjoints.sde_forward import SdeForward
from sciad.adjoints.sde_kept import Kept, Pushed, adaptive_steps, grid_states
from sciad.adjoints.sde_ragged import walk_paths_back
from sciad.solvers.sde.solve import register_sde_adjoints
from sciad.solvers.sde.task import Task

__all__ = ["SDE_ADJOINTS", "SdeBacksolve", "SdeDirect", "SdeDiscrete", "SdeForward", "SdeReversible"]


@dataclass(frozen=True)
class SdeDiscrete(Pushed):
    """The exact derivative of the steps taken for the noise that was drawn, which is made again from the seed where it is large.

    Steps of reversible Heun are undone instead of kept.

    `checkpoints`: states kept for each path; None: all of them, up to 256 MiB, beyond that about the square root of their number.
    """

    checkpoints: int | None = None

    def with_checkpoints(self, checkpoints: int) -> SdeDiscrete:
        """The same with so many states kept."""
        return replace(self, checkpoints=checkpoints)

    def forward(self, task: Task) -> tuple[np.ndarray, Kept]:
        """Saved states (paths, m, n), and what `backward` needs; SolveError where a path fails."""
        if task.control is not None:
            ragged = adaptive_steps(task)
            return ragged.ys, Kept(ragged=ragged)
        if task.method.copies > 1:
            return SdeReversible().forward(task)
        walked = grid_states(task, record=True, checkpoints=self.checkpoints)
        return walked.ys, Kept(walked)

    def backward(self, task: Task, kept: Kept, ys_bar: np.ndarray) -> Cotangents:
        """Cotangents of y0 (summed over paths), p and q."""
        if task.method.copies > 1:
            return SdeReversible().backward(task, kept, ys_bar)
        if kept.ragged is not None:
            found = walk_paths_back(task, kept.ragged, ys_bar)
        else:
            found = walk_grid_back(
                task.sde, task.method, task.grid, kept.walked, task.p, task.q, ys_bar, seed=task.seed, t_span=task.t_span,
                first_path=task.first_path,
            )  # fmt: skip
        return Cotangents(found.y0.sum(axis=0), found.p, found.q)


#: By name, with their default options.
SDE_ADJOINTS: dict[str, Any] = {
    "auto": SdeDiscrete(),
    "discrete": SdeDiscrete(),
    "backsolve": SdeBacksolve(),
    "forward": SdeForward(),
    "direct": SdeDirect(),
}
register_sde_adjoints(SDE_ADJOINTS)
