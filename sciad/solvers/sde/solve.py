"""`solve_sde`: stochastic differential equations over many paths; under differentiation, one node of the tape."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from sciad.errors import ShapeError, SolveError
from sciad.progress import fraction_bar
from sciad.solvers.fields import Compiled, field_for, is_inplace
from sciad.solvers.late import LOADERS
from sciad.solvers.sde.brownian import Brownian
from sciad.solvers.sde.catalogue import find_sde_method
from sciad.solvers.sde.ending import Ending, mark_unreached, solved
from sciad.solvers.sde.integrate_adaptive import Control
from sciad.solvers.sde.problem import Grid, Sde, fixed_grid
from sciad.solvers.sde.program import SRK
from sciad.solvers.sde.result import SdeResult
from sciad.solvers.sde.stiffness import is_stiff
from sciad.solvers.sde.task import Task
from sciad.tape import array, custom_node, is_traced, value_of
from sciad.tree import tree_map

__all__ = ["SdeProblem", "check_numbers", "find_adjoint", "fixed_steps", "solve_sde", "register_sde_adjoints", "seed_of", "step_control"]

_ADJOINTS: dict[str, Any] = {}


def register_sde_adjoints(table: dict[str, Any]) -> None:
    """Make adjoints known by name: they live a floor above."""
    _ADJOINTS.update(table)


def solve_sde(
    drift: Callable, diffusion: Callable, t_span: Any, y0: Any, method: Any = "auto", t_eval: Any = None, args: Any = None, *,
    noise: str = "diagonal", calculus: str = "ito", dt: float | None = None, rtol: Any = 1e-2, atol: Any = 1e-2,
    paths: int | None = None, seed: int | None = None, adjoint: Any = "auto", progress: bool = False,
    min_step: float = 0.0, max_step: float = math.inf, max_steps: int = 100_000, levy_pieces: int | None = None,
) -> SdeResult:  # fmt: skip
    """Solve dy = drift(t, y, *args) dt + diffusion(t, y, *args) dW from y0 at t_span[0] to t_span[1].

    `noise` says what `diffusion` returns: "diagonal", the shape of y, a Brownian motion for each component; "scalar", the shape of y, one
    Brownian motion for all; "additive" or "general", the shape of y followed by m, for m Brownian motions ("additive" also promises that
    it does not depend on y, "diagonal" that component i depends on component i of y only).  `calculus`: "ito" or "stratonovich".
    `dt`: size of fixed steps, cut where a saved time lies between; None: adaptive steps under `rtol` and `atol` (numbers, or of y's
    shape), between `min_step` and `max_step`, at most `max_steps` for each path.  `t_eval` (m,): sorted times to save at, all of them met
    by steps; None: every step, or with adaptive steps and `paths`, where each path has steps of its own, the two ends.  `paths=k` solves
    k independent paths on all cores; `.ys` is then (k, m, *shape).  `seed` fixes the Brownian motion of every path as a function of time,
    whatever the steps; None draws one, which is `.seed`.  `levy_pieces`: pieces of a step for the Levy areas of method "Milstein" with
    general noise; None: about 1 / dt.

    Differentiable with respect to y0, every float in `args`, and every float that compiled functions close over.  `adjoint`: "auto",
    "discrete" (pathwise, exact for the steps taken), "backsolve", "forward", "direct", or an object of `sciad.adjoints`.  A plain solve
    that fails has ``success=False``, a message, and NaN in what was not reached; under differentiation it raises SolveError.  Raises
    ValueError and ShapeError for bad arguments.
    """
    begin = time.perf_counter()
    problem = SdeProblem(drift, diffusion, t_span, y0, t_eval, args, noise)
    seed = seed_of(seed)
    chosen = find_sde_method(
        method, noise, calculus, dt is None, lambda: is_stiff(problem.sde.drift, problem.t_span, problem.y0, problem.p, dt)
    )
    check_numbers(paths, dt)
    task = Task(problem.sde, chosen, problem.y0, problem.p, problem.q, problem.t_span, seed, int(paths or 1), calculus)
    bar = fraction_bar(f"solve_sde, {chosen.name}") if progress else nullcontext()
    with bar as tell:
        if dt is None:
            control = step_control(rtol, atol, min_step, max_step, max_steps, problem.shape)
            times, ys, end = problem.adaptive(task.with_(control=control, progress=tell), adjoint, paths is None)
        else:
            grid = fixed_steps(problem, chosen, float(dt), levy_pieces)
            times = grid.times[grid.wanted]
            ys, end = problem.fixed(task.with_(grid=grid, progress=tell), adjoint)
    brownian = Brownian(seed, problem.t_span, problem.sde.m, task.paths)
    return SdeResult(
        t=times, ys=ys[0] if paths is None else ys, seed=seed, brownian=brownian, paths=paths, method=chosen.name,
        naccept=end.accepted, nreject=end.rejected, seconds=time.perf_counter() - begin,
        status=-1 if len(end.failed) else 0, message=end.message, failed=end.failed,
    )  # fmt: skip


def check_numbers(paths: int | None, dt: float | None) -> None:
    """ValueError where the number of paths or the size of steps is none."""
    if paths is not None and (int(paths) != paths or paths < 1):
        raise ValueError(f"paths must be a positive whole number or None, not {paths!r}")
    if dt is not None and not (plain(dt, "dt") > 0 and math.isfinite(dt)):
        raise ValueError(f"dt must be positive and finite, not {dt!r}; t_span gives the direction")


def fixed_steps(problem: SdeProblem, method: SRK, dt: float, levy_pieces: int | None) -> Grid:
    """The grid of steps of size dt, and the pieces of a step for Levy areas."""
    grid = fixed_grid(problem.t_span, dt, problem.t_eval)
    if not method.levy or problem.sde.m == 1:
        return grid
    return Grid(grid.times, grid.wanted, levy_pieces or max(1, math.ceil(abs(problem.t_span[1] - problem.t_span[0]) / dt)))


def step_control(rtol: Any, atol: Any, min_step: float, max_step: float, max_steps: int, shape: tuple[int, ...]) -> Control:
    """Tolerances, numbers or of the state's shape, and limits, checked."""
    flat = []
    for name, value in (("rtol", rtol), ("atol", atol), ("min_step", min_step)):
        numbers = np.asarray(plain(value, name), float)
        if numbers.shape not in ((), shape if name != "min_step" else ()):
            wanted = f" or an array of shape {shape}" if name != "min_step" else ""
            raise ValueError(f"`{name}` has shape {numbers.shape}; give a number{wanted}")
        if not np.all(numbers >= 0):
            raise ValueError(f"`{name}` must not be negative, but is {value!r}")
        flat.append(numbers.reshape(-1) if numbers.ndim else float(numbers))
    if np.any(np.add(flat[0], flat[1]) == 0):
        raise ValueError("rtol and atol must not both be 0")
    max_step = plain(max_step, "max_step")
    if not max_step > 0 or max_steps < 1:
        raise ValueError("`max_step` and `max_steps` must be positive.")
    return Control(flat[0], flat[1], flat[2], float(max_step), max_steps=int(max_steps))


def plain(value: Any, name: str) -> Any:
    """The value itself; ValueError where it is being differentiated: steps carry no derivative."""
    if is_traced(value):
        raise ValueError(f"`{name}` of an SDE is not differentiated: the solution is a function of the steps' noise, not of their control")
    return value


def seed_of(seed: int | None) -> int:
    """The seed, checked, or one drawn."""
    if seed is None:
        return secrets.randbits(64)
    if isinstance(seed, (bool, float)) or int(seed) != seed or not 0 <= seed < 2**64:
        raise ValueError(f"seed must be a whole number from 0 to 2**64 - 1 or None, not {seed!r}")
    return int(seed)


class SdeProblem:
    """Arguments of `solve_sde`, checked: compiled fields, flat values, and what the result depends on."""

    def __init__(self, drift: Callable, diffusion: Callable, t_span: Any, y0: Any, t_eval: Any, args: Any, noise: str) -> None:
        self.functions, self.args = (drift, diffusion), _arguments(args)
        if not isinstance(y0, np.ndarray) and not is_traced(y0):
            y0 = array(y0) if isinstance(y0, (list, tuple)) else y0
        state = np.asarray(value_of(y0))
        if state.dtype.kind not in "fiub":
            raise ShapeError(f"y0 holds {state.dtype}; give real numbers")
        if not np.all(np.isfinite(state)):
            raise ValueError("All components of the initial state `y0` must be finite.")
        self.t_span = _span(t_span)
        self.t_eval = _times(t_eval, self.t_span)
        self.shape, self.y0 = state.shape, np.array(state, float).reshape(-1)
        self.fields, leaves = self._fields(state, noise)
        self.p, self.q = (c.field.pack(x) for c, x in zip(self.fields, leaves))
        self.n_p = len(leaves[0])
        self.parents = [y0, *leaves[0], *leaves[1]]

    def _fields(self, state: np.ndarray, noise: str) -> tuple[tuple[Compiled, Compiled], tuple[list, list]]:
        drift, diffusion = self.functions
        first, drift_leaves = field_for(drift, self.shape, self.args, inplace=is_inplace(drift, len(self.args)))
        inplace = is_inplace(diffusion, len(self.args))
        out_shape = _diffusion_shape(diffusion, self.t_span[0], state, self.args, noise, inplace)
        second, diffusion_leaves = field_for(diffusion, self.shape, self.args, inplace=inplace, out_shape=out_shape)
        self.sde = Sde(
            first.field, second.field, noise, {"diagonal": state.size, "scalar": 1}.get(noise, out_shape[-1] if out_shape else 1)
        )
        return (first, second), (drift_leaves, diffusion_leaves)

    @property
    def traced(self) -> bool:
        """Whether anything that the solution depends on is being differentiated."""
        return any(map(is_traced, self.parents))

    def fixed(self, task: Task, adjoint: Any) -> tuple[Any, Ending]:
        """States (paths, m, *shape) over the task's grid, and how the paths ended."""
        with self._python_errors():
            if self.traced:
                return self._traced(task, find_adjoint(adjoint)), Ending(task.grid.n_steps * task.paths)
            ys, end = solved(task)
            if len(end.failed):
                self.reraise()
        return self._shaped(ys), end

    def adaptive(self, task: Task, adjoint: Any, single: bool) -> tuple[np.ndarray, Any, Ending]:
        """Saved times, states (paths, m, *shape) with steps of its own for every path, and how the paths ended."""
        everywhere = self.t_eval is None and single
        wanted = self.t_eval if self.t_eval is not None else np.array(self.t_span)
        task = task.with_(t_eval=wanted)
        with self._python_errors():
            if self.traced and not everywhere:
                adjoint = find_adjoint(adjoint)
                ys, ragged = self._traced(task, adjoint)
                return wanted, ys, Ending.of_paths(task, ragged)
            ragged = task.walk_adaptively(record=everywhere)
            if ragged.counts[:, 2].any():
                self.reraise()
        end = Ending.of_paths(task, ragged)
        if self.traced and len(end.failed):
            raise SolveError(f"the SDE to be differentiated failed: {end.message}")
        if everywhere:
            grid = ragged.grid(0, wanted=False)
            ys, _ = self.fixed(task.with_(grid=grid, control=None, progress=None), adjoint)
            return grid.times, ys, end
        mark_unreached(ragged, end)
        return wanted, self._shaped(ragged.ys), end

    def _shaped(self, ys: np.ndarray) -> np.ndarray:
        return ys.reshape(*ys.shape[:2], *self.shape)

    @contextmanager
    def _python_errors(self) -> Iterator[None]:
        """Where a solve failed because a function that runs in Python raised, raise that."""
        try:
            yield
        except SolveError:
            self.reraise()
            raise

    def reraise(self) -> None:
        """Raise what a function that runs in Python raised."""
        for compiled in self.fields:
            if hasattr(compiled.field, "reraise"):
                compiled.field.reraise()

    def _traced(self, task: Task, adjoint: Any) -> Any:
        """Solve as one node of the tape, or on the tape itself; with adaptive steps, gives the steps, too."""
        if hasattr(adjoint, "trace"):
            leaves = self.parents[1 : 1 + self.n_p], self.parents[1 + self.n_p :]
            return adjoint.trace(task, self.parents[0], leaves, self.shape)
        ys, kept = adjoint.forward(task)
        active = [k for k, x in enumerate(self.parents) if is_traced(x)]

        def vjp(ys_bar: Any) -> list:
            found = adjoint.backward(task, kept, np.asarray(ys_bar, float).reshape(ys.shape))
            if not all(np.all(np.isfinite(x)) for x in (found.y0, found.p, found.q)) and np.all(np.isfinite(ys_bar)):
                raise SolveError("a cotangent became infinite or NaN on the way back; take smaller steps, or another adjoint")
            drift, diffusion = (c.field for c in self.fields)
            y_bar = found.y0.reshape(self.shape)[()]
            everything = [y_bar, *drift.unpack(found.p), *diffusion.unpack(found.q)]
            return [everything[k] for k in active]

        def jvp(*dots: Any) -> Any:
            given: list = [None] * len(self.parents)
            for k, dot in zip(active, dots):
                given[k] = dot
            return self._shaped(adjoint.push(task, kept, *self._flat_tangents(given)))

        name = f"solve_sde of `{self.sde.drift.name}` and `{self.sde.diffusion.name}`"
        node = custom_node(self._shaped(ys), [self.parents[k] for k in active], vjp, jvp, name)
        return node if task.control is None else (node, kept.ragged)

    def _flat_tangents(self, dots: list) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tangents of y0, p and q from those of the parents."""
        y_dot = np.zeros(self.sde.n) if dots[0] is None else np.array(dots[0], float).reshape(-1)
        found = []
        for compiled, part in zip(self.fields, (dots[1 : 1 + self.n_p], dots[1 + self.n_p :])):
            flat = np.zeros(compiled.field.n_p)
            for slot, dot in zip(compiled.field.slots, part):
                if dot is not None:
                    flat[slot.start : slot.start + slot.size] = np.ravel(dot)
            found.append(flat)
        return y_dot, found[0], found[1]


def find_adjoint(adjoint: Any) -> Any:
    """The adjoint of a name, or the one for SDEs of an object of `sciad.adjoints` for ODEs, with as many checkpoints."""
    if hasattr(adjoint, "for_sde"):
        return adjoint
    if not _ADJOINTS:
        LOADERS["adjoints of SDEs"]()
    name = adjoint if isinstance(adjoint, str) else type(adjoint).__name__.lower()
    if name not in _ADJOINTS:
        raise ValueError(f"unknown adjoint {adjoint!r} for an SDE; choose from {', '.join(map(repr, _ADJOINTS))}")
    checkpoints = getattr(adjoint, "checkpoints", None)
    return _ADJOINTS[name] if checkpoints is None else _ADJOINTS[name].with_checkpoints(checkpoints)


def _arguments(args: Any) -> tuple:
    if args is None:
        return ()
    try:
        return tuple(args)
    except TypeError as error:
        raise TypeError(f"Supplied 'args' cannot be unpacked. Please supply `args` as a tuple (e.g. `args=({args},)`)") from error


def _span(t_span: Any) -> tuple[float, float]:
    t0, t1 = (value_of(t) for t in t_span)
    if any(map(is_traced, t_span)):
        raise ValueError("t_span of an SDE is not differentiated: paths have no derivative in time")
    t0, t1 = float(t0), float(t1)
    if not (math.isfinite(t0) and math.isfinite(t1)) or t0 == t1:
        raise ValueError(f"t_span must be two different finite times, not {(t0, t1)}")
    return t0, t1


def _times(t_eval: Any, t_span: tuple[float, float]) -> np.ndarray | None:
    if t_eval is None:
        return None
    if is_traced(t_eval):
        raise ValueError("t_eval of an SDE is not differentiated: paths have no derivative in time")
    t = np.array(t_eval, float)
    if t.ndim != 1:
        raise ValueError("`t_eval` must be 1-dimensional.")
    if not np.all((t >= min(t_span)) & (t <= max(t_span))):
        raise ValueError("Values in `t_eval` are not within `t_span`.")
    if np.any(np.diff(t) * (t_span[1] - t_span[0]) <= 0):
        raise ValueError("Values in `t_eval` are not properly sorted.")
    return t


def _diffusion_shape(diffusion: Callable, t0: float, state: np.ndarray, args: tuple, noise: str, inplace: bool) -> tuple[int, ...] | None:
    """The shape that `diffusion` returns if it is a matrix, else None; ShapeError where it is wrong for the noise."""
    name = getattr(diffusion, "__name__", type(diffusion).__name__)
    matrix = noise in ("additive", "general")
    if inplace:
        if matrix:
            raise ShapeError(
                f"diffusion `{name}` writes into its first argument, whose shape is not known for {noise} noise: return the matrix instead"
            )
        return None
    value = diffusion(t0, state.copy()[()] if state.ndim == 0 else state.copy(), *tree_map(value_of, args))
    shape = np.shape(value_of(array(value) if isinstance(value, (list, tuple)) else value))
    expected = f"{state.shape[:-1] + (state.shape[-1], 'm') if state.shape else ('m',)}".replace("'", "")
    if matrix and (len(shape) != state.ndim + 1 or shape[:-1] != state.shape):
        hint = "; noise='diagonal' or 'scalar' takes the shape of y" if shape == state.shape else ""
        raise ShapeError(
            f"diffusion `{name}` returns shape {shape}; {noise} noise needs {expected}, a column for each Brownian motion{hint}"
        )
    if not matrix and shape != state.shape and not (np.prod(shape, dtype=int) == state.size == 1):
        hint = f"; noise='general' takes {expected}" if len(shape) == state.ndim + 1 else ""
        raise ShapeError(f"diffusion `{name}` returns shape {shape}; {noise} noise needs the shape of y, {state.shape}{hint}")
    return shape if matrix else None
