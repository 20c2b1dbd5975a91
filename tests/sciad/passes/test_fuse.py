"""Loop fusion: which loops become one, which must not, and that no temporary is left."""

from __future__ import annotations

import math

import numpy as np
import pytest
from judge import agrees
from passes_tools import count, gradient, lowered, plain

from sciad.passes import show

rng = np.random.default_rng(7)
X, C = rng.normal(size=20), rng.normal(size=20)


def named(a, x, b, c):
    t = a * x + b
    u = np.exp(t)
    v = u * c
    return np.sum(u * v)


def test_before_and_after():
    stages = show.stages(named, 1.5, X, 0.5, C)
    assert stages[0][1].count("alloc(") == 3
    assert "fuse" in [name for name, _ in stages]
    body, _ = lowered(named, 1.5, X, 0.5, C)
    assert plain(body) == "\n".join([
        "function f(%0: f8, %1: *float64, %2: i8, %3: f8, %4: *float64, %5: i8)",
        "    %6: b1 = equal(%2, %5)",
        "    check(%6) exception='ValueError' message='MESSAGE'",
        "    %7: f8 = const() value=0.0",
        "    %8: f8 = for(%2, %7) parallel=True",
        "      (%9, %10):",
        "        %11: f8 = load(%1, %9)",
        "        %12: f8 = multiply(%0, %11)",
        "        %13: f8 = add(%12, %3)",
        "        %14: f8 = exp(%13)",
        "        %15: f8 = load(%4, %9)",
        "        %16: f8 = multiply(%14, %15)",
        "        %17: f8 = multiply(%14, %16)",
        "        %18: f8 = fast_add(%10, %17)",
        "        -> %18",
        "    -> %8",
    ]).replace("MESSAGE", next(op.attributes["message"] for op in body.ops if op.name == "check"))  # fmt: skip
    agrees(named, 1.5, X, 0.5, C)


def test_pullback_has_no_temporaries():
    body = gradient(named, 1.5, X, 0.5, C, wrt=(0, 1, 2, 3))
    assert count(body, "alloc") == 1  # the exponentials, kept for the way back
    assert count(body, "for") == 2


def matrices(x, y, s):
    t = x * y + s
    return np.sin(t) * t


def neighbours_before(x, w):
    """A trip reads what earlier trips stored."""
    t = np.empty(x.size)
    y = np.zeros(x.size)
    for i in range(x.size):
        t[i] = math.sin(x[i] * w[i])
    for i in range(x.size):
        y[i] = t[i] * (t[i - 1] if i > 0 else 0.0)
    return y


def test_fused():
    grid = rng.normal(size=(5, 70))
    body, _ = lowered(matrices, grid, 2.0 * grid, 0.3)
    assert count(body, "for") == 2
    assert count(body, "alloc") == 1
    agrees(matrices, grid, 2.0 * grid, 0.3)
    agrees(neighbours_before, X, C)


# -- what must stay apart ----------------------------------------------------------------------------------------------------------
def neighbours_after(x, w):
    """A trip reads what later trips store."""
    t = x.copy()
    y = np.zeros(x.size)
    for i in range(x.size):
        t[i] = math.sin(x[i] * w[i])
    for i in range(x.size):
        y[i] = t[i] * t[(i + 1) % x.size]
    return y


def reversed_order(x, w):
    t = x.copy()
    y = np.zeros(x.size)
    for i in range(x.size):
        t[i] = x[i] * w[i]
    for i in range(x.size):
        y[i] = t[i] + t[x.size - 1 - i]
    return y


def overwrites_what_was_to_be_read(x, w):
    t = x.copy()
    y = np.zeros(x.size)
    for i in range(x.size):
        y[i] = t[i] * t[i - 1] + w[i]
    for i in range(x.size):
        t[i] = y[i] * 2.0
    return t


def last_wins(x, w):
    """Both write; the second of them everywhere."""
    t = x.copy()
    for i in range(x.size):
        t[i] = w[i]
        t[i // 2] = x[i] * 3.0
    for i in range(x.size):
        t[i] = t[i] * 2.0
    return t


def reads_the_sum(x, w):
    t = np.zeros(x.size)
    s = 0.0
    for i in range(x.size):
        t[i] = x[i] * w[i]
        s += t[i]
    for i in range(x.size):
        t[i] = t[i] / s
    return t


def through_a_view(x, w):
    t = x.copy()
    v = t[::-1]
    for i in range(x.size):
        t[i] = x[i] * w[i]
    for i in range(x.size):
        v[i] = t[i] * 2.0
    return t


@pytest.mark.parametrize(
    "function", [neighbours_after, reversed_order, overwrites_what_was_to_be_read, last_wins, reads_the_sum, through_a_view]
)
def test_apart(function):
    body, _ = lowered(function, X, C)
    assert "fuse" not in [name for name, _ in show.stages(function, X, C)]
    assert count(body, "for") >= 2
    agrees(function, X, C)


def test_arguments_are_not_written_before_an_error():
    """A check between two loops stays where it is when the first writes what the caller sees."""

    def writes(x, w):
        for i in range(x.size):
            x[i] = 2.0 * x[i]
        y = x + w
        return np.sum(y)

    body, _ = lowered(writes, X, C)
    names = [op.name for op in body.ops]
    assert names.index("for") < names.index("check")


def test_lengths_found_equal_are_one():
    def added(x, y):
        return np.sum((x + y) * y)

    body, params = lowered(added, X, C)
    assert [op.name for op in body.ops].count("check") == 1
    trips = {op.args[0] for op in body.ops if op.name == "for"}
    assert len(trips) == 1
    assert len(params) == 2
