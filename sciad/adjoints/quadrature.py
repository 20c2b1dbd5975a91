"""Quadrature adjoint: lambda alone is solved for, p_bar is an integral along both solutions, under error control of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sciad.adjoints.continuous import Continuous, WayBack
from sciad.adjoints.gauss import LambdaAlone, trusted
from sciad.adjoints.line_integral import MOST_HALVINGS, TOO_DEEP, compiled_kronrod, kronrod_rule
from sciad.adjoints.trajectory import Trajectory
from sciad.errors import SolveError
from sciad.solvers.methods import METHODS
from sciad.solvers.rhs import Rhs

__all__ = ["Quadrature"]


@dataclass(frozen=True)
class Quadrature(Continuous):
    """lambda' = -J^T lambda under error control, then p_bar by an adaptive 7-point Gauss-Kronrod rule to the same tolerances.

    Costlier than `Gauss` by a factor of two or so, and safe where f_p^T lambda is less smooth than the solutions.
    """

    name: ClassVar[str] = "quadrature"

    def _way_back(self, rhs: Rhs, residuals: Trajectory, ys_bar: np.ndarray) -> WayBack:
        return _WayBack(self, rhs, residuals, ys_bar)


class _WayBack(LambdaAlone):
    def reverse_method(self, forward_method: Any) -> Any:
        """A method whose dense output can be trusted; ValueError where another was asked for."""
        method = super().reverse_method(forward_method)
        if trusted(method, self.rhs.n):
            return method
        if self.adjoint.method is None:
            return METHODS["Rodas5P"]
        raise ValueError(
            f"adjoint 'quadrature' cannot use {method.name} for its reverse solve: its dense output may be wrong in the fast transients of "
            "lambda; choose an explicit or a Rosenbrock method, such as Rodas5P, or adjoint='gauss'"
        )

    def integrate(self, method: Any, pairs: np.ndarray, rows: np.ndarray) -> None:
        """Add the integral over the steps of a reverse solve to p_bar."""
        nodes, kronrod, gauss = kronrod_rule()
        rtol, atol = self.tolerances(())
        code = compiled_kronrod()(
            *(self.context.values, pairs, rows, method.dense, nodes, np.array([kronrod, gauss]), rtol, atol),
            *(self.total, np.empty((3, self.rhs.n_p)), np.empty(MOST_HALVINGS + 1)),
        )
        t = float(pairs[0, 0])
        if code == TOO_DEEP:
            raise SolveError(
                f"quadrature adjoint: the integral of f_p^T lambda misses rtol = {rtol:g} between t = {t!r} and {float(pairs[-1, 0])!r}; "
                "f_p may be singular there: loosen rtol and atol, or use adjoint='discrete'"
            )
        if code != 0:
            raise SolveError(f"quadrature adjoint: the right-hand side aborted on the way back, near t = {t!r}")
