"""Solvers of differential and nonlinear equations.

The methods for initial value problems are attributes, by the literature's names and SciPy's: ``sciad.solvers.Tsit5``; METHODS has all of
them by the former.
"""

from typing import Any

from sciad.solvers.ivp import solve_ivp
from sciad.solvers.methods import METHODS, METHODS_BY_NAME
from sciad.solvers.result import OdeResult

__all__ = ["METHODS", "OdeResult", "solve_ivp"]


def __getattr__(name: str) -> Any:
    found = METHODS_BY_NAME.get(name)
    if found is None:
        raise AttributeError(f"module 'sciad.solvers' has no attribute {name!r}; methods are {', '.join(METHODS_BY_NAME)}")
    return found
