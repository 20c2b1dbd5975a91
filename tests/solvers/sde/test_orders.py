"""Strong and weak orders, measured on equations whose solution is known for the same Brownian path."""

import numpy as np
import pytest

from sciad.solvers.sde import Brownian, solve_sde
from sciad.solvers.sde.catalogue import METHODS
from sciad.solvers.sde.program import SRK
from sciad.solvers.sde.source import Plan
from sciad.solvers.sde.step import noise_shape

PATHS = 300
STEPS = np.array([16, 32, 64, 128])
A, B = np.array([0.5, -0.7]), np.array([0.4, 0.3])


def growth(t, y, a, b):
    return a * y


def noise(t, y, a, b):
    return b * y


def decay(t, y, a, b):
    return np.sin(3.0 * y) - y * y[::-1]


def additive(t, y, a, b):
    return np.array([[1.0 + b[0] * np.cos(3.0 * t), 0.2], [0.0, 0.8 + b[1] * t]])


def bend(t, y, a, b):
    """The drift that makes sinh(B(t) + ...) the solution of a nonlinear equation (Stratonovich)."""
    return a * np.sqrt(1.0 + y * y)


def bent(t, y, a, b):
    return b * np.sqrt(1.0 + y * y)


def rotation(t, y, a, b):
    return np.zeros(2) * y


def heisenberg(t, y, a, b):
    """dy = (dW1, W1 dW2) in the Ito sense: noise that does not commute."""
    return np.array([[1.0, 0.0], [0.0, y[0]]])


def slope(errors):
    return -np.polyfit(np.log(STEPS), np.log(errors), 1)[0]


def strong(drift, diffusion, exact, y0=(1.0, 0.7), **options):
    """Mean error at t = 1 for every number of steps, each against exact(W(1))."""
    errors = []
    for n in STEPS:
        sol = solve_sde(drift, diffusion, (0.0, 1.0), np.array(y0), t_eval=[1.0], args=(A, B), dt=1 / n, paths=PATHS, seed=11, **options)
        errors.append(np.mean(np.linalg.norm(sol.ys[:, 0] - exact(sol.brownian([1.0])[:, 0]), axis=1)))
    return slope(errors)


ITO = {"EulerMaruyama": 0.5, "LambaEM": 0.5, "Milstein": 1.0, "SRIW1": 1.5, "SRIW2": 1.5, "SOSRI": 1.5}
STRATONOVICH = {"EulerHeun": 1.0, "Heun": 1.0, "Midpoint": 1.0, "Milstein": 1.0}


@pytest.mark.parametrize("method", ITO)
def test_ito_diagonal(method):
    order = strong(growth, noise, lambda w: np.array([1.0, 0.7]) * np.exp(A - B**2 / 2 + B * w), method=method)
    assert abs(order - ITO[method]) < 0.2


@pytest.mark.parametrize("method", ITO)
def test_ito_nonlinear(method):
    """y = sinh(a t + b W + c) solves dy = (a sqrt(1 + y^2) + b^2 y / 2) dt + b sqrt(1 + y^2) dW."""

    def drift(t, y, a, b):
        return a * np.sqrt(1.0 + y * y) + 0.5 * b * b * y

    order = strong(drift, bent, lambda w: np.sinh(A + B * w + np.arcsinh([1.0, 0.7])), method=method)
    assert abs(order - ITO[method]) < 0.2


@pytest.mark.parametrize("method", STRATONOVICH)
def test_stratonovich_diagonal(method):
    order = strong(bend, bent, lambda w: np.sinh(A + B * w + np.arcsinh([1.0, 0.7])), method=method, calculus="stratonovich")
    assert abs(order - STRATONOVICH[method]) < 0.2


@pytest.mark.parametrize(("method", "calculus"), [("SRIW1", "ito"), ("Milstein", "ito"), ("Heun", "stratonovich")])
def test_scalar_noise(method, calculus):
    ito = calculus == "ito"
    exact = lambda w: np.array([1.0, 0.7]) * np.exp(A - (0.5 * B**2 if ito else 0.0) + B * w)
    order = strong(growth, noise, exact, method=method, noise="scalar", calculus=calculus)
    assert abs(order - (1.5 if method == "SRIW1" else 1.0)) < 0.2


ADDITIVE = {"EulerMaruyama": 1.0, "Milstein": 1.0, "Heun": 1.0, "SRA1": 1.5, "SRA3": 1.5, "SOSRA": 1.5}


@pytest.mark.parametrize(("method", "expected"), ADDITIVE.items())
def test_additive_noise(method, expected):
    """Against the same method with steps sixteen times as small, on the same path."""
    def run(n):
        return solve_sde(decay, additive, (0.0, 1.0), np.array([1.0, 0.7]), t_eval=[1.0], args=(A, B), dt=1 / n, paths=PATHS, seed=2,
                         noise="additive", method=method).ys[:, 0]  # fmt: skip

    reference = run(16 * STEPS[-1])
    order = slope([np.mean(np.linalg.norm(run(n) - reference, axis=1)) for n in STEPS])
    assert abs(order - expected) < 0.2


def levy_integral(paths, n=20_000):
    """The Ito integral of W1 dW2 over [0, 1] on the paths of seed 11, from their increments and areas on a fine grid."""
    b, t = Brownian(11, (0.0, 1.0), 2, paths), np.arange(n + 1) / n
    w, mean = b(t), np.diff(b.integral(t), axis=1) * n
    return np.sum(mean[..., 0] * np.diff(w[..., 1], axis=1), axis=1)


@pytest.mark.parametrize(("method", "low", "high"), [("EulerMaruyama", 0.35, 0.65), ("Milstein", 0.8, 1.2)])
def test_noise_that_does_not_commute(method, low, high):
    """Order 1 needs the Levy areas of the path itself."""
    paths = 60
    exact, errors = levy_integral(paths), []
    for n in STEPS:
        sol = solve_sde(rotation, heisenberg, (0.0, 1.0), np.zeros(2), t_eval=[1.0], args=(A, B), dt=1 / n, paths=paths, seed=11,
                        noise="general", method=method)  # fmt: skip
        errors.append(np.mean(abs(sol.ys[:, 0, 1] - exact)))
    assert low < slope(errors) < high


WEAK = {("ito", "EulerMaruyama"): 1.0, ("ito", "Milstein"): 1.0, ("ito", "SRIW1"): 2.0, ("ito", "SOSRI"): 2.0}
WEAK |= {("stratonovich", name): 1.0 for name in ("EulerHeun", "Heun", "Midpoint", "Milstein", "ReversibleHeun")}


def weak_errors(calculus, method, steps):
    """Errors of E y(1) of geometric Brownian motion; the statistical error falls out where both solutions use one path."""
    errors, drift = [], A - (B**2 / 2 if calculus == "ito" else 0.0)
    for n in steps:
        options = {"dt": 1 / n, "paths": 20_000, "seed": 4, "method": method, "calculus": calculus}
        sol = solve_sde(growth, noise, (0.0, 1.0), np.array([1.0, 0.7]), t_eval=[1.0], args=(A, B), **options)
        exact = np.array([1.0, 0.7]) * np.exp(drift + B * sol.brownian([1.0])[:, 0])
        errors.append(np.linalg.norm(np.mean(sol.ys[:, 0] - exact, axis=0)))
    return errors


@pytest.mark.parametrize(("calculus", "method"), WEAK)
def test_weak_order(calculus, method):
    steps = np.array([4, 8, 16])
    errors = weak_errors(calculus, method, steps)
    assert abs(-np.polyfit(np.log(steps), np.log(errors), 1)[0] - WEAK[calculus, method]) < 0.2


def test_weak_error_of_sriw2():
    """Its mean is that of a drift method of order 3: below the statistical error, and 10 times below that of order 2."""
    assert 10 * weak_errors("ito", "SRIW2", [4])[0] < weak_errors("ito", "SRIW1", [4])[0]


def test_every_method_is_measured():
    """A method that is added to the catalogue is added here, or among the implicit ones."""
    elsewhere = {"ReversibleHeun", "ImplicitEuler", "ImplicitEulerHeun", "ImplicitMilstein", "SKenCarp"}
    assert set(METHODS) == {*ITO, *STRATONOVICH, "SRA1", "SRA3", "SOSRA", "MilsteinCommutative"} | elsewhere


@pytest.mark.parametrize("name", METHODS)
def test_tables_use_what_their_noise_has(name):
    """Every kind of noise that an entry of the catalogue names, its kernels can be written for."""
    for entry in METHODS[name]:
        for noise in entry.noise if isinstance(entry, SRK) else ():
            assert Plan(entry, noise_shape(noise), 2, 3).size() > 0
    wrong = SRK("wrong", "ito", ("additive",), 1.0, METHODS["Milstein"][0].evaluations, METHODS["Milstein"][0].end)
    with pytest.raises(ValueError, match="method wrong multiplies the diffusion by 'Q', which matrix noise does not have"):
        Plan(wrong, "matrix", 2, 3)


def test_commutative_noise():
    """Two Brownian motions that drive one equation each: order 1 without Levy areas."""
    def spread(t, y, a, b):
        return np.array([[b[0] * y[0], 0.2 * y[0]], [0.0, b[1] * y[1]]])

    def exact(w):
        drift = A - 0.5 * np.array([B[0] ** 2 + 0.04, B[1] ** 2])
        return np.array([1.0, 0.7]) * np.exp(drift + np.stack([B[0] * w[:, 0] + 0.2 * w[:, 1], B[1] * w[:, 1]], axis=1))

    assert abs(strong(growth, spread, exact, method="MilsteinCommutative", noise="general") - 1.0) < 0.2
