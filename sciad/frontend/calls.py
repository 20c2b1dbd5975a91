"""Lowering of calls: Python functions are inlined (and so differentiated in turn), builtins, math and NumPy functions become operations."""

from __future__ import annotations

import ast
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

from sciad.frontend import arrays, scalars
from sciad.frontend.context import Capture, Context, Frame
from sciad.frontend.liveness import assigned, captured_by_inner, same_scope
from sciad.frontend.merge import describe
from sciad.frontend.source import python_function, source_of
from sciad.frontend.values import Array, Closure, Complex, Dict_, Iterator_, Lazy, Range, Record, Slice, Static, Tuple_
from sciad.ir import Value
from sciad.types import B1, F4, F8, I8, is_float

__all__ = ["call", "call_python", "iterate", "items_of", "unary", "Method", "MAX_DEPTH"]

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
    handler = _handler(target)
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
    try:
        found = _FUNCTIONS.get(target)
    except TypeError:
        return None
    if found is not None:
        return found
    if isinstance(target, np.ufunc):
        return _ufunc(target)
    owner = getattr(target, "__self__", None)
    if isinstance(target, BuiltinFunctionType) and getattr(owner, "__name__", "").startswith("numpy.random"):
        return None
    return arrays.NUMPY.get(target) if callable(target) and getattr(target, "__hash__", None) else None


def _ufunc(target: np.ufunc) -> Callable:
    name = {"true_divide": "divide"}.get(target.__name__, target.__name__)

    def lower(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
        out = kwargs.pop("out", None)
        if kwargs or len(args) not in (target.nin, target.nin + target.nout) or target.nout != 1:
            raise ctx.error(f"np.{target.__name__} with arguments {sorted(kwargs)}", "use the plain form")
        if len(args) == target.nin + 1:
            out = args.pop()
        result = unary(ctx, name, args[0]) if target.nin == 1 else _binary(ctx, name, *args)
        if out is None:
            return result
        arrays.assign(ctx, out, [], result, whole=True)
        return out

    return lower


def _binary(ctx: Context, name: str, a: Any, b: Any) -> Any:
    from sciad.frontend.expressions import binary

    return binary(ctx, name, arrays.as_array(ctx, a), arrays.as_array(ctx, b))


def unary(ctx: Context, name: str, value: Any) -> Any:
    """A unary operation on a scalar, an array, or a complex number."""
    value = arrays.as_array(ctx, value)
    if isinstance(value, Value):
        return scalars.unary(ctx, name, value)
    if isinstance(value, (Array, Lazy)):
        return arrays.elementwise_unary(ctx, name, value)
    if isinstance(value, Complex):
        return _complex_unary(ctx, name, value)
    raise ctx.error(f"`{name}` of {describe(value)}", "use numbers or arrays")


def _complex_unary(ctx: Context, name: str, value: Complex) -> Any:
    b = ctx.b
    if name == "positive":
        return value
    if name == "negative":
        return Complex(b.pure("negative", [value.real], F8), b.pure("negative", [value.imag], F8))
    if name in ("conjugate", "conj"):
        return Complex(value.real, b.pure("negative", [value.imag], F8))
    if name == "absolute":
        return b.pure("hypot", [value.real, value.imag], F8)
    if name == "exp":
        size = b.pure("exp", [value.real], F8)
        parts = [b.pure("multiply", [size, b.pure(f, [value.imag], F8)], F8) for f in ("cos", "sin")]
        return Complex(*parts)
    raise ctx.error(f"complex `{name}`", "write it with real and imaginary parts")


# -- Python functions ---------------------------------------------------------------------------------------------------------------
def call_python(ctx: Context, function: Any, args: list, kwargs: dict[str, Any], origin: Any = None) -> Any:
    """Inline a Python function: its statements are lowered here, with its own variables."""
    source = source_of(function)
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
    ctx.frames.append(frame)
    try:
        return settle(ctx, evaluate(ctx, node.body)) if isinstance(node, ast.Lambda) else run_body(ctx, body)
    finally:
        ctx.frames.pop()
        ctx.line, ctx.b.line = line, outer_line


def _bind_arguments(ctx: Context, name: str, spec: ast.arguments, args: list, kwargs: dict[str, Any], default: Callable) -> dict[str, Any]:
    names = [a.arg for a in spec.posonlyargs + spec.args]
    env = dict(zip(names, args))
    if len(args) > len(names):
        if spec.vararg is None:
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


# -- iteration ----------------------------------------------------------------------------------------------------------------------
def items_of(ctx: Context, value: Any, wanted: int | None = None) -> list:
    """The items of something of known length, or that has to have `wanted` items, for unpacking."""
    if isinstance(value, Tuple_):
        return value.items
    iterator = iterate(ctx, value)
    trips = iterator.static if iterator.static is not None else iterator.length.constant
    if trips is None and wanted is not None:
        message = f"line {ctx.line} unpacks {wanted} values from an array of another length"
        ctx.b.check(ctx.b.compare("equal", iterator.length, wanted), "ValueError", message)
        trips = wanted
    if trips is None:
        raise ctx.error(f"unpacking of {describe(value)} of unknown length", "index it, or slice it to a constant length")
    return [iterator.item(ctx.b.const(k)) for k in range(int(trips))]


def iterate(ctx: Context, value: Any) -> Iterator_:
    """What a `for` runs over."""
    b = ctx.b
    if isinstance(value, Iterator_):
        return value
    if isinstance(value, Range):
        return _iterate_range(ctx, value)
    if isinstance(value, Tuple_):
        return Iterator_(b.const(len(value.items)), lambda k: value.items[int(k.constant)], len(value.items))
    if isinstance(value, Dict_):
        keys = [scalars.constant(ctx, k) for k in value.items]
        return Iterator_(b.const(len(keys)), lambda k: keys[int(k.constant)], len(keys))
    if isinstance(value, Lazy):
        value = arrays.store_lazy(ctx, value)
    if isinstance(value, Array) and value.ndim > 0:
        return Iterator_(value.shape[0], lambda k: arrays.subscript(ctx, value, [k]))
    raise ctx.error(f"iteration over {describe(value)}", "use range, an array, a tuple, enumerate, zip or reversed")


def _iterate_range(ctx: Context, r: Range) -> Iterator_:
    b = ctx.b
    step = r.step.constant
    if step == 1:
        span = b.sub(r.stop, r.start)
        length = span if r.start.constant == 0 and ctx.nonnegative(r.stop) else b.pure("maximum", [span, b.int(0)], I8)
    elif step is not None and step != 0:
        span = b.sub(r.stop, r.start) if step > 0 else b.sub(r.start, r.stop)
        length = b.pure("floor_divide", [b.add(b.pure("maximum", [span, b.int(0)], I8), abs(step) - 1), b.int(abs(step))], I8)
    else:
        b.check(b.compare("not_equal", r.step, 0), "ValueError", "range() arg 3 must not be zero")
        size = b.pure("absolute", [r.step], I8)
        up = b.compare("greater", r.step, 0)
        span = b.select(up, b.sub(r.stop, r.start), b.sub(r.start, r.stop))
        length = b.pure("floor_divide", [b.sub(b.add(b.pure("maximum", [span, b.int(0)], I8), size), 1), b.pure("maximum", [size, b.int(1)], I8)], I8)
    ctx.lower_bound.setdefault(length, 0)

    def item(k: Value) -> Value:
        i = b.add(r.start, b.mul(k, r.step))
        if i.constant is None and i is not k:
            if step is not None and step > 0:
                low = ctx.low(r.start)
                if low is not None:
                    ctx.lower_bound[i] = low
                ctx.upper_bound[i] = (r.stop, 0)
            elif step is not None:
                low = ctx.low(r.stop)
                if low is not None:
                    ctx.lower_bound[i] = low + 1
                ctx.upper_bound[i] = (r.start, 1)
        elif i is k:
            ctx.upper_bound[i] = (r.stop, 0)
        return i

    return Iterator_(length, item)


def _range(ctx: Context, args: list, kwargs: dict[str, Any]) -> Range:
    values = [scalars.as_index(ctx, a) for a in args]
    zero, one = ctx.b.const(0, I8), ctx.b.const(1, I8)
    if len(values) == 1:
        return Range(zero, values[0], one)
    return Range(values[0], values[1], values[2] if len(values) == 3 else one)


def _enumerate(ctx: Context, args: list, kwargs: dict[str, Any]) -> Iterator_:
    inner = iterate(ctx, args[0])
    start = args[1] if len(args) > 1 else kwargs.get("start", ctx.b.const(0, I8))

    def item(k: Value) -> Tuple_:
        count = ctx.b.add(start, k)
        if count is not k and count.constant is None:
            ctx.upper_bound[count] = (ctx.b.add(inner.length, start), 0)
        return Tuple_([count, inner.item(k)])

    return Iterator_(inner.length, item, inner.static)


def _zip(ctx: Context, args: list, kwargs: dict[str, Any]) -> Iterator_:
    inner = [iterate(ctx, a) for a in args]
    length = inner[0].length
    for other in inner[1:]:
        if other.length is not length:
            length = ctx.b.pure("minimum", [length, other.length], I8)
    static = None
    if any(i.static is not None for i in inner):
        known = [i.static if i.static is not None else i.length.constant for i in inner]
        if any(k is None for k in known):
            raise ctx.error("zip of a tuple with an array of unknown length", "index the array")
        static = int(min(known))  # type: ignore[type-var]
    ctx.lower_bound.setdefault(length, 0)
    return Iterator_(length, lambda k: Tuple_([i.item(k) for i in inner]), static)


def _reversed(ctx: Context, args: list, kwargs: dict[str, Any]) -> Iterator_:
    inner = iterate(ctx, args[0])

    def item(k: Value) -> Any:
        back = ctx.b.sub(ctx.b.sub(inner.length, 1), k)
        if back.constant is None:
            ctx.lower_bound[back], ctx.upper_bound[back] = 0, (inner.length, 0)
        return inner.item(back)

    return Iterator_(inner.length, item, inner.static)


# -- builtins -----------------------------------------------------------------------------------------------------------------------
def _len(ctx: Context, args: list, kwargs: dict[str, Any]) -> Value:
    value = args[0]
    if isinstance(value, (Array, Lazy)) and value.shape:
        return value.shape[0]
    if isinstance(value, (Tuple_, Dict_)):
        return ctx.b.const(len(value.items))
    if isinstance(value, (Range, Iterator_)):
        return iterate(ctx, value).length
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

        items = args if len(args) > 1 else items_of(ctx, args[0]) if isinstance(args[0], Tuple_) else None
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
    for item in items_of(ctx, args[0]):
        total = binary(ctx, "add", total, item)
    return total


def _abs(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    return unary(ctx, "absolute", args[0])


def _pow(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    return _binary(ctx, "power", *args)


def _divmod(ctx: Context, args: list, kwargs: dict[str, Any]) -> Tuple_:
    return Tuple_([_binary(ctx, "floor_divide", *args), _binary(ctx, "remainder", *args)])


def _round(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    if len(args) > 1:
        raise ctx.error("round with digits", "scale, round and scale back")
    value = unary(ctx, "rint", args[0])
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
        return Tuple_(items_of(ctx, args[0]) if args else [], type_)

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
    return lambda ctx, args, kwargs: unary(ctx, name, args[0]) if len(args) == 1 else _binary(ctx, name, *args)


def _log(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    value = unary(ctx, "log", args[0])
    return value if len(args) == 1 else _binary(ctx, "divide", value, unary(ctx, "log", args[1]))


def _hypot(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    value = args[0] if len(args) > 1 else unary(ctx, "absolute", args[0])
    for other in args[1:]:
        value = _binary(ctx, "hypot", value, other)
    return value


def _single(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    return ctx.b.cast(arrays.scalar_of(ctx, args[0]), F4)


def _fsum(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    """A plain sum: the extra bits of `fsum` are lost, its derivative is not."""
    return _sum(ctx, args, {})


def _fma(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    return _binary(ctx, "add", _binary(ctx, "multiply", args[0], args[1]), args[2])


_MATH = {
    "sqrt": "sqrt", "cbrt": "cbrt", "exp": "exp", "exp2": "exp2", "expm1": "expm1", "log2": "log2", "log10": "log10", "log1p": "log1p",
    "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "sinh": "sinh", "cosh": "cosh",
    "tanh": "tanh", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "fabs": "fabs", "erf": "erf", "erfc": "erfc",
    "gamma": "gamma", "lgamma": "gammaln", "degrees": "degrees", "radians": "radians", "isnan": "isnan", "isinf": "isinf",
    "isfinite": "isfinite", "atan2": "arctan2", "pow": "power", "copysign": "copysign", "fmod": "fmod",
}  # fmt: skip

_FUNCTIONS: dict[Any, Callable] = {
    range: _range, len: _len, enumerate: _enumerate, zip: _zip, reversed: _reversed, float: _float, int: _int, bool: _bool,
    complex: _complex, min: _extreme("min"), max: _extreme("max"), sum: _sum, abs: _abs, pow: _pow, divmod: _divmod, round: _round,
    isinstance: _isinstance, tuple: _convert(tuple), list: _convert(list), slice: _slice_call, print: _print,
    math.floor: _floored("floor"), math.ceil: _floored("ceil"), math.trunc: _floored("trunc"), math.log: _log, math.hypot: _hypot,
    np.float64: _float, np.float32: _single, np.int64: _int, math.fsum: _fsum, np.bool_: _bool, np.intp: _int, np.hypot: _hypot,
    **{getattr(math, k): _by_name(v) for k, v in _MATH.items() if hasattr(math, k)},
}  # fmt: skip
if hasattr(math, "fma"):
    _FUNCTIONS[math.fma] = _fma
