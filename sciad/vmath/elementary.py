"""What the functions of this package are: callables that compiled code inlines and that Python calls as NumPy ufuncs."""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
from numba.core import types
from numba.core.typing import signature
from numba.extending import lower_builtin, type_callable

from .emit import define

__all__ = ["Elementary"]


class Elementary:
    """An elementary function: callable in compiled code on doubles, and from Python as a ufunc that is compiled when first called."""

    def __init__(self, name: str, formula: Callable, n_arguments: int = 1) -> None:
        self.__name__ = self.__qualname__ = name
        self.__module__ = "sciad.vmath"  # where pickle, and with it numba's disk cache, finds it
        self.__doc__ = formula.__doc__
        self.formula, self.n_arguments = formula, n_arguments
        self._ufunc: np.ufunc | None = None
        _register(self)

    def __call__(self, *arguments, **options):
        return self.ufunc(*arguments, **options)

    @property
    def ufunc(self) -> np.ufunc:
        """The NumPy ufunc of this function, for doubles."""
        if self._ufunc is None:
            self._ufunc = _compile_ufunc(self)
        return self._ufunc

    def __repr__(self) -> str:
        return f"<sciad.vmath.{self.__name__}>"

    def __reduce__(self) -> str:
        return self.__name__


def _register(function: Elementary) -> None:
    doubles = [types.float64] * function.n_arguments
    accepted = signature(types.float64, *doubles)

    @type_callable(function)
    def type_function(context):
        def is_real(x):
            return isinstance(x, types.Number | types.Boolean) and not isinstance(x, types.Complex)

        def of_one(x):
            return accepted if is_real(x) else None

        def of_two(x, y):
            return accepted if is_real(x) and is_real(y) else None

        return of_one if function.n_arguments == 1 else of_two

    @lower_builtin(function, *doubles)
    def lower_function(context, builder, sig, args):
        return builder.call(define(builder.module, function.__name__, function.formula, function.n_arguments), args)


def _compile_ufunc(function: Elementary) -> np.ufunc:
    def of_one(x):
        return function(x)

    def of_two(x, y):
        return function(x, y)

    element = of_one if function.n_arguments == 1 else of_two
    element.__name__ = element.__qualname__ = function.__name__
    element.__doc__ = function.__doc__
    return numba.vectorize([types.float64(*[types.float64] * function.n_arguments)])(element)
