"""Where a root has no derivative, the compiled tier takes zero, as the tape does, in both modes."""

from __future__ import annotations

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
