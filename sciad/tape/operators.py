"""Python's view of a traced value: operators, comparisons, conversions, and the methods and attributes of arrays."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.errors import MissingRule, SciadError
from sciad.tape import complexes, creation, joining, products, reductions, selection, shapes
from sciad.tape.core import ArrayVariable, Variable, refresh
from sciad.tape.dispatch import array_function, user_location
from sciad.tape.elementwise import binary, operation, power, unary
from sciad.tape.indexing import assign, getitem, setitem
from sciad.tape.saving import dtype_of, shape_of, value_of
from sciad.tape.ufuncs import array_ufunc


def _method(cls: type, *names: str) -> Callable:
    def attach(function: Any) -> Any:
        for name in names:
            setattr(cls, name, function)
        return function

    return attach


# -- operators ---------------------------------------------------------------------------------------------------------------------
def _operator(name: str, function: Callable, rule: str) -> None:
    op = operation(function, rule)

    def forward(self, other):
        return binary(op, self, _operand(other))

    def reverse(self, other):
        return binary(op, _operand(other), self)

    def in_place(self, other):
        result = binary(op, self, _operand(other))
        assign(self, result)
        return self

    _attach_operator(name, forward, reverse, in_place)


def _attach_operator(name: str, forward: Callable, reverse: Callable, in_place: Callable) -> None:
    setattr(Variable, f"__{name}__", forward)
    setattr(Variable, f"__r{name}__", reverse)
    setattr(ArrayVariable, f"__i{name}__", in_place)  # a number is rebound, an array is written to, as in NumPy


def _operand(x: Any) -> Any:
    return joining.array(x) if isinstance(x, (list, tuple)) else x


for _name, _function, _rule in (
    ("add", operator.add, "add"),
    ("sub", operator.sub, "subtract"),
    ("mul", operator.mul, "multiply"),
    ("truediv", operator.truediv, "divide"),
    ("mod", operator.mod, "remainder"),
    ("floordiv", operator.floordiv, "floor_divide"),
):
    _operator(_name, _function, _rule)

_POWER = operation(operator.pow, "power")


def _in_place(function: Callable) -> Callable:
    def in_place(self, other):
        assign(self, function(self, other))
        return self

    return in_place


_attach_operator("pow", power, lambda self, other: binary(_POWER, _operand(other), self), _in_place(power))
_attach_operator("matmul", products.matmul, lambda self, other: products.matmul(other, self), _in_place(products.matmul))
_method(Variable, "__divmod__")(lambda self, other: (self // other, self % other))
_method(Variable, "__rdivmod__")(lambda self, other: (other // self, other % self))

_NEGATIVE, _POSITIVE = operation(operator.neg, "negative"), operation(operator.pos, "positive")
_method(Variable, "__neg__")(lambda self: unary(_NEGATIVE, self))
_method(Variable, "__pos__")(lambda self: unary(_POSITIVE, self))
_method(Variable, "__abs__")(lambda self: complexes.absolute(self))


def _comparison(function: Callable) -> Callable:
    return lambda self, other: function(value_of(self), value_of(other))


for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    _method(Variable, f"__{_name}__")(_comparison(getattr(operator, _name)))


# -- conversions -------------------------------------------------------------------------------------------------------------------
def _refused(what: str, remedy: str) -> SciadError:
    return SciadError(f"{user_location()}: {what} would drop the derivative of a traced value; {remedy}")


@_method(Variable, "__float__", "__complex__")
def _float(self):
    raise _refused(
        "conversion to a Python number (float(x), math.sin(x), or a store into a plain array)",
        "use NumPy functions on x itself; create arrays to be written to with np.zeros_like(x), or np.stack their parts; "
        "sciad.stop_gradient(x) gives the number without its derivative",
    )


@_method(Variable, "__array__")
def _array(self, dtype=None, copy=None):
    raise _refused(
        "conversion to a plain NumPy array (np.array, np.asarray, a store into a plain array, or a function that NumPy does not dispatch)",
        "use x itself, np.stack([...]) or np.array([...], like=x) in place of np.array([...]), np.zeros_like(x) for arrays to be written "
        "to, x @ S.T in place of S @ x for a scipy.sparse S; sciad.stop_gradient(x) gives the array without its derivative",
    )


_method(Variable, "item", "tolist")(lambda self, *args: _item(self, args))


def _item(self, args):
    if len(args) == 0 and math.prod(shape_of(self)) == 1:
        out = np.reshape(self, ()) if shape_of(self) else self
        return out[()] if isinstance(out, ArrayVariable) else out  # still traced: dropping the derivative would be silent
    if args:
        return self[args[0] if len(args) == 1 and isinstance(args[0], tuple) else np.unravel_index(args[0], self.shape)]
    raise _refused("x.tolist()", "iterate over x, or use sciad.stop_gradient(x)")


_method(Variable, "__bool__")(lambda self: bool(value_of(self)))
_method(Variable, "__int__")(lambda self: int(value_of(self)))
_method(Variable, "__trunc__")(lambda self: math.trunc(value_of(self)))
_method(Variable, "__floor__")(lambda self: math.floor(value_of(self)))
_method(Variable, "__ceil__")(lambda self: math.ceil(value_of(self)))
_method(Variable, "__round__")(lambda self, digits=None: round(value_of(self), digits) if digits is not None else round(value_of(self)))
_method(Variable, "__format__")(lambda self, spec: format(value_of(self), spec))
_method(Variable, "__str__")(lambda self: str(value_of(self)))
_method(Variable, "__repr__")(lambda self: f"Variable({value_of(self)!r})")
_method(Variable, "__array_ufunc__")(array_ufunc)
_method(Variable, "__array_function__")(array_function)
_method(Variable, "__copy__", "copy")(lambda self, order="C": creation.COPY(self))
_method(Variable, "__deepcopy__")(lambda self, memo: creation.COPY(self))


@_method(Variable, "__reduce_ex__", "__reduce__")
def _pickle(self, protocol=None):
    raise _refused("pickling", "pickle sciad.stop_gradient(x)")


# -- elements ----------------------------------------------------------------------------------------------------------------------
_method(ArrayVariable, "__getitem__")(getitem)
_method(ArrayVariable, "__setitem__")(lambda self, index, w: setitem(self, index, joining.array(w) if isinstance(w, (list, tuple)) else w))
_method(ArrayVariable, "__contains__")(lambda self, x: value_of(x) in value_of(self))


@_method(ArrayVariable, "__len__")
def _len(self):
    shape = self.value.shape
    if not shape:
        raise TypeError("len() of unsized object")
    return shape[0]


@_method(ArrayVariable, "__iter__")
def _iter(self):
    return iter([getitem(self, k) for k in range(_len(self))])


@_method(ArrayVariable, "flat")
@property
def _flat(self):
    flat = np.reshape(self, (-1,))
    if flat.window is None:  # a copy: a write to it would be lost
        refresh(flat)
        value_of(flat).flags.writeable = False
    return flat


# -- attributes --------------------------------------------------------------------------------------------------------------------
_method(Variable, "shape")(property(lambda self: shape_of(self.value)))
_method(Variable, "dtype")(property(lambda self: dtype_of(self.value)))
_method(Variable, "ndim")(property(lambda self: len(shape_of(self.value))))
_method(Variable, "size")(property(lambda self: math.prod(shape_of(self.value))))
_method(Variable, "itemsize")(property(lambda self: self.dtype.itemsize))
_method(Variable, "nbytes")(property(lambda self: self.dtype.itemsize * self.size))
_method(Variable, "T")(property(lambda self: shapes.transpose(self)))
_method(Variable, "mT")(property(lambda self: shapes.swapaxes(self, -1, -2)))
_method(Variable, "real")(property(lambda self: complexes.real(self)))
_method(Variable, "imag")(property(lambda self: complexes.imag(self)))

# -- methods: those of ndarray are functions of NumPy with the array as first argument ---------------------------------------------
_METHODS: dict[str, Callable] = {
    "astype": creation.astype,
    "sum": reductions.sum_, "mean": reductions.mean, "prod": reductions.prod, "max": reductions.maximum, "min": reductions.minimum,
    "var": reductions.var, "std": reductions.std, "cumsum": reductions.cumsum, "cumprod": reductions.cumprod,
    "ravel": shapes.ravel, "swapaxes": shapes.swapaxes, "squeeze": shapes.squeeze,
    "diagonal": shapes.diagonal, "trace": shapes.trace, "repeat": shapes.repeat,
    "take": selection.take, "clip": selection.clip,
    "compress": lambda self, condition, axis=None: selection.compress(condition, self, axis),
    "put": selection.put, "dot": products.dot, "conj": complexes.conjugate, "conjugate": complexes.conjugate,
    "flatten": lambda self, order="C": creation.COPY(shapes.ravel(self, order)),
    "argmax": lambda self, *a, **k: value_of(self).argmax(*a, **k),
    "argmin": lambda self, *a, **k: value_of(self).argmin(*a, **k),
    "argsort": lambda self, *a, **k: value_of(self).argsort(*a, **k),
    "argpartition": lambda self, *a, **k: value_of(self).argpartition(*a, **k),
    "searchsorted": lambda self, v, *a, **k: value_of(self).searchsorted(value_of(v), *a, **k),
    "nonzero": lambda self: value_of(self).nonzero(),
    "all": lambda self, *a, **k: np.all(value_of(self), *a, **k),
    "any": lambda self, *a, **k: np.any(value_of(self), *a, **k),
    "round": lambda self, *a, **k: np.round(value_of(self), *a, **k),
    "is_integer": lambda self: bool(value_of(self) == np.floor(value_of(self))),
}


def _with_out(function: Callable) -> Callable:
    """A method that also takes ``out=``."""

    def method(self, *args, out=None, **kwargs):
        result = function(self, *args, **kwargs)
        if out is None:
            return result
        assign(out, result)
        return out

    return method


for _name, _function in _METHODS.items():
    _method(Variable, _name)(_with_out(_function) if _function.__module__ == reductions.__name__ else _function)


@_method(Variable, "reshape")
def _reshape(self, *shape, order="C", copy=None):
    return shapes.reshape(self, shape[0] if len(shape) == 1 else shape, order, copy=copy)


@_method(Variable, "transpose")
def _transpose(self, *axes):
    axes = axes[0] if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))) else axes or None
    return shapes.transpose(self, axes)


@_method(ArrayVariable, "fill")
def _fill(self, value):
    self[...] = value


@_method(ArrayVariable, "sort")
def _sort(self, axis=-1, kind=None, order=None):
    self[...] = selection.sort(self, axis)


@_method(ArrayVariable, "view")
def _view(self, dtype=None, type=None):
    if dtype is None or dtype is np.ndarray or dtype == self.dtype:
        return self[...]
    raise SciadError(f"{user_location()}: x.view({dtype}) reads the bits of a traced array, which have no derivative; use x.astype")


@_method(Variable, "__getattr__")
def _missing_attribute(self, name):
    if name.startswith("_") or not hasattr(np.ndarray, name):
        raise AttributeError(f"a traced value has no attribute {name!r}")
    raise MissingRule(f"{user_location()}: ndarray.{name} is not supported for traced values; see docs/tape_functions.md")


