"""Generated code without numba: the same Python text, run by the interpreter, with stand-ins for the backend's intrinsics.

Compiling costs a second a program, interpreting it milliseconds; what is wrong with a derivative is wrong in both.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator

import numpy as np

import sciad.jit  # noqa: F401  the module, which the next lines patch
from sciad import kernels, linear_kernels, scalar_kernels

jit_module = sys.modules["sciad.jit"]  # the package shows the function of that name

_MATH = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
    "pow": "power", "degrees": "degrees", "radians": "radians",
}  # fmt: skip
_PLAIN = (
    "sqrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "hypot", "copysign",
    "fmod", "isnan", "isinf", "isfinite", "floor", "ceil", "trunc", "cbrt",
)  # fmt: skip


def _math() -> types.SimpleNamespace:
    """`math` with C's answers at the edges of domains, as compiled code has them."""
    import math

    functions = {name: getattr(np, name) for name in _PLAIN} | {name: getattr(np, other) for name, other in _MATH.items()}
    functions |= {name: getattr(math, name) for name in ("erf", "erfc", "gamma", "lgamma")}
    return types.SimpleNamespace(**functions)


def _vmath() -> types.SimpleNamespace:
    def sigmoid(x):
        return 1.0 / (1.0 + np.exp(-x))

    functions = {name: getattr(np, name) for name in _PLAIN} | {name: getattr(np, other) for name, other in _MATH.items()}
    return types.SimpleNamespace(**functions, sigmoid=sigmoid, expit=sigmoid, softplus=lambda x: np.logaddexp(0.0, x))


def _plain(module) -> types.SimpleNamespace:
    """The Python functions behind a module's compiled ones, calling each other."""
    table = {**vars(module), "fast_add": lambda a, b: a + b, "_u": lambda i: i, "as_int": lambda i: i, "empty": _Poisoned.empty}
    for name, thing in vars(module).items():
        function = getattr(thing, "py_func", None)
        if function is not None:
            table[name] = types.FunctionType(function.__code__, table, name, function.__defaults__, function.__closure__)
    return types.SimpleNamespace(**table)


class _Poisoned:
    """NumPy with memory that shows when it is read before it is written."""

    @staticmethod
    def empty(n, dtype):
        return np.full(n, np.nan if np.dtype(dtype).kind == "f" else 77, dtype)

    def __getattr__(self, name):
        return getattr(np, name)


def _kernel(function=None, cache=True):
    return function or (lambda function: function)


def _grown(tape, needed):
    larger = _Poisoned.empty(max(needed, 2 * tape.size), tape.dtype)
    larger[: tape.size] = tape
    return larger


def _namespace() -> dict:
    plain = _plain(kernels)
    return {
        "np": _Poisoned(), "math": _math(), "vmath": _vmath(), "kernels": plain, "linear_kernels": _plain(linear_kernels),
        "scalar_kernels": _plain(scalar_kernels), "gemm": plain.gemm, "grown": _grown,
        "njit": lambda f: f, "kernel": _kernel, "part": lambda f: f,
        "fast_add": lambda a, b: a + b, "_u": lambda i: i, "as_int": lambda i: i,
        "select": lambda c, a, b: a if c else b, "subarray": lambda a, start, n: a[start : start + n], "keep": lambda a: None,
        "stack_array": lambda n: np.full(n, np.nan), "empty": _Poisoned.empty, "zeros": np.zeros,
    }  # fmt: skip


def load(source: str, stem: str, key: str) -> types.SimpleNamespace:
    """Stands for `sciad.backend.load_generated`."""
    code = "\n".join(line for line in source.splitlines() if not line.startswith(("import ", "from ")))
    scope = _namespace()
    exec(compile(code, f"<generated {stem}>", "exec"), scope)
    function = scope[stem]

    def call(*args):
        with np.errstate(all="ignore"):
            return function(*[np.float64(a) if type(a) is float else a for a in args])

    return types.SimpleNamespace(**{stem: call})


@contextlib.contextmanager
def interpreted() -> Iterator[None]:
    """Programs lowered inside are not compiled by numba; programs known before are forgotten for the time."""
    loader, programs = jit_module.load_generated, dict(jit_module._PROGRAMS)
    jit_module.load_generated = load
    jit_module.memo.ENABLED = False
    jit_module._PROGRAMS.clear()
    try:
        yield
    finally:
        jit_module.load_generated = loader
        jit_module.memo.ENABLED = True
        jit_module._PROGRAMS.clear()
        jit_module._PROGRAMS.update(programs)
