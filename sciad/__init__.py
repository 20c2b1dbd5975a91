"""sciad: automatic differentiation and differential equations for scientific Python."""

from sciad.api import derivative_source, grad, hvp, jvp, value_and_grad, vjp
from sciad.errors import MissingRule, PerformanceWarning, SciadError, ShapeError, SolveError, UnsupportedSyntax
from sciad.jit import jit
from sciad.tape import checkpoint, custom_jvp, custom_vjp, stop_gradient

__all__ = ["MissingRule", "PerformanceWarning", "SciadError", "ShapeError", "SolveError", "UnsupportedSyntax", "checkpoint",
    "custom_jvp", "custom_vjp", "derivative_source", "grad", "hvp", "jit", "jvp", "stop_gradient", "value_and_grad", "vjp"]
