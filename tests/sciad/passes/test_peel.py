"""Border trips cut off: the middle has no choice of index, and values and gradients stay, for lengths around the border's."""

from __future__ import annotations

import numpy as np
import pytest
from interpret import interpreted

import sciad
from sciad import tree
from sciad.frontend.lower import kind_of, lower
from sciad.ir import walk
from sciad.passes.peel import peel
from sciad.passes.ranges import decide_ranges
from sciad.passes.tidy import tidy


def periodic(x):
    n = x.size
    total = 0.0
    for i in range(n):
        right = i + 1
        if right == n:
            right = 0
        left = i - 1 if i > 0 else n - 1
        total += x[i] * x[right] * x[left] + x[i - 2]
    return total


def test_the_middle_has_no_selects():
    leaves, structure = tree.flatten((np.ones(9),))
    found = lower(periodic, structure, [kind_of(x) for x in leaves])
    lengths = {n for leaf in found.leaves for n in leaf.params[1:]}
    body = tidy(found.function.body)
    peel(body, lengths)
    body = tidy(body)
    for _ in range(2):  # an index that was chosen is then looked at for its sign
        decide_ranges(body, lengths)
        body = tidy(body)
    loops = [op for op in walk(body) if op.name == "for"]
    assert len(loops) == 3
    assert [any(op.name == "select" for op in loop.regions[0].ops) for loop in loops] == [True, False, True]


def fixed(x):
    total = 0.0
    for i in range(x.shape[1]):
        right = i + 1 if i < x.shape[1] - 1 else 0
        left = i - 1 if i > 0 else x.shape[1] - 1
        total += x[0, i] * x[0, right] * x[0, left]
    return total


def test_borders_of_a_constant_length():
    """One trip at each end, whether the length is a constant or not."""
    leaves, structure = tree.flatten((np.ones((1, 9)),))
    found = lower(fixed, structure, [kind_of(x, static_shape=True) for x in leaves])
    body = tidy(found.function.body)
    peel(body)
    body = tidy(body)
    for _ in range(2):
        decide_ranges(body)
        body = tidy(body)
    loops = [op for op in walk(body) if op.name == "for"]
    assert [loop.args[0].constant for loop in loops] == [1, 7, 1]
    assert not any(op.name == "select" for op in loops[1].regions[0].ops)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 11])
def test_every_length_around_the_border(n):
    x = np.linspace(0.5, 2.0, n)
    with interpreted():
        value, bar = sciad.value_and_grad(sciad.jit(periodic))(x)
    assert value == pytest.approx(periodic(x), rel=1e-13)
    for i in range(n):
        moved = x.astype(complex)
        moved[i] += 1e-30j
        assert bar[i] == pytest.approx(periodic(moved).imag / 1e-30, rel=1e-12)
