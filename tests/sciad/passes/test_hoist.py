"""Loop-invariant motion: what moves, and what must not."""

# ruff: noqa: B007
from __future__ import annotations

import math

import numpy as np
from passes_tools import count, deep, lowered


def test_costly_invariants_leave_all_loops_that_they_can():
    def f(a, n, x):
        s = 0.0
        for i in range(n):
            b = s * 0.5
            for j in range(n):
                s += math.sin(2.0 * a) * x[j] + math.exp(b)
        return s

    body, _ = lowered(f, 1.0, 9, np.ones(9))
    assert deep(body, "sin") == 0
    assert deep(body, "exp") == 1


def test_cheap_invariants_stay():
    def f(a, n, x):
        s = 0.0
        for i in range(n):
            s += (a * 3.0) * x[i]
        return s

    body, _ = lowered(f, 1.0, 9, np.ones(9))
    assert deep(body, "multiply") == 1


def test_branches_are_not_left():
    """What only one path computes stays on that path."""

    def f(a, n, x):
        s = 0.0
        for i in range(n):
            if x[i] > 0.0:
                s += math.log(a)
        return s

    body, _ = lowered(f, 1.0, 9, np.ones(9))
    assert deep(body, "log") == 1 or count(body, "if") == 0


def test_memory_and_divisions_of_ints_do_not_move():
    def f(a, n, k, x):
        s = 0.0
        for i in range(n):
            s += a * (n // k) + math.sin(x[0])
            x[0] = s
        return s

    body, _ = lowered(f, 1.0, 9, 2, np.ones(9))
    assert deep(body, "floor_divide") == 1
    assert deep(body, "sin") == 1
