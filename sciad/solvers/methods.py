"""All methods by name: the literature's names, and SciPy's."""

from __future__ import annotations

from typing import Any

from sciad.solvers.auto import AUTO, Auto
from sciad.solvers.bdf import MULTISTEP
from sciad.solvers.explicit import ERK, EXPLICIT
from sciad.solvers.radau import RADAU
from sciad.solvers.rosenbrock import ROSENBROCK
from sciad.solvers.sdirk import SDIRK

__all__ = ["METHODS", "find_method"]

#: Methods by the names of the literature.
METHODS: dict[str, Any] = {**EXPLICIT, **ROSENBROCK, **SDIRK, **RADAU, **MULTISTEP}
ALIASES = {
    "RK23": "BS3", "RK45": "Dopri5", "DP5": "Dopri5", "DP8": "DOP853", "Radau": "RadauIIA5", "BDF": "NDF", "FBDF": "NDF", "QNDF": "NDF",
}  # fmt: skip
BY_LOWER_NAME = {name.lower(): METHODS[ALIASES.get(name, name)] for name in (*METHODS, *ALIASES)}
BY_LOWER_NAME |= {"auto": AUTO, "lsoda": AUTO}  # LSODA switches as well


def find_method(method: str | ERK | Any) -> Any:
    """The method of a name (SciPy's or the literature's, any case), or the object itself; ValueError if there is none."""
    if isinstance(method, type):  # SciPy's classes, given as objects
        method = method.__name__
    if not isinstance(method, str):
        if not hasattr(method, "step") and not isinstance(method, Auto):
            names = ", ".join([*METHODS, "auto"])
            raise ValueError(f"`method` must be a name or an object of sciad.solvers, not {method!r}; names are {names}")
        return method
    found = BY_LOWER_NAME.get(method.lower())
    if found is None:
        raise ValueError(f"unknown method {method!r}; methods are {', '.join([*METHODS, *ALIASES, 'auto', 'LSODA'])}")
    return found
