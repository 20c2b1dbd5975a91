"""Roots, fixed points, steady states and minima: compiled iterations that call the function through its address."""

from sciad.solvers.nonlinear.fixed_point import fixed_point
from sciad.solvers.nonlinear.minimize import minimize
from sciad.solvers.nonlinear.root import root
from sciad.solvers.nonlinear.steady_state import steady_state

__all__ = ["fixed_point", "minimize", "root", "steady_state"]
