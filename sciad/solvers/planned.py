"""Solves by plans: the way that `solve_ivp` tries first.

`planned` takes the usual case: a compiled right-hand side, plain times, scalar tolerances, dense linear algebra, one level of reverse mode
or none.  It says None to everything else, and to every solve that does not end well: the general way then does it from the beginning, and
tells what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from sciad import tree
from sciad.solvers.auto import Auto, choose
from sciad.solvers.callback import CallbackField
from sciad.solvers.counting import going_back
from sciad.solvers.fields import field_for, is_inplace
from sciad.solvers.late import adjoint_of
from sciad.solvers.methods import find_method
from sciad.solvers.node import SolveNode
from sciad.solvers.plan import Done, Options, Plan
from sciad.solvers.result import OdeResult
from sciad.solvers.setup import SMALLEST_RTOL
from sciad.solvers.template import has_template
from sciad.tape import Variable
from sciad.tape.core import Node, refresh, wrap

__all__ = ["planned"]

F8 = np.dtype(np.float64)
NUMBERS = (float, int, np.float64)
KEPT, MOST = 8, 512  # plans for one key (closures over other constants), and keys
PLANS: dict[tuple, list[Plan]] = {}


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
    y0, t_eval = _numbers(y0), _numbers(t_eval)
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
    ys, t = done.ys.reshape(len(done.ys), *field.y_shape), done.t
    if trace is not None:
        ys, t = _recorded(done, ys, trace, operands), t.copy()  # the way back reads its own times
    return OdeResult(t=t, ys=ys, _rest=done.fields)


def _numbers(x: Any) -> Any:
    """A list of plain numbers as an array."""
    if type(x) in (list, tuple) and x and all(type(item) in NUMBERS for item in x):
        return np.array(x, np.float64)
    return x


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
