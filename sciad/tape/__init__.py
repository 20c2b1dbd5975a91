"""The tape tier: differentiation of plain NumPy code of any shape, by recording what it does.

Write NumPy; `trace_vjp` and `trace_jvp` differentiate it.  docs/tape_functions.md lists the functions that are understood.
"""

from __future__ import annotations

from sciad.tape import decompositions, fourier, inspection, linalg, operators, samples, ufuncs  # noqa: F401  (they fill the tables)
from sciad.tape.core import Variable
from sciad.tape.custom import checkpoint, custom_call, custom_jvp, custom_node, custom_vjp, stop_gradient
from sciad.tape.joining import array
from sciad.tape.saving import is_traced, value_of
from sciad.tape.transform import trace_jvp, trace_vjp

__all__ = [
    "Variable",
    "array",
    "checkpoint",
    "custom_call",
    "custom_jvp",
    "custom_node",
    "custom_vjp",
    "is_traced",
    "stop_gradient",
    "trace_jvp",
    "trace_vjp",
    "value_of",
]
