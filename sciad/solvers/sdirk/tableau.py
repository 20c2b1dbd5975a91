"""Coefficients of stiffly accurate ESDIRK methods, written as their papers print them, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from sciad.solvers.tableau import nested_from_powers

__all__ = ["SdirkTableau"]

Row = tuple[Fraction, ...]


@dataclass(frozen=True, eq=False)
class SdirkTableau:
    """A diagonally implicit pair with an explicit first stage: k_i = f(t + c_i h, y + h sum_(j<=i) a_ij k_j), c_1 = 0.

    Row i of `a` (from row 2) ends before the diagonal, which is `gamma`; the last row with gamma is b, so the last stage is f at the
    end of the step.  The error estimate is h sum (b_i - b_hat_i) k_i.  `dense_order` is 3, the cubic Hermite interpolant, or 4: then
    y(t + theta h) = y + h sum w_i(theta) k_i with w of degree 4, C^1 like Hermite's, that satisfies the order conditions up to 4
    (five linear ones, as the stages have order 2) with the smallest coefficients of theta^4.
    """

    name: str
    order: int
    embedded: int
    gamma: str
    c: str
    a: tuple[str, ...]
    b_hat: str
    dense_order: int = 3

    @property
    def n_stages(self) -> int:
        """Number of stages, with the explicit first one."""
        return len(self.c.split())

    @cached_property
    def exact_gamma(self) -> Fraction:
        """The diagonal coefficient."""
        return Fraction(self.gamma)

    @cached_property
    def exact_c(self) -> Row:
        """Nodes."""
        return tuple(Fraction(x) for x in self.c.split())

    @cached_property
    def exact_a(self) -> tuple[Row, ...]:
        """Rows of a with the diagonal, filled with zeros to a square."""
        s, g = self.n_stages, self.exact_gamma
        rows = [tuple(Fraction(x) for x in row.split()) + (g,) for row in self.a]
        return tuple(row + (Fraction(0),) * (s - len(row)) for row in ((Fraction(0),), *rows))

    @property
    def exact_b(self) -> Row:
        """Weights of the step."""
        return self.exact_a[-1]

    @cached_property
    def exact_error(self) -> Row:
        """b - b_hat."""
        return tuple(x - Fraction(y) for x, y in zip(self.exact_b, self.b_hat.split()))

    @cached_property
    def predictors(self) -> tuple[Row, ...]:
        """Row i: weights that extrapolate the k_j before stage i to c_i, through the last three nodes (or the stage with the same node)."""
        rows: list[Row] = [()]
        for i in range(1, self.n_stages):
            c, used = self.exact_c, []
            for j in reversed(range(i)):
                if c[j] == c[i]:
                    used = [j]
                    break
                if len(used) < 3 and all(c[j] != c[m] for m in used):
                    used.append(j)
            rows.append(tuple(_lagrange(c, used, j, c[i]) if j in used else Fraction(0) for j in range(i)))
        return tuple(rows)

    @cached_property
    def dense_powers(self) -> np.ndarray:
        """Coefficients of theta, theta^2, ... of the weights, one row for each stage."""
        s, b = self.n_stages, np.array([float(x) for x in self.exact_b])
        first, last = np.eye(s)[0], np.eye(s)[-1]
        fourth = self._fourth() if self.dense_order == 4 else np.zeros(s)
        third = last + first - 2 * b - 2 * fourth
        second = b - first - third - fourth
        return np.stack([first, second, third, fourth], axis=1)[:, : max(3, self.dense_order)]

    def _fourth(self) -> np.ndarray:
        """Coefficients of theta^4: the smallest that satisfy the order conditions."""
        a, c = np.array([[float(x) for x in row] for row in self.exact_a]), np.array([float(x) for x in self.exact_c])
        conditions = np.stack([c**0, c, c**2, c**3, a @ c**2])
        return np.linalg.lstsq(conditions, np.array([0, 0, 0, 1 / 4, 1 / 12]), rcond=None)[0]

    @cached_property
    def dense_table(self) -> np.ndarray:
        """Nested coefficients of dense output, shape (stages, terms)."""
        rows = [nested_from_powers(tuple(Fraction(float(x)) for x in row)) for row in self.dense_powers]
        table = np.array([[float(x) for x in row] for row in rows])
        table[:, 0] = [float(x) for x in self.exact_b]
        return table


def _lagrange(c: Row, used: list[int], j: int, x: Fraction) -> Fraction:
    value = Fraction(1)
    for m in used:
        if m != j:
            value *= (x - c[m]) / (c[j] - c[m])
    return value
