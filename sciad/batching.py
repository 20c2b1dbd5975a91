"""`vmap`: a function of one item as a function of a batch.

A compiled function becomes one compiled loop over the batch, in which the passes find what can be shared and what becomes a matrix product;
plain code is called once for each item, on the tape.
"""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from sciad import tree
from sciad.errors import SciadError, ShapeError
from sciad.jit import Jitted, jit
from sciad.tape import value_of
from sciad.types import dtype_of

__all__ = ["vmap"]

_numbers = itertools.count()


def vmap(fun: Callable, in_axes: Any = 0, out_axes: Any = 0) -> Callable:
    """`fun` over a batch: ``vmap(f)(xs)[i]`` is ``f(xs[i])``.

    `in_axes`: for each argument the axis of its arrays that runs over the batch, or None where the argument is shared; one int for all.
    `out_axes`: where that axis stands in the results.  ShapeError where batches have different sizes or are empty.

    >>> vmap(lambda x, a: a * np.sum(x), in_axes=(0, None))(np.ones((3, 2)), 2.0)
    array([4., 4., 4.])
    """

    @wraps(fun)
    def run(*args: Any) -> Any:
        axes = _axes(in_axes, args)
        leaves, structure = tree.flatten(args)
        flat_axes = [axis for axis, child in zip(axes, structure.children) for _ in range(child.n_leaves)]
        moved = [x if axis is None else np.moveaxis(x, axis, 0) if axis else x for x, axis in zip(leaves, flat_axes)]
        size = _batch_size(moved, flat_axes)
        if isinstance(fun, Jitted):
            out = _compiled(fun, moved, flat_axes, structure)
        else:
            out = _looped(fun, moved, flat_axes, structure, size)
        return _placed(out, out_axes)

    return run


def _axes(in_axes: Any, args: tuple) -> list[int | None]:
    axes = [in_axes] * len(args) if in_axes is None or isinstance(in_axes, int) else list(in_axes)
    if len(axes) != len(args) or not all(a is None or isinstance(a, int) for a in axes):
        raise SciadError(f"in_axes {in_axes!r} does not fit {len(args)} arguments; give an int or None for each")
    return axes


def _batch_size(leaves: list, axes: list[int | None]) -> int:
    sizes = set()
    for x, axis in zip(leaves, axes):
        if axis is not None:
            shape = np.shape(value_of(x))
            if not shape:
                raise ShapeError("vmap over a number; give it an axis, or None in in_axes")
            sizes.add(shape[0])
    if len(sizes) != 1 or 0 in sizes:
        raise ShapeError(f"vmap needs one batch size above 0, found {sorted(sizes) or 'no batched argument'}")
    return sizes.pop()


def _looped(fun: Callable, leaves: list, axes: list[int | None], structure: tree.Structure, size: int) -> Any:
    found = []
    for i in range(size):
        found.append(tree.flatten(fun(*tree.unflatten(structure, [x if axis is None else x[i] for x, axis in zip(leaves, axes)]))))
    shape = found[0][1]
    if any(other != shape for _, other in found):
        raise ShapeError("vmap of a function whose results have different structures for different items")
    columns = [[row[k] for row, _ in found] for k in range(shape.n_leaves)]
    return tree.unflatten(shape, [np.stack([np.reshape(x, np.shape(value_of(x))) for x in column]) for column in columns])


def _placed(out: Any, out_axes: Any) -> Any:
    if out_axes == 0:
        return out
    if not isinstance(out_axes, int):
        raise SciadError(f"out_axes {out_axes!r}; give one int")
    return tree.tree_map(lambda x: np.moveaxis(x, 0, out_axes), out)


# -- compiled ----------------------------------------------------------------------------------------------------------------------
def _compiled(fun: Jitted, leaves: list, axes: list[int | None], structure: tree.Structure) -> Any:
    """Call the compiled loop; a new one for each structure of arguments, kept with the function."""
    item = [value_of(x) if axis is None else value_of(x)[0] for x, axis in zip(leaves, axes)]
    program = fun.program(item, structure)
    if any(program.written):
        raise SciadError(f"vmap of `{program.name}`, which writes into its arguments; return new arrays")
    if any(o.kind in ("static", "complex") for o in program.outputs):
        raise SciadError(f"vmap of `{program.name}`, which returns something other than floats, ints and arrays of them")
    kept = fun.__dict__.setdefault("_batched", {})
    key = (structure, tuple(axis is None for axis in axes), tuple((o.kind, o.dtype) for o in program.outputs))
    if key not in kept:
        kept[key] = _loop(fun, structure, axes, program.outputs, program.structure)
    out = kept[key](*leaves)
    return tree.unflatten(program.structure, out)


def _loop(fun: Jitted, structure: tree.Structure, axes: list[int | None], outputs: list, out: tree.Structure) -> Jitted:
    """The loop over the batch as a Python function of the leaves, for the frontend to lower."""
    names = [f"x{k}" for k in range(len(axes))]
    batched = next(name for name, axis in zip(names, axes) if axis is not None)
    makers: dict[str, Any] = {"np": np, "item": fun}

    def call(index: str) -> str:
        items = iter([name if axis is None else f"{name}[{index}]" for name, axis in zip(names, axes)])
        return f"item({', '.join(_text(child, items, makers) for child in structure.children)})"

    paths = tree.leaf_paths(out, "one")
    lines = [f"def batch({', '.join(names)}):", f"    n = {batched}.shape[0]", f"    one = {call('0')}"]
    for k, (o, path) in enumerate(zip(outputs, paths)):
        shape, dtype = ("(n,)", dtype_of(o.dtype)) if o.kind == "scalar" else (f"(n,) + {path}.shape", o.dtype)
        lines += [f"    out{k} = np.empty({shape}, np.{'bool_' if dtype == 'bool' else dtype})", f"    out{k}[0] = {path}"]
    lines += ["    for i in range(1, n):", f"        one = {call('i')}"]
    lines += [f"        out{k}[i] = {path}" for k, path in enumerate(paths)]
    lines.append(f"    return ({', '.join(f'out{k}' for k in range(len(paths)))},)")
    text = "\n".join(lines) + "\n"
    filename = f"<vmap of {fun.__sciad_function__.__name__}, {next(_numbers)}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    exec(compile(text, filename, "exec"), makers)
    return jit(makers["batch"])


def _text(structure: tree.Structure, items: Any, makers: dict[str, Any]) -> str:
    """Source of a tree with the given leaves."""
    if structure.kind == "leaf":
        return next(items)
    if structure.kind == "none":
        return "None"
    children = [_text(child, items, makers) for child in structure.children]
    if structure.kind == "dict":
        return "{" + ", ".join(f"{key!r}: {child}" for key, child in zip(structure.keys, children)) + "}"
    if structure.kind in ("namedtuple", "dataclass"):
        name = f"T{len(makers)}"
        makers[name] = structure.type
        return f"{name}({', '.join(children)})"
    return f"({', '.join(children)},)" if structure.kind == "tuple" else f"[{', '.join(children)}]"
