"""Types of the values that the compiled tier computes with: scalars, and buffers of scalars."""

from __future__ import annotations

import numpy as np

__all__ = ["F8", "F4", "I8", "B1", "BUFFERS", "buffer_of", "element_of", "is_buffer", "is_float", "promote", "dtype_of", "scalar_of_dtype"]

# Scalars.  Python's int is I8: 64 bits, wrapping around as in NumPy.
F8, F4, I8, B1 = "f8", "f4", "i8", "b1"

#: Element types of memory; narrow integers widen to I8 when they are loaded.
BUFFERS = {
    "float64": F8,
    "float32": F4,
    "int64": I8,
    "int32": I8,
    "int16": I8,
    "int8": I8,
    "uint8": I8,
    "uint16": I8,
    "uint32": I8,
    "bool": B1,
}

_RANK = {B1: 0, I8: 1, F4: 2, F8: 3}


def buffer_of(dtype: str) -> str:
    """Type of a buffer with elements of the named NumPy dtype."""
    return "*" + dtype


def element_of(buffer: str) -> str:
    """Scalar type that a load from a buffer of this type gives."""
    return BUFFERS[buffer[1:]]


def is_buffer(type_: str) -> bool:
    """Whether values of this type are memory."""
    return type_[0] == "*"


def is_float(type_: str) -> bool:
    """Whether values of this type can carry a derivative."""
    return type_ in (F8, F4) or type_ in ("*float64", "*float32")


def promote(a: str, b: str) -> str:
    """Type of an arithmetic result of two scalars; an int with a float32 gives float64, as in numba and NumPy arrays."""
    if a == b:
        return a
    if {a, b} == {I8, F4}:
        return F8
    return a if _RANK[a] >= _RANK[b] else b


def dtype_of(scalar: str) -> str:
    """Name of the NumPy dtype that stores a scalar type."""
    return {F8: "float64", F4: "float32", I8: "int64", B1: "bool"}[scalar]


def scalar_of_dtype(dtype) -> str | None:
    """Scalar type of a NumPy dtype, or None where the compiled tier has none."""
    return BUFFERS.get(np.dtype(dtype).name)
