"""Elementary functions in branch-free arithmetic, which LLVM vectorises: ``from sciad import vmath; vmath.tanh(x)``.

Inside compiled functions (`numba.njit`) each takes and returns doubles.  Called from Python they are NumPy ufuncs.  The largest errors,
measured against mpmath, are below 2 ulp (`pow`: below 1 ulp); special values are those of C99's annex F.
"""

from __future__ import annotations

from . import error_function, exponential, logarithm, power, trigonometric
from .elementary import Elementary

__all__ = [
    "exp", "exp2", "expm1", "tanh", "sinh", "cosh", "sigmoid",
    "log", "log2", "log10", "log1p", "softplus",
    "sin", "cos", "tan",
    "erf", "erfc", "gelu",
    "pow",
]  # fmt: skip

exp = Elementary("exp", exponential.exp)
exp2 = Elementary("exp2", exponential.exp2)
expm1 = Elementary("expm1", exponential.expm1)
tanh = Elementary("tanh", exponential.tanh)
sinh = Elementary("sinh", exponential.sinh)
cosh = Elementary("cosh", exponential.cosh)
sigmoid = Elementary("sigmoid", exponential.sigmoid)

log = Elementary("log", logarithm.log)
log2 = Elementary("log2", logarithm.log2)
log10 = Elementary("log10", logarithm.log10)
log1p = Elementary("log1p", logarithm.log1p)
softplus = Elementary("softplus", logarithm.softplus)

sin = Elementary("sin", trigonometric.sin)
cos = Elementary("cos", trigonometric.cos)
tan = Elementary("tan", trigonometric.tan)

erf = Elementary("erf", error_function.erf)
erfc = Elementary("erfc", error_function.erfc)
gelu = Elementary("gelu", error_function.gelu)

pow = Elementary("pow", power.pow, 2)
