"""Adjoints of SDEs that keep no states: the exact one of reversible Heun, and backsolve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sciad.adjoints.sde_discrete import Cotangents
from sciad.adjoints.sde_kept import Kept, Pushed, adaptive_steps, grid_states
from sciad.adjoints.sde_running import backsolve_step_kernel, compiled_run_back, reversible_step_kernel, running_work_size
from sciad.errors import SolveError
from sciad.solvers.sde.problem import NOISE_SEGMENT, Grid, Workspace, block_size, run_blocks, shape_code
from sciad.solvers.sde.task import Task

__all__ = ["SdeBacksolve", "SdeReversible"]


@dataclass(frozen=True)
class SdeReversible(Pushed):
    """The exact adjoint of reversible Heun's steps, which are undone: memory does not grow with their number."""

    def forward(self, task: Task) -> tuple[np.ndarray, Kept]:
        """Saved states (paths, m, n), and the states at the end; SolveError where a path fails."""
        walked = grid_states(task, end=True)
        return walked.ys, Kept(walked)

    def backward(self, task: Task, kept: Kept, ys_bar: np.ndarray) -> Cotangents:
        """Cotangents of y0 (summed over paths), p and q."""
        n = task.sde.n
        bars = np.zeros((*ys_bar.shape[:2], 2 * n))
        bars[:, :, :n] = ys_bar
        y_bar, p_bar, q_bar = _run(task, kept.walked.end, bars, None, reversible_step_kernel)
        return Cotangents((y_bar[:, :n] + y_bar[:, n:]).sum(axis=0), p_bar, q_bar)


@dataclass(frozen=True)
class SdeBacksolve(Pushed):
    """The equation of state and cotangent, solved backwards on the same Brownian path by Heun's method, in the Stratonovich sense.

    Exact only as steps go to zero.  The running state is set to the saved one at saved times; where it had left it by more than
    `tolerance` (relative), SolveError: a gradient from another path would be wrong.
    """

    tolerance: float = 0.1

    def forward(self, task: Task) -> tuple[np.ndarray, Kept]:
        """Saved states (paths, m, n), and the states at the end; SolveError where a path fails."""
        if task.control is not None:
            ragged = adaptive_steps(task)
            return ragged.ys, Kept(ragged=ragged)
        walked = grid_states(task, end=True)
        return walked.ys, Kept(walked)

    def backward(self, task: Task, kept: Kept, ys_bar: np.ndarray) -> Cotangents:
        """Cotangents of y0 (summed over paths), p and q."""
        if kept.ragged is None:
            return self._back(task, kept.walked.ys, kept.walked.end, ys_bar)
        parts = []
        for path in range(task.paths):
            one = task.path(kept.ragged, path)
            walked = grid_states(one, end=True)
            parts.append(self._back(one, walked.ys, walked.end, ys_bar[path : path + 1]))
        return Cotangents(*(sum(getattr(x, name) for x in parts) for name in ("y0", "p", "q")))

    def _back(self, task: Task, ys: np.ndarray, end: np.ndarray, ys_bar: np.ndarray) -> Cotangents:
        n = task.sde.n
        saved = np.concatenate([ys, np.broadcast_to(task.y0, (len(ys), 1, n))], axis=1)  # y0 is compared with, too
        bars = np.concatenate([ys_bar, np.zeros((len(ys), 1, n))], axis=1)
        task = task.with_(grid=Grid(task.grid.times, np.append(task.grid.wanted, 0), task.grid.levy))
        deviation = np.zeros(len(ys))
        y_bar, p_bar, q_bar = _run(task, np.ascontiguousarray(end[:, :n]), bars, (saved, deviation), backsolve_step_kernel)
        if not np.all(deviation <= self.tolerance):
            path = int(np.argmax(~(deviation <= self.tolerance)))
            raise SolveError(
                f"backsolve: the state that runs backwards left that of path {path} by {deviation[path]:.2g} of its size; "
                f"take smaller steps, save more times, or choose adjoint='discrete'"
            )
        return Cotangents(y_bar.sum(axis=0), p_bar, q_bar)


def _run(task: Task, end: np.ndarray, bars: np.ndarray, compared, step) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cotangents of the initial states (paths, width), p and q from those of the saved states (paths, m, width)."""
    sde, grid, paths, width = task.sde, task.grid, len(bars), bars.shape[2]
    size = block_size(sde.m, paths)
    blocks = -(-paths // size)
    order = np.argsort(grid.wanted, kind="stable")
    ordered = Grid(grid.times, grid.wanted[order])
    bars = np.ascontiguousarray(bars[:, order])
    saved = bars if compared is None else np.ascontiguousarray(compared[0][:, order])
    y_bar, p_bar, q_bar = np.zeros((paths, width)), np.zeros((blocks, len(task.p))), np.zeros((blocks, len(task.q)))
    failed, start = np.zeros(paths, np.int64), np.zeros(width)
    drift, diffusion = sde.drift, sde.diffusion
    ito = compared is not None and task.calculus == "ito" and sde.noise != "additive"

    def make() -> Workspace:
        w = Workspace(sde, task.method, task.p, task.q, task.t_span, task.seed, task.first_path, size)
        w.noise(ordered, min(NOISE_SEGMENT, max(grid.n_steps, 1)), 0, False)
        w.put(N=width, TOTAL=paths, Y0=start, ALL_FAILED=failed, ALL_SAVED=saved, ALL_SAVED_BAR=bars, ALL_END=end)
        w.put(ALL_Y_BAR=y_bar, ALL_P_BAR=p_bar, ALL_Q_BAR=q_bar, T_BAR=np.zeros(1), STATE=np.zeros((w.block, 2, width)))
        w.put(
            F_AUG=drift.aug, G_AUG=diffusion.aug, F_REV=drift.rev, G_REV=diffusion.rev, F_TAPE=drift.tape_size, G_TAPE=diffusion.tape_size
        )
        w.put(STEP_BAR=step(), WORK=np.zeros(running_work_size(sde.n, sde.m, drift.tape_size + diffusion.tape_size)))
        w.put(SHAPE=shape_code(sde.shape), ALL_DEVIATION=0 if compared is None else compared[1])
        if ito:
            w.put(ITO=1, G_JVP=diffusion.jvp, G_JVP_REV=diffusion.jvp_rev, Q_DOT=np.zeros(len(task.q)))
        return w

    run_blocks(make, compiled_run_back(), blocks)
    if failed.any():
        raise SolveError(f"drift, diffusion or one of their reverses aborted on the way back of path {int(np.flatnonzero(failed)[0])}")
    return y_bar, p_bar.sum(axis=0), q_bar.sum(axis=0)


