"""Each operation of the IR is exactly one of: rule, linear, non-differentiable, structural; what is structural has both modes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from sciad import scalar_kernels
from sciad.codegen import emit
from sciad.errors import MissingRule
from sciad.frontend import scalars
from sciad.ir import EFFECTS, F8, Builder, Op, Value
from sciad.passes.forward import _Forward
from sciad.passes.reverse import Reverse
from sciad.rules import registry
from sciad.rules.library import CALLS

TAPES = {"tape_new", "tape_reserve", "tape_release", "tape_put", "tape_get", "tape_push", "tape_pop"}
#: Operations whose derivative is written into the passes themselves.
STRUCTURAL = EFFECTS | TAPES | {"const", "select", "cast", "size", "subbuffer", "fast_add"}
#: Scalar operations that the frontend rewrites into others.
REWRITTEN = {"positive", "square", "reciprocal", "float_power"}
SCALAR = set(scalars.FUNCTIONS) | scalars.COMPARE | scalars.LOGICAL | scalars.BITWISE | scalars.ARITHMETIC | {"logical_not", "_zeta"}
SCALAR -= {"fast_add"}


def kinds(name: str) -> list[str]:
    """All kinds that an operation is filed under."""
    found = ["structural"] if name in STRUCTURAL else []
    return found + [k for k in ("rule", "linear", "nondiff") if registry.canonical(name) in registry.names(k)]


@pytest.mark.parametrize("name", sorted(SCALAR | STRUCTURAL))
def test_exactly_one_kind(name):
    assert len(kinds(name)) == 1, (name, kinds(name))


@pytest.mark.parametrize("name", sorted(SCALAR - REWRITTEN))
def test_every_scalar_operation_has_a_compiled_form(name):
    n_inputs = registry.lookup(name).n_inputs
    type_ = "i8" if name in scalars.BITWISE else "b1" if name.startswith("logical") else F8
    result = "b1" if name in scalars.COMPARE | {"isnan", "isinf", "isfinite", "signbit"} else type_
    text = emit.Emitter().expression(Op(name, [Value(type_) for _ in range(n_inputs)], [result]))
    assert text


@pytest.mark.parametrize("name", sorted(TAPES | {"alloc", "load", "store", "gemm", "call", "if", "for", "while", "subbuffer"}))
def test_structural_operations_have_tangents(name):
    assert hasattr(_Forward, "_op_" + name)


@pytest.mark.parametrize("name", ["load", "store", "gemm", "call", "if", "for", "while"])
def test_structural_operations_have_adjoints(name):
    assert hasattr(Reverse, "_op_" + name)


def test_what_has_no_compiled_form_says_so():
    with pytest.raises(MissingRule, match="no compiled form"):
        emit.Emitter().expression(Builder().pure("erfinv", [Value(F8)], F8).op)


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_library_calls_are_whole(call):
    from sciad import linear_kernels

    assert hasattr(linear_kernels, call.name)
    assert set(call.outputs) <= set(call.written)
    assert not set(call.inputs) & set(call.written)
    assert callable(call.forward)
    assert callable(call.reverse)


# -- kernels of scalar functions, against SciPy ------------------------------------------------------------------------------------
PLANE = [-3.7, -1.0, -0.3, 0.0, 0.2, 1.0, 2.5, 40.0]


@pytest.mark.parametrize("name", ["logaddexp", "logaddexp2", "fmax", "fmin", "heaviside"])
def test_functions_of_two_numbers(name):
    ours, numpys = getattr(scalar_kernels, name).py_func, getattr(np, name)
    edge = [*PLANE, math.inf, -math.inf] if name != "heaviside" else PLANE
    for a in edge:
        for b in edge:
            with np.errstate(invalid="ignore"):
                np.testing.assert_allclose(ours(a, b), numpys(a, b), rtol=4e-16)
    if name.startswith("f"):
        assert ours(math.nan, 1.0) == ours(1.0, math.nan) == 1.0


def plain(kernel):
    """The Python behind a kernel, with Python behind the kernels that it calls."""
    import types

    names = {k: getattr(v, "py_func", v) for k, v in vars(scalar_kernels).items()}
    return types.FunctionType(kernel.py_func.__code__, names)


def test_gamma_and_its_derivatives():
    psi, zeta = plain(scalar_kernels.psi), plain(scalar_kernels.zeta)
    for x in (1e-3, 0.3, 1.0, 1.4616321449683623, 3.7, 12.0, 1e5, -0.3, -2.6):
        np.testing.assert_allclose(psi(x), special.digamma(x), rtol=1e-13, atol=2e-15)
    for s in (1.1, 2.0, 3.0, 7.5):
        for q in (1e-2, 0.5, 1.0, 9.0, 1e4):
            np.testing.assert_allclose(zeta(s, q), special.zeta(s, q), rtol=1e-13)
    assert math.isnan(psi(-2.0))


@pytest.mark.parametrize("name", ["xlogy", "xlog1py"])
def test_products_with_logarithms(name):
    ours = getattr(scalar_kernels, name).py_func
    for x in (0.0, 0.5, 2.0):
        for y in (0.1, 1.0, 3.0):
            np.testing.assert_allclose(ours(x, y), getattr(special, name)(x, y), rtol=1e-15)


def test_log_expit():
    for x in PLANE:
        np.testing.assert_allclose(scalar_kernels.log_expit.py_func(x), special.log_expit(x), rtol=1e-14)
