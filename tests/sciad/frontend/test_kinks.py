"""Where a root has no derivative, the compiled tier takes zero, as the tape does, in both modes."""

from __future__ import annotations

import cmath

import mpmath as mp
import numpy as np
import pytest

import sciad

ZERO_AT = [(np.linalg.norm, np.zeros(2)), (np.linalg.norm, np.zeros((2, 2))), (np.std, np.ones(3)), (np.sinc, 0.0)]


@pytest.mark.parametrize(("function", "at"), ZERO_AT, ids=["vector", "matrix", "std", "sinc"])
@pytest.mark.parametrize("wrapped", [sciad.jit, lambda f: f], ids=["compiled", "tape"])
def test_zero(function, at, wrapped):
    f = wrapped(lambda x: function(x))
    np.testing.assert_array_equal(sciad.grad(f)(at), np.zeros(np.shape(at)))
    assert sciad.jvp(f, (at,), (np.ones_like(at)[()],))[1] == 0.0


def test_along_an_axis():
    x = np.array([[0.0, 3.0], [0.0, 4.0]])
    f = sciad.jit(lambda x: np.sum(np.linalg.norm(x, axis=0)))
    np.testing.assert_allclose(sciad.grad(f)(x), [[0.0, 0.6], [0.0, 0.8]], rtol=1e-15)
    spread = sciad.jit(lambda x: np.sum(np.std(x, axis=0)))
    np.testing.assert_allclose(sciad.grad(spread)(x), [[0.0, -0.5], [0.0, 0.5]], rtol=1e-15)


def test_functions_that_are_not_finite_stay_so():
    assert np.isnan(sciad.jit(lambda x: np.linalg.norm(x))(np.array([1.0, np.nan])))
    assert np.isnan(sciad.jit(lambda x: np.std(x))(np.array([1.0, np.nan])))


@pytest.mark.parametrize("at", [0.0, 1e-9, 0.09, 0.0955, 0.4])
def test_sinc_to_second_order(at):
    f = sciad.jit(lambda x: np.sinc(x))
    with mp.workdps(40):
        exact = [float(mp.diff(lambda t: mp.sincpi(t), at, order)) for order in range(3)]
    found = [f(at), sciad.grad(f)(at), sciad.hvp(f, (at,), (1.0,))]
    np.testing.assert_allclose(found, exact, rtol=1e-11, atol=1e-13)


def test_complex_zero():
    f = sciad.jit(lambda x, y: cmath.sqrt(complex(x, y)).real + (complex(x, y) ** 0.5).imag)
    assert f(0.0, 0.0) == 0.0
