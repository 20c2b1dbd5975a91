"""Adaptive steps: errors follow the tolerance, rejections leave the path alone, limits are told."""

import numpy as np
import pytest

import sciad
from sciad.errors import SolveError
from sciad.solvers.sde import solve_sde

A, B, Y0 = np.array([0.5, -0.7]), np.array([0.4, 0.3]), np.array([1.0, 0.7])
TIMES = np.array([0.0, 0.3, 2 / 3, 1.0])


def growth(t, y, a, b):
    return a * y


def noise(t, y, a, b):
    return b * y


def bend(t, y, a, b):
    return np.sin(5.0 * y) * a - y * b


def additive(t, y, a, b):
    return np.array([[b[0] * np.cos(3.0 * t), 0.2], [0.0, 0.3]])


def geometric(tol, method="auto", paths=60, calculus="ito", **options):
    sol = solve_sde(
        growth, noise, (0.0, 1.0), Y0, method, TIMES, (A, B), calculus=calculus, rtol=tol, atol=tol, paths=paths, seed=5, **options
    )
    drift = A - (0.5 * B**2 if calculus == "ito" else 0.0)
    return sol, Y0 * np.exp(drift * sol.t[:, None] + B * sol.brownian(sol.t))


@pytest.mark.parametrize(("method", "calculus"), [("SRIW1", "ito"), ("SOSRI", "ito"), ("Heun", "stratonovich")])
def test_error_follows_tolerance(method, calculus):
    errors, steps = [], []
    for tol in (1e-2, 1e-3, 1e-4):
        sol, exact = geometric(tol, method, calculus=calculus)
        assert sol.success
        errors.append(np.mean(abs(sol.ys - exact)))
        steps.append(sol.naccept)
    assert errors[0] < 1e-2
    assert errors[2] < 1e-4
    assert errors[0] > errors[1] > errors[2]
    assert steps[0] < steps[1] < steps[2]


def test_additive_noise_against_small_steps():
    options = {"args": (A, B), "noise": "additive", "paths": 20, "seed": 1, "t_eval": TIMES}
    fine = solve_sde(bend, additive, (0.0, 1.0), Y0, dt=1e-3, **options)
    sol = solve_sde(bend, additive, (0.0, 1.0), Y0, rtol=1e-4, atol=1e-4, **options)
    assert sol.method == "SOSRA"
    assert np.max(abs(sol.ys - fine.ys)) < 1e-3


def test_one_path_whatever_the_tolerance_and_number_of_paths():
    few, _ = geometric(1e-3, paths=2)
    many, _ = geometric(1e-3, paths=40)
    np.testing.assert_array_equal(few.ys, many.ys[:2])
    one = solve_sde(growth, noise, (0.0, 1.0), Y0, args=(A, B), rtol=1e-3, atol=1e-3, seed=5)
    assert one.ys.shape == (len(one.t), 2)
    assert np.all(np.diff(one.t) > 0)
    two_ends = solve_sde(growth, noise, (0.0, 1.0), Y0, args=(A, B), rtol=1e-3, atol=1e-3, seed=5, paths=1)
    assert two_ends.ys.shape == (1, 2, 2)
    np.testing.assert_allclose(one.ys[-1], two_ends.ys[0, -1], rtol=1e-13)


def test_backward_in_time():
    forward = solve_sde(growth, noise, (0.0, 1.0), Y0, "Heun", args=(A, B), calculus="stratonovich", rtol=1e-5, atol=1e-5, seed=5)
    back = solve_sde(growth, noise, (1.0, 0.0), forward.ys[-1], "Heun", args=(A, B), calculus="stratonovich", rtol=1e-5, atol=1e-5, seed=5)
    np.testing.assert_allclose(back.ys[-1], Y0, rtol=1e-3)
    assert np.all(np.diff(back.t) < 0)


def test_limits():
    sol, _ = geometric(1e-6, max_steps=20)
    assert not sol.success
    assert "max_steps = 20 trial steps were not enough" in sol.message
    assert np.all(np.isnan(sol.ys[:, -1]))
    sol, _ = geometric(1e-7, min_step=1e-3)
    assert "the step fell to its minimum, 0.001, without meeting rtol and atol" in sol.message
    assert len(sol.failed) == 60
    sol, _ = geometric(1.0, max_step=0.01)
    assert sol.naccept >= 60 * 100
    for options, text in (
        ({"rtol": -1.0}, "rtol"),
        ({"rtol": 0, "atol": 0}, "both"),
        ({"max_steps": 0}, "max_steps"),
        ({"min_step": -1}, "min_step"),
    ):
        with pytest.raises(ValueError, match=text):
            solve_sde(growth, noise, (0.0, 1.0), Y0, args=(A, B), **options)


def test_tolerances_of_components():
    """Equal ones are the number, bit for bit; one that is loose leaves the steps to the others."""
    def steps(**tolerances):
        sol = solve_sde(growth, noise, (0.0, 1.0), Y0, "SRIW1", args=(A, B), seed=3, paths=20, **tolerances)
        return sol.naccept, sol.ys

    number, vector = steps(rtol=1e-3, atol=1e-4), steps(rtol=np.array([1e-3, 1e-3]), atol=[1e-4, 1e-4])
    assert number[0] == vector[0]
    np.testing.assert_array_equal(number[1], vector[1])
    assert steps(rtol=1e-3, atol=[1e3, 1e3])[0] < 0.2 * number[0]
    assert 0.2 * number[0] < steps(rtol=1e-3, atol=[1e3, 1e-4])[0] < number[0]
    with pytest.raises(ValueError, match=r"`atol` has shape \(3,\); give a number or an array of shape \(2,\)"):
        steps(atol=[1.0, 1.0, 1.0])


def test_blow_up_is_told_for_every_path():
    def cube(t, y, a, b):
        return y**3

    sol = solve_sde(cube, noise, (0.0, 5.0), Y0, args=(A, B), paths=8, seed=3, t_eval=[0.1, 5.0])
    assert not sol.success
    assert np.all(np.isfinite(sol.ys[:, 0]))
    assert np.all(np.isnan(sol.ys[sol.failed, 1]))
    with pytest.raises(SolveError, match="paths failed"):
        sciad.grad(lambda y: np.sum(solve_sde(cube, noise, (0.0, 5.0), y, args=(A, B), paths=8, seed=3).ys))(Y0)


def test_gradients_are_those_of_the_steps_taken():
    """Central differences: steps end on nodes of the tree, and do not move under small changes of the parameters."""
    def loss(y0, a, b, paths):
        sol = solve_sde(growth, noise, (0.0, 1.0), y0, "SRIW1", TIMES, (a, b), rtol=1e-3, atol=1e-3, paths=paths, seed=5)
        return np.sum(np.sin(sol.ys))

    for paths in (None, 70):
        gradient = sciad.grad(loss, argnums=(0, 1, 2))(Y0, A, B, paths)
        for k in range(3):
            e = np.array([1e-6, -2e-6])
            plus, minus = [Y0, A, B], [Y0, A, B]
            plus[k], minus[k] = plus[k] + e, minus[k] - e
            difference = (loss(*plus, paths) - loss(*minus, paths)) / 2
            np.testing.assert_allclose(gradient[k] @ e, difference, rtol=1e-6)


def test_gradient_through_every_step():
    def loss(y0):
        return np.sum(solve_sde(growth, noise, (0.0, 1.0), y0, args=(A, B), rtol=1e-3, atol=1e-3, seed=5).ys ** 2)

    e = np.array([1e-6, 1e-6])
    np.testing.assert_allclose(sciad.grad(loss)(Y0) @ e, (loss(Y0 + e) - loss(Y0 - e)) / 2, rtol=1e-6)
