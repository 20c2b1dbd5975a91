"""Adjoints of SDE solves by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sciad.adjoints.sde_discrete import Cotangents, walk_grid_back
from sciad.adjoints.sde_ragged import walk_paths_back
from sciad.errors import SolveError
from sciad.solvers.sde.ending import Ending
from sciad.solvers.sde.integrate import Walked
from sciad.solvers.sde.integrate_adaptive import Ragged
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

    def forward(self, task: Task) -> tuple[np.ndarray, Kept]:
        """Saved states (paths, m, n), and what `backward` needs; SolveError where a path fails."""
        if task.control is not None:
            ragged = adaptive_steps(task)
            return ragged.ys, Kept(ragged=ragged)
        walked = task.walk(record=True, checkpoints=self.checkpoints)
        refuse_failure(Ending.of_grid(task, walked.failed))
        return walked.ys, Kept(walked)

    def backward(self, task: Task, kept: Kept, ys_bar: np.ndarray) -> Cotangents:
        """Cotangents of y0 (summed over paths), p and q."""
        if kept.ragged is not None:
            found = walk_paths_back(task, kept.ragged, ys_bar)
        else:
            found = walk_grid_back(
                task.sde, task.method, task.grid, kept.walked, task.p, task.q, ys_bar, seed=task.seed, t_span=task.t_span,
                first_path=task.first_path,
            )  # fmt: skip
        return Cotangents(found.y0.sum(axis=0), found.p, found.q)


@dataclass(frozen=True)
class Kept:
    """States on a grid, or the steps that paths took."""

    walked: Walked | None = None
    ragged: Ragged | None = None


def adaptive_steps(task: Task) -> Ragged:
    """The steps of an adaptive solve; SolveError where a path fails."""
    ragged = task.walk_adaptively(record=True)
    refuse_failure(Ending.of_paths(task, ragged))
    return ragged


def refuse_failure(end: Ending) -> None:
    """SolveError where a path did not reach the end."""
    if len(end.failed):
        raise SolveError(f"the SDE to be differentiated failed: {end.message}")


SDE_ADJOINTS: dict[str, Any] = {"auto": SdeDiscrete(), "discrete": SdeDiscrete()}
register_sde_adjoints(SDE_ADJOINTS)
