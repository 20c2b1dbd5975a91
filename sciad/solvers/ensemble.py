"""Many independent solves of one system: each takes its own steps, all cores work, and all of it is one node of the tape.

The compiled loop runs without the interpreter's lock, so threads suffice on one machine; any ``concurrent.futures.Executor`` (of processes,
or of a cluster such as Dask's) may take their place, and gives the same numbers bit for bit.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad import tree
from sciad.errors import ShapeError, SolveError
from sciad.solvers.counting import going_back
from sciad.solvers.fields import Compiled, field_for, is_inplace
from sciad.solvers.integrate import RawSolution, integrate
from sciad.solvers.ivp import array_state, flat_tolerance
from sciad.solvers.late import adjoint_of
from sciad.solvers.methods import find_method
from sciad.tape import custom_node, is_traced, value_of

__all__ = [
    "EnsembleResult", "chunks_of", "ensemble", "first_parts", "leaf_bars", "pool_for_way_back", "stacked_parameters", "worker_count",
]  # fmt: skip

MANY = 64  # solves of one task, at most: short ones should not drown in tasks, long ones should be shared evenly


@dataclass
class EnsembleResult:
    """Solutions of k systems: t (m,), ys (k, m, *shape), and for each system how it ended.

    `status`, `nfev`, `njev`, `nlu`, `naccept`, `nreject` are arrays (k,), `messages` a list; saved states that a failed solve did not
    reach are NaN.
    """

    t: np.ndarray
    ys: Any
    status: np.ndarray
    messages: list[str]
    nfev: np.ndarray
    njev: np.ndarray
    nlu: np.ndarray
    naccept: np.ndarray
    nreject: np.ndarray
    seconds: float

    @property
    def success(self) -> np.ndarray:
        """Which solves reached the end, (k,)."""
        return self.status >= 0

    @property
    def y(self) -> Any:
        """States with time as the last axis, (k, *shape, m)."""
        return np.moveaxis(self.ys, 1, -1)

    def __repr__(self) -> str:
        failed = int(np.count_nonzero(~self.success))
        text = f"EnsembleResult({len(self.status)} systems, {len(self.t)} times, {failed} failed, {self.seconds:.3g} s)"
        return text if not failed else f"{text}; the first: {self.messages[int(np.argmin(self.success))]}"


def ensemble(
    fun: Callable, t_span: Any, y0s: Any, args_batch: Any = (), *, args: tuple = (), method: Any = "auto", t_eval: Any = None,
    rtol: Any = 1e-3, atol: Any = 1e-6, adjoint: Any = "auto", executor: Executor | None = None, workers: int | None = None,
    **options: Any,
) -> EnsembleResult:  # fmt: skip
    """Solve y' = fun(t, y, *args_i, *args) for every i, each with steps of its own, on all cores.

    `y0s`: initial states (k, *shape).  `args_batch`: a tuple of trees whose arrays have a first axis of length k; system i gets their
    i-th parts.  `args`: further arguments that all systems share.  `t_eval` (m,): times to save at (None: the end of `t_span`).
    `executor`: where to run, threads on this machine if None; `workers` their number.  Other options as for `solve_ivp`.

    Differentiable with respect to y0s, the floats of both kinds of arguments and those that `fun` closes over.  A solve that fails is
    marked in the result; under differentiation it raises SolveError.  ShapeError where lengths of batches differ.
    """
    begin = time.perf_counter()
    batch = _Batch(fun, t_span, y0s, tuple(args_batch), tuple(args), method, t_eval, {"rtol": rtol, "atol": atol, **options})
    pool = executor or ThreadPoolExecutor(workers or worker_count(None))
    try:
        return batch.run(adjoint, pool, begin)
    finally:
        if executor is None:
            pool.shutdown()


def worker_count(pool: Any) -> int:
    """Workers of an executor; where it does not tell, or is None, the cores that this process may use."""
    known = getattr(pool, "_max_workers", None)
    if known:
        return known
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Problem:
    """What a worker needs besides initial states and parameters; crosses to other processes."""

    fun: Callable
    inplace: bool
    span: tuple[float, float]
    item: tuple
    shape: tuple[int, ...]
    method: Any
    times: np.ndarray
    options: dict[str, Any]

    def compiled(self) -> Compiled:
        """The compiled field, found or made in this process."""
        return field_for(self.fun, self.shape, self.item, inplace=self.inplace)[0]

    def solve(self, y0s: np.ndarray, ps: np.ndarray) -> list[RawSolution]:
        """Plain solves of some systems."""
        compiled, method = self.compiled(), find_method(self.method)
        return [_light(integrate(compiled.rhs, self.span, y0, p, method, self.times, **self.options)) for y0, p in zip(y0s, ps)]

    def forward(self, adjoint: Any, y0s: np.ndarray, ps: np.ndarray) -> list[tuple]:
        """Solves that keep what the way back needs."""
        rhs, options = self.compiled().rhs, {**self.options, "method": find_method(self.method)}
        return [adjoint_of(adjoint).forward(rhs, self.span, y0, p, self.times, options) for y0, p in zip(y0s, ps)]

    def backward(self, adjoint: Any, kept: list, bars: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cotangents of the initial states and parameters of some systems."""
        rhs = self.compiled().rhs
        found = [adjoint_of(adjoint).backward(rhs, residuals, bar, False) for (_, residuals), bar in zip(kept, bars)]
        return np.array([f[0] for f in found]), np.array([f[1] for f in found])

    def forward_only(self, adjoint: Any, y0s: np.ndarray, ps: np.ndarray) -> list[tuple]:
        """Plain solves, in a process whose memory the way back will not see."""
        raws = self.solve(y0s, ps)
        for raw in raws:
            if not raw.success:
                raise SolveError(f"the solve to be differentiated failed: {raw.message}")
        return [(raw, None) for raw in raws]

    def both(self, adjoint: Any, y0s: np.ndarray, ps: np.ndarray, bars: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The way back in a process that did not go forward: it goes forward again."""
        return self.backward(adjoint, self.forward(adjoint, y0s, ps), bars)


def _light(raw: RawSolution) -> RawSolution:
    """A solution without its record, to be sent and kept."""
    from dataclasses import replace

    return replace(raw, steps=None, sol=None, pieces=())


class _Batch:
    """All systems of one call."""

    def __init__(
        self, fun: Callable, t_span: Any, y0s: Any, batched: tuple, shared: tuple, method: Any, t_eval: Any, options: dict
    ) -> None:
        self.y0s = array_state(y0s)
        states = np.asarray(value_of(self.y0s), float)
        if states.ndim == 0 or not len(states):
            raise ShapeError(f"y0s has shape {states.shape}; give one initial state for each system, (k, *shape)")
        self.k, shape = len(states), states.shape[1:]
        leaves, item = first_parts(batched, shared, self.k)
        inplace = is_inplace(fun, len(item))
        self.compiled, found = field_for(fun, shape, item, inplace=inplace)
        flat = [*leaves, *tree.flatten(shared)[0]]
        n_batched = len(leaves)
        places = self.compiled.field.arg_places
        self.batched = [k for k in places if k < n_batched]
        self.leaves = [flat[k] for k in self.batched] + found[len(self.batched) :]
        self.states = np.ascontiguousarray(states.reshape(self.k, -1))
        self.ps = stacked_parameters(self.compiled.field, self.leaves, len(self.batched), self.k)
        t0, t1 = (float(value_of(t)) for t in t_span)
        times = np.array([t1]) if t_eval is None else np.array(t_eval, float)
        options = {**options, **{name: flat_tolerance(options[name], shape) for name in ("rtol", "atol")}}
        self.problem = Problem(fun, inplace, (t0, t1), _plain(item), shape, method, times, options)

    def run(self, adjoint: Any, pool: Executor, begin: float) -> EnsembleResult:
        workers = worker_count(pool)
        chunks, problem = list(chunks_of(self.k, workers)), self.problem
        parents = [self.y0s, *self.leaves]
        active = [k for k, x in enumerate(parents) if is_traced(x)]
        local = isinstance(pool, ThreadPoolExecutor)
        if not active:
            tasks = [pool.submit(problem.solve, self.states[c], self.ps[c]) for c in chunks]
            raws = [raw for task in tasks for raw in task.result()]
            return self._result(raws, self._stacked(raws), begin)
        stage = problem.forward if local else problem.forward_only
        tasks = [pool.submit(stage, adjoint, self.states[c], self.ps[c]) for c in chunks]
        kept = [task.result() for task in tasks]
        raws = [pair[0] for part in kept for pair in part]
        ys = self._stacked(raws)

        def vjp(ys_bar: Any) -> list:
            bars = np.asarray(ys_bar, float).reshape(self.k, len(problem.times), -1)
            with going_back(), pool_for_way_back(pool, local, workers) as again:
                if local:
                    tasks = [again.submit(problem.backward, adjoint, part, bars[c]) for part, c in zip(kept, chunks)]
                else:
                    tasks = [again.submit(problem.both, adjoint, self.states[c], self.ps[c], bars[c]) for c in chunks]
                found = [task.result() for task in tasks]
            y_bars, p_bars = (np.concatenate([f[j] for f in found]) for j in (0, 1))
            full = [y_bars.reshape(np.shape(value_of(self.y0s))), *leaf_bars(self.compiled.field, self.leaves, len(self.batched), p_bars)]
            return [full[k] for k in active]

        node = custom_node(ys, [parents[k] for k in active], vjp, None, f"ensemble of `{self.compiled.field.name}`")
        return self._result(raws, node, begin)

    def _stacked(self, raws: list[RawSolution]) -> np.ndarray:
        ys = np.full((self.k, len(self.problem.times), self.states.shape[1]), np.nan)
        for row, raw in zip(ys, raws):
            row[: len(raw.ys)] = raw.ys
        return ys.reshape(self.k, len(self.problem.times), *self.problem.shape)

    def _result(self, raws: list[RawSolution], ys: Any, begin: float) -> EnsembleResult:
        counts = {name: np.array([getattr(raw, name) for raw in raws]) for name in ("nfev", "njev", "nlu", "naccept", "nreject")}
        status, messages = np.array([int(raw.status) for raw in raws]), [raw.message for raw in raws]
        return EnsembleResult(self.problem.times, ys, status, messages, **counts, seconds=time.perf_counter() - begin)


def first_parts(batched: tuple, shared: tuple, k: int) -> tuple[list, tuple]:
    """The leaves of batched arguments, and the arguments of the first system; ShapeError where a first axis is not k."""
    leaves, structure = tree.flatten(batched)
    for path, leaf in zip(tree.leaf_paths(structure, "args_batch"), leaves):
        shape = np.shape(value_of(leaf))
        if shape[:1] != (k,):
            raise ShapeError(f"{path} has shape {shape}; its first axis must have length {k}, one part a system")
    first = tree.unflatten(structure, [_part(value_of(leaf)) for leaf in leaves])
    return leaves, (*first, *shared)


def stacked_parameters(field: Any, leaves: list, n_batched: int, k: int) -> np.ndarray:
    """Parameter vectors (k, n_p) from the leaves in the vector of a field, the first of which have a part for each system."""
    ps = np.empty((k, field.n_p))
    for number, (slot, leaf) in enumerate(zip(field.slots, leaves)):
        value = np.asarray(value_of(leaf), float)
        ps[:, slot.part] = value.reshape(k, -1) if number < n_batched else value.reshape(1, -1)
    return ps


def leaf_bars(field: Any, leaves: list, n_batched: int, p_bars: np.ndarray) -> list:
    """Cotangents of those leaves from those of the parameter vectors (k, n_p); None for what has none."""
    bars = []
    for number, (slot, leaf) in enumerate(zip(field.slots, leaves)):
        if not slot.differentiable:
            bars.append(None)
        elif number < n_batched:
            bars.append(p_bars[:, slot.part].reshape(np.shape(value_of(leaf))))
        else:
            total = p_bars[:, slot.part].sum(axis=0)
            bars.append(float(total[0]) if slot.shape is None else total.reshape(slot.shape))
    return bars


def chunks_of(k: int, workers: int) -> Iterator[slice]:
    """Systems that make one task."""
    size = max(1, min(MANY, -(-k // (4 * workers))))
    for first in range(0, k, size):
        yield slice(first, min(first + size, k))


def pool_for_way_back(pool: Executor, local: bool, workers: int) -> Any:
    """The pool for the way back: threads of its own, because those of the way forward may have ended."""
    from contextlib import nullcontext

    return ThreadPoolExecutor(workers) if local else nullcontext(pool)


def _part(leaf: Any) -> Any:
    part = leaf[0]
    return float(part) if isinstance(part, np.floating) else part


def _plain(item: tuple) -> tuple:
    """Arguments without traces, for other processes."""
    return tree.tree_map(value_of, item)
