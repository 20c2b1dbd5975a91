"""The coefficients that the sources of steps take."""

from __future__ import annotations

from typing import Any

import numpy as np

from sciad.adjoints.direct_ndf import TABLE_SHAPES, ndf_tables
from sciad.solvers.bdf.ndf import Ndf
from sciad.solvers.explicit import ERK
from sciad.solvers.radau import Radau
from sciad.solvers.radau.coefficients import A, C
from sciad.solvers.record import Steps
from sciad.solvers.sdirk import Sdirk

__all__ = ["step_tables", "tables_of"]


def tables_of(method: Any, mass: np.ndarray) -> list[np.ndarray]:
    """The coefficients that the source of a step takes; of NDF their shapes, as they belong to single steps."""
    if isinstance(method, Ndf):
        return [np.zeros(shape) for shape in TABLE_SHAPES]
    if isinstance(method, Radau):
        return [np.array(A), np.array(C), mass]
    tableau = method.tableau
    if isinstance(method, Sdirk):
        return [_matrix(tableau.exact_a, tableau.n_stages), _vector(tableau.exact_c), np.zeros(1)]  # the last: whether k_0 is carried
    if isinstance(method, ERK):
        rows = len(method.dense)
        b = np.concatenate([_vector(tableau.exact_b), np.zeros(tableau.n_extra)])
        return [_matrix(tableau.exact_a, rows), b, _vector(tableau.exact_c)]
    s = tableau.n_stages
    square = _matrix(tableau.exact_a, s), _matrix(tableau.exact_coupling, s)
    vectors = _vector(tableau.exact_m), _vector(tableau.exact_c), _vector(tableau.exact_d)
    return [*square, *vectors, _vector((1 / tableau.exact_gamma,)), mass]


def _vector(row: Any) -> np.ndarray:
    return np.array([float(x) for x in row])


def _matrix(rows: Any, size: int) -> np.ndarray:
    out = np.zeros((size, size))
    for i, row in enumerate(rows):
        out[i, : len(row)] = [float(x) for x in row]
    return out


def step_tables(method: Any, steps: Steps, mass: np.ndarray | None, n: int) -> np.ndarray:
    """What the source of a step takes, rows for the steps; the last one is that of all that follow."""
    if isinstance(method, Ndf):
        return ndf_tables(steps)
    first = np.concatenate([x.ravel() for x in tables_of(method, np.eye(n) if mass is None else mass)])
    if not isinstance(method, Sdirk):
        return first[None]
    later = first.copy()
    later[-1] = 1.0  # k_0 is carried
    return np.array([first, later])
