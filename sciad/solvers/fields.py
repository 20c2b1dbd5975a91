"""Compiled vector fields by function and kinds of arguments, kept between solves; a C callback where the compiled tier refuses."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np

from sciad import tree
from sciad.errors import PerformanceWarning, SciadError, UnsupportedSyntax
from sciad.field import Field
from sciad.frontend.source import python_function
from sciad.solvers.callback import CallbackField
from sciad.solvers.rhs import Rhs
from sciad.tape import value_of

__all__ = ["Compiled", "field_for", "is_inplace"]

_FIELDS: dict[tuple, list[Compiled]] = {}
_REFUSED: dict[tuple, UnsupportedSyntax] = {}  # reasons, so that one function warns once
KEPT = 16  # compiled forms of one code that are kept: closures over functions or constants may need several


class Compiled:
    """A field and the right-hand side that solvers take."""

    __slots__ = ("field", "rhs")

    def __init__(self, field: Any) -> None:
        self.field, self.rhs = field, Rhs.of(field)


def field_for(
    fun: Callable, y_shape: tuple[int, ...], args: tuple, *, inplace: bool = False, time: bool = True,
    out_shape: tuple[int, ...] | None = None,
) -> tuple[Compiled, list]:  # fmt: skip
    """The compiled form of ``fun(t, y, *args)`` for a state of this shape and arguments of these kinds, and the leaves in its vector.

    Where the compiled tier does not take `fun`, a callback into Python, with one PerformanceWarning that names the reason.
    """
    plain = python_function(fun)
    leaves, structure = tree.flatten(args)
    key = (getattr(plain, "__code__", plain), y_shape, inplace, time, out_shape, structure, *map(_kind, leaves))
    found = _FIELDS.get(key)
    if found is not None:
        for compiled in found:
            if compiled.field.current(fun):
                return compiled, compiled.field.leaves_of(leaves, fun)
    compiled = _new(fun, plain, key, y_shape, args, inplace, time, out_shape)
    return compiled, compiled.field.leaves_of(leaves, fun)


def _new(
    fun: Callable, plain: Any, key: tuple, y_shape: tuple, args: tuple, inplace: bool, time: bool, out_shape: tuple | None
) -> Compiled:
    refused = _REFUSED.get(key)
    if refused is None:
        try:
            compiled = Compiled(Field(fun, y_shape, args, inplace=inplace, time=time, out_shape=out_shape))
            kept = _FIELDS.setdefault(key, [])
            kept.append(compiled)
            del kept[:-KEPT]
            return compiled
        except UnsupportedSyntax as error:
            _REFUSED[key] = refused = error
            name = getattr(plain, "__name__", "the right-hand side")
            warnings.warn(
                f"`{name}` runs in Python, many times slower than compiled, because of {refused}", PerformanceWarning, stacklevel=4
            )
    return Compiled(CallbackField(fun, y_shape, args, inplace=inplace, time=time, out_shape=out_shape))


def _kind(x: Any) -> Any:
    """What compilation depends on of one leaf of the arguments."""
    x = value_of(x)
    kind = type(x)
    if kind is np.ndarray:
        return x.shape, x.dtype
    if kind is float:
        return kind
    if isinstance(x, (np.floating, float)):
        return float
    return (type(x), x)


def is_inplace(fun: Callable, n_args: int, time: bool = True) -> bool:
    """Whether `fun` has one positional parameter more than ``fun(t, y, *args)`` needs, and so writes its result into the first."""
    if not callable(fun):
        raise TypeError(f"`fun` must be a function, not {fun!r}")
    plain = python_function(fun)
    code = getattr(plain, "__code__", None)
    expected = 1 + time + n_args
    if code is None:
        return _inplace_by_signature(plain, expected)
    bound = 1 if inspect.ismethod(fun) else 0
    return _inplace(code, len(plain.__defaults__ or ()), expected + bound, getattr(plain, "__name__", "the function"))


@lru_cache(maxsize=1024)
def _inplace(code: CodeType, n_defaults: int, expected: int, name: str) -> bool:
    taken = code.co_argcount
    if code.co_flags & inspect.CO_VARARGS and taken <= expected:
        return False
    return _decide(taken - n_defaults, taken, expected, name)


def _inplace_by_signature(fun: Callable, expected: int) -> bool:
    try:
        parameters = inspect.signature(fun).parameters.values()
    except (TypeError, ValueError):  # a builtin: nobody knows
        return False
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = sum(p.default is p.empty for p in positional)
    return _decide(required, len(positional), expected, getattr(fun, "__name__", type(fun).__name__))


def _decide(required: int, possible: int, expected: int, name: str) -> bool:
    if required <= expected <= possible:
        return False
    if required == expected + 1:
        return True
    raise SciadError(
        f"`{name}` takes {possible if possible == required else f'{required} to {possible}'} positional arguments; it is called with "
        f"{expected} (time and state, and the args given), or {expected + 1} where it writes its result into the first; check args"
    )
