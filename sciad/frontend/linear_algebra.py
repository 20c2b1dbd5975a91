"""``np.linalg``: calls of compiled kernels with hand-derived rules (`sciad.rules.library`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.errors import ShapeError
from sciad.frontend import scalars
from sciad.frontend.context import Context
from sciad.frontend.elementwise import as_lazy, elementwise, new_array, same_extent, store_lazy
from sciad.frontend.merge import describe
from sciad.frontend.reductions import reduce
from sciad.frontend.values import Array, Lazy, Static, Tuple_
from sciad.frontend.views import as_array
from sciad.ir import Value
from sciad.rules.library import CALLS, solved
from sciad.types import B1, I8

__all__ = ["LINALG"]


def call(ctx: Context, name: str, arrays: list[Array], numbers: list[Value]) -> None:
    """Emit the call of a kernel."""
    written = CALLS[name].written
    read = tuple(k for k in range(len(arrays)) if k not in written)
    ctx.b.emit("call", [*[a.buffer for a in arrays], *numbers], [], function=name, reads=read, writes=written)


def _operand(ctx: Context, value: Any, what: str) -> Array:
    """A fresh contiguous float64 copy: nothing may overwrite what the rule reads later."""
    value = as_array(ctx, value)
    if not isinstance(value, (Array, Lazy)):
        raise ctx.error(f"{what} of {describe(value)}", "use arrays")
    return store_lazy(ctx, as_lazy(ctx, value), "float64")


def _matrix(ctx: Context, value: Any, what: str) -> Array:
    a = _operand(ctx, value, what)
    if a.ndim != 2:
        raise ctx.error(f"{what} of {describe(a)}", "use one matrix; loop over stacks of them")
    _equal(ctx, a.shape[0], a.shape[1], f"{what} of a matrix that is not square")
    return a


def _equal(ctx: Context, m: Value, n: Value, message: str) -> None:
    if same_extent(m, n):
        return
    where = f"{ctx.frame.filename}:{ctx.line}"
    if m.constant is not None and n.constant is not None:
        raise ShapeError(f"{where}: {message} ({m.constant} and {n.constant})")
    ctx.b.check(ctx.b.compare("equal", m, n), "ValueError", f"{message} at {where}")


def _succeeded(ctx: Context, array: Array, position: Value, message: str) -> None:
    status = ctx.b.load(array.buffer, position, "f8")
    ctx.b.check(ctx.b.pure("equal", [status, ctx.b.const(0.0)], "b1"), "LinAlgError", f"{message} at line {ctx.line}")


def _columns(ctx: Context, b: Array) -> Value:
    return b.shape[1] if b.ndim == 2 else ctx.b.const(1, I8)


def _solve(ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
    a, b = _matrix(ctx, args[0], "np.linalg.solve"), _operand(ctx, args[1], "np.linalg.solve")
    if b.ndim not in (1, 2):
        raise ctx.error(f"np.linalg.solve with {describe(b)}", "use a vector or a matrix")
    _equal(ctx, a.shape[0], b.shape[0], "np.linalg.solve: matrix and right-hand side of different lengths")
    return _solution(ctx, a, b)


def _solution(ctx: Context, a: Array, b: Array) -> Array:
    n, x = a.shape[0], new_array(ctx, "float64", b.shape)
    square = ctx.b.mul(n, n)
    status = ctx.b.add(square, n)
    lu = new_array(ctx, "float64", (ctx.b.add(status, 1),))
    call(ctx, "solve", [a, b, x, lu], [n, _columns(ctx, b)])
    _succeeded(ctx, lu, status, "np.linalg.solve: the matrix is singular")
    return x


def _solved(ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
    """See `sciad.rules.library.solved`."""
    a, lu, b, transposed = args
    b = _operand(ctx, b, "solve")
    x = new_array(ctx, "float64", b.shape)
    call(ctx, "solve_again", [a, lu, b, x], [a.shape[0], _columns(ctx, b), ctx.b.cast(transposed, I8)])
    return x


def _inv(ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
    a = _matrix(ctx, args[0], "np.linalg.inv")
    b, n = ctx.b, a.shape[0]
    eye = Lazy("f8", (n, n), lambda ij: b.cast(b.compare("equal", ij[0], ij[1]), "f8"), [], 2)
    return _solution(ctx, a, store_lazy(ctx, eye, "float64"))


def _determinant(ctx: Context, value: Any, what: str) -> list[Value]:
    a = _matrix(ctx, value, what)
    out = new_array(ctx, "float64", (ctx.b.const(3, I8),))
    call(ctx, "determinant", [a, out], [a.shape[0]])
    return [ctx.b.load(out.buffer, ctx.b.const(k, I8), "f8") for k in range(3)]


def _det(ctx: Context, args: list, kwargs: dict[str, Any]) -> Value:
    return _determinant(ctx, args[0], "np.linalg.det")[0]


def _slogdet(ctx: Context, args: list, kwargs: dict[str, Any]) -> Tuple_:
    _, sign, logarithm = _determinant(ctx, args[0], "np.linalg.slogdet")
    kind = type(np.linalg.slogdet(np.eye(1)))
    return Tuple_([sign, logarithm], kind)


def _cholesky(ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
    if kwargs or len(args) > 1:
        raise ctx.error("np.linalg.cholesky with options", "transpose the lower factor")
    a = _matrix(ctx, args[0], "np.linalg.cholesky")
    lower, status = new_array(ctx, "float64", a.shape), new_array(ctx, "float64", (ctx.b.const(1, I8),))
    call(ctx, "cholesky", [a, lower, status], [a.shape[0]])
    _succeeded(ctx, status, ctx.b.const(0, I8), "np.linalg.cholesky: the matrix is not positive definite")
    return lower


def _eigh(ctx: Context, args: list, kwargs: dict[str, Any]) -> Tuple_:
    if kwargs or len(args) > 1:
        raise ctx.error("np.linalg.eigh with options", "give the matrix whose lower triangle counts")
    a = _matrix(ctx, args[0], "np.linalg.eigh")
    w, v = new_array(ctx, "float64", a.shape[:1]), new_array(ctx, "float64", a.shape)
    status = new_array(ctx, "float64", (ctx.b.const(1, I8),))
    call(ctx, "eigh", [a, w, v, status], [a.shape[0]])
    _succeeded(ctx, status, ctx.b.const(0, I8), "np.linalg.eigh: the matrix has entries that are not finite")
    return Tuple_([w, v], type(np.linalg.eigh(np.eye(1))))


def _eigvalsh(ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
    return _eigh(ctx, args, kwargs).items[0]


def _norm(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
    """2-norm (Frobenius for matrices), 1-norm and maximum of vectors, along an axis where one is given."""
    lazy = as_lazy(ctx, as_array(ctx, args[0]))
    order = args[1] if len(args) > 1 else kwargs.pop("ord", Static(None))
    options = {k: v for k, v in kwargs.items() if k in ("axis", "keepdims")}
    if len(args) > 2 or set(kwargs) - set(options):
        raise ctx.error("np.linalg.norm with these options", "use ord, axis and keepdims by name")
    plain = order.object if isinstance(order, Static) else order.constant if isinstance(order, Value) else order
    axis = options.get("axis")
    vector = lazy.ndim == 1 or (isinstance(axis, Value) and axis.constant is not None)
    if plain is None or (plain == 2 and vector) or (plain == "fro" and lazy.ndim == 2):
        square = elementwise(ctx, [lazy], lambda x: scalars.binary(ctx, "multiply", x, x), scalars.as_float(ctx, Value(lazy.scalar)).type)
        return _root(ctx, reduce(ctx, "sum", square, options))
    if vector and plain in (1, float("inf")):
        size = elementwise(ctx, [lazy], lambda x: scalars.unary(ctx, "absolute", x), lazy.scalar)
        return reduce(ctx, "sum" if plain == 1 else "max", size, options)
    raise ctx.error(f"np.linalg.norm with ord={plain!r} of {describe(lazy)}", "use ord None, 1, 2 or inf of vectors, or write the sum out")


def _root(ctx: Context, total: Any) -> Any:
    """The root of a sum of squares, whose derivative where all are zero is taken to be zero."""

    def root(x: Value) -> Value:
        b = ctx.b
        positive = b.pure("greater", [x, b.const(0.0, x.type)], B1)
        return b.select(positive, b.pure("sqrt", [b.select(positive, x, b.const(1.0, x.type))], x.type), x)

    return root(total) if isinstance(total, Value) else elementwise(ctx, [total], root, as_lazy(ctx, total).scalar)


LINALG: dict[Any, Callable] = {
    np.linalg.solve: _solve, np.linalg.inv: _inv, np.linalg.det: _det, np.linalg.slogdet: _slogdet, np.linalg.cholesky: _cholesky,
    np.linalg.eigh: _eigh, np.linalg.eigvalsh: _eigvalsh, np.linalg.norm: _norm, solved: _solved,
}  # fmt: skip

