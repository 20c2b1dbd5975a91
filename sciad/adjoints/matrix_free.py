"""Linear solves with the Jacobian at a solution by products alone: for large systems and batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from sciad.adjoints.implicit_kernels import (
    compiled_forward_defect,
    compiled_gmres,
    compiled_parameters_bar,
    compiled_product,
    compiled_record,
)
from sciad.errors import SolveError
from sciad.solvers.nonlinear import slots as s
from sciad.solvers.nonlinear.compiled import work_size
from sciad.solvers.nonlinear.problem import Solved
from sciad.solvers.nonlinear.workspace import Workspace

__all__ = ["MatrixFree"]

TIGHTEST = 1e-14
KRYLOV = 60  # dimension of Krylov spaces
LONGEST = 1e12  # relative length of a solution beyond which the system is singular, whatever the residual
ANDERSON = 6  # differences that Anderson's method remembers


class MatrixFree:
    """(I - J) u = v by Anderson's method where f(x) = x, as it was solved for; else, and where that fails, GMRES."""

    def __init__(self, solved: Solved, rtol: float | None = None) -> None:
        self.solved = solved
        self.rtol = max((solved.tolerance if solved.fixed else 1e-12) if rtol is None else rtol, TIGHTEST)

    def _make(self, method: str) -> Workspace:
        system = self.solved.system
        rhs, fixed = system.rhs, self.solved.fixed
        rhs.aug()
        memory = min(KRYLOV, system.n) if method == "newton-krylov" else ANDERSON
        work = work_size(method, system.n, system.rows, memory)
        state = getattr(system.field, "state_reverse", None)
        tape = rhs.tape_size + (state[2] if state else 0)
        new = Workspace(rhs, matrices=False, rows=system.rows, fixed=fixed, memory=memory, work=work, tape=tape, point=True)
        new.slots[[s.AUG, s.REV]] = rhs.aug(), rhs.rev()
        if state:
            new.slots[[s.STATE_AUG, s.STATE_REV]] = state[:2]
            new.slots[s.STATE_TAPE] = new.slots[s.TAPE] + 8 * rhs.tape_size
        new.slots[s.AFFINE], new.reals[s.DAMPING] = new.affine.ctypes.data, 1.0
        if method == "anderson":
            new.use(method)
        return new

    def reverse(self, x_bar: np.ndarray) -> np.ndarray:
        """p_bar = (df/dp)^T (I - J)^-T x_bar, or that of a root."""

        def seed(space: Workspace) -> int:
            space.affine[:] = x_bar
            return compiled_record()(space.address)

        def read(space: Workspace) -> np.ndarray:
            space.p_bar[:] = 0.0
            self._check(compiled_parameters_bar()(space.address))
            return space.p_bar.copy()

        return self._solve(seed, read, transposed=1)

    def forward(self, p_dot: np.ndarray) -> np.ndarray:
        """x_dot = (I - J)^-1 (df/dp p_dot), or that of a root."""

        def seed(space: Workspace) -> int:
            space.p_dot[:] = p_dot
            code = compiled_forward_defect()(space.address)
            space.p_dot[:] = 0.0
            return code

        return self._solve(seed, lambda space: space.step.copy(), transposed=0)

    def _solve(self, seed: Any, read: Any, transposed: int) -> np.ndarray:
        solved = self.solved
        for method in self.methods():
            key = (method, "linear", solved.fixed)
            space = solved.system.take(key, lambda method=method: self._make(method))
            space.point[:], space.p[:] = solved.x, solved.p
            space.slots[s.TRANSPOSED], space.reals[s.XTOL] = transposed, self.rtol
            if not transposed:
                space.slots[s.JVP] = solved.system.rhs.jvp()
                space.p_dot[:] = 0.0
            self._check(seed(space))
            if self.approximate(method, space):
                out = read(space)
                solved.system.give(key, space)
                return out
            solved.system.give(key, space)
        raise SolveError(
            f"{solved.name}: the linear system of its derivative was not solved (relative residual {float(space.reals[s.NORM]):.1e} after "
            f"{int(space.slots[s.MAX_ITERATIONS])} rounds of GMRES): the Jacobian at the solution is singular or ill-conditioned; try "
            f"adjoint=sciad.adjoints.Implicit('dense') to see its condition"
        )

    def methods(self) -> tuple[str, ...]:
        """What to try, in this order."""
        return ("anderson", "newton-krylov") if self.solved.fixed else ("newton-krylov",)

    def approximate(self, method: str, space: Workspace) -> bool:
        """STEP = the solution of the linear system with AFFINE on its right; whether that succeeded."""
        return self._by_anderson(space) if method == "anderson" else self._by_gmres(space)

    def apply(self, space: Workspace, v: np.ndarray) -> np.ndarray:
        """J^T v, or J v, with the Jacobian of the function."""
        space.x[:] = v
        self._check(compiled_product()(space.address))
        return space.fx + v if self.solved.fixed else space.fx.copy()

    def _by_anderson(self, space: Workspace) -> bool:
        """u = J^T u + v from u = v; a batch row by row."""
        space.x[:] = space.affine
        space.slots[s.MAX_ITERATIONS] = 200
        code = space.run(space.address)
        self._check(1 if code == s.ABORTED else 0)
        space.step[:] = space.x
        return code == s.CONVERGED and float(np.linalg.norm(space.x)) <= LONGEST * float(np.linalg.norm(space.affine))

    def _by_gmres(self, space: Workspace) -> bool:
        space.slots[s.MAX_ITERATIONS] = 20
        return compiled_gmres()(space.address) == 0

    def _check(self, code: int) -> None:
        if code != 0:
            self.solved.system.reraise()
            raise SolveError(f"{self.solved.name}: the function stopped where its derivative was evaluated: a check in it failed")
