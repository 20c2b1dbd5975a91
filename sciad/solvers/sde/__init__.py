"""Stochastic differential equations: Brownian paths, methods, batches of paths."""

from sciad.solvers.sde.brownian import Brownian
from sciad.solvers.sde.ensemble import SdeEnsembleResult, ensemble_sde
from sciad.solvers.sde.result import SdeResult
from sciad.solvers.sde.solve import register_sde_adjoints, solve_sde

__all__ = ["Brownian", "SdeEnsembleResult", "SdeResult", "ensemble_sde", "register_sde_adjoints", "solve_sde"]
