"""A loop of matrix-vector products with one matrix becomes one matrix-matrix product."""

from __future__ import annotations

import numpy as np
import pytest
from judge import agrees
from passes_tools import count, gradient, lowered, plain

import sciad
from sciad.passes import products
from sciad.passes.optimise import with_products

rng = np.random.default_rng(6)
W, X = rng.normal(size=(6, 70)), rng.normal(size=(4, 70))


@pytest.fixture(autouse=True)
def _any_size(monkeypatch):
    monkeypatch.setattr(products, "LEAST_WORK", 0)
    monkeypatch.setattr(products, "LEAST_EXTENT", 1)


def layer(W, x):
    y = np.empty((x.shape[0], W.shape[0]))
    for i in range(x.shape[0]):
        y[i] = np.tanh(W @ x[i])
    return y


def test_before_and_after():
    assert plain(lowered(layer, W, X)[0]) == "\n".join([
        "function f(%0: *float64, %1: i8, %2: i8, %3: *float64, %4: i8, %5: i8)",
        "    %6: i8 = const() value=1",
        "    %7: i8 = const() value=0",
        "    %8: i8 = multiply(%4, %1)",
        "    %9: *float64 = alloc(%8) dtype='float64' zero=False",
        "    %10: b1 = equal(%2, %5)",
        "    %11: b1 = less_equal(%4, %7)",
        "    %12: b1 = logical_or(%10, %11)",
        "    check(%12) exception='ValueError' message='MESSAGE'",
        "    %13: *float64 = alloc(%8) dtype='float64' zero=False",
        "    gemm(%0, %7, %2, %6, %3, %7, %6, %5, %13, %7, %6, %1, %1, %2, %4) accumulate=False",
        "    for(%4)",
        "      (%14):",
        "        %15: i8 = multiply(%14, %1)",
        "        for(%1) parallel=True",
        "          (%16):",
        "            %17: i8 = add(%16, %15)",
        "            %18: f8 = load(%13, %17)",
        "            %19: f8 = tanh(%18)",
        "            %20: i8 = add(%15, %16)",
        "            store(%9, %20, %19)",
        "            -> ",
        "        -> ",
        "    -> %9, %4, %1",
    ]).replace("MESSAGE", _message(lowered(layer, W, X)[0]))  # fmt: skip
    agrees(layer, W, X)


def _message(body):
    return next(op.attributes["message"] for op in body.ops if op.name == "check")


def test_pullback_holds_products_of_matrices_only():
    body = gradient(layer, W, X, wrt=(0, 1))
    assert count(body, "gemm") == 3
    assert all(op.name != "gemm" for loop in body.ops for region in loop.regions for op in region.ops)


def columns(W, x):
    y = np.empty((x.shape[0], W.shape[1]))
    for i in range(x.shape[0]):
        y[i] = 2.0 * (x[i] @ W)
    return y


def test_vectors_from_the_left():
    assert count(lowered(columns, W.T.copy(), X)[0], "for") == count(lowered(layer, W, X)[0], "for")
    agrees(columns, W.T.copy(), X)


# -- what must stay in the loop ----------------------------------------------------------------------------------------------------
def recurrent(W, x):
    """Each vector depends on the one before."""
    y = x.copy()
    for i in range(1, x.shape[0]):
        y[i] = np.tanh(W @ y[i - 1])
    return y


def matrix_changes(W, x):
    V = W.copy()
    y = np.empty((x.shape[0], W.shape[0]))
    for i in range(x.shape[0]):
        y[i] = V @ x[i]
        V[i, i] = y[i, 0]
    return y


def other_matrix_each_time(W, x):
    y = np.empty((x.shape[0], W.shape[0]))
    for i in range(x.shape[0]):
        y[i] = (W * x[i, 0]) @ x[i]
    return y


def not_every_trip(W, x):
    y = np.zeros((x.shape[0], W.shape[0]))
    for i in range(x.shape[0]):
        if x[i, 0] > 0.0:
            y[i] = W @ x[i]
    return y


def accumulated(W, x):
    """The target outlives the trip."""
    y = np.zeros(W.shape[0])
    for i in range(x.shape[0]):
        y += np.sin(W @ x[i])
    return y


@pytest.mark.parametrize("function", [recurrent, matrix_changes, other_matrix_each_time, not_every_trip])
def test_stays(function):
    args = (rng.normal(size=(70, 70)), X) if function is recurrent else (W, X)
    body, _ = lowered(function, *args)
    assert count(body, "gemm") > 0
    assert all(op.name != "gemm" for op in body.ops)
    agrees(function, *args, rtol=1e-10)


def test_memory_for_all_trips_only_where_it_is_kept_anyway():
    """Nothing as large as the product is written: it leaves the loop for the reverse sweep alone."""
    body, _ = lowered(accumulated, W, X)
    assert all(op.name != "gemm" for op in body.ops)
    assert any(op.name == "gemm" for op in with_products(body, at_any_size=True).ops)
    agrees(accumulated, W, X)


def test_no_trip_no_error():
    """Lengths that do not fit are an error only where the loop runs, as in CPython."""
    agrees(layer, W, np.empty((0, 66)))
    with pytest.raises(ValueError, match="inner lengths"):
        sciad.jit(layer)(W, np.ones((2, 66)))


def test_vmap_is_one_product():
    def item(W, x):
        return np.tanh(W @ x)

    batched = sciad.vmap(sciad.jit(item), in_axes=(None, 0))
    np.testing.assert_allclose(batched(W, X), np.tanh(X @ W.T), rtol=1e-14)
