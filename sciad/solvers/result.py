"""What `solve_ivp` returns: SciPy's fields, time-first states, counts, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sciad.errors import SciadError
from sciad.tape import value_of

__all__ = ["OdeResult", "NotTraced"]


class OdeResult:
    """Solution of an initial value problem; fields as attributes or, as in SciPy, by key.

    t (m,): times; ys (m, *shape): states, time first; y (*shape, m): the same, time last, as SciPy has it; sol: the continuous solution
    or None; t_events, y_events: lists by event function, or None; nfev, njev, nlu: evaluations of the right-hand side and its Jacobian,
    factorisations; naccept, nreject: steps; method: its name; switches: times at
    which a method took over, and its name; seconds: wall time; status: 0 end reached, 1 a terminal event, negative:
    failure; message; success.
    """

    t: np.ndarray
    ys: Any
    sol: Any
    t_events: list | None
    y_events: list | None
    nfev: int
    njev: int
    nlu: int
    naccept: int
    nreject: int
    method: str
    switches: list[tuple[float, str]]
    seconds: float
    status: int
    message: str
    success: bool
    _explain: Callable[[], Any]

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        """Fields that are worked out when first asked for: those that `_rest` gives."""
        rest = None if name.startswith("__") else self.__dict__.pop("_rest", None)
        if rest is None:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute {name!r}")
        self.__dict__.update(rest())
        return getattr(self, name)

    @property
    def y(self) -> Any:
        """States with time as the last axis."""
        ys = self.ys
        if not len(ys):
            return [] if isinstance(self.t, list) else np.empty((*ys.shape[1:], 0))
        return ys.T if ys.ndim <= 2 else np.moveaxis(ys, 0, -1)

    @property
    def adjoint_report(self) -> Any:
        """Which adjoint the solve is differentiated with, why, and what it keeps; of a plain solve, what it would be.  To be printed."""
        return self._explain()

    def __getitem__(self, key: str) -> Any:
        try:
            return getattr(self, key)
        except AttributeError:
            raise KeyError(key) from None

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and hasattr(self, key)

    def keys(self) -> Iterator[str]:
        """Names of the fields."""
        _ = self.message  # all of them are there now
        yield from ("t", "y", *[k for k in self.__dict__ if k != "t" and not k.startswith("_")])

    def __repr__(self) -> str:
        rows = [("message", self.message), ("success", self.success), ("status", self.status), ("method", self.method)]
        rows += [("t", _brief(self.t)), ("y", f"shape {tuple(np.shape(value_of(self.ys))[1:]) + (len(self.t),)}"), ("sol", self.sol)]
        if self.t_events is not None:
            rows += [("t_events", [_brief(t) for t in self.t_events])]
        rows += [("nfev, njev, nlu", f"{self.nfev}, {self.njev}, {self.nlu}")]
        rows += [("steps", f"{self.naccept} accepted, {self.nreject} rejected")]
        if len(self.switches) > 1:
            rows += [("switches", ", ".join(f"{name} at t = {t:.6g}" for t, name in self.switches))]
        rows += [("seconds", f"{self.seconds:.3g}")]
        return "\n".join(f"{name:>15}: {value}" for name, value in rows)


def _brief(t: Any) -> str:
    t = np.asarray(value_of(t))
    return np.array2string(t, threshold=6, edgeitems=2)


class NotTraced:
    """Stands where a derivative would be silently zero; raises when called."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = what, remedy

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise SciadError(f"{self.what} is not differentiated; {self.remedy}")

