"""What a `for` runs over: ranges, arrays, tuples, enumerate, zip and reversed; and unpacking, which is the same thing at once."""

from __future__ import annotations

from typing import Any

from sciad.frontend import arrays, scalars
from sciad.frontend.context import Context
from sciad.frontend.merge import describe
from sciad.frontend.values import Array, Dict_, Iterator_, Lazy, Range, Tuple_
from sciad.ir import Value
from sciad.types import I8

__all__ = ["items_of", "iterate", "range_", "enumerate_", "zip_", "reversed_"]


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
        reach = b.sub(b.add(b.pure("maximum", [span, b.int(0)], I8), size), 1)
        length = b.pure("floor_divide", [reach, b.pure("maximum", [size, b.int(1)], I8)], I8)
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


def range_(ctx: Context, args: list, kwargs: dict[str, Any]) -> Range:
    values = [scalars.as_index(ctx, a) for a in args]
    zero, one = ctx.b.const(0, I8), ctx.b.const(1, I8)
    if len(values) == 1:
        return Range(zero, values[0], one)
    return Range(values[0], values[1], values[2] if len(values) == 3 else one)


def enumerate_(ctx: Context, args: list, kwargs: dict[str, Any]) -> Iterator_:
    inner = iterate(ctx, args[0])
    start = args[1] if len(args) > 1 else kwargs.get("start", ctx.b.const(0, I8))

    def item(k: Value) -> Tuple_:
        count = ctx.b.add(start, k)
        if count is not k and count.constant is None:
            ctx.upper_bound[count] = (ctx.b.add(inner.length, start), 0)
        return Tuple_([count, inner.item(k)])

    return Iterator_(inner.length, item, inner.static)


def zip_(ctx: Context, args: list, kwargs: dict[str, Any]) -> Iterator_:
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


def reversed_(ctx: Context, args: list, kwargs: dict[str, Any]) -> Iterator_:
    inner = iterate(ctx, args[0])

    def item(k: Value) -> Any:
        back = ctx.b.sub(ctx.b.sub(inner.length, 1), k)
        if back.constant is None:
            ctx.lower_bound[back], ctx.upper_bound[back] = 0, (inner.length, 0)
        return inner.item(back)

    return Iterator_(inner.length, item, inner.static)
