"""The arrays of the compiled loop for one method and set of options, before the numbers of a solve are put in."""

from __future__ import annotations

from typing import Any

import numpy as np

from sciad.solvers.auto import WATCH_EXPLICIT, stability_boundary
from sciad.solvers.implicit import equip
from sciad.solvers.layout import BUDGET, N_ACCEPT, STABILITY, T_END, T
from sciad.solvers.linear.choice import DENSE, choose_linear
from sciad.solvers.pieces import Part
from sciad.solvers.record import UNLIMITED, Record
from sciad.solvers.rhs import Rhs
from sciad.solvers.setup import new_reals, new_slots, scales
from sciad.solvers.stepsize import PI

__all__ = ["Equipped", "Template", "has_template"]

PREPARED = 1 << 22  # bytes of a record that are asked for at once, because the last solve needed them
NOTHING_YET = np.zeros(0)


def has_template(rhs: Rhs, method: Any) -> bool:
    """Whether the arrays depend on nothing but the options: of implicit methods, as long as the linear algebra is dense."""
    return not method.implicit or rhs.n <= DENSE


class Equipped:
    """Integer slots and the memory that some of them point into, to be copied together."""

    __slots__ = ("base", "memory", "moving", "slots")

    def __init__(self, slots: np.ndarray, memory: np.ndarray | None) -> None:
        self.slots, self.memory = slots, memory
        if memory is not None:
            self.base = memory.ctypes.data
            self.moving = np.flatnonzero((slots >= self.base) & (slots <= self.base + memory.nbytes))

    def copies(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Slots and memory of a solve."""
        slots = self.slots.copy()
        if self.memory is None:
            return slots, None
        memory = self.memory.copy()
        slots[self.moving] += memory.ctypes.data - self.base
        return slots, memory


class Template:
    """`options` has the fields rtol, atol, max_step, min_step and max_steps; `watch` as for `equip`; `level` is what to record."""

    def __init__(self, rhs: Rhs, method: Any, level: int, options: Any, watch: int = 0) -> None:
        self.method, self.level = method, level
        slots = new_slots(rhs, method, level, False, options.max_steps, 0)
        slots[BUDGET] = max(20, 20_000 // max(rhs.n, 1))
        self.algebra = None
        if method.implicit:
            self.algebra = choose_linear("dense" if method.complex else None, rhs, 0.0, NOTHING_YET, NOTHING_YET)
        self.equipped = Equipped(slots, equip(slots, rhs, method, self.algebra, watch))
        self.reals = new_reals(method, rhs.n, (0.0, 1.0), None, options.max_step, options.min_step, None, PI)
        scales(self.reals, rhs.n, options.rtol, options.atol)
        if watch == WATCH_EXPLICIT:
            self.reals[STABILITY] = stability_boundary(method)
        self.rows = 0  # of the record: as many as the last solve needed

    def part(self, t0: float, t1: float) -> Part:
        """The arrays of a solve from t0 to t1."""
        (slots, memory), reals = self.equipped.copies(), self.reals.copy()
        reals[T], reals[T_END] = t0, t1
        record = Record(slots, self.level, UNLIMITED, getattr(self.method, "multistep", False), self.rows)
        return Part(self.method, slots, reals, (memory, self.algebra), record)

    def learn(self, part: Part) -> None:
        """Make room at once for as many steps as this solve needed."""
        width = part.record.states.shape[1]
        self.rows = min(int(part.slots[N_ACCEPT]) + 2, PREPARED // (8 * max(width, 1)))
