"""Stochastic differential equations: Brownian paths, methods, batches of paths."""

from sciad.solvers.sde.brownian import Brownian
from sciad.solvers.sde.result import SdeResult
from sciad.solvers.sde.solve import register_sde_adjoints, solve_sde

__all__ = ["Brownian", "SdeResult", "register_sde_adjoints", "solve_sde"]
