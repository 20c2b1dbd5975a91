"""Simplification and dead code: what goes, and what must stay."""

# ruff: noqa: F841
from __future__ import annotations

import math

import numpy as np
from passes_tools import count, lowered, plain

from sciad.fold import fold
from sciad.frontend.lower import kind_of, lower
from sciad.ir import F8, I8, Builder, Value
from sciad.passes.dce import dce
from sciad.passes.simplify import simplify
from sciad.tree import flatten


def raw(function, *args):
    leaves, structure = flatten(args)
    return lower(function, structure, [kind_of(x) for x in leaves]).function.body


def test_before_and_after():
    """The whole text of a small function, so that the printer and the pass are both seen."""

    def f(a):
        unused = math.sin(a)
        if 2 > 1:
            return (a * 1.0) * a + (a * a) * (3.0 - 1.0)
        return unused

    before = raw(f, 1.0)
    assert "sin" in plain(before)
    after = simplify(before)
    dce(after)
    assert plain(after) == "\n".join([
        "function f(%0: f8)",
        "    %1: f8 = multiply(%0, %0)",
        "    %2: f8 = const() value=2.0",
        "    %3: f8 = multiply(%1, %2)",
        "    %4: f8 = add(%1, %3)",
        "    -> %4",
    ])  # fmt: skip


def test_floats_are_folded_bit_for_bit():
    """``x + 0.0``, ``x * 0.0`` and ``x - x`` are not constants: -0.0, Inf and NaN tell them apart."""
    b, x = Builder(fold), Value(F8)
    zero = b.const(0.0)
    for name, args in (("add", [x, zero]), ("multiply", [x, zero]), ("subtract", [x, x]), ("divide", [zero, x])):
        made = b.pure(name, args, F8)
        assert made is not x
        assert made.constant is None
    assert b.pure("multiply", [x, b.const(1.0)], F8) is x
    assert b.pure("subtract", [x, zero], F8) is x
    assert b.pure("negative", [b.pure("negative", [x], F8)], F8) is x
    assert math.copysign(1.0, b.pure("negative", [zero], F8).constant) == -1.0


def test_integers_are_folded():
    b, k = Builder(fold), Value(I8)
    assert b.sub(b.add(k, 3), 3) is k
    assert b.mul(k, 0).constant == 0
    assert b.sub(k, k).constant == 0
    assert b.pure("floor_divide", [b.const(-7), b.const(2)], I8).constant == -4
    assert b.pure("floor_divide", [b.const(7), b.const(0)], I8).constant is None


def test_equal_operations_are_shared_and_loads_forwarded():
    def f(x, a):
        x[0] = math.sin(a)
        y = x[0] * math.sin(a)
        x[1] = 3.0
        return y + x[0] + x[1]

    body, _ = lowered(f, np.ones(3), 1.0)
    assert count(body, "sin") == 1
    assert count(body, "load") == 0
    assert count(body, "store") == 2


def test_stores_to_other_memory_keep_what_is_known():
    def f(x, y):
        s = x[0]
        y[0] = 2.0
        return s * x[0]

    body, _ = lowered(f, np.ones(3), np.ones(3))
    assert count(body, "load") == 1


def test_values_that_a_loop_does_not_change_are_not_carried():
    def f(a, n):
        b = a
        s = 0.0
        for _ in range(n):
            s = s + b
            c = b
            b = c
        return s * b

    body, _ = lowered(f, 1.0, 9)
    (loop,) = [op for op in body.ops if op.name == "for"]
    assert len(loop.results) == 1


def test_dead_carried_values_and_buffers_go():
    def f(a, n):
        s, t = a, a
        u = np.zeros(4)
        for i in range(n):
            s = s * a
            t = math.cos(t)
            u[i % 4] = t
        return s

    body, _ = lowered(f, 1.0, 9)
    assert count(body, "cos", "store", "alloc") == 0
    (loop,) = [op for op in body.ops if op.name == "for"]
    assert len(loop.results) == 1


def test_what_the_caller_sees_stays():
    def f(x, n):
        for i in range(n):
            x[i] = 1.0
        assert n < 100
        return

    body, _ = lowered(f, np.ones(3), 3)
    assert count(body, "store") == 1
    assert count(body, "check") == 1


def test_a_branch_without_effect_goes():
    def f(a):
        b = a
        if a > 0.0:
            b = a * 2.0
        if a > 1.0:
            pass
        return a * a + (0.0 if a > 2.0 else 0.0)

    body, _ = lowered(f, 1.0)
    assert count(body, "if", "select") == 0
