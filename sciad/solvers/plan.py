"""A solve planned ahead: what does not depend on the numbers is worked out at the first call and kept for the next ones.

Preparing a solve takes Python longer than small problems take to be solved.  `planned` takes the usual case: a compiled right-hand side,
plain times, scalar tolerances, dense linear algebra, one level of reverse mode or none.  It says None to everything else, and to every
solve that does not end well: the general way then does it from the beginning, and tells what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from sciad import tree
from sciad.solvers.auto import WATCH_EXPLICIT, WATCH_STIFF, Auto, choose
from sciad.solvers.callback import CallbackField
from sciad.solvers.counting import count, going_back
from sciad.solvers.fields import Compiled, field_for, is_inplace
from sciad.solvers.integrate import RawSolution
from sciad.solvers.late import adjoint_of, report_adjoint
from sciad.solvers.layout import DONE, NEED_ROOM, RUNNING, SWITCH
from sciad.solvers.loop import compiled_loop
from sciad.solvers.methods import find_method
from sciad.solvers.node import SolveNode
from sciad.solvers.pieces import Part, joined, run_switching
from sciad.solvers.result import OdeResult
from sciad.solvers.setup import SMALLEST_RTOL, STORES
from sciad.solvers.status import SUCCESS_TEXT, Status
from sciad.solvers.template import Template, has_template
from sciad.tape import Variable
from sciad.tape.core import Node, refresh, wrap

__all__ = ["Options", "planned"]

EMPTY, EMPTY_2D = np.empty(0), np.empty((0, 0))
F8 = np.dtype(np.float64)
NUMBERS = (float, int, np.float64)
KEPT, MOST = 8, 512  # plans for one key (closures over other constants), and keys
PLANS: dict[tuple, list[Plan]] = {}


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

    def __init__(self, compiled: Compiled, code: CodeType, options: Options, adjoint: Any, store: str) -> None:
        self.field, self.rhs, self.code, self.options, self.adjoint = compiled.field, compiled.rhs, code, options, adjoint
        self.asked = find_method(options.method)
        switching = isinstance(self.asked, Auto)
        method, other = choose(self.asked, self.rhs.n, options.rtol) if switching else (self.asked, None)
        template = Template(self.rhs, method, STORES[store], options, WATCH_EXPLICIT if switching else 0)
        self.route = _Route(method, other, template, None)  # replaced as a whole: other threads may be on it
        self.given_up = False

    def run(self, t0: float, t1: float, y0: np.ndarray, p: np.ndarray, t_eval: np.ndarray | None) -> Done | None:
        """Solve; None where the end is not reached, or not in a way that is planned."""
        wanted = EMPTY if t_eval is None else t_eval
        ys = np.empty((len(wanted), self.rhs.n))
        given = p, wanted, ys, EMPTY, EMPTY_2D, None, None
        route, pieces = self.route, None
        if route.pair is None:
            part = route.template.part(t0, t1)
            code = _run(part, y0, given)
            if code == DONE:
                route.template.learn(part)
                pieces = [part.piece()]
            elif code == SWITCH:
                route = self._turn_stiff(route)
        if route.pair is not None:
            pair = route.pair
            code, _, pieces = run_switching(route.method, route.other, lambda method, watch: pair[method].part(t0, t1), y0, given, _run)
        if code == RUNNING:  # a long one, which must answer to Ctrl-C
            self.given_up = True
        if code != DONE or pieces is None:
            return None
        if t_eval is None:
            wanted, ys = joined(pieces)
        done = Done(self, tuple(pieces), (t0, t1), wanted, ys, y0, p, t_eval)
        count(done.counts[0])
        return done

    def leave_explicit(self) -> None:
        """From now on the stiff method alone, as an adjoint takes it that does not trust the explicit steps of "auto"; else give up."""
        stiff = self.route.other
        if stiff is None or not self._may_take(stiff):
            self.given_up = True
        else:
            self.route = _Route(stiff, None, Template(self.rhs, stiff, STORES["states"], self.options), None)

    def _turn_stiff(self, route: _Route) -> _Route:
        """From now on both methods, the states of whose steps are kept; else give up."""
        if not self._may_take(route.other):
            self.given_up = True
            return route
        level = route.template.level if self.adjoint is None else STORES["states"]
        watches = (route.method, WATCH_EXPLICIT), (route.other, WATCH_STIFF)
        pair = {method: Template(self.rhs, method, level, self.options, watch) for method, watch in watches}
        self.route = route._replace(pair=pair)
        return self.route

    def _may_take(self, stiff: Any) -> bool:
        """Whether the linear algebra and the adjoint allow plans for a stiff method."""
        return has_template(self.rhs, stiff) and (self.adjoint is None or self.adjoint.planned(self.rhs, stiff) is not None)


class _Route(NamedTuple):
    """How a plan solves: by one method with its arrays or, where "auto" was seen to switch, by a pair."""

    method: Any
    other: Any
    template: Template
    pair: dict[Any, Template] | None


def _run(part: Part, y0: np.ndarray, given: tuple) -> int:
    """As `Part.run`, but for the time of one budget only."""
    slots, reals, record, advance = part.slots, part.reals, part.record, compiled_loop()
    p, wanted, ys, stops, jumps = given[:5]
    while True:
        code = advance(slots, reals, p, y0, wanted, ys, record.times, record.states, stops, jumps, part.method.dense)
        if code != NEED_ROOM:
            return code
        record.grow(slots)


class Done:
    """A solve that reached its end; what only some callers ask for is made when they do."""

    __slots__ = ("counts", "kept", "p", "pieces", "plan", "span", "t", "t_eval", "y0", "ys")

    def __init__(self, plan, pieces, span, t, ys, y0, p, t_eval) -> None:
        self.plan, self.pieces, self.span, self.t, self.ys, self.y0, self.p, self.t_eval = plan, pieces, span, t, ys, y0, p, t_eval
        self.counts = (pieces[0].counts if len(pieces) == 1 else sum(piece.counts for piece in pieces)).tolist()
        self.kept: list = []  # for a way back

    def raw(self) -> RawSolution:
        """As `integrate` returns it."""
        steps = self.pieces[0].steps if len(self.pieces) == 1 else None
        return RawSolution(self.t, self.ys, Status.SUCCESS, SUCCESS_TEXT, *self.counts, steps, None, self.pieces)

    def fields(self) -> dict[str, Any]:
        """Those of the result that the general way works out at once."""
        plan, pieces, kept = self.plan, self.pieces, self.kept
        nfev, naccept, nreject, njev, nlu = self.counts

        def explain() -> Any:
            return report_adjoint(adjoint_of(plan.options.adjoint), plan.rhs, [x.method for x in pieces], naccept, False, kept)

        return {
            "sol": None, "t_events": None, "y_events": None, "nfev": nfev, "njev": njev, "nlu": nlu, "naccept": naccept, "nreject": nreject,
            "method": plan.asked.name, "switches": [(x.start, x.method.name) for x in pieces], "status": 0, "message": SUCCESS_TEXT,
            "success": True, "_explain": explain,
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
    if found is None or found.given_up:
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
    if done is not None and trace is not None and not found.adjoint.trusts(found.rhs, done.pieces, p, isinstance(found.asked, Auto)):
        found.leave_explicit()  # now and from the next time on: the general way takes other steps, or another adjoint
        done = None
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
    method = find_method(options.method)
    plain = type(options.rtol) is float and type(options.atol) is float and options.max_steps > 0 and options.max_step > 0
    if not plain or not (options.rtol >= SMALLEST_RTOL and 0.0 <= options.atol < math.inf):
        return None
    if not isinstance(method, Auto) and not getattr(method, "adaptive", False):
        return None
    adjoint = adjoint_of(options.adjoint) if traced else None
    if traced and getattr(adjoint, "planned", None) is None:
        return None
    compiled, _ = field_for(fun, shape, args, inplace=is_inplace(fun, len(args)))
    first = choose(method, compiled.rhs.n, options.rtol)[0] if isinstance(method, Auto) else method
    if isinstance(compiled.field, CallbackField) or not has_template(compiled.rhs, first):
        return None
    store = adjoint.planned(compiled.rhs, first) if traced else "none" if saves else "states"
    if traced and store is not None and isinstance(method, Auto):
        store = "states"  # looking for stiffness evaluates f in between, where tapes of stages would be overwritten
    return None if store is None else Plan(compiled, fun.__code__, options, adjoint, store)


def _recorded(done: Done, ys: np.ndarray, trace: Any, operands: list) -> Variable:
    """The states as one node of the tape."""
    plan, derivs = done.plan, [x.deriv if isinstance(x, Variable) else None for x in operands]
    active = [k for k, deriv in enumerate(derivs) if deriv is not None]
    if not active:
        out = wrap(ys, trace, None)
        out.shared = True
        return out
    residuals = plan.adjoint.residuals(done.pieces, done.t, done.t_eval is None, done.ys, done.y0, done.p)
    done.kept.append(residuals)

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
    plan, (t0, t1) = done.plan, done.span
    given = {name: getattr(plan.options, name) for name in ("rtol", "atol", "max_step", "min_step", "max_steps")}
    given |= {"first_step": None, "mass": None, "method": plan.asked}
    parents = [operands[0], t0, t1, done.t_eval, *operands[1:]]

    def guarded(stage: Callable, *stage_given: Any) -> Any:
        return stage(plan.rhs, *stage_given)

    problem = done.span, done.y0, done.p, done.t_eval, given
    return SolveNode(plan.field, plan.field.y_shape, parents, problem, plan.adjoint, guarded, (done.raw(), done.kept[0]))
