"""The implicit function theorem: derivatives of a root or fixed point by one linear solve at the solution, never through the iterations.

With f(x(p), p) = 0 and J = df/dx: x_dot = -J^-1 (df/dp p_dot), and p_bar = -(df/dp)^T J^-T x_bar.  A fixed point is a root of f(x, p) - x.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad.adjoints.implicit_kernels import compiled_derive, compiled_forward, compiled_prepare, compiled_pull, dense_work
from sciad.adjoints.matrix_free import MatrixFree
from sciad.adjoints.on_tape import attach_on_tape
from sciad.errors import ConditionWarning, SciadError, SolveError
from sciad.solvers.nonlinear import slots as s
from sciad.solvers.nonlinear.problem import Solved
from sciad.solvers.nonlinear.workspace import Workspace
from sciad.tape import custom_node, is_traced
from sciad.tape.core import Node, Trace, wrap

__all__ = ["Implicit"]

LARGE = 1000  # roots of more unknowns than this, and fixed points of more than SMALL, are solved for without matrices
SMALL = 32
UNSOLVABLE = 1e15  # condition, of the scaled Jacobian, beyond which no digit of the derivative is right
DOUBTFUL = 1e10
F8 = np.dtype(np.float64)
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
        trace = None
        for leaf in solved.leaves:
            if is_traced(leaf):
                if is_traced(leaf.value) or (trace is not None and leaf.level is not trace):
                    return attach_on_tape(solved)
                trace = leaf.level
        return node(solved, self.linear(solved))


def node(solved: Solved, linear: Any) -> Any:
    """One node of the tape whose rules are `linear.reverse` and `linear.forward` on flat vectors.

    It is made by hand: the rules of `custom_node` may look at the parents' values, which are kept for them; these have their own.
    """
    system = solved.system
    value = solved.x.reshape(system.shape) if system.shape else float(solved.x[0])
    active = [k for k, leaf in enumerate(solved.leaves) if is_traced(leaf)]
    parents = [solved.leaves[k] for k in active]
    levels = {parent.level for parent in parents}
    slots, name = [system.field.slots[k] for k in active], solved.name

    def vjp(x_bar: Any) -> list:
        if type(x_bar) is not np.ndarray or x_bar.dtype is not F8:
            x_bar = np.asarray(_plain(x_bar, name), np.float64)
        p_bar = linear.reverse(x_bar.reshape(-1))
        return [_part(p_bar, slot) for slot in slots]

    def jvp(*dots: Any) -> Any:
        p_dot = np.zeros(system.n_p)
        for slot, dot in zip(slots, dots):
            if dot is not None and slot.differentiable:
                p_dot[slot.part] = np.ravel(_plain(dot, name))
        x_dot = linear.forward(p_dot)
        return x_dot.reshape(system.shape) if system.shape else float(x_dot[0])

    if len(levels) > 1 or parents[0].level.closed or any(is_traced(parent.value) for parent in parents):
        return custom_node(value, parents, vjp, jvp, name)  # which refuses, or asks for what these rules do not have
    return single(parents[0].level, value, parents, vjp, jvp)


def single(trace: Trace, value: Any, parents: list, vjp: Callable, jvp: Callable) -> Any:
    """A node of one level of differentiation, `parents` being plain below it."""
    derivs = [parent.deriv for parent in parents]
    if all(deriv is None for deriv in derivs):
        return wrap(value, trace, None)
    if trace.forward:
        out = wrap(value, trace, jvp(*derivs))
    elif None in derivs:  # traced, but constant
        active = [k for k, deriv in enumerate(derivs) if deriv is not None]

        def needed(x_bar: Any) -> list:
            parts = vjp(x_bar)
            return [parts[k] for k in active]

        out = wrap(value, trace, Node(tuple([derivs[k] for k in active]), needed, value))
    else:
        out = wrap(value, trace, Node(tuple(derivs), vjp, value))
    out.shared = True  # the rules hold the array, too
    return out


def _plain(bar: Any, name: str) -> Any:
    """A cotangent or tangent that is not itself differentiated."""
    if is_traced(bar):
        raise SciadError(
            f"{name}: a second derivative is asked for through a rule that was recorded for first ones only; differentiate the whole "
            f"computation twice (hvp, hessian, grad of grad)"
        )
    return bar


def _part(p_bar: np.ndarray, slot: Any) -> Any:
    """The cotangent of one leaf; None for ints and bools."""
    if not slot.differentiable:
        return None
    return p_bar.item(slot.start) if slot.shape is None else p_bar[slot.part].reshape(slot.shape)


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

    def _take(self) -> Workspace:
        """Memory for a solve: the first borrows what all solves of the system share; one more shows that the factors are worth keeping."""
        self.calls += 1
        return self.solved.system.take(("dense", self.solved.fixed), self._make) if self.calls == 1 else self._make()

    def _done(self, space: Workspace) -> None:
        """Hand borrowed memory back, or keep the factors that are in it."""
        if self.calls == 1:
            self.solved.system.give(("dense", self.solved.fixed), space)
        else:
            self.space = space

    def _check(self, code: int) -> None:
        if code != 0:
            self.solved.system.reraise()
            raise SolveError(f"{self.solved.name}: the function stopped where its derivative was evaluated: a check in it failed")

    def reverse(self, x_bar: np.ndarray) -> np.ndarray:
        """p_bar = -(df/dp)^T J^-T x_bar."""
        solved, p_bar = self.solved, np.empty(self.solved.system.n_p)
        if self.space is not None:
            self._check(compiled_pull()(self.space.address, x_bar, p_bar))
            return p_bar
        space = self._take()
        code = compiled_derive()(space.address, solved.x, solved.p, x_bar, p_bar, DOUBTFUL, CURVED)
        if code == s.SINGULAR:
            judge(solved.name, float(space.reals[s.CONDITION]), float(space.reals[s.CURVATURE]))
            code = compiled_pull()(space.address, x_bar, p_bar)
        self._check(code)
        self._done(space)
        return p_bar

    def forward(self, p_dot: np.ndarray) -> np.ndarray:
        """x_dot = -J^-1 (df/dp p_dot)."""
        space = self._take() if self.space is None else self.space
        if space is not self.space:
            space.x[:], space.p[:] = self.solved.x, self.solved.p
            code = compiled_prepare()(space.address)
            self._check(1 if code == s.ABORTED else 0)
            judge(self.solved.name, float(space.reals[s.CONDITION]), float(space.reals[s.CURVATURE]))
        space.slots[s.JVP] = self.solved.system.rhs.jvp()
        space.p_dot[:] = p_dot
        self._check(compiled_forward()(space.address))
        x_dot = space.step.copy()
        if space is not self.space:
            self._done(space)
        return x_dot


def judge(name: str, condition: float, curvature: float) -> None:
    """Refuse a derivative that would be rounding, and warn of one that has lost most of its digits."""
    if not condition < UNSOLVABLE:
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
