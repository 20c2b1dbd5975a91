"""`fixed_point`: compiled iterations, a batch row by row; under differentiation, one node of the tape."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from sciad.errors import SolveError
from sciad.solvers.nonlinear import slots as s
from sciad.solvers.nonlinear.plan import NONE, PLANS, Call, Ending, add_plan
from sciad.solvers.nonlinear.problem import Solved, as_args, find_rule, start
from sciad.solvers.nonlinear.result import STATUS, Converged, Result, explain
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
    if type(func) is FunctionType:
        for plan in PLANS.get(func if func.__closure__ is None else func.__code__, NONE):
            found = plan(func, x0, args, xtol, maxiter, method, memory, damping, full_output, adjoint)
            if found is not None:
                return found
    return _general(func, x0, args, xtol, maxiter, method, memory, damping, full_output, adjoint)


def _general(
    func: Callable, x0: Any, args: tuple, xtol: float, maxiter: int, method: str, memory: int, damping: float, full_output: bool,
    adjoint: Any,
) -> Any:  # fmt: skip
    """`fixed_point` for a call that no plan takes; it leaves one for the next."""
    usual = type(x0) is float or type(x0) is np.ndarray
    if type(x0) is not np.ndarray or x0.dtype is not F8:
        x0 = start(x0)
    shape = x0.shape
    system = system_of(func, shape, args)
    leaves = args if system.direct else system.field.leaves(args, func)
    key = ("fixed", method, xtol, maxiter, memory, damping)

    def make() -> Workspace:
        return _prepared(system, method, xtol, maxiter, memory, damping)

    ending = _ending(shape, MARGIN * xtol, full_output)
    space = system.take(key, make)
    try:
        traced = system.pack(space.p, leaves)
        space.x[:] = x0.reshape(-1)
        code = space.run(space.address)
        x = space.x.copy()
        given = ending.stopped(system, space, code, x, space.fx.copy())
        if traced:
            given = ending.record(given, system, space, func, args, list(leaves), x, x0, adjoint)
    finally:
        system.give(key, space)
    if usual:
        options = {"xtol": xtol, "maxiter": maxiter, "method": method, "memory": memory, "damping": damping, "full_output": full_output}
        add_plan(Call(func, shape, args, options), system, make, ending)
    return given


def _ending(shape: tuple[int, ...], tolerance: float, full_output: bool) -> Ending:
    """What `fixed_point` gives, for x of a shape and a residual driven to a tolerance."""

    def shaped(x: np.ndarray) -> Any:
        return x if len(shape) == 1 else x.reshape(shape) if shape else float(x[0])

    def solved(x: np.ndarray, fx: np.ndarray, counts: int) -> Any:
        x = shaped(x)
        return (x, Converged(x, fx.reshape(shape), counts)) if full_output else x

    def stopped(system: System, space: Workspace, code: int, x: np.ndarray, fx: np.ndarray) -> Any:
        nfev, njev, nit = space.counts.tolist()
        if code not in (s.CONVERGED, s.MANY):
            if code == s.ABORTED:
                system.reraise()
            limit = explain(code, nit, float(space.reals[s.NORM]), limit="maxiter")
            raise SolveError(f"fixed_point of `{system.field.name}`: {limit}")
        x = shaped(x)
        if not full_output:
            return x
        return x, Result({
            "x": x, "success": True, "status": STATUS[s.CONVERGED], "message": explain(s.CONVERGED), "fun": fx.reshape(shape),
            "nfev": nfev, "njev": njev, "nit": nit,
        })  # fmt: skip

    def record(
        given: Any, system: System, space: Workspace, func: Callable, args: tuple, leaves: list, x: Any, x0: Any, adjoint: Any
    ) -> Any:  # fmt: skip
        solved = Solved(system, func, args, leaves, space.p.copy(), x, x0, True, tolerance, int(space.counts[2]))
        traced = find_rule(adjoint).attach(solved)
        if not full_output:
            return traced
        given[1]["x"] = traced
        return traced, given[1]

    return Ending(solved, stopped, record)


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
