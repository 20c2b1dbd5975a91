"""Adjoints: ways to differentiate a solve.  Each is an object with `forward` and `backward`, see `Discrete`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sciad.adjoints.automatic import Automatic
from sciad.adjoints.backsolve import Backsolve
from sciad.adjoints.direct import Direct
from sciad.adjoints.discrete import Discrete
from sciad.adjoints.forward import Forward
from sciad.adjoints.gauss import Gauss
from sciad.adjoints.interpolating import Interpolating
from sciad.adjoints.quadrature import Quadrature
from sciad.solvers.late import LOADERS

if TYPE_CHECKING:  # those of nonlinear equations are imported when first asked for
    from sciad.adjoints.rules import Implicit, JacobianFree, Neumann, Unrolled, jacobian_penalty

__all__ = [
    "ADJOINTS", "Automatic", "Backsolve", "Direct", "Discrete", "Forward", "Gauss", "Implicit", "Interpolating", "JacobianFree", "Neumann",
    "Quadrature", "Unrolled", "find_adjoint", "jacobian_penalty", "report_on",
]  # fmt: skip

#: Adjoints by name, with their default options.
ADJOINTS: dict[str, Any] = {
    "auto": Automatic(),
    "discrete": Discrete(),
    "gauss": Gauss(),
    "quadrature": Quadrature(),
    "interpolating": Interpolating(),
    "backsolve": Backsolve(),
    "forward": Forward(),
    "direct": Direct(),
}


# they register themselves
LOADERS["rules of nonlinear equations"] = lambda: import_module("sciad.adjoints.rules")
LOADERS["adjoints of SDEs"] = lambda: import_module("sciad.adjoints.sde")


def find_adjoint(adjoint: Any) -> Any:
    """The adjoint of a name, or the object itself; ValueError where it is neither a known name nor an adjoint."""
    if not isinstance(adjoint, str):
        if not (hasattr(adjoint, "forward") and hasattr(adjoint, "backward")) or isinstance(adjoint, type):
            hint = f"; did you mean {adjoint.__name__}()?" if isinstance(adjoint, type) else ""
            raise ValueError(f"{adjoint!r} is not an adjoint: it needs the methods `forward` and `backward`{hint}")
        return adjoint
    found = ADJOINTS.get(adjoint.lower())
    if found is None:
        names = ", ".join(ADJOINTS)
        raise ValueError(f"unknown adjoint {adjoint!r}; choose one of {names}, or pass an object such as Discrete(checkpoints=100)")
    return found


def report_on(*given: Any) -> Any:
    """See `sciad.adjoints.report`."""
    from sciad.adjoints.report import report

    return report(*given)


def __getattr__(name: str) -> Any:
    if name not in ("Implicit", "JacobianFree", "Neumann", "Unrolled", "jacobian_penalty"):
        raise AttributeError(f"module 'sciad.adjoints' has no attribute {name!r}")
    from sciad.adjoints import rules

    return getattr(rules, name)
