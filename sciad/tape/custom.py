"""Derivatives given by hand: one node for a compiled function or a solve, and `custom_vjp` and `custom_jvp` with JAX's meaning."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.errors import SciadError
from sciad.tape.checkpoint import checkpoint
from sciad.tape.core import Trace, Variable, refresh, top_trace, wrap
from sciad.tape.primitive import is_float, outputs, record
from sciad.tape.saving import dtype_of, freeze, is_traced, saved, shape_of, value_of
from sciad.tape.transform import differentiable, flatten_like, trace_vjp
from sciad.tree import flatten, tree_map, unflatten

__all__ = ["checkpoint", "custom_call", "custom_jvp", "custom_node", "custom_vjp", "stop_gradient"]


def stop_gradient(x: Any) -> Any:
    """A tree with its traced values replaced by plain ones of their own: constants for every differentiation."""

    def stop(leaf: Any) -> Any:
        value = value_of(leaf)
        return value.copy() if isinstance(leaf, Variable) and type(value) is np.ndarray else value

    return tree_map(stop, x)


# -- nodes -------------------------------------------------------------------------------------------------------------------------
def custom_node(
    value: Any, parents: Any, vjp: Callable, jvp: Callable | None = None, name: str = "", *, differentiable_vjp: bool = False
) -> Any:
    """Record a value that was computed elsewhere as one node of the graph.

    `value`: a number or array, or a tuple of them for several outputs.  `parents`: what it was computed from, traced or not.
    ``vjp(*out_bars)`` gives a cotangent (or None) for each parent; ``jvp(*parent_dots)``, with None for constants, the tangent(s).
    Parents may belong to several levels of differentiation.  Where a derivative of the derivative is needed, the rules are called with
    traced values if `differentiable_vjp` says that they can take them; else SciadError.  Then `value` must carry the derivatives of the
    outer levels itself: `custom_call` sees to that.
    """
    trace = top_trace(parents)
    if trace is None:
        return value
    name = name or getattr(vjp, "__qualname__", "custom function")
    below, derivs = _separate(trace, parents)
    outer = any(map(is_traced, below))
    if outer and not any(map(is_traced, value if isinstance(value, tuple) else (value,))):
        if differentiable_vjp:
            raise SciadError(f"{name}: a node with differentiable rules needs a value that is traced by the outer levels; use custom_call")
        value = custom_node(value, below, vjp, jvp, name)
    if not differentiable_vjp:
        vjp, jvp = _guarded(vjp, name, outer), jvp and _guarded(jvp, name, outer)
    return _record_custom(trace, value, derivs, vjp, jvp, name)


def custom_call(forward: Callable, args: Any, name: str = "") -> Any:
    """Apply ``forward(*args) -> (value, vjp, jvp)``, one level of differentiation at a time: the form for rules of any order.

    `forward` sees the arguments one level below and must compute value and rules with what that level can differentiate (further
    custom calls, NumPy); `vjp` and `jvp` are as in `custom_node`, `jvp` may be None.
    """
    trace = top_trace(args)
    if trace is None:
        return forward(*args)[0]
    below, derivs = _separate(trace, args)
    value, vjp, jvp = forward(*below)
    return _record_custom(trace, value, derivs, vjp, jvp, name or getattr(forward, "__qualname__", "custom function"))


def _separate(trace: Trace, parents: Any) -> tuple[list, list]:
    """Values one level below, safe from later writes, and derivatives."""
    values, derivs = [], []
    for x in parents:
        mine = isinstance(x, Variable) and x.level is trace
        if mine:
            refresh(x)
            values.append(saved(x) if isinstance(x.value, (np.ndarray, Variable)) else x.value)
        else:
            values.append(freeze(x, trace) if isinstance(x, (np.ndarray, Variable)) else x)
        derivs.append(x.deriv if mine else None)
    return values, derivs


def _guarded(rule: Callable, name: str, outer: bool) -> Callable:
    """The rule, refusing what it could only answer with a derivative that ignores the outer levels."""

    def call(*given: Any) -> Any:
        if outer or any(map(is_traced, given)):
            raise SciadError(
                f"{name}: a second derivative is asked for, but its derivative rule cannot itself be differentiated; "
                f"record it with custom_call, or declare differentiable_vjp=True if the rule is written in NumPy"
            )
        return rule(*given)

    return call


def _record_custom(trace: Trace, value: Any, derivs: list, vjp: Callable, jvp: Callable | None, name: str) -> Any:
    active = [k for k, d in enumerate(derivs) if d is not None]
    if not active:
        return outputs(trace, value, lambda v, k: None)
    if trace.forward:
        if jvp is None:
            raise SciadError(f"{name} has no forward rule; differentiate in reverse, or give it a jvp")
        dot = jvp(*derivs)
        out = outputs(trace, value, (lambda v, k: dot[k]) if isinstance(value, tuple) else lambda v, k: dot)
    else:
        n, single = len(derivs), not isinstance(value, tuple)

        def reverse(bars: Any) -> list:
            bars = (bars,) if single else tuple([_zeros(v) if b is None else b for b, v in zip(bars, value)])
            parts = vjp(*bars)
            if not isinstance(parts, (tuple, list)) or len(parts) != n:
                raise SciadError(f"{name}: its derivative rule must return a tuple of {n} cotangents, one for each argument")
            return [parts[k] for k in active]

        out, _ = record(trace, tuple([derivs[k] for k in active]), reverse, value)
    for leaf in out if isinstance(out, tuple) else (out,):
        if isinstance(leaf, Variable):
            leaf.shared = True  # the rules may hold the array, too
    return out


def _zeros(v: Any) -> Any:
    v = value_of(v)
    return np.zeros(shape_of(v), dtype_of(v) if is_float(v) else float)[()]


# -- functions of trees ------------------------------------------------------------------------------------------------------------
def _positional(fun: Callable, args: tuple, kwargs: dict) -> tuple:
    if not kwargs:
        return args
    bound = inspect.signature(fun).bind(*args, **kwargs)
    if bound.kwargs:
        name = getattr(fun, "__name__", "function")
        raise SciadError(f"{name}: arguments that can only be given by keyword are not differentiated; close over them")
    return bound.args


def _below(trace: Trace, args: tuple) -> tuple[list, tuple, Any]:
    """Derivatives of the leaves of the arguments, the arguments one level below, and their structure."""
    leaves, structure = flatten(args)
    values, derivs = _separate(trace, leaves)
    return derivs, unflatten(structure, values), structure


def _record_tree(trace: Trace, out: Any, derivs: list, vjp: Callable, name: str) -> Any:
    """Record the float leaves of a tree as outputs of one node; ``vjp(out_bar)`` takes a tree and gives a list of cotangents."""
    leaves, structure = flatten(out)
    if any(isinstance(leaf, Variable) and leaf.level is trace for leaf in leaves):
        raise SciadError(f"{name} uses a traced value that is not among its arguments; pass it as an argument")
    floats = [k for k, leaf in enumerate(leaves) if differentiable(leaf)]

    def reverse(*bars: Any) -> list:
        full: list = [None] * len(leaves)
        for k, bar in zip(floats, bars):
            full[k] = bar
        return vjp(unflatten(structure, full))

    made = _record_custom(trace, tuple([leaves[k] for k in floats]), derivs, reverse, None, name)
    for k, leaf in zip(floats, made):
        leaves[k] = leaf
    return unflatten(structure, leaves)


def custom_vjp(fun: Callable, fwd: Callable, bwd: Callable) -> Callable:
    """`fun` with a reverse derivative of its own: ``fwd(*args) -> (out, residuals)``, ``bwd(residuals, out_bar) -> tuple`` of cotangents.

    One cotangent (a tree, or None) for each positional argument.  Both are differentiated in turn for higher orders.  SciadError in
    forward mode, and for traced values that `fun` closes over.
    """

    @functools.wraps(fun)
    def call(*args: Any, **kwargs: Any) -> Any:
        name = getattr(fun, "__name__", "function")
        args = _positional(fun, args, kwargs)
        trace = top_trace(flatten(args)[0])
        if trace is None:
            return fun(*args)
        derivs, below, structure = _below(trace, args)
        if trace.forward and any(d is not None for d in derivs):
            raise SciadError(f"{name} has a custom_vjp and no forward derivative; use reverse mode, or custom_jvp, which serves both")
        out, residuals = fwd(*below)

        def vjp(out_bar: Any) -> list:
            return flatten_like(structure, bwd(residuals, out_bar), f"what the bwd of {name} returns")

        return _record_tree(trace, out, derivs, vjp, name)

    return call


def custom_jvp(fun: Callable, jvp: Callable) -> Callable:
    """`fun` with a derivative of its own in both modes: ``jvp(primals, tangents) -> (out, out_dot)``, linear in the tangents.

    Reverse mode runs `jvp` on traced tangents and transposes what it did.  Tangents of arguments that are not floats are None.
    """

    @functools.wraps(fun)
    def call(*args: Any, **kwargs: Any) -> Any:
        name = getattr(fun, "__name__", "function")
        args = _positional(fun, args, kwargs)
        trace = top_trace(flatten(args)[0])
        if trace is None:
            return fun(*args)
        derivs, below, structure = _below(trace, args)
        leaves = flatten(below)[0]
        zeros = [_zero_tangent(v) if differentiable(v) else None for v in leaves]
        if trace.forward:
            dots = unflatten(structure, [z if d is None else d for z, d in zip(zeros, derivs)])
            return _dual_tree(trace, *jvp(below, dots), name)
        (out, _), pullback = trace_vjp(lambda *dots: jvp(below, dots), unflatten(structure, zeros))
        return _record_tree(trace, out, derivs, lambda out_bar: flatten_like(structure, pullback((None, out_bar)), name), name)

    return call


def _zero_tangent(v: Any) -> Any:
    return 0.0 if type(value_of(v)) is float else _zeros(v)


def _dual_tree(trace: Trace, out: Any, out_dot: Any, name: str) -> Any:
    leaves, structure = flatten(out)
    dots = flatten_like(structure, out_dot, f"the tangent that the jvp of {name} returns")
    return unflatten(structure, [wrap(v, trace, d) if differentiable(v) else v for v, d in zip(leaves, dots)])
