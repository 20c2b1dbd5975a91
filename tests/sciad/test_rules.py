"""The rule book: every partial against mpmath, the conventions at kinks, and that no float ufunc of NumPy is forgotten."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from sciad.errors import MissingRule, SciadError
from sciad.rules import registry
from sciad.rules.registry import lookup, names

mp = pytest.importorskip("mpmath")

#: name -> (the function in mpmath, an interval of its domain for each input)
ANY, POSITIVE, UNIT = (-2.0, 2.0), (0.3, 2.0), (-0.9, 0.9)
FUNCTIONS = {
    "add": (lambda a, b: a + b, ANY, ANY),
    "subtract": (lambda a, b: a - b, ANY, ANY),
    "negative": (lambda x: -x, ANY),
    "positive": (lambda x: x, ANY),
    "deg2rad": (lambda x: x * mp.pi / 180, ANY),
    "radians": (lambda x: x * mp.pi / 180, ANY),
    "rad2deg": (lambda x: x * 180 / mp.pi, ANY),
    "degrees": (lambda x: x * 180 / mp.pi, ANY),
    "multiply": (lambda a, b: a * b, ANY, ANY),
    "divide": (lambda a, b: a / b, ANY, POSITIVE),
    "square": (lambda x: x * x, ANY),
    "reciprocal": (lambda x: 1 / x, POSITIVE),
    "power": (lambda a, b: a**b, POSITIVE, ANY),
    "float_power": (lambda a, b: a**b, POSITIVE, ANY),
    "sqrt": (mp.sqrt, POSITIVE),
    "cbrt": (mp.cbrt, POSITIVE),
    "exp": (mp.exp, ANY),
    "exp2": (lambda x: mp.mpf(2) ** x, ANY),
    "expm1": (mp.expm1, (-40.0, 2.0)),
    "log": (mp.log, POSITIVE),
    "log2": (lambda x: mp.log(x, 2), POSITIVE),
    "log10": (mp.log10, POSITIVE),
    "log1p": (mp.log1p, (-0.9, 2.0)),
    "logaddexp": (lambda a, b: mp.log(mp.exp(a) + mp.exp(b)), (-30.0, 30.0), (-30.0, 30.0)),
    "logaddexp2": (lambda a, b: mp.log(mp.mpf(2) ** a + mp.mpf(2) ** b, 2), ANY, ANY),
    "sin": (mp.sin, ANY),
    "cos": (mp.cos, ANY),
    "tan": (mp.tan, (-1.4, 1.4)),
    "arcsin": (mp.asin, UNIT),
    "arccos": (mp.acos, UNIT),
    "arctan": (mp.atan, ANY),
    "sinh": (mp.sinh, ANY),
    "cosh": (mp.cosh, ANY),
    "tanh": (mp.tanh, ANY),
    "arcsinh": (mp.asinh, ANY),
    "arccosh": (mp.acosh, (1.1, 5.0)),
    "arctanh": (mp.atanh, UNIT),
    "arctan2": (mp.atan2, ANY, POSITIVE),
    "hypot": (mp.hypot, ANY, POSITIVE),
    "absolute": (abs, (-2.0, -0.1)),
    "fabs": (abs, (0.1, 2.0)),
    "maximum": (max, ANY, ANY),
    "minimum": (min, ANY, ANY),
    "fmax": (max, ANY, ANY),
    "fmin": (min, ANY, ANY),
    "remainder": (lambda a, b: a - b * mp.floor(a / b), (-9.8, -9.2), (2.0, 2.2)),
    "fmod": (lambda a, b: a - b * (mp.ceil(a / b) if a < 0 else mp.floor(a / b)), (-9.8, -9.2), (2.0, 2.2)),
    "copysign": (lambda a, b: abs(a) * mp.sign(b), (-2.0, -0.1), (-2.0, -0.1)),
    "expit": (lambda x: 1 / (1 + mp.exp(-x)), (-30.0, 8.0)),
    "softplus": (lambda x: mp.log1p(mp.exp(x)), (-30.0, 30.0)),
    "log_expit": (lambda x: -mp.log1p(mp.exp(-x)), (-5.0, 30.0)),
    "logit": (lambda x: mp.log(x / (1 - x)), (0.1, 0.9)),
    "gelu": (lambda x: x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3))), ANY),
    "erf": (mp.erf, ANY),
    "erfc": (mp.erfc, ANY),
    "erfcx": (lambda x: mp.exp(x * x) * mp.erfc(x), ANY),
    "erfinv": (mp.erfinv, UNIT),
    "ndtr": (mp.ncdf, ANY),
    "log_ndtr": (lambda x: mp.log(mp.ncdf(x)), (-6.0, 2.0)),
    "ndtri": (lambda x: mp.sqrt(2) * mp.erfinv(2 * x - 1), (0.1, 0.9)),
    "gamma": (mp.gamma, POSITIVE),
    "gammaln": (lambda x: mp.log(abs(mp.gamma(x))), (-1.9, -1.1)),
    "loggamma": (mp.loggamma, POSITIVE),
    "digamma": (mp.digamma, (-1.9, -1.1)),
    "xlogy": (lambda a, b: a * mp.log(b), ANY, POSITIVE),
    "xlog1py": (lambda a, b: a * mp.log1p(b), ANY, POSITIVE),
    "entr": (lambda x: -x * mp.log(x), POSITIVE),
    "rel_entr": (lambda a, b: a * mp.log(a / b), POSITIVE, POSITIVE),
    "i0": (lambda x: mp.besseli(0, x), ANY),
    "i1": (lambda x: mp.besseli(1, x), ANY),
    "j0": (lambda x: mp.besselj(0, x), ANY),
    "j1": (lambda x: mp.besselj(1, x), ANY),
}
#: Tested apart: discrete operands, or a derivative with respect to one operand only.
APART = {"where", "ldexp", "nextafter", "heaviside", "zeta"}


def partials(name, *inputs):
    """Value of a rule's partials at plain numbers."""
    found = lookup(name)
    if found.kind == "linear":
        return [float(c) for c in found.partials]
    y = VALUES.get(name, getattr(np, name, None) or getattr(scipy.special, name, None))(*inputs)
    with np.errstate(all="ignore"):
        return [None if p is None else p(y, *inputs) for p in found.partials]


VALUES = {
    "softplus": lambda x: np.logaddexp(0.0, x),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "zeta": lambda s, q: scipy.special.zeta(s, q),
    "where": lambda c, a, b: np.where(c, a, b)[()],
}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_partials_against_mpmath(name, rng):
    function, *domains = FUNCTIONS[name]
    with mp.workdps(40):
        for _ in range(10):
            point = [rng.uniform(*d) for d in domains]
            for k, found in enumerate(partials(name, *map(np.float64, point))):
                exact = [mp.mpf(float(x)) for x in point]
                want = mp.diff(lambda v: function(*exact[:k], v, *exact[k + 1:]), exact[k])  # noqa: B023
                assert float(found) == pytest.approx(float(want), rel=2e-12, abs=1e-25), f"{name}{tuple(point)} by input {k}"


def test_every_rule_is_tested():
    assert set(FUNCTIONS) | APART == set(names("rule")) | set(names("linear"))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_partials_take_arrays_and_keep_to_what_they_say_they_read(name, rng):
    found = lookup(name)
    _, *domains = FUNCTIONS[name]
    inputs = [rng.uniform(*d, size=3) for d in domains]
    assert found.n_inputs == len(domains)
    if found.kind == "rule":
        y = VALUES.get(name, getattr(np, name, None) or getattr(scipy.special, name, None))(*inputs)
        for partial, reads in zip(found.partials, found.reads):
            full = partial(y, *inputs)
            sparing = partial(*[v if k in reads else None for k, v in enumerate([y, *inputs])])
            np.testing.assert_array_equal(full, sparing)
            assert np.shape(full) in ((), (3,))


def test_rules_of_discrete_operands():
    assert partials("where", True, 1.0, 2.0) == [None, 1.0, 0.0]
    assert partials("where", False, 1.0, 2.0) == [None, 0.0, 1.0]
    assert partials("ldexp", 1.5, 3) == [8.0, None]
    assert partials("nextafter", 1.0, 2.0) == [1.0, 0.0]
    assert partials("heaviside", 0.0, 0.5) == [0.0, 1.0]
    assert partials("heaviside", 1.0, 0.5) == [0.0, 0.0]
    h = 1e-6
    slope = (scipy.special.zeta(3.0, 1.5 + h) - scipy.special.zeta(3.0, 1.5 - h)) / (2 * h)
    found = lookup("zeta")
    assert found.partials[1](None, 3.0, 1.5) == pytest.approx(slope, rel=1e-8)
    with pytest.raises(MissingRule, match="with respect to `s`"):
        found.partials[0](None, 3.0, 1.5)


INF, NAN = np.inf, np.nan


@pytest.mark.parametrize(
    ("name", "inputs", "want"),
    [
        ("absolute", (0.0,), (0,)),
        ("maximum", (1.0, 1.0), (1, 0)),
        ("minimum", (1.0, 1.0), (1, 0)),
        ("fmax", (1.0, 1.0), (1, 0)),
        ("fmin", (1.0, 1.0), (1, 0)),
        ("maximum", (NAN, 1.0), (1, 0)),
        ("maximum", (1.0, NAN), (0, 1)),
        ("minimum", (1.0, NAN), (0, 1)),
        ("fmax", (NAN, 1.0), (0, 1)),
        ("fmax", (1.0, NAN), (1, 0)),
        ("fmin", (1.0, NAN), (1, 0)),
        ("power", (0.0, 0.0), (0, 0)),
        ("power", (0.0, 1.0), (1, 0)),
        ("power", (0.0, 2.0), (0, 0)),
        ("power", (0.0, 0.5), (INF, 0)),
        ("power", (-2.0, 3.0), (12, 0)),
        ("power", (-2.0, 1.0), (1, 0)),
        ("power", (-2.0, -1.0), (-0.25, 0)),
        ("sqrt", (0.0,), (INF,)),
        ("hypot", (0.0, 0.0), (0, 0)),
        ("arctan2", (0.0, 0.0), (0, 0)),
        ("copysign", (0.0, -1.0), (0, 0)),
        ("copysign", (-2.0, -0.0), (1, 0)),
        ("copysign", (2.0, -3.0), (-1, 0)),
        ("remainder", (-3.7, 1.5), (1, 3)),
        ("fmod", (-3.7, 1.5), (1, 2)),
        ("logaddexp", (-INF, 1.0), (0, 1)),
        ("logaddexp", (INF, 1.0), (1, 0)),
        ("logaddexp", (-1000.0, 1000.0), (0, 1)),
        ("softplus", (1000.0,), (1,)),
        ("softplus", (-1000.0,), (0,)),
        ("expit", (-1000.0,), (0,)),
        ("arctan2", (1e-200, 1e-200), (5e199, -5e199)),
    ],
)
def test_conventions(name, inputs, want):
    assert [float(p) for p in partials(name, *map(np.float64, inputs))] == pytest.approx(want)


def test_singular_rules_are_those_with_infinite_partials():
    singular = {n for n in names("rule") if lookup(n).singular}
    assert singular >= {"sqrt", "cbrt", "power", "log", "log2", "log10", "log1p", "divide", "reciprocal"}
    assert singular >= {"hypot", "arcsin", "arccos", "arctanh", "arccosh", "arctan2"}
    assert not singular & {"sin", "multiply", "exp", "tanh", "absolute", "maximum"}


#: Float ufuncs that are no functions of one number each, and what differentiates them.
LEFT_OUT = {
    "conjugate": "linear over the reals only; the tape has a rule of its own",
    "divmod": "two outputs: floor_divide and remainder",
    "modf": "two outputs: x - trunc(x) and trunc(x)",
    "frexp": "two outputs: ldexp(x, -e) and an integer",
    "matmul": "a product of arrays",
    "matvec": "a product of arrays",
    "vecdot": "a product of arrays",
    "vecmat": "a product of arrays",
}


def test_every_float_ufunc_of_numpy_is_in_one_place():
    kinds = [set(names(kind)) for kind in ("rule", "linear", "nondiff")]
    assert sum(map(len, kinds)) == len(set().union(*kinds)) == len(names())
    ufuncs = [u for u in vars(np).values() if isinstance(u, np.ufunc) and any(c in "efdg" for types in u.types for c in types)]
    assert len(ufuncs) > 80
    for ufunc in ufuncs:
        assert (ufunc.__name__ in names()) != (ufunc.__name__ in LEFT_OUT), ufunc.__name__
        if ufunc.__name__ in names():
            assert lookup(ufunc.__name__).n_inputs == ufunc.nin, ufunc.__name__


def test_other_names():
    assert lookup("mod") is lookup("remainder")
    assert lookup("psi") is lookup("digamma")
    assert lookup("sigmoid") is lookup("expit")
    assert registry.canonical("true_divide") == "divide"


def test_a_missing_rule_says_how_to_add_it():
    with pytest.raises(MissingRule, match=r"`fancy`.*registry\.rule\('fancy'"):
        lookup("fancy")


def test_rules_are_registered_once():
    with pytest.raises(SciadError, match="replace=True"):
        registry.rule("tanh", lambda y, x: 1.0)
    seen = []
    registry.on_change(seen.append)
    try:
        registry.rule("fancy", np.cos)
        registry.linear("fancy", 2.0, replace=True)
        assert lookup("fancy").partials == (2.0,)
        assert seen == ["fancy", "fancy"]
    finally:
        del registry._RULES["fancy"]
        registry._listeners.remove(seen.append)


def test_what_a_partial_reads():
    assert lookup("tanh").reads == (frozenset({0}),)
    assert lookup("multiply").reads == (frozenset({2}), frozenset({1}))
    registry.rule("fancy", np.multiply, lambda *all_of_them: 1.0)
    try:
        assert lookup("fancy").reads == (frozenset({0, 1, 2}),) * 2
    finally:
        del registry._RULES["fancy"]
