"""Methods by name, which of them fits a problem, and the choice of "auto"."""

from __future__ import annotations

from collections.abc import Callable

from sciad.solvers.sde import implicit as i
from sciad.solvers.sde import methods as m
from sciad.solvers.sde import roessler as r
from sciad.solvers.sde.program import SRK
from sciad.solvers.sde.reversible import REVERSIBLE_HEUN

__all__ = ["METHODS", "NOISES", "CALCULI", "find_sde_method"]

NOISES = ("diagonal", "scalar", "additive", "general")
CALCULI = ("ito", "stratonovich")

#: Several entries where the calculus or the noise decides.
METHODS: dict[str, tuple[SRK, ...]] = {
    "EulerMaruyama": (m.EULER_MARUYAMA,),
    "LambaEM": (m.LAMBA,),
    "EulerHeun": (m.EULER_HEUN,),
    "Heun": (m.HEUN,),
    "Midpoint": (m.MIDPOINT,),
    "Milstein": (
        m.MILSTEIN, m.MILSTEIN_STRATONOVICH, m.MILSTEIN_ADDITIVE, m.GENERAL_MILSTEIN["ito", True], m.GENERAL_MILSTEIN["stratonovich", True],
    ),
    "MilsteinCommutative": (m.GENERAL_MILSTEIN["ito", False], m.GENERAL_MILSTEIN["stratonovich", False]),
    "SRIW1": (r.SRIW1,),
    "SRIW2": (r.SRIW2,),
    "SOSRI": (r.SOSRI,),
    "SRA1": (r.SRA1,),
    "SRA3": (r.SRA3,),
    "SOSRA": (r.SOSRA,),
    "ImplicitEuler": (i.IMPLICIT_EULER,),
    "ImplicitEulerHeun": (i.IMPLICIT_EULER_HEUN,),
    "ImplicitMilstein": (i.IMPLICIT_MILSTEIN, i.IMPLICIT_MILSTEIN_STRATONOVICH, i.IMPLICIT_MILSTEIN_ADDITIVE),
    "SKenCarp": (i.SKENCARP,),
    "ReversibleHeun": (REVERSIBLE_HEUN,),
}
ALIASES = {
    "EM": "EulerMaruyama",
    "Euler": "EulerMaruyama",
    "Euler-Maruyama": "EulerMaruyama",
    "Euler-Heun": "EulerHeun",
    "RKMil": "Milstein", "reversible_heun": "ReversibleHeun",
}
BY_LOWER_NAME = {name.lower(): METHODS[ALIASES.get(name, name)] for name in (*METHODS, *ALIASES)}


def find_sde_method(method: str | SRK, noise: str, calculus: str, adaptive: bool, stiff: Callable[[], bool]) -> SRK:
    """The method for a kind of noise and a calculus; ValueError, with those that would fit, where the one asked for does not."""
    if noise not in NOISES:
        raise ValueError(f"noise must be one of {', '.join(map(repr, NOISES))}, not {noise!r}")
    if calculus not in CALCULI:
        raise ValueError(f"calculus must be 'ito' or 'stratonovich', not {calculus!r}")
    if not isinstance(method, str):
        candidates, name = (method,), method.name
    else:
        name = _auto(noise, calculus, adaptive, stiff()) if method.lower() == "auto" else method
        if name.lower() not in BY_LOWER_NAME:
            raise ValueError(f"unknown method {method!r}; methods for SDEs are {', '.join([*METHODS, *ALIASES])}")
        candidates = BY_LOWER_NAME[name.lower()]
    for candidate in candidates:
        if fits(candidate, noise, calculus):
            return _checked(candidate, noise, calculus, adaptive)
    raise ValueError(
        f"method {name!r} is for {' or '.join(sorted({c.calculus for c in candidates}))} equations with "
        f"{', '.join(sorted({n for c in candidates for n in c.noise}))} noise; this one is {calculus} with {noise} noise: "
        f"choose from {', '.join(fitting(noise, calculus, adaptive))}, or correct noise or calculus"
    )


def fits(method: SRK, noise: str, calculus: str) -> bool:
    """Whether a method solves equations of this kind; with additive noise both calculi are the same."""
    return noise in method.noise and (method.calculus in (calculus, "both") or noise == "additive")


def fitting(noise: str, calculus: str, adaptive: bool) -> list[str]:
    """Names of the methods for this kind of problem."""
    return [name for name, entries in METHODS.items() if any(fits(e, noise, calculus) and (e.adaptive or not adaptive) for e in entries)]


def _checked(method: SRK, noise: str, calculus: str, adaptive: bool) -> SRK:
    if adaptive and not method.adaptive:
        able = fitting(noise, calculus, True)
        choice = f"choose an adaptive method ({', '.join(able)})" if able else "no method for this kind of noise has one"
        raise ValueError(f"{method.name} has no error estimate: pass dt=<step size>, or {choice}")
    return method


def _auto(noise: str, calculus: str, adaptive: bool, stiff: bool) -> str:
    """Order 1.5 where the noise allows it; the drift implicit where it is stiff."""
    if noise == "additive":
        return "SKenCarp" if stiff else "SOSRA"
    if noise == "general":
        if calculus == "ito":
            return "ImplicitEuler" if stiff else "LambaEM" if adaptive else "EulerMaruyama"
        return "ImplicitEulerHeun" if stiff else "Heun"
    if stiff:
        return "ImplicitMilstein"
    return "SOSRI" if calculus == "ito" else "Heun"
