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

__all__ = ["fold"]

_EXTREME = """
def extreme(*given):
    best_, found_ = 0, False
    LOOPS:
        value_ = ELEMENT
        if not found_ or value_ {sign} best_:
            best_, found_ = value_, True
    if not found_:
        raise ValueError("{name}() of nothing")
    return best_
"""
_FOLDED: dict[Any, str] = {
    sum: """
def sum(total_=0):
    LOOPS:
        total_ = total_ + ELEMENT
    return total_
""",
    math.prod: """
def prod(*, start=1):
    total_ = start
    LOOPS:
        total_ = total_ * ELEMENT
    return total_
""",
    any: """
def any():
    LOOPS:
        if ELEMENT:
            return True
    return False
""",
    all: """
def all():
    LOOPS:
        if not (ELEMENT):
            return False
    return True
""",
    max: _EXTREME.format(sign=">", name="max"),
    min: _EXTREME.format(sign="<", name="min"),
}
_ARRAY = """
def array(*, empty_=None, number_=None):
    n_ = 0
    LOOPS:
        n_ = n_ + 1
    y_ = empty_(n_)
    k_ = 0
    LOOPS:
        y_[k_] = number_(ELEMENT)
        k_ = k_ + 1
    return y_
"""


def fold(ctx: Context, function: Any, node: ast.Call) -> Closure | None:
    """A function of the remaining arguments, where a call folds a comprehension, its first argument, in a loop; None for other calls."""
    first = node.args[0] if node.args else None
    if not isinstance(first, ast.GeneratorExp | ast.ListComp) or not isinstance(function, Static):
        return None
    try:
        text = _FOLDED.get(function.object)
    except TypeError:
        return None
    defaults: dict[str, Any] = {"total_": ctx.b.const(0), "start": ctx.b.const(1)}
    if function.object in (np.array, np.asarray) and isinstance(first, ast.ListComp) and not _written_out(ctx, first):
        text, defaults = _ARRAY, {"empty_": Static(np.empty), "number_": Static(_number)}
    if text is None:
        return None
    return Closure(_written(text, first), ctx.frame, function.object.__name__, defaults)


def _written_out(ctx: Context, comprehension: ast.ListComp) -> bool:
    """Whether a list comprehension has a length that is known, and so is written out element by element."""
    from sciad.frontend.expressions import evaluate

    generator = comprehension.generators[0]
    if len(comprehension.generators) > 1 or generator.ifs:
        return False
    iterator = iteration.iterate(ctx, evaluate(ctx, generator.iter))
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
    """The template with the loops of the comprehension, and its element."""
    marked = text.replace("LOOPS:", "while LOOPS:")
    function = ast.parse(marked).body[0]
    assert isinstance(function, ast.FunctionDef)
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
        for generator in reversed(self.comprehension.generators):
            for condition in reversed(generator.ifs):
                body = [ast.If(test=copy.deepcopy(condition), body=body, orelse=[])]
            body = [ast.For(target=copy.deepcopy(generator.target), iter=copy.deepcopy(generator.iter), body=body, orelse=[])]
        return body[0]
