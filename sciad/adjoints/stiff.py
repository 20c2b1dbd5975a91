"""Discrete adjoint of implicit steps, and of solves that switch between methods: the exact derivative of the steps that were taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from sciad.adjoints.amplification import steady_solve
from sciad.adjoints.layout import CARRY, F_PLAIN, REV, STEP_BAR
from sciad.adjoints.ndf_bar import NdfSweep
from sciad.adjoints.primal import saved_derivatives, state_derivative
from sciad.adjoints.radau_bar import radau_bar
from sciad.adjoints.rosenbrock_bar import rosenbrock_bar
from sciad.adjoints.sdirk_bar import sdirk_bar
from sciad.adjoints.stiff_layout import AUG, JVP_REV, N_PARAMETERS, STIFF_SLOTS
from sciad.adjoints.stiff_sweep import compiled_stiff_sweep
from sciad.adjoints.way_back import Residuals, Sweep
from sciad.errors import SolveError
from sciad.solvers.bdf.ndf import Ndf
from sciad.solvers.consistent import call, consistent_start
from sciad.solvers.implicit import equip
from sciad.solvers.integrate import RawSolution
from sciad.solvers.layout import ERROR, N_STAGES, STEP, TAPE_SIZE, F, N
from sciad.solvers.linear.choice import choose_linear
from sciad.solvers.pieces import Piece
from sciad.solvers.radau import Radau
from sciad.solvers.rhs import Rhs
from sciad.solvers.rosenbrock import Rosenbrock
from sciad.solvers.sdirk import Sdirk
from sciad.solvers.template import Equipped, has_template

__all__ = ["PiecewiseResiduals", "before_consistent", "has_transpose", "solve_pieces", "reverse_pieces"]


def has_transpose(method: Any, mass: bool = False) -> bool:
    """Whether the transposed step of this implicit method is known, also with a mass matrix."""
    return isinstance(method, Rosenbrock | Radau if mass else Rosenbrock | Sdirk | Radau | Ndf)


@dataclass(frozen=True)
class PiecewiseResiduals:
    """What the way back needs of the way forward; `wanted` (m,) are the times of the saved states, `every_step` whether all were."""

    pieces: tuple[Piece, ...]
    wanted: np.ndarray
    every_step: bool
    ys: np.ndarray
    y0: np.ndarray
    p: np.ndarray
    checkpoints: int | None
    mass: np.ndarray | None = None


def solve_pieces(rhs: Rhs, t_span, y0, p, method: Any, t_eval, options: dict[str, Any]) -> tuple[RawSolution, PiecewiseResiduals]:
    """Solve with the states of all steps kept; SolveError if the solve fails or a method in it has no transposed step."""
    solution = steady_solve(rhs, t_span, y0, p, method, t_eval, options | {"store": "states"})
    y0, p, mass = np.array(y0, np.float64), np.array(p, np.float64), options.get("mass")
    for piece in solution.pieces:
        if piece.method.implicit and not has_transpose(piece.method, mass is not None):
            found = f"{piece.method.name} with a mass matrix" if has_transpose(piece.method) else piece.method.name
            advice = f"use adjoint='gauss' or 'forward', or a method such as Rodas5P or {'KenCarp4' if mass is None else 'RadauIIA5'}"
            raise SolveError(f"the discrete adjoint does not know {found}; {advice}")
    mass = None if mass is None else np.array(mass, np.float64, order="C")
    kept = solution.pieces, solution.t, t_eval is None, solution.ys, y0, p, options.get("max_states"), mass
    return solution, PiecewiseResiduals(*kept)


#: Of right-hand sides and methods with dense linear algebra: what `StiffSweep` begins with.
_EQUIPPED: WeakKeyDictionary[Rhs, dict[Any, Equipped]] = WeakKeyDictionary()


class StiffSweep(Sweep):
    """The way back over the steps of one implicit method."""

    def _prepare(self) -> None:
        rhs, method, first = self.rhs, self.residuals.method, self.residuals
        if first.mass is None and has_template(rhs, method):
            known = _EQUIPPED.setdefault(rhs, {})
            equipped = known.get(method)
            if equipped is None:
                equipped = known[method] = Equipped(*self._equip())
            self.slots, self.memory = equipped.copies()
        else:
            self.slots, self.memory = self._equip()
        self.norm = np.zeros(2)
        self.slots[ERROR] = self.norm.ctypes.data
        self.work = np.zeros(2 + (10 + 3 * method.n_stages) * rhs.n + rhs.n_p + 3 * rhs.tape_size)

    def _equip(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The slots of a sweep that has not begun, and the memory that they point into."""
        rhs, method, first, slots = self.rhs, self.residuals.method, self.residuals, np.zeros(STIFF_SLOTS, np.int64)
        wish = "dense" if first.mass is not None or method.complex else None
        self.linear = choose_linear(wish, rhs, float(first.steps.times[0]), first.y0, first.p)
        memory = equip(slots, rhs, method, self.linear, 0, first.mass)
        slots[[N, N_STAGES, N_PARAMETERS]] = rhs.n, method.n_stages, rhs.n_p
        slots[[F, F_PLAIN, STEP, AUG, REV]] = rhs.f, rhs.f, method.step, rhs.aug(), rhs.rev()
        if isinstance(method, Rosenbrock):
            slots[STEP_BAR], slots[JVP_REV] = rosenbrock_bar(method), rhs.jvp_rev()
        else:
            slots[STEP_BAR] = radau_bar(method) if isinstance(method, Radau) else sdirk_bar(method)
        slots[TAPE_SIZE], slots[CARRY] = rhs.tape_size, isinstance(method, Sdirk)
        return slots, memory

    def _compiled(self):
        return compiled_stiff_sweep()


def reverse_pieces(rhs: Rhs, kept: PiecewiseResiduals, ys_bar: np.ndarray, times: bool):
    """The cotangents that `Discrete.backward` returns; with a mass matrix, those of all times are of the exact flow."""
    y_bar, p_bar = np.zeros(rhs.n), np.zeros(rhs.n_p)
    wanted_bar = np.zeros(len(kept.wanted)) if times and not kept.every_step and kept.mass is None else np.empty(0)
    end = len(kept.wanted)
    for number in reversed(range(len(kept.pieces))):
        piece = kept.pieces[number]
        sign = 1.0 if len(piece.steps.sizes) == 0 or piece.steps.sizes[0] > 0 else -1.0
        first = int(np.searchsorted(sign * kept.wanted[:end], sign * piece.start, side="right")) if number > 0 else 0
        _reverse_piece(rhs, kept, piece, slice(first, end), ys_bar, wanted_bar, y_bar, p_bar)
        end = first
    if kept.mass is not None:
        y_bar = before_consistent(rhs, kept.pieces[0].start, kept.y0, kept.p, kept.mass, y_bar, p_bar)
        if times and not kept.every_step:
            wanted_bar = np.einsum("mi,mi->m", saved_derivatives(rhs, kept.wanted, kept.ys, kept.p, kept.mass), ys_bar)
    return y_bar, p_bar, *_time_cotangents(rhs, kept, ys_bar, wanted_bar, y_bar, times)


def before_consistent(rhs: Rhs, t0: float, y0: np.ndarray, p: np.ndarray, mass: np.ndarray, y_bar: np.ndarray, p_bar: np.ndarray):
    """Cotangent of the y0 that was given from that of the consistent one, by the implicit function theorem; adds to p_bar.

    With y = y0 + V_2 z and U_2^T f(t, y, p) = 0: w = U_2 (U_2^T f_y V_2)^-T V_2^T y_bar, y0_bar = y_bar - f_y^T w, p_bar -= f_p^T w.
    """
    start = consistent_start(rhs, t0, y0, p, mass)
    if start.matrix.size == 0:
        return y_bar
    w = -start.left @ np.linalg.solve(start.matrix.T, start.right.T @ y_bar)
    y0_bar, added, t_bar = y_bar.copy(), np.zeros(rhs.n_p), np.zeros(1)
    tape, dy = np.empty(rhs.tape_size), np.empty(rhs.n)
    call(rhs.aug(), t0, start.y, p, dy, tape)
    call(rhs.rev(), t0, start.y, p, tape, w, y0_bar, added, t_bar)
    p_bar += added
    return y0_bar - start.right @ (start.right.T @ y0_bar)  # zero but for rounding: algebraic components are not free


def _reverse_piece(rhs: Rhs, kept: PiecewiseResiduals, piece: Piece, part: slice, ys_bar, wanted_bar, y_bar, p_bar) -> None:
    """Go back over one piece: y_bar from its end to its beginning, p_bar and wanted_bar filled in."""
    method, wanted = piece.method, kept.wanted[part]
    residuals = Residuals(method, piece.steps, wanted, kept.ys[part], piece.steps.states[0, : rhs.n], kept.p, kept.checkpoints, kept.mass)
    kind = NdfSweep if isinstance(method, Ndf) else StiffSweep if method.implicit else Sweep
    sweep = kind(rhs, residuals, np.ascontiguousarray(ys_bar[part]), len(wanted_bar) > 0)
    sweep.y_bar[:] = y_bar
    sweep.run()
    y_bar[:] = sweep.y_bar
    p_bar += sweep.p_bar
    if len(wanted_bar):
        wanted_bar[part] = sweep.wanted_bar


def _time_cotangents(rhs: Rhs, kept: PiecewiseResiduals, ys_bar, wanted_bar, y_bar, times: bool):
    if not times:
        return 0.0, 0.0, None
    t0, t1 = kept.pieces[0].start, float(kept.pieces[-1].steps.times[-1])
    f0 = state_derivative(rhs, t0, kept.y0, kept.p, kept.mass)
    t0_bar = -float(f0 @ y_bar)
    if not kept.every_step:
        return t0_bar, 0.0, wanted_bar
    t0_bar += float(f0 @ ys_bar[0])  # the first saved state is y0, whatever t0
    moved = len(kept.wanted) > 1
    return t0_bar, float(state_derivative(rhs, t1, kept.ys[-1], kept.p, kept.mass) @ ys_bar[-1]) if moved else 0.0, None

