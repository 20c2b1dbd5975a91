"""The elementary functions against mpmath, C99's special values, and the vectoriser."""

from __future__ import annotations

import math
import re

import mpmath as mp
import numpy as np
import pytest

from sciad import vmath
from sciad.backend import njit
from sciad.vmath import fit, tables

PRECISION = 160
INF, NAN = math.inf, math.nan


def softplus(x):
    return mp.log1p(mp.exp(x))


def gelu(x):
    return x * mp.erfc(-x / mp.sqrt(2)) / 2


#: name: (function in many digits, largest error allowed in ulp, largest |x| of the sample)
REFERENCE = {
    "exp": (mp.exp, 1.0, 750.0),
    "exp2": (lambda x: mp.mpf(2) ** x, 1.0, 1080.0),
    "expm1": (mp.expm1, 1.5, 720.0),
    "tanh": (mp.tanh, 1.6, 25.0),
    "sinh": (mp.sinh, 2.0, 715.0),
    "cosh": (mp.cosh, 1.5, 715.0),
    "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), 1.0, 750.0),
    "log": (mp.log, 1.1, 1e300),
    "log2": (lambda x: mp.log(x) / mp.log(2), 0.7, 1e300),
    "log10": (lambda x: mp.log(x) / mp.log(10), 0.7, 1e300),
    "log1p": (mp.log1p, 1.1, 1e300),
    "softplus": (softplus, 2.0, 750.0),
    "sin": (mp.sin, 1.0, 1e300),
    "cos": (mp.cos, 1.0, 1e300),
    "tan": (mp.tan, 1.6, 1e300),
    "erf": (mp.erf, 1.0, 7.0),
    "erfc": (mp.erfc, 1.1, 28.0),
    "gelu": (gelu, 1.5, 40.0),
}


@pytest.fixture(scope="module")
def loops():
    """Every function in one loop over an array, compiled as generated code is; one compilation for all."""
    names = [n for n in vmath.__all__ if n != "pow"]
    body = "\n".join(f"    for i in range(x.size):\n        out[{k}, i] = vmath.{n}(x[i])" for k, n in enumerate(names))
    scope = {"vmath": vmath}
    exec(f"def all_of(x, out):\n{body}\n", scope)
    compiled = njit(scope["all_of"], cache=False)

    def run(x):
        out = np.empty((len(names), np.size(x)))
        compiled(np.array(x, float).ravel(), out)
        return dict(zip(names, out))

    return run, compiled


@pytest.fixture(scope="module")
def power():
    """pow over two arrays."""

    @njit(cache=False)
    def loop(x, y, out):
        for i in range(x.size):
            out[i] = vmath.pow(x[i], y[i])

    def run(x, y):
        x, y = (np.ascontiguousarray(a, float) for a in np.broadcast_arrays(x, y))
        out = np.empty(x.shape)
        loop(x.ravel(), y.ravel(), out.ravel())
        return out

    return run, loop


def ulps(found: float, exact) -> float:
    """Error in units of the last place of the exact value; subnormal results in units of the smallest double."""
    nearest = float(exact)
    if math.isinf(nearest) or math.isinf(found):
        return 0.0 if found == nearest else INF
    return float(abs(mp.mpf(found) - exact) / mp.mpf(max(float(np.spacing(abs(nearest))), 5e-324)))


def sample(name: str, limit: float, n: int) -> np.ndarray:
    """Points of all sizes from subnormal to `limit`, dense where the functions change; those of logarithms positive and about 1 too."""
    rng = np.random.default_rng(sum(map(ord, name)))
    scale = math.log(limit)
    sign = rng.choice([-1.0, 1.0], n)
    near_one = 1 + sign * np.exp(rng.uniform(-35, -1, n))
    x = np.concatenate([
        rng.uniform(-min(limit, 2.0), min(limit, 2.0), n), rng.uniform(-min(limit, 50.0), min(limit, 50.0), n),
        sign * np.exp(rng.uniform(-40, scale, n)), sign * np.exp(rng.uniform(-744, 0, n)), near_one,
        min(limit, 1000.0) * rng.uniform(-1, 1, n),
    ])  # fmt: skip
    if name == "log1p":
        return x[x > -1]
    return abs(x) if name.startswith("log") else x


@pytest.mark.parametrize("name", list(REFERENCE))
def test_error_in_ulp(loops, name):
    exact, allowed, limit = REFERENCE[name]
    x = sample(name, limit, 150)
    with mp.workprec(PRECISION):
        errors = [ulps(float(y), exact(mp.mpf(float(a)))) for a, y in zip(x, loops[0](x)[name])]
    worst = int(np.argmax(errors))
    assert errors[worst] <= allowed, f"{name}({x[worst]!r}) is wrong by {errors[worst]:.2f} ulp"


def test_hard_arguments_of_the_trigonometric_functions(loops):
    # 5319372648326541 * 2**k come nearest to multiples of pi/2 (Muller, Elementary Functions, 2016, 11)
    x = np.array([5319372648326541.0 * 2.0**k for k in (0, 416, 417)] + [math.pi, math.pi / 2, 22.0, 355.0, 1e22, 1.7976931348623157e308])
    found = loops[0](x)
    with mp.workprec(1300):
        for name, function in (("sin", mp.sin), ("cos", mp.cos), ("tan", mp.tan)):
            for a, y in zip(x, found[name]):
                assert ulps(float(y), function(mp.mpf(float(a)))) <= REFERENCE[name][1], (name, a)


def test_error_of_pow_in_ulp(power):
    rng = np.random.default_rng(0)
    n = 300
    x = np.concatenate([
        np.exp(rng.uniform(-50, 50, n)), rng.uniform(0.5, 2, n), 1 + rng.uniform(-1e-3, 1e-3, n), rng.uniform(0, 10, n),
        np.exp(rng.uniform(-740, 700, n)),
    ])  # fmt: skip
    y = np.concatenate([
        rng.uniform(-14, 14, n), rng.uniform(-1000, 1000, n), rng.uniform(-7e5, 7e5, n), rng.uniform(-5, 5, n), rng.uniform(-1.05, 1.05, n),
    ])  # fmt: skip
    with mp.workprec(PRECISION):
        errors = [ulps(float(z), mp.mpf(float(a)) ** mp.mpf(float(b))) for a, b, z in zip(x, y, power[0](x, y))]
    assert max(errors) <= 1.0


#: C99, annex F.9, and the limits where C has no such function.
SPECIAL = {
    "exp": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (709.9, INF), (-746.0, 0.0)],
    "exp2": [(0.0, 1.0), (INF, INF), (-INF, 0.0), (1024.0, INF), (-1074.0, 5e-324), (-1076.0, 0.0), (10.0, 1024.0)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0), (5e-324, 5e-324), (-5e-324, -5e-324)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (5e-324, 5e-324)],
    "sinh": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -INF), (5e-324, 5e-324), (711.0, INF)],
    "cosh": [(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, INF), (711.0, INF)],
    "sigmoid": [(0.0, 0.5), (INF, 1.0), (-INF, 0.0)],
    "log": [(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-1.0, NAN), (-INF, NAN)],
    "log2": [(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-1.0, NAN), (8.0, 3.0), (5e-324, -1074.0)],
    "log10": [(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-1.0, NAN), (1e22, 22.0), (1000.0, 3.0)],
    "log1p": [(0.0, 0.0), (-0.0, -0.0), (-1.0, -INF), (INF, INF), (-2.0, NAN), (5e-324, 5e-324)],
    "softplus": [(INF, INF), (-INF, 0.0)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN), (5e-324, 5e-324)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (INF, NAN), (-INF, NAN)],
    "tan": [(0.0, 0.0), (-0.0, -0.0), (INF, NAN), (-INF, NAN), (5e-324, 5e-324)],
    "erf": [(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0)],
    "erfc": [(0.0, 1.0), (-0.0, 1.0), (INF, 0.0), (-INF, 2.0)],
    "gelu": [(0.0, 0.0), (INF, INF)],
}


@pytest.mark.parametrize("name", list(SPECIAL))
def test_special_values(loops, name):
    points, values = zip(*SPECIAL[name], (NAN, NAN), (-NAN, NAN))
    wanted = np.array(values)
    found = loops[0](points)[name]
    np.testing.assert_array_equal(found, wanted, err_msg=f"{name}({points})")
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found[numbers]), np.signbit(wanted[numbers]), err_msg=f"signs of {name}({points})")


def test_special_values_of_pow(power):
    cases = [
        (0.0, -1.0, INF), (-0.0, -1.0, -INF), (-0.0, -2.0, INF), (-0.0, -0.5, INF), (0.0, 3.0, 0.0), (-0.0, 3.0, -0.0), (-0.0, 2.0, 0.0),
        (-1.0, INF, 1.0), (-1.0, -INF, 1.0), (1.0, NAN, 1.0), (NAN, 0.0, 1.0), (INF, -0.0, 1.0), (-8.0, 1 / 3, NAN), (-8.0, 3.0, -512.0),
        (-8.0, 2.0, 64.0), (0.5, -INF, INF), (2.0, -INF, 0.0), (0.5, INF, 0.0), (2.0, INF, INF), (-2.0, INF, INF), (-INF, -3.0, -0.0),
        (-INF, -2.0, 0.0), (-INF, 3.0, -INF), (-INF, 2.0, INF), (INF, -1.0, 0.0), (INF, 1.0, INF), (NAN, 1.0, NAN), (2.0, NAN, NAN),
        (-1.0, NAN, NAN), (2.0, 1024.0, INF), (-2.0, 1025.0, -INF), (2.0, -1074.0, 5e-324), (2.0, -1076.0, 0.0), (5e-324, 1.0, 5e-324),
        (3.0, 5.0, 243.0), (-1.0, 2.0**53 + 2, 1.0), (-1.0, 2.0**52 + 1, -1.0), (0.0, INF, 0.0), (0.0, -INF, INF), (-0.0, -INF, INF),
        (4.0, 0.5, 2.0), (7.0, 1.0, 7.0), (7.0, -1.0, 1 / 7.0),
    ]  # fmt: skip
    x, y, wanted = (np.array(column) for column in zip(*cases))
    found = power[0](x, y)
    np.testing.assert_array_equal(found, wanted)
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found[numbers]), np.signbit(wanted[numbers]))


def test_loops_are_vectorised(loops, power):
    """Each loop divides, multiplies or adds packed doubles, and calls nothing of the C library."""
    for compiled in (loops[1], power[1]):
        code = next(iter(compiled.inspect_llvm().values()))
        assert re.search(r"fmul afn <\d+ x double>", code)
        assert not re.search(r"call double @(exp|exp2|expm1|tanh|sinh|cosh|log|log2|log10|log1p|sin|cos|tan|erf|erfc|pow)\(", code)


def test_scalar_and_vector_code_agree_bit_for_bit(loops):
    x = sample("exp", 30.0, 50)
    together = loops[0](x)
    for k in (0, 7, 101):
        alone = loops[0](x[k : k + 1])
        for name, values in together.items():
            np.testing.assert_array_equal(alone[name][0], values[k], err_msg=name)


def test_from_python_they_are_ufuncs(loops):
    x = np.linspace(-3, 3, 12).reshape(3, 4)
    np.testing.assert_array_equal(vmath.tanh(x), loops[0](x)["tanh"].reshape(3, 4))
    assert vmath.tanh(0.0) == 0.0
    assert "expm1" in vmath.tanh.__doc__


def test_tables_are_what_the_fits_give():
    for name in ("SINH", "SIN"):
        coefficients, error = fit.solve(fit.FITS[name])
        assert list(getattr(tables, name)) == coefficients
        assert error < mp.mpf(2) ** -53
