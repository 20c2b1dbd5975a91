"""Which linear algebra a solve gets, and the sparsity pattern of a compiled right-hand side.

Up to DENSE unknowns it is dense; above, the pattern is found once for each right-hand side, and where few entries can be non-zero the
factorisation is sparse.  A tangent of NaN survives every operation that it enters, so one product with NaN in place j shows which
results depend on y_j; the pattern is the union over the point and two perturbations of it, as branches depend on values.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from sciad.backend import call_address, data_address
from sciad.errors import MissingRule
from sciad.solvers.linear.dense import Dense
from sciad.solvers.linear.krylov import Krylov
from sciad.solvers.linear.sparse import Sparse
from sciad.solvers.link import link
from sciad.solvers.rhs import Rhs

__all__ = ["choose_linear", "pattern_of"]

DENSE = 100  # unknowns up to which dense factors are taken without a look at the pattern
FILLED = 0.15  # share of n^2 that sparse factors may fill and still be worth while
CHUNK = 64  # columns looked at in one go

_CHOSEN: WeakKeyDictionary[Rhs, Any] = WeakKeyDictionary()


def choose_linear(linear: Any, rhs: Rhs, t: float, y: np.ndarray, p: np.ndarray) -> Any:
    """The linear algebra of a name ("dense", "sparse", "gmres"), None for what fits, or the object itself; ValueError for other names."""
    if linear is None:
        if rhs.n <= DENSE:
            return _dense(rhs.n)
        if rhs not in _CHOSEN:
            _CHOSEN[rhs] = _fitting(rhs, t, y, p)
        return _CHOSEN[rhs]
    if linear == "dense":
        return _dense(rhs.n)
    if linear == "sparse":
        return Sparse(pattern_of(rhs, t, y, p))
    if linear == "gmres":
        return Krylov(rhs.n)
    if isinstance(linear, str):
        raise ValueError(f"unknown linear algebra {linear!r}; choose 'dense', 'sparse', 'gmres', or an object such as Banded(n, 1, 1)")
    if linear.n != rhs.n:
        raise ValueError(f"the linear algebra is for {linear.n} unknowns, the right-hand side has {rhs.n}")
    return linear


@cache
def _dense(n: int) -> Dense:
    return Dense(n)


def _fitting(rhs: Rhs, t: float, y: np.ndarray, p: np.ndarray) -> Any:
    try:
        pattern = pattern_of(rhs, t, y, p)
    except MissingRule:
        return _dense(rhs.n)
    if pattern.nnz > FILLED * rhs.n**2:
        return _dense(rhs.n)
    sparse = Sparse(pattern)
    return sparse if sparse.fill < FILLED * rhs.n**2 else _dense(rhs.n)


def pattern_of(rhs: Rhs, t: float, y: np.ndarray, p: np.ndarray) -> Any:
    """The pattern of the Jacobian at y (n,) and near it, as scipy.sparse.csc_matrix of bools; MissingRule without `jvp`."""
    from scipy import sparse

    n, rng = rhs.n, np.random.default_rng(0)
    points = [y] + [y + 1e-3 * (1.0 + np.abs(y)) * rng.standard_normal(n) for _ in range(2)]
    seed, zeros, base, dot = np.zeros(n), np.zeros(max(n, rhs.n_p)), np.empty(n), np.empty(n)
    rows, columns = [], []
    for first in range(0, n, CHUNK):
        count = min(CHUNK, n - first)
        hits = np.zeros((count, n), np.float64)
        for point in points:
            if _marks()(rhs.jvp(), t, np.ascontiguousarray(point), p, seed, zeros, base, dot, first, hits) != 0:
                raise MissingRule("the sparsity pattern cannot be found: the derivative of the right-hand side aborts; give jac_sparsity")
        j, i = np.nonzero(hits)
        rows.append(i)
        columns.append(j + first)
    entries = np.concatenate(rows), np.concatenate(columns)
    return sparse.csc_matrix((np.ones(len(entries[0]), bool), entries), shape=(n, n))


def mark_dependences(jvp, t, y, p, seed, zeros, base, dot, first, hits):
    """hits[k, i] = 1 where result i depends on y[first + k]; results that are not finite anyway say nothing.  The status of `jvp`."""
    n = y.shape[0]
    addresses = data_address(y, 0), data_address(seed, 0), data_address(p, 0), data_address(zeros, 0)
    values, dots = data_address(base, 0), data_address(dot, 0)
    for k in range(hits.shape[0]):
        seed[first + k] = math.nan
        code = call_address(jvp, t, 0.0, addresses[0], addresses[1], addresses[2], addresses[3], values, dots)
        seed[first + k] = 0.0
        if code != 0:
            return code
        for i in range(n):
            if dot[i] != dot[i] and base[i] == base[i]:
                hits[k, i] = 1.0
    return 0


@cache
def _marks():
    return link(mark_dependences)
