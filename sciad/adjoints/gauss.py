"""Gauss adjoint: lambda alone is solved for, p_bar is an integral along both solutions, by a rule of sufficient order."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sciad.adjoints.continuous import AlongForward, Continuous, WayBack, reverse_solve
from sciad.adjoints.line_integral import compiled_gauss, gauss_rule, order_of
from sciad.adjoints.trajectory import Trajectory
from sciad.errors import SolveError
from sciad.solvers.auto import Auto
from sciad.solvers.methods import METHODS
from sciad.solvers.rhs import Rhs
from sciad.solvers.rosenbrock import Rosenbrock

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

    @property
    def p_bar(self) -> np.ndarray:
        """Cotangent of the parameters so far."""
        return self.total

    def solve(self, t_from: float, t_to: float, stops: np.ndarray, jumps: np.ndarray) -> None:
        """Take lambda from t_from to t_to, with jumps at the times between, and add to p_bar."""
        options = self.options(self.method, t_from, t_to, (self.rhs.n,)) | {"dense_output": self.rhs.n_p > 0}
        back = self.context.rhs()
        solution = reverse_solve(self.adjoint.name, back, self.context, self.z, t_from, t_to, stops=stops, jumps=jumps, **options)
        self.z = solution.ys[-1]
        if self.rhs.n_p:
            for piece in solution.pieces:
                self.integrate(piece.method, piece.steps.pairs, piece.steps.states)

    def reverse_method(self, forward_method: Any) -> Any:
        """As for the others, but of implicit methods only those of Rosenbrock.

        After a jump, lambda runs through transients that the other ones step across: right at the ends of steps, while what their
        dense output says of lambda between them, and with it the integral of f_p^T lambda, may be wrong by any factor.
        """
        method = super().reverse_method(forward_method)
        if isinstance(method, Auto):
            return Auto(method.explicit, METHODS["Rodas5P"])
        if not method.implicit or isinstance(method, Rosenbrock):
            return method
        if self.adjoint.method is None:
            return METHODS["Rodas5P"]
        raise ValueError(
            f"adjoint {self.adjoint.name!r} cannot use {method.name} for its reverse solve: its dense output may be wrong in the fast "
            "transients of lambda; choose an explicit or a Rosenbrock method, such as Rodas5P, or adjoint='interpolating'"
        )

    @abstractmethod
    def integrate(self, method: Any, pairs: np.ndarray, rows: np.ndarray) -> None:
        """Add the integral over the steps of a reverse solve to p_bar."""


class _WayBack(LambdaAlone):
    def integrate(self, method: Any, pairs: np.ndarray, rows: np.ndarray) -> None:
        """Add the integral over the steps of a reverse solve to p_bar."""
        rule = gauss_rule(order_of(method))
        if compiled_gauss()(self.context.values, pairs, rows, method.dense, *rule, self.total) != 0:
            raise SolveError(f"gauss adjoint: the right-hand side aborted on the way back, near t = {float(pairs[0, 0])!r}")
