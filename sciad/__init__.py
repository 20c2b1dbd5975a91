"""sciad: automatic differentiation and differential equations for scientific Python."""

import importlib
from typing import TYPE_CHECKING, Any

from sciad.adjoints import find_adjoint, report_on
from sciad.api import derivative_source, grad, hvp, jvp, value_and_grad, vjp
from sciad.errors import ConditionWarning, MissingRule, PerformanceWarning, SciadError, ShapeError, SolveError, UnsupportedSyntax
from sciad.jit import jit
from sciad.solvers.ivp import solve_ivp
from sciad.solvers.late import find_adjoints_with
from sciad.tape import checkpoint, custom_jvp, custom_vjp, stop_gradient

if TYPE_CHECKING:  # what follows is imported when first asked for
    from sciad import cache, linalg, nn, optim
    from sciad.batching import vmap
    from sciad.checking import check_grads
    from sciad.compare import compare_gradients
    from sciad.fitting import fit
    from sciad.jacobians import hessian, jacfwd, jacobian, jacrev
    from sciad.solvers.ensemble import ensemble
    from sciad.solvers.nonlinear.fixed_point import fixed_point
    from sciad.solvers.nonlinear.minimize import minimize
    from sciad.solvers.nonlinear.root import root
    from sciad.solvers.nonlinear.steady_state import steady_state
    from sciad.solvers.sde import ensemble_sde, solve_sde

__all__ = [
    "ConditionWarning", "MissingRule", "PerformanceWarning", "SciadError", "ShapeError", "SolveError", "UnsupportedSyntax", "cache",
    "check_grads", "checkpoint", "compare_gradients", "custom_jvp", "custom_vjp", "derivative_source", "ensemble", "ensemble_sde", "fit",
    "fixed_point", "grad", "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jit", "jvp", "linalg", "minimize", "nn", "optim", "root",
    "solve_ivp", "solve_sde", "steady_state", "stop_gradient", "value_and_grad", "vjp", "vmap",
]  # fmt: skip

find_adjoints_with(find_adjoint, report_on)

#: Where the names that are imported late live.
_LATE = {
    "vmap": "sciad.batching",
    "check_grads": "sciad.checking",
    "compare_gradients": "sciad.compare",
    "fit": "sciad.fitting",
    **dict.fromkeys(("hessian", "jacfwd", "jacobian", "jacrev"), "sciad.jacobians"),
    **dict.fromkeys(("fixed_point", "minimize", "root", "steady_state"), "sciad.solvers.nonlinear"),
    "ensemble": "sciad.solvers.ensemble",
    **dict.fromkeys(("ensemble_sde", "solve_sde"), "sciad.solvers.sde"),
}
_ADJOINTS = {
    **dict.fromkeys(("ensemble_sde", "solve_sde"), "sciad.adjoints.sde"),
    **dict.fromkeys(("fixed_point", "minimize", "root", "steady_state"), "sciad.adjoints.rules"),
}
_MODULES = ("cache", "linalg", "nn", "optim")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"sciad.{name}")
    if name not in _LATE:
        raise AttributeError(f"module 'sciad' has no attribute {name!r}")
    if name in _ADJOINTS:
        importlib.import_module(_ADJOINTS[name])  # which tells the solver of its adjoints
    found = getattr(importlib.import_module(_LATE[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
