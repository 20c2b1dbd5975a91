"""One SDE solve that is to be done, possibly differentiated: what adjoints receive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sciad.solvers.sde.integrate import Walked, walk_grid
from sciad.solvers.sde.problem import Grid, Sde
from sciad.solvers.sde.program import SRK

__all__ = ["Task"]


@dataclass(frozen=True, eq=False)
class Task:
    """An SDE with flat states y0 (n,) and parameters p, q of drift and diffusion, a method, a seed, a number of paths, and a grid."""

    sde: Sde
    method: SRK
    y0: np.ndarray
    p: np.ndarray
    q: np.ndarray
    t_span: tuple[float, float]
    seed: int
    paths: int
    grid: Grid
    calculus: str
    progress: Callable[[float], None] | None = None

    def walk(self, record: bool = False, checkpoints: int | None = None) -> Walked:
        """Solve; with `record`, keep states for the way back."""
        return walk_grid(
            self.sde, self.method, self.grid, self.y0, self.p, self.q, seed=self.seed, paths=self.paths, t_span=self.t_span, record=record,
            checkpoints=checkpoints, progress=self.progress,
        )  # fmt: skip

    def with_(self, **changes) -> Task:
        """The same with other fields."""
        return replace(self, **changes)
