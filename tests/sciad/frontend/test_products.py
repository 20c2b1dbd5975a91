"""Products of stacks of matrices in the compiled tier, as NumPy has them."""

from __future__ import annotations

import numpy as np
import pytest
from interpret import interpreted

import sciad

SHAPES = [
    ((4, 1, 2), (2, 50)), ((4, 3, 7), (7, 5)), ((4, 3, 7), (7,)), ((4, 3, 7), (4, 7, 5)), ((3, 7), (4, 7, 5)), ((7,), (4, 7, 5)),
    ((2, 1, 3, 7), (4, 7, 2)), ((40, 30, 20), (20, 40)), ((4, 40, 30), (4, 30, 25)), ((1, 3, 6), (5, 6, 6)),
]  # fmt: skip


def weighted(a, b):
    return np.sum(np.exp(0.1 * (a @ b)))


@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_stacks_of_matrices(left, right):
    rng = np.random.default_rng(3)
    a, b, a_dot, b_dot = (rng.normal(size=shape) for shape in (left, right, left, right))
    exact = weighted(a + 1e-200j * a_dot, b + 1e-200j * b_dot).imag / 1e-200
    with interpreted():
        value, (a_bar, b_bar) = sciad.value_and_grad(sciad.jit(weighted), (0, 1))(a, b)
        _, dot = sciad.jvp(sciad.jit(weighted), (a, b), (a_dot, b_dot))
    assert value == pytest.approx(weighted(a, b), rel=1e-13)
    assert np.sum(a_bar * a_dot) + np.sum(b_bar * b_dot) == pytest.approx(exact, rel=1e-11)
    assert dot == pytest.approx(exact, rel=1e-11)


def transposed(a, b):
    return np.sum(np.sin(np.swapaxes(a, 0, 1) @ b[:, ::2]))


def test_strided_stacks():
    rng = np.random.default_rng(4)
    a, b, a_dot, b_dot = (rng.normal(size=shape) for shape in ((4, 3, 5), (5, 6), (4, 3, 5), (5, 6)))
    exact = transposed(a + 1e-200j * a_dot, b + 1e-200j * b_dot).imag / 1e-200
    a_bar, b_bar = sciad.grad(sciad.jit(transposed), (0, 1))(a, b)
    assert np.sum(a_bar * a_dot) + np.sum(b_bar * b_dot) == pytest.approx(exact, rel=1e-11)


def test_lengths_that_do_not_fit():
    with pytest.raises((sciad.ShapeError, ValueError), match="matrix product"):
        sciad.jit(weighted)(np.ones((2, 3, 4)), np.ones((5, 2)))
