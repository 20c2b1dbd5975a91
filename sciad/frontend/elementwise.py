"""Elementwise array expressions: lazy until stored, so that a whole expression becomes one loop nest without temporaries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sciad.errors import ShapeError
from sciad.frontend import scalars
from sciad.frontend.context import Context
from sciad.frontend.merge import describe
from sciad.frontend.values import Array, Lazy
from sciad.ir import Value
from sciad.types import F4, F8, I8, dtype_of, promote

__all__ = [
    "elementwise", "elementwise_binary", "elementwise_unary", "as_lazy", "store_lazy", "nest", "broadcast", "new_array", "flat_index",
    "size_of",
    "same_extent",
]  # fmt: skip

UNROLL = 4  # axes this short are written out


def size_of(ctx: Context, shape: tuple[Value, ...]) -> Value:
    """Number of elements."""
    total = ctx.b.const(1, I8)
    for n in shape:
        total = ctx.b.mul(total, n)
    return total


def contiguous_strides(ctx: Context, shape: tuple[Value, ...]) -> tuple[Value, ...]:
    """Strides of a C-ordered array."""
    strides: list[Value] = []
    step = ctx.b.const(1, I8)
    for n in reversed(shape):
        strides.insert(0, step)
        step = ctx.b.mul(step, n)
    return tuple(strides)


def new_array(ctx: Context, dtype: str, shape: tuple[Value, ...], *, zero: bool = False, hint: str = "") -> Array:
    """A fresh contiguous array, zero or undefined."""
    buffer = ctx.b.alloc(dtype, size_of(ctx, shape), zero=zero, hint=hint)
    return Array(buffer, dtype, ctx.b.const(0, I8), shape, contiguous_strides(ctx, shape), True)


def flat_index(ctx: Context, array: Array, index: list[Value]) -> Value:
    """Position in the buffer of the element at the given (non-negative) indices."""
    b = ctx.b
    position = array.offset
    for i, stride in zip(index, array.strides):
        position = b.add(position, b.mul(i, stride))
    return position


def same_extent(a: Value, b: Value) -> bool:
    """Whether two axis lengths are known to be equal."""
    return a is b or (a.constant is not None and a.constant == b.constant)


def as_lazy(ctx: Context, value: Any) -> Lazy:
    """Any array or scalar as a lazy expression."""
    if isinstance(value, Lazy):
        return value
    if isinstance(value, Value):
        return Lazy(value.type, (), lambda index: value, [], 0)
    if not isinstance(value, Array):
        raise ctx.error(f"{describe(value)} in array arithmetic", "use arrays or numbers; np.array makes an array of a list")

    def element(index: list[Value]) -> Value:
        return ctx.b.load(value.buffer, flat_index(ctx, value, index), value.scalar)

    return Lazy(value.scalar, value.shape, element, [value], 1)


def broadcast(ctx: Context, shapes: list[tuple[Value, ...]]) -> tuple[Value, ...]:
    """NumPy's broadcast shape; lengths that are not known are checked when the function runs."""
    rank = max((len(s) for s in shapes), default=0)
    result: list[Value] = []
    for axis in range(rank):
        extent = ctx.b.const(1, I8)
        for shape in shapes:
            position = axis - rank + len(shape)
            if position >= 0:
                extent = _common_extent(ctx, extent, shape[position], shapes)
        result.append(extent)
    return tuple(result)


def _common_extent(ctx: Context, a: Value, b: Value, shapes: list) -> Value:
    if a.constant == 1 or same_extent(a, b):
        return b
    if b.constant == 1:
        return a
    if a.constant is not None and b.constant is not None:
        text = " and ".join("(" + ", ".join("?" if n.constant is None else str(n.constant) for n in s) + ")" for s in shapes if s)
        raise ShapeError(f"{ctx.frame.filename}:{ctx.line}: shapes {text} do not fit together; reshape one of them")
    ctx.b.check(
        ctx.b.compare("equal", a, b), "ValueError", f"operands could not be broadcast together at {ctx.frame.filename}:{ctx.line}"
    )
    return a if a.constant is not None else b


def aligned(ctx: Context, lazy: Lazy, shape: tuple[Value, ...]) -> Callable[[list[Value]], Value]:
    """The element function of `lazy` in terms of indices of a shape that it broadcasts to."""
    skip = len(shape) - lazy.ndim
    zero = ctx.b.const(0, I8)
    stretched = [n.constant == 1 and shape[skip + axis].constant != 1 for axis, n in enumerate(lazy.shape)]

    def element(index: list[Value]) -> Value:
        return lazy.element([zero if stretched[axis] else index[skip + axis] for axis in range(lazy.ndim)])

    return element


def elementwise(ctx: Context, operands: list[Any], combine: Callable[..., Value], type_: str, cost: int = 1) -> Lazy:
    """A lazy expression whose element is `combine` of the operands' elements."""
    lazies = [as_lazy(ctx, x) for x in operands]
    shape = broadcast(ctx, [x.shape for x in lazies])
    parts = [aligned(ctx, x, shape) for x in lazies]
    sources = [s for x in lazies for s in x.sources]
    return Lazy(type_, shape, lambda index: combine(*[p(index) for p in parts]), sources, cost + sum(x.cost for x in lazies))


def elementwise_unary(ctx: Context, name: str, value: Any) -> Lazy:
    """``f(x)`` for each element."""
    lazy = as_lazy(ctx, value)

    def apply(x: Value) -> Value:
        return scalars.unary(ctx, name, x)

    return elementwise(ctx, [lazy], apply, _probe(ctx, [lazy.scalar], apply))


def elementwise_binary(ctx: Context, name: str, a: Any, b: Any) -> Lazy:
    """``f(x, y)`` for each pair of elements; a Python number does not widen float32 arrays."""
    if isinstance(b, Value) and isinstance(a, (Array, Lazy)) and a.scalar == F4 and b.type in (F8, I8):
        b = ctx.b.cast(b, F4)
    if isinstance(a, Value) and isinstance(b, (Array, Lazy)) and b.scalar == F4 and a.type in (F8, I8):
        a = ctx.b.cast(a, F4)
    if name == "power" and isinstance(b, Value) and b.constant is not None:
        fixed = b  # the exponent stays a constant, so that x**2 becomes x*x

        def raised(x: Value) -> Value:
            return scalars.binary(ctx, name, x, fixed)

        return elementwise(ctx, [a], raised, _probe(ctx, [as_lazy(ctx, a).scalar], raised), 3)

    def combine(x: Value, y: Value) -> Value:
        return scalars.binary(ctx, name, x, y)

    types = [as_lazy(ctx, a).scalar, as_lazy(ctx, b).scalar]
    return elementwise(ctx, [a, b], combine, _probe(ctx, types, combine))


def _probe(ctx: Context, types: list[str], combine: Callable[..., Value]) -> str:
    """The result type of an elementwise function, found by building it once in a region that is thrown away."""
    b = ctx.b
    outer = b.enter()
    try:
        return combine(*[Value(t) for t in types]).type
    finally:
        b.leave(outer)


def nest(ctx: Context, shape: tuple[Value, ...], body: Callable[[list[Value]], None], *, parallel: bool = True) -> None:
    """A loop nest over all indices; short constant axes are written out.  `parallel`: trips do not depend on one another."""
    _nest(ctx, list(shape), [], body, parallel)


def _nest(ctx: Context, shape: list[Value], index: list[Value], body: Callable, parallel: bool) -> None:
    if len(index) == len(shape):
        body(index)
        return
    n = shape[len(index)]
    if n.constant is not None and n.constant <= UNROLL:
        for k in range(int(n.constant)):
            _nest(ctx, shape, [*index, ctx.b.const(k, I8)], body, parallel)
        return
    b = ctx.b
    k = Value(I8, None, "ijkl"[len(index)] if len(index) < 4 else "k")
    ctx.lower_bound[k], ctx.upper_bound[k] = 0, (n, 0)
    outer = b.enter([k])
    _nest(ctx, shape, [*index, k], body, parallel)
    region = b.leave(outer)
    b.emit("for", [n], [], [region], parallel=parallel)


def store_lazy(ctx: Context, lazy: Lazy, dtype: str | None = None) -> Any:
    """Evaluate a lazy expression into a fresh array (a scalar where it has no axes)."""
    if lazy.ndim == 0:
        return lazy.element([])
    target = new_array(ctx, dtype or dtype_of(lazy.scalar), lazy.shape)
    write(ctx, target, lazy)
    return target


def write(ctx: Context, target: Array, lazy: Lazy) -> None:
    """Store every element of `lazy`, which has the target's shape or broadcasts to it, and reads nothing that the stores change."""
    element = aligned(ctx, lazy, target.shape)

    def body(index: list[Value]) -> None:
        value = ctx.b.cast(element(index), target.scalar)
        ctx.b.store(target.buffer, flat_index(ctx, target, index), value)

    nest(ctx, target.shape, body)


_ = (F8, promote)
