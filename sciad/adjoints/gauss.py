"""Gauss adjoint: lambda alone is solved for, p_bar is an integral along both solutions, by a rule of sufficient order."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sciad.adjoints.continuous import AlongForward, Continuous, WayBack, reverse_solve
from sciad.adjoints.line_integral import compiled_gauss, gauss_rule, order_of
from sciad.adjoints.reverse_rhs import C_WITH_P
from sciad.adjoints.trajectory import Trajectory
from sciad.errors import SolveError
from sciad.solvers.auto import Auto, choose
from sciad.solvers.bdf.ndf import Ndf
from sciad.solvers.methods import METHODS
from sciad.solvers.rhs import Rhs
from sciad.solvers.rosenbrock import Rosenbrock

__all__ = ["Gauss", "LambdaAlone", "trusted"]


def trusted(method: Any, n: int) -> bool:
    """Whether integrals along the dense output of lambda (n,) are right: explicit and Rosenbrock methods.

    After a jump, lambda runs through transients that other implicit methods step across: right at the ends of steps, while what their
    dense output says of lambda between them, and with it the integral of f_p^T lambda, may be wrong by any factor.
    """
    if isinstance(method, Auto):
        return trusted(choose(method, n, 1e-3)[1], n)
    return isinstance(method, Rosenbrock) or not method.implicit


@dataclass(frozen=True)
class Gauss(Continuous):
    """lambda' = -J^T lambda under error control, then p_bar by Gauss rules on parts of its steps: the choice for many parameters.

    The rule has an order above that of the method of the reverse solve, and parts are no longer than the steps of the forward solve.
    The dense output of implicit methods other than Rosenbrock's is not `trusted`: these carry p_bar along (see `block_solver`).
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
        n, n_p = self.rhs.n, self.rhs.n_p
        carried = n_p > 0 and not trusted(self.method, n)
        self.context.slots[C_WITH_P] = carried
        options = self.options(self.method, t_from, t_to, (n, n_p) if carried else (n,)) | {"dense_output": n_p > 0 and not carried}
        z = np.concatenate([self.z, np.zeros(n_p)]) if carried else self.z
        jumps = np.hstack([jumps, np.zeros((len(jumps), n_p))]) if carried else jumps
        back = self.context.rhs()
        solution = reverse_solve(self.adjoint.name, back, self.context, z, t_from, t_to, stops=stops, jumps=jumps, **options)
        self.z = solution.ys[-1][:n].copy()
        if carried:
            self.total += solution.ys[-1][n:]
        elif n_p:
            for piece in solution.pieces:
                self.integrate(piece.method, piece.steps.pairs, piece.steps.states)

    def reverse_method(self, forward_method: Any) -> Any:
        """As for the others, but Rodas5P in place of NDF, which starts anew with order 1 after every jump."""
        method = super().reverse_method(forward_method)
        return METHODS["Rodas5P"] if self.adjoint.method is None and isinstance(method, Ndf) else method

    @abstractmethod
    def integrate(self, method: Any, pairs: np.ndarray, rows: np.ndarray) -> None:
        """Add the integral over the steps of a reverse solve to p_bar."""


class _WayBack(LambdaAlone):
    def integrate(self, method: Any, pairs: np.ndarray, rows: np.ndarray) -> None:
        """Add the integral over the steps of a reverse solve to p_bar."""
        rule = gauss_rule(order_of(method))
        if compiled_gauss()(self.context.values, pairs, rows, method.dense, *rule, self.total) != 0:
            raise SolveError(f"gauss adjoint: the right-hand side aborted on the way back, near t = {float(pairs[0, 0])!r}")
