"""Elementary functions in branch-free arithmetic, which LLVM vectorises: ``from sciad import vmath; vmath.tanh(x)``.

Inside compiled functions (`numba.njit`) each takes and returns a double. Called from Python they are NumPy ufuncs.
"""

from __future__ import annotations

from numba.core import types
from numba.core.typing import signature
from numba.extending import intrinsic, lower_builtin, type_callable

from . import emit, exponential


class Elementary:
    """An elementary function: callable in compiled code on doubles, and from Python as a ufunc that is compiled when first called."""

    def __init__(self, name: str, formula, n_arguments: int = 1):
        self.__name__ = self.__qualname__ = name
        self.__doc__ = formula.__doc__
        self.formula, self.n_arguments = formula, n_arguments
        self._ufunc = None
        _register(self)

    def __call__(self, *arguments, **options):
        return self.ufunc(*arguments, **options)

    @property
    def ufunc(self):
        """The NumPy ufunc."""
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
        def of_one(x):
            return accepted if isinstance(x, types.Number | types.Boolean) and not isinstance(x, types.Complex) else None

        def of_two(x, y):
            return accepted if of_one(x) and of_one(y) else None

        return of_one if function.n_arguments == 1 else of_two

    @lower_builtin(function, *doubles)
    def lower_function(context, builder, sig, args):
        return builder.call(emit.define(builder.module, function.__name__, function.formula, function.n_arguments), args)


@intrinsic
def wide_vectors(typingctx):
    """Ask LLVM for 512-bit vectors in the function that calls this, where the processor has them."""

    def codegen(context, builder, sig, args):
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), codegen

from . import logarithm

for _n in ("exp","exp2","expm1","tanh","sinh","cosh","sigmoid"):
    globals()[_n] = Elementary(_n, getattr(exponential,_n))
for _n in ("log","log2","log10","log1p","softplus"):
    globals()[_n] = Elementary(_n, getattr(logarithm,_n))

from . import trigonometric

for _n in ("sin","cos","tan"):
    globals()[_n] = Elementary(_n, getattr(trigonometric,_n))

from . import error_function

for _n in ("erf","erfc","gelu"):
    globals()[_n] = Elementary(_n, getattr(error_function,_n))
