"""Scalar operations as Python text."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

from sciad.errors import MissingRule
from sciad.ir import Op, Value
from sciad.scalar_kernels import __all__ as SCALAR_KERNELS
from sciad.types import B1, F4, F8, I8

__all__ = ["Scalars", "TYPES", "is_half_power", "literal", "strip"]

_INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "floor_divide": "//", "remainder": "%",
    "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!=",
    "logical_and": "&", "logical_or": "|", "logical_xor": "^", "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^",
    "left_shift": "<<", "right_shift": ">>",
}  # fmt: skip

#: Functions that generated code takes from sciad.vmath everywhere: faster than the C library's for one value too.
VMATH = {"expm1", "tanh", "sinh"}

#: Functions that it takes from there in loops that LLVM may vectorise: a single value is faster from the C library.
#: Powers that a square root gives in a tenth of the time of `pow`, with its special values but for -inf (NaN here).
HALF_POWERS = {
    -2.5: "(1.0 / ({0} * {0} * math.sqrt({0} + 0.0)))", -1.5: "(1.0 / ({0} * math.sqrt({0})))", -0.5: "(1.0 / math.sqrt({0} + 0.0))",
    1.5: "({0} * math.sqrt({0}))", 2.5: "({0} * {0} * math.sqrt({0} + 0.0))",
}  # fmt: skip
VMATH_IN_LOOPS = {"exp", "exp2", "log", "log2", "log10", "log1p", "cosh", "sin", "cos", "tan", "power", "erf", "erfc"}

#: What `math` has under the operation's own name.
_IN_MATH = {
    "sqrt", "exp", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "erf", "erfc", "gamma",
}  # fmt: skip

_CALLS = {
    "arcsin": "math.asin", "arccos": "math.acos", "arctan": "math.atan", "arctan2": "math.atan2", "arcsinh": "math.asinh",
    "arccosh": "math.acosh", "arctanh": "math.atanh", "absolute": "abs", "fabs": "abs", "gammaln": "math.lgamma", "power": "math.pow",
    "rint": "np.rint", "sign": "np.sign", "minimum": "min", "maximum": "max", "cbrt": "np.cbrt", "exp2": "np.exp2",
    "degrees": "math.degrees", "radians": "math.radians", "deg2rad": "math.radians", "rad2deg": "math.degrees",
    "fmod": "np.fmod", "isnan": "math.isnan", "isinf": "math.isinf", "isfinite": "math.isfinite", "floor": "np.floor",
    "ceil": "np.ceil", "trunc": "np.trunc", "copysign": "math.copysign", "hypot": "math.hypot",
    "signbit": "np.signbit", "expit": "vmath.sigmoid", "softplus": "vmath.softplus", "gelu": "vmath.gelu", "digamma": "scalar_kernels.psi",
    "_zeta": "scalar_kernels.zeta", **{name: f"scalar_kernels.{name}" for name in SCALAR_KERNELS},
}  # fmt: skip

TYPES = {F8: "np.float64", F4: "np.float32", I8: "np.int64", B1: "np.bool_"}


class Scalars:
    """The text of pure operations, for `Emitter`."""

    name: Callable[[Value], str]
    in_vector_loop: bool
    kept: dict[str, None]
    sums: Collection[Op]

    def expression(self, op: Op) -> str:
        """The text of a pure operation, in parentheses where it may be part of a larger one."""
        args = [self.name(a) for a in op.args]
        name, type_ = "fast_add" if op in self.sums else op.name, op.result.type
        if name in _INFIX and len(args) == 2:
            return f"({args[0]} {_INFIX[name]} {args[1]})"
        if name == "negative":
            return f"(-{args[0]})"
        if name == "logical_not":
            return f"(not {args[0]})"
        if name == "size":
            return f"{args[0]}.size"
        if name == "subbuffer":
            self.kept.setdefault(args[0])
            return f"subarray({', '.join(strip(a) for a in args)})"
        if name == "select":
            return f"select({', '.join(strip(a) for a in args)})"
        if name == "zero_wins":
            zero = literal(0.0, type_)
            return f"select({args[0]} == {zero}, {zero}, {args[0]} * {args[1]})"
        if name == "fast_add" and op.name == "subtract":
            return f"fast_add({strip(args[0])}, -{args[1]})"
        if name == "fast_add":
            return f"fast_add({strip(args[0])}, {strip(args[1])})"
        if name == "cast":
            return f"{TYPES[type_]}({strip(args[0])})"
        if is_half_power(op):
            return HALF_POWERS[op.args[1].constant].format(args[0])
        if name == "power" and type_ == I8:
            return f"({args[0]} ** {args[1]})"
        if type_ == I8 and name in ("fmin", "fmax"):
            name = {"fmin": "minimum", "fmax": "maximum"}[name]
        if type_ == F8 and (name in VMATH or (self.in_vector_loop and name in VMATH_IN_LOOPS)):
            name = "pow" if name == "power" else name
            return f"vmath.{name}({', '.join(strip(a) for a in args)})"
        function = _CALLS.get(name) or (f"math.{name}" if name in _IN_MATH else None)
        if function is None:
            raise MissingRule(
                f"line {op.line}: `{name}` has no compiled form; write it with other functions, or leave the function to the tape tier"
            )
        if name in ("minimum", "maximum") and type_ != I8:
            function = f"np.{name}"
        text = f"{function}({', '.join(strip(a) for a in args)})"
        return f"np.float32({text})" if type_ == F4 else text

    def index(self, v: Value) -> str:
        """An index expression: known to be non-negative, so unsigned."""
        return str(v.constant) if v.constant is not None else f"_u({strip(self.name(v))})"


def is_half_power(op: Op) -> bool:
    """Whether a square root gives this power."""
    return op.name == "power" and op.result.type == F8 and op.args[1].constant in HALF_POWERS


def literal(value, type_: str) -> str:
    """A constant as Python text."""
    if type_ == B1:
        return str(bool(value))
    if type_ == I8:
        return str(int(value)) if value >= 0 else f"({int(value)})"
    if math.isnan(value):
        text = "np.nan"
    elif math.isinf(value):
        text = "np.inf" if value > 0 else "(-np.inf)"
    else:
        text = repr(float(value)) if not repr(float(value)).startswith("-") else f"({float(value)!r})"
    return f"np.float32({text})" if type_ == F4 else text


def strip(text: str) -> str:
    """Without the outermost pair of parentheses, where they belong together."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and position < len(text) - 1:
            return text
    return text[1:-1]
