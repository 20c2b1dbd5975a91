"""NumPy's ufuncs, by way of ``__array_ufunc__``: calls, ``out=`` and ``where=``, and the methods reduce, accumulate, outer and at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.errors import MissingRule, SciadError
from sciad.tape import complexes, products, reductions
from sciad.tape.core import Variable
from sciad.tape.creation import astype
from sciad.tape.dispatch import deep_value, missing, refuse_buffer, user_location, write_out
from sciad.tape.elementwise import binary, operation, power, unary
from sciad.tape.indexing import SCATTER, assign
from sciad.tape.joining import array
from sciad.tape.saving import dtype_of, freeze_index, ndim_of, shape_of, value_of

__all__ = ["array_ufunc"]


def array_ufunc(self: Variable, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """``Variable.__array_ufunc__``."""
    if method == "__call__":
        return call(ufunc, inputs, kwargs) if kwargs else apply(ufunc, inputs)
    handler = _METHODS.get(method)
    if handler is None:
        raise missing(f"{ufunc.__name__}.{method}")
    out = kwargs.pop("out", None)
    result = handler(ufunc, *inputs, **kwargs)
    return result if out is None else write_out(out, result, ufunc.__name__)


def apply(ufunc: np.ufunc, inputs: tuple) -> Any:
    """A plain call."""
    special = SPECIAL.get(ufunc)
    if special is not None:
        return special(*inputs)
    try:
        op = operation(ufunc)
    except MissingRule as error:
        raise MissingRule(f"{user_location()}: {error}") from None
    if len(inputs) == 1:
        return unary(op, inputs[0])
    if len(inputs) == 2:
        a, b = inputs
        if op.kind != "nondiff" and isinstance(a, (list, tuple)):
            a = array(a)
        return binary(op, a, array(b) if isinstance(b, (list, tuple)) else b)
    raise missing(ufunc.__name__)


def call(ufunc: np.ufunc, inputs: tuple, kwargs: dict) -> Any:
    """A call with options: the result is computed everywhere and stored where it is asked for."""
    out, where, dtype = kwargs.pop("out", None), kwargs.pop("where", True), kwargs.pop("dtype", None)
    for name in ("casting", "order", "subok"):
        kwargs.pop(name, None)
    if dtype is not None:
        inputs = tuple([astype(x, dtype) if isinstance(x, Variable) else x for x in inputs])
    if where is True:
        result = SPECIAL[ufunc](*inputs, **kwargs) if kwargs else apply(ufunc, inputs)
    else:
        if out is None:
            raise SciadError(f"np.{ufunc.__name__}(..., where=) without out= leaves elements undefined; use np.where")
        with np.errstate(all="ignore"):  # elements that are not asked for may be outside the domain
            result = apply(ufunc, inputs)
    if out is None:
        return result
    if isinstance(result, tuple):
        return tuple([r if o is None else write_out(o, r, ufunc.__name__) for r, o in zip(result, out)])
    if where is not True:
        target = out[0] if isinstance(out, tuple) else out
        result = np.where(where, result, target)
    return write_out(out, result, ufunc.__name__)


# -- ufuncs that are not plain functions of numbers, or have several outputs -------------------------------------------------------
def divmod_(a, b):
    """Floor quotient (no derivative) and remainder."""
    return np.floor_divide(a, b), np.remainder(a, b)


def modf(x):
    """Fractional part, with derivative 1, and integral part, with derivative 0."""
    whole = np.trunc(value_of(x))
    return x - whole, whole


def frexp(x):
    """Mantissa, with derivative 2**-exponent, and exponent."""
    _, exponent = np.frexp(value_of(x))
    return np.ldexp(x, -exponent), exponent


def _power(a, b):
    return power(a, b) if isinstance(a, Variable) else binary(operation(np.power), a, b)


SPECIAL: dict[np.ufunc, Callable] = {
    np.absolute: complexes.absolute,
    np.conjugate: complexes.conjugate,
    np.divmod: divmod_,
    np.modf: modf,
    np.frexp: frexp,
    np.power: _power,
    np.matmul: products.matmul,
}
for _name in ("vecdot", "matvec", "vecmat"):
    if hasattr(np, _name):  # newer than the oldest NumPy that is supported
        SPECIAL[getattr(np, _name)] = getattr(products, _name)


# -- methods -----------------------------------------------------------------------------------------------------------------------
def _logaddexp(a, axis=0, dtype=None, keepdims=False, **options):
    top = np.max(value_of(a), axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    total = np.log(np.sum(np.exp(a - top), axis=axis, keepdims=keepdims))
    return total + (top if keepdims else np.reshape(top, shape_of(total)))


_REDUCE: dict[str, Callable] = {
    "add": reductions.sum_,
    "multiply": reductions.prod,
    "maximum": reductions.maximum,
    "minimum": reductions.minimum,
    "logaddexp": _logaddexp,
}


def _reduce(ufunc, a, axis=0, dtype=None, **options):
    if operation_is_nondiff(ufunc):
        return ufunc.reduce(value_of(a), axis=axis, **deep_value(options))
    if ufunc.__name__ not in _REDUCE:
        raise missing(f"{ufunc.__name__}.reduce")
    a = array(a) if dtype is None else array(a, dtype)
    return _REDUCE[ufunc.__name__](a, axis=axis, **options)


def operation_is_nondiff(ufunc: np.ufunc) -> bool:
    """Whether a ufunc has derivative zero everywhere."""
    return ufunc not in SPECIAL and operation(ufunc).kind == "nondiff"


def _accumulate(ufunc, a, axis=0, dtype=None):
    name = ufunc.__name__
    if name == "add":
        return np.cumsum(a, axis)
    if name == "multiply":
        return np.cumprod(a, axis)
    if name in ("maximum", "minimum"):
        plain = value_of(a)
        best = ufunc.accumulate(plain, axis)
        size = plain.shape[axis]
        places = np.arange(size).reshape((-1,) + (1,) * (plain.ndim - 1 - axis % plain.ndim))
        fresh = np.ones_like(plain, dtype=bool)  # whether an element beats all before it
        after, before = [(*(slice(None),) * (axis % plain.ndim), s) for s in (slice(1, None), slice(None, -1))]
        fresh[after] = best[after] != best[before]
        return np.take_along_axis(a, np.maximum.accumulate(np.where(fresh, places, 0), axis), axis)
    raise missing(f"{name}.accumulate")


def _outer(ufunc, a, b):
    a = array(a)
    return ufunc(np.reshape(a, shape_of(a) + (1,) * ndim_of(b)), b)


def _at(ufunc, a, index, *values):
    if not isinstance(a, Variable):
        raise refuse_buffer(f"np.{ufunc.__name__}.at")
    if ufunc.__name__ not in ("add", "subtract"):
        raise missing(f"{ufunc.__name__}.at")
    index = freeze_index(index)
    places = shape_of(np.empty(a.shape, dtype=bool)[index])
    spread = SCATTER(np.broadcast_to(array(values[0]).astype(dtype_of(a)), places) + np.zeros(places), index, False, a.shape)
    assign(a, a + spread if ufunc.__name__ == "add" else a - spread)


_METHODS: dict[str, Callable] = {"reduce": _reduce, "accumulate": _accumulate, "outer": _outer, "at": _at}

