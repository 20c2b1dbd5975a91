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
from sciad.frontend.numpy_source import SOURCES
from sciad.frontend.products import matmul
from sciad.frontend.reductions import reduce
from sciad.frontend.views import as_array, assign, scalar_of, subscript


def inlined(source: Callable) -> Callable:
    """The lowering of a function that is written in the subset."""

    def lower(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
        from sciad.frontend.calls import call_python

        return call_python(ctx, source, args, kwargs)

    return lower


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
NUMPY = {**PLAIN, **MATRICES, **LINALG, **{function: inlined(source) for function, source in SOURCES.items()}}
