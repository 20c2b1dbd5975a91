"""Many SDEs of one kind with parameters and initial states of their own: all cores or any executor, and one node of the tape."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad import tree
from sciad.errors import ShapeError, SolveError
from sciad.solvers.counting import going_back
from sciad.solvers.ensemble import chunks_of, first_parts, leaf_bars, pool_for_way_back, stacked_parameters, worker_count
from sciad.solvers.ivp import array_state
from sciad.solvers.sde.catalogue import find_sde_method
from sciad.solvers.sde.ending import Ending, solved
from sciad.solvers.sde.problem import in_this_thread
from sciad.solvers.sde.solve import SdeProblem, check_numbers, find_adjoint, fixed_steps, seed_of, step_control
from sciad.solvers.sde.stiffness import is_stiff
from sciad.solvers.sde.task import Task
from sciad.tape import custom_node, is_traced, value_of

__all__ = ["SdeEnsembleResult", "ensemble_sde"]


@dataclass
class SdeEnsembleResult:
    """Solutions of k systems: t (m,), ys (k, paths, m, *shape), or (k, m, *shape) without `paths`, and for each system how it ended.

    `status`, `naccept`, `nreject` are arrays (k,), `messages` a list; states that a failed path did not reach are NaN.
    """

    t: np.ndarray
    ys: Any
    seed: int
    method: str
    status: np.ndarray
    messages: list[str]
    naccept: np.ndarray
    nreject: np.ndarray
    seconds: float

    @property
    def success(self) -> np.ndarray:
        """Which systems reached the end on all paths, (k,)."""
        return self.status >= 0

    def __repr__(self) -> str:
        failed = int(np.count_nonzero(~self.success))
        text = f"SdeEnsembleResult({len(self.status)} systems, {len(self.t)} times, {failed} failed, {self.seconds:.3g} s)"
        return text if not failed else f"{text}; the first: {self.messages[int(np.argmin(self.success))]}"


def ensemble_sde(
    drift: Callable, diffusion: Callable, t_span: Any, y0s: Any, args_batch: Any = (), *, args: tuple = (), method: Any = "auto",
    t_eval: Any = None, noise: str = "diagonal", calculus: str = "ito", dt: float | None = None, rtol: Any = 1e-2, atol: Any = 1e-2,
    paths: int | None = None, seed: int | None = None, common: bool = False, adjoint: Any = "auto", executor: Executor | None = None,
    workers: int | None = None, min_step: float = 0.0, max_step: float = np.inf, max_steps: int = 100_000, levy_pieces: int | None = None,
) -> SdeEnsembleResult:  # fmt: skip
    """Solve dy = drift(t, y, *args_i, *args) dt + diffusion(t, y, *args_i, *args) dW for every i, on all cores.

    `y0s`: initial states (k, *shape).  `args_batch`: a tuple of trees whose arrays have a first axis of length k; system i gets their
    i-th parts.  `args`: further arguments that all share.  `t_eval` (m,): times to save at (None: the end of `t_span`).  Every system has
    `paths` paths (None: one, without an axis for it) and Brownian motions of its own, numbers i * paths and on of the one `seed`; with
    `common` all have the same, those of ``solve_sde(..., seed=seed)``.  `executor`: where to run, threads on this machine if None;
    `workers` their number; the numbers are the same bit for bit.  `method` "auto" is chosen for the first system.  The rest is as for
    `solve_sde`.

    Differentiable with respect to y0s, the floats of both kinds of arguments and those that compiled functions close over.  A system
    that fails is marked in the result; under differentiation it raises SolveError.  ShapeError where lengths of batches differ.
    """
    begin = time.perf_counter()
    check_numbers(paths, dt)
    shape = np.shape(value_of(y0s))[1:]
    control = None if dt is not None else step_control(rtol, atol, min_step, max_step, max_steps, shape)
    settings = {"noise": noise, "calculus": calculus, "dt": dt, "control": control, "levy_pieces": levy_pieces, "paths": paths}
    batch = _Batch(drift, diffusion, t_span, y0s, tuple(args_batch), tuple(args), method, t_eval, seed_of(seed), common, settings)
    pool = executor or ThreadPoolExecutor(workers or worker_count(None))
    try:
        return batch.run(find_adjoint(adjoint), pool, begin)
    finally:
        if executor is None:
            pool.shutdown()


@dataclass(frozen=True)
class Systems:
    """What a worker needs besides numbers, initial states and parameters of systems; crosses to other processes."""

    functions: tuple[Callable, Callable]
    span: tuple[float, float]
    y0: np.ndarray
    item: tuple
    method: Any
    times: np.ndarray
    seed: int
    common: bool
    noise: str
    calculus: str
    dt: float | None
    control: Any
    levy_pieces: int | None
    paths: int | None

    def tasks(self, part: tuple[int, np.ndarray, np.ndarray, np.ndarray]) -> Iterator[Task]:
        """The solves of systems from number part[0] on, with initial states (j, n) and parameters (j, n_p), (j, n_q)."""
        problem = SdeProblem(*self.functions, self.span, self.y0, self.times, self.item, self.noise)
        method = find_sde_method(self.method, self.noise, self.calculus, self.dt is None, lambda: False)
        grid = None if self.dt is None else fixed_steps(problem, method, float(self.dt), self.levy_pieces)
        first, paths = part[0], self.paths or 1
        for k, (y0, p, q) in enumerate(zip(*part[1:])):
            yield Task(
                problem.sde, method, y0, p, q, self.span, self.seed, paths, self.calculus, grid=grid, control=self.control,
                t_eval=self.times, first_path=0 if self.common else (first + k) * paths,
            )  # fmt: skip

    def solve(self, part: tuple) -> list[tuple]:
        """Plain solves: states (paths, m, n) and endings."""
        with in_this_thread():
            return [solved(task) for task in self.tasks(part)]

    def forward(self, adjoint: Any, part: tuple) -> list[tuple]:
        """Solves that keep what the way back needs: states, that, and endings."""
        with in_this_thread():
            return [_with_end(task, *adjoint.forward(task)) for task in self.tasks(part)]

    def backward(self, adjoint: Any, part: tuple, kept: list, bars: np.ndarray) -> list[np.ndarray]:
        """Cotangents of initial states, p and q of some systems."""
        with in_this_thread():
            found = [adjoint.backward(task, what, bar) for task, (_, what, _), bar in zip(self.tasks(part), kept, bars)]
        return [np.array([getattr(f, name) for f in found]) for name in ("y0", "p", "q")]

    def forward_only(self, adjoint: Any, part: tuple) -> list[tuple]:
        """Plain solves, in a process whose memory the way back will not see."""
        found = self.solve(part)
        for _, end in found:
            if len(end.failed):
                raise SolveError(f"the SDE to be differentiated failed: {end.message}")
        return [(ys, None, end) for ys, end in found]

    def both(self, adjoint: Any, part: tuple, bars: np.ndarray) -> list[np.ndarray]:
        """The way back in a process that did not go forward: it goes forward again."""
        return self.backward(adjoint, part, self.forward(adjoint, part), bars)


class _Batch:
    """All systems of one call."""

    def __init__(
        self, drift: Callable, diffusion: Callable, t_span: Any, y0s: Any, batched: tuple, shared: tuple, method: Any, t_eval: Any,
        seed: int, common: bool, settings: dict,
    ) -> None:  # fmt: skip
        self.y0s = array_state(y0s)
        states = np.asarray(value_of(self.y0s), float)
        if states.ndim == 0 or not len(states):
            raise ShapeError(f"y0s has shape {states.shape}; give one initial state for each system, (k, *shape)")
        if not np.all(np.isfinite(states)):
            raise ValueError("All components of the initial states `y0s` must be finite.")
        self.k, self.shape = len(states), states.shape[1:]
        leaves, item = first_parts(batched, shared, self.k)
        noise, dt = settings["noise"], settings["dt"]
        problem = SdeProblem(drift, diffusion, t_span, states[0], t_eval, item, noise)
        chosen = find_sde_method(
            method, noise, settings["calculus"], dt is None, lambda: is_stiff(problem.sde.drift, problem.t_span, problem.y0, problem.p, dt)
        )
        times = np.array(problem.t_span[1:]) if problem.t_eval is None else problem.t_eval
        self.states = np.ascontiguousarray(states.reshape(self.k, -1))
        flat, n_drift = [*leaves, *tree.flatten(shared)[0]], problem.n_p
        found = problem.parents[1 : 1 + n_drift], problem.parents[1 + n_drift :]
        self.fields = [compiled.field for compiled in problem.fields]
        self.batched = [[k for k in field.arg_places if k < len(leaves)] for field in self.fields]
        self.leaves = [[flat[k] for k in places] + list(own[len(places) :]) for places, own in zip(self.batched, found)]
        self.parameters = [stacked_parameters(*x, self.k) for x in zip(self.fields, self.leaves, map(len, self.batched))]
        name = chosen.name if isinstance(method, str) else method
        plain = tree.tree_map(value_of, item)
        self.systems = Systems((drift, diffusion), problem.t_span, states[0], plain, name, times, seed, common, **settings)
        self.method = chosen.name

    def run(self, adjoint: Any, pool: Executor, begin: float) -> SdeEnsembleResult:
        workers, systems = worker_count(pool), self.systems
        parts = [(c.start, self.states[c], *(x[c] for x in self.parameters)) for c in chunks_of(self.k, workers)]
        parents = [self.y0s, *self.leaves[0], *self.leaves[1]]
        active = [k for k, x in enumerate(parents) if is_traced(x)]
        if not active:
            found = [one for task in [pool.submit(systems.solve, part) for part in parts] for one in task.result()]
            return self._result(self._shaped([ys for ys, _ in found]), [end for _, end in found], begin)
        if not hasattr(adjoint, "backward"):
            raise ValueError("an ensemble of SDEs is one node of the tape: choose 'discrete', 'backsolve' or 'forward' as its adjoint")
        local = isinstance(pool, ThreadPoolExecutor)
        stage = systems.forward if local else systems.forward_only
        kept = [task.result() for task in [pool.submit(stage, adjoint, part) for part in parts]]
        ys, ends = self._shaped([ys for part in kept for ys, _, _ in part]), [end for part in kept for _, _, end in part]

        def vjp(ys_bar: Any) -> list:
            bars = np.asarray(ys_bar, float).reshape(self.k, systems.paths or 1, len(systems.times), -1)
            cut = [bars[part[0] : part[0] + len(part[1])] for part in parts]
            with going_back(), pool_for_way_back(pool, local, workers) as again:
                if local:
                    tasks = [again.submit(systems.backward, adjoint, *x) for x in zip(parts, kept, cut)]
                else:
                    tasks = [again.submit(systems.both, adjoint, *x) for x in zip(parts, cut)]
                found = [task.result() for task in tasks]
            y_bars, *bars_of = (np.concatenate([f[j] for f in found]) for j in (0, 1, 2))
            full = [y_bars.reshape(np.shape(value_of(self.y0s)))]
            for field, leaves, places, total in zip(self.fields, self.leaves, self.batched, bars_of):
                full += leaf_bars(field, leaves, len(places), total)
            return [full[k] for k in active]

        name = f"ensemble of `{self.fields[0].name}` and `{self.fields[1].name}`"
        return self._result(custom_node(ys, [parents[k] for k in active], vjp, None, name), ends, begin)

    def _shaped(self, ys: list[np.ndarray]) -> np.ndarray:
        whole = np.stack(ys).reshape(self.k, self.systems.paths or 1, len(self.systems.times), *self.shape)
        return whole[:, 0] if self.systems.paths is None else whole

    def _result(self, ys: Any, ends: list[Ending], begin: float) -> SdeEnsembleResult:
        status, messages = np.array([-min(len(end.failed), 1) for end in ends]), [end.message for end in ends]
        naccept, nreject = (np.array([getattr(end, name) for end in ends]) for name in ("accepted", "rejected"))
        return SdeEnsembleResult(
            self.systems.times, ys, self.systems.seed, self.method, status, messages, naccept, nreject, time.perf_counter() - begin
        )


def _with_end(task: Task, ys: np.ndarray, kept: Any) -> tuple[np.ndarray, Any, Ending]:
    return ys, kept, Ending(task.grid.n_steps * task.paths) if task.control is None else Ending.of_paths(task, kept.ragged)
