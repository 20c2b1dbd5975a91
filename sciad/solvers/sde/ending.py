"""How the paths of a solve ended, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sciad.solvers.sde import layout as s
from sciad.solvers.sde.brownian import LEAVES, tree_length
from sciad.solvers.sde.integrate_adaptive import Ragged
from sciad.solvers.sde.task import Task

__all__ = ["Ending", "SUCCESS", "mark_unreached", "solved"]

SUCCESS = "The solver successfully reached the end of the integration interval."
NOT_FINITE = (
    "the state became infinite or NaN, or drift or diffusion aborted; take smaller steps, or check that the equation has a solution "
    "up to there"
)
REASONS = {
    s.TOO_MANY_STEPS: "max_steps = {max_steps} trial steps were not enough; raise max_steps, or loosen rtol and atol",
    s.STEP_TOO_SMALL: "the step fell to its minimum, {smallest:.3g}, without meeting rtol and atol; loosen them, lower min_step, "
    "or choose a method for stiff equations",
    s.NOT_FINITE: "the state became infinite or NaN with the smallest step; check that the equation has a solution up to there",
    s.ABORTED: "drift or diffusion aborted",
}


@dataclass(frozen=True)
class Ending:
    """Steps of all paths, the numbers of the paths that failed, and a message."""

    accepted: int
    rejected: int = 0
    failed: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    message: str = SUCCESS

    @classmethod
    def of_grid(cls, task: Task, failed: np.ndarray) -> Ending:
        """From the number of the step, plus 1, that each path failed in."""
        bad = np.flatnonzero(failed)
        if not len(bad):
            return cls(task.grid.n_steps * task.paths)
        at = float(task.grid.times[failed[bad[0]] - 1])
        message = f"{_which(bad, task.paths)}in the step from t = {at:.6g}, {NOT_FINITE}"
        return cls(task.grid.n_steps * (task.paths - len(bad)) + int(failed[bad].sum() - len(bad)), 0, bad, message)

    @classmethod
    def of_paths(cls, task: Task, ragged: Ragged) -> Ending:
        """From the counts of every path."""
        accepted, rejected, codes, _ = ragged.counts.T
        bad = np.flatnonzero(codes)
        message = SUCCESS
        if len(bad):
            control = task.control
            reason = REASONS[int(codes[bad[0]])].format(max_steps=control.max_steps, smallest=_smallest(task))
            message = f"{_which(bad, task.paths)}after {accepted[bad[0]]} steps, {reason}"
        return cls(int(accepted.sum()), int(rejected.sum()), bad, message)


def solved(task: Task) -> tuple[np.ndarray, Ending]:
    """A plain solve: states (paths, m, n), NaN where a path did not get to, and how the paths ended."""
    if task.control is not None:
        ragged = task.walk_adaptively()
        end = Ending.of_paths(task, ragged)
        mark_unreached(ragged, end)
        return ragged.ys, end
    walked = task.walk()
    end = Ending.of_grid(task, walked.failed)
    for path in end.failed:
        walked.ys[path, task.grid.wanted >= walked.failed[path]] = np.nan
    return walked.ys, end


def mark_unreached(ragged: Ragged, end: Ending) -> None:
    """NaN in the saved states that failed paths did not get to."""
    for path in end.failed:
        ragged.ys[path, ragged.reached(path) :] = np.nan


def _smallest(task: Task) -> float:
    """The smallest step, up to rounding of t."""
    return max(task.control.min_step, 8 * tree_length(*task.t_span) / LEAVES)


def _which(bad: np.ndarray, paths: int) -> str:
    return f"{len(bad)} of {paths} paths failed, the first is number {bad[0]}: " if paths > 1 else ""
