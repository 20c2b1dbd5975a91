"""The way back over paths that took steps of their own."""

from __future__ import annotations

from functools import cache

import numpy as np

from sciad.adjoints.sde_discrete import Cotangents, reverse_slots
from sciad.adjoints.sde_sweep import BACK, back_block
from sciad.backend import data_address
from sciad.errors import SolveError
from sciad.solvers.memory import get_int, put_int
from sciad.solvers.sde.assemble import assemble
from sciad.solvers.sde.integrate_adaptive import Ragged
from sciad.solvers.sde.layout import (
    ALL_COUNTS,
    ALL_P_BAR,
    ALL_POSITIONS,
    ALL_Q_BAR,
    ALL_TIMES,
    FAILED,
    GRID,
    N_P,
    N_Q,
    N_STEPS,
    N_TIMES,
    N_WANTED,
    P_BAR,
    Q_BAR,
    RECORD,
    STATES,
    TOTAL,
    WANTED,
)  # fmt: skip
from sciad.solvers.sde.philox import INLINE
from sciad.solvers.sde.problem import NOISE_SEGMENT, Grid, Workspace, run_blocks
from sciad.solvers.sde.task import Task
from sciad.solvers.sde.walk import enter, walk_block

__all__ = ["walk_paths_back"]

GROUP = 32  # paths whose parameter cotangents are added up in one row


def walk_back_ragged(slots, reals, first, last):
    """Take the steps of the paths of groups first to last - 1 again, keeping all states of one path at a time, and reverse them."""
    s, r = data_address(slots, 0), data_address(reals, 0)
    for group in range(first, last):
        for path in range(32 * group, min(32 * group + 32, get_int(s, TOTAL))):
            enter(s, path)
            put_int(s, P_BAR, get_int(s, ALL_P_BAR) + 8 * get_int(s, N_P) * group)
            put_int(s, Q_BAR, get_int(s, ALL_Q_BAR) + 8 * get_int(s, N_Q) * group)
            put_int(s, GRID, get_int(s, ALL_TIMES) + 8 * get_int(s, N_TIMES) * path)
            put_int(s, WANTED, get_int(s, ALL_POSITIONS) + 8 * get_int(s, N_WANTED) * path)
            put_int(s, N_STEPS, get_int(get_int(s, ALL_COUNTS) + 32 * path, 0))
            put_int(s, RECORD, get_int(s, STATES))
            walk_block(s, r)
            if get_int(get_int(s, FAILED), 0) == 0:
                back_block(s, r, path)


@cache
def compiled_walk_back_ragged():
    """`walk_back_ragged`, compiled; loaded from the disk cache where it is there."""
    return assemble(walk_back_ragged, *BACK, inline=INLINE)


def walk_paths_back(task: Task, ragged: Ragged, ys_bar: np.ndarray) -> Cotangents:
    """Cotangents of the initial states, p and q from ys_bar (paths, m, n).  SolveError if a function aborts."""
    n, paths, m = task.sde.n, task.paths, ys_bar.shape[1]
    groups = -(-paths // GROUP)
    bars = np.ascontiguousarray(ys_bar, np.float64)
    y_bar, p_bar, q_bar = np.zeros((paths, n)), np.zeros((groups, len(task.p))), np.zeros((groups, len(task.q)))
    failed, steps = np.zeros(paths, np.int64), int(ragged.counts[:, 0].max())

    def make() -> Workspace:
        w = Workspace(task.sde, task.method, task.p, task.q, task.t_span, task.seed, task.first_path, block=1)
        w.noise(Grid(np.zeros(2), np.zeros(m, np.int64)), NOISE_SEGMENT, 0, True)
        w.put(TOTAL=paths, Y0=task.y0, ALL_SAVED=np.empty_like(bars), ALL_FAILED=failed, ALL_SAVED_BAR=bars, N_ROWS=steps)
        w.put(ALL_Y_BAR=y_bar, ALL_P_BAR=p_bar, ALL_Q_BAR=q_bar, STATES=np.empty((steps + 1, n)))
        w.put(ALL_COUNTS=ragged.counts, ALL_TIMES=ragged.times, N_TIMES=ragged.times.shape[1], ALL_POSITIONS=ragged.positions)
        reverse_slots(w, task.sde, task.method)
        return w

    run_blocks(make, compiled_walk_back_ragged(), groups)
    if failed.any():
        raise SolveError(f"drift, diffusion or one of their reverses aborted on the way back of path {int(np.flatnonzero(failed)[0])}")
    return Cotangents(y_bar, p_bar.sum(axis=0), q_bar.sum(axis=0))
