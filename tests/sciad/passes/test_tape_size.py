"""What is stored for the way back: copies of arrays, elements that survive, and nothing that can be had without."""

from __future__ import annotations

import numpy as np
import pytest
from interpret import interpreted

import sciad
from sciad.jit import jit


def reverse_source(fun, *args):
    """The generated reverse sweep."""
    return sciad.derivative_source(jit(fun), *args, mode="reverse")


def tapes(source):
    """Sizes of the tapes, as text."""
    made = [line for line in source.splitlines() if line.strip().startswith("tape") and "np.empty" in line]
    return [line.split("(", 1)[1].rsplit(",", 1)[0] for line in made]


def layers(W, x, steps):
    h = x.copy()
    g = 0.0 * x
    for _ in range(steps):
        for i in range(x.size):
            t = 0.0 * x[0]
            for j in range(x.size):
                t += W[i, j] * h[j]
            g[i] = np.tanh(t)
        for i in range(x.size):
            h[i] = g[i]
    total = 0.0
    for i in range(x.size):
        total += h[i]
    return total


def test_an_array_is_copied_once_for_a_nest_that_reads_it():
    n, steps = 4, 3
    rng = np.random.default_rng(0)
    W, x = rng.normal(size=(n, n)), rng.normal(size=n)
    source = reverse_source(layers, W, x, steps)
    assert "_was" in source  # the copy
    assert not any(size.count("x_n0") > 1 for size in tapes(source)), tapes(source)
    with interpreted():
        W_bar, x_bar = sciad.grad(sciad.jit(layers), (0, 1))(W, x, steps)
    for bar, k in ((W_bar, 0), (x_bar, 1)):
        for i in np.ndindex(bar.shape):
            moved = [W.astype(complex), x.astype(complex)]
            moved[k][i] += 1e-30j
            assert bar[i] == pytest.approx(layers(*moved, steps).imag / 1e-30, rel=1e-10)


def factor(A):
    L = A.copy()
    for j in range(A.shape[0]):
        for k in range(j):
            L[j, j] -= L[j, k] * L[j, k]
        L[j, j] = np.sqrt(L[j, j])
        for i in range(j + 1, A.shape[0]):
            for k in range(j):
                L[i, j] -= L[i, k] * L[j, k]
            L[i, j] = L[i, j] / L[j, j]
    total = 0.0
    for j in range(A.shape[0]):
        total += np.log(L[j, j])
    return total


def test_finished_columns_of_a_factor_are_read_where_they_are():
    rng = np.random.default_rng(1)
    M = rng.normal(size=(5, 5))
    A = M @ M.T + 5 * np.eye(5)
    source = reverse_source(factor, A)
    assert "grown" not in source.split("@kernel")[1]  # no tape that grows: products read finished columns
    with interpreted():
        bar = sciad.grad(sciad.jit(factor))(A)
    inverse = np.linalg.inv(A)  # of log det A / 2, in terms of the lower triangle
    np.testing.assert_allclose(bar, np.tril(inverse, -1) + np.diag(np.diag(inverse)) / 2, rtol=1e-10, atol=1e-12)


def shifted(x, n):
    y = x.copy()
    total = 0.0
    for i in range(n):
        total += y[i] * y[i + 1]
        y[i + 1] = total * x[i]
    return total


def test_elements_that_are_overwritten_later_are_saved():
    x = np.array([0.5, 1.5, -0.3, 0.8])
    with interpreted():
        bar = sciad.grad(sciad.jit(shifted))(x, 3)
    for i in range(4):
        moved = x.astype(complex)
        moved[i] += 1e-30j
        assert bar[i] == pytest.approx(shifted(moved, 3).imag / 1e-30, rel=1e-12)


def test_a_factorisation_in_place_keeps_nothing():
    """What an in-place Cholesky reads is final; where rows have a known length, the way back finds all of it in the factor."""
    source = reverse_source(factor, np.eye(24))
    assert not tapes(source), tapes(source)
    assert "grown" not in source
    rng = np.random.default_rng(3)
    M = rng.normal(size=(14, 14))
    A = M @ M.T + 14 * np.eye(14)
    with interpreted():
        bar = sciad.grad(sciad.jit(factor))(A)
    inverse = np.linalg.inv(A)
    np.testing.assert_allclose(bar, np.tril(inverse, -1) + np.diag(np.diag(inverse)) / 2, rtol=1e-10, atol=1e-12)


def ring(x, dt, steps):
    n = x.size
    y = x.copy()
    dy = 0.0 * x
    for _ in range(steps):
        for i in range(n):
            dy[i] = (y[(i + 1) % n] - y[i - 2]) * y[i - 1] - y[i]
        for i in range(n):
            y[i] += dt * dy[i]
    total = 0.0
    for i in range(n):
        total += y[i] * y[i]
    return total


def test_a_state_is_copied_once_though_its_loop_was_cut_at_the_border():
    """One row of the state for each step, and a few values for the border trips; not two for each element."""
    x = np.linspace(0.5, 2.0, 9)
    compiled = jit(ring)
    source = sciad.derivative_source(compiled, x, 0.01, 4)
    assert sum("_was" in line and "np.empty" in line for line in source.splitlines()) <= 2  # y, and dy for dt
    with interpreted():
        gradient = sciad.grad(jit(ring))(x, 0.01, 4)
    for i in range(x.size):
        moved = x.astype(complex)
        moved[i] += 1e-30j
        assert gradient[i] == pytest.approx(ring(moved, 0.01, 4).imag / 1e-30, rel=1e-11)
