"""The rules of roots and fixed points, by the names that `sciad.root` and `sciad.fixed_point` take."""

from __future__ import annotations

from typing import Any

from sciad.adjoints.implicit import Implicit
from sciad.adjoints.penalty import jacobian_penalty
from sciad.adjoints.truncated import JacobianFree, Neumann, Unrolled
from sciad.solvers.nonlinear.problem import register_rules

__all__ = ["RULES", "Implicit", "JacobianFree", "Neumann", "Unrolled", "jacobian_penalty"]

RULES: dict[str, Any] = {"implicit": Implicit(), "neumann": Neumann(), "jacobian-free": JacobianFree(), "direct": Unrolled()}
register_rules(RULES)
