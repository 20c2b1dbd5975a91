"""Interpolating adjoint: lambda and p_bar as one reverse solve along the dense output of the forward one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sciad.adjoints.continuous import AlongForward, Continuous, WayBack, reverse_solve
from sciad.adjoints.trajectory import Trajectory
from sciad.solvers.rhs import Rhs

__all__ = ["Interpolating"]


@dataclass(frozen=True)
class Interpolating(Continuous):
    """z' = (-J^T lambda, -f_p^T lambda) from the end to the beginning, both parts under error control, each with a norm of its own.

    With n states and n_p parameters the reverse solve has n + n_p states: for many parameters, prefer `Gauss`.  Implicit methods factor
    n x n matrices all the same, see `block_solver`.
    """

    name: ClassVar[str] = "interpolating"

    def _way_back(self, rhs: Rhs, residuals: Trajectory, ys_bar: np.ndarray) -> WayBack:
        return _WayBack(self, rhs, residuals, ys_bar)


class _WayBack(AlongForward):
    with_p = True

    def solve(self, t_from: float, t_to: float, stops: np.ndarray, jumps: np.ndarray) -> None:
        """Take z from t_from to t_to, with jumps at the times between."""
        rhs = self.context.rhs()
        options = self.options(self.method, t_from, t_to, (self.rhs.n, self.rhs.n_p))
        self.z = reverse_solve(self.adjoint.name, rhs, self.context, self.z, t_from, t_to, stops=stops, jumps=jumps, **options).ys[-1]
