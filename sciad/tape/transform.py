"""Differentiation of whole functions on trees of numbers and arrays: `trace_vjp` and `trace_jvp`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.errors import SciadError, ShapeError
from sciad.tape.core import F8, ArrayVariable, Node, Trace, Variable, refresh, wrap
from sciad.tape.saving import dtype_of, share, snapshot, value_of
from sciad.tape.sweep import ordered, pull
from sciad.tree import Structure, flatten, leaf_paths, unflatten

__all__ = ["trace_vjp", "trace_jvp", "differentiable", "flatten_like"]

_UNKNOWN_CONTAINERS = (dict, list, tuple, set, frozenset)


def differentiable(x: Any) -> bool:
    """Whether a leaf is a float or complex number or array (traced or not), and so has a derivative."""
    kind = type(x)
    if kind is np.ndarray:
        return x.dtype.kind in "fc"
    if isinstance(x, (float, complex, Variable)):
        return True
    if isinstance(x, (np.ndarray, np.generic)):
        if isinstance(x, np.ma.MaskedArray) or type(x) is np.matrix:
            raise SciadError(f"an argument of type {type(x).__name__}; pass a plain np.ndarray")
        return x.dtype.kind in "fc"
    return False


def flatten_like(structure: Structure, tree: Any, what: str) -> list:
    """Leaves of `tree`, which has the given structure, or None in place of any part of it; ShapeError where it does not."""
    if structure.kind == "leaf":
        return [tree]
    if tree is None or structure.kind == "none":
        return [None] * structure.n_leaves
    parts = _parts(structure, tree)
    if parts is None:
        raise ShapeError(f"{what} must be a {structure.kind} of {len(structure.children)}, like its counterpart, not {type(tree).__name__}")
    return [leaf for child, part in zip(structure.children, parts) for leaf in flatten_like(child, part, what)]


def _parts(structure: Structure, tree: Any) -> list | None:
    if structure.kind in ("tuple", "list", "namedtuple"):
        return list(tree) if isinstance(tree, (tuple, list)) and len(tree) == len(structure.children) else None
    if structure.kind == "dict":
        return [tree[k] for k in structure.keys] if isinstance(tree, dict) and set(tree) == set(structure.keys) else None
    return [getattr(tree, k) for k in structure.keys] if all(hasattr(tree, k) for k in structure.keys) else None


def _lift(trace: Trace, leaf: Any, deriv: Any) -> Variable:
    """A traced handle for an argument, which is never written to itself."""
    kind = type(leaf)
    if kind is not float and isinstance(leaf, np.ndarray):
        leaf = leaf if kind is np.ndarray else np.asarray(leaf)
        new = ArrayVariable(leaf, trace, deriv)
        trace.inputs.append((new, leaf))
    else:
        new = wrap(snapshot(leaf) if isinstance(leaf, Variable) else leaf, trace, deriv)
    new.shared = True
    return new


def _run(trace: Trace, fun: Callable, structure: Structure, leaves: list) -> tuple[list, Structure, list]:
    """Call the function on traced leaves: leaves of the result at the level below, its structure, their derivatives."""
    try:
        out_leaves, out_structure = flatten(fun(*unflatten(structure, leaves)))
        values, derivs = [], []
        for leaf in out_leaves:
            value, deriv = _lower(trace, leaf)
            values.append(value)
            derivs.append(deriv)
        return values, out_structure, derivs
    finally:
        trace.close()


def _lower(trace: Trace, leaf: Any) -> tuple[Any, Any]:
    """An output one level below `trace`, as the caller's own, and its derivative."""
    if isinstance(leaf, Variable):
        if leaf.level is not trace:
            if leaf.level.number > trace.number:
                raise SciadError("the differentiated function returned a traced value of a differentiation inside it")
            return leaf, None
        refresh(leaf)
        value = leaf.value
        if isinstance(value, Variable):
            return snapshot(value), leaf.deriv
        owner = leaf.owner
        if type(value) is np.ndarray and (owner.shared or leaf.window is not None or not value.flags.writeable):
            value = value.copy()
        else:
            share(leaf)
        return value, leaf.deriv
    if isinstance(leaf, np.ndarray) and leaf.dtype.hasobject:
        raise SciadError("the differentiated function returned an array of Python objects; np.stack traced parts instead")
    if _could_hide_traced(leaf):
        raise SciadError(
            f"the differentiated function returned a {type(leaf).__name__}, inside which sciad does not look; "
            f"return tuples, lists, dicts, named tuples or dataclasses of numbers and arrays"
        )
    return leaf, None


def _could_hide_traced(leaf: Any) -> bool:
    """Whether an output is something inside which there may be derivatives that would silently be zero."""
    if isinstance(leaf, (np.ndarray, np.generic)):
        return False
    if isinstance(leaf, _UNKNOWN_CONTAINERS) or hasattr(leaf, "__next__") or hasattr(leaf, "__array__"):
        return True
    return any(isinstance(v, Variable) for v in getattr(leaf, "__dict__", {}).values())


# -- reverse -----------------------------------------------------------------------------------------------------------------------
def trace_vjp(fun: Callable, primals: tuple) -> tuple[Any, Callable]:
    """Run ``fun(*primals)`` and record it: the result, and ``pullback(out_bar) -> tuple`` of cotangents shaped like `primals`.

    Floats and float (or complex) arrays, wherever they are in the trees, are differentiated; everything else is passed through and gets
    None.  `out_bar` has the tree of the result; None stands for zero.  The pullback may be called any number of times.  ShapeError for a
    cotangent that does not fit; the errors of `fun`.
    """
    trace = Trace(forward=False)
    leaves, structure = flatten(tuple(primals))
    active = [differentiable(leaf) for leaf in leaves]
    traced = [_lift(trace, leaf, Node((), None, leaf)) if on else leaf for leaf, on in zip(leaves, active)]
    models = [(t.deriv, type(value_of(leaf))) if on else None for t, leaf, on in zip(traced, leaves, active)]
    values, out_structure, nodes = _run(trace, fun, structure, traced)
    shapes = [None if node is None else (node.shape, node.dtype) for node in nodes]
    order = ordered([node for node in nodes if node is not None])
    n_out = len(nodes)

    def pullback(out_bar: Any) -> tuple:
        bars = flatten_like(out_structure, out_bar, "the cotangent of the result")
        paths = leaf_paths(out_structure) if n_out > 1 else [""]
        seeds = [(node, _seed(bar, shape, path)) for node, bar, shape, path in zip(nodes, bars, shapes, paths) if shape and bar is not None]
        found = pull(order, seeds)
        return unflatten(structure, _finished(models, found))

    return unflatten(out_structure, values), pullback


def _seed(bar: Any, shape: tuple, path: str) -> Any:
    """A cotangent of the type of the output that it belongs to; ShapeError where its shape is another."""
    if type(bar) is float and shape[1] is F8 and not shape[0]:
        return np.float64(bar)
    if not isinstance(bar, Variable):
        bar = np.asarray(bar)
        if bar.dtype.kind not in "fciub":
            raise ShapeError(f"the cotangent of result{path} is not a number or array of numbers")
    if bar.shape != shape[0]:
        raise ShapeError(f"the cotangent of result{path} has shape {bar.shape}, the result {shape[0]}")
    if bar.dtype != shape[1]:
        bar = (bar.real if bar.dtype.kind == "c" and shape[1].kind != "c" else bar).astype(shape[1])
    return bar if isinstance(bar, Variable) or bar.ndim else bar[()]


def _finished(models: list, found: dict) -> list:
    """Cotangents as the caller's own: writable arrays that share no memory, Python floats for Python floats, zeros where unused."""
    out: list = []
    seen: set[int] = set()
    for model in models:
        if model is None:
            out.append(None)
            continue
        node, kind = model
        bar, owned = found.get(node) or (np.zeros(node.shape, node.dtype), True)
        if kind is float and type(bar) is np.float64:
            out.append(float(bar))
            continue
        if isinstance(bar, Variable):
            bar = bar.copy()
        elif type(bar) is np.ndarray:
            if not owned or id(bar) in seen or not bar.flags.writeable:
                bar = bar.copy()
            seen.add(id(bar))
        if not node.shape and not isinstance(bar, Variable):
            bar = kind(bar) if kind in (float, complex) else np.asarray(bar) if kind is np.ndarray else np.asarray(bar)[()]
        out.append(bar)
    return out


# -- forward -----------------------------------------------------------------------------------------------------------------------
def trace_jvp(fun: Callable, primals: tuple, tangents: tuple) -> tuple[Any, Any]:
    """``fun(*primals)`` and its derivative in the direction `tangents` (trees like `primals`; None stands for zero).

    Outputs that are not floats have the tangent None.  ShapeError for a tangent that does not fit; the errors of `fun`.
    """
    trace = Trace(forward=True)
    leaves, structure = flatten(tuple(primals))
    dots = flatten_like(structure, tuple(tangents), "the tangent of the arguments")
    paths = leaf_paths(structure)
    traced = [_lift(trace, x, _tangent(x, d, p)) if differentiable(x) else x for x, d, p in zip(leaves, dots, paths)]
    values, out_structure, derivs = _run(trace, fun, structure, traced)
    out_dots = [_output_tangent(v, d) for v, d in zip(values, derivs)]
    return unflatten(out_structure, values), unflatten(out_structure, out_dots)


def _tangent(x: Any, dot: Any, path: str) -> Any:
    if dot is None:
        return None
    shape, dtype = (x.shape, x.dtype) if hasattr(x, "shape") else ((), np.asarray(x).dtype)
    if not isinstance(dot, Variable):
        dot = np.asarray(dot)
    if dot.shape != shape:
        raise ShapeError(f"the tangent of argument{path} has shape {dot.shape}, the argument {shape}")
    if isinstance(dot, Variable):
        return dot.copy() if dot.dtype == dtype else dot.astype(dtype)
    dot = dot.astype(dtype)  # a copy: the caller's may change
    return dot if isinstance(x, np.ndarray) or dot.ndim else dot[()]


def _output_tangent(value: Any, dot: Any) -> Any:
    if not differentiable(value):
        return None
    plain = value_of(value)
    if dot is None:
        dot = np.zeros(np.shape(plain), dtype_of(plain))[()]
    if type(plain) in (float, complex) and not isinstance(dot, Variable):
        return type(plain)(dot)
    return dot.copy() if isinstance(dot, (np.ndarray, Variable)) else dot

