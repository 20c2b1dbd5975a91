"""Memory of one nonlinear solve, laid out once and used again: slots, options and vectors, with all addresses in place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sciad.solvers.nonlinear import slots as s
from sciad.solvers.nonlinear.compiled import kernel, runner, work_size
from sciad.solvers.nonlinear.lu import SMALL, lapack
from sciad.solvers.rhs import Rhs

__all__ = ["Workspace", "METHODS", "FIXED_METHODS"]

METHODS = ("newton", "trust-region", "levenberg-marquardt", "broyden", "newton-krylov", "brent")
FIXED_METHODS = ("iteration", "anderson", "newton", "broyden")
DENSE = ("pseudo-transient", "newton", "trust-region", "levenberg-marquardt", "broyden", "implicit")
SCALARS = 8  # integers that LAPACK's arguments point to, and the cell of the cotangent of t


class Workspace:
    """Slots, and views of the memory behind them: x, fx, step, trial, f_trial, affine (n,), p, p_dot, p_bar (n_p,), tape, reals.

    `matrices`: whether there is room for the Jacobian and its factors; `point`: whether products are taken elsewhere than at x.
    """

    def __init__(self, rhs: Rhs, *, matrices: bool, rows: int = 1, fixed: bool = False, memory: int = 0, work: int = 0, tape: int = 0,
                 point: bool = False) -> None:  # fmt: skip
        n, n_p = rhs.n, rhs.n_p
        self.rhs, self.n, self.rows = rhs, n, rows
        names = {
            "reals": s.HEAD, "x": n, "fx": n, "step": n, "trial": n, "f_trial": n, "affine": n, "point": n if point else 0, "p": n_p,
            "p_dot": n_p, "p_bar": n_p, "tape": tape, "work": work, **dict.fromkeys(("jacobian", "factors"), n * n if matrices else 0),
        }  # fmt: skip
        self.slots, self.ints = np.zeros(s.N_SLOTS, np.int64), np.zeros(SCALARS, np.int64)
        self.pivots = np.zeros(n if matrices else 0, np.int64)
        total = np.zeros(sum(-(-size // 8) * 8 for size in names.values()) + 8)
        address = total.ctypes.data
        begin = -(address // 8) % 8  # cache lines
        for name, size in names.items():
            setattr(self, name, total[begin : begin + size])
            slot = getattr(s, name.upper(), None)
            if slot is not None and name != "affine":  # an address of 0 there means that f is evaluated
                self.slots[slot] = address + 8 * begin
            begin += -(-size // 8) * 8
        if not point:
            self.slots[s.POINT] = self.slots[s.X]
        self.slots[[s.PIVOTS, s.INTS]] = self.pivots.ctypes.data, self.ints.ctypes.data
        self.slots[[s.F, s.N, s.ROWS, s.FIXED, s.MEMORY]] = rhs.f, n, rows, fixed, memory
        if matrices and n > SMALL:
            self.slots[[s.GETRF, s.GETRS]] = lapack()
        self.counts = self.slots[s.N_F : s.N_SLOTS]
        self.address = int(self.slots.ctypes.data)
        self.run: Callable[[int], int] = runner()  # of what `use` chose

    @classmethod
    def for_method(cls, rhs: Rhs, method: str, rows: int = 1, fixed: bool = False, memory: int = 0) -> Workspace:
        """What a method needs, with its kernel in `run`."""
        memory = memory or (min(rhs.n, 30) if method == "newton-krylov" else 5)
        new = cls(rhs, matrices=method in DENSE, rows=rows, fixed=fixed, memory=memory, work=work_size(method, rhs.n, rows, memory))
        interpreted = hasattr(rhs.owner, "reraise")  # then differences are cheaper than derivatives by the tape, and take any function
        if method in DENSE and not interpreted:
            new.slots[s.JAC] = rhs.jac()
        if method == "newton-krylov" and not interpreted:
            new.slots[s.JVP] = rhs.jvp()
        new.reals[s.DAMPING] = 1.0
        new.use(method)
        return new

    def use(self, method: str) -> None:
        """Let `run` be the iteration of a method."""
        self.slots[s.KERNEL] = kernel(method).address
