"""Adjoints of SDE solves by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sciad.adjoints.sde_discrete import Cotangents, walk_grid_back
from sciad.errors import SolveError
from sciad.solvers.sde.integrate import Walked
from sciad.solvers.sde.solve import register_sde_adjoints
from sciad.solvers.sde.task import Task

__all__ = ["SdeDiscrete", "SDE_ADJOINTS"]


@dataclass(frozen=True)
class SdeDiscrete:
    """The exact derivative of the steps taken for the noise that was drawn, which is made again from the seed.

    `checkpoints`: states kept for each path; None: all of them, up to 256 MiB, beyond that about the square root of their number.
    """

    checkpoints: int | None = None
    for_sde = True

    def with_checkpoints(self, checkpoints: int) -> SdeDiscrete:
        """The same with so many states kept."""
        return replace(self, checkpoints=checkpoints)

    def forward(self, task: Task) -> tuple[np.ndarray, Walked]:
        """Saved states (paths, m, n), and what `backward` needs; SolveError where a path fails."""
        walked = task.walk(record=True, checkpoints=self.checkpoints)
        refuse_failure(task, walked)
        return walked.ys, walked

    def backward(self, task: Task, walked: Walked, ys_bar: np.ndarray) -> Cotangents:
        """Cotangents of y0 (summed over paths), p and q."""
        found = walk_grid_back(task.sde, task.method, task.grid, walked, task.p, task.q, ys_bar, seed=task.seed, t_span=task.t_span)
        return Cotangents(found.y0.sum(axis=0), found.p, found.q)


def refuse_failure(task: Task, walked: Walked) -> None:
    """SolveError where a path did not reach the end."""
    if walked.failed.any():
        path = int(np.flatnonzero(walked.failed)[0])
        at = float(task.grid.times[walked.failed[path] - 1])
        raise SolveError(f"the SDE to be differentiated failed on path {path} in the step from t = {at:.6g}; take smaller steps")


SDE_ADJOINTS: dict[str, Any] = {"auto": SdeDiscrete(), "discrete": SdeDiscrete()}
register_sde_adjoints(SDE_ADJOINTS)
