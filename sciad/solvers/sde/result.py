"""What `solve_sde` returns: paths, statistics over them, and how they ended."""

from __future__ import annotations

from typing import Any

import numpy as np

from sciad.solvers.sde.brownian import Brownian
from sciad.tape import value_of

__all__ = ["SdeResult"]


class SdeResult:
    """Solution of a stochastic differential equation.

    t (m,): times; ys (m, *shape), or (paths, m, *shape): states, time first; y: the same with time as the last axis; seed: that of the
    Brownian motion, `brownian` the motion itself; method: its name; nfev: evaluations of the drift; naccept, nreject: steps of all paths;
    seconds: wall time; status: 0, or negative for a failure; message; success; failed: numbers of the paths that did not reach the end.
    """

    def __init__(self, *, t: np.ndarray, ys: Any, seed: int, brownian: Brownian, paths: int | None, method: str, naccept: int, nreject: int,
                 seconds: float, status: int, message: str, failed: np.ndarray) -> None:  # fmt: skip
        self.t, self.ys, self.seed, self.brownian, self.paths, self.method = t, ys, seed, brownian, paths, method
        self.naccept, self.nreject, self.seconds, self.status, self.message, self.failed = (
            naccept,
            nreject,
            seconds,
            status,
            message,
            failed,
        )
        self.success = status == 0

    @property
    def y(self) -> Any:
        """States with time as the last axis."""
        return np.moveaxis(self.ys, 0 if self.paths is None else 1, -1)

    def mean(self) -> Any:
        """Mean over the paths, (m, *shape)."""
        return np.mean(self._ensemble(), axis=0)

    def std(self) -> Any:
        """Standard deviation over the paths, (m, *shape)."""
        return np.std(self._ensemble(), axis=0)

    def quantiles(self, q: Any) -> np.ndarray:
        """Quantiles over the paths at levels q (k,): shape (k, m, *shape); plain numbers, not differentiated."""
        return np.quantile(np.asarray(value_of(self._ensemble())), np.asarray(q, float), axis=0)

    def _ensemble(self) -> Any:
        if self.paths is None:
            raise ValueError("statistics are over paths: pass paths=<number> to solve_sde")
        return self.ys

    def __getitem__(self, key: str) -> Any:
        try:
            return getattr(self, key)
        except AttributeError:
            raise KeyError(key) from None

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and hasattr(self, key)

    def __repr__(self) -> str:
        shape = tuple(np.shape(value_of(self.ys)))
        rows = [("message", self.message), ("success", self.success), ("status", self.status), ("method", self.method), ("seed", self.seed)]
        rows += [("t", np.array2string(self.t, threshold=6, edgeitems=2)), ("ys", f"shape {shape}")]
        rows += [("steps", f"{self.naccept} accepted, {self.nreject} rejected"), ("seconds", f"{self.seconds:.3g}")]
        return "\n".join(f"{name:>10}: {value}" for name, value in rows)
