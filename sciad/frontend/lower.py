"""From a Python function and the kinds of its arguments to an IR function with a description of its inputs and outputs."""

from __future__ import annotations

import dataclasses
import types as python_types
from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad import tree
from sciad.errors import UnsupportedSyntax
from sciad.frontend import scalars
from sciad.frontend.calls import call_python
from sciad.frontend.context import ROOT, Capture, Context, Frame
from sciad.frontend.elementwise import as_lazy, contiguous_strides, store_lazy
from sciad.frontend.merge import describe
from sciad.frontend.source import python_function
from sciad.frontend.values import Array, Complex, Dict_, Lazy, Record, Static, Tuple_
from sciad.ir import Function, Value
from sciad.types import B1, BUFFERS, F8, I8, buffer_of, scalar_of_dtype

__all__ = ["Kind", "Leaf", "Lowered", "Output", "lower", "kind_of"]


@dataclass(frozen=True)
class Kind:
    """What compilation depends on of one argument leaf: scalar type, or dtype and known lengths (None: unknown), or a static object."""

    scalar: str | None = None
    dtype: str | None = None
    shape: tuple[int | None, ...] | None = None
    static: Any = None

    @property
    def is_array(self) -> bool:
        """Whether the leaf is an array."""
        return self.dtype is not None

    @property
    def differentiable(self) -> bool:
        """Whether the leaf can carry a derivative."""
        return self.scalar in ("f8", "f4") or self.dtype in ("float64", "float32")


@dataclass(eq=False)
class Leaf:
    """One runtime input: its kind, its IR parameters (value, or buffer then unknown lengths), and where a captured one is read from."""

    kind: Kind
    params: list[Value]
    capture: Capture | None = None
    label: str = ""


@dataclass(frozen=True)
class Output:
    """One leaf of the result: a scalar result, or an array result with its shape (ints, or positions of further results)."""

    kind: str  # "scalar", "array", "complex" or "static"
    position: int = -1
    dtype: str = ""
    shape: tuple = ()  # of ("const", n) or ("result", position)
    static: Any = None


@dataclass(eq=False)
class Lowered:
    """An IR function and how to call it: argument leaves, captured inputs, result structure, guards on compile-time captures."""

    function: Function
    leaves: list[Leaf]
    captures: list[Leaf]
    capture_trees: list[tuple[Capture, tree.Structure, int]]
    outputs: list[Output]
    structure: tree.Structure
    guards: list[tuple[Capture, Any]]
    inlined: list[tuple[Any, Any]]  # functions and how each is reached (see Capture); None for what was imported inside a function


def kind_of(value: Any, *, static_shape: bool = False) -> Kind:
    """The kind of an argument leaf; lengths are recorded where they are 1 (which broadcasts) or where all are to be constants."""
    if isinstance(value, (bool, np.bool_)):
        return Kind(scalar=B1)
    if isinstance(value, (int, np.integer)):
        return Kind(scalar=I8)
    if isinstance(value, np.float32):
        return Kind(scalar="f4")
    if isinstance(value, (float, np.floating)):
        return Kind(scalar=F8)
    if isinstance(value, np.ndarray):
        if scalar_of_dtype(value.dtype) is None:
            raise TypeError(f"array of dtype {value.dtype}")
        return Kind(dtype=value.dtype.name, shape=tuple(n if static_shape or n == 1 else None for n in value.shape))
    if isinstance(value, (complex, np.complexfloating)):
        raise TypeError("a complex number")
    return Kind(static=value)


class _Inputs:
    """Makes IR parameters for runtime inputs and compile-time values for the rest."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.captures: list[Leaf] = []
        self.capture_trees: list[tuple[Capture, tree.Structure, int]] = []
        self.guards: list[tuple[Capture, Any]] = []
        self.static_shape = False

    def leaf(self, kind: Kind, label: str, capture: Capture | None = None) -> tuple[Leaf, Any]:
        """Parameters and the lowered value of one leaf."""
        ctx = self.ctx
        hint = "".join(c if c.isalnum() else "_" for c in label).strip("_") or "x"
        if kind.scalar is not None:
            value = Value(kind.scalar, None, hint)
            return Leaf(kind, [value], capture, label), value
        if kind.dtype is None:
            static = scalars.constant(ctx, kind.static) if not isinstance(kind.static, int) else Static(kind.static)
            return Leaf(kind, [], capture, label), static
        buffer = Value(buffer_of(kind.dtype), None, hint)
        ctx.roots.add(buffer)
        if capture is not None:
            ctx.captured_buffers.add(buffer)
        params, shape = [buffer], []
        for axis, n in enumerate(kind.shape or ()):
            if n is not None:
                shape.append(ctx.b.const(n, I8))
            else:
                length = Value(I8, None, f"{hint}_n{axis}")
                ctx.lower_bound[length] = 0
                params.append(length)
                shape.append(length)
        strides = contiguous_strides(ctx, tuple(shape))
        return Leaf(kind, params, capture, label), Array(buffer, kind.dtype, ctx.b.const(0, I8), tuple(shape), strides, True)

    def capture(self, ctx: Context, capture: Capture, found: Any) -> Any:
        """Something the function closes over: floats and arrays become inputs, everything else is a compile-time object with a guard."""
        if callable(found) and not isinstance(found, np.ndarray):
            return self._static(capture, found)
        if isinstance(found, python_types.ModuleType) or found is None or isinstance(found, (str, bytes)):
            return self._static(capture, found)
        leaves, structure = tree.flatten(_plain(found))
        if not leaves or any(not isinstance(x, (bool, int, float, np.number, np.bool_, np.ndarray)) for x in leaves):
            return self._static(capture, found)
        if all(isinstance(x, (bool, int, np.integer, np.bool_)) for x in leaves):
            self.guards.append((capture, found))
            return from_structure(structure, [scalars.constant(ctx, x) for x in leaves])
        first = len(self.captures)
        values = []
        for path, x in zip(tree.leaf_paths(structure), leaves):
            leaf, value = self.leaf(kind_of(x, static_shape=self.static_shape), capture.label + path, capture)
            self.captures.append(leaf)
            values.append(value)
        self.capture_trees.append((capture, structure, first))
        return from_structure(structure, values)

    def _static(self, capture: Capture, found: Any) -> Static:
        if capture.function.__name__ != "_nowhere":
            self.guards.append((capture, found))
        value = Static(found)
        value.capture = capture  # type: ignore[attr-defined]
        return value


def _plain(value: Any) -> Any:
    """Traced variables as the plain arrays that they hold: kinds depend on values only through dtype and shape."""
    inner = getattr(value, "__sciad_value__", None)
    if inner is not None:
        return inner
    leaves, structure = tree.flatten(value)
    if any(hasattr(x, "__sciad_value__") for x in leaves):
        return tree.unflatten(structure, [getattr(x, "__sciad_value__", x) for x in leaves])
    return value


def from_structure(structure: tree.Structure, values: list) -> Any:
    """Lowered values arranged as the user's tree."""
    queue = list(values)

    def build(node: tree.Structure) -> Any:
        if node.kind == "leaf":
            return queue.pop(0)
        if node.kind == "none":
            return Static(None)
        children = [build(child) for child in node.children]
        if node.kind == "dict":
            made = dict(zip(node.keys, children))
            return Dict_({k: made[k] for k in node.order or node.keys})
        if node.kind == "dataclass":
            return Record(node.type, dict(zip(node.keys, children)))  # type: ignore[arg-type]
        return Tuple_(children, node.type or tuple)

    return build(structure)


def lower(function: Any, structure: tree.Structure, kinds: list[Kind], *, static_shape: bool = False) -> Lowered:
    """Lower ``function(*args)`` where `structure` and `kinds` describe the tuple of arguments."""
    plain = python_function(function)
    if not isinstance(plain, python_types.FunctionType):
        raise UnsupportedSyntax(f"`{function!r}` is not a Python function", "pass a def or a lambda")
    inputs: _Inputs
    ctx = Context(lambda c, capture, found: inputs.capture(c, capture, found))
    inputs = _Inputs(ctx)
    inputs.static_shape = static_shape
    ctx.filename = plain.__code__.co_filename
    leaves, values = [], []
    names = _argument_labels(plain, structure)
    for kind, label in zip(kinds, names):
        leaf, value = inputs.leaf(kind, label)
        leaves.append(leaf)
        values.append(value)
    args = from_structure(structure, values)
    ctx.frames.append(Frame("<call>", ctx.filename, 0))
    result = call_python(ctx, plain, args.items, {}, ROOT)
    return _finish(ctx, plain, inputs, leaves, result)


def _argument_labels(function: python_types.FunctionType, structure: tree.Structure) -> list[str]:
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    labels: list[str] = []
    for position, child in enumerate(structure.children):
        name = names[position] if position < len(names) else f"args{position}"
        labels += tree.leaf_paths(child, name)
    return labels


def _finish(ctx: Context, function: python_types.FunctionType, inputs: _Inputs, leaves: list[Leaf], result: Any) -> Lowered:
    results: list[Value] = []
    outputs: list[Output] = []
    structure = _outputs(ctx, result, results, outputs)
    body = ctx.b.region
    body.results = results
    body.params = [p for leaf in [*leaves, *inputs.captures] for p in leaf.params]
    lowered = Function(function.__name__, body, ctx.filename)
    return Lowered(lowered, leaves, inputs.captures, inputs.capture_trees, outputs, structure, inputs.guards, ctx.inlined)


def _outputs(ctx: Context, value: Any, results: list[Value], outputs: list[Output]) -> tree.Structure:
    """Append the leaves of a returned structure; arrays are returned as fresh contiguous buffers."""
    leaf = tree.Structure("leaf", None, (), ())
    if isinstance(value, Static) and value.object is None:
        return tree.Structure("none", None, (), ())
    if isinstance(value, Static):
        outputs.append(Output("static", static=value.object))
        return leaf
    if isinstance(value, Value):
        outputs.append(Output("scalar", len(results), value.type))
        results.append(value)
        return leaf
    if isinstance(value, Complex):
        outputs.append(Output("complex", len(results)))
        results.extend((value.real, value.imag))
        return leaf
    if isinstance(value, (Array, Lazy)):
        outputs.append(_array_output(ctx, value, results))
        return leaf
    if isinstance(value, Tuple_):
        kind = "namedtuple" if value.fields else value.type.__name__
        children = tuple(_outputs(ctx, x, results, outputs) for x in value.items)
        return tree.Structure(kind, value.type, value.fields, children)
    if isinstance(value, Dict_):
        keys = tuple(sorted(value.items)) if all(isinstance(k, str) for k in value.items) else tuple(value.items)
        children = tuple(_outputs(ctx, value.items[k], results, outputs) for k in keys)
        return tree.Structure("dict", dict, keys, children, tuple(value.items) if tuple(value.items) != keys else ())
    if isinstance(value, Record):
        names = tuple(f.name for f in dataclasses.fields(value.type))
        return tree.Structure("dataclass", value.type, names, tuple(_outputs(ctx, value.fields[n], results, outputs) for n in names))
    raise ctx.error(f"return of {describe(value)}", "return numbers, arrays, or tuples and dicts of them")


def _array_output(ctx: Context, value: Array | Lazy, results: list[Value]) -> Output:
    fresh = isinstance(value, Array) and value.contiguous and value.offset.constant == 0 and value.buffer.op is not None
    fresh = fresh and value.buffer.op.name == "alloc" and value.buffer not in results  # type: ignore[union-attr]
    array = value if fresh else store_lazy(ctx, as_lazy(ctx, value), getattr(value, "dtype", None))
    position = len(results)
    results.append(array.buffer)
    shape: list[tuple[str, int]] = []
    for n in array.shape:
        if n.constant is not None:
            shape.append(("const", int(n.constant)))
        else:
            shape.append(("result", len(results)))
            results.append(n)
    return Output("array", position, array.dtype, tuple(shape))


_ = BUFFERS
