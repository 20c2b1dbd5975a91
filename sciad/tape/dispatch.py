"""NumPy's functions, by way of ``__array_function__``: a table of handlers, and a clear error for what is not in it.

A handler has the signature and the meaning of the NumPy function that it stands for, and so no docstring of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.errors import MissingRule, SciadError
from sciad.tape.core import Variable
from sciad.tape.saving import value_of

__all__ = [
    "HANDLERS",
    "LIKE",
    "NAMES",
    "NONDIFFERENTIABLE",
    "array_function",
    "deep_value",
    "implements",
    "missing",
    "nondifferentiable",
    "refuse_buffer",
    "user_location",
    "write_out",
]

#: NumPy function -> what is done instead when one of its arguments is traced.
HANDLERS: dict[Callable, Callable] = {}
#: The same by name: ``linalg.solve``.
NAMES: dict[str, Callable] = {}
#: Names of the functions without derivative, which see plain values.
NONDIFFERENTIABLE: set[str] = set()
#: Names of the functions that take ``like=``, for which NumPy passes functions of its own, -> what makes the array.
LIKE: dict[str, Callable] = {}

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_NUMPY = os.path.dirname(np.__file__) + os.sep


def numpy_function(name: str) -> Callable | None:
    """The function ``np.<name>``, dots allowed; None where this NumPy has none of that name."""
    found: Any = np
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def implements(*names: str) -> Callable:
    """Register a handler for the NumPy functions of the given names."""

    def register(handler: Callable) -> Callable:
        for name in names:
            function = numpy_function(name)
            if function is not None:
                HANDLERS[function] = NAMES[name] = handler
        return handler

    return register


def nondifferentiable(*names: str) -> None:
    """Register functions whose results carry no derivative: they are called with plain values."""
    for name in names:
        function = numpy_function(name)
        if function is not None:
            NONDIFFERENTIABLE.add(name)
            HANDLERS[function] = _on_values(function)


def _on_values(function: Callable) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*deep_value(args), **deep_value(kwargs))

    return call


def deep_value(x: Any) -> Any:
    """`x` with traced values replaced by plain ones, inside tuples, lists and dicts too."""
    if isinstance(x, Variable):
        return value_of(x)
    if type(x) is tuple or type(x) is list:
        return type(x)([deep_value(v) for v in x])
    return {k: deep_value(v) for k, v in x.items()} if type(x) is dict else x


def array_function(self: Variable, function: Callable, types: Any, args: tuple, kwargs: dict) -> Any:
    """``Variable.__array_function__``."""
    handler = HANDLERS.get(function)
    if handler is None:
        name = getattr(function, "__name__", "")
        if name in LIKE:
            return LIKE[name](name, self, args, kwargs)
        raise missing(getattr(function, "__name__", str(function)), getattr(function, "__module__", None) or "numpy")
    if "out" in kwargs:
        kwargs = dict(kwargs)
        out = kwargs.pop("out")
        return handler(*args, **kwargs) if out is None else write_out(out, handler(*args, **kwargs), function.__name__)
    return handler(*args, **kwargs)


def missing(name: str, module: str = "numpy") -> MissingRule:
    """The error for a function without a rule; it names the function, the user's line, and how to go on."""
    return MissingRule(
        f"{user_location()}: {module}.{name} has no derivative rule for traced values; write it with supported functions "
        f"(docs/tape_functions.md), wrap it in sciad.custom_vjp or sciad.custom_jvp, or pass sciad.stop_gradient(x) if its result "
        f"is not to be differentiated (an elementwise ufunc needs only sciad.rules.registry.rule({name!r}, lambda y, x: ...))"
    )


def user_location() -> str:
    """File and line of the innermost frame that is neither in sciad nor in NumPy."""
    frame = sys._getframe(1)
    while frame is not None:
        filename = frame.f_code.co_filename
        if not filename.startswith((_HERE, _NUMPY, "<__array_function__")):
            return f"{filename}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "?"


def write_out(out: Any, result: Any, name: str) -> Any:
    """Store a result where ``out=`` asks for it."""
    if isinstance(out, tuple):
        (out,) = out
    if isinstance(out, Variable):
        from sciad.tape.indexing import assign

        assign(out, result)
        return out
    if isinstance(result, Variable):
        raise refuse_buffer(f"np.{name}(..., out=)")
    out[...] = result
    return out


def refuse_buffer(what: str) -> SciadError:
    """The error for writing a traced value into a plain array, which cannot hold its derivative."""
    return SciadError(
        f"{user_location()}: {what} would write a traced value into a plain NumPy array, which cannot carry its derivative; create the "
        f"array from a traced one (np.zeros_like(x), np.zeros(shape, like=x)), or collect the parts in a list and np.stack them"
    )
