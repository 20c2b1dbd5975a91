"""Nested differentiations: which levels a value takes part in, and what it is for those outside one of them.

A value computed elsewhere, x with r(x, p) = 0, gets its derivatives level by level, the outermost first: where x carries those of the outer
levels, r is evaluated on the tape of the next one, and x becomes a node with the parent r.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sciad import tree
from sciad.tape.core import Trace, Variable, refresh
from sciad.tape.custom import custom_node

__all__ = ["attach", "levels", "outside", "upto"]


def levels(values: Iterable) -> list[Trace]:
    """The differentiations that the values take part in, the outermost first."""
    found: dict[int, Trace] = {}
    for value in values:
        while isinstance(value, Variable):
            found[value.level.number] = value.level
            value = value.value
    return [found[k] for k in sorted(found)]


def _lowered(value: Any, number: int) -> Any:
    while isinstance(value, Variable) and value.level.number >= number:
        refresh(value)
        value = value.value
    return value


def outside(values: Any, trace: Trace) -> Any:
    """A tree of values as the levels outside `trace` see it."""
    leaves, structure = tree.flatten(values)
    return tree.unflatten(structure, [_lowered(leaf, trace.number) for leaf in leaves])


def upto(values: Any, trace: Trace) -> Any:
    """A tree of values as `trace` and the levels outside it see it."""
    leaves, structure = tree.flatten(values)
    return tree.unflatten(structure, [_lowered(leaf, trace.number + 1) for leaf in leaves])


def attach(x: Any, residual: Callable, inverse: Callable, involved: Iterable, name: str) -> Any:
    """The plain solution x with the derivatives of all levels of the `involved` values.

    ``residual(x, trace)`` evaluates r on the tape with values as `trace` sees them; ``inverse(x, trace)`` gives two functions, v -> J^-1 v
    and v -> J^-T v, J = dr/dx with values as the levels outside `trace` see them, which those can differentiate.
    """
    for trace in levels(involved):
        r = residual(x, trace)
        if isinstance(r, Variable) and r.level is trace:
            x = _node(x, r, *inverse(x, trace), name)
    return x


def _node(x: Any, r: Any, solve: Callable, solve_transposed: Callable, name: str) -> Any:
    return custom_node(x, [r], lambda x_bar: (-solve_transposed(x_bar),), lambda r_dot: -solve(r_dot), name, differentiable_vjp=True)
