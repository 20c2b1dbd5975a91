"""Sparsity of Jacobians: detection by NaN, colouring of columns, compressed evaluation with a check.

A tangent of NaN survives every operation that it enters, a product with zero included, so one forward product with NaN in place j shows
which results depend on input j.  Columns that share no row get one colour, and one product for each colour gives all entries (Curtis,
Powell & Reid, J. Inst. Math. Appl. 13 (1974) 117).  Which branch a program takes depends on its values: a pattern is the union over the
point and perturbations of it, and every compressed Jacobian is checked by one more product with a random vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from sciad.errors import SciadError, ShapeError

__all__ = ["detect", "colours", "compressed", "sparse_jacobian"]

PERTURBATIONS = 2
Product = Callable[[np.ndarray, np.ndarray], np.ndarray]


def detect(product: Product, x: np.ndarray) -> Any:
    """The sparsity pattern at x (n,) and near it, as scipy.sparse.csc_matrix of bools; ``product(x, x_dot)`` gives y_dot (m,)."""
    from scipy import sparse

    rng = np.random.default_rng(0)
    points = [x] + [x + 1e-3 * (1.0 + np.abs(x)) * rng.standard_normal(x.size) for _ in range(PERTURBATIONS)]
    rows: list[np.ndarray] = []
    m = 0
    for j in range(x.size):
        direction = np.zeros(x.size)
        direction[j] = np.nan
        hits = np.zeros(0, bool)
        for point in points:
            found = np.isnan(product(point, direction))
            hits = found if not hits.size else hits | found
        m = hits.size
        rows.append(np.flatnonzero(hits))
    indices = np.concatenate(rows) if rows else np.zeros(0, int)
    starts = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    return sparse.csc_matrix((np.ones(len(indices), bool), indices, starts), shape=(m, x.size))


def colours(pattern: Any) -> np.ndarray:
    """A colour (0, 1, ...) for each column such that no two columns of one colour share a row; greedy, columns with many entries first."""
    from scipy import sparse

    pattern = sparse.csc_matrix(pattern)
    by_row = pattern.tocsr()
    n = pattern.shape[1]
    found = np.full(n, -1)
    order = np.argsort(-np.diff(pattern.indptr), kind="stable")
    for j in order:
        rows = pattern.indices[pattern.indptr[j] : pattern.indptr[j + 1]]
        taken = {int(found[k]) for i in rows for k in by_row.indices[by_row.indptr[i] : by_row.indptr[i + 1]]}
        colour = 0
        while colour in taken:
            colour += 1
        found[j] = colour
    return found


def compressed(product: Product, x: np.ndarray, pattern: Any, colour: np.ndarray) -> Any:
    """The Jacobian at x as csc_matrix with the given pattern; SciadError where the pattern misses an entry."""
    from scipy import sparse

    n_colours = int(colour.max()) + 1 if colour.size else 0
    columns = np.repeat(np.arange(pattern.shape[1]), np.diff(pattern.indptr))
    values = np.zeros(len(pattern.indices))
    for c in range(n_colours):
        dot = product(x, (colour == c).astype(float))
        mine = colour[columns] == c
        values[mine] = dot[pattern.indices[mine]]
    jac = sparse.csc_matrix((values, pattern.indices, pattern.indptr), shape=pattern.shape)
    probe = np.random.default_rng(1).standard_normal(x.size)
    expected = product(x, probe)
    scale = abs(jac) @ np.abs(probe) + np.abs(expected) + 1e-300
    if not np.all(np.abs(jac @ probe - expected) <= 1e-8 * scale):
        row = int(np.argmax(np.abs(jac @ probe - expected) / scale))
        raise SciadError(f"row {row} of the Jacobian has entries outside the sparsity pattern; detect the pattern again at this point")
    return jac


def sparse_jacobian(fun: Callable, argnums: int | Sequence[int], mode: str) -> Callable:
    """`sciad.jacobian` with ``sparse=True``."""
    from sciad.api import jvp

    if not isinstance(argnums, int) or mode == "reverse":
        raise SciadError("a sparse Jacobian is computed in forward mode with respect to one argument")
    kept: dict[tuple, tuple] = {}

    @wraps(fun)
    def run(*args: Any) -> Any:
        x = np.asarray(args[argnums], float)

        def product(point: np.ndarray, direction: np.ndarray) -> np.ndarray:
            full, dots = list(args), [None] * len(args)
            full[argnums], dots[argnums] = point.reshape(x.shape), direction.reshape(x.shape)
            dot = jvp(fun, full, dots)[1]
            if not isinstance(dot, np.ndarray):
                raise ShapeError("a sparse Jacobian needs a function that returns one array")
            return dot.reshape(-1)

        flat = x.reshape(-1)
        if x.shape not in kept:
            pattern = detect(product, flat)
            kept[x.shape] = pattern, colours(pattern)
        try:
            return compressed(product, flat, *kept[x.shape])
        except SciadError:  # another branch was taken: join what is seen here to the pattern
            from scipy import sparse

            pattern = sparse.csc_matrix(kept[x.shape][0] + detect(product, flat))
            kept[x.shape] = pattern, colours(pattern)
            return compressed(product, flat, *kept[x.shape])

    return run
