"""`sciad.linalg`: solutions by NumPy, derivatives of both orders by differences, gradients on the pattern, refusals."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

import sciad
from sciad import linalg
from sciad.errors import ConditionWarning

N = 5
RNG = np.random.default_rng(2)
A = RNG.standard_normal((N, N)) + 4.0 * np.eye(N)
B, MANY, W = RNG.standard_normal(N), RNG.standard_normal((N, 2)), RNG.standard_normal(N)
POSITIVE = A @ A.T
SPARSE = sp.csr_matrix(np.where(RNG.random((N, N)) < 0.3, RNG.standard_normal((N, N)), 0.0) + 4.0 * np.eye(N))


def cyclic(x, c, e):
    return c * x + e * np.concatenate([x[1:], x[:1]])


def operator(c, e):
    return linalg.Operator(cyclic, N, (c, e))


CASES = {
    "dense": (lambda A, b: W @ linalg.solve(A, b) ** 2, (A, B)),
    "dense, several": (lambda A, b: np.sum(linalg.solve(A, b) ** 2), (A, MANY)),
    "stack": (lambda A, b: np.sum(linalg.solve(A, b) ** 2), (np.stack([A, A.T]), np.stack([MANY, -MANY]))),
    "positive": (lambda A, b: W @ linalg.solve(A, b, "pos") ** 2, (POSITIVE, B)),
    "sparse": (lambda d, b: W @ linalg.solve(linalg.CSR.like(SPARSE, d), b) ** 2, (SPARSE.data, B)),
    "sparse, several": (lambda d, b: np.sum(linalg.solve(linalg.CSR.like(SPARSE, d), b) ** 2), (SPARSE.data, MANY)),
    "sparse product": (lambda d, x: W @ (linalg.CSR.like(SPARSE, d) @ x) ** 2, (SPARSE.data, B)),
    "operator": (lambda c, e, b: W @ linalg.solve(operator(c, e), b) ** 2, (np.linspace(3.0, 4.0, N), 0.5, B)),
    "operator, several": (lambda c, e, b: np.sum(linalg.solve(operator(c, e), b) ** 2), (np.linspace(3.0, 4.0, N), 0.5, MANY)),
    "scipy.sparse": (lambda b: W @ linalg.solve(SPARSE, b) ** 2, (B,)),
    "LinearOperator": (lambda b: W @ linalg.solve(LinearOperator((N, N), A.dot, A.T.dot), b) ** 2, (B,)),
    "least squares": (lambda A, b: np.sum(linalg.lstsq(A, b)[0] ** 2), (A[:, :3], B)),
    "cholesky": (lambda A: np.sum(W[:, None] * linalg.cholesky(A) ** 3), (POSITIVE,)),
}


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name):
    """First and second derivatives, forward and reverse."""
    fun, args = CASES[name]
    sciad.check_grads(fun, args, order=2)


def test_solutions():
    """NumPy's, whatever the matrix is."""
    expected = np.linalg.solve(A, B)
    np.testing.assert_allclose(linalg.solve(A, B), expected, rtol=1e-13)
    np.testing.assert_allclose(linalg.solve(A.tolist(), B.tolist()), expected, rtol=1e-13)
    np.testing.assert_allclose(linalg.solve(sp.coo_matrix(A), MANY), np.linalg.solve(A, MANY), rtol=1e-12)
    np.testing.assert_allclose(linalg.solve(LinearOperator((N, N), A.dot), B), expected, rtol=1e-10)
    np.testing.assert_allclose(linalg.solve(POSITIVE, B, "pos"), np.linalg.solve(POSITIVE, B), rtol=1e-11)
    np.testing.assert_allclose(linalg.solve(linalg.Operator(lambda x: POSITIVE @ x, N), B, "pos"), np.linalg.solve(POSITIVE, B), rtol=1e-9)


def test_sparse_gradient_is_on_the_pattern():
    """The gradient of the dense matrix, at the entries that are stored; nothing of size n x n is made."""
    dense = sciad.grad(lambda A: W @ linalg.solve(A, B))(SPARSE.toarray())
    found = sciad.grad(lambda d: W @ linalg.solve(linalg.CSR.like(SPARSE, d), B))(SPARSE.data)
    np.testing.assert_allclose(found, dense[SPARSE.nonzero()], rtol=1e-12)
    n = 20_000
    band = sp.diags([-1.0, 2.1, -1.0], [-1, 0, 1], (n, n), format="csr")
    x = linalg.solve(band, np.ones(n))
    gradient = sciad.grad(lambda d: np.sum(linalg.solve(linalg.CSR.like(band, d), np.ones(n))))(band.data)
    np.testing.assert_allclose(gradient[band.indices == np.repeat(np.arange(n), np.diff(band.indptr))], -x * x, rtol=1e-11)


def test_refusals():
    """Singular, not positive, not finite, shapes, an iteration that does not converge, rank that jumps."""
    ones = np.ones((2, 2))
    for matrix in (ones, sp.csr_matrix(ones)):
        with pytest.raises(sciad.SolveError, match="singular"):
            linalg.solve(matrix, np.ones(2))
    with pytest.raises(sciad.SolveError, match="positive definite"):
        linalg.solve(-POSITIVE, B, "pos")
    with pytest.raises(sciad.SolveError, match="positive definite"):
        linalg.cholesky(-POSITIVE)
    with pytest.raises(sciad.SolveError, match="finite"):
        linalg.solve(np.array([[np.nan]]), np.ones(1))
    with pytest.raises(sciad.ShapeError, match="square"):
        linalg.solve(A[:, :3], B)
    with pytest.raises(sciad.ShapeError, match="rows"):
        linalg.lstsq(A, np.ones(N + 1))
    with pytest.raises(ValueError, match="pos"):
        linalg.solve(A, B, "sym")
    with pytest.raises(TypeError, match="operator"):
        linalg.solve(object(), B)
    with pytest.raises(sciad.SolveError, match="GMRES did not converge"):
        linalg.solve(linalg.Operator(lambda x: np.concatenate([x[1:], x[:1]]), 200), np.eye(200)[0], maxiter=1)
    with pytest.raises(sciad.SolveError, match="rank"):
        sciad.grad(lambda b: np.sum(linalg.lstsq(ones, b)[0]))(np.ones(2))
    with pytest.warns(ConditionWarning, match="condition"):
        linalg.solve(np.array([[1.0, 1.0], [1.0, 1.0 + 1e-15]]), np.ones(2))
