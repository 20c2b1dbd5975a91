"""Elementwise operations: the rule book's partials, applied forward and recorded for reverse."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from sciad.rules import registry
from sciad.rules.registry import Rule
from sciad.tape.core import Node, Variable, leaked, refresh, wrap
from sciad.tape.saving import dtype_of, freeze, is_traced, plain, saved, shape_of, strong, value_of

__all__ = ["Elementwise", "operation", "unary", "binary", "power", "times", "STRICT"]


class _Strict(threading.local):
    """Whether a zero cotangent beats an infinite partial everywhere, not only in singular rules (see `sweep.pull`)."""

    on = False


STRICT = _Strict()


class Elementwise:
    """A function of numbers with its rule, and what must be kept for each set of operands that carry derivatives."""

    __slots__ = ("fun", "kind", "partials", "singular", "keep", "name")

    def __init__(self, fun: Callable, rule: Rule) -> None:
        self.fun = fun
        self.adopt(rule)

    def adopt(self, rule: Rule) -> None:
        """Take a (new) rule."""
        self.name, self.kind, self.partials, self.singular = rule.name, rule.kind, rule.partials, rule.singular
        self.keep = [_union(rule, active) for active in range(1 << rule.n_inputs)]


def _union(rule: Rule, active: int) -> tuple[bool, ...]:
    """Which of output and inputs the partials of the active inputs read."""
    read: set[int] = set()
    for k, positions in enumerate(rule.reads):
        if active >> k & 1:
            read |= positions
    return tuple(k in read for k in range(1 + rule.n_inputs))


_operations: dict[Any, Elementwise] = {}


def operation(fun: Callable, name: str | None = None) -> Elementwise:
    """The elementwise operation of a ufunc or Python operator; MissingRule where the rule book does not know it."""
    found = _operations.get(fun)
    if found is None:
        found = _operations[fun] = Elementwise(fun, registry.lookup(name or fun.__name__))
    return found


def _rule_changed(name: str) -> None:
    for op in _operations.values():
        if op.name == name:
            op.adopt(registry.lookup(name))


registry.on_change(_rule_changed)


# -- one operand -------------------------------------------------------------------------------------------------------------------
def unary(op: Elementwise, x: Variable) -> Any:
    """Apply a function of one operand to a traced value."""
    if op.kind == "nondiff":
        return op.fun(value_of(x))
    if x.window is not None:
        refresh(x)
    trace, deriv = x.level, x.deriv
    if trace.closed:
        raise leaked()
    value = op.fun(x.value)
    out = wrap(value, trace, None)
    if deriv is None:
        return out
    if trace.forward:
        out.deriv = _tangent(op, value, (x.value,), (deriv,))
        return out
    keep = op.keep[1]
    y = saved(out) if keep[0] else None
    v = saved(x) if keep[1] else None
    (partial,) = _effective(op, value)
    singular = op.singular
    if op.kind == "linear":
        out.deriv = Node((deriv,), lambda bar: (_scaled(bar, partial),), value)
    else:
        out.deriv = Node((deriv,), lambda bar: (times(bar, partial(y, v), singular),), value)
    return out


# -- two operands ------------------------------------------------------------------------------------------------------------------
def binary(op: Elementwise, a: Any, b: Any) -> Any:
    """Apply a function of two operands, at least one of them traced."""
    if op.kind == "nondiff":
        return op.fun(value_of(a), value_of(b))
    a_on, b_on = isinstance(a, Variable), isinstance(b, Variable)
    trace = a.level if a_on else b.level
    if a_on and b_on and b.level is not trace:
        if b.level.number < trace.number:
            b_on = False
        else:
            trace, a_on = b.level, False
    if trace.closed:
        raise leaked()
    if a_on:
        if a.window is not None:
            refresh(a)
        x, da = a.value, a.deriv
    else:
        x, da = plain(a), None
    if b_on:
        if b.window is not None:
            refresh(b)
        y, db = b.value, b.deriv
    else:
        y, db = plain(b), None
    value = op.fun(x, y)
    out = wrap(value, trace, None)
    if da is None and db is None:
        return out
    if trace.forward:
        out.deriv = _tangent(op, value, (x, y), (da, db))
        return out
    keep = op.keep[(da is not None) + 2 * (db is not None)]
    z = saved(out) if keep[0] else None
    x = (saved(a) if a_on else freeze(x, trace)) if keep[1] else None
    y = (saved(b) if b_on else freeze(y, trace)) if keep[2] else None
    out.deriv = _record(op, value, z, x, y, da, db)
    return out


def _record(op: Elementwise, value: Any, z: Any, x: Any, y: Any, da: Node | None, db: Node | None) -> Node:
    p, q = _effective(op, value)
    if op.kind == "linear":
        if db is None:
            return Node((da,), lambda bar: (_scaled(bar, p),), value)
        if da is None:
            return Node((db,), lambda bar: (_scaled(bar, q),), value)
        return Node((da, db), lambda bar: (_scaled(bar, p), _scaled(bar, q)), value)
    singular = op.singular
    if db is None:
        return Node((da,), lambda bar: (times(bar, p(z, x, y), singular),), value)
    if da is None:
        return Node((db,), lambda bar: (times(bar, q(z, x, y), singular),), value)
    return Node((da, db), lambda bar: (times(bar, p(z, x, y), singular), times(bar, q(z, x, y), singular)), value)


def _effective(op: Elementwise, value: Any) -> tuple:
    """The partials as reverse mode needs them: conjugated where the output is complex, for <bar, dot> = Re(conj(bar) dot)."""
    if op.kind == "linear" or type(value) is float or dtype_of(value).kind != "c":
        return op.partials
    return tuple([p and _conjugated(p) for p in op.partials])


def _conjugated(partial: Callable) -> Callable:
    return lambda *values: np.conjugate(partial(*values))


# -- products with a partial -------------------------------------------------------------------------------------------------------
def times(bar: Any, partial: Any, singular: bool) -> Any:
    """``bar * partial``; where `singular` (or `STRICT`), zero times infinity is zero."""
    product = bar * partial
    if singular or STRICT.on:
        bottom = value_of(product) if isinstance(product, Variable) else product
        if type(bottom) is not np.ndarray:
            return 0.0 if bottom != bottom and (value_of(bar) == 0 or value_of(partial) == 0) else product
        total = np.add.reduce(bottom, axis=None)
        if total != total:  # a NaN somewhere: perhaps of 0 * inf
            return np.where((value_of(bar) == 0) | (value_of(partial) == 0), 0.0, product)
    return product


def _scaled(bar: Any, coefficient: float) -> Any:
    if coefficient == 1:
        return bar
    if coefficient == -1:
        return -bar
    return None if coefficient == 0 else bar * coefficient


def _tangent(op: Elementwise, value: Any, inputs: tuple, dots: tuple) -> Any:
    """Forward mode: the sum of partials times tangents, with shape and type of the output."""
    if op.kind == "linear":
        total = _sum_of_parts(op, value, inputs, dots)
    else:
        with np.errstate(all="ignore"):  # derivatives at the edge of a domain are no news to the user
            total = _sum_of_parts(op, value, inputs, dots)
    return None if total is None else like(total, value)


def _sum_of_parts(op: Elementwise, value: Any, inputs: tuple, dots: tuple) -> Any:
    total = None
    for partial, dot in zip(op.partials, dots):
        if dot is None:
            continue
        if op.kind == "linear":
            part = _scaled(dot, partial)
        else:
            part = times(dot, partial(strong(value), *map(strong, inputs)), True)
        total = part if total is None else total if part is None else total + part
    return total


def like(tangent: Any, value: Any) -> Any:
    """A tangent with the shape and type of the value that it belongs to."""
    if type(tangent) is type(value) is np.ndarray and tangent.shape == value.shape and tangent.dtype == value.dtype:
        return tangent
    shape, dtype = shape_of(value), dtype_of(value)
    if shape_of(tangent) != shape:
        tangent = np.broadcast_to(tangent, shape)
    if dtype_of(tangent) != dtype:
        tangent = tangent.real if dtype.kind != "c" and dtype_of(tangent).kind == "c" else tangent
        tangent = tangent.astype(dtype) if hasattr(tangent, "astype") else dtype.type(tangent)
    return tangent


# -- powers ------------------------------------------------------------------------------------------------------------------------
def power(a: Any, b: Any) -> Any:
    """``a ** b``; a constant exponent needs no logarithm, and only the power below."""
    if type(b) in (int, float, np.int64, np.float64) and not is_traced(b):
        return unary(_constant_power(b), a)
    return binary(operation(operator.pow, "power"), a, b)


@lru_cache(maxsize=512, typed=True)  # a NumPy exponent is not a weak scalar
def _constant_power(c: float) -> Elementwise:
    def fun(x):
        return x**c

    if c == 0:
        return Elementwise(fun, Rule("power", "linear", (0,), False, 1, (frozenset(),)))
    reads = (frozenset((1,)),)
    if c == 2:
        return Elementwise(fun, Rule("power", "rule", (lambda y, x: 2 * x,), False, 1, reads))
    return Elementwise(fun, Rule("power", "rule", (lambda y, x: c * x ** (c - 1),), not (c >= 1), 1, reads))


