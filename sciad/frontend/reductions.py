"""Reductions of array expressions: loops that carry the running value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sciad.frontend import scalars
from sciad.frontend.context import Context
from sciad.frontend.elementwise import as_lazy, elementwise, flat_index, nest, new_array, size_of, store_lazy
from sciad.frontend.values import Array, Lazy, Static, Tuple_
from sciad.ir import Value
from sciad.types import B1, F4, F8, I8, dtype_of, is_float

__all__ = ["accumulate", "accumulate_all", "reduce", "REDUCTIONS"]


def accumulate(
    ctx: Context, shape: tuple[Value, ...], start: Value, step: Callable[[Value, list[Value]], Value], *, parallel: bool = False
) -> Value:
    """Carry a value through a loop nest: ``step(value, index)`` gives the next; `parallel` where the order does not matter (sums)."""
    return accumulate_all(ctx, shape, [start], lambda values, index: [step(values[0], index)], parallel=parallel)[0]


def accumulate_all(ctx: Context, shape: tuple[Value, ...], starts: list[Value], step: Callable, *, parallel: bool = False) -> list[Value]:
    """Carry several values through one loop nest."""
    return _accumulate(ctx, list(shape), [], starts, step, parallel)


def _accumulate(ctx: Context, shape: list[Value], index: list[Value], values: list[Value], step: Callable, parallel: bool) -> list[Value]:
    if len(index) == len(shape):
        return step(values, index)
    b, n = ctx.b, shape[len(index)]
    if n.constant is not None and n.constant <= 4:
        for k in range(int(n.constant)):
            values = _accumulate(ctx, shape, [*index, b.const(k, I8)], values, step, parallel)
        return values
    k, carried = Value(I8, None, "k"), [Value(v.type, None, "sum") for v in values]
    ctx.lower_bound[k], ctx.upper_bound[k] = 0, (n, 0)
    outer = b.enter([k, *carried])
    region = b.leave(outer, _accumulate(ctx, shape, [*index, k], carried, step, parallel))
    return b.emit("for", [n, *values], [v.type for v in values], [region], parallel=parallel).results


def _sum(ctx: Context, lazy: Lazy) -> tuple[Value, Callable]:
    type_ = I8 if lazy.scalar in (B1, I8) else lazy.scalar
    name = "fast_add" if type_ == F8 else "add"  # the order of a sum of an array is ours to choose, as it is NumPy's
    return ctx.b.const(0, type_), lambda total, x: ctx.b.pure(name, [total, ctx.b.cast(x, type_)], type_)


def _product(ctx: Context, lazy: Lazy) -> tuple[Value, Callable]:
    type_ = I8 if lazy.scalar in (B1, I8) else lazy.scalar
    return ctx.b.const(1, type_), lambda total, x: ctx.b.pure("multiply", [total, ctx.b.cast(x, type_)], type_)


def _any(ctx: Context, lazy: Lazy) -> tuple[Value, Callable]:
    from sciad.frontend.expressions import truth

    return ctx.b.const(False), lambda total, x: ctx.b.logical_or(total, truth(ctx, x))


def _all(ctx: Context, lazy: Lazy) -> tuple[Value, Callable]:
    from sciad.frontend.expressions import truth

    return ctx.b.const(True), lambda total, x: ctx.b.logical_and(total, truth(ctx, x))


def _extreme(compare: str) -> Callable:
    def monoid(ctx: Context, lazy: Lazy) -> tuple[Value | None, Callable]:
        # the first of equal ones is kept, and takes the derivative; NaN wins, as in NumPy
        def step(best: Value, x: Value) -> Value:
            b = ctx.b
            better = b.pure(compare, [x, best], B1)
            if is_float(x.type):
                better = b.logical_or(better, b.pure("isnan", [x], B1))
            return b.select(better, x, best)

        return None, step

    return monoid


REDUCTIONS: dict[str, Callable] = {
    "sum": _sum,
    "prod": _product,
    "any": _any,
    "all": _all,
    "max": _extreme("greater"),
    "min": _extreme("less"),
}


def reduce(ctx: Context, name: str, value: Any, kwargs: dict[str, Any]) -> Any:
    """``np.sum(value, axis=..., keepdims=...)`` and its kin."""
    lazy = as_lazy(ctx, value)
    axes = _axes(ctx, kwargs.get("axis"), lazy.ndim)
    unknown = set(kwargs) - {"axis", "keepdims"}
    if unknown:
        raise ctx.error(f"np.{name} with {', '.join(sorted(unknown))}", "use axis and keepdims only")
    if name == "mean":
        total = reduce(ctx, "sum", value, kwargs)
        count = ctx.b.cast(size_of(ctx, tuple(lazy.shape[a] for a in axes)), F4 if lazy.scalar == F4 else F8)
        if isinstance(total, Value):
            return scalars.binary(ctx, "divide", total, count)
        return elementwise(ctx, [total, count], lambda x, n: scalars.binary(ctx, "divide", x, n), count.type)
    keep = kwargs.get("keepdims")
    keepdims = keep is not None and (keep.object if isinstance(keep, Static) else keep.constant)
    if lazy.cost > 1 and len(axes) < lazy.ndim:
        lazy = as_lazy(ctx, store_lazy(ctx, lazy))
    start, step = REDUCTIONS[name](ctx, lazy)
    if len(axes) == lazy.ndim and not keepdims:
        return _total(ctx, lazy, start, step, name == "sum")
    return _along(ctx, lazy, axes, bool(keepdims), start, step, name == "sum")


def _axes(ctx: Context, axis: Any, ndim: int) -> list[int]:
    if axis is None or (isinstance(axis, Static) and axis.object is None):
        return list(range(ndim))
    parts = axis.items if isinstance(axis, Tuple_) else [axis]
    if any(not isinstance(p, Value) or p.constant is None for p in parts):
        raise ctx.error("axis that is not constant", "use a constant axis")
    axes = sorted(int(p.constant) % max(ndim, 1) for p in parts)
    if any(not -ndim <= int(p.constant) < ndim for p in parts):
        raise ctx.error(f"axis out of range for {ndim} axes", "use an axis that the array has")
    if len(set(axes)) < len(axes):
        raise ctx.error("an axis that is named twice", "name each axis once")
    return axes


def _total(ctx: Context, lazy: Lazy, start: Value | None, step: Callable, parallel: bool) -> Value:
    if start is None:
        zero = [ctx.b.const(0, I8)] * lazy.ndim
        ctx.b.check(
            ctx.b.compare("greater", size_of(ctx, lazy.shape), 0), "ValueError", f"min or max of an empty array at line {ctx.line}"
        )
        start = lazy.element(zero)
    return accumulate(ctx, lazy.shape, start, lambda total, where: step(total, lazy.element(where)), parallel=parallel)


def _along(ctx: Context, lazy: Lazy, axes: list[int], keepdims: bool, start: Value | None, step: Callable, parallel: bool) -> Any:
    b = ctx.b
    kept = [a for a in range(lazy.ndim) if a not in axes]
    one, zero = b.const(1, I8), b.const(0, I8)
    shape = tuple(one if a in axes else lazy.shape[a] for a in range(lazy.ndim)) if keepdims else tuple(lazy.shape[a] for a in kept)
    type_ = start.type if start is not None else lazy.scalar
    target: Array = new_array(ctx, dtype_of(type_), shape)
    inner = tuple(lazy.shape[a] for a in axes)

    def full(where: list[Value], along: list[Value]) -> list[Value]:
        outer, reduced = iter(where), iter(along)
        return [next(reduced) if a in axes else next(outer) for a in range(lazy.ndim)]

    def body(where: list[Value]) -> None:
        first = start if start is not None else lazy.element(full(where, [zero] * len(axes)))
        value = accumulate(ctx, inner, first, lambda total, along: step(total, lazy.element(full(where, along))), parallel=parallel)
        index = [zero if a in axes else where[kept.index(a)] for a in range(lazy.ndim)] if keepdims else where
        b.store(target.buffer, flat_index(ctx, target, index), value)

    nest(ctx, tuple(lazy.shape[a] for a in kept), body)
    return target
