"""Powers with the exponents k + 1/2 come from a square root: values, special values, derivatives."""

import numpy as np
import pytest

import sciad


def powers(x):
    return np.array([x**-2.5, x**-1.5, x**-0.5, x**1.5, x**2.5])


EXPONENTS = np.array([-2.5, -1.5, -0.5, 1.5, 2.5])


@pytest.fixture(scope="module")
def compiled():
    return sciad.jit(powers)


@pytest.mark.parametrize("x", [0.3, 1.0, 7.0, 1e-100, 1e100, 0.0, -0.0, np.inf, np.nan, -1.0])
def test_values(compiled, x):
    with np.errstate(all="ignore"):
        expected = np.float64(x) ** EXPONENTS
    found = compiled(x)
    np.testing.assert_allclose(found, expected, rtol=4e-16)
    zero = expected == 0
    assert np.array_equal(np.signbit(found[zero]), np.signbit(expected[zero]))


@pytest.mark.parametrize("x", [0.3, 7.0])
def test_derivatives(compiled, x):
    step = 1e-30
    expected = (np.complex128(x + 1j * step) ** EXPONENTS).imag / step
    out, dot = sciad.jvp(compiled, (x,), (1.0,))
    np.testing.assert_allclose(dot, expected, rtol=1e-14)
    weights = np.arange(1.0, 6.0)
    np.testing.assert_allclose(sciad.grad(lambda x: np.sum(weights * compiled(x)))(x), weights @ expected, rtol=1e-14)


def test_derivative_at_zero_is_a_number():
    fun = sciad.jit(lambda x: x**1.5 + x**2.5)
    assert sciad.grad(fun)(0.0) == 0.0
    assert sciad.jvp(fun, (0.0,), (1.0,))[1] == 0.0
