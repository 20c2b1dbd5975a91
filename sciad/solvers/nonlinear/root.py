"""`root`: SciPy's surface over the compiled iterations; under differentiation, one node of the tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.errors import ShapeError, SolveError
from sciad.solvers.nonlinear import slots as s
from sciad.solvers.nonlinear.problem import Solved, as_args, find_rule, start
from sciad.solvers.nonlinear.result import STATUS, Result, explain
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
    if type(x0) is not np.ndarray or x0.dtype is not F8:
        x0 = start(x0)
    shape = x0.shape
    system = system_of(fun, shape, args)
    leaves = args if system.direct else system.field.leaves(args, fun)
    key: Any = method if tol is None and options is None else (method, tol, *sorted(options.items() if options else ()))
    free = system.spaces.get(key)
    space = free.pop() if free else system.take(key, lambda: _prepared(system, method, tol, options or {}))
    traced = system.pack(space.p, leaves)
    space.x[:] = x0 if len(shape) == 1 else x0.reshape(-1)
    code = space.run(space.address)
    x = space.x.copy()
    nfev, njev, nit = space.counts.tolist()
    if code == 0:
        message, success = "The solution converged.", True
    else:
        if code == s.ABORTED:
            system.reraise()
        message, success = explain(code, nit, float(space.reals[s.NORM])), False
    result = Result({
        "x": x, "success": success, "status": STATUS[code], "message": message, "fun": space.fx.copy(), "nfev": nfev, "njev": njev,
        "nit": nit,
    })  # fmt: skip
    if traced:
        _record(result, Solved(system, fun, args, list(leaves), space.p.copy(), x, x0, False, float(space.reals[s.XTOL]), nit), adjoint)
    system.spaces[key].append(space)
    if len(shape) != 1:
        result["x"], result["fun"] = result["x"].reshape(shape or (1,)), result["fun"].reshape(shape or (1,))
    return result


def _record(result: Result, solved: Solved, adjoint: Any) -> None:
    """Let the solution be a node of the tape."""
    if not result["success"]:
        raise SolveError(f"{solved.name}, to be differentiated, was not found: {result['message']}")
    result["x"] = find_rule(adjoint).attach(solved)


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
