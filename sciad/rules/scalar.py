"""The rule book: derivatives of the elementwise operations.  One line each; see `sciad.rules.registry` for the form.

Conventions at kinks and at the edge of a domain, the same in both tiers: d|x| is 0 at 0; a tie of max or min gives the whole derivative
to the first operand; x**0 has derivative 0 and x**1 derivative 1, at 0 too; a**b with a <= 0 has derivative 0 with respect to b; hypot
and arctan2 have derivative 0 at the origin; copysign(x, y) has derivative 0 at x = 0; comparisons, roundings and signs have derivative 0.
A `singular` rule gives 0 for a zero cotangent whatever the partial.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sciad.errors import MissingRule
from sciad.rules.registry import alias, linear, nondiff, rule

LN2, LN10 = math.log(2.0), math.log(10.0)
TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)
ROOT_TWO_PI = math.sqrt(2.0 * math.pi)


def special(name: str) -> Callable:
    """A function of scipy.special, imported when first called: most sessions never need it."""

    def call(*args):
        from scipy.special import _ufuncs  # Hurwitz' zeta is public only behind a function that refuses anything but arrays

        return getattr(_ufuncs, name)(*args)

    return call


def unknown(operation: str, operand: str) -> Callable:
    """A partial derivative that nobody has written down."""

    def partial(*_):
        raise MissingRule(f"`{operation}` has no derivative with respect to `{operand}`; see sciad.rules.registry.rule")

    return partial


def nowhere(y, *inputs):
    """Derivative zero, of an operand that enters only through its sign or its order."""
    return 0.0


def either(chosen):
    """1 where a condition holds, else 0."""
    return np.where(chosen, 1.0, 0.0)


def nonzero(x):
    """x, with 1 in place of zeros: a denominator for a branch that is not taken there."""
    return np.where(x == 0, 1.0, x)


# -- arithmetic --------------------------------------------------------------------------------------------------------------------
linear("add", 1, 1)
linear("subtract", 1, -1)
linear("negative", -1)
linear("positive", 1)
linear("deg2rad", math.pi / 180)
linear("radians", math.pi / 180)
linear("rad2deg", 180 / math.pi)
linear("degrees", 180 / math.pi)
linear("nextafter", 1, 0)
rule("multiply", lambda y, a, b: b, lambda y, a, b: a)
rule("divide", lambda y, a, b: 1 / b, lambda y, a, b: -y / b, singular=True)
rule("square", lambda y, x: 2 * x)
rule("reciprocal", lambda y, x: -y * y, singular=True)
rule("ldexp", lambda y, x, i: np.exp2(i), None)

# -- powers and roots --------------------------------------------------------------------------------------------------------------
for _name in ("power", "float_power"):
    rule(
        _name,
        lambda y, a, b: np.where(b == 0, 0.0, b * a ** np.where(b == 0, 1.0, b - 1.0)),
        lambda y, a, b: np.where(a > 0, y * np.log(np.where(a > 0, a, 1.0)), 0.0),
        singular=True,
    )
rule("sqrt", lambda y, x: 0.5 / y, singular=True)
rule("cbrt", lambda y, x: 1 / (3 * y * y), singular=True)

# -- exponentials and logarithms ---------------------------------------------------------------------------------------------------
rule("exp", lambda y, x: y)
rule("exp2", lambda y, x: LN2 * y)
rule("expm1", lambda y, x: np.exp(x))
rule("log", lambda y, x: 1 / x, singular=True)
rule("log2", lambda y, x: 1 / (LN2 * x), singular=True)
rule("log10", lambda y, x: 1 / (LN10 * x), singular=True)
rule("log1p", lambda y, x: 1 / (1 + x), singular=True)


def _share(a, y):
    """a - y, the logarithm of a's share of the sum; an infinite a has the whole of it."""
    return np.where(np.isinf(y), np.where(a == y, 0.0, -np.inf), a - y)


rule("logaddexp", lambda y, a, b: np.exp(_share(a, y)), lambda y, a, b: np.exp(_share(b, y)))
rule("logaddexp2", lambda y, a, b: np.exp2(_share(a, y)), lambda y, a, b: np.exp2(_share(b, y)))

# -- trigonometric and hyperbolic --------------------------------------------------------------------------------------------------
rule("sin", lambda y, x: np.cos(x))
rule("cos", lambda y, x: -np.sin(x))
rule("tan", lambda y, x: 1 + y * y)
rule("arcsin", lambda y, x: 1 / np.sqrt((1 - x) * (1 + x)), singular=True)
rule("arccos", lambda y, x: -1 / np.sqrt((1 - x) * (1 + x)), singular=True)
rule("arctan", lambda y, x: 1 / (1 + x * x))
rule("sinh", lambda y, x: np.cosh(x))
rule("cosh", lambda y, x: np.sinh(x))
rule("tanh", lambda y, x: 1 - y * y)
rule("arcsinh", lambda y, x: 1 / np.sqrt(1 + x * x))
rule("arccosh", lambda y, x: 1 / np.sqrt((x - 1) * (x + 1)), singular=True)
rule("arctanh", lambda y, x: 1 / ((1 - x) * (1 + x)), singular=True)


def _over_hypot(x, a, b):
    """x / (a*a + b*b), without overflow; 0 at the origin."""
    r = np.hypot(a, b)
    return np.where(r == 0, 0.0, x / nonzero(r) / nonzero(r))


rule("arctan2", lambda y, a, b: _over_hypot(b, a, b), lambda y, a, b: _over_hypot(-a, a, b), singular=True)
rule(
    "hypot",
    lambda y, a, b: np.where(y == 0, 0.0, a / nonzero(y)),
    lambda y, a, b: np.where(y == 0, 0.0, b / nonzero(y)),
    singular=True,
)

# -- kinks: conventions in the head of this file -----------------------------------------------------------------------------------
rule("absolute", lambda y, x: np.sign(x))
rule("fabs", lambda y, x: np.sign(x))
rule(
    "maximum",  # NaN passes through, and its derivative goes where it came from
    lambda y, a, b: either(np.logical_or(a >= b, a != a)),
    lambda y, a, b: 1.0 - either(np.logical_or(a >= b, a != a)),
)
rule(
    "minimum",
    lambda y, a, b: either(np.logical_or(a <= b, a != a)),
    lambda y, a, b: 1.0 - either(np.logical_or(a <= b, a != a)),
)
rule(
    "fmax",  # NaN is ignored
    lambda y, a, b: either(np.logical_or(a >= b, b != b)),
    lambda y, a, b: 1.0 - either(np.logical_or(a >= b, b != b)),
)
rule(
    "fmin",
    lambda y, a, b: either(np.logical_or(a <= b, b != b)),
    lambda y, a, b: 1.0 - either(np.logical_or(a <= b, b != b)),
)
rule("where", None, lambda y, c, a, b: either(c), lambda y, c, a, b: 1.0 - either(c), singular=True)
rule("remainder", lambda y, a, b: 1.0, lambda y, a, b: -np.floor(a / b), singular=True)
rule("fmod", lambda y, a, b: 1.0, lambda y, a, b: -np.trunc(a / b), singular=True)
rule("copysign", lambda y, a, b: np.sign(a) * np.copysign(1.0, b), nowhere)
rule("heaviside", nowhere, lambda y, a, b: either(a == 0))
nondiff("floor", "ceil", "trunc", "rint", "sign", "signbit", "spacing", "isfinite", "isinf", "isnan")
nondiff("floor_divide", n_inputs=2)
nondiff("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", n_inputs=2)
nondiff("logical_and", "logical_or", "logical_xor", n_inputs=2)
nondiff("logical_not", "invert", "bitwise_count")
nondiff("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "gcd", "lcm", n_inputs=2)

# -- machine learning --------------------------------------------------------------------------------------------------------------
rule("expit", lambda y, x: y * (1 - y))
rule("softplus", lambda y, x: np.exp(x - y))
rule("log_expit", lambda y, x: -np.expm1(y))
rule("logit", lambda y, x: 1 / (x * (1 - x)), singular=True)


def _gelu_slope(x):
    """Derivative of x Phi(x) in Hendrycks & Gimpel's tanh form (arXiv 1606.08415), the one that `sciad.nn` uses."""
    scale, cubic = math.sqrt(2.0 / math.pi), 0.044715
    t = np.tanh(scale * (x + cubic * x * x * x))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (scale * (1 + 3 * cubic * x * x))


rule("gelu", lambda y, x: _gelu_slope(x))

# -- scipy.special -----------------------------------------------------------------------------------------------------------------
rule("erf", lambda y, x: TWO_OVER_ROOT_PI * np.exp(-x * x))
rule("erfc", lambda y, x: -TWO_OVER_ROOT_PI * np.exp(-x * x))
rule("erfcx", lambda y, x: 2 * x * y - TWO_OVER_ROOT_PI)
rule("erfinv", lambda y, x: np.exp(y * y) / TWO_OVER_ROOT_PI, singular=True)
rule("ndtr", lambda y, x: np.exp(-0.5 * x * x) / ROOT_TWO_PI)
rule("log_ndtr", lambda y, x: np.exp(-0.5 * x * x - y) / ROOT_TWO_PI)
rule("ndtri", lambda y, x: ROOT_TWO_PI * np.exp(0.5 * y * y), singular=True)
rule("gamma", lambda y, x: y * special("psi")(x))
rule("gammaln", lambda y, x: special("psi")(x))
rule("loggamma", lambda y, x: special("psi")(x))
rule("digamma", lambda y, x: special("_zeta")(2.0, x))
rule("zeta", unknown("zeta", "s"), lambda y, s, q: -s * special("_zeta")(s + 1, q))  # Hurwitz: zeta(s, q)
rule("xlogy", lambda y, a, b: np.log(b), lambda y, a, b: a / b, singular=True)
rule("xlog1py", lambda y, a, b: np.log1p(b), lambda y, a, b: a / (1 + b), singular=True)
rule("entr", lambda y, x: -1 - np.log(x), singular=True)
rule("rel_entr", lambda y, a, b: 1 + np.log(a / b), lambda y, a, b: -a / b, singular=True)
rule("i0", lambda y, x: special("i1")(x))
rule("i1", lambda y, x: special("i0")(x) - np.where(x == 0, 0.5, y / nonzero(x)))
rule("j0", lambda y, x: -special("j1")(x))
rule("j1", lambda y, x: special("j0")(x) - np.where(x == 0, 0.5, y / nonzero(x)))

for _other, _name in {
    "true_divide": "divide",
    "mod": "remainder",
    "abs": "absolute",
    "conj": "conjugate",
    "pow": "power",
    "sigmoid": "expit",
    "psi": "digamma",
    "_zeta": "zeta",
}.items():
    alias(_other, _name)
