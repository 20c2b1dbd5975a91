"""sciad: automatic differentiation and differential equations for scientific Python."""

from sciad.api import jvp, vjp
from sciad.errors import MissingRule, PerformanceWarning, SciadError, ShapeError, SolveError, UnsupportedSyntax
from sciad.jit import jit

__all__ = ["MissingRule", "PerformanceWarning", "SciadError", "ShapeError", "SolveError", "UnsupportedSyntax", "jit", "jvp", "vjp"]
