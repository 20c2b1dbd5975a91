"""Generator expressions and comprehensions of unknown length, where a function folds them: ``sum(f(v) for v in x)`` is a loop.

As in Python, a comprehension is a function of its own, called at once: here one that is made of the loops it stands for.
"""

from __future__ import annotations

import ast
import copy
import math
from typing import Any

import numpy as np

from sciad.frontend import iteration
from sciad.frontend.context import Context
from sciad.frontend.merge import describe
from sciad.frontend.values import Closure, Static
from sciad.ir import Value
from sciad.types import is_float

__all__ = ["MARK", "fold"]

MARK = "$fold "  # at the beginning of names that no program has

_EXTREME = """
def extreme(*, iterable=None):
    best, found = 0, False
    LOOPS:
        value = ELEMENT
        if not found or value {sign} best:
            best, found = value, True
    if not found:
        raise ValueError("{name}() of nothing")
    return best
"""
#: By what is called: what it is, and the default of `start`.  No name of a template can be one of the comprehension's (see `_written`).
_FOLDED: dict[Any, tuple[str, int | None]] = {
    sum: ("""
def sum(start=0, *, iterable=None):
    LOOPS:
        start = start + ELEMENT
    return start
""", 0),
    math.prod: ("""
def prod(*, start=1, iterable=None):
    LOOPS:
        start = start * ELEMENT
    return start
""", 1),
    any: ("""
def any(*, iterable=None):
    LOOPS:
        if ELEMENT:
            return True
    return False
""", None),
    all: ("""
def all(*, iterable=None):
    LOOPS:
        if not (ELEMENT):
            return False
    return True
""", None),
    max: (_EXTREME.format(sign=">", name="max"), None),
    min: (_EXTREME.format(sign="<", name="min"), None),
}  # fmt: skip
_ARRAY = """
def array(*, empty=None, number=None, iterable=None):
    n = 0
    LOOPS:
        n = n + 1
    y = empty(n)
    k = 0
    LOOPS:
        y[k] = number(ELEMENT)
        k = k + 1
    return y
"""
_KEPT = {"ELEMENT", "LOOPS", "ValueError"}


def fold(ctx: Context, function: Any, node: ast.Call) -> Closure | None:
    """A function of the remaining arguments, where a call folds a comprehension, its first argument, in a loop; None for other calls.

    Names of its arguments begin with `MARK`.
    """
    first = node.args[0] if node.args else None
    if not isinstance(first, ast.GeneratorExp | ast.ListComp) or not isinstance(function, Static):
        return None
    try:
        text, start = _FOLDED.get(function.object, (None, None))
    except TypeError:
        return None
    is_array = function.object in (np.array, np.asarray) and isinstance(first, ast.ListComp)
    if text is None and not is_array:
        return None
    from sciad.frontend.expressions import evaluate

    iterable = evaluate(ctx, first.generators[0].iter)  # in the scope outside, as in Python
    if is_array and _written_out(ctx, first, iterable):
        return None
    defaults: dict[str, Any] = {"iterable": iterable, "empty": Static(np.empty), "number": Static(_number)}
    if start is not None:
        defaults["start"] = ctx.b.const(start)
    closure = _written(text or _ARRAY, first)
    return Closure(closure, ctx.frame, function.object.__name__, {MARK + name: value for name, value in defaults.items()})


def _written_out(ctx: Context, comprehension: ast.ListComp, iterable: Any) -> bool:
    """Whether a list comprehension has a length that is known, and so is written out element by element."""
    if len(comprehension.generators) > 1 or comprehension.generators[0].ifs:
        return False
    iterator = iteration.iterate(ctx, iterable)
    return iterator.static is not None or iterator.length.constant is not None


def _number(x: Any) -> Any:
    """Stands for what an element of an array made of a comprehension must be."""


def _lower_number(ctx: Context, args: list, kwargs: dict[str, Any]) -> Value:
    value = args[0]
    if not isinstance(value, Value) or not is_float(value.type):
        raise ctx.error(f"array of a comprehension of {describe(value)}", "fill an array in a for loop")
    return value


_number.__sciad_lower__ = _lower_number  # type: ignore[attr-defined]


def _written(text: str, comprehension: Any) -> ast.FunctionDef:
    """The template with the loops of the comprehension, and its element; its own names cannot occur in a program."""
    function = ast.parse(text.replace("LOOPS:", "while LOOPS:")).body[0]
    assert isinstance(function, ast.FunctionDef)
    for inner in ast.walk(function):
        if isinstance(inner, ast.Name) and inner.id not in _KEPT:
            inner.id = MARK + inner.id
        elif isinstance(inner, ast.arg):
            inner.arg = MARK + inner.arg
    made = _Fill(comprehension).visit(function)
    for inner in ast.walk(made):
        ast.copy_location(inner, comprehension)
    return made


class _Fill(ast.NodeTransformer):
    """Puts loops and element in the place of their names."""

    def __init__(self, comprehension: Any) -> None:
        self.comprehension = comprehension

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return copy.deepcopy(self.comprehension.elt) if node.id == "ELEMENT" else node

    def visit_While(self, node: ast.While) -> ast.stmt:
        self.generic_visit(node)
        body = node.body
        for position, generator in reversed(list(enumerate(self.comprehension.generators))):
            for condition in reversed(generator.ifs):
                body = [ast.If(test=copy.deepcopy(condition), body=body, orelse=[])]
            over = ast.Name(MARK + "iterable", ast.Load()) if position == 0 else copy.deepcopy(generator.iter)
            body = [ast.For(target=copy.deepcopy(generator.target), iter=over, body=body, orelse=[])]
        return body[0]
