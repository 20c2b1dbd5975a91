"""Coefficients of Rosenbrock methods, written as their papers print them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from sciad.solvers.tableau import nested_from_powers

__all__ = ["RosenbrockTableau"]

Row = tuple[Fraction, ...]


@dataclass(frozen=True, eq=False)
class RosenbrockTableau:
    """A Rosenbrock method with error estimate and dense output; every coefficient is text, one row a string.

    In the ``"transformed"`` form (Hairer & Wanner IV.7) the stages u_i solve

        (I / (gamma h) - J) u_i = f(t + c_i h, y + sum a_ij u_j) + sum c_ij u_j / h + d_i h f_t,

    the step is y + sum m_i u_i, its error estimate sum e_i u_i, and y(t + theta h) = y + sum w_i(theta) u_i.
    In the ``"plain"`` form `a` is alpha_ij, `coupling` gamma_ij (below the diagonal), and m, e and w weigh the k_i of

        (I - gamma h J) k_i = f(t + c_i h, y + h sum alpha_ij k_j) + h J sum gamma_ij k_j + d_i h f_t.

    `a` and `coupling` start with row 2.  Row i of `dense` holds w_i as ``"powers"`` of theta or ``"nested"``, as in `Tableau`.
    """

    name: str
    order: int
    embedded: int
    gamma: str
    c: str
    d: str
    a: tuple[str, ...]
    coupling: tuple[str, ...]
    m: str
    e: str
    dense: tuple[str, ...]
    dense_order: int
    dense_form: str = "nested"
    form: str = "transformed"

    @property
    def n_stages(self) -> int:
        """Number of linear systems in a step."""
        return len(self.c.split())

    @cached_property
    def fsal(self) -> bool:
        """Whether the last stage evaluates f at the end of the step."""
        s = self.n_stages
        return self.exact_c[-1] == 1 and self.exact_a[-1] == self.exact_m[: s - 1] and self.exact_m[-1] == 0

    @cached_property
    def exact_c(self) -> Row:
        """Nodes of the evaluations of f."""
        return fractions(self.c)

    @cached_property
    def exact_d(self) -> Row:
        """Weights of the time derivative of f."""
        return fractions(self.d)

    @cached_property
    def exact_gamma(self) -> Fraction:
        """The diagonal coefficient."""
        return Fraction(self.gamma)

    @cached_property
    def plain(self) -> tuple[list[list[Fraction]], list[list[Fraction]]]:
        """alpha and gamma (with its diagonal) as full square matrices."""
        s, g = self.n_stages, self.exact_gamma
        a, coupling = lower(self.a, s), lower(self.coupling, s)
        if self.form == "plain":
            return a, [[g if i == j else coupling[i][j] for j in range(s)] for i in range(s)]
        inverse = [[(1 / g if i == j else 0) - coupling[i][j] for j in range(s)] for i in range(s)]
        matrix = inverse_lower(inverse)
        return product(a, matrix), matrix

    @cached_property
    def _change(self) -> list[list[Fraction]]:
        """Matrix that turns weights of the k_i into weights of the u_i, from the right."""
        s = self.n_stages
        return inverse_lower(self.plain[1]) if self.form == "plain" else [[Fraction(i == j) for j in range(s)] for i in range(s)]

    @cached_property
    def exact_a(self) -> tuple[Row, ...]:
        """Rows of a in the transformed form, row i with i entries."""
        full = product(lower(self.a, self.n_stages), self._change)
        return tuple(tuple(row[:i]) for i, row in enumerate(full))

    @cached_property
    def exact_coupling(self) -> tuple[Row, ...]:
        """Rows of c_ij in the transformed form, row i with i entries."""
        s = self.n_stages
        full = lower(self.coupling, s) if self.form != "plain" else [[-x for x in row] for row in self._change]
        return tuple(tuple(row[:i]) for i, row in enumerate(full))

    @cached_property
    def exact_m(self) -> Row:
        """Weights of the step in the transformed form."""
        return tuple(product([list(fractions(self.m))], self._change)[0])

    @cached_property
    def exact_e(self) -> Row:
        """Weights of the error estimate in the transformed form."""
        return tuple(product([list(fractions(self.e))], self._change)[0])

    @cached_property
    def exact_dense(self) -> tuple[Row, ...]:
        """Nested coefficients of dense output in the transformed form, one row for each stage."""
        rows = [fractions(row) for row in self.dense]
        width = max(len(row) for row in rows)
        full = [list(row + (Fraction(0),) * (width - len(row))) for row in rows]
        if self.dense_form == "powers":
            full = [list(nested_from_powers(tuple(row))) for row in full]
        columns = product([list(column) for column in zip(*full)], self._change)
        return tuple(zip(*columns))

    @cached_property
    def dense_table(self) -> np.ndarray:
        """Nested coefficients of all rows of K: f at the beginning, the stages, and, if first same as last, f at the end."""
        rows = [[float(x) for x in row] for row in self.exact_dense]
        nothing = [0.0] * len(rows[0])
        return np.array([nothing, *rows, *([nothing] if self.fsal else [])])


def fractions(row: str) -> Row:
    """The numbers in a string."""
    return tuple(Fraction(x) for x in row.split())


def lower(rows: tuple[str, ...], s: int) -> list[list[Fraction]]:
    """A strictly lower triangular matrix from its rows, the first of which is row 2."""
    given = [(), *(fractions(row) for row in rows)]
    return [list(row) + [Fraction(0)] * (s - len(row)) for row in given]


def product(a: list[list[Fraction]], b: list[list[Fraction]]) -> list[list[Fraction]]:
    """Matrix product."""
    return [[sum((x * y for x, y in zip(row, column)), Fraction(0)) for column in zip(*b)] for row in a]


def inverse_lower(a: list[list[Fraction]]) -> list[list[Fraction]]:
    """Inverse of a lower triangular matrix."""
    n = len(a)
    out = [[Fraction(0)] * n for _ in range(n)]
    for j in range(n):
        for i in range(j, n):
            rest = sum((a[i][k] * out[k][j] for k in range(j, i)), Fraction(0))
            out[i][j] = (Fraction(i == j) - rest) / a[i][i]
    return out
