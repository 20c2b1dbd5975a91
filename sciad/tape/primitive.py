"""How array functions are recorded: linear, multilinear, and general ones with a rule for each direction.

Rules are written in NumPy on values that may themselves be traced by an outer differentiation.  The cotangent of x pairs with its
tangent as Re(sum(conj(x_bar) * x_dot)), so the reverse of a complex linear map is its conjugate transpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from sciad.tape.contributions import Slot
from sciad.tape.core import MULTI, Node, Trace, Variable, View, leaked, refresh, top_trace, wrap
from sciad.tape.elementwise import like
from sciad.tape.saving import freeze, plain, saved, shape_of, strong

__all__ = ["Linear", "Multilinear", "Joining", "Function", "is_float", "outputs", "record", "separate"]


class Linear:
    """A function linear in its first argument: ``transpose(bar, shape, *params)`` is its reverse, itself its forward derivative.

    `view`: the result may share memory with the operand.
    """

    __slots__ = ("name", "fun", "transpose", "view")

    def __init__(self, name: str, fun: Callable, transpose: Callable, view: bool = False) -> None:
        self.name, self.fun, self.transpose, self.view = name, fun, transpose, view

    def __call__(self, x: Any, *params: Any) -> Any:
        if not isinstance(x, Variable):
            return self.fun(x, *params)
        if x.window is not None:
            refresh(x)
        trace, deriv, before = x.level, x.deriv, x.value
        if trace.closed:
            raise leaked()
        value = self.fun(before, *params)
        if value is before:
            return x
        out = wrap(value, trace, None)
        if deriv is not None:
            if trace.forward:
                out.deriv = self.fun(deriv, *params)
            else:
                shape, transpose = shape_of(before), self.transpose
                out.deriv = Node((deriv,), lambda bar: (transpose(bar, shape, *params),), value)
        if self.view and _shares(value, before):
            out.window = View(x, self, params)
        elif type(value) is np.ndarray and value.base is not None:
            out.shared = True  # perhaps of x: not to be written to
        return out


def _shares(value: Any, before: Any) -> bool:
    """Whether a value just made from `before` looks into the same memory."""
    if isinstance(before, Variable):
        owner = before.owner
        return isinstance(value, Variable) and value.window is not None and value.window.owner is owner
    base = value.base if type(value) is np.ndarray is type(before) else None
    return base is not None and (base is before or base is before.base)


def separate(trace: Trace, operands: Iterable) -> tuple[list, list]:
    """Values of the operands one level below `trace`, and what the trace knows about their derivatives (None for constants)."""
    values, derivs = [], []
    for x in operands:
        if isinstance(x, Variable) and x.level is trace:
            refresh(x)
            values.append(x.value)
            derivs.append(x.deriv)
        else:
            values.append(plain(x))
            derivs.append(None)
    return values, derivs


def keep(trace: Trace, operands: Iterable, values: list, unread: int = -1) -> list:
    """The operands' values, safe from later writes; None for one that no rule reads."""
    kept: list = []
    for k, (x, v) in enumerate(zip(operands, values)):
        kept.append(None if k == unread else saved(x) if isinstance(x, Variable) and x.level is trace else freeze(v, trace))
    return kept


class Multilinear:
    """A function linear in each operand: ``vjps[k](bar, operands, *params)``, the cotangent of operand k, reads only the others."""

    __slots__ = ("name", "fun", "vjps")

    def __init__(self, name: str, fun: Callable, vjps: Callable | tuple) -> None:
        self.name, self.fun, self.vjps = name, fun, vjps

    def __call__(self, operands: tuple, *params: Any) -> Any:
        trace = top_trace(operands)
        if trace is None:
            return self.fun(*operands, *params)
        values, derivs = separate(trace, operands)
        value = self.fun(*values, *params)
        active = [k for k, d in enumerate(derivs) if d is not None]
        if not active:
            return wrap(value, trace, None)
        if trace.forward:
            return wrap(value, trace, self._tangent(values, derivs, active, params))
        kept = keep(trace, operands, values, unread=active[0] if len(active) == 1 else -1)
        vjps = self.vjps

        def vjp(bar: Any) -> list:
            return [vjps[k](bar, kept, *params) for k in active]

        return wrap(value, trace, Node(tuple([derivs[k] for k in active]), vjp, value))

    def _tangent(self, values: list, derivs: list, active: list, params: tuple) -> Any:
        parts = [self.fun(*values[:k], derivs[k], *values[k + 1:], *params) for k in active]
        return sum(parts[1:], parts[0])


class Joining:
    """A function of a list of operands, linear in all of them together: ``transpose(bar, shapes, needs, *params)`` gives a list."""

    __slots__ = ("name", "fun", "transpose")

    def __init__(self, name: str, fun: Callable, transpose: Callable) -> None:
        self.name, self.fun, self.transpose = name, fun, transpose

    def __call__(self, operands: list, *params: Any) -> Any:
        trace = top_trace(operands)
        if trace is None:
            return self.fun(operands, *params)
        values, derivs = separate(trace, operands)
        value = self.fun(values, *params)
        if all(d is None for d in derivs):
            return wrap(value, trace, None)
        if trace.forward:
            dots = [np.zeros(shape_of(v)) if d is None else d for d, v in zip(derivs, values)]
            return wrap(value, trace, like(self.fun(dots, *params), value))
        shapes = [shape_of(v) for v in values]
        needs = [d is not None for d in derivs]
        transpose = self.transpose

        def vjp(bar: Any) -> list:
            return [part for part, needed in zip(transpose(bar, shapes, needs, *params), needs) if needed]

        return wrap(value, trace, Node(tuple([d for d in derivs if d is not None]), vjp, value))


class Function:
    """A function of one or more operands, with one or more outputs and a rule for each direction.

    ``vjp(bar, needs, y, *operands, *params)`` gives a cotangent for each operand (None where not needed); ``jvp(dots, y, *operands,
    *params)`` the tangent of y, with None for the tangents of constants.  Where y is a tuple, so are bar (None for unused outputs) and
    the tangent.
    """

    __slots__ = ("name", "fun", "vjp", "jvp")

    def __init__(self, name: str, fun: Callable, vjp: Callable, jvp: Callable) -> None:
        self.name, self.fun, self.vjp, self.jvp = name, fun, vjp, jvp

    def __call__(self, operands: tuple, *params: Any) -> Any:
        trace = top_trace(operands)
        if trace is None:
            return self.fun(*operands, *params)
        values, derivs = separate(trace, operands)
        y = self.fun(*values, *params)
        if all(d is None for d in derivs):
            return outputs(trace, y, lambda v, k: None)
        if trace.forward:
            y_dot = self.jvp(derivs, y, *map(strong, values), *params)
            return outputs(trace, y, (lambda v, k: y_dot[k]) if isinstance(y, tuple) else lambda v, k: y_dot)
        kept = keep(trace, operands, values)
        rule, needs = self.vjp, [d is not None for d in derivs]

        def vjp(bar: Any) -> list:
            return [part for part, needed in zip(rule(bar, needs, y_kept, *kept, *params), needs) if needed]

        out, y_kept = record(trace, tuple([d for d in derivs if d is not None]), vjp, y)
        return out


def record(trace: Trace, parents: tuple, vjp: Callable, y: Any) -> tuple[Any, Any]:
    """Handles for the output(s) of a new node, and their values, safe from later writes."""
    if not isinstance(y, tuple):
        out = wrap(y, trace, Node(parents, vjp, y))
        return out, saved(out)
    n = len(y)
    joint = Node(parents, lambda slots: vjp(tuple([slots.get(k) for k in range(n)])), None, MULTI)
    out = outputs(trace, y, lambda v, k: Node((joint,), lambda bar: (Slot(k, bar),), v))
    return out, type_of_tuple(y)([saved(o) if isinstance(o, Variable) and o.level is trace else o for o in out])


def outputs(trace: Trace, y: Any, deriv_of: Callable) -> Any:
    """Handles for a value, or for each float of a tuple of values."""
    if not isinstance(y, tuple):
        return wrap(y, trace, deriv_of(y, 0))
    return type_of_tuple(y)([wrap(v, trace, deriv_of(v, k)) if is_float(v) else v for k, v in enumerate(y)])


def type_of_tuple(y: tuple) -> Callable:
    """What makes a tuple of the type of `y` from a list: NumPy returns named ones."""
    make = getattr(type(y), "_make", None)
    return make if make is not None else type(y)


def is_float(v: Any) -> bool:
    """Whether a value can carry a derivative: a float or complex number or array, traced or not."""
    if isinstance(v, (float, complex, Variable)):
        return True
    return isinstance(v, (np.ndarray, np.generic)) and v.dtype.kind in "fc"


