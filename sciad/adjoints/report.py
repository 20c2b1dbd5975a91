"""What `sol.adjoint_report` says: which adjoint a solve is differentiated with, why, and what the way back keeps in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sciad.adjoints.automatic import Automatic
from sciad.adjoints.forward import Sensitivities
from sciad.adjoints.trajectory import Trajectory
from sciad.solvers.rhs import Rhs

__all__ = ["AdjointReport", "report"]

TRACED, FORWARD_MODE, PLAIN = "kept", "forward mode", "plain"


@dataclass(frozen=True)
class AdjointReport:
    """Which adjoint, why, and the facts that decided.

    ``adjoint``: its name; ``reason``; ``differentiated``: whether the solve was one of reverse mode, otherwise the report is of what
    reverse mode would take; ``n_states``, ``n_parameters`` (floats in args and closures), ``n_steps`` accepted; ``methods`` that took
    them, ``stiff``: whether an implicit one did; ``memory``: bytes that are kept for the way back, of plain solves an estimate without
    tapes of the right-hand side.
    """

    adjoint: str
    reason: str
    differentiated: bool
    n_states: int
    n_parameters: int
    n_steps: int
    methods: tuple[str, ...]
    stiff: bool
    memory: int

    def __str__(self) -> str:
        steps = f"{self.n_steps} steps of {', '.join(self.methods) or 'no method'}"
        kept = f"{_bytes(self.memory)}{'' if self.differentiated else ' (estimate)'}"
        rows = [
            ("adjoint", self.adjoint if self.differentiated else f"{self.adjoint} (would be: the solve was not one of reverse mode)"),
            ("why", self.reason), ("problem", f"{self.n_states} states, {self.n_parameters} parameters"),
            ("solve", f"{steps}, {'stiff' if self.stiff else 'not stiff'}"), ("kept for the way back", kept),
        ]  # fmt: skip
        return "\n".join(f"{name:>21}: {value}" for name, value in rows)


def report(adjoint: Any, rhs: Rhs, methods: Sequence[Any], n_steps: int, mass: bool, residuals: Sequence[Any]) -> AdjointReport:
    """The report on a solve by these methods; `residuals` of its parts, none where nothing was kept for a way back."""
    automatic, done = isinstance(adjoint, Automatic), len(residuals) > 0
    if automatic and done:
        found = dict.fromkeys(tuple(adjoint.which(kept).split(": ", 1)) for kept in residuals)
        name, reason = "; ".join(dict.fromkeys(n for n, _ in found)), "; ".join(dict.fromkeys(why for _, why in found))
    elif automatic:
        name, reason = adjoint.foresee(rhs, methods, mass)
    else:
        name, reason = getattr(adjoint, "name", type(adjoint).__name__.lower()), "asked for"
    names = tuple(dict.fromkeys(method.name for method in methods))
    memory = sum(map(kept_bytes, residuals)) if done else _estimate(name, rhs, methods, n_steps)
    stiff = any(method.implicit for method in methods)
    return AdjointReport(name, reason, done, rhs.n, rhs.n_p, n_steps, names, stiff, memory)


def kept_bytes(residuals: Any) -> int:
    """Bytes of the records of a forward solve, without the saved states; 0 for what is not known."""
    if isinstance(residuals, Sensitivities):
        return residuals.s.nbytes
    pieces = getattr(residuals, "pieces", None)
    if pieces is None and not isinstance(residuals, Trajectory):
        pieces = [residuals] if hasattr(residuals, "steps") else []
    records = [piece.steps for piece in pieces or () if piece.steps is not None]
    return sum(steps.states.nbytes + steps.pairs.nbytes for steps in records)


def _estimate(name: str, rhs: Rhs, methods: Sequence[Any], n_steps: int) -> int:
    """Bytes that the way back of such a solve would keep."""
    rows = max((len(method.dense) for method in methods), default=0)
    entries = {"forward": 0, "backsolve": 0}.get(name, rhs.n * (1 + rows))
    if name == "discrete" and methods:
        entries = rhs.n if any(method.implicit for method in methods) else 2 * rows * rhs.n
    return 8 * n_steps * (entries + 2)


def _bytes(count: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count = count / 1000
    return f"{count:.3g} GB"
