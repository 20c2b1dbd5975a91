"""What the primal sweep keeps for the reverse one: nothing that is not read, nothing that costs less to compute again."""

# ruff: noqa: B007
from __future__ import annotations

import math

import numpy as np
from passes_tools import count, deep, gradient

TAPES = ("tape_put", "tape_new", "tape_push")


def allocated_in_loops(made) -> int:
    return deep(made, "alloc")


def test_a_linear_loop_keeps_nothing():
    def f(x, w):
        s = 0.0
        for i in range(x.shape[0]):
            s = 2.0 * s + x[i] * w[i]
        return s

    made = gradient(f, np.ones(5), np.ones(5))
    assert count(made, "alloc", "store", *TAPES) == 1  # the shadow of x is written, and nothing else


def test_a_nonlinear_recurrence_keeps_one_number_a_trip():
    def f(a, n):
        s = a
        for _ in range(n):
            s = math.sin(s)
        return s

    made = gradient(f, 1.0, 9)
    assert count(made, "alloc") == 1
    assert count(made, "store") == 1
    assert count(made, *TAPES) == 0


def test_loop_invariants_are_not_stored_in_each_trip():
    def f(a, n):
        c = math.exp(a)
        s = a
        for _ in range(n):
            s = s * math.sin(a) + c * s * s
        return s

    made = gradient(f, 1.0, 9)
    assert count(made, "alloc") == 1  # s of each trip
    assert count(made, "store") == 1


def test_cheap_values_are_computed_again():
    def f(x):
        s = 0.0
        for i in range(x.shape[0]):
            y = x[i] + 1.0
            z = y * 2.0
            s += z * z * y
        return s

    made = gradient(f, np.ones(5))
    assert count(made, "alloc", *TAPES) == 0


def test_costly_values_are_kept():
    """One number a trip, and no second call of tanh."""

    def f(x):
        s = 0.0
        for i in range(x.shape[0]):
            s += math.tanh(x[i])
        return s

    made = gradient(f, np.ones(500))
    assert count(made, "tanh") == 1
    assert count(made, "alloc") == 1


def test_a_while_loop_grows_its_tape():
    def f(a):
        while a > 0.01:
            a = math.sin(a) * 0.5
        return a

    made = gradient(f, 1.0)
    assert count(made, "tape_new") == 1
    assert count(made, "tape_put") == 1
    assert count(made, "tape_get") == 1


def test_nothing_is_kept_that_the_reverse_sweep_does_not_read():
    """Every tape that is written is read."""

    def f(a, n):
        s, t = a, 0.0
        for k in range(n):
            s = math.sin(s)
            t = t + math.floor(s) + 3.0 * s
            if s > 0.5:
                t = t * s
        return t

    made = gradient(f, 1.0, 9)
    written = {op.args[0] for op in walk_all(made) if op.name == "store"}
    read = {op.args[0] for op in walk_all(made) if op.name == "load"}
    assert {b for b in written if b.op is not None} <= read


def test_flags_of_branches_are_kept_as_bools():
    def f(x, n):
        s = 1.0
        for i in range(n):
            if s > x[i]:
                s = s * x[i] * s
            else:
                s = s + math.cos(s) * x[i]
        return s

    made = gradient(f, np.ones(9), 9)
    kinds = sorted(op.attributes["dtype"] for op in walk_all(made) if op.name == "alloc")
    assert set(kinds) <= {"bool", "float64"}


def walk_all(region):
    from sciad.ir import walk

    return list(walk(region))
