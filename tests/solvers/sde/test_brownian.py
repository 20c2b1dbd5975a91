"""Brownian motion as a function of time: distribution, bridges, and that nothing depends on the order of questions."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from sciad.solvers.sde import Brownian
from sciad.solvers.sde.brownian import HALVINGS, LEAVES, kinds

PATHS = 20_000
TIMES = np.array([0.0, 0.1, 1 / 3, 0.375, 0.5, 2 / 3, 0.9999, 1.0])


@pytest.fixture(scope="module")
def many():
    """W and its integral at TIMES for many paths."""
    b = Brownian(5, (0.0, 1.0), 1, PATHS)
    return b(TIMES)[..., 0], b.integral(TIMES)[..., 0]


def test_increments_are_normal_and_independent(many):
    w, _ = many
    steps = np.diff(w, axis=1) / np.sqrt(np.diff(TIMES))
    for column in steps.T:
        assert stats.kstest(column, "norm").pvalue > 1e-3
    assert np.max(abs(np.corrcoef(steps.T) - np.eye(steps.shape[1]))) < 5 / np.sqrt(PATHS)


def test_space_time_areas(many):
    """H = mean of W - W(start) - dW / 2 is N(0, h / 12), independent of the increments and of other steps."""
    w, a = many
    h, dw = np.diff(TIMES), np.diff(w, axis=1)
    area = np.diff(a, axis=1) / h - w[:, :-1] - 0.5 * dw
    for column in (area / np.sqrt(h / 12)).T:
        assert stats.kstest(column, "norm").pvalue > 1e-3
    together = np.corrcoef(np.hstack([dw, area]).T)
    assert np.max(abs(together - np.eye(len(together)))) < 5 / np.sqrt(PATHS)


@pytest.mark.parametrize(("left", "middle", "right"), [(0, 2, 7), (2, 3, 4), (4, 5, 7)])
def test_bridges(many, left, middle, right):
    """W between two known times has the mean and the variance of a Brownian bridge."""
    w, (s, t, u) = many[0], TIMES[[left, middle, right]]
    mean = w[:, left] + (t - s) / (u - s) * (w[:, right] - w[:, left])
    deviation = np.sqrt((t - s) * (u - t) / (u - s))
    assert stats.kstest((w[:, middle] - mean) / deviation, "norm").pvalue > 1e-3


def test_the_integral_is_that_of_the_path():
    """Against the trapezoidal rule on a fine grid, whose own error is known."""
    b, n = Brownian(9, (0.0, 1.0), 2, 2), 50_000
    t = np.arange(n + 1) / n
    w, a = b(t), b.integral(t)
    trapezoid = np.cumsum(0.5 * (w[:, 1:] + w[:, :-1]), axis=1) / n
    assert np.max(abs(trapezoid - a[:, 1:])) < 6 * np.sqrt(1 / 12) / n


def test_order_neighbours_and_repetition_do_not_matter():
    """Bit for bit: forward, backward, shuffled, alone; a path alone or among others; whatever other times are asked."""
    b = Brownian(1, (0.0, 1.0), 3, 9)
    t = np.concatenate([np.arange(101) / 100, np.arange(1, 64) / 64, np.random.default_rng(0).random(50)])
    forward = b(np.sort(t))[:, np.argsort(np.argsort(t))]
    assert np.array_equal(b(t), forward)
    assert np.array_equal(b(t[::-1])[:, ::-1], forward)
    assert np.array_equal(Brownian(1, (0.0, 1.0), 3, np.array([7]))(t)[0], forward[7])
    assert all(np.array_equal(b(np.array([x]))[:, 0], forward[:, k]) for k, x in list(enumerate(t))[::17])
    assert np.array_equal(Brownian(1, (1.0, 0.0), 3, 9)(t), forward)


def test_seeds_paths_and_components_differ():
    t = np.array([1.0])
    drawn = np.concatenate([Brownian(seed, (0.0, 1.0), 4, 5)(t).ravel() for seed in (0, 1, 2**32, 2**63)])
    assert len(np.unique(drawn)) == len(drawn)


def test_the_span_in_one_decade_does_not_matter():
    """Spans that begin alike and lie in one power of ten share their path."""
    t = np.linspace(0.0, 2.0, 11)
    assert np.array_equal(Brownian(3, (0.0, 2.0), 1, 2)(t), Brownian(3, (0.0, 7.5), 1, 2)(t))


def test_rounding_of_times_does_not_matter():
    """0.1 + 0.2 is 0.3: times within rounding of a grid point are that point."""
    b = Brownian(3, (0.0, 1.0), 1, 2)
    assert np.array_equal(b([0.1 + 0.2]), b([0.3]))
    far = Brownian(3, (100.0, 101.0), 1, 2)
    assert np.array_equal(far([100.0 + 0.1 + 0.2]), far([100.3]))


def test_other_processes_draw_the_same():
    code = "from sciad.solvers.sde import Brownian; print(Brownian(8, (0.0, 1.0), 2, 3)([0.3, 1 / 3, 1.0]).tobytes().hex())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == Brownian(8, (0.0, 1.0), 2, 3)(np.array([0.3, 1 / 3, 1.0])).tobytes().hex()


def test_the_tree_is_whole():
    """Children fill their parent, and leaves are single."""
    rows = kinds()
    for left, right, first, size in rows[:-1]:
        assert rows[left][3] == first
        assert rows[left][3] + rows[right][3] == size
    assert rows[0][3] == LEAVES
    assert rows[-1][3] == 1
    assert rows[-1 - HALVINGS][3] == 2**HALVINGS
