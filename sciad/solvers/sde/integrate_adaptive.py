"""Solve an SDE with steps of its own for each path, from Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sciad.solvers.sde import layout as s
from sciad.solvers.sde.adaptive import compiled_walk_adaptive
from sciad.solvers.sde.brownian import DECADES, HALVINGS, tree_length
from sciad.solvers.sde.problem import Grid, Sde, Workspace, run_blocks
from sciad.solvers.sde.program import SRK

__all__ = ["Control", "Ragged", "walk_adaptively"]


@dataclass(frozen=True)
class Control:
    """Tolerances, one or one for each component of the flat state, and limits of adaptive steps."""

    rtol: float | np.ndarray
    atol: float | np.ndarray
    min_step: float = 0.0
    max_step: float = math.inf
    first_step: float = 0.0
    max_steps: int = 100_000
    safety: float = 0.85
    shrink: float = 0.2
    grow: float = 2.0


@dataclass(frozen=True)
class Ragged:
    """Steps of every path: saved states ys (paths, m, n), counts (paths, 4), times (paths, room) and positions of saved ones (paths, m).

    Counts are those of accepted steps, rejected steps, the code of the end, and saved times reached.
    """

    ys: np.ndarray
    counts: np.ndarray
    times: np.ndarray
    positions: np.ndarray

    def reached(self, path: int) -> int:
        """How many of the saved times a path reached."""
        return int(self.counts[path, 3])

    def grid(self, path: int, wanted: bool = True) -> Grid:
        """The steps of one path as a grid; without `wanted`, every one of them saved."""
        times = self.times[path, : self.counts[path, 0] + 1].copy()
        return Grid(times, self.positions[path].copy() if wanted else np.arange(len(times)))


def walk_adaptively(
    sde: Sde, method: SRK, control: Control, y0: np.ndarray, p: np.ndarray, q: np.ndarray, t_eval: np.ndarray, *, seed: int, paths: int,
    t_span: tuple[float, float], first_path: int = 0, record: bool = False, progress: Callable[[float], None] | None = None,
) -> Ragged:  # fmt: skip
    """Walk every path with steps of its own from y0 (n,), saving at t_eval; with `record`, keep the times of its steps."""
    n, m = sde.n, len(t_eval)
    room = 256 if record else 0
    stops = np.append(t_eval, t_span[1]) if not m or t_eval[-1] != t_span[1] else t_eval
    stops, lengths = np.ascontiguousarray(stops, np.float64), _lengths(t_span)
    y0 = np.ascontiguousarray(y0, np.float64)
    tolerances = [np.array(np.broadcast_to(x, n), float) for x in (control.atol, control.rtol)]
    while True:
        ys, counts = np.empty((paths, m, n)), np.zeros((paths, 4), np.int64)
        times, positions, failed = np.empty((paths, room)), np.zeros((paths, m), np.int64), np.zeros(paths, np.int64)

        def make(ys=ys, counts=counts, times=times, positions=positions, failed=failed, room=room) -> Workspace:
            w = Workspace(sde, method, p, q, t_span, seed, first_path, block=1)
            w.noise(Grid(np.array(t_span), np.zeros(m, np.int64)), 1, 0, True)
            w.put(TOTAL=paths, Y0=y0, ALL_SAVED=ys, ALL_FAILED=failed, ALL_COUNTS=counts, ALL_POSITIONS=positions, N_TIMES=room)
            w.put(
                ALL_TIMES=times if record else 0,
                MAX_STEPS=control.max_steps,
                STOPS=stops,
                N_STOPS=len(stops),
                SNAP=lengths,
                N_SNAP=len(lengths),
            )
            w.reals[[s.T_0, s.T_1]] = t_span
            w.put(ATOL=tolerances[0], RTOL=tolerances[1])
            w.reals[s.ONE_PER_N] = 1 / n
            w.reals[[s.MIN_STEP, s.MAX_STEP, s.FIRST_STEP]] = control.min_step, control.max_step, control.first_step
            w.reals[[s.SAFETY, s.SHRINK, s.GROW, s.POWER]] = control.safety, control.shrink, control.grow, method.error_order
            return w

        run_blocks(make, compiled_walk_adaptive(), paths, progress)
        if not np.any(counts[:, 2] == s.NEED_ROOM):
            return Ragged(ys, counts, times, positions)
        room *= 4


def _lengths(t_span: tuple[float, float]) -> np.ndarray:
    """Lengths whose multiples are ends of nodes of the tree, falling."""
    length = tree_length(*t_span)
    decades = [length / 10**k / part for k in range(DECADES) for part in (2, 10)]
    return np.array(decades + [length / 10**DECADES / 2**k for k in range(1, HALVINGS + 1)])
