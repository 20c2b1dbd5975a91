"""Matrix products: short sums are fused into elementwise loops, small constant ones are loops, the rest stays one `gemm` with a rule."""

from __future__ import annotations

from typing import Any

from sciad.errors import ShapeError
from sciad.frontend import scalars
from sciad.frontend.context import Context
from sciad.frontend.elementwise import as_lazy, elementwise, flat_index, nest, new_array, same_extent, store_lazy
from sciad.frontend.merge import describe
from sciad.frontend.reductions import accumulate, accumulate_all
from sciad.frontend.values import Array, Lazy
from sciad.ir import Value
from sciad.types import F4, F8, I8, dtype_of, promote

__all__ = ["matmul", "dot", "outer"]

SHORT = 4  # sums over at most this many terms are written out inside the elementwise loop
SMALL = 20_000  # multiplications of constant-size products that become loops, which fuse and need no call


def matmul(ctx: Context, a: Any, b: Any) -> Any:
    """``a @ b`` for vectors, matrices, and stacks of matrices."""
    from sciad.frontend.views import as_array

    a, b = (_stored(ctx, as_array(ctx, x)) for x in (a, b))
    if not isinstance(a, Array) or not isinstance(b, Array) or not a.ndim or not b.ndim:
        raise ctx.error(f"`@` of {describe(a)} and {describe(b)}", "use arrays")
    _check_inner(ctx, a.shape[-1], b.shape[-2] if b.ndim > 1 else b.shape[0])
    if a.ndim == 1 and b.ndim == 1:
        return _inner(ctx, a, b)
    type_ = promote(promote(a.scalar, b.scalar), F4)
    if b.ndim > 2:
        return _stack(ctx, a, b, type_)
    if a.shape[-1].constant is not None and a.shape[-1].constant <= SHORT:
        return _short(ctx, a, b, type_)
    return _product(ctx, a, b, type_) if a.ndim <= 2 else _rows_of_stack(ctx, a, b, type_)


def _rows_of_stack(ctx: Context, a: Array, b: Array, type_: str) -> Array:
    """A stack of matrices times one matrix or vector: one product of all rows."""
    from sciad.frontend.elementwise import contiguous_strides, size_of

    shape = _result_shape(a, b)
    rows = store_lazy(ctx, as_lazy(ctx, a), a.dtype) if not a.contiguous else a
    flat = (size_of(ctx, a.shape[:-1]), a.shape[-1])
    product = _product(ctx, Array(rows.buffer, rows.dtype, rows.offset, flat, contiguous_strides(ctx, flat), True), b, type_)
    return Array(product.buffer, product.dtype, product.offset, shape, contiguous_strides(ctx, shape), True)


def _stack(ctx: Context, a: Array, b: Array, type_: str) -> Array:
    """A product for each matrix of a stack, leading axes broadcast against each other."""
    from sciad.frontend.elementwise import broadcast

    batch = broadcast(ctx, [a.shape[:-2], b.shape[:-2]])
    inner = (*a.shape[-2:-1], b.shape[-1]) if a.ndim > 1 else (b.shape[-1],)
    target = new_array(ctx, dtype_of(type_), (*batch, *inner), zero=True)

    def one(where: list[Value]) -> None:
        parts = [_matrix_of_stack(ctx, x, where, min(x.ndim, 2)) for x in (a, b)]
        into = _matrix_of_stack(ctx, target, where, len(inner))
        _product(ctx, *parts, type_, into)

    nest(ctx, batch, one)
    return target


def _matrix_of_stack(ctx: Context, x: Array, where: list[Value], axes: int) -> Array:
    """The view of one matrix (or vector) of a stack, at indices of the axes that all stacks are broadcast to."""
    leading, zero = x.ndim - axes, ctx.b.const(0, I8)
    index = [zero if n.constant == 1 else i for n, i in zip(x.shape[:leading], where[len(where) - leading :])]
    return Array(x.buffer, x.dtype, flat_index(ctx, x, index), x.shape[leading:], x.strides[leading:])


def _stored(ctx: Context, x: Any) -> Any:
    return store_lazy(ctx, x) if isinstance(x, Lazy) else x


def _check_inner(ctx: Context, m: Value, n: Value) -> None:
    if same_extent(m, n):
        return
    where = f"{ctx.frame.filename}:{ctx.line}"
    if m.constant is not None and n.constant is not None:
        raise ShapeError(f"{where}: matrix product of inner lengths {m.constant} and {n.constant}; transpose or reshape one of them")
    ctx.b.check(ctx.b.compare("equal", m, n), "ValueError", f"matrix product of different inner lengths at {where}")


def _inner(ctx: Context, a: Array, b: Array) -> Value:
    x, y = as_lazy(ctx, a), as_lazy(ctx, b)
    type_ = promote(a.scalar, b.scalar)
    add = "fast_add" if type_ == F8 else "add"

    def step(total: Value, where: list[Value]) -> Value:
        return ctx.b.pure(add, [total, scalars.binary(ctx, "multiply", x.element(where), y.element(where))], type_)

    return accumulate(ctx, a.shape, ctx.b.const(0, type_), step, parallel=True)


def _result_shape(a: Array, b: Array) -> tuple[Value, ...]:
    return a.shape[:-1] + b.shape[1:]


def _term(ctx: Context, a: Array, b: Array, where: list[Value], k: Value, type_: str) -> Value:
    """``a[i, k] * b[k, j]`` at the result's indices."""
    left = ctx.b.load(a.buffer, flat_index(ctx, a, [*where[: a.ndim - 1], k]), a.scalar)
    right = ctx.b.load(b.buffer, flat_index(ctx, b, [k, *where[a.ndim - 1 :]]), b.scalar)
    return ctx.b.pure("multiply", [ctx.b.cast(left, type_), ctx.b.cast(right, type_)], type_)


def _short(ctx: Context, a: Array, b: Array, type_: str) -> Lazy:
    terms = int(a.shape[-1].constant)  # type: ignore[arg-type]
    add = "fast_add" if type_ == F8 else "add"

    def element(where: list[Value]) -> Value:
        total = ctx.b.const(0, type_)
        for k in range(terms):
            term = _term(ctx, a, b, where, ctx.b.const(k, I8), type_)
            total = term if k == 0 else ctx.b.pure(add, [total, term], type_)
        return total

    return Lazy(type_, _result_shape(a, b), element, [a.anywhere(), b.anywhere()], 3 * terms)


def _product(ctx: Context, a: Array, b: Array, type_: str, target: Array | None = None) -> Array:
    """The product in `target` (an array of zeros), or in a new array."""
    shape = _result_shape(a, b)
    extents = [*shape, a.shape[-1]]
    work = 1.0
    for n in extents:
        work *= n.constant if n.constant is not None else float("inf")
    if work <= SMALL or type_ != F8 or a.scalar != F8 or b.scalar != F8:
        return _loops(ctx, a, b, shape, type_, target)
    target = target or new_array(ctx, "float64", shape)
    gemm(ctx, a, b, target)
    return target


def _loops(ctx: Context, a: Array, b: Array, shape: tuple[Value, ...], type_: str, into: Array | None) -> Array:
    """A small product: sums along the inner axis where the result's rows are short, or b's columns are what lies contiguously in memory
    (the transpose of a matrix of weights), else rows of the result updated one by one."""
    builder = ctx.b
    add = "fast_add" if type_ == F8 else "add"
    last = b.shape[1].constant if b.ndim == 2 else 1
    inner = a.shape[-1]
    if last is not None and last <= 4:
        return _short_rows(ctx, a, b, shape, type_, add, into)
    if b.strides[0].constant == 1 and b.strides[1].constant != 1:
        return _sums(ctx, a, b, shape, type_, add, into)
    target = into or new_array(ctx, dtype_of(type_), shape, zero=True)

    def row(outer: list[Value]) -> None:
        def update(inner_index: list[Value]) -> None:
            where = [*outer[:-1], inner_index[0]]
            position = flat_index(ctx, target, where)
            old = builder.load(target.buffer, position, type_)
            builder.store(target.buffer, position, builder.pure(add, [old, _term(ctx, a, b, where, outer[-1], type_)], type_))

        nest(ctx, (shape[-1],), update)

    nest(ctx, (*shape[:-1], inner), row, parallel=False)
    return target


def _sums(ctx: Context, a: Array, b: Array, shape: tuple[Value, ...], type_: str, add: str, into: Array | None) -> Array:
    """Each element a sum of its own."""
    target = into or new_array(ctx, dtype_of(type_), shape)

    def element(where: list[Value]) -> None:
        def step(total: Value, k: list[Value]) -> Value:
            return ctx.b.pure(add, [total, _term(ctx, a, b, where, k[0], type_)], type_)

        total = accumulate(ctx, (a.shape[-1],), ctx.b.const(0, type_), step, parallel=True)
        ctx.b.store(target.buffer, flat_index(ctx, target, where), total)

    nest(ctx, shape, element)
    return target


def _short_rows(ctx: Context, a: Array, b: Array, shape: tuple[Value, ...], type_: str, add: str, into: Array | None) -> Array:
    """Results with at most a few columns: the sums of one row run together."""
    builder = ctx.b
    target = into or new_array(ctx, dtype_of(type_), shape)
    columns = [[builder.const(j, I8)] for j in range(int(shape[-1].constant))] if b.ndim == 2 else [[]]  # type: ignore[arg-type]
    rows = shape[: a.ndim - 1]

    def body(row: list[Value]) -> None:
        def step(sums: list[Value], k: list[Value]) -> list[Value]:
            return [builder.pure(add, [s, _term(ctx, a, b, [*row, *j], k[0], type_)], type_) for s, j in zip(sums, columns)]

        sums = accumulate_all(ctx, (a.shape[-1],), [builder.const(0, type_)] * len(columns), step, parallel=True)
        for s, j in zip(sums, columns):
            builder.store(target.buffer, flat_index(ctx, target, [*row, *j]), s)

    nest(ctx, rows, body)
    return target


def gemm(ctx: Context, a: Array, b: Array, target: Array) -> None:
    """One operation for all products of float64 vectors and matrices: ``C[i, j] = sum_k A[i, k] B[k, j]`` with any strides."""
    one, zero = ctx.b.const(1, I8), ctx.b.const(0, I8)
    a_rows = (a.shape[0], a.strides[0]) if a.ndim == 2 else (one, zero)
    b_cols = (b.shape[1], b.strides[1]) if b.ndim == 2 else (one, zero)
    c_strides = [
        target.strides[0] if a.ndim == 2 else zero,
        target.strides[-1] if b.ndim == 2 else zero,
    ]
    args = [a.buffer, a.offset, a_rows[1], a.strides[-1], b.buffer, b.offset, b.strides[0], b_cols[1]]
    args += [target.buffer, target.offset, *c_strides, a_rows[0], a.shape[-1], b_cols[0]]
    ctx.b.emit("gemm", args, [], accumulate=False)


def dot(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    """``np.dot``: products of vectors and matrices, and multiplication by a scalar."""
    from sciad.frontend.expressions import binary

    a, b = args[:2]
    if getattr(b, "ndim", 0) > 2:
        raise ctx.error("np.dot with an array of more than two axes on the right", "use `@` for stacks of matrices, or np.einsum")
    scalar = isinstance(a, Value) or isinstance(b, Value)
    return binary(ctx, "multiply" if scalar else "matmul", a, b)


def outer(ctx: Context, args: list, kwargs: dict[str, Any]) -> Lazy:
    """``np.outer`` of two vectors."""
    a, b = (as_lazy(ctx, _stored(ctx, x)) for x in args[:2])
    if a.ndim != 1 or b.ndim != 1:
        raise ctx.error("np.outer of arrays that are not vectors", "ravel them first")
    one = ctx.b.const(1, I8)
    column = Lazy(a.scalar, (a.shape[0], one), lambda where: a.element([where[0]]), a.sources, a.cost)
    type_ = promote(a.scalar, b.scalar)
    return elementwise(ctx, [column, b], lambda x, y: scalars.binary(ctx, "multiply", x, y), type_)
