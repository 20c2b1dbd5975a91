"""Algebraic simplification of one pure operation; used while building and by the simplification pass.

Only identities that hold bit for bit for every float, NaN and Inf included, are used on floats: ``x * 1``, ``x - 0``, ``-(-x)``; never
``x * 0``, ``x - x`` or ``x + 0.0``.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from sciad.ir import Builder, Value
from sciad.types import B1, F8, I8, is_float

__all__ = ["fold"]

_INT: dict[str, Callable] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "negative": operator.neg,
    "absolute": abs,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "minimum": min,
    "maximum": max,
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "bitwise_xor": operator.xor,
    "left_shift": operator.lshift,
    "right_shift": operator.rshift,
}
_FLOAT: dict[str, Callable] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "negative": operator.neg,
    "absolute": abs,
    "sqrt": lambda x: math.sqrt(x) if x >= 0 else math.nan,
}
_COMPARE: dict[str, Callable] = {
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
}


def fold(b: Builder, name: str, args: list[Value], type_: str) -> Value | None:
    """An existing or constant value equal to the operation, or None."""
    constants = [a.constant for a in args]
    if all(c is not None for c in constants):
        value = _evaluate(name, constants, type_, args)
        if value is not None:
            return b.const(value, type_)
    rule = _RULES.get(name)
    return rule(b, args, constants, type_) if rule is not None else None


def _evaluate(name: str, constants: list, type_: str, args: list[Value]):
    if name == "cast":
        value = constants[0]
        if type_ == I8 and isinstance(value, float):
            return int(value) if math.isfinite(value) and abs(value) < 2.0**62 else None
        return value
    if name in _COMPARE:
        return _COMPARE[name](*constants)
    if type_ == I8 and name in _INT and all(isinstance(c, int) for c in constants):
        if name in ("floor_divide", "remainder") and constants[1] == 0:
            return None
        value = _INT[name](*constants)
        return value if -(2**63) <= value < 2**63 else None
    if type_ == F8 and name in _FLOAT:
        return _FLOAT[name](*constants)
    if type_ == F8 and name == "divide" and constants[1] != 0:
        return constants[0] / constants[1]
    return None


def _add(b, args, constants, type_):
    if type_ != I8:
        return None  # -0.0 + 0.0 is 0.0: dropping the zero is not bit for bit
    x, y = args
    if constants[1] == 0:
        return x
    if constants[0] == 0:
        return y
    return _add_chain(b, x, y, constants)


def _add_chain(b, x, y, constants):
    # (x + c1) + c2 -> x + (c1 + c2); (x - z) + z -> x: index arithmetic produces both
    if constants[0] is not None:
        x, y, constants = y, x, [constants[1], constants[0]]
    if x.op is not None and x.op.name == "add" and constants[1] is not None and x.op.args[1].constant is not None:
        return b.add(x.op.args[0], x.op.args[1].constant + constants[1])
    if constants[1] is not None and constants[0] is None and y.constant is None:
        return b.add(x, y)
    for p, q in ((x, y), (y, x)):
        if p.op is not None and p.op.name == "subtract" and p.op.args[1] is q:
            return p.op.args[0]
    return None


def _subtract(b, args, constants, type_):
    x, y = args
    if constants[1] == 0:
        return x
    if type_ == I8:
        if x is y:
            return b.const(0, I8)
        if constants[1] is not None:
            return b.add(x, -constants[1])
        if x.op is not None and x.op.name == "add":
            if x.op.args[0] is y:
                return x.op.args[1]
            if x.op.args[1] is y:
                return x.op.args[0]
    return None


def _multiply(b, args, constants, type_):
    x, y = args
    if constants[1] == 1:
        return x
    if constants[0] == 1:
        return y
    if type_ == I8 and (constants[0] == 0 or constants[1] == 0):
        return b.const(0, I8)
    if is_float(type_):
        if constants[1] == -1:
            return b.pure("negative", [x], type_)
        if constants[0] == -1:
            return b.pure("negative", [y], type_)
    return None


def _divide(b, args, constants, type_):
    return args[0] if constants[1] == 1 else None


def _negative(b, args, constants, type_):
    inner = args[0].op
    return inner.args[0] if inner is not None and inner.name == "negative" else None


def _floor_divide(b, args, constants, type_):
    return args[0] if type_ == I8 and constants[1] == 1 else None


def _remainder(b, args, constants, type_):
    return b.const(0, I8) if type_ == I8 and constants[1] == 1 else None


def _logical_and(b, args, constants, type_):
    x, y = args
    if constants[0] is not None:
        return y if constants[0] else x
    if constants[1] is not None:
        return x if constants[1] else y
    return x if x is y else None


def _logical_or(b, args, constants, type_):
    x, y = args
    if constants[0] is not None:
        return x if constants[0] else y
    if constants[1] is not None:
        return y if constants[1] else x
    return x if x is y else None


def _logical_not(b, args, constants, type_):
    if constants[0] is not None:
        return b.const(not constants[0], B1)
    inner = args[0].op
    return inner.args[0] if inner is not None and inner.name == "logical_not" else None


def _select(b, args, constants, type_):
    cond, x, y = args
    if constants[0] is not None:
        return x if constants[0] else y
    if x is y:
        return x
    if type_ == B1 and constants[1] is not None and constants[2] is not None:
        return cond if constants[1] else b.logical_not(cond)
    return None


def _zero_wins(b, args, constants, type_):
    if constants[0] == 0:
        return args[0]
    plain = constants[0] is not None or (constants[1] is not None and math.isfinite(constants[1]))
    return b.pure("multiply", args, type_) if plain else None


def _cast(b, args, constants, type_):
    inner = args[0].op
    if inner is None or inner.name != "cast" or inner.args[0].type != type_:
        return None
    # bool -> anything -> bool and int -> float -> int come back exactly (ints up to 2**53, which covers every index)
    return inner.args[0] if type_ == B1 or (type_ == I8 and args[0].type == F8) else None


def _equal(b, args, constants, type_):
    return b.const(True) if args[0] is args[1] and args[0].type == I8 else None  # a NaN is not equal to itself


_RULES: dict[str, Callable] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "negative": _negative,
    "floor_divide": _floor_divide,
    "remainder": _remainder,
    "logical_and": _logical_and,
    "logical_or": _logical_or,
    "logical_not": _logical_not,
    "select": _select,
    "zero_wins": _zero_wins,
    "cast": _cast,
    "equal": _equal,
}
