"""Sums of products become matrix products: which loops, which not, and that values and gradients stay what they were."""

from __future__ import annotations

import math

import numpy as np
import pytest
from judge import agrees
from passes_tools import count, gradient, lowered, plain

from sciad.ir import Builder
from sciad.passes import products, show, unroll
from sciad.passes.products import large_enough
from sciad.types import I8

rng = np.random.default_rng(5)
A, B, X = rng.normal(size=(3, 5)), rng.normal(size=(5, 4)), rng.normal(size=(4, 5))
V = rng.normal(size=5)


@pytest.fixture(autouse=True)
def _any_size(monkeypatch):
    monkeypatch.setattr(products, "LEAST_WORK", 0)
    monkeypatch.setattr(products, "LEAST_EXTENT", 1)
    monkeypatch.setattr(unroll, "MAX_TRIPS", 0)


def layer(W, x):
    y = np.empty((x.shape[0], W.shape[0]))
    for i in range(x.shape[0]):
        for j in range(W.shape[0]):
            s = 0.5
            for k in range(W.shape[1]):
                s += W[j, k] * x[i, k]
            y[i, j] = math.tanh(s)
    return y


def test_before_and_after():
    names = [name for name, _ in show.stages(layer, A, X)]
    assert "products" in names
    body, _ = lowered(layer, A, X)
    assert plain(body) == "\n".join([
        "function f(%0: *float64, %1: i8, %2: i8, %3: *float64, %4: i8, %5: i8)",
        "    %6: i8 = multiply(%4, %1)",
        "    %7: *float64 = alloc(%6) dtype='float64' zero=False",
        "    %8: f8 = const() value=0.5",
        "    %9: i8 = const() value=1",
        "    %10: i8 = const() value=0",
        "    %11: *float64 = alloc(%6) dtype='float64' zero=False",
        "    gemm(%0, %10, %2, %9, %3, %10, %9, %5, %11, %10, %9, %1, %1, %2, %4) accumulate=False",
        "    for(%4)",
        "      (%12):",
        "        %13: i8 = multiply(%12, %1)",
        "        for(%1)",
        "          (%14):",
        "            %15: i8 = add(%13, %14)",
        "            %16: f8 = load(%11, %15)",
        "            %17: f8 = fast_add(%8, %16)",
        "            %18: f8 = tanh(%17)",
        "            store(%7, %15, %18)",
        "            -> ",
        "        -> ",
        "    -> %7, %4, %1",
    ])  # fmt: skip
    agrees(layer, A, X)


def test_its_pullback_is_products_too():
    assert count(gradient(layer, A, X, wrt=(0, 1)), "gemm") == 3


def across(M, x):
    y = np.zeros(M.shape[1])
    for j in range(M.shape[1]):
        for k in range(M.shape[0]):
            y[j] += M[k, j] * x[k]
    return y


def across_with_sum(M, x):
    y = np.zeros(M.shape[1])
    for j in range(M.shape[1]):
        s = x[0]
        for k in range(M.shape[0]):
            s -= x[k] * M[k, j]
        y[j] = s * s
    return y


def update(M, x):
    C = np.ones((x.shape[0], M.shape[0]))
    for k in range(M.shape[1]):
        for i in range(x.shape[0]):
            a = x[i, k]
            for j in range(M.shape[0]):
                C[i, j] += a * M[j, k]
    return C


def plain_product(M, x):
    C = np.zeros((M.shape[0], x.shape[0]))
    for i in range(M.shape[0]):
        for j in range(x.shape[0]):
            for k in range(M.shape[1]):
                C[i, j] += M[i, k] * x[j, k]
    return C


def backwards(M, x):
    C = np.zeros((M.shape[0], x.shape[0]))
    for i in range(M.shape[0] - 1, -1, -1):
        for j in range(x.shape[0]):
            s = 0.0
            for k in range(M.shape[1]):
                s += M[i, M.shape[1] - 1 - k] * x[j, k]
            C[M.shape[0] - 1 - i, j] = s
    return C


@pytest.mark.parametrize("function", [across, across_with_sum, update, plain_product, backwards])
def test_raised(function):
    args = (A, V[:3]) if function in (across, across_with_sum) else (A, X)
    assert count(lowered(function, *args)[0], "gemm") == 1
    agrees(function, *args)


# -- what only looks like a product ------------------------------------------------------------------------------------------------
def in_place(M, x):
    """Each component reads those before it, new."""
    y = x.copy()
    for j in range(M.shape[0]):
        s = 0.0
        for k in range(M.shape[1]):
            s += M[j, k] * y[k]
        y[j] = s
    return y


def through_an_alias(M, x):
    y = x.copy()
    z = y
    for i in range(M.shape[0]):
        for j in range(M.shape[0]):
            s = 0.0
            for k in range(M.shape[1]):
                s += M[j, k] * y[k]
            z[i] = s
    return y


def triangle(M, x):
    C = np.zeros((M.shape[0], M.shape[0]))
    for i in range(M.shape[0]):
        for j in range(M.shape[0]):
            s = 0.0
            for k in range(i + 1):
                s += M[i, k] * x[j, k]
            C[i, j] = s
    return C


def under_a_branch(M, x):
    C = np.zeros((M.shape[0], x.shape[0]))
    for i in range(M.shape[0]):
        for j in range(x.shape[0]):
            s = 0.0
            if x[j, 0] > 0.0:
                for k in range(M.shape[1]):
                    s += M[i, k] * x[j, k]
            C[i, j] = s
    return C


def stops_early(M, x):
    C = np.zeros((M.shape[0], x.shape[0]))
    for i in range(M.shape[0]):
        for j in range(x.shape[0]):
            s = 0.0
            for k in range(M.shape[1]):
                s += M[i, k] * x[j, k]
                if s > 0.3:
                    break
            C[i, j] = s
    return C


def read_on_the_way(M, x):
    C = np.zeros((M.shape[0], x.shape[0]))
    for i in range(M.shape[0]):
        for j in range(x.shape[0]):
            s = 0.0
            for k in range(M.shape[1]):
                s += M[i, k] * x[j, k]
                C[i, j] += s
    return C


def both_move(M, x):
    """Sums of rows times rows: no matrix in common."""
    y = np.zeros(M.shape[0])
    for i in range(M.shape[0]):
        s = 0.0
        for k in range(M.shape[1]):
            s += M[i, k] * x[i, k]
        y[i] = s
    return y


def into_an_operand(M, x):
    C = M.copy()
    for i in range(M.shape[0]):
        for j in range(M.shape[0]):
            for k in range(M.shape[0]):
                C[i, j] += C[i, k] * x[k, j]
    return C


def not_affine(M, x):
    C = np.zeros((M.shape[0], x.shape[0]))
    for i in range(M.shape[0]):
        for j in range(x.shape[0]):
            s = 0.0
            for k in range(M.shape[1]):
                s += M[i, (k + i) % M.shape[1]] * x[j, k]
            C[i, j] = s
    return C


def starts_anew(M, x):
    """What was there before the loop, not before the trip, is added to."""
    C = np.ones((M.shape[0], x.shape[0]))
    for i in range(M.shape[0]):
        for j in range(x.shape[0]):
            old = C[i, j]
            for k in range(M.shape[1]):
                C[i, j] = old + M[i, k] * x[j, k]
    return C


NEAR = [in_place, through_an_alias, triangle, under_a_branch, stops_early, read_on_the_way]
NEAR += [both_move, into_an_operand, not_affine, starts_anew]


@pytest.mark.parametrize("function", NEAR)
def test_not_raised(function):
    args = (A, V) if function in (in_place, through_an_alias) else (A, X)
    assert count(lowered(function, *args)[0], "gemm") == 0
    agrees(function, *args)


def test_loops_without_trips_read_nothing():
    for rows, columns, inner in ((0, 4, 5), (3, 0, 5), (3, 4, 0)):
        W, x = np.ones((rows, inner)), np.ones((columns, inner))
        np.testing.assert_array_equal(agrees(layer, W, x), np.full((columns, rows), math.tanh(0.5 + inner)))


def test_elements_of_the_target_that_meet():
    def overlapping(M, x, n):
        c = np.zeros(3 * n)
        for i in range(M.shape[0]):
            for j in range(x.shape[0]):
                for k in range(M.shape[1]):
                    c[i + j] += M[i, k] * x[j, k]
        return c

    assert count(lowered(overlapping, A, X, 3)[0], "gemm") == 1
    agrees(overlapping, A, X, 3)


def test_small_products_stay_loops(monkeypatch):
    monkeypatch.undo()
    b = Builder()
    sizes = [b.const(n, I8) for n in (3, 8, 20)]
    assert not large_enough([sizes[1]] * 3)
    assert not large_enough([sizes[0], sizes[2], sizes[2]])
    assert large_enough([sizes[2]] * 3)
