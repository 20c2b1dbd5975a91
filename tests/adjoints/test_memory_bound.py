"""A bound of memory: the same gradient whatever the bound, within it, by explicit, implicit, multistep and switching solves."""

import numpy as np
import pytest

import sciad
from sciad.adjoints import Automatic, Discrete
from sciad.errors import SolveError

P, TIMES = np.array([1.0, 1e4, 0.5]), np.linspace(0.0, 8.0, 9)


def turning(dy, t, y, p):
    """Stiff around t = 4."""
    k = p[0] + p[1] * np.exp(-(((t - 4.0) / 1.5) ** 8))
    dy[0] = -k * (y[0] - np.cos(y[1]))
    dy[1] = p[2] * y[0]


def gradient_and_report(method, adjoint, p=P, **options):
    seen = []

    def loss(p):
        seen.append(sciad.solve_ivp(turning, (0.0, 8.0), np.array([0.3, 0.2]), method, TIMES, args=(p,), adjoint=adjoint, **options))
        return np.sum(seen[-1].y ** 2)

    return sciad.grad(loss)(p), seen[-1].adjoint_report


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P", "NDF"])
def test_checkpoints_where_the_bound_asks_for_them(method):
    p = P if method != "Tsit5" else np.array([1.0, 40.0, 0.5])
    free, whole = gradient_and_report(method, "auto", p, rtol=1e-7, atol=1e-9)
    for bound in (1500, 10**9):
        found, report = gradient_and_report(method, Automatic(memory=bound), p, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(found, free, rtol=1e-6 if method == "NDF" else 1e-9)  # NDF takes its steps again to rounding
        assert ("memory" in report.reason) == (bound == 1500)
        assert report.memory <= whole.memory
        np.testing.assert_allclose(gradient_and_report(method, Discrete(memory=bound), p, rtol=1e-7, atol=1e-9)[0], found, rtol=1e-12)
    assert "memory" not in whole.reason


def test_a_switching_solve_becomes_stiff():
    free, _ = gradient_and_report("auto", "auto", rtol=1e-8, atol=1e-10)
    found, report = gradient_and_report("auto", Automatic(memory=1500), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found, free, rtol=1e-5, atol=1e-8)
    assert report.stiff
    assert "memory" in report.reason


def test_failures_are_those_of_the_solve():
    with pytest.raises(SolveError, match="max_steps = 7"):
        gradient_and_report("Tsit5", Automatic(memory=1500), max_steps=7)
