"""Linear systems of every kind, differentiable: dense, positive definite, sparse on a pattern, and by products alone.

With A x = b: x_dot = A^-1 (b_dot - A_dot x); b_bar = A^-T x_bar, and the cotangent of A is -b_bar x^T, for a sparse matrix on its pattern
only, for an operator pulled back through its product.  Of any order; nothing is differentiated through an elimination or an iteration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.errors import ShapeError, SolveError
from sciad.levels import attach, outside, upto
from sciad.linear_systems import CSR, Dense, Iterative, Operator, ScipyOperator
from sciad.tape import array, is_traced, value_of

__all__ = ["CSR", "Operator", "cholesky", "lstsq", "solve"]


def solve(A: Any, b: Any, assume_a: str = "gen", *, rtol: float = 1e-12, maxiter: int | None = None) -> Any:
    """x with A x = b.

    `A`: an array (n, n), or (..., n, n) as in NumPy; a `CSR`, or a scipy.sparse matrix (constant); an `Operator`, or a
    scipy.sparse.linalg.LinearOperator (constant, with rmatvec for reverse mode).  `b` (n,) or (n, k).  `assume_a`: "gen", or "pos" for
    positive definite: Cholesky's factors of (A + A^T) / 2, and conjugate gradients for operators.  `rtol` and `maxiter` are for operators.
    Raises SolveError for a singular matrix or an iteration that does not converge, ShapeError for shapes that do not fit; warns with
    ConditionWarning where a dense matrix is so ill-conditioned that fewer than three digits are right.
    """
    if assume_a not in ("gen", "pos"):
        raise ValueError(f"assume_a must be 'gen' or 'pos', not {assume_a!r}")
    b = array(b) if isinstance(b, (list, tuple)) else b if is_traced(b) else np.asarray(b, float)
    system = _system(A, assume_a == "pos", rtol, maxiter)
    if system is None:
        return np.linalg.solve(A, b)
    if not 1 <= b.ndim <= 2 or system.shape != (b.shape[0], b.shape[0]):
        raise ShapeError(f"A has shape {system.shape} and b {b.shape}; A must be square, with as many rows as b")
    return _solve(system, b)


def _solve(system: Any, b: Any) -> Any:
    plain = system.at(lambda leaves: [value_of(leaf) for leaf in leaves])
    x = plain.run(np.asarray(value_of(b), float))
    involved = [*system.leaves, b]
    if not any(map(is_traced, involved)):
        return x

    def residual(x: Any, trace: Any) -> Any:
        return system.at(lambda leaves: upto(leaves, trace)).product(x) - upto(b, trace)

    def inverse(x: Any, trace: Any) -> tuple[Callable, Callable]:
        there = system.at(lambda leaves: outside(leaves, trace))
        if not any(map(is_traced, there.leaves)):
            there = plain  # with its factors
        return lambda v: _solve(there, v), lambda v: _solve(there.transposed, v)

    return attach(x, residual, inverse, involved, "linalg.solve")


def _system(A: Any, positive: bool, rtol: float, maxiter: int | None) -> Any:
    """The matrix as one of the systems below; None for a stack of matrices, which NumPy's solve takes."""
    if isinstance(A, CSR):
        return A
    if isinstance(A, Operator):
        return Iterative(A, positive, rtol, maxiter)
    if is_traced(A) or isinstance(A, (np.ndarray, list, tuple)):
        A = array(A) if isinstance(A, (list, tuple)) else A
        return Dense(A, positive) if A.ndim == 2 else None
    if hasattr(A, "tocsr"):
        A = A.tocsr()
        return CSR(A.data, A.indices, A.indptr, A.shape)
    if hasattr(A, "matvec"):
        return Iterative(ScipyOperator(A), positive, rtol, maxiter)
    raise TypeError(f"linalg.solve takes an array, a sparse matrix or an operator, not {type(A).__name__}")


def lstsq(A: Any, b: Any, rcond: float | None = None) -> tuple:
    """The least-squares solution of A x = b, with residuals, rank and singular values, as NumPy's ``lstsq``.

    For A of full rank x_dot = A^+ (b_dot - A_dot x) + (A^T A)^-1 A_dot^T (b - A x); else derivatives are refused with SolveError.
    ShapeError where the shapes do not fit.
    """
    A, b = (array(v) if isinstance(v, (list, tuple)) else v for v in (A, b))
    if np.ndim(value_of(A)) != 2 or np.shape(value_of(A))[0] != np.shape(value_of(b))[0]:
        raise ShapeError(f"A has shape {np.shape(value_of(A))} and b {np.shape(value_of(b))}; they must have as many rows")
    found = np.linalg.lstsq(A, b, rcond=rcond)
    if found[2] < min(np.shape(value_of(A))) and (is_traced(A) or is_traced(b)):
        rank = f"{found[2]} of {min(np.shape(value_of(A)))}"
        raise SolveError(f"linalg.lstsq: the matrix has rank {rank}, and the solution of least norm jumps where the rank does")
    return found


def cholesky(A: Any) -> Any:
    """L with L L^T = A, lower triangular; reads the lower triangle of A.  SolveError where A is not positive definite."""
    try:
        return np.linalg.cholesky(A)
    except np.linalg.LinAlgError as error:
        raise SolveError("linalg.cholesky: the matrix is not positive definite") from error
