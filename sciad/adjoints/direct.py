"""Direct differentiation: the compiled engine applied to our own steps, the fallback and the judge of the other adjoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad.adjoints.amplification import steady_solve
from sciad.adjoints.continuous import checked_bar
from sciad.adjoints.direct_forms import compiled_field
from sciad.adjoints.primal import saved_derivatives, state_derivative
from sciad.adjoints.replay import Problem, Replay, refuse_unknown
from sciad.adjoints.stiff import before_consistent, has_transpose
from sciad.errors import SolveError
from sciad.solvers.bdf.ndf import Ndf
from sciad.solvers.consistent import consistent_start
from sciad.solvers.integrate import RawSolution
from sciad.solvers.methods import find_method
from sciad.solvers.rhs import Rhs

__all__ = ["Direct", "Taken", "curvature", "problem_of", "refuse_algebraic"]


@dataclass(frozen=True)
class Taken:
    """A solve with all its stages, and what its derivative needs besides."""

    solution: RawSolution
    problem: Problem
    t0: float
    y0: np.ndarray
    every_step: bool


@dataclass(frozen=True)
class Direct:
    """The derivative of the steps taken, by differentiating their source (`direct_source`), sizes frozen, right-hand side included.

    Times have the derivatives that `Discrete` has: those of dense output inside a step (NDF: of the exact flow), of the exact flow at its
    ends, at t0 and at t1.  Takes every method here, and compiled right-hand sides; others raise SolveError.
    """

    def forward(self, rhs: Rhs, t_span, y0, p, t_eval=None, options: dict[str, Any] | None = None) -> tuple[RawSolution, Taken]:
        """Solve, and keep what `backward` needs; options as for `integrate`.  SolveError if the solve fails."""
        taken = take(rhs, t_span, y0, p, t_eval, options)
        return taken.solution, taken

    def backward(self, rhs: Rhs, residuals: Taken, ys_bar, times: bool = True):
        """(y0_bar (n,), p_bar (n_p,), t0_bar, t1_bar, t_eval_bar (m,) or None) from ys_bar (m, n), the cotangent of the saved states.

        Without `times`, the last three are 0.0, 0.0 and None.
        """
        taken, ys_bar = residuals, checked_bar(ys_bar, residuals.solution.ys)
        problem, mass = taken.problem, taken.problem.mass
        y_bar, p_bar = Replay(rhs, problem, order=1).cotangents(ys_bar)
        if mass is not None:
            y_bar = before_consistent(rhs, taken.t0, taken.y0, problem.p, mass, y_bar, p_bar)
        if not times:
            return y_bar, p_bar, 0.0, 0.0, None
        f0 = state_derivative(rhs, taken.t0, taken.y0, problem.p, mass)
        t0_bar = -float(f0 @ y_bar)
        if not taken.every_step:
            return y_bar, p_bar, t0_bar, 0.0, np.einsum("mi,mi->m", slopes(rhs, taken), ys_bar)
        t0_bar += float(f0 @ ys_bar[0])  # the first saved state is y0, whatever t0
        if len(ys_bar) == 1:
            return y_bar, p_bar, t0_bar, 0.0, None
        f1 = state_derivative(rhs, float(problem.wanted[-1]), taken.solution.ys[-1], problem.p, mass)
        return y_bar, p_bar, t0_bar, float(f1 @ ys_bar[-1]), None

    def jvp(self, rhs: Rhs, t_span, y0, p, t_eval=None, options=None, y0_dot=None, p_dot=None, t_span_dot=(0.0, 0.0), t_eval_dot=None):
        """(RawSolution, ys_dot (m, n)): the solve and its derivative in the direction y0_dot (n,), p_dot (n_p,) and the times.

        None stands for zero.  Times as in `backward`.
        """
        taken = take(rhs, t_span, y0, p, t_eval, options)
        problem, mass = taken.problem, taken.problem.mass
        y0_dot = np.zeros(rhs.n) if y0_dot is None else np.array(y0_dot, np.float64)
        p_dot = np.zeros(rhs.n_p) if p_dot is None else np.ascontiguousarray(p_dot, np.float64)
        f0 = state_derivative(rhs, taken.t0, taken.y0, problem.p, mass) * t_span_dot[0] if t_span_dot[0] else np.zeros(rhs.n)
        start = y0_dot - f0
        if mass is not None:
            start = after_consistent(rhs, taken, start, p_dot)
        ys_dot = Replay(rhs, problem, order=1).tangents(start, p_dot)
        if taken.every_step:
            ys_dot[0] += f0
            if t_span_dot[1] and len(ys_dot) > 1:
                t1 = float(problem.wanted[-1])
                ys_dot[-1] += state_derivative(rhs, t1, taken.solution.ys[-1], problem.p, mass) * t_span_dot[1]
        elif t_eval_dot is not None:
            ys_dot += slopes(rhs, taken) * np.asarray(t_eval_dot, np.float64)[:, None]
        return taken.solution, ys_dot

    def curvature(self, rhs: Rhs, *problem):
        """What second derivatives need, see `sciad.adjoints.replay`."""
        return curvature(rhs, *problem)


def take(rhs: Rhs, t_span, y0, p, t_eval, options: dict[str, Any] | None) -> Taken:
    """Solve with all stages recorded; SolveError if the solve fails, or where its steps cannot be taken again."""
    compiled_field(rhs)
    options = dict(options or {})
    method = find_method(options.pop("method", "Tsit5"))
    solution = steady_solve(rhs, t_span, y0, p, method, t_eval, options | {"dense_output": True})
    return problem_of(solution, t_span, y0, p, t_eval, options)


def problem_of(solution: RawSolution, t_span, y0, p, t_eval, options: dict[str, Any] | None) -> Taken:
    """A solve whose stages were recorded; SolveError where its steps cannot be taken again."""
    refuse_unknown(solution.pieces)
    options = options or {}
    y0, p, mass = np.array(y0, np.float64), np.array(p, np.float64), options.get("mass")
    mass = None if mass is None else np.array(mass, np.float64, order="C")
    if mass is not None and not all(has_transpose(piece.method, mass=True) for piece in solution.pieces):
        raise SolveError(
            f"the direct adjoint does not know {solution.pieces[0].method.name} with a mass matrix; use Rodas5P or RadauIIA5, or "
            "adjoint='gauss' or 'forward'"
        )
    tolerances = options.get("rtol", 1e-3), options.get("atol", 1e-6)
    return Taken(solution, Problem(solution.pieces, solution.t, p, mass, *tolerances), float(t_span[0]), y0, t_eval is None)


def curvature(rhs: Rhs, t_span, y0, p, t_eval, options: dict[str, Any] | None, direction: tuple) -> Replay:
    """The steps of the solve itself, whatever the direction of the derivative; SolveError where they cannot be taken again."""
    taken = take(rhs, t_span, y0, p, t_eval, options)
    refuse_algebraic(rhs, taken)
    return Replay(rhs, taken.problem, order=2)


def refuse_algebraic(rhs: Rhs, taken: Taken) -> None:
    mass = taken.problem.mass
    if mass is not None and consistent_start(rhs, taken.t0, taken.y0, taken.problem.p, mass).matrix.size:
        raise SolveError(
            "second derivatives with a singular mass matrix are not known, as its initial state depends on the parameters; eliminate the "
            "algebraic equations, or take differences of gradients"
        )


def slopes(rhs: Rhs, taken: Taken) -> np.ndarray:
    """Time derivatives (m, n) of the saved states: of dense output inside a step of a one-step method, else y' itself."""
    solution, problem = taken.solution, taken.problem
    dys = saved_derivatives(rhs, solution.t, solution.ys, problem.p, problem.mass)
    if problem.mass is None and solution.naccept > 0:
        ends = np.concatenate([piece.steps.times for piece in solution.pieces])
        inside = ~np.isin(solution.t, ends)
        for piece in solution.pieces:
            if isinstance(piece.method, Ndf):
                low, high = sorted((piece.steps.times[0], piece.steps.times[-1]))
                inside &= (solution.t < low) | (solution.t > high)
        dys[inside] = solution.sol.derivative(solution.t[inside]).T
    return dys


def after_consistent(rhs: Rhs, taken: Taken, y0_dot: np.ndarray, p_dot: np.ndarray) -> np.ndarray:
    """Tangent of the consistent initial state from that of the one that was given: the transpose of `before_consistent`."""
    columns = []
    for unit in np.eye(rhs.n):
        p_bar = np.zeros(rhs.n_p)
        y_bar = before_consistent(rhs, taken.t0, taken.y0, taken.problem.p, taken.problem.mass, unit, p_bar)
        columns.append(y_bar @ y0_dot + p_bar @ p_dot)
    return np.array(columns)
