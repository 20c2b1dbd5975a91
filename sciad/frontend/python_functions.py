"""Python's own functions and those of `math`: how each is lowered."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.frontend import arrays, calls, iteration, scalars
from sciad.frontend.complex_numbers import CMATH
from sciad.frontend.context import Context
from sciad.frontend.merge import describe
from sciad.frontend.values import Array, Complex, Dict_, Iterator_, Lazy, Range, Record, Slice, Static, Tuple_
from sciad.ir import Value
from sciad.types import B1, F4, F8, I8, is_float

__all__ = ["PYTHON"]


def _len(ctx: Context, args: list, kwargs: dict[str, Any]) -> Value:
    value = args[0]
    if isinstance(value, (Array, Lazy)) and value.shape:
        return value.shape[0]
    if isinstance(value, (Tuple_, Dict_)):
        return ctx.b.const(len(value.items))
    if isinstance(value, (Range, Iterator_)):
        return iteration.iterate(ctx, value).length
    raise ctx.error(f"len of {describe(value)}", "use an array, a tuple or a dict")


def _float(ctx: Context, args: list, kwargs: dict[str, Any]) -> Value:
    value = arrays.scalar_of(ctx, args[0]) if args else ctx.b.const(0.0)
    if isinstance(value, Static) and isinstance(value.object, str):
        return ctx.b.const(float(value.object))
    return ctx.b.cast(value, F8)


def _int(ctx: Context, args: list, kwargs: dict[str, Any]) -> Value:
    return ctx.b.cast(arrays.scalar_of(ctx, args[0]), I8)


def _bool(ctx: Context, args: list, kwargs: dict[str, Any]) -> Value:
    from sciad.frontend.expressions import truth

    return truth(ctx, args[0])


def _complex(ctx: Context, args: list, kwargs: dict[str, Any]) -> Complex:
    b = ctx.b
    if len(args) == 1 and isinstance(args[0], Complex):
        return args[0]
    imag = args[1] if len(args) > 1 else kwargs.get("imag", b.const(0.0))
    return Complex(b.cast(args[0], F8), b.cast(imag, F8))


def _extreme(name: str) -> Callable:
    """Python's min and max: the first of equal ones, which therefore takes the derivative."""
    compare = {"min": "less", "max": "greater"}[name]

    def lower(ctx: Context, args: list, kwargs: dict[str, Any]) -> Value:
        from sciad.types import promote

        items = args if len(args) > 1 else iteration.items_of(ctx, args[0]) if isinstance(args[0], Tuple_) else None
        if items is None:
            return arrays.reduce(ctx, name, args[0], {})
        best = arrays.scalar_of(ctx, items[0])
        for item in items[1:]:
            item = arrays.scalar_of(ctx, item)
            wide = promote(best.type, item.type)
            best, item = ctx.b.cast(best, wide), ctx.b.cast(item, wide)
            best = ctx.b.select(ctx.b.pure(compare, [item, best], B1), item, best)
        return best

    return lower


def _sum(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    from sciad.frontend.expressions import binary

    if isinstance(args[0], (Array, Lazy)) and args[0].ndim == 1 and len(args) == 1:
        return arrays.reduce(ctx, "sum", args[0], {})
    total: Any = args[1] if len(args) > 1 else ctx.b.const(0, I8)
    for item in iteration.items_of(ctx, args[0]):
        total = binary(ctx, "add", total, item)
    return total


def _abs(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    return calls.unary(ctx, "absolute", args[0])


def _pow(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    return calls.binary(ctx, "power", *args)


def _divmod(ctx: Context, args: list, kwargs: dict[str, Any]) -> Tuple_:
    return Tuple_([calls.binary(ctx, "floor_divide", *args), calls.binary(ctx, "remainder", *args)])


def _round(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    if len(args) > 1:
        raise ctx.error("round with digits", "scale, round and scale back")
    value = calls.unary(ctx, "rint", args[0])
    return ctx.b.cast(value, I8) if isinstance(value, Value) else value


def _isinstance(ctx: Context, args: list, kwargs: dict[str, Any]) -> Value:
    value, cls = args
    wanted = [c.object for c in cls.items] if isinstance(cls, Tuple_) else [cls.object]
    if isinstance(value, Value):
        kind: Any = float if is_float(value.type) else bool if value.type == B1 else int
    elif isinstance(value, (Array, Lazy)):
        kind = np.ndarray
    elif isinstance(value, (Tuple_, Record)):
        kind = value.type
    else:
        kind = dict if isinstance(value, Dict_) else type(value.object) if isinstance(value, Static) else object
    return ctx.b.const(any(issubclass(kind, w) for w in wanted))


def _convert(type_: type) -> Callable:
    def lower(ctx: Context, args: list, kwargs: dict[str, Any]) -> Tuple_:
        return Tuple_(iteration.items_of(ctx, args[0]) if args else [], type_)

    return lower


def _floored(name: str) -> Callable:
    """math.floor and its kin give ints."""

    def lower(ctx: Context, args: list, kwargs: dict[str, Any]) -> Value:
        value = args[0]
        return value if value.type == I8 else ctx.b.cast(scalars.unary(ctx, name, value), I8)

    return lower


def _slice_call(ctx: Context, args: list, kwargs: dict[str, Any]) -> Slice:
    bounds = [None if isinstance(a, Static) else a for a in args]
    bounds = [None, *bounds] if len(bounds) == 1 else bounds
    return Slice(*(bounds + [None] * (3 - len(bounds))))


def _print(ctx: Context, args: list, kwargs: dict[str, Any]) -> Static:
    raise ctx.error("print", "return what you want to see")


def _by_name(name: str) -> Callable:
    return lambda ctx, args, kwargs: calls.unary(ctx, name, args[0]) if len(args) == 1 else calls.binary(ctx, name, *args)


def _log(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    value = calls.unary(ctx, "log", args[0])
    return value if len(args) == 1 else calls.binary(ctx, "divide", value, calls.unary(ctx, "log", args[1]))


def _hypot(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    value = args[0] if len(args) > 1 else calls.unary(ctx, "absolute", args[0])
    for other in args[1:]:
        value = calls.binary(ctx, "hypot", value, other)
    return value


def _single(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    return ctx.b.cast(arrays.scalar_of(ctx, args[0]), F4)


def _fsum(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    """A plain sum: the extra bits of `fsum` are lost, its derivative is not."""
    return _sum(ctx, args, {})


def _fma(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    return calls.binary(ctx, "add", calls.binary(ctx, "multiply", args[0], args[1]), args[2])


_MATH = {
    "sqrt": "sqrt", "cbrt": "cbrt", "exp": "exp", "exp2": "exp2", "expm1": "expm1", "log2": "log2", "log10": "log10", "log1p": "log1p",
    "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "sinh": "sinh", "cosh": "cosh",
    "tanh": "tanh", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "fabs": "fabs", "erf": "erf", "erfc": "erfc",
    "gamma": "gamma", "lgamma": "gammaln", "degrees": "degrees", "radians": "radians", "isnan": "isnan", "isinf": "isinf",
    "isfinite": "isfinite", "atan2": "arctan2", "pow": "power", "copysign": "copysign", "fmod": "fmod",
}  # fmt: skip

PYTHON: dict[Any, Callable] = {
    **CMATH,
    range: iteration.range_, len: _len, enumerate: iteration.enumerate_, zip: iteration.zip_, reversed: iteration.reversed_,
    float: _float, int: _int, bool: _bool,
    complex: _complex, min: _extreme("min"), max: _extreme("max"), sum: _sum, abs: _abs, pow: _pow, divmod: _divmod, round: _round,
    isinstance: _isinstance, tuple: _convert(tuple), list: _convert(list), slice: _slice_call, print: _print,
    math.floor: _floored("floor"), math.ceil: _floored("ceil"), math.trunc: _floored("trunc"), math.log: _log, math.hypot: _hypot,
    np.float64: _float, np.float32: _single, np.int64: _int, math.fsum: _fsum, np.bool_: _bool, np.intp: _int, np.hypot: _hypot,
    **{getattr(math, k): _by_name(v) for k, v in _MATH.items() if hasattr(math, k)},
}  # fmt: skip
if hasattr(math, "fma"):
    PYTHON[math.fma] = _fma
