"""Lowering of calls: Python functions are inlined (and so differentiated in turn), builtins, math and NumPy functions become operations."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

from sciad.frontend import arrays, complex_numbers, scalars
from sciad.frontend.context import Capture, Context, Frame
from sciad.frontend.liveness import assigned, captured_by_inner, same_scope
from sciad.frontend.merge import describe
from sciad.frontend.source import python_function, source_of
from sciad.frontend.strict import strict
from sciad.frontend.values import Array, Closure, Complex, Dict_, Lazy, Record, Static, Tuple_
from sciad.ir import Value

__all__ = ["call", "call_python", "binary", "unary", "Method", "MAX_DEPTH"]

WRITING = (np.copyto, np.fill_diagonal, np.add.at, np.subtract.at)  # functions that write into an argument
MAX_DEPTH = 60  # inlined calls deep: beyond this it is recursion that no constant argument ends


@dataclass(eq=False)
class Method:
    """A bound method: of a record (a Python function), or of a built-in kind (by name)."""

    owner: Any
    name: str
    function: FunctionType | None


def call(ctx: Context, function: Any, args: list, kwargs: dict[str, Any]) -> Any:
    """Lower a call of any callable."""
    if isinstance(function, Closure):
        return _call_closure(ctx, function, args, kwargs)
    if isinstance(function, Method):
        if function.function is not None:
            return call_python(ctx, function.function, [function.owner, *args], kwargs)
        return arrays.method(ctx, function.owner, function.name, args, kwargs)
    if not isinstance(function, Static):
        raise ctx.error(f"call of {describe(function)}", "call a function")
    target = function.object
    handler = _handler(target) or getattr(target, "__sciad_lower__", None)  # the latter: functions that make their own operations
    if handler is not None:
        return handler(ctx, args, kwargs)
    if isinstance(target, type):
        return _construct(ctx, target, args, kwargs)
    plain = python_function(target)
    if isinstance(plain, FunctionType):
        return call_python(ctx, plain, args, kwargs, getattr(function, "capture", None))
    name = getattr(target, "__name__", repr(target))
    module = getattr(target, "__module__", "") or type(getattr(target, "__self__", None)).__module__
    raise ctx.error(_refusal(name, module), _remedy(module))


def _refusal(name: str, module: str) -> str:
    return f"call of `{module + '.' if module else ''}{name}`"


def _remedy(module: str) -> str:
    if "random" in module:
        return "draw random numbers outside and pass them in: the derivative of a draw is a matter of policy"
    return "write it with supported functions, or give it a rule with sciad.custom_vjp"


def _handler(target: Any) -> Callable | None:
    """The lowering of a function that is known by identity, else None."""
    from sciad.frontend.python_functions import PYTHON

    try:
        found = PYTHON.get(target)
    except TypeError:
        return None
    if found is not None:
        return strict(found, getattr(target, "__name__", "the function"))
    if isinstance(target, np.ufunc):
        return _ufunc(target)
    owner = getattr(target, "__self__", None)
    if isinstance(target, BuiltinFunctionType) and getattr(owner, "__name__", "").startswith("numpy.random"):
        return None
    return arrays.NUMPY.get(target) if callable(target) and getattr(target, "__hash__", None) else None


def leaves_arrays_alone(target: Any) -> bool:
    """Whether a call of this object writes into none of its arguments."""
    return isinstance(target, type) or (_handler(target) is not None and target not in WRITING)


def _ufunc(target: np.ufunc) -> Callable:
    name = {"true_divide": "divide"}.get(target.__name__, target.__name__)

    def lower(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
        out = kwargs.pop("out", None)
        if kwargs or len(args) not in (target.nin, target.nin + target.nout) or target.nout != 1:
            raise ctx.error(f"np.{target.__name__} with arguments {sorted(kwargs)}", "use the plain form")
        if len(args) == target.nin + 1:
            out = args.pop()
        result = unary(ctx, name, args[0]) if target.nin == 1 else binary(ctx, name, *args)
        if out is None:
            return result
        arrays.assign(ctx, out, [], result, whole=True)
        return out

    return lower


def binary(ctx: Context, name: str, a: Any, b: Any) -> Any:
    from sciad.frontend.expressions import binary as combine

    return combine(ctx, name, arrays.as_array(ctx, a), arrays.as_array(ctx, b))


def unary(ctx: Context, name: str, value: Any) -> Any:
    """A unary operation on a scalar, an array, or a complex number."""
    value = arrays.as_array(ctx, value)
    if isinstance(value, Value):
        return scalars.unary(ctx, name, value)
    if isinstance(value, (Array, Lazy)):
        return arrays.elementwise_unary(ctx, name, value)
    if isinstance(value, Complex):
        return complex_numbers.unary(ctx, name, value)
    raise ctx.error(f"`{name}` of {describe(value)}", "use numbers or arrays")


# -- Python functions ---------------------------------------------------------------------------------------------------------------
def call_python(ctx: Context, function: Any, args: list, kwargs: dict[str, Any], origin: Any = None) -> Any:
    """Inline a Python function: its statements are lowered here, with its own variables."""
    source = source_of(function)
    ctx.inlined.append((function, origin))
    frame = Frame(function.__qualname__, source.filename, source.offset, function=function, origin=origin)

    def default(name: str) -> Any:
        return ctx.capture(Capture(function, "=" + name, (), origin))

    return _inline(ctx, frame, source.node, args, kwargs, default)


def _call_closure(ctx: Context, closure: Closure, args: list, kwargs: dict[str, Any]) -> Any:
    parent = closure.frame
    frame = Frame(closure.name, parent.filename, parent.offset, parent=parent)
    return _inline(ctx, frame, closure.node, args, kwargs, closure.defaults.__getitem__)


def _inline(ctx: Context, frame: Frame, node: ast.FunctionDef | ast.Lambda, args: list, kwargs: dict[str, Any], default: Callable) -> Any:
    from sciad.frontend.expressions import evaluate, settle
    from sciad.frontend.statements import run_body

    if len(ctx.frames) > MAX_DEPTH:
        raise ctx.error(f"recursion of `{frame.name}` deeper than {MAX_DEPTH}", "write the recursion as a loop")
    args = [settle(ctx, a) for a in args]
    kwargs = {k: settle(ctx, v) for k, v in kwargs.items()}
    frame.env = _bind_arguments(ctx, frame.name, node.args, args, kwargs, default)
    body = [] if isinstance(node, ast.Lambda) else node.body
    frame.locals = frozenset(assigned(body) | set(frame.env))
    frame.captured = frozenset(captured_by_inner(body))
    if any(isinstance(n, (ast.Yield, ast.YieldFrom)) for s in body for n in same_scope(s)):
        raise ctx.error(f"generator `{frame.name}` (yield)", "fill an array and return it")
    line, outer_line = ctx.line, ctx.b.line
    frame.called_from = line
    ctx.frames.append(frame)
    try:
        return settle(ctx, evaluate(ctx, node.body)) if isinstance(node, ast.Lambda) else run_body(ctx, body)
    finally:
        ctx.frames.pop()
        ctx.line, ctx.b.line = line, outer_line


def _bind_arguments(ctx: Context, name: str, spec: ast.arguments, args: list, kwargs: dict[str, Any], default: Callable) -> dict[str, Any]:
    names = [a.arg for a in spec.posonlyargs + spec.args]
    env = dict(zip(names, args))
    if len(args) > len(names) and spec.vararg is None:
        raise ctx.error(f"`{name}` takes {len(names)} arguments, {len(args)} given", "pass what its definition asks for")
    if spec.vararg is not None:
        env[spec.vararg.arg] = Tuple_(args[len(names) :])
    keyword_only = [a.arg for a in spec.kwonlyargs]
    extra = {}
    for key, value in kwargs.items():
        if key in env:
            raise ctx.error(f"`{name}` got two values for `{key}`", "pass what its definition asks for")
        if key in names or key in keyword_only:
            env[key] = value
        elif spec.kwarg is not None:
            extra[key] = value
        else:
            raise ctx.error(f"`{name}` has no argument `{key}`", "pass what its definition asks for")
    if spec.kwarg is not None:
        env[spec.kwarg.arg] = Dict_(extra)
    with_default = set(names[len(names) - len(spec.defaults) :]) | {a for a, d in zip(keyword_only, spec.kw_defaults) if d is not None}
    for key in names + keyword_only:
        if key not in env:
            if key not in with_default:
                raise ctx.error(f"`{name}` misses the argument `{key}`", "pass what its definition asks for")
            env[key] = default(key)
    return env


def _construct(ctx: Context, cls: type, args: list, kwargs: dict[str, Any]) -> Any:
    """Calls of types: named tuples, dataclasses, and the numeric types."""
    from sciad.frontend.expressions import settle

    args = [settle(ctx, a) for a in args]
    kwargs = {k: settle(ctx, v) for k, v in kwargs.items()}
    if hasattr(cls, "_fields") and issubclass(cls, tuple):
        fields = dict(zip(cls._fields, args)) | kwargs
        for key, value in getattr(cls, "_field_defaults", {}).items():
            fields.setdefault(key, scalars.constant(ctx, value))
        if set(fields) != set(cls._fields):
            raise ctx.error(f"`{cls.__name__}` needs the fields {', '.join(cls._fields)}", "give each once")
        return Tuple_([fields[f] for f in cls._fields], cls)
    if dataclasses.is_dataclass(cls) and "__post_init__" not in vars(cls):
        specification = [f for f in dataclasses.fields(cls) if f.init]
        fields = dict(zip([f.name for f in specification], args)) | kwargs
        for f in specification:
            if f.name not in fields and f.default is not dataclasses.MISSING:
                fields[f.name] = scalars.constant(ctx, f.default)
        return Record(cls, {f.name: fields[f.name] for f in dataclasses.fields(cls)})
    raise ctx.error(f"construction of `{cls.__name__}`", "use tuples, named tuples, dicts with constant keys or plain dataclasses")
