"""Lowering of expressions: operators, comparisons, conditions, attributes, containers; scalars here, arrays in arrays.py."""

from __future__ import annotations

import ast
import types as python_types
from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.frontend import arrays, calls, complex_numbers, generators, iteration, scalars
from sciad.frontend.context import Capture, Context
from sciad.frontend.merge import describe
from sciad.frontend.values import Array, Closure, Complex, Dict_, Lazy, Range, Record, Slice, Static, Tuple_
from sciad.ir import PURE, Value
from sciad.types import B1

__all__ = ["fixed", "condition", "evaluate", "defaults_of", "settle", "stored", "truth", "binary", "index_of", "OPERATORS"]

OPERATORS: dict[type, str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "remainder",
    ast.Pow: "power",
    ast.MatMult: "matmul",
    ast.BitAnd: "bitwise_and",
    ast.BitOr: "bitwise_or",
    ast.BitXor: "bitwise_xor",
    ast.LShift: "left_shift",
    ast.RShift: "right_shift",
}
COMPARISONS: dict[type, str] = {
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}


def evaluate(ctx: Context, node: ast.expr, store_next: bool = False) -> Any:
    """Lower an expression; array arithmetic stays lazy until `settle` stores it."""
    ctx.at(node)
    handler = _EXPRESSIONS.get(type(node))
    if handler is None:
        raise ctx.error(*_REFUSED.get(type(node), (f"expression `{type(node).__name__}`", "write it with supported operations")))
    return handler(ctx, node)


_REFUSED = {
    ast.Yield: ("yield", "fill an array and return it"),
    ast.YieldFrom: ("yield", "fill an array and return it"),
    ast.Await: ("await", "write plain code"),
    ast.GeneratorExp: ("generator expression", "fold it at once with sum, prod, any, all, min or max, or use a for loop"),
    ast.SetComp: ("set comprehension", "use an array"),
    ast.Set: ("set", "use a tuple"),
    ast.JoinedStr: ("f-string", "strings cannot be formatted in compiled code"),
    ast.NamedExpr: ("assignment expression `:=`", "assign on a line of its own"),
    ast.DictComp: ("dict comprehension", "write the dict with constant keys"),
}


def settle(ctx: Context, value: Any) -> Any:
    """Give a value its final form: lazy array expressions are stored into a fresh array."""
    if isinstance(value, Lazy):
        return arrays.store_lazy(ctx, value)
    if isinstance(value, Tuple_):
        return Tuple_([settle(ctx, x) for x in value.items], value.type)
    if isinstance(value, Dict_):
        return Dict_({k: settle(ctx, v) for k, v in value.items.items()})
    return value


def stored(ctx: Context, value: Any) -> Any:
    """What a variable may hold; refuses what has no value of its own."""
    if isinstance(value, Slice):
        return value
    return value


def truth(ctx: Context, value: Any) -> Value:
    """The boolean that a condition stands for."""
    if isinstance(value, Value):
        if value.type == B1:
            return value
        return ctx.b.pure("not_equal", [value, ctx.b.const(0, value.type)], B1)
    if isinstance(value, Static):
        return ctx.b.const(bool(value.object))
    if isinstance(value, Tuple_):
        return ctx.b.const(bool(value.items))
    if isinstance(value, Dict_):
        return ctx.b.const(bool(value.items))
    if isinstance(value, (Closure, Record)):
        return ctx.b.const(True)
    raise ctx.error(f"truth value of {describe(value)}", "compare one element, or use np.any / np.all")


def binary(ctx: Context, name: str, a: Any, b: Any) -> Any:
    """A binary operator on any two lowered values."""
    if name == "matmul":
        return arrays.matmul(ctx, a, b)
    if isinstance(a, Value) and isinstance(b, Value):
        return scalars.binary(ctx, name, a, b)
    if isinstance(a, (Array, Lazy)) or isinstance(b, (Array, Lazy)):
        return arrays.elementwise_binary(ctx, name, a, b)
    if isinstance(a, Complex) or isinstance(b, Complex):
        return complex_numbers.binary(ctx, name, a, b)
    if isinstance(a, Tuple_) and isinstance(b, Tuple_) and name == "add" and a.type is b.type:
        return Tuple_(a.items + b.items, a.type)
    if isinstance(a, Tuple_) and isinstance(b, Value) and name == "multiply" and b.constant is not None:
        return Tuple_(a.items * int(b.constant), a.type)
    if isinstance(a, Static) and isinstance(b, Static):
        return Static({"add": lambda x, y: x + y, "remainder": lambda x, y: x % y}[name](a.object, b.object))
    raise ctx.error(f"`{name}` of {describe(a)} and {describe(b)}", "use numbers or arrays")


def _constant(ctx: Context, node: ast.Constant) -> Any:
    return scalars.constant(ctx, node.value)


def _name(ctx: Context, node: ast.Name) -> Any:
    return ctx.lookup(node.id)


def _binop(ctx: Context, node: ast.BinOp) -> Any:
    left = fixed(ctx, evaluate(ctx, node.left), node.right)
    return binary(ctx, OPERATORS[type(node.op)], left, evaluate(ctx, node.right))


def fixed(ctx: Context, value: Any, *later: ast.expr) -> Any:
    """A lazy value, stored now where what is evaluated next may write into the arrays that it reads."""
    if isinstance(value, Lazy) and value.sources and any(_may_write(ctx, node) for node in later):
        return arrays.store_lazy(ctx, value)
    if isinstance(value, calls.Method) and isinstance(value.owner, Lazy):
        return calls.Method(fixed(ctx, value.owner, *later), value.name, value.function)
    return value


def _may_write(ctx: Context, node: ast.expr) -> bool:
    """Whether an expression calls something that is not known to leave arrays alone."""
    return any(_calls_unknown(ctx, n) for n in ast.walk(node) if isinstance(n, ast.Call))


def _calls_unknown(ctx: Context, node: ast.Call) -> bool:
    if any(k.arg == "out" for k in node.keywords):
        return True
    function = node.func
    if isinstance(function, ast.Name):
        found = ctx.lookup(function.id)
    elif isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        found = evaluate(ctx, function)
    else:
        return True
    if isinstance(found, calls.Method):
        return found.function is not None or found.name == "fill"
    return not (isinstance(found, Static) and calls.leaves_arrays_alone(found.object))


def _unary(ctx: Context, node: ast.UnaryOp) -> Any:
    if isinstance(node.op, ast.Not):
        return ctx.b.logical_not(condition(ctx, node.operand))
    value = evaluate(ctx, node.operand)
    name = {ast.USub: "negative", ast.UAdd: "positive", ast.Invert: "invert"}[type(node.op)]
    return calls.unary(ctx, name, value)


def condition(ctx: Context, node: ast.expr) -> Value:
    """The bool that decides where an expression stands for a condition."""
    if not isinstance(node, ast.BoolOp):
        return truth(ctx, evaluate(ctx, node))
    conjunction = isinstance(node.op, ast.And)
    result = condition(ctx, node.values[0])
    for operand in node.values[1:]:
        result = guarded(ctx, result, lambda operand=operand: condition(ctx, operand), conjunction)
    return result


def guarded(ctx: Context, left: Value, right: Callable[[], Value], conjunction: bool) -> Value:
    """`and` / `or` of bools: the right side is evaluated only where it matters; both sides where that is harmless."""
    from sciad.frontend.branches import branch

    b = ctx.b
    if left.constant is not None:
        return right() if left.constant == conjunction else left
    outer = b.enter()
    found = right()
    trial = b.leave(outer)
    if all(PURE(op) for op in trial.ops):
        b.region.ops.extend(trial.ops)
        return b.logical_and(left, found) if conjunction else b.logical_or(left, found)

    def evaluated() -> None:
        ctx.frame.env["$bool"] = right()

    def known() -> None:
        ctx.frame.env["$bool"] = b.const(not conjunction)

    branch(ctx, left if conjunction else b.logical_not(left), evaluated, known)
    return ctx.frame.env.pop("$bool")


def _boolop(ctx: Context, node: ast.BoolOp) -> Any:
    """`and` / `or` as values: Python gives the operand that decides, not its truth."""
    result = settle(ctx, evaluate(ctx, node.values[0]))
    for operand in node.values[1:]:
        result = _deciding(ctx, result, operand, isinstance(node.op, ast.And))
    return result


def _deciding(ctx: Context, left: Any, operand: ast.expr, conjunction: bool) -> Any:
    from sciad.frontend.branches import branch

    decided = truth(ctx, left)
    if decided.constant is not None:
        return settle(ctx, evaluate(ctx, operand)) if decided.constant == conjunction else left

    def evaluated() -> None:
        ctx.frame.env["$value of and/or"] = settle(ctx, evaluate(ctx, operand))

    def known() -> None:
        ctx.frame.env["$value of and/or"] = left

    branch(ctx, decided if conjunction else ctx.b.logical_not(decided), evaluated, known)
    value = ctx.lookup("$value of and/or")
    ctx.frame.env.pop("$value of and/or")
    if isinstance(left, Value) and isinstance(value, Value) and left.type == B1 and value.type != B1:
        raise ctx.error("`and` / `or` of a bool and a number as a value", "write a conditional expression")
    return value


def _compare(ctx: Context, node: ast.Compare) -> Any:
    left = fixed(ctx, evaluate(ctx, node.left), *node.comparators)
    right = fixed(ctx, evaluate(ctx, node.comparators[0]), *node.comparators[1:])
    result = _comparison(ctx, node.ops[0], left, right)
    if len(node.ops) == 1:
        return result
    return _chained(ctx, truth(ctx, result), right, node.ops[1:], node.comparators[1:])


def _chained(ctx: Context, so_far: Value, left: Any, ops: list[ast.cmpop], comparators: list[ast.expr]) -> Value:
    """The rest of a chained comparison, evaluated only where what came before holds."""
    if not ops:
        return so_far

    def rest() -> Value:
        right = evaluate(ctx, comparators[0])
        return _chained(ctx, truth(ctx, _comparison(ctx, ops[0], left, right)), right, ops[1:], comparators[1:])

    return guarded(ctx, so_far, rest, True)


def _comparison(ctx: Context, op: ast.cmpop, left: Any, right: Any) -> Any:
    if isinstance(op, (ast.Is, ast.IsNot)):
        return ctx.b.const(_identical(ctx, left, right) == isinstance(op, ast.Is))
    if isinstance(op, (ast.In, ast.NotIn)):
        return _membership(ctx, left, right, isinstance(op, ast.In))
    name = COMPARISONS[type(op)]
    if isinstance(left, Static) and isinstance(right, Static) and name in ("equal", "not_equal"):
        return ctx.b.const((left.object == right.object) == (name == "equal"))
    if isinstance(left, Tuple_) and isinstance(right, Tuple_) and name in ("equal", "not_equal"):
        return _equal_tuples(ctx, left, right, name == "equal")
    if isinstance(left, Static) or isinstance(right, Static):
        if name in ("equal", "not_equal"):
            return ctx.b.const(name == "not_equal")
        raise ctx.error(f"comparison of {describe(left)} with {describe(right)}", "compare numbers; strings and objects only by == and !=")
    if isinstance(left, (Array, Lazy)) or isinstance(right, (Array, Lazy)):
        return arrays.elementwise_binary(ctx, name, left, right)
    if isinstance(left, Value) and isinstance(right, Value):
        return scalars.binary(ctx, name, left, right)
    raise ctx.error(f"comparison of {describe(left)} with {describe(right)}", "compare numbers")


def _identical(ctx: Context, left: Any, right: Any) -> bool:
    """`is`, where it can be told: against None and other compile-time objects."""
    if isinstance(left, Static) or isinstance(right, Static):
        return isinstance(left, Static) and isinstance(right, Static) and left.object is right.object
    if left is right and not isinstance(left, Value):
        return True
    raise ctx.error(f"`is` of {describe(left)} and {describe(right)}", "compare values, or test for None")


def _equal_tuples(ctx: Context, left: Tuple_, right: Tuple_, positive: bool) -> Value:
    """``x.shape == y.shape`` and its like."""
    equal = ctx.b.const(len(left.items) == len(right.items))
    for a, b in zip(left.items, right.items):
        equal = ctx.b.logical_and(equal, truth(ctx, _comparison(ctx, ast.Eq(), a, b)))
    return equal if positive else ctx.b.logical_not(equal)


def _membership(ctx: Context, left: Any, right: Any, positive: bool) -> Value:
    if isinstance(right, Dict_) and isinstance(left, Static):
        return ctx.b.const((left.object in right.items) == positive)
    if isinstance(right, Tuple_):
        found = ctx.b.const(False)
        for item in right.items:
            found = ctx.b.logical_or(found, truth(ctx, _comparison(ctx, ast.Eq(), left, item)))
        return found if positive else ctx.b.logical_not(found)
    raise ctx.error(f"`in` with {describe(right)}", "use a tuple of constants, or a loop")


def _ifexp(ctx: Context, node: ast.IfExp) -> Any:
    from sciad.frontend.branches import branch

    cond = condition(ctx, node.test)

    def side(expression: ast.expr) -> Callable[[], None]:
        def run() -> None:
            ctx.frame.env["$cond"] = settle(ctx, evaluate(ctx, expression))

        return run

    saved = ctx.frame.env.pop("$cond", None)
    branch(ctx, cond, side(node.body), side(node.orelse))
    value = ctx.lookup("$cond")
    ctx.frame.env.pop("$cond")
    if saved is not None:
        ctx.frame.env["$cond"] = saved
    return value


def _tuple(ctx: Context, node: ast.Tuple | ast.List) -> Tuple_:
    items: list = []
    for element in node.elts:
        if isinstance(element, ast.Starred):
            items += iteration.items_of(ctx, evaluate(ctx, element.value))
        else:
            items.append(settle(ctx, evaluate(ctx, element)))
    return Tuple_(items, tuple if isinstance(node, ast.Tuple) else list)


def _dict(ctx: Context, node: ast.Dict) -> Dict_:
    items = {}
    for key_node, value_node in zip(node.keys, node.values):
        key = evaluate(ctx, key_node) if key_node is not None else None
        plain = key.object if isinstance(key, Static) else key.constant if isinstance(key, Value) else None
        if plain is None:
            raise ctx.error("dict with a key that is not constant", "use constant keys, or an array")
        items[plain] = settle(ctx, evaluate(ctx, value_node))
    return Dict_(items)


def _listcomp(ctx: Context, node: ast.ListComp) -> Tuple_:
    from sciad.frontend.statements import bind

    generator = node.generators[0]
    iterator = iteration.iterate(ctx, evaluate(ctx, generator.iter))
    trips = iterator.static if iterator.static is not None else iterator.length.constant
    if trips is None or len(node.generators) > 1 or generator.ifs:
        raise ctx.error("list comprehension of unknown length", "make it an array, np.array([...]), or fill an array in a for loop")
    if any(isinstance(n, ast.Lambda) for n in ast.walk(node.elt)):
        raise ctx.error("lambda in a comprehension", "write a loop, and bind its variable as a default: lambda x, k=k: ...")
    frame = ctx.frame
    before = frame.env
    frame.env = dict(before)
    items = []
    for k in range(int(trips)):
        bind(ctx, generator.target, settle(ctx, iterator.item(ctx.b.const(k))))
        items.append(settle(ctx, evaluate(ctx, node.elt)))
    frame.env = before
    return Tuple_(items, list)


def _attribute(ctx: Context, node: ast.Attribute) -> Any:
    base = evaluate(ctx, node.value)
    name = node.attr
    if isinstance(base, Tuple_) and name in base.fields:
        return base.items[base.fields.index(name)]
    if isinstance(base, Record):
        if name in base.fields:
            return base.fields[name]
        method = getattr(base.type, name, None)
        if isinstance(method, python_types.FunctionType):
            return calls.Method(base, name, method)
        if isinstance(method, property):
            return calls.call_python(ctx, method.fget, [base], {})
        raise ctx.error(f"`{base.type.__name__}` has no field `{name}`", f"use one of {', '.join(base.fields)}")
    if isinstance(base, (Array, Lazy)):
        return arrays.attribute(ctx, base, name)
    if isinstance(base, Complex) and name in ("real", "imag"):
        return base.real if name == "real" else base.imag
    if isinstance(base, Static) and base.object is not None:
        return _static_attribute(ctx, base, name)
    if isinstance(base, (Dict_, Tuple_, Value, Complex)):
        return calls.Method(base, name, None)
    raise ctx.error(f"attribute `.{name}` of {describe(base)}", "use numbers, arrays and records")


def _static_attribute(ctx: Context, base: Static, name: str) -> Any:
    try:
        found = getattr(base.object, name)
    except AttributeError as error:
        raise ctx.error(f"`{base.object!r}` has no attribute `{name}`") from error
    capture = getattr(base, "capture", None)
    is_module = isinstance(base.object, python_types.ModuleType)
    if is_module and base.object.__name__.split(".")[0] in ("math", "numpy", "scipy", "cmath") and isinstance(found, (int, float, complex)):
        return scalars.constant(ctx, found)
    fixed = callable(found) or isinstance(found, (python_types.ModuleType, str, np.dtype)) or isinstance(base.object, np.dtype)
    if capture is None and fixed:
        return ctx.import_capture(ctx, Capture(_nowhere, name, ()), found)
    if capture is None:  # nobody would notice that it changes
        kind = type(base.object).__name__
        raise ctx.error(f"`.{name}` of a {kind} that is an argument or a local import", "pass the value itself, or use a dataclass")
    return ctx.capture(Capture(capture.function, capture.name, (*capture.path, name), capture.origin))


def _nowhere() -> None:
    """Stands for the function of captures that are compile-time objects."""


def _subscript(ctx: Context, node: ast.Subscript) -> Any:
    base = evaluate(ctx, node.value)
    return arrays.subscript(ctx, base, index_of(ctx, node.slice))


def index_of(ctx: Context, node: ast.expr) -> list:
    """The components of a subscript."""
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    return [settle(ctx, evaluate(ctx, part)) for part in parts]


def _slice(ctx: Context, node: ast.Slice) -> Slice:
    def bound(part: ast.expr | None) -> Value | None:
        if part is None:
            return None
        value = evaluate(ctx, part)
        if isinstance(value, Static) and value.object is None:
            return None
        if not isinstance(value, Value):
            raise ctx.error(f"slice bound is {describe(value)}", "use an int")
        return scalars.as_index(ctx, value)

    return Slice(bound(node.lower), bound(node.upper), bound(node.step))


def _call(ctx: Context, node: ast.Call) -> Any:
    later = [*node.args, *[k.value for k in node.keywords]]
    function = fixed(ctx, evaluate(ctx, node.func), *later)
    args: list = []
    folding = generators.fold(ctx, function, node)
    function, folded = (function, 0) if folding is None else (folding, 1)
    for position, argument in enumerate(node.args[folded:], 1 + folded):
        if isinstance(argument, ast.Starred):
            args += iteration.items_of(ctx, evaluate(ctx, argument.value))
        else:
            args.append(fixed(ctx, evaluate(ctx, argument), *later[position:]))
    kwargs: dict[str, Any] = {}
    for position, keyword in enumerate(node.keywords, len(node.args) + 1):
        value = fixed(ctx, evaluate(ctx, keyword.value), *later[position:])
        if keyword.arg is not None:
            kwargs[keyword.arg if folding is None else generators.MARK + keyword.arg] = value
        elif isinstance(value, Dict_):
            kwargs.update(value.items)
        else:
            raise ctx.error("`**` of something that is not a dict", "pass a dict with constant keys")
    ctx.at(node)
    return calls.call(ctx, function, args, kwargs)


def _lambda(ctx: Context, node: ast.Lambda) -> Closure:
    return Closure(node, ctx.frame, "<lambda>", defaults_of(ctx, node.args))


def defaults_of(ctx: Context, spec: ast.arguments) -> dict[str, Any]:
    """The default values of a function defined here, evaluated now, as in Python."""
    names = [a.arg for a in spec.posonlyargs + spec.args]
    pairs = list(zip(names[len(names) - len(spec.defaults) :], spec.defaults))
    pairs += [(a.arg, d) for a, d in zip(spec.kwonlyargs, spec.kw_defaults) if d is not None]
    return {name: settle(ctx, evaluate(ctx, d)) for name, d in pairs}


_EXPRESSIONS: dict[type, Callable] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.BinOp: _binop,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolop,
    ast.Compare: _compare,
    ast.IfExp: _ifexp,
    ast.Tuple: _tuple,
    ast.List: _tuple,
    ast.Dict: _dict,
    ast.ListComp: _listcomp,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.Call: _call,
    ast.Lambda: _lambda,
}

_ = (np, Range)
