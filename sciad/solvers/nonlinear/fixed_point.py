"""`fixed_point`: compiled iterations, a batch row by row; under differentiation, one node of the tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.errors import SolveError
from sciad.solvers.nonlinear import slots as s
from sciad.solvers.nonlinear.problem import Solved, as_args, find_rule, start
from sciad.solvers.nonlinear.result import STATUS, Result, explain
from sciad.solvers.nonlinear.system import System, system_of
from sciad.solvers.nonlinear.workspace import FIXED_METHODS, Workspace

__all__ = ["fixed_point"]

F8 = np.dtype(np.float64)
#: How far the residual is driven below the wanted error of x: a map that contracts slowly multiplies it.
MARGIN = 0.01


def fixed_point(
    func: Callable, x0: Any, args: Any = (), xtol: float = 1e-8, maxiter: int = 500, method: str = "anderson", adjoint: Any = "implicit", *,
    memory: int = 5, damping: float = 1.0, full_output: bool = False,
) -> Any:  # fmt: skip
    """Find x with func(x, *args) = x, from x0; SciPy's `fixed_point`, compiled and differentiable by the implicit function theorem.

    `func` returns an array of x's shape, or, with one more positional argument, ``func(out, x, *args)`` writes it.  An `x0` of shape
    (batch, ...) is a batch: convergence is judged, and Anderson's method mixes, row by row.  `xtol`: wanted error of x relative to its
    norm; the residual is driven to a hundredth of it.  `method`: "anderson" (`memory` differences, `damping` of the step, a restart from
    the best iterate where the residual grows tenfold), "iteration", "newton", "broyden".  `full_output`: (x, result) with .x .fun (the
    residual func(x) - x) .success .status .message .nfev .njev .nit.

    Differentiable with respect to every float in `args` and every float that `func` closes over: p_bar = (dg/dp)^T (I - dg/dx)^-T x_bar;
    x0 has zero derivatives.  `adjoint`: "implicit", "neumann", "jacobian-free", "direct", or objects of `sciad.adjoints`, which state
    their bias.  SolveError where it does not converge.
    """
    args = args if type(args) is tuple else as_args(args)
    if type(x0) is not np.ndarray or x0.dtype is not F8:
        x0 = start(x0)
    shape = x0.shape
    system = system_of(func, shape, args)
    leaves = args if system.direct else system.field.leaves(args, func)
    key = ("fixed", method, xtol, maxiter, memory, damping)
    space = system.take(key, lambda: _prepared(system, method, xtol, maxiter, memory, damping))
    traced = system.pack(space.p, leaves)
    space.x[:] = x0 if len(shape) == 1 else x0.reshape(-1)
    code = space.run(space.address)
    nfev, njev, nit = space.counts.tolist()
    if code != s.CONVERGED:
        _refuse(system, code, nit, float(space.reals[s.NORM]))
    flat = space.x.copy()
    x: Any = flat if len(shape) == 1 else flat.reshape(shape) if shape else float(flat[0])
    residual = space.fx.copy().reshape(shape) if full_output else None
    if traced:
        x = find_rule(adjoint).attach(Solved(system, func, args, list(leaves), space.p.copy(), flat, x0, True, MARGIN * xtol, nit))
    system.give(key, space)
    if not full_output:
        return x
    return x, Result({
        "x": x, "success": True, "status": STATUS[code], "message": explain(code), "fun": residual, "nfev": nfev, "njev": njev, "nit": nit,
    })  # fmt: skip


def _refuse(system: System, code: int, iterations: int, norm: float) -> None:
    """Raise for a solve that did not converge."""
    if code == s.ABORTED:
        system.reraise()
    raise SolveError(f"fixed_point of `{system.field.name}`: {explain(code, iterations, norm, limit='maxiter')}")


def _prepared(system: System, method: str, xtol: float, maxiter: int, memory: int, damping: float) -> Workspace:
    """Memory with the options of a solve in place; ValueError for options that cannot be."""
    if method not in FIXED_METHODS:
        raise ValueError(f"unknown method {method!r}; choose from {', '.join(FIXED_METHODS)}")
    if not (xtol > 0 and maxiter > 0 and memory > 0 and 0 < damping <= 1):
        raise ValueError(f"xtol = {xtol}, maxiter = {maxiter} and memory = {memory} must be positive, damping = {damping} in (0, 1]")
    rows = system.rows if method in ("anderson", "iteration") else 1
    space = Workspace.for_method(system.rhs, method, rows=rows, fixed=True, memory=memory)
    space.reals[s.XTOL] = MARGIN * xtol if method != "newton" else xtol
    space.reals[s.DAMPING] = damping
    space.slots[s.MAX_ITERATIONS] = maxiter
    return space
