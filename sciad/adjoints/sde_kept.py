"""What the way forward of an SDE keeps for the way back, and the refusal to differentiate what failed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sciad.adjoints.sde_tangent import walk_tangent
from sciad.errors import SolveError
from sciad.solvers.sde.ending import Ending
from sciad.solvers.sde.integrate import Walked
from sciad.solvers.sde.integrate_adaptive import Ragged
from sciad.solvers.sde.task import Task

__all__ = ["Kept", "Pushed", "adaptive_steps", "grid_states", "refuse_failure"]


@dataclass(frozen=True)
class Kept:
    """States on a grid, or the steps that paths took."""

    walked: Walked | None = None
    ragged: Ragged | None = None


class Pushed:
    """Forward mode, the same for every adjoint: the tangent of the steps that were taken."""

    for_sde = True

    def push(self, task: Task, kept: Kept, y_dot: np.ndarray, p_dot: np.ndarray, q_dot: np.ndarray) -> np.ndarray:
        """Tangents of the saved states, (paths, m, n)."""
        if kept.ragged is None:
            return walk_tangent(task, y_dot, p_dot, q_dot)
        return np.concatenate([walk_tangent(task.path(kept.ragged, k), y_dot, p_dot, q_dot) for k in range(task.paths)])


def adaptive_steps(task: Task) -> Ragged:
    """The steps of an adaptive solve; SolveError where a path fails."""
    ragged = task.walk_adaptively(record=True)
    refuse_failure(Ending.of_paths(task, ragged))
    return ragged


def grid_states(task: Task, record: bool = False, checkpoints: int | None = None, end: bool = False) -> Walked:
    """The states of a solve over a grid; SolveError where a path fails."""
    walked = task.walk(record=record, checkpoints=checkpoints, end=end)
    refuse_failure(Ending.of_grid(task, walked.failed))
    return walked


def refuse_failure(end: Ending) -> None:
    """SolveError where a path did not reach the end."""
    if len(end.failed):
        raise SolveError(f"the SDE to be differentiated failed: {end.message}")
