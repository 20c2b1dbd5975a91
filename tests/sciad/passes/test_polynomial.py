"""Proofs about integers: what is proved holds for all small values, what does not hold is never proved."""

from __future__ import annotations

import itertools
import operator

import pytest

from sciad.fold import fold
from sciad.ir import Builder, Op, Region, Value
from sciad.passes.polynomial import Facts, combine
from sciad.types import I8


class Loops:
    """n is a length; i runs to n, j from i + 1 to n (as trip number j of n - i - 1)."""

    def __init__(self):
        self.b = b = Builder(fold)
        self.n = Value(I8, None, "n")
        b.enter([self.n])
        self.facts = Facts([self.n])
        self.i, self.j = Value(I8, None, "i"), Value(I8, None, "j")
        inner = b.sub(self.n, b.add(self.i, 1))
        for trips, k in ((self.n, self.i), (inner, self.j)):
            self.facts.enter(Op("for", [trips], [], [Region([k])]))

    def proved(self, build):
        """Whether ``build(b, n, i, j) >= 0`` is proved."""
        return self.facts.nonnegative(self.facts.form(build(self.b, self.n, self.i, self.j)))


CASES = {
    "n - i - 1": lambda b, n, i, j: b.sub(b.sub(n, i), 1),
    "n - i - 2": lambda b, n, i, j: b.sub(b.sub(n, i), 2),
    "n - i - 2 - j": lambda b, n, i, j: b.sub(b.sub(b.sub(n, i), 2), j),
    "n - i - 3 - j": lambda b, n, i, j: b.sub(b.sub(b.sub(n, i), 3), j),
    "i * n + j": lambda b, n, i, j: b.add(b.mul(i, n), j),
    "j - i": lambda b, n, i, j: b.sub(j, i),
    "n * (n - i) - 1": lambda b, n, i, j: b.sub(b.mul(n, b.sub(n, i)), 1),
    "n + (n - 1) i - i (i - 1) / 2": lambda b, n, i, j: b.sub(
        b.add(n, b.mul(b.sub(n, 1), i)), b.pure("right_shift", [b.mul(i, b.sub(i, 1)), b.int(1)], I8)
    ),
    "3 - i": lambda b, n, i, j: b.sub(3, i),
}  # fmt: skip


#: True, but not proved: that the inner loop has a trip bounds i.
TOO_HARD = {"n - i - 2"}


def value(v, at):
    """An integer's value for given parameters."""
    if v in at:
        return at[v]
    if v.constant is not None:
        return v.constant
    x, y = (value(a, at) for a in v.op.args)
    return {"add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "right_shift": operator.rshift}[v.op.name](x, y)


@pytest.mark.parametrize("case", list(CASES))
def test_proofs_hold_and_nothing_false_is_proved(case):
    loops = Loops()
    v = CASES[case](loops.b, loops.n, loops.i, loops.j)
    least = min(
        value(v, {loops.n: n, loops.i: i, loops.j: j})
        for n in range(1, 9)
        for i in range(n)
        for j in range(n - i - 1)
    )
    assert loops.proved(CASES[case]) == (least >= 0 and case not in TOO_HARD)


def test_different_rows_and_columns():
    """Element (r, i) with r below i + 1 never is (i + 1 + j, ...): by columns of rows of 48, whatever the rows are."""
    loops = Loops()
    b, facts = loops.b, loops.facts
    n, i, j = loops.n, loops.i, loops.j
    row = b.mul(b.add(b.add(i, 1), j), 48)
    assert facts.different(b.add(row, 3), b.add(b.mul(i, 48), 7))
    assert not facts.different(b.add(b.mul(i, 48), j), b.mul(j, 48))
    assert facts.different(b.add(b.mul(i, n), n), b.add(b.mul(i, n), j))


def test_division_by_a_row_that_is_a_value():
    loops = Loops()
    b, n, i, j = loops.b, loops.n, loops.i, loops.j
    for p, q in itertools.product((0, 1), repeat=2):
        first, second = b.add(b.mul(i, n), p), b.add(b.mul(j, n), q)
        # rows of length 1 exist: then elements 0 and 1 of a row may be one
        assert not loops.facts.different(first, second)
    assert combine({(n,): 1}, {(n,): 1}, -1) == {}


def test_diagonals_of_rows_of_constant_length():
    """``48 i + i`` and ``48 (i + 1 + j) + l`` for l < i: the rows' length is found in 49 i too, as an in-place Cholesky needs."""
    b = Builder(fold)
    b.enter()
    facts = Facts()
    i, j, l, q = (Value(I8, None, name) for name in "ijlq")
    for trips, k in ((b.int(48), i), (b.sub(47, i), j), (i, l), (b.sub(47, i), q)):
        facts.enter(Op("for", [trips], [], [Region([k])]))
    later = b.add(b.add(i, 1), q)
    diagonal = b.add(b.mul(later, 48), later)
    assert facts.different(diagonal, b.add(b.mul(b.add(b.add(i, 1), j), 48), l))
    assert not facts.different(diagonal, b.add(b.mul(b.add(b.add(i, 1), j), 48), b.add(l, 2)))
    assert not facts.different(b.mul(later, 49), b.add(b.mul(j, 48), q))
