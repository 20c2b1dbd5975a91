"""A right-hand side that stays in Python: C callbacks with the signatures of a compiled field, derivatives by the tape.

An exception in the function ends the solve with a status; `reraise` then raises it where the user called.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from sciad import tree
from sciad.errors import SciadError, ShapeError
from sciad.field import Slot, inplace_returns
from sciad.frontend.lower import kind_of
from sciad.tape import is_traced, trace_jvp, trace_vjp, value_of

__all__ = ["CallbackField", "view"]

DOUBLE, POINTER, STATUS = ctypes.c_double, ctypes.c_ssize_t, ctypes.c_int64
F8 = np.dtype(np.float64)


class CallbackField:
    """``fun(t, y, *args)`` as C callbacks: the same attributes as `sciad.field.Field`, run by the interpreter.

    Floats and arrays of `args` are differentiated; what `fun` closes over is not: a traced value among it raises.
    """

    tape_size = 0
    approximate = False  # whether differences may stand for derivatives that the tape refuses: only where nothing is differentiated
    autonomous = False
    calls_python = True

    def __init__(self, fun: Callable, y_shape: tuple, args: tuple, *, inplace: bool, time: bool, out_shape: tuple | None) -> None:
        self.fun, self.inplace, self.time = fun, inplace, time
        self.y_shape, self.out_shape = y_shape, y_shape if out_shape is None else out_shape
        self.n, self.m = int(np.prod(y_shape)), int(np.prod(self.out_shape))
        self.name = getattr(fun, "__name__", type(fun).__name__)
        leaves, self.structure = tree.flatten(args)
        self.template = [value_of(x) for x in leaves]
        self.slots: list[Slot] = []
        self.arg_places: list[int] = []
        size = 0
        for k, x in enumerate(self.template):
            if _in_vector(x):
                self.slots.append(Slot(size, None if np.ndim(x) == 0 and not isinstance(x, np.ndarray) else np.shape(x), _is_float(x)))
                self.arg_places.append(k)
                size += self.slots[-1].size
        self.n_p = size
        places = zip(self.arg_places, self.slots)
        self._shapes = [(k, slot.start, slot.start + slot.size, slot.shape, self._dtype(k, slot)) for k, slot in places]
        self._plain = all(child.kind == "leaf" for child in self.structure.children)
        self._errors: dict[int, BaseException] = {}  # what the function raised, by thread
        self._alive: list = []

    def _dtype(self, k: int, slot: Slot) -> np.dtype | None:
        """That of an array or number that travels as floats, and is turned back."""
        return None if slot.differentiable else np.asarray(self.template[k]).dtype

    # -- parameters ------------------------------------------------------------------------------------------------------------
    def leaves(self, args: tuple, function: Callable | None = None) -> list:
        """The floats and arrays of args."""
        return self.leaves_of(tree.flatten(args)[0], function)

    def leaves_of(self, flat_args: list, function: Callable | None = None) -> list:
        """The same, from the leaves of args."""
        return [flat_args[k] for k in self.arg_places]

    def pack(self, leaves: list) -> np.ndarray:
        """The parameter vector."""
        p = np.empty(self.n_p)
        for slot, x in zip(self.slots, leaves):
            p[slot.part] = np.ravel(value_of(x))
        return p

    def pack_tangents(self, dots: list) -> np.ndarray:
        """The tangent of the parameter vector from those of the leaves (None for zero)."""
        p_dot = np.zeros(self.n_p)
        for slot, dot in zip(self.slots, dots):
            if dot is not None:
                p_dot[slot.part] = np.reshape(dot, -1)
        return p_dot

    def unpack(self, p_bar: np.ndarray) -> list:
        """Cotangents of the leaves from that of the parameter vector."""
        return [self._leaf(slot, p_bar) if slot.differentiable else None for slot in self.slots]

    @staticmethod
    def _leaf(slot: Slot, p: np.ndarray) -> Any:
        part = p[slot.part]
        return float(part[0]) if slot.shape is None else part.reshape(slot.shape).copy()

    def _args(self, p: np.ndarray) -> tuple:
        leaves = list(self.template)
        for k, start, stop, shape, dtype in self._shapes:
            value: Any = p.item(start) if shape is None else p[start:stop].reshape(shape).copy()
            leaves[k] = value if dtype is None else np.asarray(value, dtype)[()]
        return tuple(leaves) if self._plain else tree.unflatten(self.structure, leaves)

    def current(self, function: Callable) -> bool:
        """Compiled fields serve other closures; callbacks call one function, see `serves`."""
        return False

    def serves(self, function: Callable, args: tuple) -> bool:
        """Whether these are callbacks of this very function for arguments whose leaves, but floats and arrays, are the same objects."""
        if function is not self.fun:
            return False
        vector = set(self.arg_places)
        return all(x is y for k, (x, y) in enumerate(zip(tree.leaves(args), self.template)) if k not in vector)

    # -- the function ----------------------------------------------------------------------------------------------------------
    def __call__(self, t: Any, y: Any, args: tuple) -> Any:
        lead = (t, y) if self.time else (y,)
        if not self.inplace:
            return self.fun(*lead, *args)
        out = np.zeros_like(y) if self.out_shape == self.y_shape else np.zeros(self.out_shape, like=y)
        given = self.fun(out, *lead, *args)
        if given is not None and given is not out:
            raise inplace_returns("right-hand side" if self.time else "function", self.name)
        return out

    def _checked(self, value: Any) -> np.ndarray:
        if type(value) is np.ndarray and value.dtype is F8 and value.shape == self.out_shape:
            return value
        if isinstance(value, (list, tuple)) and any(map(is_traced, value)) or is_traced(value):
            raise SciadError(
                f"`{self.name}` runs in Python and closes over a value that is being differentiated; pass it through args, "
                f"or make `{self.name}` compilable (see the PerformanceWarning)"
            )
        out = np.asarray(value, float)
        if out.size != self.m or (out.shape not in (self.out_shape, (*self.out_shape, 1)) and self.m > 1):  # a column will do
            raise ShapeError(f"`{self.name}` returns shape {out.shape}; the shape must be {self.out_shape}")
        return out

    def _guard(self, body: Callable, *kinds: Any) -> int:
        def run(*given: Any) -> int:
            try:
                body(*given)
            except BaseException as error:  # kept for `reraise`: an exception cannot travel through compiled code
                self._errors[threading.get_ident()] = error
                return 1
            return 0

        callback = ctypes.CFUNCTYPE(STATUS, *kinds)(run)
        self._alive.append(callback)
        return ctypes.cast(callback, ctypes.c_void_p).value or 0

    def reraise(self) -> None:
        """Raise what the function raised during the last solve, if it did."""
        error = self._errors.pop(threading.get_ident(), None)
        if error is not None:
            raise error

    def _trace_args(self, t: float, y: int, p: int) -> tuple:
        state = view(y, self.n)
        return t, state.reshape(self.y_shape).copy() if self.y_shape else state.item(), self._args(view(p, self.n_p))

    @cached_property
    def f(self) -> int:
        """Address of ``f(t, y, p, dy)``."""

        def body(t: float, y: int, p: int, dy: int) -> None:
            view(dy, self.m)[:] = self._checked(self(*self._trace_args(t, y, p))).reshape(-1)

        return self._guard(body, DOUBLE, POINTER, POINTER, POINTER)

    @cached_property
    def aug(self) -> int:
        """Address of ``aug(t, y, p, dy, tape)``: f, with nothing on the tape."""

        def body(t: float, y: int, p: int, dy: int, tape: int) -> None:
            view(dy, self.m)[:] = self._checked(self(*self._trace_args(t, y, p))).reshape(-1)

        return self._guard(body, DOUBLE, *[POINTER] * 4)

    @cached_property
    def rev(self) -> int:
        """Address of ``rev(t, y, p, tape, dy_bar, y_bar, p_bar, t_bar)``: the tape of one evaluation."""

        def body(t: float, y: int, p: int, tape: int, dy_bar: int, y_bar: int, p_bar: int, t_bar: int) -> None:
            out, pullback = trace_vjp(self._array_valued, self._trace_args(t, y, p))
            found = pullback(view(dy_bar, self.m).reshape(np.shape(out)).copy())
            view(t_bar, 1)[0] += found[0]
            view(y_bar, self.n)[:] += np.ravel(found[1])
            self._add_parameters(view(p_bar, self.n_p), tree.leaves(found[2]))

        return self._guard(body, DOUBLE, *[POINTER] * 7)

    def _array_valued(self, t: Any, y: Any, args: tuple) -> Any:
        from sciad.tape import array

        value = self(t, y, args)
        return array(value) if isinstance(value, (list, tuple)) else value

    def _add_parameters(self, p_bar: np.ndarray, bars: list) -> None:
        differentiable = [slot for slot in self.slots if slot.differentiable]
        for slot, bar in zip(differentiable, bars):
            p_bar[slot.part] += np.ravel(bar)

    @cached_property
    def jvp(self) -> int:
        """Address of ``jvp(t, t_dot, y, y_dot, p, p_dot, dy, dy_dot)``."""

        def body(t: float, t_dot: float, y: int, y_dot: int, p: int, p_dot: int, dy: int, dy_dot: int) -> None:
            view(dy, self.m)[:], view(dy_dot, self.m)[:] = self._push(t, t_dot, y, view(y_dot, self.n), p, view(p_dot, self.n_p))

        return self._guard(body, DOUBLE, DOUBLE, *[POINTER] * 6)

    def _push(self, t: float, t_dot: float, y: int, y_dot: np.ndarray, p: int, p_dot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        args = self._trace_args(t, y, p)
        dots = [None] * len(self.template)
        for k, slot in zip(self.arg_places, self.slots):
            if slot.differentiable:
                dots[k] = self._leaf(slot, p_dot)
        direction = y_dot.reshape(self.y_shape).copy() if self.y_shape else float(y_dot[0])
        try:
            out, out_dot = trace_jvp(self._array_valued, args, (t_dot, direction, tree.unflatten(self.structure, dots)))
        except SciadError:
            if not self.approximate or p_dot.any():
                raise
            return self._difference(t, t_dot, np.ravel(args[1]), y_dot, args[2])
        return np.ravel(out), np.ravel(out_dot)

    def _difference(self, t: float, t_dot: float, y: np.ndarray, y_dot: np.ndarray, args: tuple) -> tuple[np.ndarray, np.ndarray]:
        """The value and a forward difference in one direction."""
        length = max(float(np.max(np.abs(y_dot), initial=0.0)), abs(t_dot), 1e-300)
        size = 1.5e-8 * max(float(np.max(np.abs(y), initial=0.0)), 1e-5) / length
        ends = [
            self._checked(self(t + s * t_dot, (y + s * y_dot).reshape(self.y_shape)[()], args)).reshape(-1) for s in (0.0, size)
        ]
        return ends[0], (ends[1] - ends[0]) / size

    @cached_property
    def jac(self) -> int:
        """Address of ``jac(t, y, p, J)``: forward derivatives in all n directions."""

        def body(t: float, y: int, p: int, jac: int) -> None:
            J, blank = view(jac, self.m * self.n).reshape(self.m, self.n), np.zeros(self.n_p)
            for k, unit in enumerate(np.eye(self.n)):
                J[:, k] = self._push(t, 0.0, y, unit, p, blank)[1]

        return self._guard(body, DOUBLE, *[POINTER] * 3)

    @property
    def jvp_rev(self) -> int:
        """Second-order products are not offered by callbacks."""
        raise SciadError(
            f"`{self.name}` runs in Python, where the adjoint of this method needs second derivatives; choose another method or adjoint, "
            f"or make `{self.name}` compilable (see the PerformanceWarning)"
        )


@lru_cache(maxsize=512)
def view(address: int, n: int) -> np.ndarray:
    """The n floats at an address as an array: a window that owns nothing, so that one of long ago is as good as a new one."""
    return np.ctypeslib.as_array((DOUBLE * n).from_address(address)) if n else np.empty(0)


def _in_vector(x: Any) -> bool:
    return kind_of(x).is_array or _is_float(x)


def _is_float(x: Any) -> bool:
    return kind_of(x).differentiable
