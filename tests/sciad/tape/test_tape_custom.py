"""Derivatives given by hand, at every order."""

from __future__ import annotations

import numpy as np
import pytest
from tape_checks import check

from sciad.errors import SciadError, ShapeError
from sciad.tape import (
    custom_call,
    custom_jvp,
    custom_node,
    custom_vjp,
    is_traced,
    stop_gradient,
    trace_jvp,
    trace_vjp,
    value_of,
)

X = np.array([0.7, -1.3, 0.4])
B = np.array([2.0, 0.5, -1.0])


# -- nodes of given value ----------------------------------------------------------------------------------------------------------
def numeric_product(a, b):
    """a * b as one node whose rules are plain numbers: what a compiled function is."""
    p, q = np.array(value_of(a), dtype=float), np.array(value_of(b), dtype=float)

    def jvp(a_dot, b_dot):
        return (0.0 if a_dot is None else a_dot * q) + (0.0 if b_dot is None else p * b_dot)

    return custom_node(p * q, [a, b], lambda bar: (bar * q, bar * p), jvp, name="numeric_product")


def test_one_node_for_a_computed_value():
    check(lambda a, b: np.sum(numeric_product(a, b) ** 2) if is_traced(a) or is_traced(b) else np.sum((a * b) ** 2), X, B, order=1)
    assert numeric_product(X, B) is not None
    bars = trace_vjp(lambda a: numeric_product(a, B), (X,))[1](np.ones(3))
    np.testing.assert_array_equal(bars[0], B)


def test_several_outputs_and_missing_cotangents():
    def divide(a, b):
        p, q = value_of(a), value_of(b)
        seen = []

        def vjp(first, second):
            seen.append((first, second))
            return first + second * q, None

        out = custom_node((p * 1.0, p * q, 7), [a, b], lambda x, y, z: vjp(x, y))
        assert out[2] == 7
        return out[0] if stop_gradient(q)[0] > 1 else out[1]

    bars = trace_vjp(divide, (X, B))[1](np.ones(3))
    np.testing.assert_array_equal(bars[0], np.ones(3))
    np.testing.assert_array_equal(bars[1], np.zeros(3))


def test_wrong_rules_are_named():
    node = lambda x, vjp, jvp=None: custom_node(np.sum(value_of(x)), [x], vjp, jvp, name="my solve")
    with pytest.raises(SciadError, match="my solve.*tuple of 1"):
        trace_vjp(lambda x: node(x, lambda bar: np.ones(3) * bar), (X,))[1](1.0)
    with pytest.raises(SciadError, match="shape"):
        trace_vjp(lambda x: node(x, lambda bar: (np.ones(2),)), (X,))[1](1.0)
    with pytest.raises(SciadError, match="my solve has no forward rule"):
        trace_jvp(lambda x: node(x, lambda bar: (bar,)), (X,), (X,))


@pytest.mark.parametrize("outer", ["vjp", "jvp"])
@pytest.mark.parametrize("inner", ["vjp", "jvp"])
def test_second_derivatives_through_numeric_rules_are_refused(outer, inner):
    """Never zeros: the rule holds numbers, so what depends on them is lost."""

    def f(x):
        return np.sum(numeric_product(x, x) * numeric_product(x, B))

    def first(x):
        return trace_vjp(f, (x,))[1](1.0)[0] if inner == "vjp" else trace_jvp(f, (x,), (X,))[1]

    def second():
        if outer == "jvp":
            return trace_jvp(first, (X,), (X,))
        out, pullback = trace_vjp(first, (X,))
        return pullback(np.ones_like(out))

    with pytest.raises(SciadError, match="numeric_product: a second derivative"):
        second()


def test_values_at_outer_levels_need_no_second_derivative():
    def f(x):
        inner = trace_vjp(lambda y: np.sum(numeric_product(y, y)), (x,))[0]  # its value, not its derivative
        return inner * x[0]

    check(lambda x: f(x) if is_traced(x) else np.sum(x * x) * x[0], X, order=1)


def test_differentiable_rules_must_carry_the_outer_levels():
    def node(x):
        p = value_of(x)
        return custom_node(p * p, [x], lambda bar: (2 * bar * p,), name="square", differentiable_vjp=True)

    with pytest.raises(SciadError, match="custom_call"):
        trace_vjp(lambda x: trace_vjp(lambda y: np.sum(node(y)), (x,))[1](1.0)[0], (X,))


def cube(x):
    """x**3 through `custom_call`, whose rules are written with itself and NumPy."""

    def forward(x):
        value = x * x * x if is_traced(x) else np.asarray(x) ** 3
        return value, lambda bar: (3 * bar * square(x),), lambda x_dot: 3 * square(x) * x_dot

    return custom_call(forward, [x], "cube")


def square(x):
    return custom_call(lambda x: (x * x, lambda bar: (2 * bar * x,), lambda x_dot: 2 * x * x_dot), [x], "square")


def test_custom_call_at_every_order():
    check(lambda x: cube(x) * square(x), X)
    f = lambda x: cube(x)
    for _ in range(3):
        f = (lambda g: lambda x: trace_vjp(g, (x,))[1](1.0)[0])(f)
    assert f(2.0) == pytest.approx(6.0)


# -- custom_vjp and custom_jvp -----------------------------------------------------------------------------------------------------
def make_vjp():
    calls = []

    def fwd(p, x, n):
        calls.append("fwd")
        return {"y": p["a"] * np.sin(x) ** n, "n": n}, (p, x, n)

    def bwd(res, bar):
        calls.append("bwd")
        p, x, n = res
        s = np.sin(x)
        return {"a": np.sum(bar["y"] * s**n)}, bar["y"] * p["a"] * n * s ** (n - 1) * np.cos(x), None

    return custom_vjp(lambda p, x, n: {"y": p["a"] * np.sin(x) ** n, "n": n}, fwd, bwd), calls


def test_custom_vjp():
    f, calls = make_vjp()
    plain = f({"a": 2.0}, X, 2)
    assert calls == []
    _, pullback = trace_vjp(f, ({"a": 2.0}, X, 2))
    bars = pullback({"y": np.ones(3), "n": None})
    assert calls == ["fwd", "bwd"]
    reference = trace_vjp(lambda p, x: p["a"] * np.sin(x) ** 2, ({"a": 2.0}, X))[1](np.ones(3))
    np.testing.assert_allclose(bars[0]["a"], reference[0]["a"])
    np.testing.assert_allclose(bars[1], reference[1])
    assert bars[2] is None
    np.testing.assert_array_equal(plain["y"], 2 * np.sin(X) ** 2)
    np.testing.assert_allclose(trace_vjp(lambda x: f({"a": 2.0}, n=2, x=x)["y"], (X,))[1](np.ones(3))[0], reference[1])


def test_custom_vjp_at_second_order():
    f, _ = make_vjp()

    def gradient(x):
        return trace_vjp(lambda x: f({"a": x[0]}, x, 3)["y"], (x,))[1](B)[0]

    def reference(x):
        return trace_vjp(lambda x: x[0] * np.sin(x) ** 3, (x,))[1](B)[0]

    for run in (lambda g: trace_vjp(g, (X,))[1](B)[0], lambda g: trace_jvp(g, (X,), (B,))[1]):
        np.testing.assert_allclose(run(gradient), run(reference), rtol=1e-12)


def test_custom_vjp_refusals():
    f, _ = make_vjp()
    with pytest.raises(SciadError, match="forward"):
        trace_jvp(lambda x: f({"a": 2.0}, x, 2), (X,), (X,))
    leaky = lambda x: custom_vjp(lambda y: y * x, lambda y: (y * x, None), lambda res, bar: (bar,))(x * 2)
    with pytest.raises(SciadError, match="not among its arguments"):
        trace_vjp(leaky, (X,))
    short = custom_vjp(lambda x, y: x * y, lambda x, y: (x * y, (x, y)), lambda res, bar: (bar * res[1],))
    with pytest.raises(ShapeError, match="bwd"):
        trace_vjp(short, (X, B))[1](np.ones(3))


def test_residuals_are_safe_from_writes():
    f = custom_vjp(lambda x, w: np.sum(x * w), lambda x, w: (np.sum(x * w), (x, w)), lambda res, bar: (bar * res[1], bar * res[0]))

    def g(x, w):
        total = f(x, w)
        w[:] = 100.0
        x[:] = 50.0
        return total

    x_bar, w_bar = trace_vjp(g, (X.copy(), B.copy()))[1](1.0)
    np.testing.assert_array_equal(x_bar, B)
    np.testing.assert_array_equal(w_bar, X)

    def plain_buffer(x):
        w = B.copy()
        total = f(x, w)
        w[:] = 100.0
        return total

    np.testing.assert_array_equal(trace_vjp(plain_buffer, (X,))[1](1.0)[0], B)


def test_custom_jvp_serves_both_modes_and_orders():
    def cubic(p, s):
        return {"y": p["x"] ** 3 + s}

    f = custom_jvp(cubic, lambda primals, dots: (cubic(*primals), {"y": 3 * dots[0]["x"] * primals[0]["x"] ** 2 + dots[1]}))

    def call(x, s):
        return f({"x": x}, s)["y"]

    check(call, X, 0.5)
    # a rule that is visibly not the derivative: it is the one that is used
    g = custom_jvp(lambda x: x * x, lambda primals, dots: (primals[0] ** 2, 10 * dots[0]))
    assert trace_vjp(g, (3.0,))[1](1.0) == (10.0,)
    assert trace_jvp(g, (3.0,), (1.0,)) == (9.0, 10.0)
    assert g(3.0) == 9.0


def test_custom_jvp_with_arguments_that_are_not_floats():
    def jvp(primals, dots):
        x, n, _ = primals
        return x**n, n * x ** (n - 1) * dots[0]

    f = custom_jvp(lambda x, n, name: x**n, jvp)
    assert trace_vjp(f, (3.0, 2, "square"))[1](1.0) == (6.0, None, None)
    assert trace_vjp(lambda x, y: f(y, 2, "square") * x, (3.0, 2.0))[1](1.0) == (4.0, 12.0)
