"""The imports of generated modules."""

from __future__ import annotations

import re

__all__ = ["RESERVED", "header"]

#: Module -> what generated code takes from it, as `name` or `name as other`.
_NAMES = {
    "sciad": ("kernels", "linear_kernels", "scalar_kernels", "vmath"),
    "sciad.backend": (
        "as_int", "cfunc", "empty", "fast_add", "grown", "keep", "kernel", "kernel_signature", "njit", "part", "select", "stack_array",
        "subarray", "unsigned as _u", "view1d", "zeros",
    ),
    "sciad.kernels": ("gemm",),
}  # fmt: skip

#: Names that no variable may have.
RESERVED = {"math", "np", *(name.split()[-1] for names in _NAMES.values() for name in names)}


def header(text: str) -> str:
    """The imports that the code needs: importing others takes time."""
    lines = ["import math", "", "import numpy as np", ""]
    used = set(re.findall(r"\b\w+\b", text))
    for module, names in _NAMES.items():
        wanted = [name for name in names if name.split()[-1] in used]
        if wanted:
            lines.append(f"from {module} import {', '.join(wanted)}")
    return "\n".join(lines) + "\n"
