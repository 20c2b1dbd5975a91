"""Butcher tableaus of explicit Runge-Kutta methods, written as their papers print them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

__all__ = ["Tableau", "combination", "nested_from_powers", "powers_from_nested"]

Row = tuple[Fraction, ...]


@dataclass(frozen=True, eq=False)
class Tableau:
    """An explicit Runge-Kutta pair with dense output; every coefficient is text (``"1/3"``, ``"0.25"``), one row a string.

    With h the step and k_i = f(t + c_i h, y + h sum_j a_ij k_j), the step is y + h sum b_i k_i and the error estimate
    h sum (b_i - b_hat_i) k_i.  `a` starts with row 2.  The last `n_extra` stages are only evaluated for dense output,
    y(t + theta h) = y + h sum w_i(theta) k_i, where row i of `dense` holds w_i either as ``"powers"``, the coefficients of
    theta, theta^2, ..., or as ``"nested"``, theta (d_1 + (1 - theta)(d_2 + theta (d_3 + (1 - theta)(...)))).
    `b_low` is a second, weaker estimate that is combined with the first as in DOP853.
    Raises ValueError for rows that do not fit together.
    """

    name: str
    order: int
    c: str
    a: tuple[str, ...]
    b: str
    dense: tuple[str, ...]
    dense_order: int
    b_hat: str = ""
    embedded: int = 0
    b_low: str = ""
    embedded_low: int = 0
    error_order: int = 0  # order that the step control assumes of the estimate; 0: `embedded`
    n_extra: int = 0
    dense_form: str = "powers"

    def __post_init__(self) -> None:
        n, s = len(self.c.split()), self.n_stages
        lengths = [len(row.split()) for row in self.a]
        if lengths != list(range(1, n)):
            raise ValueError(f"tableau {self.name}: rows of a have lengths {lengths}, expected 1 to {n - 1}")
        for label, row in (("b", self.b), ("b_hat", self.b_hat), ("b_low", self.b_low)):
            if row and len(row.split()) != s:
                raise ValueError(f"tableau {self.name}: {label} has {len(row.split())} entries, expected {s}")
        if len(self.dense) != n or self.dense_form not in ("powers", "nested"):
            raise ValueError(f"tableau {self.name}: dense needs {n} rows, in the form 'powers' or 'nested'")

    @property
    def n_stages(self) -> int:
        """Stages of a step, without those that only serve dense output."""
        return len(self.c.split()) - self.n_extra

    @property
    def adaptive(self) -> bool:
        """Whether there is an error estimate."""
        return bool(self.b_hat)

    @cached_property
    def fsal(self) -> bool:
        """First same as last: the last stage is f at the end of the step, so the first stage of the next one."""
        s = self.n_stages
        return s > 1 and self.exact_c[s - 1] == 1 and self.exact_a[s - 1] == self.exact_b

    @cached_property
    def exact_c(self) -> Row:
        """The nodes as fractions."""
        return _fractions(self.c)

    @cached_property
    def exact_a(self) -> tuple[Row, ...]:
        """All rows of a as fractions; row i has zeros from column i on, up to the number of stages of the step (or i)."""
        s = self.n_stages
        rows = ((), *(_fractions(row) for row in self.a))
        return tuple(row + (Fraction(0),) * max(0, s - len(row)) for row in rows)

    @cached_property
    def exact_b(self) -> Row:
        """The weights as fractions."""
        return _fractions(self.b)

    def exact_error(self, low: bool = False) -> Row:
        """b - b_hat (or b - b_low) as fractions."""
        return tuple(x - y for x, y in zip(self.exact_b, _fractions(self.b_low if low else self.b_hat)))

    @cached_property
    def exact_dense(self) -> tuple[Row, ...]:
        """Nested coefficients of dense output as fractions, one row for each stage, all of one length."""
        rows = [_fractions(row) for row in self.dense]
        width = max(len(row) for row in rows)
        full = [row + (Fraction(0),) * (width - len(row)) for row in rows]
        return tuple(full if self.dense_form == "nested" else [nested_from_powers(row) for row in full])

    @cached_property
    def dense_table(self) -> np.ndarray:
        """Nested coefficients of dense output, shape (stages, terms).

        The nested form costs what Horner's costs, gives b exactly at theta = 1, and has none of the cancellation that
        the coefficients of high-order interpolants (thousands, of both signs) suffer as powers.
        """
        return np.array([[float(x) for x in row] for row in self.exact_dense])


def _fractions(row: str) -> Row:
    return tuple(Fraction(x) for x in row.split())


def nested_from_powers(powers: Row) -> Row:
    """Rewrite sum_m p_m theta^m (m = 1, 2, ...) as theta (d_1 + (1 - theta)(d_2 + theta (d_3 + ...)))."""
    rest = list(powers)  # a polynomial in theta, constant term first, after taking out the leading theta
    found = []
    for k in range(len(powers)):
        root = 1 if k % 2 == 0 else 0  # the next factor is 1 - theta or theta: split off the value at its root
        value = sum(rest, Fraction(0)) if root else rest[0]
        found.append(value)
        rest[0] -= value
        if root:  # synthetic division by (1 - theta)
            quotient, carry = [], Fraction(0)
            for coefficient in rest[:-1]:
                carry += coefficient
                quotient.append(carry)
        else:
            quotient = rest[1:]
        rest = quotient or [Fraction(0)]
    return tuple(found)


def powers_from_nested(nested: Row) -> Row:
    """The inverse of `nested_from_powers`."""
    total = [Fraction(0)]
    for k in reversed(range(len(nested))):
        if k % 2 == 0:  # multiply what follows by (1 - theta)
            total = [x - y for x, y in zip([*total, Fraction(0)], [Fraction(0), *total])]
        else:
            total = [Fraction(0), *total]
        total[0] += nested[k]
    return tuple(total[: len(nested)])


def combination(weights: tuple[Fraction, ...], term: str) -> str:
    """Source of sum_j weights[j] * term(j) without the zero weights; "0.0" if there is no other."""
    parts = [f"{float(w)!r} * {term.format(j)}" for j, w in enumerate(weights) if w != 0]
    return " + ".join(parts) or "0.0"
