"""The Jacobian of a flat function as one region: forward mode in every direction, with unit tangents folded away.

The tangent of the input is never memory: a load from it at index i is ``1 if i == column else 0``, so that constant indices fold and
only the nonzero part of the Jacobian is computed; a store to the tangent of the output goes to ``J[i, column]``.
"""

from __future__ import annotations

from collections.abc import Callable

from sciad.ir import Op, Region, Value, substitute, walk
from sciad.passes.forward import pushforward
from sciad.passes.simplify import simplify
from sciad.passes.tidy import tidy
from sciad.types import B1, F8, I8
from sciad.verify import verified

__all__ = ["jacobian"]

UNROLLED_OPS = 2500  # columns are written out one by one, sharing the primal, up to about so many operations; else they are a loop
LOOP_OPS = 120  # what a loop counts as: it costs numba much more time than a plain operation


def jacobian(body: Region, x: Value, out: Value, n: int, m: int) -> Region:
    """A region with the parameters of `body` and then J, which it fills with d out / d x, row-major (m, n).

    `x` (n entries) and `out` (m entries) are buffer parameters of `body`; `out` is filled, too.
    """
    pushed, carriers = pushforward(body, [x])
    x_dot = pushed.params[len(body.params)]
    out_dot = pushed.params[-1] if carriers[-1] is out else None
    jac = Value("*float64", None, "J")
    done = Region([*body.params, jac])
    _fill(done, jac, n * m, lambda ops, k: _number(ops, 0.0))
    if out_dot is None or n == 0:
        done.ops += simplify(body).ops
    elif not _only_elements(pushed, x_dot) or not _only_elements(pushed, out_dot):
        _loop_with_buffers(done, pushed, x_dot, out_dot, jac, n, m)
    elif n * sum(LOOP_OPS if op.regions else 1 for op in walk(pushed)) <= UNROLLED_OPS:
        for column in range(n):
            _column(done, simplify(pushed), x_dot, out_dot, jac, n, _const(done, column))
    else:
        inner = Region([Value(I8, None, "column")])
        _column(inner, simplify(pushed), x_dot, out_dot, jac, n, inner.params[0])
        done.ops.append(Op("for", [_const(done, n)], [], [inner], {"parallel": False}))
    return tidy(verified(done, "jacobian"))


def _only_elements(region: Region, buffer: Value) -> bool:
    """Whether a buffer is used only by loads and stores of single elements."""
    for op in walk(region):
        places = [k for k, a in enumerate(op.args) if a is buffer]
        if places and not (op.name in ("load", "store") and places == [0]):
            return False
        if any(buffer in inner.results for inner in op.regions):
            return False
    return True


def _const(region: Region, value: int) -> Value:
    return _emit(region.ops, "const", [], I8, {"value": value})


def _emit(ops: list[Op], name: str, args: list[Value], type_: str, attributes: dict | None = None) -> Value:
    op = Op(name, args, [type_], (), attributes)
    ops.append(op)
    return op.result


def _fill(region: Region, buffer: Value, size: int, element: Callable[[list[Op], Value], Value]) -> None:
    """Append a loop that stores ``element(ops, k)`` at every place k of a buffer."""
    k = Value(I8, None, "k")
    inner = Region([k])
    inner.ops.append(Op("store", [buffer, k, element(inner.ops, k)], []))
    region.ops.append(Op("for", [_const(region, size)], [], [inner], {"parallel": True}))


def _number(ops: list[Op], value: float) -> Value:
    return _emit(ops, "const", [], F8, {"value": value})


def _one_hot(ops: list[Op], index: Value, column: Value) -> Value:
    return _emit(ops, "select", [_emit(ops, "equal", [index, column], B1), _number(ops, 1.0), _number(ops, 0.0)], F8)


def _place(ops: list[Op], row: Value, column: Value, n: int) -> Value:
    """The flat index of J[row, column]."""
    return _emit(ops, "add", [_emit(ops, "multiply", [row, _emit(ops, "const", [], I8, {"value": n})], I8), column], I8)


def _loop_with_buffers(done: Region, pushed: Region, x_dot: Value, out_dot: Value, jac: Value, n: int, m: int) -> None:
    """A loop over the columns, for functions that need their tangents as whole vectors (matrix products)."""
    local = {}
    for buffer, size in ((x_dot, n), (out_dot, m)):
        local[buffer] = _emit(done.ops, "alloc", [_const(done, size)], "*float64", {"dtype": "float64", "zero": False})
    column = Value(I8, None, "column")
    inner = Region([column])
    _fill(inner, local[x_dot], n, lambda ops, k: _one_hot(ops, k, column))
    _fill(inner, local[out_dot], m, lambda ops, k: _number(ops, 0.0))
    copy = simplify(pushed)
    substitute(copy, local)
    inner.ops += copy.ops
    row = Value(I8, None, "i")
    last = Region([row])
    value = _emit(last.ops, "load", [local[out_dot], row], F8)
    last.ops.append(Op("store", [jac, _place(last.ops, row, column, n), value], []))
    inner.ops.append(Op("for", [_const(inner, m)], [], [last], {"parallel": True}))
    done.ops.append(Op("for", [_const(done, n)], [], [inner], {"parallel": False}))


def _column(target: Region, copy: Region, x_dot: Value, out_dot: Value, jac: Value, n: int, column: Value) -> None:
    """Append a copy of the pushforward whose tangents are one column."""
    def rewrite(region: Region) -> None:
        ops: list[Op] = []
        for op in region.ops:
            for inner in op.regions:
                rewrite(inner)
            buffer = op.args[0] if op.name in ("load", "store") else None
            if buffer is x_dot:
                here = _emit(ops, "equal", [op.args[1], column], B1)
                op.name, op.args = "select", [here, _number(ops, 1.0), _number(ops, 0.0)]
            elif buffer is out_dot:
                op.args = [jac, _place(ops, op.args[1], column, n), *op.args[2:]]
            ops.append(op)
        region.ops = ops

    rewrite(copy)
    target.ops += copy.ops
