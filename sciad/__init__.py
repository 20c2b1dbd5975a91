"""sciad: automatic differentiation and differential equations for scientific Python."""

from sciad import linalg, nn, optim
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
from sciad.solvers.nonlinear import fixed_point, minimize, root, steady_state
from sciad.solvers.sde import solve_sde
from sciad.tape import checkpoint, custom_jvp, custom_vjp, stop_gradient

__all__ = [
    "MissingRule", "PerformanceWarning", "SciadError", "ShapeError", "SolveError", "UnsupportedSyntax", "check_grads", "checkpoint",
    "compare_gradients", "custom_jvp", "custom_vjp", "derivative_source", "fit", "fixed_point", "grad", "hessian", "hvp", "jacfwd",
    "jacobian", "jacrev", "jit", "jvp", "linalg", "minimize", "nn", "optim", "root", "solve_ivp", "solve_sde", "steady_state",
    "stop_gradient", "value_and_grad", "vjp", "vmap",
]  # fmt: skip

find_adjoints_with(find_adjoint)
