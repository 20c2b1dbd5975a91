"""A function ``f(x, *args)`` as the system that the kernels solve: compiled, or called back in Python where it cannot be."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from sciad import tree
from sciad.errors import PerformanceWarning, ShapeError, UnsupportedSyntax
from sciad.field import Field
from sciad.frontend.source import python_function
from sciad.solvers.nonlinear.callbacks import Callbacks
from sciad.solvers.nonlinear.workspace import Workspace
from sciad.solvers.rhs import Rhs

__all__ = ["System", "system_of", "plain"]


def plain(x: Any) -> Any:
    """The number or array below all levels of tracing."""
    return getattr(x, "__sciad_value__", x)


class System:
    """The compiled forms of one function for one shape of x and kinds of args, with memory for solves that is used again.

    `field` is None where the function is called back in Python; then `callbacks` is not.
    """

    def __init__(self, fun: Callable, shape: tuple[int, ...], args: tuple, inplace: bool, compiled: bool) -> None:
        self.shape, self.inplace = shape, inplace
        self.n = int(np.prod(shape))
        self.rows = shape[0] if len(shape) > 1 and shape[0] > 0 else 1
        self.field: Field | None = None
        self.callbacks: Callbacks | None = None
        if compiled:
            self.field = Field(fun, shape, args, inplace=inplace, time=False)
            self.rhs = Rhs.of(self.field)
            self.n_p = self.field.n_p
        else:
            self.callbacks = Callbacks(fun, shape, args, inplace)
            self.rhs, self.n_p = self.callbacks.rhs, 0
        self._spaces: dict[tuple, list[Workspace]] = {}
        self._direct = self._direct_slots(args)

    def _direct_slots(self, args: tuple) -> list[tuple[int, int, int]] | None:
        """Where each float or array of args lies in the parameters, if args hold nothing else and the function closes over no floats."""
        if self.field is None or len(self.field.slots) != len(args) or self.field.captures:
            return None
        if not all(isinstance(x, (float, np.ndarray)) for x in map(plain, args)):
            return None
        return [(k, slot.start, -1 if slot.shape is None else slot.start + slot.size) for k, slot in enumerate(self.field.slots)]

    def pack(self, p: np.ndarray, args: tuple, fun: Callable) -> None:
        """Write the parameters as they are now into p (n_p,)."""
        if self._direct is not None:
            for k, start, stop in self._direct:
                value = args[k]
                if hasattr(value, "__sciad_value__"):
                    value = value.__sciad_value__
                if stop < 0:
                    p[start] = value
                else:
                    p[start:stop] = value.reshape(-1)
        elif self.field is not None:
            p[:] = self.field.pack(self.field.leaves(args, fun))

    def leaves(self, args: tuple, fun: Callable) -> list:
        """Floats and arrays of args, then those that `fun` closes over, as they are now (traced ones, too), in the order of p."""
        assert self.field is not None
        return self.field.leaves(args, fun)

    def current(self, fun: Callable) -> bool:
        """Whether this serves `fun`, too: another closure of the same code."""
        return self.callbacks is not None or (self.field is not None and self.field.current(fun))

    def take(self, key: tuple, make: Callable[[], Workspace]) -> Workspace:
        """Memory for a solve, to be handed back with `give`; two solves at once get two."""
        free = self._spaces.get(key)
        if free:
            try:
                return free.pop()
            except IndexError:  # another thread was faster
                pass
        return make()

    def give(self, key: tuple, space: Workspace) -> None:
        """Hand memory back."""
        self._spaces.setdefault(key, []).append(space)


#: Systems by code and kinds of arguments; several where closures differ in what is compiled in.
_SYSTEMS: dict[tuple, list[System]] = {}
_WARNED: set[CodeType] = set()


def system_of(fun: Callable, shape: tuple[int, ...], args: tuple) -> System:
    """The system for this function, shape of x and kinds of args, lowered when first seen.

    `fun` is in place where it takes one more positional argument, the first, to write its result into.  Warns once with a
    PerformanceWarning where the compiled tier does not take it.  ShapeError where its result does not have x's shape.
    """
    plain_fun = fun if type(fun) is FunctionType else python_function(fun)
    code = getattr(plain_fun, "__code__", None)
    key = (code if type(plain_fun) is FunctionType else id(fun), shape, *[_kind(x) for x in args])
    found = _SYSTEMS.get(key)
    if found is not None:
        for system in found:
            if system.current(plain_fun):
                if system.callbacks is not None:
                    return System(fun, shape, args, system.inplace, compiled=False)
                return system
    return _new_system(fun, plain_fun, code, key, shape, args)


def _new_system(fun: Callable, plain_fun: Any, code: Any, key: tuple, shape: tuple[int, ...], args: tuple) -> System:
    inplace = code is not None and _is_inplace(plain_fun, len(args))
    try:
        if type(plain_fun) is not FunctionType:
            raise UnsupportedSyntax(f"`{fun!r}` is not a plain function", "pass a function defined with def")
        system = System(fun, shape, args, inplace, compiled=True)
    except UnsupportedSyntax as error:
        if code not in _WARNED:
            _WARNED.add(code)
            text = f"the function is called back in Python at every evaluation, because the compiled tier does not take it: {error}"
            warnings.warn(text, PerformanceWarning, stacklevel=4)
        system = System(fun, shape, args, inplace, compiled=False)
    _SYSTEMS.setdefault(key, []).append(system)
    return system


def _is_inplace(fun: Any, n_args: int) -> bool:
    """Whether a function asks for one more positional argument than x and args."""
    code = fun.__code__
    required = code.co_argcount - len(fun.__defaults__ or ()) - (0 if type(fun) is FunctionType else 1)
    if required > n_args + 2 or (code.co_argcount < n_args + 1 and not code.co_flags & 4):
        raise ShapeError(f"`{fun.__name__}` takes {code.co_argcount} arguments, and x with args are {1 + n_args}; give args as a tuple")
    return required == n_args + 2


def _kind(x: Any) -> Any:
    """What of an argument the compiled function depends on."""
    kind = type(x)
    if kind is float:
        return float
    if kind is np.ndarray:
        return x.dtype.char, x.shape
    if kind is int or kind is bool or kind is str or x is None:
        return kind, x
    value = plain(x)
    if value is not x or isinstance(x, (np.ndarray, np.generic)):
        return _kind(value if type(value) in (float, np.ndarray) else float(value) if isinstance(value, np.floating) else np.asarray(value))
    leaves, structure = tree.flatten(x)
    if structure.kind == "leaf":
        return kind, id(x)
    return structure, *[_kind(leaf) for leaf in leaves]
