"""The surface of `solve_sde`: shapes, saved times, seeds, statistics, errors."""

import subprocess
import sys

import numpy as np
import pytest

import sciad
from sciad.errors import PerformanceWarning, ShapeError
from sciad.solvers.sde import problem, solve_sde


def drift(t, y, a):
    return -a * y


def diffusion(t, y, a):
    return 0.3 * y + 0.1


def ones(t, y, a):
    return 1.0 + 0.0 * y


def still(t, y, a):
    return 0.0 * y


def matrix(t, y, a):
    return np.array([[0.1, 0.2 * y[0], 0.0], [0.0, 0.1, 0.3 * y[1]]])


def solve(*args, g=diffusion, y0=(1.0, 2.0), t_span=(0.0, 1.0), **options):
    options = {"args": (0.7,), "dt": 0.1, "seed": 3, **options}
    return solve_sde(drift, g, t_span, np.array(y0), *args, **options)


def test_shapes():
    assert solve().ys.shape == (11, 2)
    assert solve().y.shape == (2, 11)
    assert solve(paths=5).ys.shape == (5, 11, 2)
    assert solve(paths=5).y.shape == (5, 2, 11)
    assert solve(paths=1, t_eval=[0.25, 1.0]).ys.shape == (1, 2, 2)
    assert solve(y0=[[1.0, 2.0], [3.0, 4.0]], paths=3).y.shape == (3, 2, 2, 11)
    assert solve(y0=1.0).y.shape == (11,)
    assert solve(g=matrix, noise="general", paths=3).ys.shape == (3, 11, 2)


def test_saved_times_are_met_and_do_not_change_the_path():
    """A state at a time is that of a step that ends there; Brownian motion itself is the solution of dy = dW."""
    t = np.array([0.0, 0.03, 0.1, 0.456, 1.0])
    for dt in (0.1, 0.25, 0.3, 1.0):
        sol = solve_sde(still, ones, (0.0, 1.0), np.zeros(2), args=(0.0,), dt=dt, t_eval=t, paths=3, seed=8)
        np.testing.assert_allclose(sol.ys, sol.brownian(t), atol=1e-14)
        assert np.array_equal(sol.t, t)


def test_one_seed_is_one_path():
    """Whatever the number of paths, the threads, the method and the step."""
    np.testing.assert_array_equal(solve(paths=70).ys[:3], solve(paths=3).ys)
    np.testing.assert_array_equal(solve(paths=4).ys[0], solve().ys)
    fine, coarse = solve(paths=20, dt=1e-3, t_eval=[1.0]).ys, solve(paths=20, dt=1e-2, t_eval=[1.0], method="Milstein").ys
    assert np.max(abs(fine - coarse)) < 0.01
    assert not np.array_equal(solve(seed=4).ys, solve(seed=5).ys)
    drawn = solve(seed=None)
    np.testing.assert_array_equal(solve(seed=drawn.seed).ys, drawn.ys)


def test_threads_do_not_matter(monkeypatch):
    two = solve(paths=100).ys
    monkeypatch.setattr(problem, "threads", lambda: 1)
    np.testing.assert_array_equal(solve(paths=100).ys, two)
    monkeypatch.setattr(problem, "threads", lambda: 3)
    np.testing.assert_array_equal(solve(paths=100).ys, two)


def test_backward_in_time_returns():
    """Stratonovich: solving back over the same path gives the beginning again, within the discretisation error."""
    there = solve(calculus="stratonovich", method="Heun", dt=1e-3, t_eval=[1.0])
    back = solve_sde(
        drift, diffusion, (1.0, 0.0), there.ys[-1], args=(0.7,), calculus="stratonovich", method="Heun", dt=1e-3, t_eval=[0.0], seed=3
    )
    np.testing.assert_allclose(back.ys[-1], [1.0, 2.0], rtol=1e-3)


def test_statistics():
    """Mean and variance of an Ornstein-Uhlenbeck process."""
    def sigma(t, y, a):
        return 0.5 + 0.0 * y

    sol = solve_sde(drift, sigma, (0.0, 2.0), np.array([1.0]), args=(1.0,), dt=0.02, t_eval=[1.0, 2.0], paths=20_000, seed=1)
    np.testing.assert_allclose(sol.mean()[:, 0], np.exp([-1.0, -2.0]), atol=0.01)
    np.testing.assert_allclose(sol.std()[:, 0] ** 2, 0.125 * (1 - np.exp([-2.0, -4.0])), rtol=0.05)
    low, middle, high = sol.quantiles([0.16, 0.5, 0.84])
    assert np.all((low < middle) & (middle < high))
    np.testing.assert_allclose((high - low)[:, 0] / 2, 0.9945 * sol.std()[:, 0], rtol=0.03)
    with pytest.raises(ValueError, match="paths"):
        solve().mean()


def test_failure_is_told():
    def explode(t, y, a):
        return 50.0 * y**3

    sol = solve_sde(explode, diffusion, (0.0, 1.0), np.array([10.0, 10.0]), args=(0.7,), dt=0.1, paths=3, seed=1)
    assert not sol.success
    assert sol.status == -1
    assert "3 of 3 paths failed" in sol.message
    assert np.all(np.isnan(sol.ys[:, -1]))
    assert np.all(np.isfinite(sol.ys[:, 0]))
    assert "success: False" in repr(sol)


def in_python(t, y, a):
    return -a * np.array([float(str(v)) for v in np.asarray(y)])


def test_functions_that_do_not_compile_run_in_python():
    with pytest.warns(PerformanceWarning, match="in_python"):
        sol = solve_sde(in_python, diffusion, (0.0, 1.0), np.array([1.0, 2.0]), args=(0.7,), dt=0.1, seed=3)
    np.testing.assert_allclose(sol.ys, solve().ys, rtol=1e-14)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (
            {"g": matrix},
            ShapeError,
            r"diffusion `matrix` returns shape \(2, 3\); diagonal noise needs the shape of y, \(2,\); noise='general'",
        ),
        ({"noise": "general"}, ShapeError, r"diffusion `diffusion` returns shape \(2,\); general noise needs \(2, m\)"),
        ({"noise": "additive"}, ShapeError, r"additive noise needs \(2, m\)"),
        ({"noise": "white"}, ValueError, "noise must be one of"),
        ({"calculus": "newton"}, ValueError, "calculus must be"),
        ({"method": "Tsit5"}, ValueError, "methods for SDEs are EulerMaruyama"),
        ({"method": "Heun"}, ValueError, "for stratonovich equations.*this one is ito.*choose from EulerMaruyama"),
        ({"method": "SRIW1", "calculus": "stratonovich"}, ValueError, "choose from EulerHeun"),
        ({"method": "EulerMaruyama", "dt": None}, ValueError, "no error estimate: pass dt=<step size>, or choose an adaptive method"),
        ({"dt": -0.1}, ValueError, "dt must be positive"),
        ({"dt": np.nan}, ValueError, "dt must be positive"),
        ({"paths": 0}, ValueError, "paths must be a positive whole number"),
        ({"seed": -1}, ValueError, "seed must be a whole number"),
        ({"seed": 1.5}, ValueError, "seed must be a whole number"),
        ({"t_eval": [0.5, 2.0]}, ValueError, "not within"),
        ({"t_eval": [0.5, 0.2]}, ValueError, "not properly sorted"),
        ({"y0": [np.nan, 1.0]}, ValueError, "must be finite"),
        ({"args": 0.7}, TypeError, r"args=\(0.7,\)"),
    ],
)
def test_bad_arguments(options, error, text):
    with pytest.raises(error, match=text):
        solve(**options)


@pytest.mark.parametrize("name", ["t_span", "t_eval", "dt", "rtol", "atol"])
def test_what_is_not_differentiated_refuses(name):
    """Never a silent zero: times, steps and tolerances raise where they are being differentiated."""
    def loss(x):
        given = {"t_span": {"t_span": (0.0, x)}, "t_eval": {"t_eval": x * np.array([0.5, 1.0])}}.get(name, {name: 0.1 * x})
        extra = {"method": "SRIW1", "dt": None} if name in ("rtol", "atol") else {}
        return np.sum(solve(**{**extra, **given}).ys)

    with pytest.raises(ValueError, match="not differentiated"):
        sciad.grad(loss)(1.0)


def test_unknown_adjoint():
    with pytest.raises(ValueError, match="unknown adjoint 'guess'"):
        sciad.grad(lambda a: np.sum(solve(args=(a,), adjoint="guess").ys))(0.7)


def test_adjoints_are_found_whatever_was_imported():
    """The module alone is enough: what knows the adjoints is a floor above it."""
    code = """
from sciad.solvers.sde.solve import find_adjoint
assert type(find_adjoint("auto")).__name__ == "SdeDiscrete"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_progress(capsys):
    assert solve(progress=True, paths=40).success
    assert "100%" in capsys.readouterr().err
