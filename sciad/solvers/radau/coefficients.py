"""Radau IIA of order 5: nodes, the real form of its eigenvalues, and what its dense output and error estimate need.

Hairer & Wanner, Solving Ordinary Differential Equations II, IV.5 and IV.8: with A^-1 = T L T^-1, L = diag(gamma, [[alpha, -beta],
[beta, alpha]]), the Newton system of size 3n falls into a real one of size n and a complex one of size n.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from sciad.solvers.tableau import nested_from_powers

__all__ = ["C", "A", "GAMMA", "ALPHA", "BETA", "T_MATRIX", "T_INVERSE", "ERROR_WEIGHTS", "collocation_powers", "dense_table"]

S6 = 6**0.5
C = np.array([(4 - S6) / 10, (4 + S6) / 10, 1.0])
A = np.array(
    [
        [(88 - 7 * S6) / 360, (296 - 169 * S6) / 1800, (-2 + 3 * S6) / 225],
        [(296 + 169 * S6) / 1800, (88 + 7 * S6) / 360, (-2 - 3 * S6) / 225],
        [(16 - S6) / 36, (16 + S6) / 36, 1 / 9],
    ]
)
GAMMA = 3 + 3 ** (2 / 3) - 3 ** (1 / 3)
ALPHA = 3 + 0.5 * (3 ** (1 / 3) - 3 ** (2 / 3))
BETA = 0.5 * (3 ** (5 / 6) + 3 ** (7 / 6))


def _basis() -> np.ndarray:
    """Columns: the real eigenvector of A^-1, and (from the complex one, v) Re v, -Im v scaled to end in 1 and 0."""
    inverse = np.linalg.inv(A)
    values, vectors = np.linalg.eig(inverse)
    real = vectors[:, np.argmin(abs(values - GAMMA))].real
    v = vectors[:, np.argmin(abs(values - (ALPHA + 1j * BETA)))]
    v = v / v[2]
    return np.stack([real / real[2], v.real, -v.imag], axis=1)


T_MATRIX = _basis()
T_INVERSE = np.linalg.inv(T_MATRIX)
#: The estimate is (gamma I - h J)^-1 (h f(t, y) + sum e_i z_i), of order 3.
ERROR_WEIGHTS = np.array([-13 - 7 * S6, -13 + 7 * S6, -1.0]) / 3


def collocation_powers() -> np.ndarray:
    """Row i: coefficients of theta, theta^2, theta^3 in the weight of z_i = Y_i - y in the collocation polynomial."""
    return np.linalg.inv(np.stack([C, C**2, C**3], axis=1)).T


def dense_table() -> np.ndarray:
    """Nested coefficients for the rows of K: f(t, y), then z_i / h."""
    rows = [nested_from_powers(tuple(Fraction(float(x)) for x in row)) for row in collocation_powers()]
    table = np.array([[0.0] * 3, *[[float(x) for x in row] for row in rows]])
    table[:, 0] = 0.0, 0.0, 0.0, 1.0
    return table
