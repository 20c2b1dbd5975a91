"""`root`: SciPy's surface over the compiled iterations; under differentiation, one node of the tape."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from sciad.errors import ShapeError, SolveError
from sciad.solvers.nonlinear import slots as s
from sciad.solvers.nonlinear.plan import NONE, PLANS, Call, Ending, add_plan
from sciad.solvers.nonlinear.problem import Solved, as_args, find_rule, start
from sciad.solvers.nonlinear.result import STATUS, Converged, Result, explain
from sciad.solvers.nonlinear.system import System, system_of
from sciad.solvers.nonlinear.workspace import METHODS, Workspace

__all__ = ["root"]

#: Relative size of the last step; methods that converge quadratically are then far below it.
XTOL = {"broyden": 1e-11, "newton-krylov": 1e-9, "brent": 1e-15}
SCIPY_NAMES = {"hybr": "trust-region", "lm": "levenberg-marquardt", "broyden1": "broyden", "krylov": "newton-krylov", "brentq": "brent",
               "dogleg": "trust-region"}  # fmt: skip
OPTIONS = ("maxiter", "xtol", "ftol", "bracket", "memory")
F8 = np.dtype(np.float64)


def root(
    fun: Callable, x0: Any, args: Any = (), method: str = "newton", tol: float | None = None, options: dict[str, Any] | None = None,
    adjoint: Any = "implicit",
) -> Result:  # fmt: skip
    """Solve fun(x, *args) = 0 from x0; SciPy's `root`, compiled and differentiable by the implicit function theorem.

    `fun` returns an array of x's shape, or, with one more positional parameter, ``fun(out, x, *args)`` writes it.  `x0`: an array of any
    shape, or a number: then `fun` sees a number and ``.x`` has shape (1,), as in SciPy.  `method`: "newton" (with line search),
    "trust-region" (dogleg), "levenberg-marquardt", "broyden", "newton-krylov" (no matrices), or, for one unknown between two points,
    "brent" with ``options={"bracket": (a, b)}``; SciPy's "hybr", "lm", "broyden1" and "krylov" are understood.  `tol`: relative size
    of the last step.  `options`: "maxiter", "xtol" (the same as tol), "ftol" (largest entry of the residual that is good enough by
    itself), "memory" (dimension of Krylov spaces).

    Gives .x .fun .success .status (1: converged) .message .nfev .njev .nit.  Differentiable with respect to every float in `args` and every
    float that `fun` closes over: x_dot = -J^-1 (df/dp p_dot), J the Jacobian at the solution; x0 has zero derivatives.  `adjoint`:
    "implicit", or "direct" (through Newton's iterations), or objects of `sciad.adjoints`.  Not converged: ``success=False`` with a
    message, and SolveError under differentiation, as for a singular Jacobian at the solution.
    """
    args = args if type(args) is tuple else as_args(args)
    if type(fun) is FunctionType:
        for plan in PLANS.get(fun if fun.__closure__ is None else fun.__code__, NONE):
            found = plan(fun, x0, args, method, tol, options, adjoint)
            if found is not None:
                return found
    return _general(fun, x0, args, method, tol, options, adjoint)


def _general(
    fun: Callable, x0: Any, args: tuple, method: str, tol: float | None, options: dict[str, Any] | None, adjoint: Any
) -> Result:
    """`root` for a call that no plan takes; it leaves one for the next."""
    usual = type(x0) is float or type(x0) is np.ndarray
    if type(x0) is not np.ndarray or x0.dtype is not F8:
        x0 = start(x0)
    shape = x0.shape
    system = system_of(fun, shape, args)
    leaves = args if system.direct else system.field.leaves(args, fun)
    if options is not None:  # a copy: the caller's may change
        options = {name: tuple(value) if isinstance(value, (list, np.ndarray)) else value for name, value in options.items()}
    key: Any = method if tol is None and options is None else (method, tol, *sorted(options.items() if options else ()))

    def make() -> Workspace:
        return _prepared(system, method, tol, options or {})

    space = system.take(key, make)
    try:
        traced = system.pack(space.p, leaves)
        space.x[:] = x0.reshape(-1)
        code = space.run(space.address)
        x, fx = space.x.copy(), space.fx.copy()
        result = _stopped(system, space, code, x, fx)
        if traced:
            result = _record(result, system, space, fun, args, list(leaves), x, x0, adjoint)
    finally:
        system.give(key, space)
    if usual:
        call = Call(fun, shape, args, {"method": method, "tol": tol, "options": options})
        add_plan(call, system, make, Ending(_solved(shape), _stopped, _record))
    return result


def _solved(shape: tuple[int, ...]) -> Callable[[np.ndarray, np.ndarray, int], Result]:
    """What `root` gives for a solve that converged, from x, the residual and the packed counters."""
    if len(shape) == 1 or not shape:
        return Converged
    return lambda x, fx, counts: Converged(x.reshape(shape), fx.reshape(shape), counts)


def _stopped(system: System, space: Workspace, code: int, x: np.ndarray, fx: np.ndarray) -> Result:
    """What `root` gives for a solve that ended with a kernel's code; raises what a function in Python raised."""
    if code == s.ABORTED:
        system.reraise()
    nfev, njev, nit = space.counts.tolist()
    code = s.CONVERGED if code == s.MANY else code
    shape = system.shape or (1,)
    return Result({
        "x": x.reshape(shape), "success": code == s.CONVERGED, "status": STATUS[code],
        "message": explain(code, nit, float(space.reals[s.NORM])), "fun": fx.reshape(shape), "nfev": nfev, "njev": njev, "nit": nit,
    })  # fmt: skip


def _record(
    result: Result, system: System, space: Workspace, fun: Callable, args: tuple, leaves: list, x: np.ndarray, x0: Any, adjoint: Any
) -> Result:
    """Let the solution be a node of the tape."""
    solved = Solved(system, fun, args, leaves, space.p.copy(), x, x0, False, float(space.reals[s.XTOL]), int(space.counts[2]))
    if not result.success:
        raise SolveError(f"{solved.name}, to be differentiated, was not found: {result['message']}")
    x = find_rule(adjoint).attach(solved)
    result.x = x if system.shape else x.reshape((1,))
    return result


def _prepared(system: System, method: str, tol: float | None, options: dict[str, Any]) -> Workspace:
    """Memory with the options of a solve in place; ValueError for unknown ones."""
    unknown = [name for name in options if name not in OPTIONS]
    if unknown:
        raise ValueError(f"unknown option {unknown[0]!r} of root; choose from {', '.join(OPTIONS)}")
    if "bracket" in options and method == "newton":
        method = "brent"
    method = SCIPY_NAMES.get(method, method)
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; choose from {', '.join(METHODS)}")
    space = Workspace.for_method(system.rhs, method, memory=options.get("memory", 0))
    xtol = options.get("xtol", tol)
    space.reals[s.XTOL] = XTOL.get(method, 1.5e-8) if xtol is None else xtol
    space.reals[s.FTOL] = options.get("ftol", 0.0)
    space.slots[s.MAX_ITERATIONS] = options.get("maxiter", 100 * (system.n + 1) if method == "broyden" else 200)
    if method == "brent":
        if system.n != 1 or "bracket" not in options:
            raise ShapeError("method 'brent' solves for one unknown between two points: options={'bracket': (a, b)}")
        space.reals[[s.LOWER, s.UPPER]] = options["bracket"]
    return space
