"""Gauss adjoint: lambda alone is solved for, p_bar is an integral along both solutions, by a rule of sufficient order."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sciad.adjoints.continuous import AlongForward, Continuous, WayBack, reverse_solve
from sciad.adjoints.line_integral import compiled_gauss, gauss_rule, order_of
from sciad.adjoints.trajectory import Trajectory
from sciad.errors import SolveError
from sciad.solvers.rhs import Rhs
from sciad.solvers.setup import find_method

__all__ = ["Gauss", "LambdaAlone"]


@dataclass(frozen=True)
class Gauss(Continuous):
    """lambda' = -J^T lambda under error control, then p_bar by Gauss rules on parts of its steps: the choice for many parameters.

    The rule has an order above that of the method of the reverse solve, and parts are no longer than the steps of the forward solve.
    """

    name: ClassVar[str] = "gauss"

    def _way_back(self, rhs: Rhs, residuals: Trajectory, ys_bar: np.ndarray) -> WayBack:
        return _WayBack(self, rhs, residuals, ys_bar)


class LambdaAlone(AlongForward):
    """Reverse solves of lambda; a subclass integrates f_p^T lambda along each."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.total = np.zeros(self.rhs.n_p)
        self.method = find_method(self.adjoint.method or self.trajectory.method)

    @property
    def p_bar(self) -> np.ndarray:
        """Cotangent of the parameters so far."""
        return self.total

    def solve(self, t_from: float, t_to: float, stops: np.ndarray, jumps: np.ndarray) -> None:
        """Take lambda from t_from to t_to, with jumps at the times between, and add to p_bar."""
        options = self.options(t_from, t_to, (self.rhs.n,)) | {"dense_output": self.rhs.n_p > 0}
        back = self.context.rhs()
        solution = reverse_solve(self.adjoint.name, back, self.context, self.z, t_from, t_to, stops=stops, jumps=jumps, **options)
        self.z = solution.ys[-1]
        if self.rhs.n_p:
            self.integrate(solution.steps.pairs, solution.steps.states)

    @abstractmethod
    def integrate(self, pairs: np.ndarray, rows: np.ndarray) -> None:
        """Add the integral over the steps of a reverse solve to p_bar."""


class _WayBack(LambdaAlone):
    def integrate(self, pairs: np.ndarray, rows: np.ndarray) -> None:
        """Add the integral over the steps of a reverse solve to p_bar."""
        rule = gauss_rule(order_of(self.method))
        if compiled_gauss()(self.context.values, pairs, rows, self.method.dense, *rule, self.total) != 0:
            raise SolveError(f"gauss adjoint: the right-hand side aborted on the way back, near t = {float(pairs[0, 0])!r}")
