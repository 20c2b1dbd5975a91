"""Jacobians that the user gives, as C functions: an array, a compiled function, or a callback into Python."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.errors import ShapeError, UnsupportedSyntax
from sciad.field import Field
from sciad.solvers.callback import DOUBLE, POINTER, STATUS, view
from sciad.solvers.fields import Compiled
from sciad.tape import value_of

__all__ = ["with_jacobian"]


class UserJacobian:
    """The Jacobian d f / d y (n, n) of a right-hand side, given as an array or as ``jac(t, y, *args)``; dense or scipy.sparse."""

    def __init__(self, jac: Any, shape: tuple[int, ...], args: tuple, n: int, n_arg_entries: int) -> None:
        self.n, self.error, self.kind = n, None, "python"
        self._alive: Any = None
        if callable(jac):
            self.address = self._compiled(jac, shape, args, n_arg_entries) or self._callback(lambda t, y: jac(t, y, *args), shape)
        else:
            matrix, self.kind = self._dense(jac), "constant"
            self.address = self._callback(lambda t, y: matrix, shape)

    def _compiled(self, jac: Callable, shape: tuple[int, ...], args: tuple, n_arg_entries: int) -> int | None:
        """Args lie first in the parameter vector of the right-hand side, so a function of these alone can read them there."""
        try:
            field = Field(jac, shape, args, out_shape=(self.n, self.n))
        except (UnsupportedSyntax, ShapeError):
            return None
        if field.n_p != n_arg_entries:
            return None
        self._alive, self.kind = field, "compiled"
        return field.f

    def _dense(self, value: Any) -> np.ndarray:
        value = value.toarray() if hasattr(value, "toarray") else np.asarray(value, float)
        if value.shape != (self.n, self.n):
            raise ValueError(f"`jac` is expected to have shape {(self.n, self.n)}, but actually has {value.shape}.")
        return value

    def _callback(self, jac: Callable, shape: tuple[int, ...]) -> int:
        def run(t: float, y: int, p: int, out: int) -> int:
            try:
                view(out, self.n * self.n)[:] = self._dense(jac(t, view(y, self.n).reshape(shape).copy())).reshape(-1)
            except BaseException as error:
                self.error = error
                return 1
            return 0

        self._alive = ctypes.CFUNCTYPE(STATUS, DOUBLE, *[POINTER] * 3)(run)
        return ctypes.cast(self._alive, ctypes.c_void_p).value or 0


def with_jacobian(compiled: Compiled, jac: Any, shape: tuple[int, ...], args: tuple) -> tuple[Any, UserJacobian]:
    """The right-hand side with the user's Jacobian in place of the derived one, and its owner."""
    from dataclasses import replace

    field = compiled.field
    entries = sum(slot.size for slot in field.slots[: getattr(field, "n_arg_slots", 0)])
    owner = UserJacobian(jac, shape, tuple(value_of(a) for a in args), compiled.rhs.n, entries)
    return replace(compiled.rhs, jac=lambda: owner.address, jac_kind=owner.kind, owner=(compiled.rhs.owner, owner)), owner
