"""Smooth solutions of stiff systems, on which explicit steps exceed their stability unseen: gradients by the transposed exponential."""

import numpy as np
import pytest
from scipy.linalg import expm

import sciad

N, END = 40, 0.03
LAPLACE = np.roll(np.eye(N), 1, 0) + np.roll(np.eye(N), -1, 0) - 2.0 * np.eye(N)
Y0 = np.cos(2.0 * np.pi * np.arange(N) / N)


def diffusion(dy, t, y, rate):
    for i in range(N):
        dy[i] = rate * (y[(i + 1) % N] - 2.0 * y[i] + y[(i - 1) % N])


def gradient(method, adjoint, weights, rate=400.0):
    """Of weights . y(END) by y0, and what the solve says of it."""
    seen, options = [], {"args": (rate,), "rtol": 1e-5, "atol": 1e-7, "adjoint": adjoint}

    def loss(y0):
        seen.append(sciad.solve_ivp(diffusion, (0.0, END), y0, method, [END], **options))
        return seen[-1].ys[0] @ weights

    for _ in range(2):  # planned, the second time
        found = sciad.grad(loss)(Y0)
    return found, seen[-1].adjoint_report


@pytest.mark.parametrize(("method", "adjoint"), [("auto", "auto"), ("auto", "discrete"), ("auto", "direct"), ("Tsit5", "auto")])
def test_cotangents_hold_what_the_solution_does_not(method, adjoint, rng):
    weights = rng.normal(size=N)
    found, report = gradient(method, adjoint, weights)
    want = expm(400.0 * END * LAPLACE) @ weights
    # Gauss controls the error of the cotangents; implicit steps are as large as the solution allows, and damp what they do not resolve
    np.testing.assert_allclose(found, want, atol=(2e-3 if method == "Tsit5" else 0.3) * np.abs(want).max())
    if adjoint == "auto":
        assert report.stiff == (method == "auto")
        assert ("stiff modes grow" in report.reason) == (method == "Tsit5")


def test_the_steps_themselves(rng):
    """What the derivative of the explicit steps is: as large as the powers of their polynomial make it."""
    weights = rng.normal(size=N)
    found, _ = gradient("Tsit5", "discrete", weights)
    assert np.abs(found).max() > 100.0 * np.abs(weights).max()


def test_no_alarm_where_steps_are_stable(rng):
    found, report = gradient("Tsit5", "auto", rng.normal(size=N), rate=1.0)
    assert report.adjoint == "discrete"
    assert np.all(np.isfinite(found))
