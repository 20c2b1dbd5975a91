"""What a method for SDEs is: evaluations of drift and diffusion, and how they are combined.

A step from y over h takes evaluations k_1, k_2, ... of drift ("f") or diffusion ("g"), each at a time t + c h and a point
``y + sum_j a_j (k_j . noise_j)``, and ends at ``y + sum_j b_j (k_j . noise_j)``.  For a drift the noise is h; for a diffusion it is one of

    "R"  sqrt h                    "W"  the increment I1                 "Z"  I10 / h, with I10 the integral of W over the step
    "Q"  I11 / sqrt h              "T"  I111 / h                         (iterated integrals of the method's calculus)
    "E1" .. "Em"  sqrt h for that Brownian motion, 0 for the others      "L1" .. "Lm"  the row I_(k, .) / sqrt h

componentwise for diagonal noise, one number for scalar noise, a vector that the matrix multiplies for additive and general noise.
Step, transposed step and tangent step are generated from this one table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

__all__ = ["Evaluation", "Terms", "SRK", "f", "g"]

Terms = tuple[tuple[int, str, float], ...]  # (number of the evaluation, its noise, coefficient)


@dataclass(frozen=True)
class Evaluation:
    """k = f or g at (t + c h, x), x = y + sum of terms, or, implicit, x = y + sum of terms + gamma h k."""

    of: str
    c: float
    terms: Terms = ()
    gamma: float = 0.0


def f(c: float = 0.0, *terms: tuple[int, str, float], gamma: float = 0.0) -> Evaluation:
    """An evaluation of the drift."""
    return Evaluation("f", c, _nonzero(terms), gamma)


def g(c: float = 0.0, *terms: tuple[int, str, float]) -> Evaluation:
    """An evaluation of the diffusion."""
    return Evaluation("g", c, _nonzero(terms))


def _nonzero(terms) -> Terms:
    return tuple((j, noise, float(a)) for j, noise, a in terms if a != 0)


@dataclass(frozen=True, eq=False)
class SRK:
    """A method: its evaluations, the end of the step, an error estimate (sums of terms whose absolute values add up), and what it is for.

    `noise`: kinds of noise that its `order` (strong) holds for.  `evaluations` and `end` may depend on the number m of Brownian motions.
    """

    name: str
    calculus: str
    noise: tuple[str, ...]
    order: float
    evaluations: tuple[Evaluation, ...] | Callable[[int], tuple[Evaluation, ...]]
    end: Terms | Callable[[int], Terms]
    error: tuple[Terms, ...] = ()
    error_order: float = field(default=0.0)
    levy: bool = False
    copies = 1  # vectors of n that a state is

    @property
    def adaptive(self) -> bool:
        """Whether it has an error estimate."""
        return bool(self.error)

    @property
    def implicit(self) -> bool:
        """Whether it solves equations with the Jacobian of the drift."""
        return not callable(self.evaluations) and any(e.gamma for e in self.evaluations)

    @cached_property
    def areas(self) -> bool:
        """Whether it reads space-time Levy areas."""
        stages, end = self.tables(1)
        return any(noise == "Z" for terms in (end, *self.error, *(e.terms for e in stages)) for _, noise, _ in terms)

    def tables(self, m: int) -> tuple[tuple[Evaluation, ...], Terms]:
        """Evaluations and end for m Brownian motions."""
        stages = self.evaluations(m) if callable(self.evaluations) else self.evaluations
        end = self.end(m) if callable(self.end) else self.end
        return stages, _nonzero(end)
