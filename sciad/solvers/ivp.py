"""`solve_ivp`: SciPy's surface over the compiled solvers; under differentiation, one node of the tape with the adjoint asked for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from sciad.errors import SciadError, ShapeError, SolveError
from sciad.progress import fraction_bar
from sciad.solvers.callback import CallbackField
from sciad.solvers.complex_states import complex_states, real_event, real_function, real_state
from sciad.solvers.consistent import Inconsistent
from sciad.solvers.event_solve import EventRun, call
from sciad.solvers.events import Event, make_events
from sciad.solvers.fields import Compiled, field_for, is_inplace
from sciad.solvers.integrate import RawSolution, integrate, not_begun
from sciad.solvers.late import adjoint_of, report_adjoint
from sciad.solvers.layout import ABORTED
from sciad.solvers.mass import checked_mass, slope
from sciad.solvers.methods import find_method
from sciad.solvers.node import SolveNode
from sciad.solvers.plan import Options
from sciad.solvers.planned import planned
from sciad.solvers.result import NotTraced, OdeResult
from sciad.solvers.setup import stops_between
from sciad.solvers.stepsize import find_controller
from sciad.solvers.user_jacobian import UserJacobian, with_jacobian
from sciad.tape import array, is_traced, value_of

__all__ = ["solve_ivp", "array_state", "flat_tolerance"]

NOT_TRACED = NotTraced("the continuous solution of a solve under differentiation", "ask for states with t_eval")


def solve_ivp(
    fun: Callable, t_span: Any, y0: Any, method: Any = "auto", t_eval: Any = None, dense_output: bool = False, events: Any = None,
    vectorized: bool = False, args: Any = None, *, rtol: Any = 1e-3, atol: Any = 1e-6, jac: Any = None, jac_sparsity: Any = None,
    lband: int | None = None, uband: int | None = None, mass_matrix: Any = None, linear: Any = None, first_step: float | None = None,
    max_step: float = math.inf, min_step: float = 0.0, max_steps: int = 100_000, adjoint: Any = "auto", progress: bool = False,
    tstops: Any = None, fixed_step: float | None = None, controller: Any = None,
) -> OdeResult:  # fmt: skip
    """Solve y' = fun(t, y, *args) from y0 at t_span[0] to t_span[1], forwards or backwards: SciPy's, compiled and differentiable.

    `fun` returns dy/dt with the shape of y, or, with one more positional parameter, ``fun(dy, t, y, *args)`` writes it into `dy`.
    `y0` may have any shape.  `t_eval` (m,): sorted times to save at; None: every accepted step.  `args`: a tuple of numbers, arrays,
    and trees of them.  `rtol`, `atol`: scalars or arrays of y's shape.  `max_steps` bounds the trial steps, `min_step` ends a solve
    whose steps fall below, `tstops` are times that steps end on, `fixed_step` is the size of steps without error control, `controller`
    the step size controller ("I", "PI", "PID", or a `Controller`; None: "PI").  `events`: functions ``event(t, y, *args)`` whose zeros
    are located, with SciPy's attributes ``terminal`` and ``direction``, and an effect ``event.apply(t, y, *args)`` that gives (or
    changes) the state from there on.  `jac`: the Jacobian (n, n) or ``jac(t, y, *args)``; without it the exact one is derived.
    `jac_sparsity`, `lband`, `uband` say where it is zero, `linear`
    which linear algebra implicit methods use ("dense", "sparse", "gmres", or an object such as ``sciad.solvers.linear.Krylov(n,
    preconditioner=...)``; None: what fits the pattern that is found).
    `mass_matrix`: a constant M (n, n) of M y' = fun(t, y), for implicit methods (Rodas5P with "auto"); where it is singular,
    a differential-algebraic equation of index 1: M y0 is kept, and the algebraic components of y0 are made consistent first.

    Differentiable with respect to y0, every float in `args`, every float that a compiled `fun` closes over, and the times; `adjoint` is
    a name ("auto", "discrete", ...) or an object of `sciad.adjoints`; `adjoint_report` of the result says what "auto" took, and why. A
    plain solve that fails has ``success=False`` and a message; under differentiation it raises SolveError. Raises ValueError and
    ShapeError for bad arguments, and what `fun` raises.
    """
    begin = time.perf_counter()
    args = _arguments(args)
    usual = events is None and jac is None and jac_sparsity is None and lband is None and uband is None and mass_matrix is None
    usual = usual and tstops is None and fixed_step is None and controller is None
    if usual and linear is None and first_step is None and not dense_output and not progress:
        options = Options(method, rtol, atol, max_step, min_step, max_steps, adjoint)
        quick = planned(fun, t_span, y0, t_eval, args, options)
        if quick is not None:
            quick.seconds = time.perf_counter() - begin
            return quick
    y0 = array_state(y0)
    state = np.asarray(value_of(y0))
    if state.dtype.kind == "c":
        if mass_matrix is not None:
            raise SciadError("mass_matrix with complex states is not supported; write real and imaginary parts as states of their own")
        found = solve_ivp(
            real_function(fun, is_inplace(fun, len(args))), t_span, real_state(y0), method, t_eval, dense_output,
            None if events is None else [real_event(e) for e in ((events,) if callable(events) else events)], vectorized, args,
            rtol=_doubled(rtol), atol=_doubled(atol), first_step=first_step, max_step=max_step, min_step=min_step, max_steps=max_steps,
            adjoint=adjoint, progress=progress, tstops=tstops, fixed_step=fixed_step, controller=controller,
        )  # fmt: skip
        return _complex_result(found)
    if state.dtype.kind not in "fiub":
        raise ShapeError(f"y0 holds {state.dtype}; give numbers")
    t0, t1 = t_span
    compiled, leaves = field_for(fun, state.shape, args, inplace=is_inplace(fun, len(args)))
    chosen = find_method(method)
    options = {
        "rtol": flat_tolerance(rtol, state.shape), "atol": flat_tolerance(atol, state.shape), "first_step": first_step,
        "max_step": max_step, "min_step": min_step, "max_steps": max_steps,
    }  # fmt: skip
    parents = [y0, t0, t1, t_eval, *leaves]
    solve = _Solve(compiled, chosen, state.shape, parents, options)
    if tstops is not None:
        options["stops"] = stops_between(value_of(tstops), *solve.span)
    if fixed_step is not None:
        options["fixed_step"] = fixed_step
    if controller is not None:
        options["controller"] = find_controller(controller)
    options["mass"] = _mass(mass_matrix, state.size)
    if options["mass"] is not None:
        options["linear"] = linear
    elif any(x is not None for x in (linear, jac_sparsity, lband, uband)):
        options["linear"] = _linear(linear, state.size, jac_sparsity, lband, uband, chosen)
    if jac is not None:
        solve.rhs, solve.jacobian = with_jacobian(compiled, jac, state.shape, args)
        solve.jacobian_is_constant = not callable(jac)
    if progress:
        with fraction_bar(f"solve_ivp, {chosen.name}") as options["progress"]:
            result = solve.run(adjoint, dense_output, events, args)
    else:
        result = solve.run(adjoint, dense_output, events, args)
    result.seconds = time.perf_counter() - begin
    return result


def _linear(linear: Any, n: int, jac_sparsity: Any, lband: int | None, uband: int | None, method: Any) -> Any:
    """The linear algebra from what the user says of it; hints are dropped for methods that work with dense Jacobians only."""
    from sciad.solvers.linear import Banded, Sparse

    if linear is not None:
        return linear
    hint: Any = None
    if lband is not None or uband is not None:
        hint = Banded(n, int(lband or 0), int(uband or 0))
    elif jac_sparsity is not None:
        if np.shape(jac_sparsity) != (n, n):
            raise ValueError(f"`jac_sparsity` has shape {np.shape(jac_sparsity)}; {n} states ask for {(n, n)}")
        hint = Sparse(jac_sparsity)
    return None if getattr(method, "complex", False) else hint


def _mass(matrix: Any, n: int) -> np.ndarray | None:
    if is_traced(matrix):
        raise SciadError("a solve is not differentiated with respect to mass_matrix: pass a constant one, or scale the right-hand side")
    return checked_mass(matrix, n)


def _doubled(tolerance: Any) -> Any:
    return tolerance if np.ndim(tolerance) == 0 else np.stack([tolerance, tolerance])


def _complex_result(found: OdeResult) -> OdeResult:
    """A result for pairs of real states as one for complex ones."""
    real = found.sol
    found.ys = complex_states(found.ys)
    if found.y_events is not None:
        found.y_events = [complex_states(ys) if len(ys) else ys for ys in found.y_events]
    if real is not None and not isinstance(real, NotTraced):
        n = real(real.t_min).size // 2
        found.sol = lambda t: real(t)[:n] + 1j * real(t)[n:]
    return found


def _message(raw: RawSolution, field: Any) -> str:
    """The solver's message; where the right-hand side ended the solve, with what it may have raised."""
    failures = getattr(field, "failures", ()) if raw.status == ABORTED else ()
    return f"{raw.message} It raised {', or '.join(failures)}." if failures else raw.message


def _arguments(args: Any) -> tuple:
    if args is None:
        return ()
    try:
        return tuple(args)
    except TypeError as error:
        raise TypeError(
            f"Supplied 'args' cannot be unpacked. Please supply `args` as a tuple (e.g. `args=({args},)`)"
        ) from error


def array_state(y0: Any) -> Any:
    """An initial state as an array (traced where a part of it is), or a number."""
    return array(y0) if isinstance(y0, (list, tuple)) else y0


def flat_tolerance(value: Any, shape: tuple[int, ...]) -> Any:
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
        self.compiled, self.field, self.rhs, self.method = compiled, compiled.field, compiled.rhs, method
        self.shape, self.parents, self.options = shape, parents, options
        self.jacobian: UserJacobian | None = None
        self.jacobian_is_constant = False
        self.kept: list[Any] = []  # for the ways back
        y0, t0, t1, t_eval = (value_of(x) for x in parents[:4])
        self.y0 = np.array(y0, float).reshape(-1)
        self.span = float(t0), float(t1)
        self.t_eval = None if t_eval is None else np.array(t_eval, float)
        if self.t_eval is not None and self.t_eval.ndim != 1:
            raise ValueError("`t_eval` must be 1-dimensional.")
        self.p = self.field.pack(parents[4:])

    def run(self, adjoint: Any, dense_output: bool, events: Any, args: tuple) -> OdeResult:
        """Solve, plainly or as a node of the tape, with or without events."""
        if isinstance(self.field, CallbackField):
            self.field.approximate = not any(map(is_traced, self.parents))
        if events is not None:
            return self._with_events(adjoint, dense_output, make_events(events, self.shape, args), args)
        if any(map(is_traced, self.parents)):
            raw, ys = self._traced(adjoint_of(adjoint))
            sol = NOT_TRACED if dense_output else None
        else:
            try:
                raw = integrate(self.rhs, self.span, self.y0, self.p, self.method, self.t_eval, dense_output, **self.options)
            except Inconsistent as error:
                raw = not_begun(self.span[0], self.y0, self.t_eval, str(error))
            self._check(raw.status)
            ys, sol = raw.ys.reshape(raw.ys.shape[0], *self.shape), raw.sol
        t = self.parents[3] if is_traced(self.parents[3]) else raw.t.copy() if self.kept else raw.t  # the way back reads its own times
        return self._result(adjoint, [raw], t, ys, sol, int(raw.status), _message(raw, self.field))

    def _explain(self, adjoint: Any, raws: list[RawSolution], naccept: int) -> Any:
        """What `adjoint_report` is."""
        methods = [piece.method for raw in raws for piece in raw.pieces]
        return report_adjoint(adjoint_of(adjoint), self.rhs, methods, naccept, self.options["mass"] is not None, self.kept)

    def _result(
        self, adjoint: Any, raws: list[RawSolution], t: Any, ys: Any, sol: Any, status: int, message: str, run: Any = None
    ) -> OdeResult:
        counts = raws[0].counts if len(raws) == 1 else [sum(column) for column in zip(*[raw.counts for raw in raws])]
        nfev, njev, nlu, naccept, nreject = counts
        t_events, y_events = (None, None) if run is None else ([_stacked(x) for x in kind] for kind in (run.t_events, run.y_events))
        return OdeResult(
            t=t, ys=ys, sol=sol, t_events=t_events, y_events=y_events, nfev=nfev, njev=0 if self.jacobian_is_constant else njev, nlu=nlu,
            naccept=naccept, nreject=nreject, method=self.method.name, switches=[s for raw in raws for s in raw.switches], seconds=0.0,
            status=status, message=message, success=status >= 0,
            _explain=partial(self._explain, adjoint, raws, naccept),
        )  # fmt: skip

    def _with_events(self, adjoint: Any, dense_output: bool, events: list[Event], args: tuple) -> OdeResult:
        traced = any(map(is_traced, [*self.parents, *[x for event in events for x in event.leaves]]))
        budget = self.options["max_steps"]

        def plain(y0: np.ndarray, t0: float, watch: Any) -> RawSolution:
            nonlocal budget
            options = {**self._options_from(t0), "max_steps": max(budget, 1)}
            raw = integrate(self.rhs, (t0, self.span[1]), y0, self.p, self.method, None, True, watch=watch, **options)
            self._check(raw.status)
            budget -= raw.naccept + raw.nreject
            if traced and raw.status < 0:
                raise SolveError(f"the solve to be differentiated failed: {_message(raw, self.field)}")
            return raw

        def node(y0: Any, t0: Any, t1: float, times: Any) -> Any:
            parents = [y0, t0, t1, times, *self.parents[4:]]
            part = _Solve(self.compiled, self.method, self.shape, parents, self._options_from(float(value_of(t0))))
            part.rhs, part.jacobian, part.kept = self.rhs, self.jacobian, self.kept
            if not any(map(is_traced, parents)):
                raw = integrate(part.rhs, part.span, part.y0, part.p, part.method, part.t_eval, **part.options)
                return raw.ys.reshape(raw.ys.shape[0], *self.shape)
            return part._traced(adjoint_of(adjoint))[1]

        run = EventRun(events, args, self.shape, plain, node if traced else None, self._slope)
        run.run(self.parents[0], self.parents[1], self.span[1], self.parents[3] if is_traced(self.parents[3]) else self.t_eval)
        sol = (NOT_TRACED if traced else run.sol) if dense_output else None
        ys = _stacked(run.states) if run.states else np.empty((0, *self.shape))
        times = _stacked(run.times) if run.times else []  # an empty list where SciPy has one
        return self._result(adjoint, run.raws, times, ys, sol, run.status, run.message, run)

    def _options_from(self, t0: float) -> dict[str, Any]:
        """Options of a segment: the first step given by the user holds for the beginning only, and stops before t0 are past."""
        options = self.options if t0 == self.span[0] else {**self.options, "first_step": None}
        return {**options, "stops": stops_between(options["stops"], t0, self.span[1])} if "stops" in options else options

    def _slope(self, t: float, y: np.ndarray) -> np.ndarray:
        if self.options["mass"] is not None:
            return slope(self.rhs, t, y, self.p, self.options["mass"])
        dy = np.empty(self.rhs.n)
        call(self.rhs.f, t, y, self.p, dy)
        return dy

    def _check(self, status: int) -> None:
        """Raise what a right-hand side in Python raised."""
        if status == ABORTED:
            if self.jacobian is not None and self.jacobian.error is not None:
                raise self.jacobian.error
            getattr(self.field, "reraise", lambda: None)()

    def _traced(self, adjoint: Any) -> tuple[RawSolution, Any]:
        """Solve as one node of the tape."""
        problem = self.span, self.y0, self.p, self.t_eval, {**self.options, "method": self.method}
        node = SolveNode(self.field, self.shape, self.parents, problem, adjoint, self._guarded)
        if node.residuals is not None:
            self.kept.append(node.residuals)
        return node.raw, node.states()

    def _guarded(self, stage: Callable, *given: Any) -> Any:
        """Run a part of an adjoint; where it failed because the right-hand side raised, raise that."""
        try:
            return stage(self.rhs, *given)
        except SolveError:
            self._check(ABORTED)
            raise


def _stacked(parts: list) -> Any:
    """Times or states, perhaps traced, as one array."""
    if any(map(is_traced, parts)):
        return np.stack([np.reshape(x, np.shape(value_of(x))) for x in parts])
    return np.array(parts)
