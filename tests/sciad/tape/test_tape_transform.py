"""`trace_vjp` and `trace_jvp`: trees, types, unused and non-differentiable arguments, nesting, errors."""

from __future__ import annotations

import threading
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from tape_checks import check

from sciad.errors import SciadError, ShapeError
from sciad.tape import is_traced, stop_gradient, trace_jvp, trace_vjp, value_of

X = np.array([0.7, -1.3, 0.4])
Pair = namedtuple("Pair", "left right")


@dataclass
class Model:
    weight: Any
    bias: Any
    name: str = "model"


def grad(f, k=0):
    return lambda *args: trace_vjp(f, args)[1](1.0)[k]


# -- trees and types ---------------------------------------------------------------------------------------------------------------
def test_trees_in_and_out():
    def f(p, model, n, flag, nothing):
        assert n == 3
        assert flag is True
        assert nothing is None
        y = p["b"] * model.weight + p["a"][0] * model.bias
        return {"y": Pair(y, [np.sum(y), 7, "text", None]), "x": Model(y * 2, p["a"][1])}

    args = ({"b": X, "a": (2.0, np.float32(0.5))}, Model(X * 2, 1.5), 3, True, None)
    out, pullback = trace_vjp(f, args)
    assert out["y"].right[1:] == [7, "text", None]
    assert isinstance(out["x"], Model)
    bars = pullback({"y": Pair(np.ones(3), [1.0, None, None, None]), "x": None})
    assert bars[2:] == (None, None, None)
    assert isinstance(bars[1], Model)
    assert bars[1].name is None
    np.testing.assert_allclose(bars[0]["b"], 4 * X)
    assert type(bars[0]["a"][0]) is float
    assert type(bars[0]["a"][1]) is np.float32
    assert bars[0]["a"][1] == 0
    out, dots = trace_jvp(f, args, ({"b": X, "a": None}, None, None, None, None))
    np.testing.assert_allclose(dots["y"].left, 2 * X * X)
    assert dots["y"].right[1:] == [None, None, None]
    assert dots["x"].bias == 0


ARGUMENTS = [
    1.5, np.float64(1.5), np.float32(1.5), np.array(1.5), np.float32([1.5, 2.5]), np.array([[1.5]]), np.zeros((0, 3)), np.longdouble(1.5),
    np.float16([1.5]), 1.5 + 0.5j, np.array([1j, 2.0]),
]


@pytest.mark.parametrize("x", ARGUMENTS, ids=repr)
def test_cotangents_have_the_type_of_the_argument(x):
    functions = (lambda x: x * 2.5 + x * x, lambda x: x * np.ones(1)[0], lambda x: x[...] if np.ndim(x) else x, lambda x: 1.0, np.sum)
    for f in functions:
        out, pullback = trace_vjp(f, (x,))
        want = f(x)
        assert np.asarray(out).dtype == np.asarray(want).dtype
        bar = pullback(np.ones_like(want)[()])[0]
        assert type(bar) is type(x)
        assert np.shape(bar) == np.shape(x)
        assert np.asarray(bar).dtype == np.asarray(x).dtype
        _, dot = trace_jvp(f, (x,), (np.ones_like(x)[()],))
        assert np.asarray(dot).dtype == np.asarray(want).dtype
        assert np.shape(dot) == np.shape(want)


def test_float32_stays_float32_with_python_floats():
    x = np.float32([1.0, 2.0])
    assert trace_vjp(lambda x, p: x * p, (x, 2.0))[0].dtype == np.float32
    bars = trace_vjp(lambda x, w: np.sum(np.exp(x * 2.0) @ w), (x, np.ones((2, 2))))[1](1.0)
    assert bars[0].dtype == np.float32
    assert bars[1].dtype == np.float64


def test_integers_and_bools_have_no_derivative():
    n, mask = np.array([1, 2, 3]), np.array([True, False, True])
    bars = trace_vjp(lambda x, n, mask, k: np.sum(x**n * mask) + k, (X, n, mask, 2))[1](1.0)
    assert bars[1:] == (None, None, None)
    np.testing.assert_allclose(bars[0], [1.0, 0.0, 3 * 0.16])


def test_python_float_semantics_survive():
    with pytest.raises(ZeroDivisionError):
        trace_vjp(lambda x: 1 / (x - 2.0), (2.0,))
    assert trace_vjp(lambda x: (-x) ** 0.5, (2.0,))[0] == pytest.approx((-2.0) ** 0.5)
    assert trace_vjp(lambda x: x % 1.5 + x // 1.0, (4.2,))[1](1.0) == (1.0,)
    assert [trace_vjp(lambda x, y: divmod(x, y)[1], (7.3, 2.0))[1](1.0)] == [(1.0, -3.0)]
    assert type(trace_vjp(lambda x: x * x, (3.0,))[0]) is float


def test_control_flow_takes_plain_bools():
    def f(x):
        count = 0
        while x < 100 and not (x > 50):
            x, count = x * x, count + 1
        assert type(x > 1) in (bool, np.bool_)
        return x if int(x) % 2 == 0 else x * count

    assert trace_vjp(f, (2.0,))[1](1.0)[0] == pytest.approx(0.0 + 8 * 2.0**7)
    mask = trace_vjp(lambda x: (x > 0, x == x, x != 0.7, [v <= 0 for v in x]), (X,))[0]
    np.testing.assert_array_equal(mask[0], X > 0)
    assert all(type(m) is np.ndarray for m in mask[:3])


def test_indices_rounding_and_printing_are_allowed():
    def f(x):
        table = np.array([1.0, 2.0, 4.0])
        assert f"{x:.1f}" == "1.6"
        assert "Variable" in repr(x)
        assert (int(x), round(x), round(x, 1), x.__floor__(), x.__ceil__(), x.__trunc__()) == (1, 2, 1.6, 1, 2, 1)
        assert np.round(x) == 2.0
        assert not is_traced(np.floor(x))
        return table[int(x)] * x

    assert trace_vjp(f, (1.6,))[1](1.0) == (2.0,)


# -- results -----------------------------------------------------------------------------------------------------------------------
def test_unused_and_untraced():
    out, pullback = trace_vjp(lambda x, y: (np.sum(x), 3.0, np.ones(2)), (X, X))
    bars = pullback((1.0, 1.0, np.ones(2)))
    np.testing.assert_array_equal(bars[1], np.zeros(3))
    out, dots = trace_jvp(lambda x, y: (np.sum(x), 3.0, np.ones(2), 4), (X, X), (None, X))
    assert dots[0] == 0.0
    assert dots[1] == 0.0
    np.testing.assert_array_equal(dots[2], np.zeros(2))
    assert dots[3] is None
    assert trace_vjp(lambda: 2.0, ())[1](1.0) == ()


def test_pullback_is_linear_and_repeatable():
    _, pullback = trace_vjp(lambda x: np.sin(x) * x[::-1], (X,))
    first = pullback(np.ones(3))[0]
    np.testing.assert_allclose(pullback(2 * np.ones(3))[0], 2 * first)
    np.testing.assert_array_equal(pullback(np.ones(3))[0], first)


def test_shape_errors():
    _, pullback = trace_vjp(lambda x: {"a": x * 2, "b": np.sum(x)}, (X,))
    with pytest.raises(ShapeError, match=r"\['a'\] has shape \(2,\), the result \(3,\)"):
        pullback({"a": np.ones(2), "b": 1.0})
    with pytest.raises(ShapeError, match="dict"):
        pullback(1.0)
    with pytest.raises(ShapeError, match="has shape"):
        trace_jvp(lambda x: x, (X,), (np.ones(2),))
    with pytest.raises(ShapeError, match="tuple of 1"):
        trace_jvp(lambda x: x, (X,), ())


@pytest.mark.parametrize("make", [lambda x: OrderedDict(a=x), lambda x: {x[0] > 0}, lambda x: (v for v in x), lambda x: threading.local(),
                                  lambda x: np.array([None, 1])], ids=["dict", "set", "generator", "object", "objects"])
def test_results_that_could_hide_a_derivative_are_refused(make):
    def f(x):
        made = make(x)
        if isinstance(made, threading.local):
            made.hidden = x
        return made

    with pytest.raises(SciadError):
        trace_vjp(f, (X,))


def test_masked_arrays_and_matrices_are_refused():
    with pytest.raises(SciadError, match="MaskedArray"):
        trace_vjp(np.sum, (np.ma.masked_array([1.0, 2.0], [True, False]),))
    with pytest.raises(SciadError, match="object"):
        trace_vjp(lambda x: x * np.array([None, None, None]), (X,))


# -- nesting -----------------------------------------------------------------------------------------------------------------------
def test_perturbations_are_not_confused():
    """Siskind & Pearlmutter 2005: d/dx (x * d/dy (x + y)) is 1."""
    for outer in ("vjp", "jvp"):
        for inner in ("vjp", "jvp"):
            def derivative(f, mode):
                if mode == "vjp":
                    return lambda x: trace_vjp(f, (x,))[1](1.0)[0]
                return lambda x: trace_jvp(f, (x,), (1.0,))[1]

            assert derivative(lambda x, i=inner: x * derivative(lambda y: x + y, i)(2.0), outer)(3.0) == 1.0
            assert derivative(lambda x, i=inner: x * derivative(lambda y: x * y, i)(2.0), outer)(3.0) == 6.0
            assert derivative(lambda x, i=inner: derivative(lambda y: x * y**2, i)(x), outer)(3.0) == 12.0


def test_many_levels():
    f, x = (lambda x: np.sin(x) * x**3), 0.8
    for _ in range(5):
        f = grad(f)
    # the fifth derivative of sin(x) x^3
    want = np.cos(x) * x**3 + 15 * np.sin(x) * x**2 - 60 * np.cos(x) * x - 60 * np.sin(x)
    assert f(x) == pytest.approx(want, rel=1e-12)


def test_closures_over_traced_values():
    def f(x):
        def inner(y):
            return np.sum(y**2 * x)

        return np.sum(grad(inner)(x * 2) * x)

    check(f, X)


def test_hessian_is_symmetric():
    def f(x):
        return np.sum(np.outer(np.exp(x), x**2)) / np.linalg.norm(x)

    rows = np.array([trace_jvp(grad(f), (X,), (e,))[1] for e in np.eye(3)])
    np.testing.assert_allclose(rows, rows.T, rtol=1e-12)
    columns = np.array([trace_vjp(grad(f), (X,))[1](e)[0] for e in np.eye(3)])
    np.testing.assert_allclose(rows, columns, rtol=1e-12)


def test_stop_gradient():
    assert trace_vjp(lambda x: x * stop_gradient(x), (3.0,))[1](1.0) == (3.0,)
    assert grad(grad(lambda x: x**2 * stop_gradient(x)))(3.0) == 6.0
    tree = stop_gradient({"a": X, "n": 3, "none": None})
    assert tree["n"] == 3
    assert tree["a"] is X

    def f(x):
        kept = stop_gradient(x)
        assert type(kept) is np.ndarray
        kept[:] = 0.0
        return np.sum(x * x)

    np.testing.assert_allclose(grad(f)(X), 2 * X)


def test_values_seen_from_outside():
    def f(x):
        assert is_traced(x)
        assert not is_traced(value_of(x))
        before = value_of(x)
        x[0] = 9.0
        assert before[0] == X[0]
        return np.sum(x)

    trace_vjp(f, (X,))
    assert value_of(3) == 3


def test_a_variable_that_outlives_its_trace_is_refused():
    kept = []
    trace_vjp(lambda x: kept.append(x) or np.sum(x), (X,))
    for use in (lambda: kept[0] * 2, lambda: np.sum(kept[0]), lambda: kept[0][0], lambda: np.stack(kept), lambda: np.sin(kept[0]),
                lambda: kept[0].__setitem__(0, 1.0), lambda: np.zeros_like(kept[0]), lambda: kept[0] @ X, lambda: np.linalg.inv(kept[0])):
        with pytest.raises(SciadError, match="had ended"):
            use()
    assert "0.7" in repr(kept[0])


def test_an_exception_ends_the_trace():
    kept = []

    def f(x):
        kept.append(x)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        trace_vjp(f, (X,))
    with pytest.raises(SciadError):
        kept[0] * 2


def test_threads():
    results = {}

    def work(k):
        results[k] = grad(grad(lambda x: np.sin(x) * k))(0.3)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(results[k] == pytest.approx(-k * np.sin(0.3)) for k in range(8))


def test_long_chains_neither_recurse_nor_linger():
    def f(x):
        y = x
        for _ in range(100_000):
            y = y * 0.99999
        return y

    _, pullback = trace_vjp(f, (1.0,))
    assert pullback(1.0)[0] == pytest.approx(0.99999**100_000)
