"""The implicit function theorem: derivatives of a root or fixed point by one linear solve at the solution, never through the iterations.

With f(x(p), p) = 0 and J = df/dx: x_dot = -J^-1 (df/dp p_dot), and p_bar = -(df/dp)^T J^-T x_bar.  A fixed point is a root of f(x, p) - x.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad.adjoints.implicit_kernels import compiled_forward, compiled_prepare, compiled_reverse, dense_work
from sciad.adjoints.matrix_free import MatrixFree
from sciad.adjoints.on_tape import attach_on_tape
from sciad.errors import ConditionWarning, SolveError
from sciad.solvers.nonlinear import slots as s
from sciad.solvers.nonlinear.problem import Solved
from sciad.solvers.nonlinear.workspace import Workspace
from sciad.tape import custom_node, is_traced

__all__ = ["Implicit"]

LARGE = 1000  # roots of more unknowns than this, and fixed points of more than SMALL, are solved for without matrices
SMALL = 32
UNSOLVABLE = 1e15  # condition, of the scaled Jacobian, beyond which no digit of the derivative is right
DOUBTFUL = 1e10
CURVED = 0.1  # relative change of the Jacobian over the uncertainty of x


@dataclass(frozen=True)
class Implicit:
    """The rule of roots and fixed points, exact at a converged solution.

    solver: "dense" (LU factors, with an estimate of the condition), "krylov" (products with the Jacobian only: Anderson's method for
    fixed points, GMRES for roots), "auto": dense up to 1000 unknowns of a root, 32 of a fixed point.  rtol: relative residual of the
    linear solve without matrices; None: the tolerance of the solution.  SolveError where the Jacobian is singular, or the root so close
    to a multiple one that its derivative is rounding; ConditionWarning, with the estimate, from a condition of 1e10 on.
    """

    solver: str = "auto"
    rtol: float | None = None

    def __post_init__(self) -> None:
        if self.solver not in ("auto", "dense", "krylov"):
            raise ValueError(f"solver must be 'auto', 'dense' or 'krylov', not {self.solver!r}")

    def dense(self, solved: Solved) -> bool:
        """Whether the Jacobian is formed."""
        if self.solver != "auto":
            return self.solver == "dense"
        system = solved.system
        return system.n <= (SMALL if solved.fixed else LARGE)

    def linear(self, solved: Solved) -> Any:
        """The linear solver at the solution."""
        if self.dense(solved):
            return Dense(solved)
        free = MatrixFree(solved, self.rtol)
        return Fallback(free, Dense(solved)) if self.solver == "auto" and solved.system.n <= LARGE else free

    def attach(self, solved: Solved) -> Any:
        """The solution as a node of the tape, with the shape of x."""
        parents = [leaf for leaf in solved.leaves if is_traced(leaf)]
        if len({leaf.level for leaf in parents}) > 1 or any(is_traced(leaf.value) for leaf in parents):
            return attach_on_tape(solved)
        return node(solved, self.linear(solved))


def node(solved: Solved, linear: Any) -> Any:
    """One node of the tape whose rules are `linear.reverse` and `linear.forward` on flat vectors."""
    system = solved.system
    active = [k for k, leaf in enumerate(solved.leaves) if is_traced(leaf)]

    def vjp(x_bar: Any) -> list:
        bars = system.field.unpack(linear.reverse(np.ravel(x_bar)))
        return [bars[k] for k in active]

    def jvp(*dots: Any) -> Any:
        p_dot = np.zeros(system.n_p)
        for k, dot in zip(active, dots):
            slot = system.field.slots[k]
            if dot is not None and slot.differentiable:
                p_dot[slot.start : slot.start + slot.size] = np.ravel(dot)
        x_dot = linear.forward(p_dot)
        return x_dot.reshape(system.shape) if system.shape else float(x_dot[0])

    value = solved.x.reshape(system.shape) if system.shape else float(solved.x[0])
    return custom_node(value, [solved.leaves[k] for k in active], vjp, jvp, solved.name)


class Fallback:
    """Solves without matrices and, where those do not converge, with factors, which tell why."""

    def __init__(self, first: MatrixFree, second: Dense) -> None:
        self.first, self.second = first, second

    def reverse(self, x_bar: np.ndarray) -> np.ndarray:
        """Cotangent of the parameters."""
        try:
            return self.first.reverse(x_bar)
        except SolveError:
            return self.second.reverse(x_bar)

    def forward(self, p_dot: np.ndarray) -> np.ndarray:
        """Tangent of the solution."""
        try:
            return self.first.forward(p_dot)
        except SolveError:
            return self.second.forward(p_dot)


class Dense:
    """Linear solves with LU factors of the Jacobian at the solution; factored when first needed."""

    def __init__(self, solved: Solved) -> None:
        self.solved = solved
        self.space: Workspace | None = None
        self.calls = 0

    def _make(self) -> Workspace:
        rhs, fixed = self.solved.system.rhs, self.solved.fixed
        rhs.aug()
        new = Workspace(rhs, matrices=True, fixed=fixed, work=dense_work(rhs.n), tape=rhs.tape_size)
        new.slots[[s.JAC, s.AUG, s.REV]] = rhs.jac(), rhs.aug(), rhs.rev()
        return new

    def _run(self, kernel: Any, fill: Any, read: Any) -> np.ndarray:
        """Factor if that is still to be done, then `fill` memory, run a kernel and `read` its result.

        The first solve borrows memory that all solves of the system share; one more shows that the factors are worth keeping.
        """
        system, key = self.solved.system, ("dense", self.solved.fixed)
        self.calls += 1
        space, borrowed = self.space, False
        if space is None:
            borrowed = self.calls == 1
            space = system.take(key, self._make) if borrowed else self._make()
            self._factor(space)
            if not borrowed:
                self.space = space
        fill(space)
        if kernel(space.address) != 0:
            system.reraise()
            raise SolveError(f"{self.solved.name}: the function stopped where its derivative was evaluated: a check in it failed")
        out = read(space)
        if borrowed:
            system.give(key, space)
        return out

    def _factor(self, space: Workspace) -> None:
        solved = self.solved
        space.x[:], space.p[:] = solved.x, solved.p
        code = compiled_prepare()(space.address)
        if code == s.ABORTED:
            solved.system.reraise()
            raise SolveError(f"{solved.name}: the function stopped where its Jacobian was evaluated: a check in it failed")
        judge(solved.name, code == s.SINGULAR, float(space.reals[s.CONDITION]), float(space.reals[s.CURVATURE]))

    def reverse(self, x_bar: np.ndarray) -> np.ndarray:
        """p_bar = -(df/dp)^T J^-T x_bar."""

        def fill(space: Workspace) -> None:
            space.step[:] = x_bar
            space.p_bar[:] = 0.0

        return self._run(compiled_reverse(), fill, lambda space: space.p_bar.copy())

    def forward(self, p_dot: np.ndarray) -> np.ndarray:
        """x_dot = -J^-1 (df/dp p_dot)."""

        def fill(space: Workspace) -> None:
            space.slots[s.JVP] = self.solved.system.rhs.jvp()
            space.p_dot[:] = p_dot

        return self._run(compiled_forward(), fill, lambda space: space.step.copy())


def judge(name: str, singular: bool, condition: float, curvature: float) -> None:
    """Refuse a derivative that would be rounding, and warn of one that has lost most of its digits."""
    if singular or not condition < UNSOLVABLE:
        raise SolveError(
            f"{name} has no derivative: the Jacobian at the solution is singular (estimated condition "
            f"{condition if math.isfinite(condition) else math.inf:.1e}). The solution is not isolated, or a multiple one: fix the free "
            f"direction, or pose the problem without it"
        )
    if curvature > CURVED:
        raise SolveError(
            f"{name} has no usable derivative: over the uncertainty of the solution the Jacobian changes by {100 * curvature:.0f}%, as it "
            f"does at a multiple root. Tighten the tolerance if the solve stopped early; else pose the problem so that the root is simple"
        )
    if condition > DOUBTFUL:
        warnings.warn(
            f"{name}: the Jacobian at the solution has an estimated condition of {condition:.1e}, so of its derivative about "
            f"{max(16 - math.log10(condition), 0):.0f} digits are right", ConditionWarning, stacklevel=5
        )  # fmt: skip
