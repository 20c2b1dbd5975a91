"""A stochastic problem as kernels see it, its grid, and the memory of one thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import numpy as np

from sciad.solvers.room import aligned
from sciad.solvers.sde import layout as s
from sciad.solvers.sde.brownian import Columns, column_count
from sciad.solvers.sde.program import SRK
from sciad.solvers.sde.source import takes_many
from sciad.solvers.sde.step import noise_shape, step_kernel, work_size

__all__ = [
    "NOISE_SEGMENT", "Grid", "Sde", "Workspace", "block_size", "fixed_grid", "in_this_thread", "noise_row", "run_blocks", "shape_code",
]  # fmt: skip

NOISE_SEGMENT = 64  # steps whose increments are made at a time: they stay in the cache
COLUMNS = 32  # Brownian motions that are advanced together, at least
COMPONENTS = 128  # of all paths that a step takes at once, about
MANY_COLUMNS, MANY_BLOCKS = 128, 16  # as many where so many blocks are left: each call of a kernel then does more work


@dataclass(frozen=True)
class Sde:
    """dy = f dt + g . dW: compiled forms of drift and diffusion (`sciad.field.Field`, or anything with its addresses and sizes)."""

    drift: Any
    diffusion: Any
    noise: str
    m: int

    @property
    def n(self) -> int:
        """Number of states."""
        return self.drift.n

    @property
    def shape(self) -> str:
        """How increments act: "diagonal", "scalar" or "matrix"."""
        return noise_shape(self.noise)


@dataclass(frozen=True)
class Grid:
    """Times of the steps (N + 1,), and which of them are saved (m,)."""

    times: np.ndarray
    wanted: np.ndarray
    levy: int = field(default=0)

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.times) - 1


def fixed_grid(t_span: tuple[float, float], dt: float, t_eval: np.ndarray | None) -> Grid:
    """Steps of size dt from t_span[0] on, the last one cut; a step is cut in two where a saved time lies inside it."""
    t0, t1 = t_span
    direction = 1.0 if t1 >= t0 else -1.0
    count = int(np.floor(abs(t1 - t0) / dt + 1e-9))
    times = t0 + direction * dt * np.arange(count + 1)
    if abs(t1 - times[-1]) > 1e-9 * dt:
        times = np.append(times, t1)
    times[-1] = t1
    if t_eval is None:
        return Grid(times, np.arange(len(times)))
    place = (
        np.clip(np.searchsorted(direction * times, direction * t_eval), 1, len(times) - 1) if len(times) > 1 else np.zeros(len(t_eval), int)
    )
    nearest = np.where(abs(times[place] - t_eval) <= abs(times[place - 1] - t_eval), place, place - 1) if len(times) > 1 else place
    inside = abs(times[nearest] - t_eval) > 1e-9 * dt
    everything = np.concatenate([times, t_eval[inside]])
    order = np.argsort(direction * everything, kind="stable")
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    wanted = position[nearest]
    wanted[inside] = position[len(times) :]
    return Grid(np.ascontiguousarray(everything[order]), wanted)


def shape_code(shape: str) -> int:
    """How increments act, for kernels that serve all shapes."""
    return {"diagonal": s.DIAGONAL, "scalar": s.SCALAR, "matrix": s.MATRIX}[shape]


def block_size(m: int, paths: int) -> int:
    """Paths that are walked together; it depends on the problem only, so that sums over blocks do not depend on threads."""
    size = 1
    while size < paths and (size * m < COLUMNS or (size * m < MANY_COLUMNS and 2 * size * MANY_BLOCKS <= paths)):
        size *= 2
    return size


def paths_together(method: SRK, shape: str, n: int, block: int) -> int:
    """Paths of a block that a step takes at once: with diagonal noise all, with scalar noise as many as the cache of a core likes."""
    if not takes_many(method, shape):
        return 1
    return block if shape == "diagonal" else min(block, max(1, COMPONENTS // n))


def noise_row(m: int, block: int, n_levy: int, areas: bool) -> int:
    """Entries of the noise of one step of a block of paths."""
    return (1 + areas) * column_count(m * block) + (block * m * m if n_levy else 0)


class Workspace:
    """Slots and scratch memory of one thread; keeps everything behind the addresses alive."""

    def __init__(
        self, sde: Sde, method: SRK, p: np.ndarray, q: np.ndarray, t_span, seed: int, first_path: int, block: int
    ) -> None:
        n, m = sde.n, sde.m
        self.slots, self.reals = np.zeros(s.N_SLOTS, np.int64), np.zeros(s.N_REALS)
        self.block = block
        self.columns = Columns(self.slots, self.reals, seed, t_span, m, np.arange(self.block))
        self.together = paths_together(method, sde.shape, n, block)
        self.work = aligned(work_size(method, sde.shape, n, m) * self.together)
        self.state = aligned(2, self.block, method.copies * n)
        self.kept: list[Any] = [p, q, sde]
        self.put(F=sde.drift.f, G=sde.diffusion.f, P=p, Q=q, N=method.copies * n, M=m, SHAPE=shape_code(sde.shape))
        self.put(STEP=step_kernel(method, sde.shape, m), WORK=self.work)
        self.put(STATE=self.state, BLOCK=self.block, FIRST_PATH=first_path, N_P=len(p), N_Q=len(q), EVERY=1, SEGMENT=NOISE_SEGMENT)
        self.put(COUNT=1, TOGETHER=self.together)
        if method.implicit:
            self.put(JAC=sde.drift.jac)

    def put(self, **values: Any) -> None:
        """Fill slots by name: numbers, or arrays, whose address is taken and which are kept."""
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                assert value.flags.c_contiguous, name
                self.kept.append(value)
                value = value.__array_interface__["data"][0]  # half the time of `.ctypes.data`
            self.slots[getattr(s, name)] = value

    def noise(self, grid: Grid, segment: int, n_levy: int, areas: bool, everything: np.ndarray | None = None) -> None:
        """Bind the grid, and make room for the noise of a segment of steps, or use the room for that of all steps of all blocks.

        `n_levy`: pieces of a step for its Levy areas; `areas`: whether space-time areas are wanted.
        """
        self.put(AREAS=int(areas))
        if everything is None:
            self.put(SEGMENT=segment, NOISE=aligned(segment * noise_row(int(self.slots[s.M]), self.block, n_levy, areas)))
        else:
            self.put(SEGMENT=grid.n_steps, ALL_NOISE=everything)
        self.put(N_LEVY=n_levy, GRID=grid.times, N_STEPS=grid.n_steps, N_WANTED=len(grid.wanted))
        self.put(WANTED=np.ascontiguousarray(grid.wanted, np.int64))


_HERE = threading.local()


@contextmanager
def in_this_thread() -> Iterator[None]:
    """Solves of this thread start no others: many solves share the cores already."""
    before, _HERE.alone = getattr(_HERE, "alone", False), True
    try:
        yield
    finally:
        _HERE.alone = before


def threads() -> int:
    """Threads that a solve may use: one for each core of this process, or this one alone."""
    if getattr(_HERE, "alone", False):
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_blocks(make: Callable[[], Workspace], kernel: Callable, n_blocks: int, progress: Callable[[float], None] | None = None) -> None:
    """Run ``kernel(slots, reals, first, last)`` over all blocks, in pieces, on all cores; every thread has a workspace of its own.

    Many blocks are many pieces: between them Ctrl-C is answered, progress shown, and a thread that is done helps the others.
    """
    n_threads = min(threads(), n_blocks)
    pieces = min(n_blocks, 20 * n_threads) if progress is not None or n_blocks >= 64 * n_threads else n_threads
    bounds = np.linspace(0, n_blocks, pieces + 1).astype(int).tolist()
    if n_threads == 1:
        workspace = make()
        for k in range(pieces):
            kernel(workspace.slots, workspace.reals, bounds[k], bounds[k + 1])
            if progress is not None:
                progress((k + 1) / pieces)
        return

    spaces: SimpleQueue[Workspace] = SimpleQueue()
    for _ in range(n_threads):  # here, not in the threads: addresses may have to be compiled first
        spaces.put(make())

    def work(k: int) -> None:
        workspace = spaces.get()
        kernel(workspace.slots, workspace.reals, bounds[k], bounds[k + 1])
        spaces.put(workspace)

    with ThreadPoolExecutor(n_threads) as pool:
        for k, _ in enumerate(pool.map(work, range(pieces))):
            if progress is not None:
                progress((k + 1) / pieces)
