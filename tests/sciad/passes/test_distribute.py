"""Loops cut in two so that a product can leave: layers of a network, what crosses the cut, and what forbids it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from judge import agrees
from passes_tools import lowered

from sciad.ir import Function, text, walk
from sciad.passes import products, unroll
from sciad.passes.optimise import with_products

rng = np.random.default_rng(8)
V, W, X = rng.normal(size=(6, 5)), rng.normal(size=(3, 6)), rng.normal(size=(4, 5))


@pytest.fixture(autouse=True)
def _any_size(monkeypatch):
    monkeypatch.setattr(products, "LEAST_WORK", 0)
    monkeypatch.setattr(products, "LEAST_EXTENT", 1)
    monkeypatch.setattr(unroll, "MAX_TRIPS", 0)


def raised(function, *args):
    """The function as the reverse sweep starts from it."""
    return with_products(lowered(function, *args)[0], at_any_size=True)


def shape(body):
    """Loops and products of the outermost region, in order."""
    return " ".join(op.name for op in body.ops if op.name in ("for", "gemm"))


def scalars(V, W, x):
    """Two layers in plain loops; the hidden one in an array that all trips share."""
    h = np.empty(V.shape[0])
    total = 0.0
    for s in range(x.shape[0]):
        for j in range(V.shape[0]):
            t = 0.1
            for i in range(V.shape[1]):
                t += V[j, i] * x[s, i]
            h[j] = math.tanh(t)
        for j in range(W.shape[0]):
            t = 0.2
            for i in range(W.shape[1]):
                t += W[j, i] * h[i]
            total += t * t
    return total


def arrays(V, W, x):
    y = np.empty((x.shape[0], W.shape[0]))
    for s in range(x.shape[0]):
        h = np.tanh(V @ x[s])
        y[s] = np.sin(W @ h)
    return y


@pytest.mark.parametrize("function", [scalars, arrays])
def test_before_and_after(function):
    """One loop over samples becomes a product, a loop over samples, the next product, and another loop."""
    body, _ = lowered(function, V, W, X)
    before = text(Function("f", body)).count("gemm(")
    body = raised(function, V, W, X)
    assert shape(body) == "gemm for gemm for"
    assert before <= 2
    assert all(op.name != "gemm" for outer in body.ops for region in outer.regions for op in walk(region))
    agrees(function, V, W, X)


def crossing(V, W, x):
    """Numbers from before the cut that are needed after it: one computed, one carried by each half, one loaded."""
    y = np.empty((x.shape[0], W.shape[0]))
    first, last = 0.0, 1.0
    for s in range(x.shape[0]):
        scale = math.exp(0.1 * x[s, 0])
        first += scale
        h = np.tanh(V @ x[s]) * scale
        t = W @ h
        last = last * 0.5 + t[0]
        y[s] = t * scale + x[s, 1]
    return y * (first + last)


def rows_of_one_array(V, W, x):
    """The second half reads what the first has written in trips before."""
    y = np.zeros((x.shape[0], W.shape[0]))
    h = np.zeros((x.shape[0] + 1, V.shape[0]))
    for s in range(x.shape[0]):
        h[s + 1] = np.tanh(V @ x[s])
        y[s] = W @ (h[s + 1] * h[s])
    return y


@pytest.mark.parametrize("function", [crossing, rows_of_one_array])
def test_cut(function):
    assert "for gemm for" in shape(raised(function, V, W, X))
    agrees(function, V, W, X)


# -- what forbids it ---------------------------------------------------------------------------------------------------------------
def fed_back(V, W, x):
    """The next trip needs what this one ends with."""
    y = np.zeros((x.shape[0], W.shape[0]))
    last = 0.0
    for s in range(x.shape[0]):
        h = np.tanh(V @ x[s] + last)
        t = W @ h
        last = t[0]
        y[s] = t
    return y


def kept_from_before(V, W, x):
    """Not every trip writes all of the hidden layer."""
    h = np.zeros(V.shape[0])
    y = np.zeros((x.shape[0], W.shape[0]))
    for s in range(x.shape[0]):
        for j in range(V.shape[0]):
            if x[s, 0] > 0.0:
                h[j] = math.tanh(x[s, 1] + j)
        y[s] = W @ h
    return y


def read_first(V, W, x):
    h = np.ones(V.shape[0])
    y = np.zeros((x.shape[0], W.shape[0]))
    for s in range(x.shape[0]):
        shift = h[0]
        for j in range(V.shape[0]):
            h[j] = math.tanh(x[s, 1] + j + shift)
        y[s] = W @ h
    return y


def needed_afterwards(V, W, x):
    h = np.empty(V.shape[0])
    y = np.zeros((x.shape[0], W.shape[0]))
    for s in range(x.shape[0]):
        for j in range(V.shape[0]):
            h[j] = math.tanh(x[s, 1] + j)
        y[s] = W @ h
    return y * h[1]


def matrix_written_by_the_second_half(V, W, x):
    M = W.copy()
    y = np.zeros((x.shape[0], W.shape[0]))
    for s in range(x.shape[0]):
        h = np.tanh(V @ x[s])
        y[s] = M @ h
        M[0, 0] = y[s, 1]
    return y


def input_written_by_the_second_half(V, W, x):
    z = x.copy()
    y = np.zeros((x.shape[0], W.shape[0]))
    for s in range(x.shape[0]):
        h = np.tanh(V @ z[s])
        y[s] = W @ h
        z[(s + 1) % x.shape[0], 0] = y[s, 0]
    return y


FORBIDDEN = [fed_back, kept_from_before, read_first, needed_afterwards]
FORBIDDEN += [matrix_written_by_the_second_half, input_written_by_the_second_half]


@pytest.mark.parametrize("function", FORBIDDEN)
def test_not_cut(function):
    assert shape(raised(function, V, W, X)).count("gemm") <= 1  # that of V alone
    agrees(function, V, W, X)
