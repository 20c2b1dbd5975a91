"""Pathwise discrete adjoint of fixed steps: the exact derivative of the steps taken, for the noise that was drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sciad.adjoints.sde_step import reverse_work_size, step_bar_kernel
from sciad.adjoints.sde_sweep import compiled_walk_back
from sciad.errors import SolveError
from sciad.solvers.room import aligned
from sciad.solvers.sde.integrate import Walked
from sciad.solvers.sde.problem import NOISE_SEGMENT, Grid, Sde, Workspace, block_size, run_blocks
from sciad.solvers.sde.program import SRK

__all__ = ["Cotangents", "reverse_slots", "walk_grid_back"]


@dataclass(frozen=True)
class Cotangents:
    """Of the initial state of every path (paths, n), and of the parameters of drift (n_p,) and diffusion (n_q,)."""

    y0: np.ndarray
    p: np.ndarray
    q: np.ndarray


def walk_grid_back(
    sde: Sde, method: SRK, grid: Grid, walked: Walked, p: np.ndarray, q: np.ndarray, ys_bar: np.ndarray, *, seed: int,
    t_span: tuple[float, float], first_path: int = 0,
) -> Cotangents:  # fmt: skip
    """Cotangents from ys_bar (paths, m, n), that of the states saved at the wanted points of the grid.  SolveError if a function aborts."""
    n, paths = sde.n, len(ys_bar)
    size = block_size(sde.m, paths)
    blocks = -(-paths // size)
    wanted = np.argsort(grid.wanted, kind="stable")
    ordered = Grid(grid.times, grid.wanted[wanted])
    bars = np.ascontiguousarray(ys_bar[:, wanted], np.float64)
    y_bar, p_bar, q_bar = np.zeros((paths, n)), np.zeros((blocks, len(p))), np.zeros((blocks, len(q)))
    failed = np.zeros(paths, np.int64)
    segment = NOISE_SEGMENT if walked.every == 1 else walked.every
    start = np.zeros(n)

    def make() -> Workspace:
        w = Workspace(sde, method, p, q, t_span, seed, first_path, size)
        w.noise(ordered, min(segment, max(grid.n_steps, 1)), grid.levy, method.areas, walked.noise)
        w.put(TOTAL=paths, Y0=start, ALL_FAILED=failed, ALL_SAVED_BAR=bars)
        w.put(ALL_RECORD=walked.record, N_ROWS=walked.record.shape[1], EVERY=walked.every)
        w.put(ALL_Y_BAR=y_bar, ALL_P_BAR=p_bar, ALL_Q_BAR=q_bar, STATES=np.empty((segment + 1, w.block, n)))
        reverse_slots(w, sde, method)
        return w

    run_blocks(make, compiled_walk_back(), blocks)
    if failed.any():
        path = int(np.flatnonzero(failed)[0])
        raise SolveError(f"a reverse of drift or diffusion aborted on the way back of path {path} before t = {grid.times[failed[path]]!r}")
    return Cotangents(y_bar, p_bar.sum(axis=0), q_bar.sum(axis=0))


def reverse_slots(w: Workspace, sde: Sde, method: SRK) -> None:
    """Addresses and scratch memory of transposed steps."""
    f_tape, g_tape = sde.drift.tape_size, sde.diffusion.tape_size
    w.put(F_AUG=sde.drift.aug, G_AUG=sde.diffusion.aug, F_REV=sde.drift.rev, G_REV=sde.diffusion.rev, F_TAPE=f_tape, G_TAPE=g_tape)
    work = aligned(reverse_work_size(method, sde.shape, sde.n, sde.m, f_tape, g_tape) * w.together)
    w.put(STEP_BAR=step_bar_kernel(method, sde.shape, sde.m), WORK=work, T_BAR=np.zeros(1))
