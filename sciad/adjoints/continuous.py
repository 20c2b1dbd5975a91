"""What the continuous adjoints share: the way forward, jumps at saved times, tolerances, the cotangents of times.

For y' = f(t, y, p) and a loss of the states at saved times t_i with cotangents y_bar_i, lambda is 0 beyond the last t_i, jumps by
y_bar_i at each (t0 included), and between them, from the end to the beginning,

    lambda' = -J^T lambda,    y0_bar = lambda(t0),    p_bar = integral of f_p^T lambda over [t0, t1]

with M^T lambda' in place of lambda' where there is a mass matrix; for jumps and y0_bar then see `impulses` (Cao, Li, Petzold,
Serban, SIAM J. Sci. Comput. 24 (2003) 1076).  Times are those of the exact flow: y'(t_i) . y_bar_i for a saved time,
-y'(t0) . y0_bar for t0; t1 carries one only where every step is saved, otherwise the saved times do.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sciad.adjoints.block_solver import Block, transposed
from sciad.adjoints.impulses import impulses
from sciad.adjoints.primal import saved_derivatives, state_derivative
from sciad.adjoints.reverse_rhs import C_MASS, C_WITH_P, Context, address
from sciad.adjoints.tangent import Tangents, directional
from sciad.adjoints.trajectory import Stretch, Trajectory, solve_forward
from sciad.errors import ShapeError, SolveError
from sciad.solvers.auto import Auto
from sciad.solvers.integrate import RawSolution, integrate
from sciad.solvers.linear import Dense, Krylov
from sciad.solvers.linear.choice import choose_linear
from sciad.solvers.methods import find_method
from sciad.solvers.rhs import Rhs
from sciad.solvers.status import Status

__all__ = ["Continuous", "WayBack", "AlongForward", "reverse_solve", "time_cotangents", "checked_bar"]

JUMP_ENTRIES = 1 << 18  # of the table of jumps in one reverse solve: with more, it is done in several


@dataclass(frozen=True)
class Continuous(ABC):
    """The options of a continuous adjoint.

    ``checkpoints``: keep at most so many states (at least 2) of the forward solve, and take its steps again, stretch by stretch.
    ``rtol``, ``atol``, ``method``: of the reverse solve; those of the forward solve where None.  `atol` is meant for cotangents of
    size 1: it is multiplied by the largest entry of ys_bar, so that the gradient of c L is c times that of L.
    """

    checkpoints: int | None = None
    rtol: Any = None
    atol: Any = None
    method: Any = None

    name: ClassVar[str]

    def forward(self, rhs: Rhs, t_span, y0, p, t_eval=None, options: dict[str, Any] | None = None) -> tuple[RawSolution, Trajectory]:
        """Solve, and keep what `backward` needs; options as for `integrate`.  SolveError if the solve fails."""
        return solve_forward(rhs, t_span, y0, p, t_eval, options, self.checkpoints)

    def backward(self, rhs: Rhs, residuals: Trajectory, ys_bar, times: bool = True):
        """(y0_bar (n,), p_bar (n_p,), t0_bar, t1_bar, t_eval_bar (m,) or None) from ys_bar (m, n), the cotangent of the saved states.

        Without `times`, the last three are 0.0, 0.0 and None.  SolveError if the reverse solve fails.
        """
        ys_bar = checked_bar(ys_bar, residuals.ys)
        y0_bar, p_bar = self._way_back(rhs, residuals, ys_bar).run()
        return y0_bar, p_bar, *(time_cotangents(rhs, residuals, ys_bar, y0_bar) if times else (0.0, 0.0, None))

    def jvp(self, rhs: Rhs, t_span, y0, p, t_eval=None, options=None, y0_dot=None, p_dot=None, t_span_dot=(0.0, 0.0), t_eval_dot=None):
        """(RawSolution, ys_dot (m, n)): the derivative in one direction, by a tangent under error control; see `Forward.jvp`."""
        return directional(Tangents(True), True, rhs, t_span, y0, p, t_eval, options, y0_dot, p_dot, t_span_dot, t_eval_dot)

    @abstractmethod
    def _way_back(self, rhs: Rhs, residuals: Trajectory, ys_bar: np.ndarray) -> WayBack:
        """One way back, not begun."""


class WayBack(ABC):
    """One way back: the context of its reverse solves, and their options."""

    with_p = False  # whether p_bar is part of what the reverse right-hand side integrates

    def __init__(self, adjoint: Continuous, rhs: Rhs, trajectory: Trajectory, ys_bar: np.ndarray) -> None:
        self.adjoint, self.rhs, self.trajectory, self.ys_bar = adjoint, rhs, trajectory, ys_bar
        self.context = Context(rhs, trajectory.p, self.with_p)
        self.mass = trajectory.options.get("mass")
        self.bars, self.impulse = ys_bar, np.zeros(rhs.n_p)  # jumps of lambda, and what the algebraic equations add to p_bar at them
        if self.mass is not None and np.all(np.isfinite(ys_bar)):
            self.mass_t = np.ascontiguousarray(self.mass.T)
            self.context.slots[C_MASS] = address(self.mass_t)
            self.bars, self.impulse = impulses(rhs, trajectory.wanted, trajectory.ys, trajectory.p, self.mass, ys_bar)
        self.scale = float(np.max(np.abs(self.bars), initial=0.0))
        if not math.isfinite(self.scale):
            raise SolveError(f"{adjoint.name} adjoint: the cotangent of the saved states is not finite; check the loss")

    @abstractmethod
    def run(self) -> tuple[np.ndarray, np.ndarray]:
        """y0_bar and p_bar."""

    def options(self, method: Any, t_from: float, t_to: float, sizes: tuple[int, ...]) -> dict[str, Any]:
        """Options of a reverse solve whose state consists of groups of these sizes, each with an error norm of its own."""
        adjoint, forward = self.adjoint, self.trajectory.options
        options = {name: forward[name] for name in ("controller", "max_step", "min_step") if name in forward}
        options["max_steps"] = max(int(forward.get("max_steps", 100_000)), 10 * self.trajectory.n_steps)
        options["method"], options["linear"] = method, self.linear(method)
        if self.mass is not None:
            n, size = self.rhs.n, sum(sizes)
            options["mass"], options["consistent"] = np.eye(size), True
            options["mass"][:n, :n] = self.mass.T
        if forward.get("fixed_step") is not None and adjoint.rtol is None and adjoint.atol is None:
            return options | {"fixed_step": min(forward["fixed_step"], abs(t_to - t_from))}
        options["rtol"], options["atol"] = self.tolerances(sizes)
        return options

    def linear(self, method: Any) -> Any:
        """The linear algebra of a reverse solve by this method: that of the forward solve, transposed."""
        method = find_method(method)
        if not (isinstance(method, Auto) or method.implicit):
            return None
        trajectory, n = self.trajectory, self.rhs.n
        given = trajectory.options.get("linear") if self.mass is None else "dense"
        if isinstance(method, Auto) or not method.complex:
            given = None if given == "gmres" or isinstance(given, Krylov) else given  # factors suit the transposed matrix as well
            inner = transposed(choose_linear(given, self.rhs, trajectory.span[0], trajectory.y0, trajectory.p))
        else:
            inner = Dense(n)
        return Block(self.context, inner) if self.context.slots[C_WITH_P] and self.rhs.n_p else inner

    def tolerances(self, sizes: tuple[int, ...]) -> tuple[Any, Any]:
        """rtol and atol of the reverse solve: one number each, or vectors that make the error norm the sum of those of the groups."""
        rtol = self.trajectory.options.get("rtol", 1e-3) if self.adjoint.rtol is None else self.adjoint.rtol
        atol = self.trajectory.options.get("atol", 1e-6) if self.adjoint.atol is None else self.adjoint.atol
        rtol, atol = float(np.min(rtol)), self.scale * float(np.min(atol))
        sizes = tuple(size for size in sizes if size)
        if len(sizes) < 2:
            return rtol, atol
        shares = np.concatenate([np.full(size, math.sqrt(size / sum(sizes))) for size in sizes])
        return np.maximum(rtol * shares, 100 * np.finfo(float).eps), atol * shares


class AlongForward(WayBack):
    """A way back that reads the forward solution, from the last saved time to t0: stretch by stretch, and in each from jump to jump.

    A subclass says what else the state z of the reverse solve holds, behind lambda, and what is done with each reverse solve.
    """

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.z = np.zeros(self.rhs.n + (self.rhs.n_p if self.with_p else 0))

    @property
    def p_bar(self) -> np.ndarray:
        """Cotangent of the parameters so far."""
        return self.z[self.rhs.n :]

    @abstractmethod
    def solve(self, t_from: float, t_to: float, stops: np.ndarray, jumps: np.ndarray) -> None:
        """Take z from t_from to t_to, with jumps at the times between."""

    def run(self) -> tuple[np.ndarray, np.ndarray]:
        """y0_bar and p_bar."""
        wanted, n = self.trajectory.wanted, self.rhs.n
        left = len(wanted)  # saved times whose cotangent has not been added yet
        if left and self.scale > 0.0:
            here = float(wanted[-1])
            for stretch in self.trajectory.stretches(self.rhs, here):
                self.context.show(stretch.method.dense, stretch.pairs, stretch.rows, stretch.first, stretch.last)
                self.method = self.reverse_method(stretch.method)
                left, here = self._through(stretch, left, here)
            if left:
                self.z[:n] += self.bars[:left].sum(axis=0)
        y0_bar = self.z[:n] if self.mass is None else self.mass.T @ self.z[:n]
        return y0_bar.copy(), self.p_bar + self.impulse

    def reverse_method(self, forward_method: Any) -> Any:
        """The method of the reverse solve along a stretch that the forward solve took with `forward_method`."""
        return find_method(self.adjoint.method or forward_method)

    def _through(self, stretch: Stretch, left: int, here: float) -> tuple[int, float]:
        """Through one stretch of the forward solution; how many saved times are left, and where z is then."""
        wanted, n, (begin, end) = self.trajectory.wanted, self.rhs.n, stretch.span
        direction, most = 1.0 if end > begin else -1.0, max(1, JUMP_ENTRIES // (n + self.rhs.n_p))
        while here != begin:
            if left and wanted[left - 1] == here:
                left -= 1
                self.z[:n] += self.bars[left]
            inside = left
            while inside and left - inside < most and direction * (wanted[inside - 1] - begin) > 0.0:
                inside -= 1
            more = inside and left - inside == most and direction * (wanted[inside - 1] - begin) > 0.0
            to = float(wanted[inside - 1]) if more else begin
            jumps = np.zeros((left - inside, len(self.z)))
            jumps[:, :n] = self.bars[inside:left][::-1]
            self.solve(here, to, wanted[inside:left][::-1], jumps)
            left, here = inside, to
        return left, here


def reverse_solve(name: str, rhs: Rhs, context: Context, z: np.ndarray, t_from: float, t_to: float, **options) -> RawSolution:
    """A reverse solve from t_from to t_to, saved at its end if not said otherwise; SolveError (or KeyboardInterrupt) where it fails."""
    options = {"t_eval": np.array([t_to])} | options
    solution = integrate(rhs, (t_from, t_to), z, context.values, **options)
    if solution.status == Status.INTERRUPTED:
        raise KeyboardInterrupt
    if not solution.success:
        raise SolveError(
            f"{name} adjoint: the reverse solve from t = {t_from!r} to {t_to!r} failed: {solution.message} "
            "Use adjoint='discrete', which follows the steps of the forward solve, or a stiff method for both solves."
        )
    return solution


def checked_bar(ys_bar, ys: np.ndarray) -> np.ndarray:
    """ys_bar as a contiguous float array; ShapeError unless it has the shape of the saved states."""
    ys_bar = np.ascontiguousarray(ys_bar, np.float64)
    if ys_bar.shape != ys.shape:
        raise ShapeError(f"ys_bar has shape {ys_bar.shape}, the saved states {ys.shape}")
    return ys_bar


def time_cotangents(rhs: Rhs, trajectory: Trajectory, ys_bar: np.ndarray, y0_bar: np.ndarray):
    """(t0_bar, t1_bar, t_eval_bar (m,) or None) of the exact flow."""
    (t0, t1), p, mass = trajectory.span, trajectory.p, trajectory.options.get("mass")
    f0 = state_derivative(rhs, t0, trajectory.y0, p, mass)
    t0_bar = -float(f0 @ y0_bar)
    if trajectory.every_step:
        t0_bar += float(f0 @ ys_bar[0])  # the first saved state is y0, whatever t0
        t1_bar = float(state_derivative(rhs, t1, trajectory.ys[-1], p, mass) @ ys_bar[-1]) if trajectory.n_steps > 0 else 0.0
        return t0_bar, t1_bar, None
    return t0_bar, 0.0, np.einsum("mi,mi->m", saved_derivatives(rhs, trajectory.wanted, trajectory.ys, p, mass), ys_bar)
