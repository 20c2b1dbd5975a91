"""NumPy functions and array methods beyond ufuncs: creation, shape, selection, reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.frontend import scalars
from sciad.frontend.context import Context
from sciad.frontend.elementwise import (
    as_lazy,
    broadcast,
    contiguous_strides,
    elementwise,
    flat_index,
    nest,
    new_array,
    same_extent,
    size_of,
    store_lazy,
    write,
)
from sciad.frontend.merge import describe
from sciad.frontend.products import dot, matmul, outer
from sciad.frontend.reductions import accumulate, reduce
from sciad.frontend.strict import strict
from sciad.frontend.values import Array, Lazy, Static, Tuple_
from sciad.frontend.views import as_array, assign, scalar_of
from sciad.ir import Value
from sciad.types import BUFFERS, F8, I8, dtype_of, promote

__all__ = ["NUMPY", "attribute", "method", "array_of"]


def _dtype(ctx: Context, value: Any, default: str) -> str:
    if value is None or (isinstance(value, Static) and value.object is None):
        return default
    try:
        name = np.dtype(value.object).name
    except (TypeError, AttributeError):
        raise ctx.error(f"dtype {describe(value)}", "use np.float64, np.float32, np.int64 or bool") from None
    if name not in BUFFERS:
        raise ctx.error(f"dtype {name}", "use np.float64, np.float32, np.int64 or bool")
    return name


def _shape(ctx: Context, value: Any) -> tuple[Value, ...]:
    parts = value.items if isinstance(value, Tuple_) else [value]
    return tuple(scalars.as_index(ctx, p) for p in parts)


def _argument(args: list, kwargs: dict[str, Any], position: int, name: str, default: Any = None) -> Any:
    return args[position] if len(args) > position else kwargs.get(name, default)


def normal_axis(ctx: Context, axis: Any, ndim: int) -> int:
    """A constant axis counted from the first."""
    k = axis.constant if isinstance(axis, Value) else None
    if k is None or not -ndim <= k < ndim:
        what = "that is not constant" if k is None else str(k)
        raise ctx.error(f"axis {what} of an array with {ndim} axes", "use a constant axis that it has")
    return int(k) % ndim


def _stored(ctx: Context, value: Any) -> Any:
    value = as_array(ctx, value)
    return store_lazy(ctx, value) if isinstance(value, Lazy) else value


# -- creation -----------------------------------------------------------------------------------------------------------------------
def _filled(zero: bool, fill: float | None) -> Callable:
    def lower(ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
        shape = _shape(ctx, _argument(args, kwargs, 0, "shape"))
        dtype = _dtype(ctx, _argument(args, kwargs, 1, "dtype"), "float64")
        array = new_array(ctx, dtype, shape, zero=zero)
        if fill is not None:
            _fill(ctx, array, ctx.b.const(fill))
        return array

    return lower


def _fill(ctx: Context, array: Array, value: Value) -> None:
    value = ctx.b.cast(value, array.scalar)
    nest(ctx, array.shape, lambda where: ctx.b.store(array.buffer, flat_index(ctx, array, where), value))


def _full(ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
    value = scalar_of(ctx, _argument(args, kwargs, 1, "fill_value"))
    dtype = _dtype(ctx, _argument(args, kwargs, 2, "dtype"), dtype_of(value.type))
    array = new_array(ctx, dtype, _shape(ctx, _argument(args, kwargs, 0, "shape")))
    _fill(ctx, array, value)
    return array


def _like(zero: bool, fill: float | None) -> Callable:
    def lower(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
        model = as_array(ctx, args[0])
        if isinstance(model, Value):
            return ctx.b.const(fill or 0, model.type)
        value = args[1] if fill is None and not zero and len(args) > 1 else kwargs.get("fill_value")
        dtype = _dtype(ctx, kwargs.get("dtype"), model.dtype if isinstance(model, Array) else dtype_of(model.scalar))
        array = new_array(ctx, dtype, model.shape, zero=zero)
        if value is not None:
            _fill(ctx, array, scalar_of(ctx, value))
        elif fill is not None:
            _fill(ctx, array, ctx.b.const(fill))
        return array

    return lower


def array_of(ctx: Context, value: Any, dtype: str | None = None) -> Any:
    """``np.array`` of nested lists of numbers or arrays."""
    if isinstance(value, (Array, Lazy)):
        return store_lazy(ctx, as_lazy(ctx, value), dtype)
    if isinstance(value, Value):
        return value
    if not isinstance(value, Tuple_):
        raise ctx.error(f"np.array of {describe(value)}", "use lists of numbers or arrays")
    items = [_stored(ctx, x) if not isinstance(x, Tuple_) else array_of(ctx, x) for x in value.items]
    return _stack_items(ctx, items, dtype)


def _stack_items(ctx: Context, items: list, dtype: str | None = None) -> Array:
    """Items of one shape along a new leading axis."""
    if not items:
        return new_array(ctx, dtype or "float64", (ctx.b.const(0, I8),))
    lazies = [as_lazy(ctx, x) for x in items]
    type_ = lazies[0].scalar
    for lazy in lazies[1:]:
        type_ = promote(type_, lazy.scalar)
    inner = lazies[0].shape
    for lazy in lazies[1:]:
        if len(lazy.shape) != len(inner):
            raise ctx.error("array of items of different shapes", "give all rows one length")
        inner = broadcast(ctx, [inner, lazy.shape])
    array = new_array(ctx, dtype or dtype_of(type_), (ctx.b.const(len(items), I8), *inner))
    for position, lazy in enumerate(lazies):
        row = Array(array.buffer, array.dtype, ctx.b.mul(array.strides[0], position), array.shape[1:], array.strides[1:], True)
        if row.ndim == 0:
            ctx.b.store(row.buffer, row.offset, ctx.b.cast(lazy.element([]), row.scalar))
        else:
            write(ctx, row, lazy)
    return array


def _array(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    dtype = _argument(args, kwargs, 1, "dtype")
    return array_of(ctx, args[0], _dtype(ctx, dtype, "float64") if dtype is not None else None)


def _asarray(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    value = as_array(ctx, args[0])
    dtype = _argument(args, kwargs, 1, "dtype")
    if dtype is not None and isinstance(value, (Array, Lazy)):
        wanted = _dtype(ctx, dtype, "float64")
        if isinstance(value, Lazy) or value.dtype != wanted:
            return array_of(ctx, value, wanted)
    return _stored(ctx, value)


def _copy(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    value = as_array(ctx, args[0])
    return store_lazy(ctx, as_lazy(ctx, value), getattr(value, "dtype", None)) if isinstance(value, (Array, Lazy)) else value


def _arange(ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
    from sciad.frontend.iteration import iterate, range_

    b = ctx.b
    if all(isinstance(a, Value) and a.type == I8 for a in args):
        steps = iterate(ctx, range_(ctx, args, {}))
        array = new_array(ctx, _dtype(ctx, kwargs.get("dtype"), "int64"), (steps.length,))
        nest(ctx, array.shape, lambda where: b.store(array.buffer, where[0], b.cast(steps.item(where[0]), array.scalar)))
        return array
    values = [b.cast(a, F8) for a in args]
    start, stop = (b.const(0.0), values[0]) if len(values) == 1 else (values[0], values[1])
    step = values[2] if len(values) == 3 else b.const(1.0)
    span = b.pure("divide", [b.pure("subtract", [stop, start], F8), step], F8)
    count = b.pure("maximum", [b.cast(b.pure("ceil", [span], F8), I8), b.int(0)], I8)
    array = new_array(ctx, "float64", (count,))

    def put(where: list[Value]) -> None:
        offset = b.pure("multiply", [b.cast(where[0], F8), step], F8)
        b.store(array.buffer, where[0], b.pure("add", [start, offset], F8))

    nest(ctx, array.shape, put)
    return array


def _linspace(ctx: Context, args: list, kwargs: dict[str, Any]) -> Lazy:
    b = ctx.b
    start, stop = b.cast(args[0], F8), b.cast(args[1], F8)
    count = scalars.as_index(ctx, _argument(args, kwargs, 2, "num", b.const(50)))
    steps = b.pure("maximum", [b.sub(count, 1), b.int(1)], I8)
    width = b.pure("divide", [b.pure("subtract", [stop, start], F8), b.cast(steps, F8)], F8)

    def element(where: list[Value]) -> Value:
        inside = b.pure("add", [start, b.pure("multiply", [b.cast(where[0], F8), width], F8)], F8)
        last = b.logical_and(b.compare("equal", where[0], b.sub(count, 1)), b.compare("greater", count, 1))
        return b.select(last, stop, inside)

    return Lazy(F8, (count,), element, [], 4)


# -- shape --------------------------------------------------------------------------------------------------------------------------
def _transpose(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    array = _stored(ctx, args[0])
    axes = _argument(args, kwargs, 1, "axes")
    order = list(range(array.ndim))[::-1]
    if isinstance(axes, Tuple_):
        order = [normal_axis(ctx, a, array.ndim) for a in axes.items]
    elif len(args) > 2 or isinstance(axes, Value):
        order = [normal_axis(ctx, a, array.ndim) for a in args[1:]]
    if sorted(order) != list(range(array.ndim)):
        raise ctx.error(f"axes {tuple(order)} for an array with {array.ndim} axes", "name each axis once")
    return _permuted(array, order)


def _permuted(array: Array, order: list[int]) -> Array:
    """The view with axes in another order."""
    shape = tuple(array.shape[k] for k in order)
    strides = tuple(array.strides[k] for k in order)
    return Array(array.buffer, array.dtype, array.offset, shape, strides, array.contiguous and array.ndim < 2)


def _swapaxes(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    array = _stored(ctx, args[0])
    order = list(range(array.ndim))
    i, j = (normal_axis(ctx, a, array.ndim) for a in args[1:3])
    order[i], order[j] = j, i
    return _permuted(array, order)


def _moveaxis(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    array = _stored(ctx, args[0])
    source, destination = (normal_axis(ctx, a, array.ndim) for a in args[1:3])
    order = [k for k in range(array.ndim) if k != source]
    order.insert(destination, source)
    return _permuted(array, order)


def _reshape(ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
    array = _stored(ctx, args[0])
    wanted = args[1] if len(args) == 2 else Tuple_(args[1:])
    shape = list(_shape(ctx, wanted))
    total = size_of(ctx, array.shape)
    unknown = [k for k, n in enumerate(shape) if n.constant == -1]
    if unknown:
        rest = size_of(ctx, tuple(n for n in shape if n.constant != -1))
        shape[unknown[0]] = total if rest.constant == 1 else ctx.b.pure("floor_divide", [total, rest], I8)
        ctx.lower_bound.setdefault(shape[unknown[0]], 0)
    made = size_of(ctx, tuple(shape))
    if made.constant is not None and total.constant is not None and made.constant != total.constant:
        from sciad.errors import ShapeError

        raise ShapeError(f"{ctx.frame.filename}:{ctx.line}: {total.constant} elements do not reshape into {made.constant}")
    if not same_extent(made, total):
        ctx.b.check(ctx.b.compare("equal", made, total), "ValueError", f"cannot reshape the array at {ctx.frame.filename}:{ctx.line}")
    if not array.contiguous:
        array = store_lazy(ctx, as_lazy(ctx, array), array.dtype)
    return Array(array.buffer, array.dtype, array.offset, tuple(shape), contiguous_strides(ctx, tuple(shape)), True)


def _ravel(ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
    return _reshape(ctx, [args[0], ctx.b.const(-1, I8)], {})


def _flatten(ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
    return _ravel(ctx, [_copy(ctx, args, {})], {})


def _expand(ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
    from sciad.frontend.values import Slice
    from sciad.frontend.views import basic_view

    array = _stored(ctx, args[0])
    axis = int(_argument(args, kwargs, 1, "axis").constant) % (array.ndim + 1)
    index: list = [Slice(None, None, None)] * array.ndim
    return basic_view(ctx, array, [*index[:axis], Static(None), *index[axis:]])


def _concatenate(ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
    parts = [_stored(ctx, x) for x in args[0].items]
    axis = _argument(args, kwargs, 1, "axis", ctx.b.const(0, I8))
    if isinstance(axis, Static):  # None: of all elements
        return _joined(ctx, [_ravel(ctx, [x], {}) for x in parts], 0)
    if len({x.ndim for x in parts}) > 1:
        raise ctx.error("np.concatenate of arrays with different numbers of axes", "give them the same number, by reshape or [:, None]")
    return _joined(ctx, parts, normal_axis(ctx, axis, parts[0].ndim))


def _joined(ctx: Context, parts: list[Array], axis: int) -> Array:
    b = ctx.b
    total = parts[0].shape[axis]
    type_ = parts[0].scalar
    for part in parts[1:]:
        total, type_ = b.add(total, part.shape[axis]), promote(type_, part.scalar)
    shape = list(parts[0].shape)
    shape[axis] = total
    target = new_array(ctx, dtype_of(type_), tuple(shape))
    offset = b.const(0, I8)
    for part in parts:
        for other in range(part.ndim):
            if other != axis:
                broadcast(ctx, [(part.shape[other],), (shape[other],)])
        view = Array(target.buffer, target.dtype, b.mul(offset, target.strides[axis]), part.shape, target.strides)
        write(ctx, view, as_lazy(ctx, part))
        offset = b.add(offset, part.shape[axis])
    return target


def _stack(ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
    axis = _argument(args, kwargs, 1, "axis", ctx.b.const(0, I8))
    array = _stack_items(ctx, [_stored(ctx, x) for x in args[0].items])
    order = list(range(1, array.ndim))
    order.insert(normal_axis(ctx, axis, array.ndim), 0)
    return array if order[0] == 0 else _permuted(array, order)


# -- selection ----------------------------------------------------------------------------------------------------------------------
def _where(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    if len(args) != 3:
        raise ctx.error("np.where with one argument", "loop over the indices")
    from sciad.frontend.expressions import truth

    cond, x, y = (as_array(ctx, a) for a in args)
    types = [as_lazy(ctx, v).scalar for v in (x, y)]
    type_ = promote(*types)

    def choose(c: Value, a: Value, b: Value) -> Value:
        return ctx.b.select(truth(ctx, c), ctx.b.cast(a, type_), ctx.b.cast(b, type_))

    if all(isinstance(v, Value) for v in (cond, x, y)):
        return choose(cond, x, y)
    return elementwise(ctx, [cond, x, y], choose, type_)


def _clip(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    from sciad.frontend.calls import binary

    value = args[0]
    low = _argument(args, kwargs, 1, "a_min", kwargs.get("min"))
    high = _argument(args, kwargs, 2, "a_max", kwargs.get("max"))
    for name, bound in (("maximum", low), ("minimum", high)):
        if bound is not None and not (isinstance(bound, Static) and bound.object is None):
            value = binary(ctx, name, value, bound)
    return value


# -- reductions ---------------------------------------------------------------------------------------------------------------------
def _reduction(name: str) -> Callable:
    def lower(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
        value = as_array(ctx, args[0])
        if len(args) > 1:
            kwargs = {"axis": args[1], **kwargs}
        if isinstance(value, Value):
            return value
        return reduce(ctx, name, value, kwargs)

    return lower


def _cumsum(ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
    axis, array = _argument(args, kwargs, 1, "axis"), as_array(ctx, args[0])
    if isinstance(axis, Value) and normal_axis(ctx, axis, array.ndim) >= 0 and array.ndim != 1:
        raise ctx.error(f"np.cumsum along an axis of {describe(array)}", "loop over the rows")
    lazy = as_lazy(ctx, _ravel(ctx, [array], {}))
    type_ = I8 if lazy.scalar == "b1" else lazy.scalar
    target = new_array(ctx, dtype_of(type_), lazy.shape)

    def step(total: Value, where: list[Value]) -> Value:
        total = ctx.b.pure("add", [total, ctx.b.cast(lazy.element(where), type_)], type_)
        ctx.b.store(target.buffer, where[0], total)
        return total

    accumulate(ctx, lazy.shape, ctx.b.const(0, type_), step)
    return target


def _scalar_function(name: str) -> Callable:
    def lower(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
        from sciad.frontend.calls import unary

        return unary(ctx, name, args[0])

    return lower


def _shape_function(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    return attribute(ctx, args[0], "shape")


def _matmul(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    return matmul(ctx, args[0], args[1])


NUMPY: dict[Any, Callable] = {
    np.zeros: _filled(True, None), np.empty: _filled(False, None), np.ones: _filled(False, 1.0), np.full: _full,
    np.zeros_like: _like(True, None), np.empty_like: _like(False, None), np.ones_like: _like(False, 1.0), np.full_like: _like(False, None),
    np.array: _array, np.asarray: _asarray, np.ascontiguousarray: _asarray, np.copy: _copy, np.arange: _arange, np.linspace: _linspace,
    np.transpose: _transpose, np.reshape: _reshape, np.ravel: _ravel, np.expand_dims: _expand,
    np.concatenate: _concatenate, np.stack: _stack, np.where: _where, np.clip: _clip, np.sum: _reduction("sum"),
    np.prod: _reduction("prod"), np.mean: _reduction("mean"), np.max: _reduction("max"), np.min: _reduction("min"),
    np.any: _reduction("any"), np.all: _reduction("all"), np.cumsum: _cumsum, np.dot: dot, np.swapaxes: _swapaxes,
    np.matmul: _matmul, np.outer: outer, np.real: _scalar_function("positive"), np.moveaxis: _moveaxis,
    np.shape: _shape_function,
}  # fmt: skip


# -- attributes and methods ---------------------------------------------------------------------------------------------------------
def attribute(ctx: Context, base: Any, name: str) -> Any:
    """``x.shape``, ``x.T`` and their kin, or a bound method."""
    from sciad.frontend.calls import Method

    if name == "shape":
        return Tuple_(list(base.shape))
    if name == "size":
        return size_of(ctx, base.shape)
    if name == "ndim":
        return ctx.b.const(base.ndim, I8)
    if name == "T":
        return _transpose(ctx, [base], {})
    if name == "dtype":
        return Static(np.dtype(base.dtype if isinstance(base, Array) else dtype_of(base.scalar)))
    if name == "real":
        return base
    if name in _METHODS:
        return Method(base, name, None)
    raise ctx.error(f"array attribute `.{name}`", "use the function form with supported operations")


def method(ctx: Context, owner: Any, name: str, args: list, kwargs: dict[str, Any]) -> Any:
    """A method call on a built-in kind of value."""
    if isinstance(owner, (Array, Lazy)) and name in _METHODS:
        return strict(_METHODS[name], f".{name}()")(ctx, [owner, *args], kwargs)
    from sciad.frontend.values import Complex, Dict_

    if isinstance(owner, Complex) and name == "conjugate":
        from sciad.frontend.calls import unary

        return unary(ctx, "conjugate", owner)
    if isinstance(owner, Dict_) and name in ("items", "values", "keys"):
        keys = [scalars.constant(ctx, k) for k in owner.items]
        values = list(owner.items.values())
        chosen = {"keys": keys, "values": values, "items": [Tuple_(list(p)) for p in zip(keys, values)]}[name]
        return Tuple_(chosen, list)
    if isinstance(owner, Dict_) and name == "get":
        key = args[0].object if isinstance(args[0], Static) else args[0].constant
        return owner.items.get(key, args[1] if len(args) > 1 else Static(None))
    if isinstance(owner, Tuple_) and name == "_replace" and not args and owner.fields and set(kwargs) <= set(owner.fields):
        return Tuple_([kwargs.get(field, item) for field, item in zip(owner.fields, owner.items)], owner.type)
    raise ctx.error(f"method `.{name}` of {describe(owner)}", "write it with supported operations; lists do not grow: fill an array")


def _astype(ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
    return array_of(ctx, args[0], _dtype(ctx, args[1], "float64"))


def _fill_method(ctx: Context, args: list, kwargs: dict[str, Any]) -> Static:
    assign(ctx, args[0], [], args[1], whole=True)
    return Static(None)


def _item(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    return scalar_of(ctx, args[0])


_METHODS: dict[str, Callable] = {
    "sum": _reduction("sum"), "prod": _reduction("prod"), "mean": _reduction("mean"), "max": _reduction("max"), "min": _reduction("min"),
    "any": _reduction("any"), "all": _reduction("all"), "dot": dot, "copy": _copy, "reshape": _reshape, "ravel": _ravel,
    "flatten": _flatten, "transpose": _transpose, "astype": _astype, "fill": _fill_method, "item": _item, "clip": _clip, "cumsum": _cumsum,
    "swapaxes": _swapaxes,
}  # fmt: skip
