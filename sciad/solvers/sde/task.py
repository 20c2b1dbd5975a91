"""One SDE solve that is to be done, possibly differentiated: what adjoints receive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sciad.solvers.sde.integrate import Walked, walk_grid
from sciad.solvers.sde.integrate_adaptive import Control, Ragged, walk_adaptively
from sciad.solvers.sde.problem import Grid, Sde
from sciad.solvers.sde.program import SRK

__all__ = ["Task"]


@dataclass(frozen=True, eq=False)
class Task:
    """An SDE with flat states y0 (n,) and parameters p, q of drift and diffusion, a method, a seed, and paths from `first_path` on.

    Fixed steps have a `grid`; adaptive ones a `control` and saved times `t_eval` instead.
    """

    sde: Sde
    method: SRK
    y0: np.ndarray
    p: np.ndarray
    q: np.ndarray
    t_span: tuple[float, float]
    seed: int
    paths: int
    calculus: str
    grid: Grid | None = None
    control: Control | None = None
    t_eval: np.ndarray | None = None
    first_path: int = 0
    progress: Callable[[float], None] | None = None

    def walk(self, record: bool = False, checkpoints: int | None = None, end: bool = False) -> Walked:
        """Solve over the grid; with `record`, keep states for the way back, with `end`, those at the end."""
        return walk_grid(
            self.sde, self.method, self.grid, self.y0, self.p, self.q, seed=self.seed, paths=self.paths, t_span=self.t_span,
            first_path=self.first_path, record=record, end=end, checkpoints=checkpoints, progress=self.progress,
        )  # fmt: skip

    def walk_adaptively(self, record: bool = False) -> Ragged:
        """Solve with steps of its own for every path; with `record`, keep their times."""
        return walk_adaptively(
            self.sde, self.method, self.control, self.y0, self.p, self.q, self.t_eval, seed=self.seed, paths=self.paths, t_span=self.t_span,
            first_path=self.first_path, record=record, progress=self.progress,
        )  # fmt: skip

    def path(self, ragged: Ragged, path: int) -> Task:
        """One path of an adaptive solve as a task of its own, over the grid of the steps that were taken."""
        return self.with_(grid=ragged.grid(path), control=None, first_path=self.first_path + path, paths=1, progress=None)

    def with_(self, **changes: Any) -> Task:
        """The same with other fields."""
        return replace(self, **changes)
