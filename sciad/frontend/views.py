"""Indexing: views of flat buffers, loads and stores of elements, gathers, masks, and assignment with NumPy's overlap rule."""

from __future__ import annotations

from typing import Any

from sciad.errors import ShapeError
from sciad.frontend import scalars
from sciad.frontend.context import Context
from sciad.frontend.elementwise import aligned, as_lazy, flat_index, nest, new_array, same_extent, store_lazy, write
from sciad.frontend.merge import describe
from sciad.frontend.values import Array, Complex, Dict_, Lazy, Range, Record, Slice, Static, Tuple_
from sciad.ir import Value
from sciad.types import B1, I8

__all__ = ["subscript", "assign", "as_array", "scalar_of", "may_overlap"]


def as_array(ctx: Context, value: Any) -> Any:
    """Lists and tuples of numbers as arrays; everything else unchanged."""
    if isinstance(value, Tuple_):
        from sciad.frontend.numpy_calls import array_of

        return array_of(ctx, value)
    return value


def scalar_of(ctx: Context, value: Any) -> Any:
    """The scalar in a 0-d or one-element array; scalars unchanged."""
    if isinstance(value, (Array, Lazy)):
        if any(n.constant != 1 for n in value.shape):
            raise ctx.error("an array where a number is needed", "index one element")
        return as_lazy(ctx, value).element([ctx.b.const(0, I8)] * value.ndim)
    return value


def subscript(ctx: Context, base: Any, index: list, augmented: bool = False) -> Any:
    """``base[index]``: an element, a view, or (for gathers and masks) a new array."""
    if isinstance(base, Lazy):
        base = store_lazy(ctx, base)
    if isinstance(base, Array):
        return _array_subscript(ctx, base, index)
    if isinstance(base, Tuple_):
        return _tuple_subscript(ctx, base, index)
    if isinstance(base, Dict_):
        key = index[0].object if isinstance(index[0], Static) else index[0].constant
        if key not in base.items:
            raise ctx.error(f"dict key {key!r} not found", f"use one of {list(base.items)}")
        return base.items[key]
    if isinstance(base, Range) and isinstance(index[0], Value):
        return ctx.b.add(base.start, ctx.b.mul(index[0], base.step))
    if isinstance(base, Record) and hasattr(base.type, "__getitem__"):
        raise ctx.error(f"subscript of `{base.type.__name__}`", "use its fields")
    raise ctx.error(f"subscript of {describe(base)}", "index an array, a tuple or a dict")


def _tuple_subscript(ctx: Context, base: Tuple_, index: list) -> Any:
    part = index[0]
    if isinstance(part, Slice):
        bounds = [None if v is None else v.constant for v in (part.start, part.stop, part.step)]
        return Tuple_(base.items[slice(*bounds)], list if base.type is list else tuple)
    if isinstance(part, Value) and part.constant is not None:
        try:
            return base.items[int(part.constant)]
        except IndexError:
            raise ctx.error(f"index {part.constant} of {describe(base)}") from None
    if isinstance(part, Value) and base.items and all(isinstance(x, Value) for x in base.items):
        return _array_subscript(ctx, as_array(ctx, base), index)
    raise ctx.error("index into a tuple that is not constant", "use an array, or loop over the tuple")


def _array_subscript(ctx: Context, array: Array, index: list) -> Any:
    index = [as_array(ctx, part) if isinstance(part, Tuple_) else part for part in index]
    if any(isinstance(part, Array) for part in index):
        return _gather(ctx, array, index)
    view = basic_view(ctx, array, index)
    if view.ndim == 0:
        return ctx.b.load(view.buffer, view.offset, view.scalar)
    return view


def basic_view(ctx: Context, array: Array, index: list) -> Array:
    """The view that ints, slices, None and Ellipsis select."""
    index = _expand_ellipsis(ctx, array, index)
    b = ctx.b
    offset, shape, strides = array.offset, [], []
    axis = 0
    for part in index:
        if isinstance(part, Static) and part.object is None:
            shape.append(b.const(1, I8))
            strides.append(b.const(0, I8))
            continue
        n, stride = array.shape[axis], array.strides[axis]
        if isinstance(part, Slice):
            start, length, step = slice_extent(ctx, part, n)
            offset = b.add(offset, b.mul(start, stride))
            shape.append(length)
            strides.append(b.mul(stride, step))
        else:
            if part.type == B1:
                raise ctx.error("index that is a lone bool", "use an if, or np.where")
            i = wrap(ctx, scalars.as_index(ctx, part), n)
            offset = b.add(offset, b.mul(i, stride))
        axis += 1
    shape += array.shape[axis:]
    strides += array.strides[axis:]
    whole_rows = all(not isinstance(p, Slice) and not isinstance(p, Static) for p in index)
    return Array(array.buffer, array.dtype, offset, tuple(shape), tuple(strides), array.contiguous and whole_rows)


def _expand_ellipsis(ctx: Context, array: Array, index: list) -> list:
    consumed = sum(1 for p in index if not (isinstance(p, Static) and (p.object is None or p.object is Ellipsis)))
    if consumed > array.ndim:
        raise ctx.error(f"{consumed} indices for {describe(array)}", "use as many as the array has axes")
    full = Slice(None, None, None)
    for position, part in enumerate(index):
        if isinstance(part, Static) and part.object is Ellipsis:
            return index[:position] + [full] * (array.ndim - consumed) + index[position + 1 :]
    return index


def wrap(ctx: Context, i: Value, n: Value) -> Value:
    """A Python index as a non-negative one; constant indices of constant axes are checked here and now."""
    b = ctx.b
    if i.constant is not None:
        value, extent = int(i.constant), n.constant
        if extent is not None and not -extent <= value < extent:
            raise ShapeError(f"{ctx.frame.filename}:{ctx.line}: index {value} is out of bounds for an axis of length {extent}")
        if extent is None and (ctx.bounds_checked or b.region is ctx.outermost):
            _check_bound(ctx, b.int(value if value >= 0 else -value - 1), n)
        return b.add(n, value) if value < 0 else i
    if not ctx.nonnegative(i):
        wrapped = b.select(b.compare("less", i, 0), b.add(i, n), i)
        ctx.lower_bound[wrapped] = 0
        i = wrapped
    if ctx.bounds_checked:
        b.check(b.compare("greater_equal", i, 0), "IndexError", f"index out of bounds at line {ctx.line}")
        _check_bound(ctx, i, n)
    return i


def _check_bound(ctx: Context, i: Value, n: Value) -> None:
    """Raise where the index is not below the length; once for each pair."""
    upper = ctx.upper(i)
    if (upper is not None and upper[1] <= 0 and same_extent(upper[0], n)) or (i, n) in ctx.checked_bounds:
        return
    if ctx.b.region is ctx.outermost:
        ctx.checked_bounds.add((i, n))
    ctx.b.check(ctx.b.compare("less", i, n), "IndexError", f"index out of bounds at line {ctx.line}")


def slice_extent(ctx: Context, part: Slice, n: Value) -> tuple[Value, Value, Value]:
    """Start, length and step of a slice of an axis of length n, by Python's rules for out-of-range bounds."""
    b = ctx.b
    step = b.const(1, I8) if part.step is None else part.step
    if step.constant is None or step.constant == 0:
        raise ctx.error("slice with a step that is not a constant other than zero", "use a loop over range")
    s = int(step.constant)
    one, zero = b.const(1, I8), b.const(0, I8)
    if s > 0:
        start = zero if part.start is None else _clamped(ctx, part.start, n, zero, n)
        stop = n if part.stop is None else _clamped(ctx, part.stop, n, zero, n)
        span = b.sub(stop, start)
    else:
        last = b.sub(n, one)
        start = last if part.start is None else _clamped(ctx, part.start, n, b.const(-1, I8), last)
        stop = b.const(-1, I8) if part.stop is None else _clamped(ctx, part.stop, n, b.const(-1, I8), last)
        span = b.sub(start, stop)
    if not _ordered(ctx, span, part):
        span = b.pure("maximum", [span, zero], I8)
    length = span if abs(s) == 1 else b.pure("floor_divide", [b.add(span, abs(s) - 1), b.const(abs(s), I8)], I8)
    ctx.lower_bound.setdefault(length, 0)
    return start, length, step


def _ordered(ctx: Context, span: Value, part: Slice) -> bool:
    return ctx.nonnegative(span) or (part.start is None and part.stop is None)


def _clamped(ctx: Context, bound: Value, n: Value, low: Value, high: Value) -> Value:
    b = ctx.b
    if bound.constant is not None and n.constant is not None:
        value = int(bound.constant) + (int(n.constant) if bound.constant < 0 else 0)
        return b.const(min(max(value, int(low.constant)), int(high.constant)), I8)  # type: ignore[arg-type]
    if bound.constant is not None and bound.constant < 0:
        return b.pure("maximum", [b.add(n, bound), low], I8)
    if not ctx.nonnegative(bound):
        bound = b.pure("maximum", [b.select(b.compare("less", bound, 0), b.add(bound, n), bound), low], I8)
    upper = ctx.upper(bound)
    if same_extent(bound, n) or (upper is not None and upper[1] <= 1 and same_extent(upper[0], n) and high is n):
        return bound
    return b.pure("minimum", [bound, high], I8)


# -- gathers ------------------------------------------------------------------------------------------------------------------------
def _gather(ctx: Context, array: Array, index: list) -> Any:
    index = _expand_ellipsis(ctx, array, index)
    arrays = [p for p in index if isinstance(p, Array)]
    if len(index) == 1 and arrays[0].scalar == B1 and arrays[0].ndim == array.ndim:
        return _masked(ctx, array, arrays[0])
    if any(a.scalar != I8 for a in arrays):
        raise ctx.error("fancy index that is not an array of ints or one mask", "use np.where or a loop")
    return _gather_lazy(ctx, array, index)


def _gather_parts(ctx: Context, array: Array, index: list):
    """Shape of a fancy selection and the position in the buffer of each of its elements."""
    positions = [k for k, p in enumerate(index) if isinstance(p, Array)]
    if positions != list(range(positions[0], positions[-1] + 1)) or any(isinstance(p, Static) for p in index):
        raise ctx.error("fancy indices that are not next to each other", "index in two steps")
    from sciad.frontend.elementwise import broadcast

    front = basic_view(ctx, array, [Slice(None, None, None) if isinstance(p, Array) else p for p in index])
    dropped = sum(1 for p in index[: positions[0]] if isinstance(p, Value))
    first = positions[0] - dropped
    chosen = [as_lazy(ctx, index[k]) for k in positions]
    fancy_shape = broadcast(ctx, [c.shape for c in chosen])
    shape = front.shape[:first] + fancy_shape + front.shape[first + len(chosen) :]

    def position(where: list[Value]) -> Value:
        inner = where[first : first + len(fancy_shape)]
        picked = [
            wrap(ctx, ctx.b.cast(aligned(ctx, c, fancy_shape)(inner), I8), front.shape[first + k]) for k, c in enumerate(chosen)
        ]
        return flat_index(ctx, front, where[:first] + picked + where[first + len(fancy_shape) :])

    return shape, position


def _gather_lazy(ctx: Context, array: Array, index: list) -> Lazy:
    shape, position = _gather_parts(ctx, array, index)
    sources = [array.anywhere(), *[p.anywhere() for p in index if isinstance(p, Array)]]
    return Lazy(array.scalar, shape, lambda where: ctx.b.load(array.buffer, position(where), array.scalar), sources, 2)


def _masked(ctx: Context, array: Array, mask: Array) -> Array:
    """``x[mask]``: counted first, then filled."""
    from sciad.frontend.reductions import accumulate

    b = ctx.b
    keep, take = as_lazy(ctx, mask), as_lazy(ctx, array)
    zero = b.const(0, I8)
    count = accumulate(ctx, mask.shape, zero, lambda total, where: b.add(total, b.cast(keep.element(where), I8)))
    ctx.lower_bound[count] = 0
    target = new_array(ctx, array.dtype, (count,))

    def place(position: Value, where: list[Value]) -> Value:
        outer = b.enter()
        b.store(target.buffer, position, take.element(where))
        then = b.leave(outer)
        outer = b.enter()
        other = b.leave(outer)
        chosen = keep.element(where)
        b.emit("if", [chosen], [], [then, other])
        return b.add(position, b.cast(chosen, I8))

    accumulate(ctx, mask.shape, zero, place)
    return target


# -- assignment ---------------------------------------------------------------------------------------------------------------------
def may_overlap(ctx: Context, a: Array, b: Array) -> bool:
    """Whether two arrays may share memory: one buffer, or a buffer chosen at run time."""
    if a.buffer is b.buffer:
        return True

    def fixed(v: Value) -> bool:
        return v in ctx.roots or (v.op is not None and v.op.name == "alloc")

    return a.dtype == b.dtype and not (fixed(a.buffer) and fixed(b.buffer))


def _same_view(a: Array, b: Array) -> bool:
    return (
        a.buffer is b.buffer
        and same_extent(a.offset, b.offset)
        and len(a.shape) == len(b.shape)
        and all(map(same_extent, a.shape, b.shape))
        and all(map(same_extent, a.strides, b.strides))
    )


def assign(ctx: Context, base: Any, index: list, value: Any, whole: bool = False) -> None:
    """``base[index] = value`` (all of `base` where `whole`); the right side is complete before anything is written."""
    if not isinstance(base, Array):
        raise ctx.error(f"item assignment to {describe(base)}", "use an array; tuples, lists and dicts are compile-time structures")
    if base.buffer in ctx.captured_buffers:
        raise ctx.error(f"write into the captured array `{base.buffer.hint}`", "pass it as an argument, or work on a copy")
    value = as_array(ctx, value)
    index = [as_array(ctx, part) if isinstance(part, Tuple_) else part for part in index]
    if any(isinstance(part, Array) for part in index):
        _scatter(ctx, base, index, value)
        return
    target = base if whole else basic_view(ctx, base, index)
    if target.ndim == 0:
        value = scalar_of(ctx, value)
        if isinstance(value, Complex) or not isinstance(value, Value):
            raise ctx.error(f"store of {describe(value)} into a {base.dtype} array", "store a number")
        ctx.b.store(target.buffer, target.offset, ctx.b.cast(value, target.scalar))
        return
    lazy = as_lazy(ctx, value)
    _check_fits(ctx, lazy, target)
    if any(may_overlap(ctx, s, target) and not _same_view(s, target) for s in lazy.sources):
        lazy = as_lazy(ctx, store_lazy(ctx, lazy))
    write(ctx, target, lazy)


def _check_fits(ctx: Context, lazy: Lazy, target: Array) -> None:
    where = f"{ctx.frame.filename}:{ctx.line}"
    skip = target.ndim - lazy.ndim
    if skip < 0 and any(n.constant != 1 for n in lazy.shape[:-skip]):
        raise ShapeError(f"{where}: value with {lazy.ndim} axes stored into {target.ndim} axes; index or reshape it")
    for axis in range(min(lazy.ndim, target.ndim)):
        have, want = lazy.shape[lazy.ndim - 1 - axis], target.shape[target.ndim - 1 - axis]
        if have.constant == 1 or same_extent(have, want):
            continue
        if have.constant is not None and want.constant is not None:
            raise ShapeError(f"{where}: value of length {have.constant} stored into an axis of length {want.constant}")
        ctx.b.check(ctx.b.compare("equal", have, want), "ValueError", f"could not broadcast the value into the array at {where}")


def _scatter(ctx: Context, base: Array, index: list, value: Any) -> None:
    """``x[idx] = v``: in order, so that of equal indices the last wins; ``x[mask] = v``."""
    b = ctx.b
    lazy = as_lazy(ctx, value)
    if any(may_overlap(ctx, s, base) for s in lazy.sources):
        lazy = as_lazy(ctx, store_lazy(ctx, lazy))
    masks = [p for p in index if isinstance(p, Array) and p.scalar == B1]
    if masks:
        if len(index) != 1 or masks[0].ndim != base.ndim:
            raise ctx.error("mask that does not cover the array", "use a mask of the array's shape")
        _masked_store(ctx, base, masks[0], lazy)
        return
    shape, position = _gather_parts(ctx, base, _expand_ellipsis(ctx, base, index))
    element = aligned(ctx, lazy, shape)
    nest(ctx, shape, lambda where: b.store(base.buffer, position(where), b.cast(element(where), base.scalar)), parallel=False)


def _masked_store(ctx: Context, base: Array, mask: Array, lazy: Lazy) -> None:
    from sciad.frontend.reductions import accumulate

    b = ctx.b
    keep = as_lazy(ctx, mask)
    if any(may_overlap(ctx, s, base) for s in keep.sources):
        keep = as_lazy(ctx, store_lazy(ctx, keep))
    packed = lazy.ndim == 1 and lazy.shape[0].constant != 1
    if lazy.ndim > 1:
        raise ctx.error("masked store of a value with several axes", "use np.where")

    def place(position: Value, where: list[Value]) -> Value:
        chosen = keep.element(where)
        outer = b.enter()
        one = lazy.element([position]) if packed else lazy.element([b.const(0, I8)] * lazy.ndim)
        b.store(base.buffer, flat_index(ctx, base, where), b.cast(one, base.scalar))
        then = b.leave(outer)
        outer = b.enter()
        other = b.leave(outer)
        b.emit("if", [chosen], [], [then, other])
        return b.add(position, b.cast(chosen, I8))

    accumulate(ctx, mask.shape, b.const(0, I8), place)
