"""Scalar operations: the type of each result, Python's meaning of the operators."""

from __future__ import annotations

from typing import Any

from sciad.frontend.context import Context
from sciad.frontend.merge import describe
from sciad.frontend.values import Complex, Slice, Static, Tuple_
from sciad.ir import Value
from sciad.rules.registry import canonical
from sciad.types import B1, F4, F8, I8, is_float, promote

__all__ = ["constant", "binary", "unary", "as_float", "as_index", "power_of_constant", "COMPARE", "LOGICAL"]

COMPARE = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}
LOGICAL = {"logical_and", "logical_or", "logical_xor"}
BITWISE = {"bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"}
ARITHMETIC = {"add", "subtract", "multiply", "floor_divide", "remainder", "minimum", "maximum", "fmin", "fmax", "fast_add"}
#: Unary operations that keep an int an int.
KEEP_INT = {"negative", "absolute", "positive", "square", "sign"}


def constant(ctx: Context, value: Any) -> Any:
    """A Python constant as an IR constant or a compile-time object."""
    if isinstance(value, bool) or (hasattr(value, "dtype") and value.dtype.kind == "b"):
        return ctx.b.const(bool(value), B1)
    if isinstance(value, int) or (hasattr(value, "dtype") and value.dtype.kind in "iu" and value.ndim == 0):
        if not -(2**63) <= int(value) < 2**63:
            raise ctx.error(f"integer {value} needs more than 64 bits", "use a float")
        return ctx.b.const(int(value), I8)
    if isinstance(value, float) or (hasattr(value, "dtype") and value.dtype.kind == "f" and value.ndim == 0):
        return ctx.b.const(float(value), F8)
    if isinstance(value, complex):
        return Complex(ctx.b.const(value.real, F8), ctx.b.const(value.imag, F8))
    if isinstance(value, tuple):
        return Tuple_([constant(ctx, v) for v in value])
    if isinstance(value, slice):
        parts = [None if v is None else ctx.b.const(int(v), I8) for v in (value.start, value.stop, value.step)]
        return Slice(*parts)
    return Static(value)


def as_float(ctx: Context, value: Value) -> Value:
    """A float64 (or float32, which stays) from any scalar."""
    return value if is_float(value.type) else ctx.b.cast(value, F8)


def as_index(ctx: Context, value: Any) -> Value:
    """An int from an int or bool; floats are refused, as in Python."""
    if not isinstance(value, Value) or is_float(value.type):
        raise ctx.error(f"index is {describe(value)}", "use an int")
    return ctx.b.cast(value, I8)


def binary(ctx: Context, name: str, a: Value, b: Value) -> Value:
    """A binary scalar operation with Python's result type."""
    builder = ctx.b
    if name in COMPARE:
        wide = promote(a.type, b.type)
        if wide == B1:
            wide = I8
        return builder.pure(name, [builder.cast(a, wide), builder.cast(b, wide)], B1)
    if name in LOGICAL:
        from sciad.frontend.expressions import truth

        return builder.pure(name, [truth(ctx, a), truth(ctx, b)], B1)
    if name in BITWISE:
        if is_float(a.type) or is_float(b.type):
            raise ctx.error(f"`{name}` of floats", "use ints or bools")
        if a.type == b.type == B1 and not name.endswith("shift"):
            logical = {"bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_xor": "logical_xor"}[name]
            return builder.pure(logical, [a, b], B1)
        return builder.pure(name, [builder.cast(a, I8), builder.cast(b, I8)], I8)
    if name == "float_power":
        a, b = as_float(ctx, a), as_float(ctx, b)
    name = _known(ctx, name)
    if name == "power":
        return _power(ctx, a, b)
    wide = promote(promote(a.type, b.type), I8)
    if name not in ARITHMETIC and not is_float(wide):
        wide = F8
    return _arithmetic(ctx, name, builder.cast(a, wide), builder.cast(b, wide), wide)


def _arithmetic(ctx: Context, name: str, a: Value, b: Value, type_: str) -> Value:
    builder = ctx.b
    if name in ("remainder", "floor_divide") and type_ == I8 and (ctx.low(b) is None or b.constant == 0):
        message = f"integer division or modulo by zero at line {ctx.line}"
        builder.check(builder.pure("not_equal", [b, builder.const(0, I8)], B1), "ZeroDivisionError", message)
    if name == "remainder" and type_ == I8:
        short = _short_remainder(ctx, a, b)
        if short is not None:
            return short
    if name in ("minimum", "maximum") and type_ == I8:
        return builder.pure(name, [a, b], I8)
    return builder.pure(name, [a, b], type_)


def _short_remainder(ctx: Context, a: Value, n: Value) -> Value | None:
    """``a % n`` without a division where ``0 <= a <= n`` is known: a itself, or one comparison."""
    if not ctx.nonnegative(a):
        return None
    upper = ctx.upper(a)
    if upper is None or not (upper[0] is n or (upper[0].constant is not None and upper[0].constant == n.constant)):
        if upper is None or upper[0].constant is None or n.constant is None:
            return None
        upper = (n, upper[0].constant + upper[1] - n.constant)
    if upper[1] <= 0:
        return a
    if upper[1] == 1:
        b = ctx.b
        wrapped = b.select(b.compare("equal", a, n), b.const(0, I8), a)
        ctx.upper_bound[wrapped] = (n, 0)
        return wrapped
    return None


def _power(ctx: Context, a: Value, b: Value) -> Value:
    builder = ctx.b
    exponent = b.constant
    if exponent is not None:
        if not is_float(a.type) and b.type == I8:
            if exponent < 0:
                a = builder.cast(a, F8)
            return power_of_constant(ctx, builder.cast(a, I8) if exponent >= 0 else a, int(exponent))
        if float(exponent).is_integer() and abs(exponent) <= 16:
            return power_of_constant(ctx, as_float(ctx, a), int(exponent))
        if exponent == 0.5:
            return builder.pure("sqrt", [as_float(ctx, a)], as_float(ctx, a).type)
    if a.type in (I8, B1) and b.type in (I8, B1) and ctx.nonnegative(b):
        return builder.pure("power", [builder.cast(a, I8), builder.cast(b, I8)], I8)
    if a.type in (I8, B1) and b.type in (I8, B1):
        raise ctx.error("int ** int with an exponent that is not constant", "use a float base")
    a = as_float(ctx, a)
    return builder.pure("power", [a, builder.cast(b, a.type)], a.type)


def power_of_constant(ctx: Context, a: Value, exponent: int) -> Value:
    """``a ** n`` by repeated squaring; ``a ** 0`` is 1 with derivative 0."""
    b = ctx.b
    if exponent < 0:
        return b.pure("divide", [b.const(1, a.type), power_of_constant(ctx, a, -exponent)], a.type)
    result, square, n = None, a, exponent
    while n:
        if n & 1:
            result = square if result is None else b.pure("multiply", [result, square], a.type)
        n >>= 1
        if n:
            square = b.pure("multiply", [square, square], a.type)
    return b.const(1, a.type) if result is None else result


#: Scalar functions of one and two floats that generated code can compute, besides operators.
FUNCTIONS = frozenset({
    "absolute", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cbrt", "ceil", "copysign", "cos", "cosh",
    "deg2rad", "degrees", "digamma", "divide", "erf", "erfc", "exp", "exp2", "expit", "expm1", "fabs", "floor", "fmod", "gamma",
    "gammaln", "gelu", "heaviside", "hypot", "isfinite", "isinf", "isnan", "log", "log10", "log1p", "log2", "log_expit", "logaddexp",
    "logaddexp2", "negative", "positive", "power", "rad2deg", "radians", "reciprocal", "rint", "sign", "signbit", "sin", "sinh",
    "softplus", "sqrt", "square", "tan", "tanh", "trunc", "xlog1py", "xlogy",
})  # fmt: skip


def _known(ctx: Context, name: str) -> str:
    """The operation's name in the rule book; refuses what has no compiled form."""
    name = {"conjugate": "positive", "float_power": "power"}.get(canonical(name), canonical(name))
    if name not in FUNCTIONS and name not in ARITHMETIC:
        raise ctx.error(f"call of `{name}`", "write it with supported functions, or leave the function to the tape tier")
    return name


def unary(ctx: Context, name: str, a: Value) -> Value:
    """A unary scalar operation; functions of ints are functions of the float."""
    b = ctx.b
    if name not in ("invert", "logical_not"):
        name = _known(ctx, name)
    if name == "positive":
        return b.cast(a, I8) if a.type == B1 else a
    if name == "invert":
        return b.logical_not(a) if a.type == B1 else b.sub(b.const(-1, I8), a)
    if name == "logical_not":
        from sciad.frontend.expressions import truth

        return b.logical_not(truth(ctx, a))
    if name in ("isnan", "isinf", "isfinite", "signbit"):
        return b.pure(name, [as_float(ctx, a)], B1)
    if name in KEEP_INT and a.type in (I8, B1):
        a = b.cast(a, I8)
        return b.mul(a, a) if name == "square" else b.pure(name, [a], I8)
    a = as_float(ctx, a)
    if name == "square":
        return b.pure("multiply", [a, a], a.type)
    if name == "reciprocal":
        return b.pure("divide", [b.const(1, a.type), a], a.type)
    return b.pure(name, [a], a.type)


_ = F4
