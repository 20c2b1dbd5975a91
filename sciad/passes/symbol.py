"""IR scalars that speak NumPy, so that the partials of the rule book build IR."""

from __future__ import annotations

from typing import Any

import numpy as np

from sciad.ir import Builder, Value
from sciad.types import B1, F8, I8, is_float

__all__ = ["Symbol", "partials"]

_COMPARE = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}


class Symbol(np.lib.mixins.NDArrayOperatorsMixin):
    """A scalar of the IR; arithmetic, NumPy's ufuncs and np.where on it append operations to a builder."""

    __slots__ = ("b", "value")

    def __init__(self, b: Builder, value: Value) -> None:
        self.b, self.value = b, value

    def __array_ufunc__(self, ufunc: np.ufunc, how: str, *inputs: Any, **kwargs: Any) -> Symbol:
        if how != "__call__" or kwargs:
            return NotImplemented
        name = {"true_divide": "divide", "fabs": "absolute"}.get(ufunc.__name__, ufunc.__name__)
        return _apply(self.b, name, [_value(self.b, x, self.value) for x in inputs])

    def __array_function__(self, function: Any, types: Any, args: tuple, kwargs: dict) -> Symbol:
        if function is not np.where or kwargs or len(args) != 3:
            return NotImplemented
        cond, x, y = args
        model = next(a.value for a in (x, y, cond) if isinstance(a, Symbol))
        chosen = self.b.select(_value(self.b, cond, model), _value(self.b, x, model), _value(self.b, y, model))
        return Symbol(self.b, chosen)


def _value(b: Builder, x: Any, model: Value) -> Value:
    if isinstance(x, Symbol):
        return x.value
    if isinstance(x, (bool, np.bool_)):
        return b.const(bool(x), B1)
    type_ = model.type if is_float(model.type) else F8
    return b.const(float(x), type_)


def _apply(b: Builder, name: str, values: list[Value]) -> Symbol:
    if name in _COMPARE:
        return Symbol(b, b.pure(name, values, B1))
    if name in ("logical_and", "bitwise_and"):
        return Symbol(b, b.logical_and(*values))
    if name in ("logical_or", "bitwise_or"):
        return Symbol(b, b.logical_or(*values))
    if name in ("logical_not", "invert"):
        return Symbol(b, b.logical_not(values[0]))
    if name in ("isnan", "isinf", "isfinite"):
        return Symbol(b, b.pure(name, values, B1))
    floats = [v for v in values if is_float(v.type)]
    type_ = floats[0].type if floats else F8
    values = [v if is_float(v.type) else b.cast(v, type_) for v in values]
    if name == "square":
        return Symbol(b, b.pure("multiply", [values[0], values[0]], type_))
    if name == "reciprocal":
        return Symbol(b, b.pure("divide", [b.const(1, type_), values[0]], type_))
    if name == "positive":
        return Symbol(b, values[0])
    if name == "power" and values[1].constant is not None and values[1].constant in (1, 2, 3):
        result = values[0]
        for _ in range(int(values[1].constant) - 1):
            result = b.pure("multiply", [result, values[0]], type_)
        return Symbol(b, result)
    return Symbol(b, b.pure(name, values, type_))


def partials(b: Builder, rule: Any, y: Value, args: list[Value], wanted: list[int]) -> list[Value | float]:
    """The partial derivatives of a rule at the given operands: IR values, or plain numbers for linear rules."""
    if rule.kind == "linear":
        return [float(rule.partials[k]) for k in wanted]
    symbols = [Symbol(b, a) for a in args]
    out: list[Value | float] = []
    for k in wanted:
        found = rule.partials[k](Symbol(b, y), *symbols)
        out.append(found.value if isinstance(found, Symbol) else float(found))
    return out


_ = I8
