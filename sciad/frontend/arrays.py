"""Arrays in the frontend: one door to views, elementwise expressions, reductions, products and NumPy's functions."""

from __future__ import annotations

from sciad.frontend.elementwise import elementwise_binary, elementwise_unary, store_lazy
from sciad.frontend.linear_algebra import LINALG
from sciad.frontend.matrices import MATRICES
from sciad.frontend.numpy_calls import NUMPY as PLAIN
from sciad.frontend.numpy_calls import attribute, method
from sciad.frontend.products import matmul
from sciad.frontend.reductions import reduce
from sciad.frontend.views import as_array, assign, scalar_of, subscript

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
NUMPY = {**PLAIN, **MATRICES, **LINALG}
