"""Matrices with structure and sums over named indices: eye, diag, tril, triu, trace, einsum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.frontend import scalars
from sciad.frontend.context import Context
from sciad.frontend.elementwise import as_lazy, broadcast, flat_index, nest, new_array, same_extent, store_lazy
from sciad.frontend.merge import describe
from sciad.frontend.products import matmul
from sciad.frontend.reductions import accumulate
from sciad.frontend.values import Array, Lazy, Static
from sciad.frontend.views import as_array
from sciad.ir import Value
from sciad.types import F8, I8, dtype_of, promote

__all__ = ["MATRICES"]


def _offset(args: list, kwargs: dict[str, Any], position: int) -> int:
    k = args[position] if len(args) > position else kwargs.get("k")
    return 0 if k is None else int(k.constant)


def _eye(ctx: Context, args: list, kwargs: dict[str, Any]) -> Lazy:
    b = ctx.b
    n = scalars.as_index(ctx, args[0])
    m = scalars.as_index(ctx, args[1]) if len(args) > 1 else n
    k = _offset(args, kwargs, 2)
    dtype = args[3] if len(args) > 3 else kwargs.get("dtype")
    if isinstance(dtype, Static) and np.dtype(dtype.object) != np.float64:
        raise ctx.error(f"np.eye with dtype {dtype.object!r}", "leave it out")
    return Lazy(F8, (n, m), lambda ij: b.cast(b.compare("equal", b.add(ij[0], k), ij[1]), F8), [], 2)


def _triangle(keep: str) -> Callable:
    def lower(ctx: Context, args: list, kwargs: dict[str, Any]) -> Lazy:
        lazy = as_lazy(ctx, as_array(ctx, args[0]))
        if lazy.ndim != 2:
            raise ctx.error(f"triangle of {describe(args[0])}", "use a matrix")
        b, k = ctx.b, _offset(args, kwargs, 1)

        def element(ij: list[Value]) -> Value:
            inside = b.compare(keep, ij[1], b.add(ij[0], k))
            return b.select(inside, lazy.element(ij), b.const(0, lazy.scalar))

        return Lazy(lazy.scalar, lazy.shape, element, lazy.sources, lazy.cost + 2)

    return lower


def _diagonal(ctx: Context, array: Array, k: int) -> Array:
    """The view of a diagonal."""
    b = ctx.b
    rows, columns = array.shape[0], array.shape[1]
    start = array.strides[0 if k < 0 else 1]
    down, right = b.sub(rows, max(-k, 0)), b.sub(columns, max(k, 0))
    length = down if same_extent(down, right) else b.pure("minimum", [down, right], I8)
    if not ctx.nonnegative(length):
        length = b.pure("maximum", [length, b.int(0)], I8) if k else length
        ctx.lower_bound.setdefault(length, 0)
    stride = b.add(array.strides[0], array.strides[1])
    return Array(array.buffer, array.dtype, b.add(array.offset, b.mul(start, abs(k))), (length,), (stride,))


def _diag(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    value = as_array(ctx, args[0])
    k = _offset(args, kwargs, 1)
    if isinstance(value, Lazy):
        value = store_lazy(ctx, value)
    if isinstance(value, Array) and value.ndim == 2:
        return _diagonal(ctx, value, k)
    if not isinstance(value, Array) or value.ndim != 1:
        raise ctx.error(f"np.diag of {describe(value)}", "use a vector or a matrix")
    n = ctx.b.add(value.shape[0], abs(k))
    matrix = new_array(ctx, value.dtype, (n, n), zero=True)
    diagonal, b = _diagonal(ctx, matrix, k), ctx.b
    vector = as_lazy(ctx, value)
    nest(ctx, value.shape, lambda where: b.store(matrix.buffer, flat_index(ctx, diagonal, where), vector.element(where)))
    return matrix


def _trace(ctx: Context, args: list, kwargs: dict[str, Any]) -> Value:
    from sciad.frontend.reductions import reduce

    if getattr(as_array(ctx, args[0]), "ndim", 0) != 2:
        raise ctx.error(f"np.trace of {describe(args[0])}", "use a matrix")
    return reduce(ctx, "sum", _diag(ctx, args, kwargs), {})


# -- einsum -------------------------------------------------------------------------------------------------------------------------
def _einsum(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    """Sums of products over named indices; two matrices that share one index are a matrix product."""
    subscripts = args[0].object if isinstance(args[0], Static) else None
    if not isinstance(subscripts, str) or "." in subscripts or kwargs:
        raise ctx.error("np.einsum with these arguments", "give index letters as a constant string, without ellipsis and options")
    left, arrow, out = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    operands = [as_array(ctx, x) for x in args[1:]]
    operands = [store_lazy(ctx, x) if isinstance(x, Lazy) else x for x in operands]
    if not arrow:
        out = "".join(sorted(c for c in set(left) - {","} if left.count(c) == 1))
    if len(terms) != len(operands) or any(not isinstance(x, Array) or x.ndim != len(t) for x, t in zip(operands, terms)):
        raise ctx.error(f"np.einsum {subscripts!r} with operands of other ranks", "give one letter for each axis")
    if [len(t) for t in terms] == [2, 2] and len(set(left)) == 4:  # three letters and a comma
        (i, j), (k, l) = terms
        if j == k and out == i + l:
            return matmul(ctx, *operands)
    return _sum_of_products(ctx, terms, operands, out)


def _sum_of_products(ctx: Context, terms: list[str], operands: list[Array], out: str) -> Any:
    extent: dict[str, Value] = {}
    for term, operand in zip(terms, operands):
        for letter, n in zip(term, operand.shape):
            extent[letter] = broadcast(ctx, [(extent[letter],), (n,)])[0] if letter in extent else n
    if not set(out) <= set(extent) or len(set(out)) != len(out):
        raise ctx.error(f"np.einsum with the output {out!r}", "use each letter of the operands at most once")
    type_ = operands[0].scalar
    for operand in operands[1:]:
        type_ = promote(type_, operand.scalar)
    summed = [c for c in extent if c not in out]
    b = ctx.b

    def term_at(place: dict[str, Value]) -> Value:
        product: Value | None = None
        for term, operand in zip(terms, operands):
            x = b.cast(b.load(operand.buffer, flat_index(ctx, operand, [place[c] for c in term]), operand.scalar), type_)
            product = x if product is None else b.pure("multiply", [product, x], type_)
        assert product is not None
        return product

    def element(where: list[Value]) -> Value:
        outer = dict(zip(out, where))
        add = "fast_add" if type_ == F8 else "add"

        def step(total: Value, inner: list[Value]) -> Value:
            return b.pure(add, [total, term_at({**outer, **dict(zip(summed, inner))})], type_)

        return accumulate(ctx, tuple(extent[c] for c in summed), b.const(0, type_), step, parallel=True)

    if not out:
        return element([])
    target = new_array(ctx, dtype_of(type_), tuple(extent[c] for c in out))
    nest(ctx, target.shape, lambda where: b.store(target.buffer, flat_index(ctx, target, where), element(where)))
    return target


MATRICES: dict[Any, Callable] = {
    np.eye: _eye, np.identity: _eye, np.tril: _triangle("less_equal"), np.triu: _triangle("greater_equal"), np.diag: _diag,
    np.trace: _trace, np.einsum: _einsum,
}  # fmt: skip
