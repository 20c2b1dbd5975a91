"""The adjoint "auto": discrete where the transposed steps of the method are known, else Gauss, or forward sensitivities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from sciad.adjoints.amplification import amplifies
from sciad.adjoints.bounded import available_memory
from sciad.adjoints.discrete import Discrete, Residuals
from sciad.adjoints.forward import Forward, Sensitivities
from sciad.adjoints.gauss import Gauss
from sciad.adjoints.stiff import PiecewiseResiduals, has_transpose
from sciad.adjoints.trajectory import Trajectory, solve_forward
from sciad.errors import SciadError
from sciad.solvers.auto import Auto, choose
from sciad.solvers.integrate import RawSolution
from sciad.solvers.methods import METHODS, find_method
from sciad.solvers.rhs import Rhs
from sciad.solvers.rosenbrock import Rosenbrock

__all__ = ["Automatic"]

SMALL, MOST = 10, 100.0  # unknowns from which explicit steps are examined, and the growth of a stiff mode over steps in a row
FEW = 50  # states and parameters up to which forward sensitivities cost no more than a reverse solve
NO_SECOND = "a right-hand side without the second derivatives that transposed Rosenbrock steps need"


@dataclass(frozen=True)
class Automatic:
    """Chooses by the method of the solve, and for method "auto" by what it met: see `which`, and `adjoint_report` of results.

    1. Steps whose transpose is known, of all methods here: `Discrete`, which needs no reverse solve and is exact for what was computed,
       whatever the number of states and parameters.  Not so where explicit steps let stiff modes grow that the flow damps (see
       `amplifies`): method "auto" then takes its stiff method alone, explicit ones of 10 unknowns and more `Gauss`.
    2. Rosenbrock steps where f has no second derivatives to offer (it runs in Python), and implicit methods from elsewhere: `Gauss`, piece
       by piece with a reverse solve of the same kind.
    3. As 2, with a mass matrix: `Forward` for up to `FEW` states and parameters, else `Gauss`.

    ``memory``: bytes that the steps of 1 may take before they are begun anew with checkpoints (`bounded_forward`); None: a quarter of what
    was free at the first solve.
    """

    discrete: Discrete = Discrete()
    gauss: Gauss = Gauss()
    memory: int | None = None

    def forward(self, rhs: Rhs, t_span, y0, p, t_eval=None, options: dict[str, Any] | None = None):
        """Solve, and keep what `backward` needs; options as for `integrate`.  SolveError if the solve fails."""
        method = find_method((options or {}).get("method", "Tsit5"))
        stiff = choose(method, rhs.n, (options or {}).get("rtol", 1e-3))[1] if isinstance(method, Auto) else method
        if (options or {}).get("mass") is not None:
            taken = METHODS["Rodas5P"] if isinstance(method, Auto) else method
            known = has_transpose(taken, mass=True) and _transposable(rhs, taken)
            chosen = self._bounded() if known else Forward() if rhs.n + rhs.n_p <= FEW else self.gauss
            return chosen.forward(rhs, t_span, y0, p, t_eval, options)
        if not stiff.implicit or has_transpose(stiff):
            solved = self._bounded().forward(rhs, t_span, y0, p, t_eval, options)
            if isinstance(solved[1], Residuals) and not self.trusts(rhs, [solved[1]], p, False):
                return self.gauss.forward(rhs, t_span, y0, p, t_eval, options)
            if isinstance(solved[1], Residuals) or all(_transposable(rhs, piece.method) for piece in solved[1].pieces):
                return solved
            return self.gauss.forward(rhs, t_span, y0, p, t_eval, options)
        if not isinstance(method, Auto):
            return self.gauss.forward(rhs, t_span, y0, p, t_eval, options)
        solution, trajectory = solve_forward(rhs, t_span, y0, p, t_eval, options, None)
        if any(piece.method.implicit for piece in solution.pieces) or solution.steps is None:
            return solution, trajectory
        wanted, copies = None if t_eval is None else solution.t, (np.array(y0, np.float64), np.array(p, np.float64))
        return solution, Residuals(solution.pieces[0].method, solution.steps, wanted, solution.ys, *copies)

    def planned(self, rhs: Rhs, method: Any) -> str | None:
        """As `Discrete.planned`, where that is what is chosen."""
        return self.discrete.planned(rhs, method) if self.memory is None and _transposable(rhs, method) else None

    def trusts(self, rhs: Rhs, pieces: Sequence[Any], p, switching: bool) -> bool:
        """As `Discrete.trusts`; of explicit methods that were asked for, too, unless the system is small."""
        if switching or rhs.n < SMALL:
            return self.discrete.trusts(rhs, pieces, p, switching)
        return not amplifies(rhs, pieces, p, MOST)

    def residuals(self, *given: Any) -> Residuals | PiecewiseResiduals:
        """As `Discrete.residuals`."""
        return self.discrete.residuals(*given)

    def backward(self, rhs: Rhs, residuals: Residuals | Trajectory, ys_bar, times: bool = True):
        """As the adjoint that was chosen has it."""
        return self._chosen(residuals).backward(rhs, residuals, ys_bar, times)

    def jvp(self, rhs: Rhs, t_span, y0, p, t_eval=None, options=None, *directions) -> tuple[RawSolution, Any]:
        """As `Discrete.jvp`."""
        return self.discrete.jvp(rhs, t_span, y0, p, t_eval, options, *directions)

    def curvature(self, rhs: Rhs, *problem):
        """What second derivatives need, see `sciad.adjoints.replay`."""
        return self.discrete.curvature(rhs, *problem)

    def which(self, residuals: Residuals | PiecewiseResiduals | Trajectory | Sensitivities) -> str:
        """The name of the adjoint that was chosen, and why."""
        if isinstance(residuals, Residuals):
            return f"discrete: every step was one of {residuals.method.name}, whose transpose is known{_kept(residuals)}"
        if isinstance(residuals, Sensitivities):
            return f"forward: a mass matrix, and {NO_SECOND}, or steps whose transposes are not known with one"
        names = ", ".join(dict.fromkeys(piece.method.name for piece in residuals.pieces))
        if isinstance(residuals, PiecewiseResiduals):
            return f"discrete: the steps were those of {names}, whose transposes are known{_kept(residuals)}"
        if all(not piece.method.implicit for piece in residuals.pieces):
            return f"gauss: steps of {names} beyond its boundary of stability let stiff modes grow, and cotangents hold such modes"
        return f"gauss: the steps were those of {names}, and their transposes are not all known"

    def foresee(self, rhs: Rhs, methods: Sequence[Any], mass: bool) -> tuple[str, str]:
        """The adjoint that would be chosen after steps of these methods, with or without a mass matrix, and why."""
        names = ", ".join(dict.fromkeys(method.name for method in methods))
        if all(not method.implicit or (has_transpose(method, mass) and _transposable(rhs, method)) for method in methods):
            return "discrete", f"the transposed steps of {names} are known"
        if mass and rhs.n + rhs.n_p <= FEW:
            return "forward", f"a mass matrix, and {NO_SECOND}, or steps whose transposes are not known with one"
        return "gauss", f"the steps were those of {names}, and their transposes are not all known"

    def _bounded(self) -> Discrete:
        return within(self.discrete, available_memory() // 4 if self.memory is None else self.memory)

    def _chosen(self, residuals: Residuals | PiecewiseResiduals | Trajectory | Sensitivities) -> Discrete | Gauss | Forward:
        if isinstance(residuals, Sensitivities):
            return Forward()
        return self.gauss if isinstance(residuals, Trajectory) else self.discrete


def _kept(residuals: Residuals | PiecewiseResiduals) -> str:
    count = residuals.checkpoints
    return "" if count is None else f"; they asked for more memory than the bound, so at most {count} states are kept and steps taken again"


@cache
def within(discrete: Discrete, memory: int) -> Discrete:
    """The same adjoint with a bound of memory, unless it has checkpoints or a bound of its own."""
    return discrete if discrete.checkpoints is not None or discrete.memory is not None else replace(discrete, memory=memory)


def _transposable(rhs: Rhs, method: Any) -> bool:
    """Whether the right-hand side offers what the transposed steps need: Rosenbrock's contain second derivatives."""
    if not isinstance(method, Rosenbrock):
        return True
    try:
        return rhs.jvp_rev() != 0
    except SciadError:
        return False
