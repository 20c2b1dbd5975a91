"""Methods for stiff equations: orders, stability, choice by "auto", gradients."""

import numpy as np
import pytest

import sciad
from sciad.solvers.sde import solve_sde
from sciad.solvers.sde.implicit import B, U, V

PATHS, STEPS = 300, np.array([16, 32, 64, 128])
Y0, A, S = np.array([1.0, 0.7]), np.array([0.5, -0.7]), np.array([0.4, 0.3])


def drift(t, y, a, s):
    return a * np.sqrt(1.0 + y * y) + 0.5 * s * s * y


def bent(t, y, a, s):
    return s * np.sqrt(1.0 + y * y)


def bend(t, y, a, s):
    return a * np.sqrt(1.0 + y * y)


def wave(t, y, a, s):
    return np.sin(3.0 * y) - y * y[::-1]


def additive(t, y, a, s):
    return np.array([[1.0 + s[0] * np.cos(3.0 * t), 0.2], [0.0, 0.8 + s[1] * t]])


def stiff(t, y, a, s):
    return -1000.0 * (y - np.cos(t))


def weak_noise(t, y, a, s):
    return 0.1 * s * y


def slope(errors):
    return -np.polyfit(np.log(STEPS), np.log(errors), 1)[0]


@pytest.mark.parametrize(
    ("method", "calculus", "expected"),
    [
        ("ImplicitEuler", "ito", 0.5),
        ("ImplicitMilstein", "ito", 1.0),
        ("ImplicitMilstein", "stratonovich", 1.0),
        ("ImplicitEulerHeun", "stratonovich", 1.0),
    ],
)
def test_strong_order(method, calculus, expected):
    errors = []
    for n in STEPS:
        sol = solve_sde(
            drift if calculus == "ito" else bend,
            bent,
            (0.0, 1.0),
            Y0,
            method,
            [1.0],
            (A, S),
            calculus=calculus,
            dt=1 / n,
            paths=PATHS,
            seed=1,
        )
        exact = np.sinh(A + S * sol.brownian([1.0])[:, 0] + np.arcsinh(Y0))
        errors.append(np.mean(np.linalg.norm(sol.ys[:, 0] - exact, axis=1)))
    assert abs(slope(errors) - expected) < 0.2


def test_noise_coefficients():
    """Roessler's conditions, which the values in use in DifferentialEquations.jl, the larger solution, meet as well."""
    for u, v in ((U, V), (-12.246764387585056, -14.432096958608753)):
        assert abs(B[1] * u + B[3] * v - 1) < 1e-12
        assert abs(B[1] * u**2 + B[3] * v**2 - 1.5) < 1e-12


@pytest.mark.parametrize(("method", "expected"), [("SKenCarp", 1.5), ("ImplicitMilstein", 1.0)])
def test_order_for_additive_noise(method, expected):
    def run(n):
        return solve_sde(wave, additive, (0.0, 1.0), Y0, method, [1.0], (A, S), noise="additive", dt=1 / n, paths=100, seed=2).ys[:, 0]

    reference = run(16 * STEPS[-1])
    assert abs(slope([np.mean(np.linalg.norm(run(n) - reference, axis=1)) for n in STEPS]) - expected) < 0.2


def test_stable_where_explicit_methods_are_not():
    """Steps of fifty times the relaxation time follow the slow solution."""
    options = {"args": (A, S), "dt": 0.05, "paths": 5, "seed": 3, "t_eval": [1.0]}
    sol = solve_sde(stiff, weak_noise, (0.0, 1.0), Y0, **options)
    assert sol.method == "ImplicitMilstein"
    np.testing.assert_allclose(sol.ys[:, 0], np.cos(1.0), atol=0.02)
    explicit = solve_sde(stiff, weak_noise, (0.0, 1.0), Y0, "SOSRI", **options)
    assert not np.all(abs(explicit.ys) < 1e3)


@pytest.mark.parametrize(
    ("noise", "calculus", "chosen"),
    [("diagonal", "stratonovich", "ImplicitMilsteinStratonovich"), ("scalar", "ito", "ImplicitMilstein"), ("additive", "ito", "SKenCarp"),
     ("general", "ito", "ImplicitEuler"), ("general", "stratonovich", "ImplicitEulerHeun")],
)  # fmt: skip
def test_auto_for_stiff_drifts(noise, calculus, chosen):
    g = additive if noise in ("additive", "general") else weak_noise
    assert solve_sde(stiff, g, (0.0, 1.0), Y0, args=(A, S), dt=0.05, noise=noise, calculus=calculus, seed=1).method == chosen


def test_adaptive_stiff():
    """The relaxation is passed in few steps, and the error of the slow part follows the tolerance."""
    sol = solve_sde(stiff, weak_noise, (0.0, 1.0), Y0, args=(A, S), rtol=1e-2, atol=1e-2, paths=5, seed=3, t_eval=[0.5, 1.0])
    assert sol.success
    assert sol.method == "ImplicitMilstein"
    assert sol.naccept < 5 * 500
    np.testing.assert_allclose(sol.ys[:, :, 0], np.broadcast_to(np.cos([0.5, 1.0]), (5, 2)), atol=0.02)


@pytest.mark.parametrize(
    ("method", "noise", "calculus", "dt"),
    [
        ("ImplicitEuler", "general", "ito", 0.1),
        ("ImplicitMilstein", "diagonal", "ito", 0.1),
        ("ImplicitMilstein", "diagonal", "stratonovich", 0.1),
        ("ImplicitEulerHeun", "general", "stratonovich", 0.1),
        ("SKenCarp", "additive", "ito", 0.1),
        ("ImplicitMilstein", "additive", "stratonovich", 0.1),
        ("ImplicitMilstein", "diagonal", "ito", None),
    ],
)
def test_gradients(method, noise, calculus, dt):
    """The implicit function theorem against central differences with the same noise."""
    g = bent if noise == "diagonal" else additive

    options = {"noise": noise, "calculus": calculus, "dt": dt, "paths": 3, "seed": 2}

    def loss(y0, a, s):
        sol = solve_sde(wave if noise == "additive" else drift, g, (0.0, 1.0), y0, method, [0.4, 1.0], (a, s), **options)
        return np.sum(np.sin(sol.ys))

    gradient = sciad.grad(loss, argnums=(0, 1, 2))(Y0, A, S)
    e = 1e-6 if dt is None else 1e-5
    for k in range(3):
        d = e * np.array([1.0, -2.0])
        plus, minus = [Y0, A, S], [Y0, A, S]
        plus[k], minus[k] = plus[k] + d, minus[k] - d
        difference = (loss(*plus) - loss(*minus)) / 2
        np.testing.assert_allclose(gradient[k] @ d, difference, rtol=1e-6, atol=1e-14)
