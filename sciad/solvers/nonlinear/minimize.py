"""`minimize`: SciPy's methods on compiled gradients, polished by Newton steps; differentiable through the optimality condition."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from sciad import tree
from sciad.errors import PerformanceWarning, SciadError, SolveError, UnsupportedSyntax
from sciad.jit import Jitted, jit
from sciad.levels import attach, levels, outside, upto
from sciad.solvers.nonlinear.problem import as_args, start
from sciad.solvers.nonlinear.result import Result
from sciad.tape import array, is_traced, trace_vjp, value_of
from sciad.tape.core import Trace

__all__ = ["minimize"]

POLISHED = 500  # up to so many unknowns the Hessian is formed


def minimize(
    fun: Callable, x0: Any, args: Any = (), method: str = "BFGS", tol: float | None = None, options: dict[str, Any] | None = None
) -> Result:
    """Minimise the number fun(x, *args) over x, from x0; SciPy's `minimize` with gradients by sciad, differentiable in `args`.

    `x0`: an array of any shape, or a number.  `method`, `tol` and `options` are SciPy's, for methods without constraints; afterwards Newton
    steps bring the gradient down to rounding (up to 500 unknowns).  Gives .x .fun .jac .success .status .message .nfev .njev .nit.

    At the minimum g = df/dx = 0, so H x_dot = -(dg/dp p_dot) with the Hessian H: differentiable with respect to every float in `args`; x0
    has zero derivatives.  Under differentiation SolveError where the minimum was not found, or H is not positive definite; SciadError for
    traced values that `fun` closes over: pass them as arguments.
    """
    args = as_args(args)
    x0 = start(x0)
    leaves = tree.leaves(args)
    plain_args = tree.unflatten(tree.flatten(args)[1], [value_of(leaf) for leaf in leaves])
    call = _compiled(fun, x0 if x0.shape else float(x0), plain_args)
    found = _search(call, x0, plain_args, method, tol, options)
    x, g, hessian = _polished(call, found.x.reshape(x0.shape), plain_args)
    involved = levels(leaves)
    out: Any = x if x0.shape else float(x)
    if involved:
        name = f"minimize of `{getattr(fun, '__name__', 'fun')}`"
        _check(name, found, g, hessian)
        tape_call = call if len(involved) == 1 else fun
        out = attach(out, lambda x, trace: _gradient(tape_call, x, upto(args, trace)), _inverse(tape_call, args), leaves, name)
        value = tape_call(out, *args)
    else:
        value = float(value_of(call(out, *args)))
    shape = x0.shape or (1,)
    return Result({
        "x": np.reshape(out, shape), "fun": value, "jac": g.reshape(shape), "success": bool(found.success), "status": int(found.status),
        "message": str(found.message), "nfev": int(found.nfev), "njev": int(found.get("njev", 0)), "nit": int(found.get("nit", 0)),
    })  # fmt: skip


def _compiled(fun: Callable, x: Any, args: tuple) -> Callable:
    """The function compiled, or itself, with a warning, where the compiled tier does not take it."""
    if isinstance(fun, Jitted):
        return fun
    try:
        compiled = jit(fun)
        compiled(x, *args)
        return compiled
    except UnsupportedSyntax as error:
        name = getattr(fun, "__name__", "fun")
        warnings.warn(f"`{name}` runs in Python, many times slower than compiled, because of {error}", PerformanceWarning, stacklevel=3)
        return fun


def _gradient(call: Callable, x: Any, args: tuple) -> Any:
    """df/dx on the tape."""
    value, pullback = trace_vjp(lambda x: call(x, *args), (x,))
    if np.shape(value_of(value)) != ():
        raise SciadError(f"minimize needs a function that returns a number, not an array of shape {np.shape(value_of(value))}")
    return pullback(1.0)[0]


def _hessian(call: Callable, x: Any, args: tuple) -> Any:
    """Second derivatives by x, (n, n), traced by the levels that x and args take part in."""
    shape = np.shape(value_of(x))
    n = int(np.prod(shape))
    _, pullback = trace_vjp(lambda x: _gradient(call, x, args), (x,))
    return array([np.reshape(pullback(unit.reshape(shape) if shape else 1.0)[0], (n,)) for unit in np.eye(n)])


def _search(call: Callable, x0: np.ndarray, args: tuple, method: str, tol: float | None, options: dict[str, Any] | None) -> Any:
    """SciPy's result."""
    import scipy.optimize

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        x = flat.reshape(x0.shape) if x0.shape else float(flat[0])
        value, pullback = trace_vjp(lambda x: call(x, *args), (x,))
        if is_traced(value):
            raise SciadError("minimize: the function closes over a value that is being differentiated; pass it through args")
        if np.shape(value) != ():
            raise SciadError(f"minimize needs a function that returns a number, not an array of shape {np.shape(value)}")
        return float(value), np.ravel(np.asarray(pullback(1.0)[0], float))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # BFGS stops where rounding leaves no descent; the polishing goes on from there
        return scipy.optimize.minimize(value_and_gradient, x0.reshape(-1), method=method, jac=True, tol=tol, options=options)


def _polished(call: Callable, x: np.ndarray, args: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Newton steps as long as they lower the gradient: point, gradient, Hessian (None for large problems)."""
    point = lambda x: x if x.shape else float(x)
    g = np.asarray(_gradient(call, point(x), args), float)
    if x.size > POLISHED:
        return x, g, None
    hessian = np.asarray(_hessian(call, point(x), args), float)
    for _ in range(10):
        try:
            moved = x - np.linalg.solve(hessian, g.reshape(-1)).reshape(x.shape)
        except np.linalg.LinAlgError:
            break
        g_moved = np.asarray(_gradient(call, point(moved), args), float)
        if not np.linalg.norm(g_moved) < 0.9 * np.linalg.norm(g):
            break
        x, g = moved, g_moved
        hessian = np.asarray(_hessian(call, point(x), args), float)
    return x, g, hessian


def _check(name: str, found: Any, g: np.ndarray, hessian: np.ndarray | None) -> None:
    """Refuse to differentiate what is no minimum."""
    if hessian is None:
        if not found.success:
            raise SolveError(f"{name}, to be differentiated, was not found: {found.message}")
        return
    eigenvalues = np.linalg.eigvalsh(0.5 * (hessian + hessian.T))
    if not eigenvalues[0] > 1e-13 * max(abs(eigenvalues[-1]), 1e-300):
        raise SolveError(
            f"{name} has no derivative: the Hessian at the solution is not positive definite (eigenvalues from {eigenvalues[0]:.2e} to "
            f"{eigenvalues[-1]:.2e}); the minimum is not isolated, or it is none ({found.message})"
        )
    if not found.success and not np.linalg.norm(g) <= 1e-8 * max(float(np.abs(hessian).max()), 1.0):
        raise SolveError(f"{name}, to be differentiated, was not found: {found.message}")


def _inverse(call: Callable, args: tuple) -> Callable:
    """Solves with the Hessian, as the levels outside a trace see it."""

    def inverse(x: Any, trace: Trace) -> tuple[Callable, Callable]:
        hessian, shape = _hessian(call, x, outside(args, trace)), np.shape(value_of(x))

        def solve(v: Any) -> Any:
            return np.reshape(np.linalg.solve(hessian, np.reshape(v, (-1,))), shape)

        return solve, solve

    return inverse
