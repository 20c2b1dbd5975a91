"""`fixed_point`: known fixed points by every method, batches row by row, safeguards, failures."""

import math

import numpy as np
import pytest
import scipy.optimize

import sciad
from sciad.solvers.nonlinear import fixed_point

METHODS = ("iteration", "anderson", "newton", "broyden")


def cosine(x, c):
    return math.cos(c * x)


def layer(z, W, c):
    return np.tanh(W @ z + c)


def layers(z, W, c):
    return np.tanh(z @ W.T + c)


def layers_inplace(out, z, W, c):
    out[:] = np.tanh(z @ W.T + c)


@pytest.fixture(scope="module")
def weights():
    """W (8, 8) of norm 0.9, c (5, 8)."""
    rng = np.random.default_rng(3)
    W = rng.standard_normal((8, 8))
    return 0.9 * W / np.linalg.norm(W, 2), rng.standard_normal((5, 8))


@pytest.mark.parametrize("method", METHODS)
def test_dottie_number(method):
    """cos x = x, and SciPy's fixed_point with an argument."""
    assert abs(fixed_point(cosine, 0.5, 1.0, method=method) - 0.7390851332151606416553) < 1e-9
    x = fixed_point(cosine, [0.5], (1.2,), method=method)
    np.testing.assert_allclose(x, scipy.optimize.fixed_point(lambda x: np.cos(1.2 * x), [0.5]), rtol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_layer(method, weights):
    """Residual far below the tolerance, by NumPy."""
    W, c = weights
    z, result = fixed_point(layer, np.zeros(8), (W, c[0]), method=method, full_output=True)
    np.testing.assert_allclose(np.tanh(W @ z + c[0]), z, rtol=1e-9)
    assert result.success
    assert result.nit <= result.nfev < 60
    np.testing.assert_allclose(result.fun, np.tanh(W @ z + c[0]) - z, atol=1e-14)


def test_batch_equals_rows(weights):
    """A batch is solved row by row: each row as if it were alone, and the in-place form the same."""
    W, c = weights
    z = fixed_point(layers, np.zeros((5, 8)), (W, c))
    assert z.shape == (5, 8)
    for row, bias in zip(z, c):
        np.testing.assert_allclose(row, fixed_point(layer, np.zeros(8), (W, bias)), rtol=1e-9)
    np.testing.assert_array_equal(z, fixed_point(layers_inplace, np.zeros((5, 8)), (W, c)))


def mixed(z, c):
    return np.stack((0.5 * np.cos(z[1]) + c, 0.5 * np.sin(z[0])))


def test_rows_that_are_coupled_converge_too():
    """The rows of x0 need not be independent: the residual of the whole is what ends the iteration."""
    z = fixed_point(mixed, np.zeros((2, 3)), (0.3,))
    np.testing.assert_allclose(mixed(z, 0.3), z, rtol=1e-9)


def test_anderson_beats_iteration():
    """Slow contraction of a linear map: Anderson's method needs a few steps, as GMRES would."""
    A = np.diag(np.linspace(0.5, 0.99, 4))

    def affine(x, A):
        return A @ x + 1.0

    _, slow = fixed_point(affine, np.zeros(4), (A,), method="iteration", maxiter=10_000, full_output=True)
    x, fast = fixed_point(affine, np.zeros(4), (A,), full_output=True)
    assert fast.nit < 20 < 500 < slow.nit
    np.testing.assert_allclose(x, np.linalg.solve(np.eye(4) - A, np.ones(4)), rtol=1e-8)


def expansive(x, a):
    return a * np.cos(3.0 * x) + 0.1 * x


def test_safeguards_where_iteration_fails():
    """The map expands at its fixed point: plain iteration wanders for ever, Anderson's method and Newton's arrive."""
    with pytest.raises(sciad.SolveError, match="maxiter"):
        fixed_point(expansive, np.full(2, 0.5), (1.5,), method="iteration")
    for method in ("anderson", "newton", "broyden"):
        x = fixed_point(expansive, np.full(2, 0.5), (1.5,), method=method)
        np.testing.assert_allclose(expansive(x, 1.5), x, rtol=1e-8)


def growing(x):
    return x * x + 2.0


def test_failures_raise_with_remedy():
    """Divergence, too few iterations, a start that is not finite, options that cannot be."""
    with pytest.raises(sciad.SolveError, match="not a contraction|non-finite"):
        fixed_point(growing, [3.0], method="iteration")
    with pytest.raises(sciad.SolveError, match="fixed_point of `growing`"):
        fixed_point(growing, [3.0])
    with pytest.raises(sciad.SolveError, match="maxiter"):
        fixed_point(cosine, 0.5, 1.0, maxiter=2)
    with pytest.raises(sciad.SolveError, match="finite"):
        fixed_point(cosine, np.nan, 1.0)
    for options in ({"xtol": 0.0}, {"maxiter": 0}, {"damping": 2.0}, {"method": "magic"}):
        with pytest.raises(ValueError, match="must be|choose"):
            fixed_point(cosine, 0.5, 1.0, **options)


def halving(x):
    return 0.5 * x


@pytest.mark.parametrize("method", METHODS)
def test_fixed_point_at_zero(method):
    """No relative error is small there: the rounding of the iterates on the way is the scale."""
    assert abs(fixed_point(halving, [1.0], method=method)[0]) < 1e-12
