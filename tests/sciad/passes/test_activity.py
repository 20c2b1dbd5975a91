"""What carries a derivative: varied forwards, useful backwards, memory by classes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from passes_tools import lowered

from sciad.errors import MissingRule
from sciad.ir import F8, Builder, Value, walk
from sciad.passes.activity import Activity, rule_of
from sciad.passes.structure import Structure


def activity(function, *args, wrt=(0,)):
    body, params = lowered(function, *args)
    return body, params, Activity(Structure(body), [params[k] for k in wrt], body.results)


def active_names(body, found) -> list[str]:
    return [op.name for op in walk(body) if len(op.results) == 1 and not op.result.type.startswith("*") and found.active(op.result)]


def test_neither_constant_inputs_nor_dead_ends_are_active():
    def f(a, b):
        c = math.sin(b)
        return a * c

    body, _, found = activity(f, 1.0, 2.0)
    assert active_names(body, found) == ["multiply"]


def test_integers_and_conditions_are_inactive():
    def f(a, n):
        k = int(a) + n
        return a * k if a > 0.5 else a

    body, _, found = activity(f, 1.0, 2)
    assert not any(found.active(op.result) for op in walk(body) if op.results and op.result.type in ("i8", "b1"))


def test_rounding_cuts():
    def f(a):
        return math.floor(a) * 2.0 + np.floor(a)

    body, (a,), found = activity(f, 1.5)
    assert not found.active(a)


def test_memory_is_active_as_a_whole():
    def f(a):
        x = np.zeros(3)
        y = np.zeros(3)
        x[0] = 1.0
        x[1] = a
        y[0] = 2.0
        s = 0.0
        for i in range(3):
            s += x[i] * y[i]
        return s

    body, _, found = activity(f, 1.0)
    first, second = [op.result for op in body.ops if op.name == "alloc"]
    assert found.active(first)
    assert not found.active(second)


def test_swapped_buffers_are_one_memory():
    def f(x, n):
        u, v = x.copy(), np.zeros(3)
        for _ in range(n):
            for i in range(3):
                v[i] = u[i] * 2.0
            u, v = v, u
        return u[0]

    body, _, found = activity(f, np.ones(3), 2)
    structure = Structure(body)
    first, second = [op.result for op in body.ops if op.name == "alloc"]
    assert structure.memory(first) is structure.memory(second)
    assert found.active(second)


def test_a_carried_value_that_its_loop_only_overwrites_is_active():
    """What leaves the loop is the parameter of a trip that does not come."""

    def f(x):
        a = 0.0
        for v in x:
            a = v
        return a

    body, _, found = activity(f, np.ones(3))
    (loop,) = [op for op in body.ops if op.name == "for"]
    assert found.active(loop.results[0])
    assert found.active(loop.regions[0].params[1])


def test_missing_rules_name_the_line():
    b = Builder()
    b.line = 17
    made = b.pure("no_such_operation", [Value(F8)], F8)
    with pytest.raises(MissingRule, match="line 17.*no_such_operation"):
        rule_of(made.op)
