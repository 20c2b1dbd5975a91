"""Discrete adjoint: the exact derivative of the steps that a solve took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad.adjoints.amplification import amplifies
from sciad.adjoints.bounded import bounded_forward
from sciad.adjoints.direct import curvature
from sciad.adjoints.primal import forward_solve
from sciad.adjoints.stiff import PiecewiseResiduals, has_transpose, reverse_pieces, solve_pieces
from sciad.adjoints.tangent import RECORDS, Tangents, directional
from sciad.adjoints.way_back import Residuals, Sweep
from sciad.errors import ShapeError
from sciad.solvers.auto import Auto
from sciad.solvers.explicit import ERK
from sciad.solvers.integrate import RawSolution
from sciad.solvers.methods import find_method
from sciad.solvers.pieces import Piece
from sciad.solvers.rhs import Rhs

__all__ = ["Discrete", "Residuals"]

TAPE_BYTES = 64 * 1024  # a step whose tapes are larger than this is taken again on the way back


@dataclass(frozen=True)
class Discrete:
    """The derivative of what was computed: step sizes frozen, everything else exact to rounding, dense output included.

    ``store``: "tapes" keeps what the reverse of the right-hand side needs of every stage, "states" keeps the state of every step
    and takes each step again on the way back; "auto" is "tapes" unless they are large.  ``checkpoints``: keep at most so many
    states (at least 2) and take stretches of steps again, with binomial checkpointing inside them.  ``memory``: bytes that states and
    tapes may take; a solve with t_eval whose steps ask for more is begun anew with checkpoints (`bounded_forward`).

    Times: steps are frozen, so a saved time has the time derivative of the dense output there, or f where it falls on the end
    of a step or on t0; t0 and t1 have those of the exact flow, -f(t0, y0) . y0_bar, and f(t1, y1) . y1_bar if every step is saved
    (with t_eval, t1 has none: the saved times carry it).
    """

    store: str = "auto"
    checkpoints: int | None = None
    memory: int | None = None

    def forward(self, rhs: Rhs, t_span, y0, p, t_eval=None, options: dict[str, Any] | None = None) -> tuple[RawSolution, Residuals]:
        """Solve, and keep what `backward` needs; options as for `integrate`.  SolveError if the solve fails."""
        if self.memory is not None:
            return bounded_forward(self, rhs, t_span, y0, p, t_eval, options, self.memory)
        return self.unbounded(rhs, t_span, y0, p, t_eval, options)

    def unbounded(self, rhs: Rhs, t_span, y0, p, t_eval=None, options: dict[str, Any] | None = None) -> tuple[RawSolution, Residuals]:
        """`forward` without a look at `memory`."""
        options = dict(options or {})
        method = find_method(options.pop("method", "Tsit5"))
        if self.checkpoints is not None:
            if t_eval is None:
                raise ValueError("checkpoints need t_eval: without it every state is kept anyway")
            options |= {"store": "states", "max_states": self.checkpoints}
        if not isinstance(method, ERK):
            return solve_pieces(rhs, t_span, y0, p, method, t_eval, options)
        if self.checkpoints is None:
            options["store"] = self.store_of(rhs, method)
        solution = forward_solve(rhs, t_span, y0, p, method, t_eval, options)
        wanted = None if t_eval is None else solution.t
        y0, p = np.array(y0, np.float64), np.array(p, np.float64)
        return solution, Residuals(method, solution.steps, wanted, solution.ys, y0, p, self.checkpoints)

    def planned(self, rhs: Rhs, method: Any) -> str | None:
        """What solves by a method must record to be planned ahead (see `sciad.solvers.plan`); None: these cannot be."""
        if self.checkpoints is not None or self.memory is not None or (method.implicit and not has_transpose(method)):
            return None
        return "states" if method.implicit else self.store_of(rhs, method)

    def trusts(self, rhs: Rhs, pieces: tuple[Piece, ...], p, switching: bool) -> bool:
        """Whether the steps of a planned solve, by a method that may switch, may be transposed as they are."""
        return not switching or not amplifies(rhs, pieces, p)

    def residuals(self, pieces: tuple[Piece, ...], t, every_step: bool, ys, y0, p) -> Residuals | PiecewiseResiduals:
        """What `backward` needs of a solve that was planned; the arrays belong to it."""
        if len(pieces) == 1 and isinstance(pieces[0].method, ERK):
            return Residuals(pieces[0].method, pieces[0].steps, None if every_step else t, ys, y0, p)
        return PiecewiseResiduals(pieces, t, every_step, ys, y0, p, None)

    def backward(self, rhs: Rhs, residuals: Residuals, ys_bar, times: bool = True):
        """(y0_bar (n,), p_bar (n_p,), t0_bar, t1_bar, t_eval_bar (m,) or None) from ys_bar (m, n), the cotangent of the saved states.

        Without `times`, the last three are 0.0, 0.0 and None.  SolveError if the right-hand side aborts.
        """
        ys_bar = np.ascontiguousarray(ys_bar, np.float64)
        if ys_bar.shape != residuals.ys.shape:
            raise ShapeError(f"ys_bar has shape {ys_bar.shape}, the saved states {residuals.ys.shape}")
        if isinstance(residuals, PiecewiseResiduals):
            return reverse_pieces(rhs, residuals, ys_bar, times)
        return Sweep(rhs, residuals, ys_bar, times).run()

    def jvp(self, rhs: Rhs, t_span, y0, p, t_eval=None, options=None, y0_dot=None, p_dot=None, t_span_dot=(0.0, 0.0), t_eval_dot=None):
        """(RawSolution, ys_dot (m, n)): the solve and its derivative in the direction y0_dot (n,), p_dot (n_p,) and the times.

        None stands for zero.  Of explicit methods it is that of the steps that were taken, otherwise that of the exact flow, with the
        tangents under error control.  Times as in the description of the class; t_span_dot[1] matters only where every step is saved.
        """
        options = dict(options or {})
        method = find_method(options.get("method", "Tsit5"))
        if isinstance(method, Auto):  # the tangent must take the steps of the plain solve: find out by which method they are
            inner = {name: value for name, value in options.items() if name not in ("method", *RECORDS)}
            pieces = forward_solve(rhs, t_span, y0, p, method, t_eval, inner, with_mass=True).pieces
            method = next((piece.method for piece in pieces if piece.method.implicit), pieces[0].method)
        options["method"] = method
        tangents = Tangents(error_control=method.implicit)
        return directional(tangents, method.implicit, rhs, t_span, y0, p, t_eval, options, y0_dot, p_dot, t_span_dot, t_eval_dot)

    def curvature(self, rhs: Rhs, *problem):
        """What second derivatives need, see `sciad.adjoints.replay`."""
        return curvature(rhs, *problem)

    def store_of(self, rhs: Rhs, method: ERK) -> str:
        """What is kept of every step of an explicit method: "tapes" or "states"."""
        if self.store not in ("auto", "tapes", "states"):
            raise ValueError(f"store must be 'auto', 'tapes' or 'states', not {self.store!r}")
        if self.store != "auto":
            return self.store
        entries = len(method.dense) * (2 * rhs.n + rhs.tape_size)
        return "tapes" if 8 * entries <= TAPE_BYTES else "states"
