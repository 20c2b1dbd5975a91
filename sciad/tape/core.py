"""The tape's data: traces (one for each differentiation in progress), nodes of the graph, and traced values.

A `Variable` is a handle: a value, and what its trace knows about its derivative: a node of the graph in reverse mode, a tangent in
forward mode, None for a constant.  Nodes never change, handles do: an in-place write gives the handle a new value and a new node, so
whatever was recorded before keeps what it saw.  A value may itself be a variable of an outer trace: that is all there is to higher orders.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from sciad.errors import SciadError

__all__ = ["Trace", "Node", "Variable", "ArrayVariable", "View", "PLAIN", "STORE", "MULTI", "F8", "wrap", "refresh", "top_trace", "leaked"]

_trace_numbers = itertools.count(1)
_node_numbers = itertools.count()
F8 = np.dtype(np.float64)

#: Kinds of nodes: ordinary; a store, which takes the cotangent array for its own; one with several outputs.
PLAIN, STORE, MULTI = 0, 1, 2


class Trace:
    """One differentiation in progress; the inner of two nested ones has the higher number."""

    __slots__ = ("number", "forward", "closed", "frozen", "inputs")

    def __init__(self, forward: bool) -> None:
        self.number = next(_trace_numbers)
        self.forward = forward
        self.closed = False
        self.frozen: dict[int, tuple] = {}  # large plain arrays that were copied, by id (see `saving.freeze`)
        self.inputs: list[tuple[Variable, np.ndarray]] = []  # with the caller's arrays, to notice overlap when one is written to

    def close(self) -> None:
        """End the recording: a variable that outlives it cannot be computed with."""
        self.closed = True
        self.frozen = {}
        self.inputs = []


class Node:
    """One recorded operation: ``vjp(bar)`` gives a cotangent (or None) for each parent."""

    __slots__ = ("number", "parents", "vjp", "shape", "dtype", "kind")

    def __init__(self, parents: tuple, vjp: Callable | None, value: Any, kind: int = PLAIN) -> None:
        self.number = next(_node_numbers)
        self.parents, self.vjp, self.kind = parents, vjp, kind
        kind_of_value = type(value)
        if kind_of_value is float or kind_of_value is complex:
            self.shape, self.dtype = (), F8 if kind_of_value is float else np.dtype(complex)
        elif kind != MULTI:
            self.shape, self.dtype = value.shape, value.dtype


class View:
    """How a variable that shares memory with another is obtained from it again after a write."""

    __slots__ = ("parent", "step", "params", "owner", "seen")

    def __init__(self, parent: Variable, step: Any, params: tuple) -> None:
        self.parent, self.step, self.params = parent, step, params
        self.owner: Variable = parent.owner
        self.seen = self.owner.version

    def steps(self) -> list[tuple]:
        """The steps that lead from the owner of the memory to this view."""
        before = self.parent.window.steps() if self.parent.window is not None else []
        return [*before, (self.step, self.params)]


class Variable:
    """A traced number.  NumPy's functions and Python's operators on it are recorded; see `sciad.tape`."""

    __slots__ = ("value", "level", "deriv", "window", "version", "shared", "__weakref__")

    def __init__(self, value: Any, trace: Trace, deriv: Any) -> None:
        self.value = value
        self.level = trace
        self.deriv = deriv
        self.window: View | None = None
        self.version = 0
        self.shared = False  # whether somebody else relies on the array in `value` staying as it is

    @property
    def owner(self) -> Variable:
        """The variable to which the memory belongs that this one looks into."""
        return self if self.window is None else self.window.owner

    __hash__ = None  # type: ignore[assignment]  # as for arrays: == compares elements
    __array_priority__ = 1000.0


class ArrayVariable(Variable):
    """A traced array.  Apart from `Variable`, because Python and NumPy take everything with an index for a sequence."""

    __slots__ = ()


def wrap(value: Any, trace: Trace, deriv: Any) -> Variable:
    """A new handle for a value of `trace`."""
    kind = type(value)
    return (ArrayVariable if kind is np.ndarray or kind is ArrayVariable else Variable)(value, trace, deriv)


def refresh(x: Variable) -> None:
    """Bring a view up to date with the array that it looks into."""
    view = x.window
    if view is None or view.seen == view.owner.version:
        return
    again = view.step(view.parent, *view.params)  # refreshes the parent first
    x.value, x.deriv = again.value, again.deriv
    view.seen = view.owner.version


def top_trace(operands: Iterable) -> Trace | None:
    """The innermost trace among the operands; SciadError where it is over."""
    top = None
    for x in operands:
        if isinstance(x, Variable) and (top is None or x.level.number > top.number):
            top = x.level
    if top is not None and top.closed:
        raise leaked()
    return top


def leaked() -> SciadError:
    """The error for a variable that outlived its trace."""
    return SciadError(
        "a traced value was used after the differentiation that made it had ended: it was kept in a global, an attribute or a "
        "closure; return it from the differentiated function instead, or keep sciad.stop_gradient(x)"
    )
