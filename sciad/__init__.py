"""sciad: automatic differentiation and differential equations for scientific Python."""

from sciad import nn, optim
from sciad.adjoints import ADJOINTS
from sciad.api import derivative_source, grad, hvp, jvp, value_and_grad, vjp
from sciad.errors import MissingRule, PerformanceWarning, SciadError, ShapeError, SolveError, UnsupportedSyntax
from sciad.fit import fit
from sciad.jit import jit
from sciad.solvers.ivp import register_adjoints, solve_ivp
from sciad.tape import checkpoint, custom_jvp, custom_vjp, stop_gradient

__all__ = ["MissingRule", "PerformanceWarning", "SciadError", "ShapeError", "SolveError", "UnsupportedSyntax", "checkpoint",
    "custom_jvp", "custom_vjp", "derivative_source", "fit", "grad", "hvp", "jit", "jvp", "nn", "optim", "solve_ivp", "stop_gradient", "value_and_grad", "vjp"]

register_adjoints(ADJOINTS)
