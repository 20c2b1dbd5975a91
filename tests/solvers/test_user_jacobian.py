"""Jacobians given by the user: arrays, functions, sparse ones; complex states."""

import warnings

import numpy as np
import pytest
from scipy import sparse

import sciad

A = np.array([[-100.0, 1.0], [0.0, -1.0]])


def stiff(t, y, rate):
    return rate * (A @ y)


def stiff_jac(t, y, rate):
    return rate * A


def guarded_jac(t, y, rate):
    return sparse.csc_matrix(rate * A)


@pytest.mark.parametrize("jac", [A, sparse.csc_matrix(A), stiff_jac, guarded_jac], ids=["array", "sparse", "function", "sparse function"])
@pytest.mark.parametrize("method", ["Radau", "Rodas5P"])
def test_given_jacobians(jac, method):
    sol = sciad.solve_ivp(stiff, (0.0, 1.0), [1.0, 1.0], method, args=(1.0,), jac=jac, rtol=1e-8, atol=1e-10)
    b = 1.0 / 99.0
    expected = [(1 - b) * np.exp(-100.0) + b * np.exp(-1.0), np.exp(-1.0)]
    np.testing.assert_allclose(sol.ys[-1], expected, rtol=1e-6)
    assert (sol.njev == 0) == (not callable(jac))


def test_jacobian_is_not_differentiated():
    def loss(rate):
        return sciad.solve_ivp(stiff, (0.0, 1.0), [1.0, 1.0], "Rodas5P", args=(rate,), jac=stiff_jac, rtol=1e-9, atol=1e-11).ys[-1, 1]

    assert sciad.grad(loss)(1.0) == pytest.approx(-np.exp(-1.0), rel=1e-6)


def test_wrong_jacobians():
    with pytest.raises(ValueError, match=r"`jac` is expected to have shape \(2, 2\)"):
        sciad.solve_ivp(stiff, (0.0, 1.0), [1.0, 1.0], "Radau", args=(1.0,), jac=np.eye(3))

    def fails(t, y, rate):
        raise KeyError("in the Jacobian")

    with pytest.raises(KeyError, match="in the Jacobian"):
        sciad.solve_ivp(stiff, (0.0, 1.0), [1.0, 1.0], "Radau", args=(1.0,), jac=fails)


def test_structure_hints_are_checked():
    with pytest.raises(ValueError, match="jac_sparsity"):
        sciad.solve_ivp(stiff, (0.0, 1.0), [1.0, 1.0], "Radau", args=(1.0,), jac_sparsity=np.eye(3))
    with pytest.raises(ValueError, match="lband"):
        sciad.solve_ivp(stiff, (0.0, 1.0), [1.0, 1.0], "Radau", args=(1.0,), lband=2, uband=0)


def spin(t, y, omega):
    return 1j * omega * y


@pytest.mark.parametrize("method", ["DOP853", "BDF"])
def test_complex_states(method):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sciad.PerformanceWarning)
        sol = sciad.solve_ivp(
            spin, (0.0, 2.0), np.array([1.0 + 0.5j]), method, args=(1.3,), dense_output=True, rtol=1e-9, atol=1e-11,
            events=lambda t, y, omega: y[0].real,
        )  # fmt: skip
    exact = (1.0 + 0.5j) * np.exp(1.3j * sol.t)
    np.testing.assert_allclose(sol.y[0], exact, rtol=1e-6)
    np.testing.assert_allclose(sol.sol(1.0)[0], (1.0 + 0.5j) * np.exp(1.3j), rtol=1e-6)
    np.testing.assert_allclose(np.real(sol.y_events[0]), 0.0, atol=1e-7)
