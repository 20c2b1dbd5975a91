"""Arrays in the frontend: one door to views, elementwise expressions, reductions, products and NumPy's functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sciad.frontend.context import Context
from sciad.frontend.elementwise import elementwise_binary, elementwise_unary, store_lazy
from sciad.frontend.linear_algebra import LINALG
from sciad.frontend.matrices import MATRICES
from sciad.frontend.numpy_calls import NUMPY as PLAIN
from sciad.frontend.numpy_calls import attribute, method
from sciad.frontend.numpy_source import AXES, SOURCES, integers
from sciad.frontend.products import matmul
from sciad.frontend.reductions import reduce
from sciad.frontend.strict import strict
from sciad.frontend.values import Static
from sciad.frontend.views import as_array, assign, scalar_of, subscript


def inlined(source: Callable) -> Callable:
    """The lowering of a function that is written in the subset."""

    def lower(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
        from sciad.frontend.calls import call_python

        return call_python(ctx, source, args, kwargs)

    return lower


def refusing(allowed: tuple[int, ...]) -> Callable:
    """The lowering of what a source asks of its argument: nothing, or an error."""

    def lower(ctx: Context, args: list, kwargs: dict[str, Any]) -> Static:
        ndim = getattr(args[0], "ndim", 0)
        if ndim not in allowed:
            name = f"np.{ctx.frame.name.strip('_')}"
            raise ctx.error(f"{name} of an array with {ndim} axes", "reshape it, or write the operation with supported functions")
        return Static(None)

    return lower


def _only_integers(ctx: Context, args: list, kwargs: dict[str, Any]) -> Static:
    """The lowering of `integers`."""
    dtype = getattr(args[0], "dtype", None)
    if dtype != "int64":
        raise ctx.error(f"np.{ctx.frame.name.strip('_')} with indices of {dtype}", "use an array of ints, such as np.flatnonzero(mask)")
    return Static(None)


__all__ = [
    "NUMPY",
    "as_array",
    "assign",
    "attribute",
    "elementwise_binary",
    "elementwise_unary",
    "matmul",
    "method",
    "reduce",
    "scalar_of",
    "store_lazy",
    "subscript",
]

#: How each NumPy function is lowered.
NUMPY = {
    **{function: strict(lower, f"np.{function.__name__}") for function, lower in {**PLAIN, **MATRICES, **LINALG}.items()},
    **{function: inlined(source) for function, source in SOURCES.items()},
    **{asks: refusing(allowed) for asks, allowed in AXES.items()},
    integers: _only_integers,
}
