"""`solve_ivp`: SciPy's surface over the compiled solvers; under differentiation, one node of the tape with the adjoint asked for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.errors import SciadError, ShapeError, SolveError
from sciad.progress import fraction_bar
from sciad.solvers.counting import count
from sciad.solvers.fields import Compiled, field_for, is_inplace
from sciad.solvers.integrate import RawSolution, integrate
from sciad.solvers.layout import ABORTED
from sciad.solvers.methods import find_method
from sciad.solvers.result import NotTraced, OdeResult
from sciad.solvers.rhs import Rhs
from sciad.tape import array, custom_node, is_traced, value_of

__all__ = ["solve_ivp", "find_adjoints_with"]

_finders: list[Callable[[Any], Any]] = []


def find_adjoints_with(finder: Callable[[Any], Any]) -> None:
    """Tell how to find the adjoint of a name: adjoints live a floor above."""
    _finders[:] = [finder]


def solve_ivp(
    fun: Callable, t_span: Any, y0: Any, method: Any = "auto", t_eval: Any = None, dense_output: bool = False, events: Any = None,
    vectorized: bool = False, args: Any = None, *, rtol: Any = 1e-3, atol: Any = 1e-6, first_step: float | None = None,
    max_step: float = math.inf, min_step: float = 0.0, max_steps: int = 100_000, adjoint: Any = "auto", progress: bool = False,
) -> OdeResult:  # fmt: skip
    """Solve y' = fun(t, y, *args) from y0 at t_span[0] to t_span[1], forwards or backwards: SciPy's, compiled and differentiable.

    `fun` returns dy/dt with the shape of y, or, with one more positional parameter, ``fun(dy, t, y, *args)`` writes it into `dy`.
    `y0` may have any shape.  `t_eval` (m,): sorted times to save at; None: every accepted step.  `args`: a tuple of numbers, arrays,
    and trees of them.  `rtol`, `atol`: scalars or arrays of y's shape.  `max_steps` bounds the trial steps, `min_step` ends a solve
    whose steps fall below.

    Differentiable with respect to y0, every float in `args`, every float that a compiled `fun` closes over, and the times; `adjoint` is a
    name ("auto", "discrete", ...) or an object of `sciad.adjoints`.  A plain solve that fails has ``success=False`` and a message; under
    differentiation it raises SolveError.  Raises ValueError and ShapeError for bad arguments, and what `fun` raises.
    """
    begin = time.perf_counter()
    args = _arguments(args)
    if not isinstance(y0, np.ndarray) and not is_traced(y0):
        y0 = array(y0) if isinstance(y0, (list, tuple)) else y0
    state = np.asarray(value_of(y0))
    if state.dtype.kind == "c":
        raise SciadError("complex states")
    if state.dtype.kind not in "fiub":
        raise ShapeError(f"y0 holds {state.dtype}; give numbers")
    t0, t1 = t_span
    compiled, leaves = field_for(fun, state.shape, args, inplace=is_inplace(fun, len(args)))
    chosen = find_method(method)
    options = {
        "rtol": _tolerance(rtol, state.shape), "atol": _tolerance(atol, state.shape), "first_step": first_step, "max_step": max_step,
        "min_step": min_step, "max_steps": max_steps,
    }  # fmt: skip
    parents = [y0, t0, t1, t_eval, *leaves]
    solve = _Solve(compiled, chosen, state.shape, parents, options)
    if progress:
        with fraction_bar(f"solve_ivp, {chosen.name}") as options["progress"]:
            raw, ys, sol = solve.run(adjoint, dense_output)
    else:
        raw, ys, sol = solve.run(adjoint, dense_output)
    return OdeResult(
        t=raw.t if t_eval is None or not is_traced(t_eval) else t_eval, ys=ys, sol=sol, t_events=None, y_events=None,
        nfev=raw.nfev, njev=raw.njev, nlu=raw.nlu, naccept=raw.naccept, nreject=raw.nreject, method=chosen.name, switches=raw.switches,
        seconds=time.perf_counter() - begin, status=int(raw.status),
        message=raw.message, success=raw.success,
    )  # fmt: skip


def _arguments(args: Any) -> tuple:
    if args is None:
        return ()
    try:
        return tuple(args)
    except TypeError as error:
        raise TypeError(
            f"Supplied 'args' cannot be unpacked. Please supply `args` as a tuple (e.g. `args=({args},)`)"
        ) from error


def _tolerance(value: Any, shape: tuple[int, ...]) -> Any:
    """A scalar, or an array of the state's shape made flat."""
    if isinstance(value, float):
        return value
    value = np.asarray(value, float)
    if value.ndim == 0:
        return float(value)
    return value.reshape(-1) if value.shape == shape else value


class _Solve:
    """One solve: the compiled field, the method, and the values that it depends on."""

    def __init__(self, compiled: Compiled, method: Any, shape: tuple[int, ...], parents: list, options: dict[str, Any]) -> None:
        self.field, self.rhs, self.method = compiled.field, compiled.rhs, method
        self.shape, self.parents, self.options = shape, parents, options
        y0, t0, t1, t_eval = (value_of(x) for x in parents[:4])
        self.y0 = np.array(y0, float).reshape(-1)
        self.span = float(t0), float(t1)
        self.t_eval = None if t_eval is None else np.array(t_eval, float)
        if self.t_eval is not None and self.t_eval.ndim != 1:
            raise ValueError("`t_eval` must be 1-dimensional.")
        self.p = self.field.pack(parents[4:])

    def run(self, adjoint: Any, dense_output: bool) -> tuple[RawSolution, Any, Any]:
        """The recorded solution, the states, time first, and the continuous solution or None."""
        if any(map(is_traced, self.parents)):
            raw, ys = self._traced(_finders[0](adjoint))
            refusal = NotTraced("the continuous solution of a solve under differentiation", "ask for states with t_eval")
            return raw, ys, refusal if dense_output else None
        raw = integrate(self.rhs, self.span, self.y0, self.p, self.method, self.t_eval, dense_output, **self.options)
        self._check(raw.status)
        count(forward=raw.nfev, solves=1)
        return raw, raw.ys.reshape(raw.ys.shape[0], *self.shape), raw.sol

    def _check(self, status: int) -> None:
        """Raise what a right-hand side in Python raised."""
        if status == ABORTED and hasattr(self.field, "reraise"):
            self.field.reraise()

    def _traced(self, adjoint: Any) -> tuple[RawSolution, Any]:
        """Solve as one node of the tape."""
        options, active = {**self.options, "method": self.method}, [k for k, x in enumerate(self.parents) if is_traced(x)]
        parents = [self.parents[k] for k in active]
        problem = self.span, self.y0, self.p, self.t_eval, options
        forward = parents[0].level.forward and all(x.level is parents[0].level for x in parents)
        if forward:  # nothing need be kept for a way back
            raw, residuals = self._guarded(self._forward_only, *problem), None
        else:
            raw, residuals = self._guarded(adjoint.forward, *problem)
        count(forward=raw.nfev, solves=1)

        def vjp(ys_bar: Any) -> list:
            ys_bar = np.asarray(ys_bar, float).reshape(raw.ys.shape)
            found = self._guarded(adjoint.backward, residuals, ys_bar, any(0 < k < 4 for k in active))
            bars = [found[0].reshape(self.shape)[()], *found[2:], *self.field.unpack(found[1])]
            return [bars[k] for k in active]

        def jvp(*dots: Any) -> Any:
            full: list = [None] * len(self.parents)
            for k, dot in zip(active, dots):
                full[k] = dot
            y0_dot = None if full[0] is None else np.asarray(full[0], float).reshape(-1)
            p_dot = self.field.pack_tangents(full[4:])
            span_dot = float(full[1] or 0.0), float(full[2] or 0.0)
            ys_dot = self._guarded(adjoint.jvp, *problem, y0_dot, p_dot, span_dot, full[3])[1]
            return ys_dot.reshape(raw.ys.shape[0], *self.shape)

        ys = raw.ys.reshape(raw.ys.shape[0], *self.shape)
        return raw, custom_node(ys, parents, vjp, jvp, f"solve_ivp of `{self.field.name}`")

    @staticmethod
    def _forward_only(rhs: Rhs, span: Any, y0: np.ndarray, p: np.ndarray, t_eval: Any, options: dict[str, Any]) -> RawSolution:
        raw = integrate(rhs, span, y0, p, t_eval=t_eval, **options)
        if not raw.success:
            raise SolveError(f"the solve to be differentiated failed: {raw.message}")
        return raw

    def _guarded(self, stage: Callable, *given: Any) -> Any:
        """Run a part of an adjoint; where it failed because the right-hand side raised, raise that."""
        try:
            return stage(self.rhs, *given)
        except SolveError:
            self._check(ABORTED)
            raise
