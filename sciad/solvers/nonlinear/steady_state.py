"""`steady_state`: where an ODE comes to rest, with its stability; under differentiation, one node of the tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.errors import SciadError, SolveError
from sciad.solvers.nonlinear import slots as s
from sciad.solvers.nonlinear.problem import Solved, as_args, find_rule, start
from sciad.solvers.nonlinear.result import STATUS, Result, explain
from sciad.solvers.nonlinear.system import System, system_of
from sciad.solvers.nonlinear.workspace import Workspace

__all__ = ["steady_state"]

METHODS = ("pseudo-transient", "newton")
XTOL = 1e-10


def steady_state(
    fun: Callable, y0: Any, args: Any = (), method: str = "pseudo-transient", *, xtol: float = XTOL, maxiter: int = 1000,
    adjoint: Any = "implicit", full_output: bool = False,
) -> Any:  # fmt: skip
    """Find y with fun(t, y, *args) = 0, where the ODE y' = fun(t, y, *args) that starts at y0 comes to rest.

    `fun` as for `solve_ivp`, also in place, and independent of t.  `y0`: any shape.  `method`: "pseudo-transient" (implicit Euler steps
    that grow into Newton's, so that the solution is near where the flow leads; then Newton's method to the end), or "newton" from y0.
     `xtol`: relative size of the last step.  `full_output`: (y, result) with .eigenvalues of the Jacobian there, .stable
    (all real parts negative), .success .status .message .nfev .njev .nit.

    Differentiable as `root`: y_dot = -J^-1 (df/dp p_dot); y0 has zero derivatives.  SolveError where nothing is found, or, under
    differentiation, J is singular (a conserved quantity: eliminate it); SciadError where `fun` depends on t.
    """
    args = as_args(args)
    y0 = start(y0)
    system = system_of(fun, y0.shape, args, time=True)
    if not system.interpreted and not system.field.autonomous:
        raise SciadError(f"steady_state: `{system.field.name}` depends on t, and so has no steady state; fix t in a function of your own")
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; choose from {', '.join(METHODS)}")
    leaves = system.field.leaves(args, fun)
    y, p, counts = y0.reshape(-1), np.zeros(system.n_p), np.zeros(3, int)
    traced = system.pack(p, leaves)
    for stage in ("pseudo-transient", "newton") if method == "pseudo-transient" else ("newton",):
        y, residual, found = _solve(system, stage, y, p, xtol, maxiter)
        counts += found
    solved = Solved(system, fun, args, leaves, p, y, y0, False, xtol, int(counts[2]))
    out: Any = y.reshape(y0.shape) if y0.shape else float(y[0])
    if traced:
        out = find_rule(adjoint).attach(solved)
    if not full_output:
        return out
    eigenvalues = np.linalg.eigvals(_jacobian(system, y, p))
    return out, Result({
        "x": out, "success": True, "status": STATUS[s.CONVERGED], "message": explain(s.CONVERGED), "fun": residual.reshape(y0.shape),
        "stable": bool(np.all(eigenvalues.real < 0)), "eigenvalues": eigenvalues, "nfev": int(counts[0]), "njev": int(counts[1]),
        "nit": int(counts[2]),
    })  # fmt: skip


def _solve(
    system: System, method: str, y: np.ndarray, p: np.ndarray, xtol: float, maxiter: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One stage: state, residual, counts; SolveError where it fails."""
    space = system.take(method, lambda: Workspace.for_method(system.rhs, method))
    space.slots[s.MAX_ITERATIONS], space.reals[s.XTOL], space.reals[s.FTOL] = maxiter, xtol, 0.0
    space.x[:], space.p[:] = y, p
    code = space.run(space.address)
    out = space.x.copy(), space.fx.copy(), space.counts.copy()
    norm = float(space.reals[s.NORM])
    system.give(method, space)
    if code != s.CONVERGED:
        if code == s.ABORTED:
            system.reraise()
        raise SolveError(f"steady_state of `{system.field.name}`: {explain(code, int(out[2][2]), norm, limit='maxiter')}")
    return out


def _jacobian(system: System, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The Jacobian at y, (n, n)."""
    space = Workspace.for_method(system.rhs, "newton")
    space.slots[s.MAX_ITERATIONS] = 1
    space.x[:], space.p[:] = y, p
    space.reals[s.FTOL] = -1.0  # so that even a residual of zero is linearised
    space.run(space.address)
    return space.jacobian.reshape(system.n, system.n)
