"""The implicit function theorem to any order: the residual on the tape of each level of differentiation, its Jacobian on those outside."""

from __future__ import annotations

from collections.abc import Callable
from types import CellType, FunctionType
from typing import Any

import numpy as np

from sciad import tree
from sciad.errors import SolveError
from sciad.jit import jit
from sciad.levels import attach, levels, outside, upto
from sciad.solvers.nonlinear.problem import Solved
from sciad.tape import array, is_traced, trace_vjp, value_of
from sciad.tape.core import Trace, wrap

__all__ = ["attach_on_tape", "jacobian_on_tape", "residual_on_tape"]


def _closure(fun: Any, see: Callable) -> Any:
    """The function with traced values that it closes over as `see` gives them."""
    if type(fun) is not FunctionType or not fun.__closure__:
        return fun
    cells = []
    for cell in fun.__closure__:
        if any(map(is_traced, tree.leaves(cell.cell_contents))):
            cell = CellType(see(cell.cell_contents))
        cells.append(cell)
    made = FunctionType(fun.__code__, fun.__globals__, fun.__name__, fun.__defaults__, tuple(cells))
    made.__kwdefaults__ = fun.__kwdefaults__
    return made


def residual_on_tape(solved: Solved, fun: Any, x: Any, args: tuple) -> Any:
    """f(x, *args), or f(x, *args) - x, with x's shape, recorded: a compiled function as one node."""
    shape = solved.system.shape
    if solved.system.inplace:
        out: Any = np.zeros(shape)
        inside = levels([x, *tree.leaves(args), *[leaf for cell in fun.__closure__ or () for leaf in tree.leaves(cell.cell_contents)]])
        if inside:
            out = wrap(out, inside[-1], None)
        fun(out, *solved.system.lead, x, *args)
    else:
        out = (fun if solved.system.interpreted else jit(fun))(*solved.system.lead, x, *args)
        if isinstance(out, (list, tuple)):
            out = array(out)
    if np.shape(value_of(out)) != shape:
        out = np.reshape(out, shape)
    return out - x if solved.fixed else out


def jacobian_on_tape(solved: Solved, fun: Any, x: Any, args: tuple) -> Any:
    """The Jacobian of the residual, (n, n), traced by the levels that x and args take part in."""
    n, shape = solved.system.n, solved.system.shape
    _, pullback = trace_vjp(lambda x: residual_on_tape(solved, fun, x, args), (x,))
    units = np.eye(n).reshape(n, *shape)
    return array([np.reshape(pullback(unit if shape else float(unit))[0], (n,)) for unit in units])


def attach_on_tape(solved: Solved) -> Any:
    """The solution with the derivatives of all levels that its leaves take part in."""
    shape, n = solved.system.shape, solved.system.n

    def residual(x: Any, trace: Trace) -> Any:
        return residual_on_tape(solved, _closure(solved.fun, lambda v: upto(v, trace)), x, upto(solved.args, trace))

    def inverse(x: Any, trace: Trace) -> tuple[Callable, Callable]:
        jac = jacobian_on_tape(solved, _closure(solved.fun, lambda v: outside(v, trace)), x, outside(solved.args, trace))
        if not np.linalg.cond(value_of(jac)) < 1e15:
            raise SolveError(f"{solved.name} has no derivative: the Jacobian at the solution is singular; see that of first order")

        def solver(matrix: Any) -> Callable:
            return lambda v: np.reshape(np.linalg.solve(matrix, np.reshape(v, (n,))), shape)

        return solver(jac), solver(np.transpose(jac))

    x = solved.x.reshape(shape) if shape else float(solved.x[0])
    return attach(x, residual, inverse, solved.leaves, solved.name)
