"""A function ``f(x, *args)`` as the system that the kernels solve, with memory for solves that is used again."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from sciad import tree
from sciad.frontend.context import ROOT
from sciad.frontend.source import python_function
from sciad.solvers.fields import Compiled, field_for, is_inplace
from sciad.solvers.nonlinear.workspace import Workspace
from sciad.tape import is_traced, value_of

__all__ = ["System", "system_of"]

KEPT = 16  # systems of one code that are kept: closures over functions or constants may need several


class System:
    """The compiled forms of one function for one shape of x and kinds of args, and memory for its solves."""

    def __init__(self, compiled: Compiled, shape: tuple[int, ...], args: tuple, inplace: bool, time: bool = False) -> None:
        self.field, self.rhs, self.shape, self.inplace = compiled.field, compiled.rhs, shape, inplace
        self.n, self.n_p = self.field.n, self.field.n_p
        self.rows = shape[0] if len(shape) > 1 and shape[0] > 0 else 1
        self.lead = (0.0,) if time else ()
        self.interpreted = hasattr(self.field, "reraise")
        self.spaces: dict[Any, list[Workspace]] = {}
        self._slots = self._direct_slots(args)
        self.direct = self._slots is not None  # args are the leaves
        self._guards = self._global_guards()

    def _direct_slots(self, args: tuple) -> list[tuple[int, int, int]] | None:
        """Where each float or array of args lies in the parameters, if there is nothing else among them."""
        slots = self.field.slots
        if self.interpreted or len(slots) != len(args) or self.field.captures:
            return None
        if not all(type(x) is float or type(x) is np.ndarray for x in map(value_of, args)):
            return None
        return [(k, slot.start, -1 if slot.shape is None else slot.start + slot.size) for k, slot in enumerate(slots)]

    def _global_guards(self) -> list[tuple[str, str | None, Any]] | None:
        """The objects that were compiled in, where all are globals of the function itself: their check is then a few look-ups."""
        if self.interpreted or self.field.captures:
            return None
        quick = []
        for capture, found in self.field.guards:
            if capture.origin is not ROOT or len(capture.path) > 1 or capture.name not in capture.function.__globals__:
                return None
            if capture.name in capture.function.__code__.co_freevars:
                return None
            quick.append((capture.name, capture.path[0] if capture.path else None, found))
        return quick

    def current(self, fun: Any, args: tuple) -> bool:
        """Whether this serves `fun`, too: the same code, perhaps another closure; where it is interpreted, the same function."""
        if self.interpreted:
            return self.field.serves(fun, args)
        if self._guards is not None:
            names = fun.__globals__
            for name, attribute, found in self._guards:
                now = names.get(name)
                if (now if attribute is None else getattr(now, attribute, None)) is not found:
                    break
            else:
                return True
        return self.field.current(fun)

    def pack(self, p: np.ndarray, leaves: Any) -> bool:
        """Write the parameters behind the leaves into p (n_p,); whether any leaf is traced."""
        if self._slots is None:
            p[:] = self.field.pack(leaves)
            return any(map(is_traced, leaves))
        traced = False
        for k, start, stop in self._slots:
            value = leaves[k]
            if type(value) is not float and type(value) is not np.ndarray:
                traced = traced or is_traced(value)
                value = value_of(value)
            if stop < 0:
                p[start] = value
            else:
                p[start:stop] = value.reshape(-1)
        return traced

    def take(self, key: Any, make: Callable[[], Workspace]) -> Workspace:
        """Memory for a solve, to be handed back with `give`; two solves at once get two."""
        free = self.spaces.get(key)
        if free is None:
            free = self.spaces.setdefault(key, [])
        try:
            return free.pop()
        except IndexError:
            return make()

    def give(self, key: Any, space: Workspace) -> None:
        """Hand memory back."""
        self.spaces[key].append(space)

    def reraise(self) -> None:
        """Raise what a function in Python raised during the last solve."""
        if self.interpreted:
            self.field.reraise()


_SYSTEMS: dict[tuple, list[System]] = {}


def system_of(fun: Any, shape: tuple[int, ...], args: tuple, time: bool = False) -> System:
    """The system of ``fun(x, *args)``, or ``fun(0.0, x, *args)`` with `time`, for this shape of x and kinds of args.

    `fun` writes in place where it takes one more positional argument.  The errors and the warning of `field_for`.
    """
    plain = fun if type(fun) is FunctionType else python_function(fun)
    key: tuple | None = (getattr(plain, "__code__", None), shape, time, *[_kind(x) for x in args])
    try:
        found = _SYSTEMS.get(key)
    except TypeError:  # something unhashable among the arguments: `field_for` says so, or flattens it
        key, found = None, None
    if found is not None and type(plain) is FunctionType:
        for system in found:
            if system.current(plain, args):
                return system
    inplace = is_inplace(fun, len(args), time=time)
    compiled, _ = field_for(fun, shape, args, inplace=inplace, time=time)
    system = System(compiled, shape, args, inplace, time)
    if key is not None and type(plain) is FunctionType and not (system.interpreted and plain.__closure__):
        kept = _SYSTEMS.setdefault(key, [])
        kept.append(system)
        del kept[:-KEPT]
    return system


def _kind(x: Any) -> Any:
    """What of an argument the compiled function depends on."""
    kind = type(x)
    if kind is float:
        return float
    if kind is np.ndarray:
        return x.dtype, x.shape
    if kind is int or kind is bool or kind is str or x is None:
        return kind, x
    value = value_of(x)
    if value is not x:
        return _kind(value)
    if isinstance(x, np.floating):
        return float
    if isinstance(x, (np.ndarray, np.generic)):
        return _kind(np.asarray(x))
    leaves, structure = tree.flatten(x)
    return (kind, x) if structure.kind == "leaf" else (structure, *[_kind(leaf) for leaf in leaves])
