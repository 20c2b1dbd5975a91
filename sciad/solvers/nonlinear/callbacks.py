"""A Python function behind C function pointers, for what the compiled tier does not take; its Jacobian comes from the tape."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from sciad import tree
from sciad.errors import SciadError, ShapeError
from sciad.solvers.rhs import Rhs
from sciad.tape.saving import value_of
from sciad.tape.transform import trace_vjp

__all__ = ["Callbacks", "call", "rows_of_jacobian"]

_INT, _DOUBLE, _ADDRESS = ctypes.c_int64, ctypes.c_double, ctypes.c_ssize_t
_F = ctypes.CFUNCTYPE(_INT, _DOUBLE, _ADDRESS, _ADDRESS, _ADDRESS)
_JVP = ctypes.CFUNCTYPE(_INT, _DOUBLE, _DOUBLE, *[_ADDRESS] * 6)


def _view(address: int, shape: tuple[int, ...]) -> np.ndarray:
    """An array over memory at an address."""
    size = int(np.prod(shape))
    return np.frombuffer((ctypes.c_double * size).from_address(address), np.float64).reshape(shape)


def call(fun: Callable, x: Any, args: tuple, inplace: bool, shape: tuple[int, ...]) -> Any:
    """``fun(x, *args)``, whichever form it has, with x's shape; ShapeError where it has another."""
    if inplace:
        from sciad.tape.core import Variable, wrap

        out: Any = np.zeros(shape)
        traces = [leaf.level for leaf in tree.flatten((x, args))[0] if isinstance(leaf, Variable)]
        if traces:
            out = wrap(out, max(traces, key=lambda trace: trace.number), None)
        fun(out, x, *args)
        return out
    out = fun(x, *args)
    if isinstance(out, (tuple, list)):
        out = np.stack([np.asarray(part) if not hasattr(part, "__sciad_value__") else part for part in out])
    if np.shape(value_of(out)) != shape:
        size = int(np.prod(shape))
        if np.size(value_of(out)) != size or size != 1:
            name = getattr(fun, "__name__", "function")
            raise ShapeError(f"function `{name}` returns shape {np.shape(value_of(out))}; the shape must be {shape}, that of x")
        out = np.reshape(out, shape)
    return out


def rows_of_jacobian(fun: Callable, x: np.ndarray) -> list:
    """Rows of the Jacobian of fun at x, each of x's shape: traced where `fun` closes over traced values."""
    out, pullback = trace_vjp(fun, (x,))
    shape, size = np.shape(value_of(out)), int(np.prod(np.shape(value_of(out))))
    rows = []
    for k in range(size):
        bar = np.zeros(size)
        bar[k] = 1.0
        rows.append(pullback(bar.reshape(shape) if shape else 1.0)[0])
    return rows


class Callbacks:
    """C functions f, jac and jvp that call ``fun(x, *args)``; what it raises is kept in `error` and ends the solve."""

    def __init__(self, fun: Callable, shape: tuple[int, ...], args: tuple, inplace: bool) -> None:
        self.fun, self.shape, self.inplace = fun, shape, inplace
        leaves, structure = tree.flatten(args)
        self.args = tree.unflatten(structure, [value_of(x) for x in leaves])
        self.error: BaseException | None = None
        n = int(np.prod(shape))
        self._kept = _F(self._f), _F(self._jac), _JVP(self._jvp)
        f, jac, jvp = [ctypes.cast(function, ctypes.c_void_p).value or 0 for function in self._kept]
        self.rhs = Rhs(f, n, 0, jac=lambda: jac, jvp=lambda: jvp, owner=self)

    def value(self, x: Any) -> Any:
        """The function at x."""
        return call(self.fun, x if self.shape else x[()], self.args, self.inplace, self.shape)

    def _guarded(self, work: Callable[[], None]) -> int:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  it must not pass through C; `raise_error` raises it again
            self.error = error
            return 1
        return 0

    def raise_error(self) -> None:
        """Raise what the function raised, if it did."""
        error, self.error = self.error, None
        if error is not None:
            raise error

    def _f(self, t: float, x: int, p: int, out: int) -> int:
        def work() -> None:
            _view(out, self.shape)[...] = value_of(self.value(_view(x, self.shape).copy()))

        return self._guarded(work)

    def _jac(self, t: float, x: int, p: int, out: int) -> int:
        def work() -> None:
            n, point = self.rhs.n, _view(x, self.shape).copy()
            try:
                rows = [np.ravel(value_of(row)) for row in rows_of_jacobian(self.value, point if self.shape else point[()])]
                _view(out, (n, n))[...] = rows
            except (SciadError, TypeError):  # what the tape does not take still has differences: good enough to iterate with
                _view(out, (n, n))[...] = self._differences(point)

        return self._guarded(work)

    def _differences(self, x: np.ndarray) -> np.ndarray:
        base, columns = np.ravel(value_of(self.value(x))), []
        for k in range(x.size):
            moved = x.copy().reshape(-1)
            step = 1.5e-8 * max(abs(moved[k]), 1e-3)
            moved[k] += step
            columns.append((np.ravel(value_of(self.value(moved.reshape(self.shape)))) - base) / (moved[k] - x.reshape(-1)[k]))
        return np.stack(columns, axis=1)

    def _jvp(self, t: float, t_dot: float, x: int, x_dot: int, p: int, p_dot: int, out: int, out_dot: int) -> int:
        def work() -> None:
            point, direction = _view(x, self.shape), _view(x_dot, self.shape)
            size = float(np.max(np.abs(direction), initial=0.0))
            here = value_of(self.value(point.copy()))
            _view(out, self.shape)[...] = here
            if size == 0.0:
                _view(out_dot, self.shape)[...] = 0.0
                return
            step = 1.5e-8 * max(float(np.max(np.abs(point), initial=0.0)), 1e-3) / size
            _view(out_dot, self.shape)[...] = (value_of(self.value(point + step * direction)) - here) / step

        return self._guarded(work)
