"""Solvers of differential and nonlinear equations."""

from sciad.solvers.ivp import solve_ivp
from sciad.solvers.result import OdeResult

__all__ = ["OdeResult", "solve_ivp"]
