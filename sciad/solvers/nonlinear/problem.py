"""A solved nonlinear problem, as a rule of differentiation receives it; the rules live a floor above and are known here by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad.solvers.late import LOADERS
from sciad.solvers.nonlinear.system import System
from sciad.tape import array, is_traced, value_of

__all__ = ["Solved", "register_rules", "find_rule", "as_args", "start"]


@dataclass(eq=False, slots=True)
class Solved:
    """``f(x, *args) = 0``, or ``f(x, *args) = x`` where `fixed`, with its solution.

    system: the compiled forms; fun, args: as given, perhaps traced; leaves: floats and arrays that f depends on, in the order of the
    parameters p (n_p,); x: the solution, plain, flat (n,); x0: the start, plain, of the shape that f takes; tolerance: relative.
    """

    system: System
    fun: Callable
    args: tuple
    leaves: list
    p: np.ndarray
    x: np.ndarray
    x0: Any
    fixed: bool
    tolerance: float
    iterations: int

    @property
    def name(self) -> str:
        """What the node is called in messages."""
        kind = "fixed_point" if self.fixed else "steady_state" if self.system.lead else "root"
        return f"{kind} of `{self.system.field.name}`"


_RULES: dict[str, Any] = {}


def register_rules(table: dict[str, Any]) -> None:
    """Make rules known by name."""
    _RULES.update(table)


def find_rule(adjoint: Any) -> Any:
    """The rule of a name, or the object itself; ValueError for an unknown name."""
    if not isinstance(adjoint, str):
        return adjoint
    if not _RULES:
        LOADERS["rules of nonlinear equations"]()
    if adjoint not in _RULES:
        raise ValueError(f"unknown adjoint {adjoint!r}; choose from {', '.join(map(repr, _RULES))}, or give an object of sciad.adjoints")
    return _RULES[adjoint]


def as_args(args: Any) -> tuple:
    """Further arguments of the function; one that is not a tuple stands for itself, as in SciPy."""
    return args if isinstance(args, tuple) else () if args is None else (args,)


def start(x0: Any) -> np.ndarray:
    """The starting point as a plain float array; ValueError where it is none."""
    if isinstance(x0, (list, tuple)) and any(map(is_traced, x0)):
        x0 = array(x0)
    x = np.asarray(value_of(x0))
    if x.dtype.kind not in "fiub":
        raise ValueError(f"x0 holds {x.dtype}; give real numbers (split complex unknowns into real and imaginary parts)")
    return np.array(x, np.float64)
