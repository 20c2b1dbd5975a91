"""Matrices as `sciad.linalg` solves with them: each gives its product, its transpose, and solutions for plain values."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from sciad import tree
from sciad.errors import ConditionWarning, ShapeError, SolveError
from sciad.tape import custom_call, is_traced, trace_vjp, value_of

__all__ = ["CSR", "Dense", "Iterative", "Operator", "ScipyOperator"]

DOUBTFUL = 1e-13  # reciprocal condition below which a dense solve warns


class Dense:
    """A dense matrix, factored once."""

    def __init__(self, A: Any, positive: bool) -> None:
        self.A, self.positive = A, positive
        self.leaves, self.shape = [A], A.shape

    def at(self, see: Callable) -> Dense:
        """The same with its leaves as `see` gives them."""
        (A,) = see(self.leaves)
        return self if A is self.A else Dense(A, self.positive)

    def product(self, x: Any) -> Any:
        """A x."""
        return 0.5 * (self.A @ x + np.transpose(self.A) @ x) if self.positive else self.A @ x

    @cached_property
    def transposed(self) -> Dense:
        """A^T, with the same factors."""
        if self.positive:
            return self
        new = Dense(np.transpose(self.A), False)
        if not is_traced(self.A):
            new.run = lambda b: self.run(b, 1)  # type: ignore[method-assign]
        return new

    @cached_property
    def factors(self) -> Any:
        """LU factors, or Cholesky's."""
        from scipy.linalg import LinAlgError, cho_factor, lapack

        A = np.asarray(self.A, float)
        if not np.all(np.isfinite(A)):
            raise SolveError("linalg.solve: the matrix has entries that are not finite (NaN or Inf)")
        if self.positive:
            try:
                return cho_factor(0.5 * (A + A.T))
            except LinAlgError as error:
                raise SolveError("linalg.solve: the matrix is not positive definite; use assume_a='gen'") from error
        lu, pivots, info = lapack.dgetrf(A)
        if info > 0:
            raise SolveError(f"linalg.solve: the matrix is singular (no pivot in column {info}); see linalg.lstsq for what is nearest")
        reciprocal = lapack.dgecon(lu, np.abs(A).sum(axis=0).max(initial=0.0))[0]
        if reciprocal < DOUBTFUL:
            text = f"linalg.solve: the matrix has an estimated condition of {1 / max(reciprocal, 1e-300):.1e}"
            warnings.warn(text, ConditionWarning, stacklevel=5)
        return lu, pivots

    def run(self, b: np.ndarray, transposed: int = 0) -> np.ndarray:
        """A^-1 b, or A^-T b, of plain values."""
        if self.positive:
            from scipy.linalg import cho_solve

            return cho_solve(self.factors, b)
        from scipy.linalg import lapack

        return lapack.dgetrs(*self.factors, b, trans=transposed)[0]


class CSR:
    """A sparse matrix by rows, with entries that may be traced: ``data`` (nnz,) on the pattern of `indices` and `indptr`, as in SciPy.

    ``CSR.like(pattern, data)`` takes the pattern of a scipy.sparse matrix, without duplicates.
    """

    def __init__(self, data: Any, indices: np.ndarray, indptr: np.ndarray, shape: tuple[int, int]) -> None:
        self.data, self.indices, self.indptr = data, np.asarray(indices), np.asarray(indptr)
        self.shape, self.leaves = (int(shape[0]), int(shape[1])), [data]
        if np.shape(value_of(data)) != self.indices.shape or len(self.indptr) != self.shape[0] + 1:
            given = f"{np.shape(value_of(data))} entries for {self.indices.shape} indices and {len(self.indptr) - 1} of {shape[0]} rows"
            raise ShapeError(f"CSR: {given} do not fit together")

    @classmethod
    def like(cls, pattern: Any, data: Any) -> CSR:
        """Entries `data`, in the order of ``pattern.tocsr()``."""
        pattern = pattern.tocsr()
        return cls(data, pattern.indices, pattern.indptr, pattern.shape)

    def at(self, see: Callable) -> CSR:
        """The same with its leaves as `see` gives them."""
        (data,) = see(self.leaves)
        if data is self.data:
            return self
        new = CSR(data, self.indices, self.indptr, self.shape)
        new.__dict__["rows"] = self.rows
        return new

    @cached_property
    def rows(self) -> np.ndarray:
        """Row of each entry."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))

    @cached_property
    def transposed(self) -> CSR:
        """The transposed matrix."""
        from scipy.sparse import csr_matrix

        turned = csr_matrix((np.arange(1.0, len(self.indices) + 1), self.indices, self.indptr), self.shape).T.tocsr()
        order = turned.data.astype(int) - 1
        new = CSR(self.data[order], turned.indices, turned.indptr, turned.shape)
        if not is_traced(self.data):
            new.run = lambda b: self.run(b, "T")  # type: ignore[method-assign]
        return new

    def product(self, x: Any) -> Any:
        """A x."""
        return custom_call(self._forward, [self.data, x], "product with a sparse matrix")

    def __matmul__(self, x: Any) -> Any:
        return self.product(x)

    def _forward(self, data: Any, x: Any) -> tuple:
        there = self.at(lambda _: [data])
        value = there.product(x) if is_traced(data) or is_traced(x) else there.plain @ x

        def vjp(bar: Any) -> tuple:
            parts = bar[self.rows] * x[self.indices]
            return (np.sum(parts, axis=1) if parts.ndim == 2 else parts), there.transposed.product(bar)

        def jvp(data_dot: Any, x_dot: Any) -> Any:
            parts = [] if data_dot is None else [self.at(lambda _: [data_dot]).product(x)]
            parts += [] if x_dot is None else [there.product(x_dot)]
            return sum(parts[1:], parts[0])

        return value, vjp, jvp

    @cached_property
    def plain(self) -> Any:
        """The scipy.sparse matrix."""
        from scipy.sparse import csr_matrix

        return csr_matrix((np.asarray(value_of(self.data), float), self.indices, self.indptr), self.shape)

    @cached_property
    def factors(self) -> Any:
        """SuperLU's factors."""
        from scipy.sparse.linalg import splu

        try:
            return splu(self.plain.tocsc())
        except RuntimeError as error:
            raise SolveError(f"linalg.solve: the sparse matrix is singular ({error})") from error

    def run(self, b: np.ndarray, transposed: str = "N") -> np.ndarray:
        """A^-1 b, or A^-T b, of plain values."""
        return self.factors.solve(b, transposed)


class Operator:
    """A square matrix given by its product ``matvec(x, *args)``, linear in x (n,); floats in args may be traced.

    `rmatvec` is the transposed product; without it the tape turns `matvec` around.
    """

    def __init__(self, matvec: Callable, n: int, args: tuple = (), rmatvec: Callable | None = None) -> None:
        self.matvec, self.args, self.rmatvec, self.shape = matvec, args, rmatvec, (n, n)

    def with_args(self, args: tuple) -> Operator:
        """The same product with other arguments."""
        return Operator(self.matvec, self.shape[0], args, self.rmatvec)

    def product(self, x: Any) -> Any:
        """A x."""
        return self.matvec(x, *self.args)

    @cached_property
    def transposed(self) -> Operator:
        """The transposed operator."""
        if self.rmatvec is not None:
            return Operator(self.rmatvec, self.shape[0], self.args, self.matvec)
        zero = np.zeros(self.shape[0])

        def turned(y: Any, *args: Any) -> Any:
            return trace_vjp(lambda x: self.matvec(x, *args), (zero,))[1](y)[0]

        return Operator(turned, self.shape[0], self.args, self.matvec)


class ScipyOperator(Operator):
    """A constant operator of SciPy: its products are nodes of the tape."""

    def __init__(self, A: Any) -> None:
        super().__init__(_node_of(A.matvec, A.rmatvec), A.shape[0], (), _node_of(A.rmatvec, A.matvec))
        self.shape = A.shape


def _node_of(product: Callable, turned: Callable) -> Callable:
    """A linear map and its transpose as a function of traced values."""

    def apply(x: Any) -> Any:
        def forward(x: Any) -> tuple:
            value = apply(x) if is_traced(x) else product(x)
            return value, lambda bar: (_node_of(turned, product)(bar),), lambda dot: apply(dot)

        return custom_call(forward, [x], "product with a LinearOperator")

    return apply


class Iterative:
    """An operator, solved by GMRES or conjugate gradients."""

    def __init__(self, operator: Operator, positive: bool, rtol: float, maxiter: int | None) -> None:
        self.operator, self.positive, self.rtol, self.maxiter = operator, positive, rtol, maxiter
        self.shape = operator.shape
        self.leaves, self.structure = tree.flatten(operator.args)

    def at(self, see: Callable) -> Iterative:
        """The same with its leaves as `see` gives them."""
        if not self.leaves:
            return self
        args = tree.unflatten(self.structure, see(self.leaves))
        return Iterative(self.operator.with_args(args), self.positive, self.rtol, self.maxiter)

    def product(self, x: Any) -> Any:
        """A x, or A times each column of x."""
        if np.ndim(value_of(x)) == 1:
            return self.operator.product(x)
        return np.stack([self.operator.product(x[:, k]) for k in range(x.shape[1])], axis=1)

    @cached_property
    def transposed(self) -> Iterative:
        """The transposed operator."""
        return self if self.positive else Iterative(self.operator.transposed, False, self.rtol, self.maxiter)

    def run(self, b: np.ndarray) -> np.ndarray:
        """A^-1 b, of plain values."""
        if b.ndim == 2:
            return np.stack([self.run(column) for column in b.T], axis=1)
        from scipy.sparse.linalg import LinearOperator, cg, gmres

        n = len(b)
        A = LinearOperator((n, n), matvec=lambda v: np.asarray(value_of(self.operator.product(np.ravel(v))), float), dtype=float)
        if self.positive:
            x, info = cg(A, b, rtol=self.rtol, atol=0.0, maxiter=self.maxiter)
        else:
            x, info = gmres(A, b, rtol=self.rtol, atol=0.0, restart=min(n, 60), maxiter=self.maxiter or 40)
        off = float(np.linalg.norm(A @ x - b))
        if info != 0 and not off <= 10 * self.rtol * float(np.linalg.norm(b)):
            raise SolveError(
                f"linalg.solve: {'conjugate gradients' if self.positive else 'GMRES'} did not converge (relative residual "
                f"{off / max(float(np.linalg.norm(b)), 1e-300):.1e}); raise maxiter or rtol, or give the operator preconditioned"
            )
        return x
