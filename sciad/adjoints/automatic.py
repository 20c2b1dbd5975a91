"""The adjoint "auto": discrete where every step of the solve was explicit, else Gauss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sciad.adjoints.discrete import Discrete, Residuals, residuals_of
from sciad.adjoints.gauss import Gauss
from sciad.adjoints.trajectory import Trajectory, solve_forward
from sciad.solvers.auto import Auto
from sciad.solvers.integrate import RawSolution
from sciad.solvers.methods import find_method
from sciad.solvers.rhs import Rhs

__all__ = ["Automatic"]


@dataclass(frozen=True)
class Automatic:
    """Chooses by the method of the solve, and for method "auto" by what it met: see `which`.

    Explicit steps: `Discrete`, which needs no reverse solve and is exact for what was computed.  Implicit steps, even a few: `Gauss`,
    piece by piece with a reverse solve of the same kind.
    """

    discrete: Discrete = Discrete()
    gauss: Gauss = Gauss()

    def forward(self, rhs: Rhs, t_span, y0, p, t_eval=None, options: dict[str, Any] | None = None):
        """Solve, and keep what `backward` needs; options as for `integrate`.  SolveError if the solve fails."""
        method = find_method((options or {}).get("method", "Tsit5"))
        if not isinstance(method, Auto):
            return (self.gauss if method.implicit else self.discrete).forward(rhs, t_span, y0, p, t_eval, options)
        solution, trajectory = solve_forward(rhs, t_span, y0, p, t_eval, options, None)
        if any(piece.method.implicit for piece in solution.pieces) or solution.steps is None:
            return solution, trajectory
        return solution, residuals_of(solution, y0, p, t_eval is None)

    def backward(self, rhs: Rhs, residuals: Residuals | Trajectory, ys_bar, times: bool = True):
        """As the adjoint that was chosen has it."""
        return self._chosen(residuals).backward(rhs, residuals, ys_bar, times)

    def jvp(self, rhs: Rhs, t_span, y0, p, t_eval=None, options=None, *directions) -> tuple[RawSolution, Any]:
        """As `Discrete.jvp` for an explicit method, otherwise as `Forward.jvp`."""
        method = find_method((options or {}).get("method", "Tsit5"))
        explicit = not isinstance(method, Auto) and not method.implicit
        return (self.discrete if explicit else self.gauss).jvp(rhs, t_span, y0, p, t_eval, options, *directions)

    def which(self, residuals: Residuals | Trajectory) -> str:
        """The name of the adjoint that was chosen, and why."""
        if isinstance(residuals, Residuals):
            return f"discrete: every step was one of {residuals.method.name}, which is explicit"
        names = dict.fromkeys(piece.method.name for piece in residuals.pieces)
        return f"gauss: the steps were those of {', '.join(names)}"

    def _chosen(self, residuals: Residuals | Trajectory) -> Discrete | Gauss:
        return self.discrete if isinstance(residuals, Residuals) else self.gauss
