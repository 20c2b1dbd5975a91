"""sciad: automatic differentiation and differential equations for scientific Python."""

from sciad import cache, nn, optim
from sciad.adjoints import find_adjoint
from sciad.api import derivative_source, grad, hvp, jvp, value_and_grad, vjp
from sciad.batching import vmap
from sciad.checking import check_grads
from sciad.compare import compare_gradients
from sciad.errors import MissingRule, PerformanceWarning, SciadError, ShapeError, SolveError, UnsupportedSyntax
from sciad.fit import fit
from sciad.jacobians import hessian, jacfwd, jacobian, jacrev
from sciad.jit import jit
from sciad.solvers.ivp import find_adjoints_with, solve_ivp
from sciad.tape import checkpoint, custom_jvp, custom_vjp, stop_gradient

__all__ = [
    "MissingRule", "PerformanceWarning", "SciadError", "ShapeError", "SolveError", "UnsupportedSyntax", "cache", "check_grads", "checkpoint",
    "compare_gradients", "custom_jvp", "custom_vjp", "derivative_source", "fit", "grad", "hessian", "hvp", "jacfwd", "jacobian", "jacrev",
    "jit", "jvp", "nn", "optim", "solve_ivp", "stop_gradient", "value_and_grad", "vjp", "vmap",
]  # fmt: skip

find_adjoints_with(find_adjoint)
