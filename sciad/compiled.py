"""Transformations of functions wrapped in `sciad.jit`: from trees of arguments to the compiled programs and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad import tree
from sciad.errors import ShapeError
from sciad.jit import Jitted
from sciad.types import is_float

__all__ = ["vjp", "jvp", "value_and_grad", "source"]


def vjp(fun: Jitted, primals: tuple, inout: tuple[int, ...]) -> tuple[Any, Callable]:
    """See `sciad.vjp`."""
    if not inout and (hit := fun.fast.vjp(primals)) is not None:
        return hit
    leaves, structure = tree.flatten(primals)
    program = fun.program(leaves, structure)
    first = _first_leaf(structure)
    inout_leaves = [first[k] for k in inout]
    scratch = [np.array(x) if isinstance(x, np.ndarray) else x for x in leaves]
    captured = program.captured(fun.__sciad_function__)
    kept = [np.array(x) if isinstance(x, np.ndarray) else x for x in [*leaves, *captured]]
    result = program.call(scratch + captured)
    out = (result, *[scratch[k] for k in inout_leaves]) if inout else result
    wrt = [k for k in range(len(leaves)) if program.inputs[k].kind.differentiable]

    def pullback(out_bar: Any) -> tuple:
        result_bar, finals = (out_bar[0], list(out_bar[1:])) if inout else (out_bar, [])
        if len(finals) != len(inout):
            raise ShapeError(f"the pullback takes (result_bar, *finals_bar) with {len(inout)} finals, {len(finals)} given")
        _, bars = program.run_pullback(kept, wrt, inout_leaves, _seeds(program, result, result_bar), finals)
        return tree.unflatten(structure, _spread(len(leaves), wrt, bars))

    return out, pullback


def _spread(n: int, wrt: list[int], bars: list) -> list:
    """Cotangents of all leaves: None for those that are not floats."""
    full: list = [None] * n
    for k, bar in zip(wrt, bars):
        full[k] = bar
    return full


def value_and_grad(fun: Jitted, args: tuple, positions: list[int]) -> tuple[float, list]:
    """The value of a scalar function and its gradients with respect to some of its arguments, in one compiled call."""
    leaves, structure = tree.flatten(args)
    program = fun.program(leaves, structure)
    output = program.scalar_output()
    first = _first_leaf(structure)
    ranges = [range(first[k], first[k] + structure.children[k].n_leaves) for k in positions]
    wrt = [j for r in ranges for j in r if program.inputs[j].kind.differentiable]
    values = leaves + program.captured(fun.__sciad_function__)
    results, bars = program.run_pullback(values, wrt, (), [1.0], [])
    full = _spread(len(leaves), wrt, bars)
    return float(results[output]), [tree.unflatten(structure.children[k], full[r.start : r.stop]) for k, r in zip(positions, ranges)]


def source(fun: Jitted, args: tuple, mode: str) -> str:
    """The generated text of the primal, or of the derivative with respect to all floats."""
    leaves, structure = tree.flatten(args)
    program = fun.program(leaves, structure)
    return program.source(mode, [k for k in range(len(leaves)) if program.inputs[k].kind.differentiable])


def _first_leaf(structure: tree.Structure) -> list[int]:
    """Number of the first leaf of each argument."""
    positions, count = [], 0
    for child in structure.children:
        positions.append(count)
        count += child.n_leaves
    return positions


def _seeds(program: Any, result: Any, result_bar: Any) -> list:
    """Cotangents of the float outputs as the compiled pullback takes them: scalars, and flat arrays that it may use up."""
    bars = _matching_leaves(program, result_bar)
    seeds = []
    position = 0
    for o in program.outputs:
        bar = bars[position]
        position += 1
        if o.position < 0 or not is_float(program.result_types[o.position]):
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
    structure = program.structure
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
        raise ShapeError(f"(co)tangent with {len(children)} parts for a tree with {len(structure.children)}; give it the same structure")
    return [leaf for child, part in zip(structure.children, children) for leaf in _align(child, part)]


def jvp(fun: Jitted, primals: tuple, tangents: tuple, inout: tuple[int, ...]) -> tuple[Any, Any]:
    """See `sciad.jvp`."""
    leaves, structure = tree.flatten(primals)
    program = fun.program(leaves, structure)
    dots = _align(structure, tangents)
    wrt = [k for k in range(len(leaves)) if program.inputs[k].kind.differentiable]
    given = [_tangent(dots[k], program.inputs[k].kind) for k in wrt]
    values = leaves + program.captured(fun.__sciad_function__)
    first = _first_leaf(structure)
    results, result_dots, finals = program.run_pushforward(values, wrt, given, [first[k] for k in inout])
    out = program.unpack(results)
    out_dot = _unpack_tangents(program, results, result_dots)
    if not inout:
        return out, out_dot
    return (out, *[f[0] for f in finals]), (out_dot, *[f[1] for f in finals])


def _tangent(dot: Any, kind: Any) -> Any:
    if kind.is_array:
        return dot
    return 0.0 if dot is None else float(dot)


def _unpack_tangents(program: Any, results: tuple, dots: list) -> Any:
    """Tangents arranged as the result; None for outputs that are not floats."""
    queue = list(dots)
    out = []
    for o in program.outputs:
        if o.kind == "complex":
            out.append(complex(queue.pop(0), queue.pop(0)))
        elif o.position < 0 or not is_float(program.result_types[o.position]):
            out.append(None)
        elif o.kind == "scalar":
            out.append(queue.pop(0))
        else:
            out.append(queue.pop(0).reshape([n if how == "const" else results[n] for how, n in o.shape]))
    return tree.unflatten(program.structure, out)

