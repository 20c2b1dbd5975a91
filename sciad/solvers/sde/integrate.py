"""Solve an SDE with fixed steps, from Python: many paths over one grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sciad.solvers.room import borrowed
from sciad.solvers.sde.problem import NOISE_SEGMENT, Grid, Sde, Workspace, block_size, noise_row, run_blocks
from sciad.solvers.sde.program import SRK
from sciad.solvers.sde.walk import compiled_walk

__all__ = ["Walked", "walk_grid", "FIRST_STATES"]

FIRST_STATES = 256 * 2**20  # bytes of states that are kept for the way back before some are left out
KEPT_NOISE = 64 * 2**20  # bytes of noise that is kept for the way back, too, where all states are


@dataclass(frozen=True)
class Walked:
    """States at the wanted points (paths, m, n), for each path 0 or 1 + the step that failed, and the record for the way back.

    That is states before every so many steps, (blocks, rows, paths of a block, width), and, where it is small, the noise.
    `end` (paths, width): whole states at the end.
    """

    ys: np.ndarray
    failed: np.ndarray
    record: np.ndarray | None
    every: int
    noise: np.ndarray | None = None
    end: np.ndarray | None = None


def walk_grid(
    sde: Sde, method: SRK, grid: Grid, y0: np.ndarray, p: np.ndarray, q: np.ndarray, *, seed: int, paths: int, t_span: tuple[float, float],
    first_path: int = 0, record: bool = False, end: bool = False, checkpoints: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Walked:  # fmt: skip
    """Walk `paths` paths over the grid from y0 (n,); with `record`, keep states for the way back, with `end`, those at the end.

    `checkpoints`: states kept for each path; None: all, or where they would take more than 256 MiB, about the square root of their number.
    """
    steps, width = grid.n_steps, method.copies * sde.n
    every = _every(steps, paths * width, checkpoints) if record else 1
    positions = np.append(grid.wanted, steps) if end else grid.wanted
    order = np.argsort(positions, kind="stable")
    ordered = Grid(grid.times, positions[order])
    ys, failed = np.empty((paths, len(positions), width)), np.zeros(paths, np.int64)
    rows = -(-steps // every) if record else 0
    size = block_size(sde.m, paths)
    blocks = -(-paths // size)
    states = borrowed(blocks, rows, size, width) if record else None
    start = np.tile(np.ascontiguousarray(y0, np.float64), method.copies)
    noise = _room_for_noise(sde.m, grid, size, blocks, method.areas) if record and every == 1 else None

    def make() -> Workspace:
        workspace = Workspace(sde, method, p, q, t_span, seed, first_path, size)
        workspace.noise(ordered, min(NOISE_SEGMENT, max(steps, 1)), grid.levy, method.areas, noise)
        workspace.put(TOTAL=paths, Y0=start, ALL_SAVED=ys, ALL_FAILED=failed, EVERY=every)
        if record:
            workspace.put(ALL_RECORD=states, N_ROWS=rows)
        return workspace

    run_blocks(make, compiled_walk(), blocks, progress)
    if np.any(order[1:] < order[:-1]):
        sorted_ys, ys = ys, np.empty_like(ys)
        ys[:, order] = sorted_ys
    last = np.ascontiguousarray(ys[:, -1]) if end else None
    m = len(grid.wanted)
    if end or method.copies > 1:
        ys = np.ascontiguousarray(ys[:, :m, : sde.n])
    return Walked(ys, failed, states, every, noise, last)


def _every(steps: int, size: int, checkpoints: int | None) -> int:
    if checkpoints is not None:
        return max(1, -(-steps // checkpoints))
    return 1 if 8 * steps * size <= FIRST_STATES else max(1, math.isqrt(steps))


def _room_for_noise(m: int, grid: Grid, size: int, blocks: int, areas: bool) -> np.ndarray | None:
    """Memory for the noise of all steps, or None where it is better made again."""
    shape = (blocks, grid.n_steps * noise_row(m, size, grid.levy, areas))
    return borrowed(*shape) if 8 * math.prod(shape) <= KEPT_NOISE else None
