"""The public transformations.  A function wrapped in `sciad.jit` goes through the compiled tier, any other through the tape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sciad import tree
from sciad.errors import SciadError, ShapeError
from sciad.jit import Jitted

__all__ = ["vjp", "jvp"]


def vjp(fun: Callable, *primals: Any, inout: Sequence[int] = ()) -> tuple[Any, Callable]:
    """The result of ``fun(*primals)`` and a pullback from a cotangent of the result to a tuple of cotangents, one for each primal.

    `inout` names array arguments that the function writes into: the result is then ``(result, *finals)`` with their final contents, and the
    pullback takes ``(result_bar, *finals_bar)``; cotangents are with respect to the contents at entry.  Non-differentiable arguments get
    None.  The caller's arrays are never changed.
    """
    if isinstance(fun, Jitted):
        return _vjp_compiled(fun, primals, tuple(inout))
    raise NotImplementedError


def _vjp_compiled(fun: Jitted, primals: tuple, inout: tuple[int, ...]) -> tuple[Any, Callable]:
    leaves, structure = tree.flatten(primals)
    program = fun.program(leaves, structure)
    first = _first_leaf(structure)
    inout_leaves = [first[k] for k in inout]
    values = [x.copy() if isinstance(x, np.ndarray) and program.written[k] else x for k, x in enumerate(leaves)] + program.captured(fun.__sciad_function__)
    kept = [np.array(x) if isinstance(x, np.ndarray) else x for x in values]
    result = program.call([np.array(x) if isinstance(x, np.ndarray) and program.written[k] else x for k, x in enumerate(values[: len(leaves)])]) if not inout else None
    out: Any = result
    if inout:
        scratch = [np.array(x) if isinstance(x, np.ndarray) and program.written[k] else x for k, x in enumerate(leaves)]
        result = program.call(scratch)
        out = (result, *[scratch[k] for k in inout_leaves])
    wrt = [k for k in range(len(leaves)) if program.inputs[k].kind.differentiable]

    def pullback(out_bar: Any) -> tuple:
        result_bar, finals = (out_bar[0], list(out_bar[1:])) if inout else (out_bar, [])
        if len(finals) != len(inout):
            raise ShapeError(f"the pullback takes (result_bar, *finals_bar) with {len(inout)} finals, {len(finals)} given")
        seeds = _seeds(program, result, result_bar)
        _, bars = program.run_pullback(kept, wrt, inout_leaves, seeds, finals)
        cotangents: list = [None] * len(leaves)
        for k, bar in zip(wrt, bars):
            cotangents[k] = bar
        return _arrange(structure, cotangents)

    return out, pullback


def _first_leaf(structure: tree.Structure) -> list[int]:
    """Number of the first leaf of each argument."""
    positions, count = [], 0
    for child in structure.children:
        positions.append(count)
        count += child.n_leaves
    return positions


def _arrange(structure: tree.Structure, cotangents: list) -> tuple:
    return tree.unflatten(structure, cotangents)


def _seeds(program: Any, result: Any, result_bar: Any) -> list:
    """Cotangents of the float outputs as the compiled pullback takes them: scalars, and flat arrays that it may use up."""
    bars = _matching_leaves(program, result_bar)
    seeds = []
    position = 0
    for o in program.lowered.outputs:
        bar = bars[position]
        position += 1
        if o.position < 0 or program.body.results[o.position].type not in ("f8", "f4", "*float64", "*float32"):
            continue
        if o.kind == "scalar":
            seeds.append(float(bar) if bar is not None else 0.0)
            continue
        shape = np.shape(_leaf(result, program, position - 1))
        dtype = o.dtype
        array = np.zeros(shape, dtype) if bar is None else np.array(np.broadcast_to(np.asarray(bar, dtype), shape))
        seeds.append(array.reshape(-1))
    return seeds


def _leaf(result: Any, program: Any, position: int) -> Any:
    return tree.flatten(result)[0][position]


def _matching_leaves(program: Any, bar: Any) -> list:
    structure = program.lowered.structure
    n = structure.n_leaves
    if n == 0:
        return []
    if bar is None:
        return [None] * n
    if structure.kind == "leaf":
        return [bar]
    return _align(structure, bar)


def _align(structure: tree.Structure, bar: Any) -> list:
    """Leaves of a cotangent tree; None stands for zeros of a whole branch."""
    if bar is None:
        return [None] * structure.n_leaves
    if structure.kind == "leaf":
        return [bar]
    if structure.kind == "none":
        return []
    if structure.kind == "dict":
        children = [bar[k] for k in structure.keys]
    elif structure.kind == "dataclass":
        children = [getattr(bar, k) for k in structure.keys]
    else:
        children = list(bar)
    if len(children) != len(structure.children):
        raise ShapeError(f"cotangent with {len(children)} parts for a result with {len(structure.children)}; give it the result's structure")
    return [leaf for child, part in zip(structure.children, children) for leaf in _align(child, part)]


def jvp(fun: Callable, primals: Sequence, tangents: Sequence, inout: Sequence[int] = ()) -> tuple[Any, Any]:
    """The result of ``fun(*primals)`` and its derivative in the direction `tangents` (None for zero)."""
    if isinstance(fun, Jitted):
        return _jvp_compiled(fun, tuple(primals), tuple(tangents), tuple(inout))
    raise NotImplementedError


def _jvp_compiled(fun: Jitted, primals: tuple, tangents: tuple, inout: tuple[int, ...]) -> tuple[Any, Any]:
    leaves, structure = tree.flatten(primals)
    program = fun.program(leaves, structure)
    dots = _align(structure, tangents)
    wrt = [k for k in range(len(leaves)) if program.inputs[k].kind.differentiable]
    given = [_tangent(leaves[k], dots[k], program.inputs[k].kind) for k in wrt]
    values = leaves + program.captured(fun.__sciad_function__)
    first = _first_leaf(structure)
    results, result_dots, finals = program.run_pushforward(values, wrt, given, [first[k] for k in inout])
    out = program.unpack(results)
    out_dot = _unpack_tangents(program, results, result_dots)
    if not inout:
        return out, out_dot
    return (out, *[f[0] for f in finals]), (out_dot, *[f[1] for f in finals])


def _tangent(value: Any, dot: Any, kind: Any) -> Any:
    if kind.is_array:
        return dot
    return 0.0 if dot is None else float(dot)


def _unpack_tangents(program: Any, results: tuple, dots: list) -> Any:
    """Tangents arranged as the result; None for outputs that are not floats."""
    queue = list(dots)
    out = []
    for o in program.lowered.outputs:
        if o.kind == "complex":
            out.append(complex(queue.pop(0), queue.pop(0)))
        elif o.position < 0 or program.body.results[o.position].type not in ("f8", "f4", "*float64", "*float32"):
            out.append(None)
        elif o.kind == "scalar":
            out.append(queue.pop(0))
        else:
            out.append(queue.pop(0).reshape([n if how == "const" else results[n] for how, n in o.shape]))
    return tree.unflatten(program.lowered.structure, out)


_ = SciadError
