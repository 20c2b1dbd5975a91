"""A solve planned ahead: what does not depend on the numbers is worked out at the first call and kept for the next ones.

Preparing a solve takes Python longer than small problems take to be solved.  `planned` takes the usual case: a compiled right-hand side,
an explicit method (or "auto", as long as it does not turn stiff), plain times, one level of reverse mode or none.  It says None to
everything else, and to every solve that does not end well: the general way then does it from the beginning, and tells what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from sciad import tree
from sciad.solvers.auto import WATCH_EXPLICIT, Auto, choose, stability_boundary
from sciad.solvers.callback import CallbackField
from sciad.solvers.counting import count, going_back
from sciad.solvers.explicit import ERK
from sciad.solvers.fields import Compiled, field_for, is_inplace
from sciad.solvers.implicit import equip
from sciad.solvers.integrate import RawSolution
from sciad.solvers.late import adjoint_of, report_adjoint
from sciad.solvers.layout import BUDGET, DONE, N_F, N_LU, NEED_ROOM, RUNNING, SPARE, STABILITY, T_END, T
from sciad.solvers.loop import compiled_loop
from sciad.solvers.methods import find_method
from sciad.solvers.node import SolveNode
from sciad.solvers.pieces import Piece
from sciad.solvers.record import UNLIMITED, Record, run
from sciad.solvers.result import OdeResult
from sciad.solvers.setup import SMALLEST_RTOL, STORES, new_reals, new_slots, scales
from sciad.solvers.status import Status, message
from sciad.solvers.stepsize import PI
from sciad.tape import Variable
from sciad.tape.core import Node, refresh, wrap

__all__ = ["Options", "planned"]

EMPTY, EMPTY_2D = np.empty(0), np.empty((0, 0))
F8 = np.dtype(np.float64)
NUMBERS = (float, int, np.float64)
KEPT, MOST = 8, 512  # plans for one key (closures over other constants), and keys
PLANS: dict[tuple, list[Plan]] = {}
COUNTERS = slice(N_F, N_LU + 1)


class Options(NamedTuple):
    """The options of a solve that plans depend on."""

    method: Any
    rtol: Any
    atol: Any
    max_step: Any
    min_step: Any
    max_steps: int
    adjoint: Any


class Plan:
    """One right-hand side, method, kind of record and set of options: the arrays of the compiled loop before the numbers are put in."""

    def __init__(self, compiled: Compiled, code: CodeType, options: Options, adjoint: Any, traced: bool, saves: bool) -> None:
        self.field, self.rhs, self.code, self.adjoint, self.options = compiled.field, compiled.rhs, code, adjoint, options
        asked = find_method(options.method)
        self.watched = isinstance(asked, Auto)
        self.method = choose(asked, self.rhs.n, options.rtol)[0] if self.watched else asked
        self.store = adjoint.planned(self.rhs, self.method) if traced else "none" if saves else "states"
        self.level = STORES[self.store or "none"]
        self.slots = new_slots(self.rhs, self.method, self.level, False, options.max_steps, 0)
        equip(self.slots, self.rhs, self.method, None, WATCH_EXPLICIT if self.watched else 0)
        self.slots[BUDGET] = max(20, 20_000 // max(self.rhs.n, 1))
        self.reals = new_reals(self.method, self.rhs.n, (0.0, 1.0), None, options.max_step, options.min_step, None, PI)
        scales(self.reals, self.rhs.n, options.rtol, options.atol)
        if self.watched:
            self.reals[STABILITY] = stability_boundary(self.method)
        self.rows = 0  # of the record, as many as the last solve needed
        self.stiff = False  # whether "auto" was seen to switch: what it takes then is not planned

    def run(self, t0: float, t1: float, y0: np.ndarray, p: np.ndarray, t_eval: np.ndarray | None) -> Done | None:
        """Solve; None where it does not reach the end with the one method."""
        slots, reals = self.slots.copy(), self.reals.copy()
        reals[T], reals[T_END] = t0, t1
        if self.watched:
            spare = np.empty(self.rhs.n)
            slots[SPARE] = spare.ctypes.data
        record = Record(slots, self.level, UNLIMITED, rows=self.rows)
        wanted = EMPTY if t_eval is None else t_eval
        ys = np.empty((len(wanted), self.rhs.n))
        advance = compiled_loop()
        code = advance(slots, reals, p, y0, wanted, ys, record.times, record.states, EMPTY, EMPTY_2D, self.method.dense)
        while code == NEED_ROOM:
            record.grow(slots)
            code = advance(slots, reals, p, y0, wanted, ys, record.times, record.states, EMPTY, EMPTY_2D, self.method.dense)
        if code == RUNNING:  # a long one: so that Ctrl-C is answered
            code = run(slots, reals, p, y0, wanted, ys, record, EMPTY, EMPTY_2D, self.method.dense, None, t0)
        if code != DONE:
            self.stiff = self.watched
            return None
        self.rows = record.advised(slots)
        count(int(slots[N_F]))
        steps = record.steps(slots)
        if t_eval is None:
            wanted, ys = steps.times.copy(), steps.states[:, : self.rhs.n].copy()
        return Done(self, slots, reals, (t0, t1), steps, wanted, ys, y0, p, t_eval)


class Done:
    """A solve that reached its end; what only some callers ask for is made when they do."""

    __slots__ = ("adjoint_residuals", "p", "plan", "reals", "slots", "span", "steps", "t", "t_eval", "y0", "ys")

    def __init__(self, plan, slots, reals, span, steps, t, ys, y0, p, t_eval) -> None:
        self.plan, self.slots, self.reals, self.span, self.steps, self.t, self.ys = plan, slots, reals, span, steps, t, ys
        self.y0, self.p, self.t_eval, self.adjoint_residuals = y0, p, t_eval, None

    def raw(self) -> RawSolution:
        """As `integrate` returns it."""
        counts = self.slots[COUNTERS].copy()
        piece = Piece(self.plan.method, self.span[0], self.steps, counts, self.plan.rhs.n)
        text = message(Status.SUCCESS, self.slots, self.reals)
        return RawSolution(self.t, self.ys, Status.SUCCESS, text, *counts.tolist(), self.steps, None, (piece,))

    def fields(self) -> dict[str, Any]:
        """Those of the result that the general way works out at once."""
        nfev, naccept, nreject, njev, nlu = self.slots[COUNTERS].tolist()
        plan = self.plan
        kept = [] if self.adjoint_residuals is None else [self.adjoint_residuals]

        def explain() -> Any:
            return report_adjoint(adjoint_of(plan.options.adjoint), plan.rhs, [plan.method], naccept, False, kept)

        return {
            "sol": None, "t_events": None, "y_events": None, "nfev": nfev, "njev": njev, "nlu": nlu, "naccept": naccept, "nreject": nreject,
            "method": find_method(plan.options.method).name, "switches": [(self.span[0], plan.method.name)], "status": 0,
            "message": message(Status.SUCCESS, self.slots, self.reals), "success": True, "_explain": explain,
        }  # fmt: skip


def planned(fun: Callable, t_span: Any, y0: Any, t_eval: Any, args: tuple, options: Options) -> OdeResult | None:
    """The solve, where a plan for it is known or can be made; else None, and nothing has happened."""
    if type(fun) is not FunctionType:
        return None
    try:
        t0, t1 = t_span
    except (TypeError, ValueError):
        return None
    if type(t0) not in NUMBERS or type(t1) not in NUMBERS or not (abs(t0) < math.inf and abs(t1 - t0) <= math.inf):
        return None
    if t_eval is not None:
        if type(t_eval) is not np.ndarray or t_eval.dtype is not F8 or t_eval.ndim != 1:
            return None
        t_eval = t_eval.copy()
    leaves, structure = tree.flatten(args)
    operands = [y0, *leaves]
    trace, values = _bottom(operands)
    if values is None or (type(values[0]) is not float and (type(values[0]) is not np.ndarray or values[0].dtype is not F8)):
        return None
    found = _find(fun, values, structure, args, options, trace is not None, t_eval is not None)
    if found is None or found.stiff:
        return None
    field, state = found.field, values[0]
    if field.captures:
        operands = [y0, *field.leaves_of(leaves, fun)]
        trace_too, values = _bottom(operands)
        if values is None or trace_too is not trace:
            return None  # a traced value that is closed over
        p = field.pack(values[1:])
    else:
        p = field.pack([values[1 + k] for k in field.arg_places])
        operands = [y0, *[leaves[k] for k in field.arg_places]]
    flat = np.array(state).reshape(-1)
    done = found.run(float(t0), float(t1), flat, p, t_eval)
    if done is None:
        return None
    ys = done.ys.reshape(len(done.ys), *field.y_shape)
    if trace is not None:
        ys = _recorded(done, ys, trace, operands)
    return OdeResult(t=done.t, ys=ys, _rest=done.fields)


def _bottom(operands: list) -> tuple[Any, list | None]:
    """The one trace, of reverse mode, that some of these belong to (None: none does), and their plain values; None for these otherwise."""
    trace, values = None, []
    for x in operands:
        if isinstance(x, Variable):
            if trace is None:
                trace = x.level
                if trace.forward or trace.closed:
                    return trace, None
            if x.level is not trace:
                return trace, None
            if x.window is not None:
                refresh(x)
            x = x.value
            if isinstance(x, Variable):
                return trace, None
        values.append(x)
    return trace, values


def _find(fun: Callable, values: list, structure: Any, args: tuple, options: Options, traced: bool, saves: bool) -> Plan | None:
    """The plan for these kinds of values, made where there is none; None where none can be."""
    state = values[0]
    shape = state.shape if type(state) is np.ndarray else ()
    kinds: list = [id(fun.__code__), len(fun.__defaults__ or ()), traced, saves, shape, structure]
    for x in values[1:]:
        kind = type(x)
        if kind is np.ndarray:
            kinds += (x.shape, x.dtype)
        elif kind is float or isinstance(x, (np.floating, float)):
            kinds.append(float)
        else:
            kinds += (kind, x)
    key = (options, *kinds)
    try:
        plans = PLANS.get(key)
    except TypeError:  # an option or a leaf without a hash: arrays of tolerances
        return None
    for plan in plans or ():
        if plan.field.current(fun):
            return plan
    plan = _new(fun, shape, args, options, traced, saves)
    if plan is not None:
        if len(PLANS) >= MOST:
            PLANS.clear()
        kept = PLANS.setdefault(key, [])
        kept.append(plan)
        del kept[:-KEPT]
    return plan


def _new(fun: Callable, shape: tuple, args: tuple, options: Options, traced: bool, saves: bool) -> Plan | None:
    method, adjoint = find_method(options.method), None
    explicit = isinstance(method, Auto) or (isinstance(method, ERK) and method.tableau.adaptive)
    if not explicit or type(options.rtol) is not float or type(options.atol) is not float or not options.max_steps > 0:
        return None
    if not (options.rtol >= SMALLEST_RTOL and 0.0 <= options.atol < math.inf and options.max_step > 0):
        return None
    if traced:
        adjoint = adjoint_of(options.adjoint)
        if getattr(adjoint, "planned", None) is None:
            return None
    compiled, _ = field_for(fun, shape, args, inplace=is_inplace(fun, len(args)))
    if isinstance(compiled.field, CallbackField):
        return None
    plan = Plan(compiled, fun.__code__, options, adjoint, traced, saves)
    return None if traced and plan.store is None else plan


def _recorded(done: Done, ys: np.ndarray, trace: Any, operands: list) -> Variable:
    """The states as one node of the tape."""
    plan, derivs = done.plan, [x.deriv if isinstance(x, Variable) else None for x in operands]
    active = [k for k, deriv in enumerate(derivs) if deriv is not None]
    if not active:
        out = wrap(ys, trace, None)
        out.shared = True
        return out
    residuals = done.adjoint_residuals = plan.adjoint.residuals(plan.method, done.steps, done.t_eval, done.ys, done.y0, done.p)

    def vjp(bar: Any) -> list:
        if isinstance(bar, Variable):  # of a second differentiation
            return _general(done, operands).rules().vjp(bar)
        with going_back():
            y0_bar, p_bar = plan.adjoint.backward(plan.rhs, residuals, bar.reshape(done.ys.shape), False)[:2]
        bars = [y0_bar.reshape(plan.field.y_shape)[()], *plan.field.unpack(p_bar)]
        return [bars[k] for k in active]

    out = wrap(ys, trace, Node(tuple([derivs[k] for k in active]), vjp, ys))
    out.shared = True  # the rule holds the array, too
    return out


def _general(done: Done, operands: list) -> SolveNode:
    """The solve as the general way records it."""
    plan = done.plan
    options = plan.options
    given = {name: getattr(options, name) for name in ("rtol", "atol", "max_step", "min_step", "max_steps")}
    given |= {"first_step": None, "mass": None, "method": find_method(options.method)}
    parents = [operands[0], *done.span, done.t_eval, *operands[1:]]

    def guarded(stage: Callable, *stage_given: Any) -> Any:
        return stage(plan.rhs, *stage_given)

    problem = done.span, done.y0, done.p, done.t_eval, given
    return SolveNode(plan.field, plan.field.y_shape, parents, problem, plan.adjoint, guarded, (done.raw(), done.adjoint_residuals))
