"""The implicit function theorem to any order: each level of differentiation attaches its derivative to a solution that has the outer ones.

At a solution x that carries the derivatives of all outer levels, the residual r = f(x, args) is evaluated on the tape of the next level,
and x becomes x - J^-1 (r - its value): a node with the parent r whose rule, a solve with J, is itself recorded by the outer levels.
"""

from __future__ import annotations

from types import CellType, FunctionType
from typing import Any

import numpy as np

from sciad import tree
from sciad.errors import SolveError
from sciad.jit import jit
from sciad.solvers.nonlinear.problem import Solved
from sciad.tape import array, custom_node, is_traced, trace_vjp, value_of
from sciad.tape.core import Trace, Variable, refresh, wrap

__all__ = ["attach_on_tape", "residual_on_tape", "levels"]


def levels(values: list) -> list[Trace]:
    """The differentiations that the values take part in, the outermost first."""
    found: dict[int, Trace] = {}
    for value in values:
        while isinstance(value, Variable):
            found[value.level.number] = value.level
            value = value.value
    return [found[k] for k in sorted(found)]


def below(value: Any, trace: Trace) -> Any:
    """The value as the levels outside `trace` see it."""
    while isinstance(value, Variable) and value.level.number >= trace.number:
        refresh(value)
        value = value.value
    return value


def _stripped(args: tuple, trace: Trace) -> tuple:
    leaves, structure = tree.flatten(args)
    return tree.unflatten(structure, [below(leaf, trace) for leaf in leaves])


def _closure_below(fun: Any, trace: Trace) -> Any:
    """The function with what it closes over as the levels outside `trace` see it."""
    if type(fun) is not FunctionType or not fun.__closure__:
        return fun
    cells = []
    for cell in fun.__closure__:
        leaves, structure = tree.flatten(cell.cell_contents)
        if any(map(is_traced, leaves)):
            cell = CellType(tree.unflatten(structure, [below(leaf, trace) for leaf in leaves]))
        cells.append(cell)
    made = FunctionType(fun.__code__, fun.__globals__, fun.__name__, fun.__defaults__, tuple(cells))
    made.__kwdefaults__ = fun.__kwdefaults__
    return made


def residual_on_tape(solved: Solved, fun: Any, x: Any, args: tuple) -> Any:
    """f(x, *args), or f(x, *args) - x, with x's shape, recorded: a compiled function as one node."""
    if solved.system.inplace:
        out = np.zeros(solved.system.shape)
        inside = levels([x, *tree.flatten(args)[0], *tree.flatten([c.cell_contents for c in fun.__closure__ or ()])[0]])
        if inside:
            out = wrap(out, inside[-1], None)
        fun(out, x, *args)
    else:
        out = (fun if solved.system.interpreted else jit(fun))(x, *args)
        if isinstance(out, (list, tuple)):
            out = array(out)
    if np.shape(value_of(out)) != solved.system.shape:
        out = np.reshape(out, solved.system.shape)
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
    x: Any = solved.x.reshape(shape) if shape else float(solved.x[0])
    for trace in levels(solved.leaves):
        x = _attach(solved, x, trace, shape, n)
    return x


def _attach(solved: Solved, x: Any, trace: Trace, shape: tuple, n: int) -> Any:
    """The solution, known to the levels outside `trace`, as a node of `trace`."""
    inner = Inside(trace)
    args, fun = _stripped(solved.args, inner), _closure_below(solved.fun, inner)
    r = residual_on_tape(solved, fun, x, args)
    if not (isinstance(r, Variable) and r.level is trace):
        return x
    outside = jacobian_on_tape(solved, _closure_below(solved.fun, trace), x, _stripped(solved.args, trace))
    if not np.linalg.cond(value_of(outside)) < 1e15:
        raise SolveError(f"{solved.name} has no derivative: the Jacobian at the solution is singular")

    def vjp(x_bar: Any) -> tuple:
        found = np.linalg.solve(np.transpose(outside), np.reshape(x_bar, (n,)))
        return (-np.reshape(found, shape),)

    def jvp(r_dot: Any) -> Any:
        return -np.reshape(np.linalg.solve(outside, np.reshape(r_dot, (n,))), shape)

    return custom_node(x, [r], vjp, jvp, solved.name, differentiable_vjp=True)


class Inside:
    """Stands for the level just inside a trace, so that `below` keeps the trace itself."""

    def __init__(self, trace: Trace) -> None:
        self.number = trace.number + 0.5
