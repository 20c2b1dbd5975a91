"""Cheaper rules for training deep equilibrium models, and the judge of all: differentiation through the iterations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad.adjoints.implicit import node
from sciad.adjoints.matrix_free import MatrixFree
from sciad.adjoints.on_tape import jacobian_on_tape, residual_on_tape
from sciad.errors import SciadError
from sciad.solvers.nonlinear.problem import Solved
from sciad.tape import value_of

__all__ = ["Neumann", "JacobianFree", "Unrolled"]


def _only_fixed(solved: Solved, name: str) -> None:
    """Refuse what has no meaning for roots."""
    if not solved.fixed:
        raise SciadError(f"adjoint {name!r} is for fixed points; {solved.name} takes 'implicit' or 'direct'")


@dataclass(frozen=True)
class Neumann:
    """The inverse of I - J by the first `terms` terms of I + J + J^2 + ... (Geng et al. 2021, phantom gradients).

    Biased: relative to the implicit rule the gradient is off by about rho^terms, rho the spectral radius of J at the solution; diverges
    where rho > 1.  Costs `terms` products with J^T and no linear solve.  First derivatives only.
    """

    terms: int = 10

    def __post_init__(self) -> None:
        if self.terms < 1:
            raise ValueError(f"terms = {self.terms} must be at least 1")

    def attach(self, solved: Solved) -> Any:
        """The solution as a node of the tape."""
        _only_fixed(solved, "neumann")
        return node(solved, Series(solved, self.terms))


@dataclass(frozen=True)
class JacobianFree:
    """I in place of the inverse of I - J: the derivative of one application of the map (Fung et al., AAAI 2022).

    Biased by the relative amount rho / (1 - rho) at most for a contraction of rate rho; under their conditions a direction of descent
    still.  Costs one product.  First derivatives only.
    """

    def attach(self, solved: Solved) -> Any:
        """The solution as a node of the tape."""
        _only_fixed(solved, "jacobian-free")
        return node(solved, Series(solved, 1))


class Series(MatrixFree):
    """Truncated Neumann series in place of the linear solve."""

    def __init__(self, solved: Solved, terms: int) -> None:
        super().__init__(solved)
        self.terms = terms

    def methods(self) -> tuple[str, ...]:
        return ("neumann",)

    def approximate(self, method: str, space: Any) -> bool:
        """u = v + J^T (v + J^T (...)), as many terms as asked for."""
        space.step[:] = space.affine
        for _ in range(self.terms - 1):
            space.step[:] = space.affine + self.apply(space, space.step)
        return True


@dataclass(frozen=True)
class Unrolled:
    """Differentiation through the iterations on the tape: plain iteration for a fixed point, Newton's method for a root.

    iterations: how many; None: until the residual is below the solve's tolerance (at most 10,000 iterations).  Memory and time grow with
    them; the derivative converges to the implicit one as they do, and depends on x0 until then.  Of any order.
    """

    iterations: int | None = None

    def attach(self, solved: Solved) -> Any:
        """The last iterate, on the tape."""
        shape = solved.system.shape
        x: Any = np.array(solved.x0, float).reshape(shape) if shape else float(solved.x0)
        goal = solved.x.reshape(shape)
        tolerance = max(solved.tolerance if solved.fixed else 1e-13, 1e-14) * float(np.linalg.norm(goal)) + 1e-300
        first = 0.0
        for k in range(self.iterations or 10_000):
            r = residual_on_tape(solved, solved.fun, x, solved.args)
            x = x + (r if solved.fixed else _newton_step(solved, x, r))
            if self.iterations is None:
                size = float(np.max(np.abs(value_of(r)), initial=0.0))
                first = first or size
                if size <= tolerance and k > 0:
                    return x
                if not size <= 1e6 * first:
                    break
        if self.iterations is None:
            raise SciadError(f"{solved.name}: iteration from x0 does not converge; adjoint='implicit' needs none")
        return x


def _newton_step(solved: Solved, x: Any, r: Any) -> Any:
    n, shape = solved.system.n, solved.system.shape
    return -np.reshape(np.linalg.solve(jacobian_on_tape(solved, solved.fun, x, solved.args), np.reshape(r, (n,))), shape)
