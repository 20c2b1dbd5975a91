"""A vector field ``f(t, y, *args)`` as C functions over flat memory: what the solvers call through raw addresses.

All floats that the function depends on, in its arguments or closed over, are laid out in one parameter vector p; inside the compiled
function they are views at constant offsets.  Shapes are constants, so temporaries live on the stack and loops have known lengths.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from sciad import tree
from sciad.errors import SciadError, ShapeError, UnsupportedSyntax
from sciad.field_forms import Forms
from sciad.frontend.calls import call_python
from sciad.frontend.context import ROOT, Capture, Context, Frame, unchanged
from sciad.frontend.elementwise import as_lazy, contiguous_strides, nest, size_of
from sciad.frontend.lower import Kind, from_structure, kind_of
from sciad.frontend.merge import describe
from sciad.frontend.scalars import constant
from sciad.frontend.source import python_function
from sciad.frontend.values import Array, Lazy, Static, Tuple_
from sciad.frontend.views import as_array, assign
from sciad.ir import Value, walk
from sciad.passes.optimise import optimise
from sciad.passes.structure import Structure, writes
from sciad.types import F8, I8
from sciad.verify import verified

__all__ = ["Field", "Slot", "inplace_returns"]


@dataclass(frozen=True)
class Slot:
    """One leaf in the parameter vector: where it starts, its shape (None for a Python float), and whether it can carry a derivative."""

    start: int
    shape: tuple[int, ...] | None
    differentiable: bool

    @cached_property
    def size(self) -> int:
        """Number of entries."""
        return 1 if self.shape is None else math.prod(self.shape)

    @cached_property
    def part(self) -> slice:
        """Its place in the vector."""
        return slice(self.start, self.start + self.size)


class _Captured(NamedTuple):
    """A captured tree: the positions of its leaves that lie in the vector, and those that were constants when the function was lowered."""

    capture: Capture
    structure: tree.Structure
    places: list[int]
    constants: list[tuple[int, Any]]


class _Parameters:
    """Lays leaves out in the parameter vector while the function is lowered."""

    def __init__(self, ctx: Context, buffer: Value) -> None:
        self.ctx, self.buffer = ctx, buffer
        self.slots: list[Slot] = []
        self.size = 0
        self.captures: list[_Captured] = []
        self.guards: list[tuple[Capture, Any]] = []

    def leaf(self, value: Any, label: str) -> Any:
        """The lowered value of one leaf; ints, bools and other objects are constants."""
        kind = kind_of(value, static_shape=True)
        if not kind.is_array and not kind.differentiable:
            return constant(self.ctx, value)
        b = self.ctx.b
        shape = None if kind.scalar else tuple(np.shape(value))
        slot = Slot(self.size, shape, kind.differentiable)
        self.slots.append(slot)
        self.size += slot.size
        if shape is None:
            return b.load(self.buffer, b.const(slot.start, I8), F8)
        lengths = tuple(b.const(n, I8) for n in shape)
        array = Array(self.buffer, "float64", b.const(slot.start, I8), lengths, contiguous_strides(self.ctx, lengths), True)
        return array if kind.differentiable else self._integers(array, kind)

    def _integers(self, array: Array, kind: Kind) -> Array:
        """An array of ints or bools travels as floats, and is turned back where the function starts."""
        from sciad.frontend.elementwise import new_array, write

        dtype = "bool" if kind.dtype == "bool" else "int64"
        target = new_array(self.ctx, dtype, array.shape)
        write(self.ctx, target, as_lazy(self.ctx, array))
        return target

    def capture(self, ctx: Context, capture: Capture, found: Any) -> Any:
        """Something the function closes over."""
        leaves, structure = tree.flatten(found)
        numeric = (bool, int, float, np.number, np.bool_, np.ndarray)
        plain = [getattr(x, "__sciad_value__", x) for x in leaves]
        if callable(found) or not leaves or any(not isinstance(x, numeric) for x in plain):
            return self._static(capture, found)
        if all(isinstance(x, (bool, int, np.integer, np.bool_)) for x in plain):
            self.guards.append((capture, found))
            return from_structure(structure, [constant(ctx, x) for x in plain])
        places = [k for k, x in enumerate(plain) if _in_vector(x)]
        constants = [(k, x) for k, x in enumerate(plain) if not _in_vector(x)]
        self.captures.append(_Captured(capture, structure, places, constants))
        paths = tree.leaf_paths(structure, capture.label)
        return from_structure(structure, [self.leaf(x, path) for x, path in zip(plain, paths)])

    def _static(self, capture: Capture, found: Any) -> Static:
        if capture.function.__name__ != "_nowhere":
            self.guards.append((capture, found))
        value = Static(found)
        value.capture = capture  # type: ignore[attr-defined]
        return value


class Field(Forms):
    """The compiled forms of ``fun(t, y, *args)`` (or ``fun(dy, t, y, *args)`` where `inplace`) for one shape of y and kind of args.

    Without `time`, of ``fun(y, *args)``: the compiled forms take a time all the same.  `out_shape` is the shape of the result, y's unless
    given.  Raises UnsupportedSyntax where the compiled tier does not take `fun`, ShapeError where the result has another shape.
    """

    def __init__(
        self, fun: Callable, y_shape: tuple[int, ...], args: tuple, *, inplace: bool = False, time: bool = True,
        out_shape: tuple[int, ...] | None = None,
    ) -> None:  # fmt: skip
        self.function = python_function(fun)
        if not hasattr(self.function, "__code__"):
            raise UnsupportedSyntax(f"`{self.function!r}` is no Python function", "wrap it in one: def f(t, y): ...")
        self.filename = self.function.__code__.co_filename
        self.name = getattr(self.function, "__name__", "rhs").strip("<>") or "rhs"
        self.y_shape, self.inplace, self.time = tuple(y_shape), inplace, time
        self.out_shape = self.y_shape if out_shape is None else tuple(out_shape)
        self.n, self.m = math.prod(self.y_shape), math.prod(self.out_shape)
        self._lower(args, copy=False)
        if self._writes_inputs():
            self._lower(args, copy=True)

    @property
    def kind(self) -> str:
        """What the function is called in messages."""
        return "right-hand side" if self.time else "function"

    # -- lowering --------------------------------------------------------------------------------------------------------------
    def _lower(self, args: tuple, copy: bool) -> None:
        holder: list[_Parameters] = []
        ctx = Context(lambda c, capture, found: holder[0].capture(c, capture, found))
        b = ctx.b
        t, y, p, dy = Value(F8, None, "t"), Value("*float64", None, "y"), Value("*float64", None, "p"), Value("*float64", None, "dy")
        ctx.roots.update((y, p, dy))
        parameters = _Parameters(ctx, p)
        holder.append(parameters)
        ctx.filename = self.function.__code__.co_filename
        ctx.frames.append(Frame("<call>", ctx.filename, 0))
        state = self._state(ctx, y, copy)
        leaves, structure = tree.flatten(args)
        values = [parameters.leaf(getattr(x, "__sciad_value__", x), path) for x, path in zip(leaves, tree.leaf_paths(structure, "args"))]
        rest = from_structure(structure, values).items
        self.n_arg_slots = len(parameters.slots)
        self.arg_places = [k for k, x in enumerate(leaves) if _in_vector(x)]
        lengths = tuple(b.const(n, I8) for n in self.out_shape)
        out = Array(dy, "float64", b.const(0, I8), lengths, contiguous_strides(ctx, lengths), True)
        given = [t, state, *rest] if self.time else [state, *rest]
        if self.inplace:
            nest(ctx, lengths, lambda where: b.store(dy, _flat(ctx, out, where), b.const(0.0)))
            given = [out, *given]
        result = call_python(ctx, self.function, given, {}, ROOT)
        if not self.inplace:
            self._write_result(ctx, out, result)
        elif not (isinstance(result, Static) and result.object is None) and not (isinstance(result, Array) and result.buffer is dy):
            raise inplace_returns(self.kind, self.name)
        ctx.b.region.params = [t, y, p, dy]
        self.body = optimise(verified(ctx.b.region, "lowering"))
        self.t, self.y, self.p, self.dy = t, y, p, dy
        self.slots, self.n_p = parameters.slots, parameters.size
        self.captures, self.guards = parameters.captures, parameters.guards

    def _state(self, ctx: Context, y: Value, copy: bool) -> Any:
        b = ctx.b
        if not self.y_shape:
            return b.load(y, b.const(0, I8), F8)
        lengths = tuple(b.const(n, I8) for n in self.y_shape)
        state = Array(y, "float64", b.const(0, I8), lengths, contiguous_strides(ctx, lengths), True)
        if copy:
            from sciad.frontend.elementwise import store_lazy

            return store_lazy(ctx, as_lazy(ctx, state))
        return state

    def _write_result(self, ctx: Context, out: Array, result: Any) -> None:
        where = f"{self.kind} `{self.name}` ({ctx.filename})"
        expected = f"the shape must be {self.out_shape}" + (", that of the state" if self.out_shape == self.y_shape else "")
        if isinstance(result, Tuple_):
            result = as_array(ctx, result)
        if isinstance(result, Value) and not self.out_shape:
            ctx.b.store(out.buffer, ctx.b.const(0, I8), ctx.b.cast(result, F8))
            return
        if not isinstance(result, (Array, Lazy)):
            if isinstance(result, Value) and self.m == 1:
                assign(ctx, out, [], result, whole=True)
                return
            raise ShapeError(f"{where} returns {describe(result)}; {expected}")
        shape = tuple(n.constant for n in result.shape)
        if shape != self.out_shape and not (size_of(ctx, result.shape).constant == self.m == 1):
            text = "(" + ", ".join("?" if n is None else str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"
            raise ShapeError(f"{where} returns shape {text}; {expected}")
        if not self.out_shape:
            ctx.b.store(out.buffer, ctx.b.const(0, I8), ctx.b.cast(as_lazy(ctx, result).element([ctx.b.const(0, I8)] * len(shape)), F8))
            return
        assign(ctx, out, [], result, whole=True)

    def _writes_inputs(self) -> bool:
        structure = Structure(self.body)
        written = {structure.memory(buffer) for op in walk(self.body) for buffer in writes(op)}
        if structure.memory(self.p) in written:
            raise UnsupportedSyntax(
                f"{self.kind} `{self.name}` writes into its arguments", "work on a copy", filename=self.function.__code__.co_filename
            )
        return structure.memory(self.y) in written

    # -- parameters ------------------------------------------------------------------------------------------------------------
    def leaves(self, args: tuple, function: Callable | None = None) -> list:
        """The leaves behind `slots` as they are now, traced or not: floats and arrays of args, then what `function` closes over."""
        return self.leaves_of(tree.flatten(args)[0], function)

    def leaves_of(self, flat_args: list, function: Callable | None = None) -> list:
        """The same, from the leaves of args."""
        found = [flat_args[k] for k in self.arg_places]
        if self.captures:
            root = python_function(function) if function is not None else self.function
            for captured in self.captures:
                flat = tree.flatten(captured.capture.read(root))[0]
                found += [flat[k] for k in captured.places]
        return found

    def pack(self, leaves: list) -> np.ndarray:
        """The parameter vector."""
        p = np.empty(self.n_p)
        for slot, x in zip(self.slots, leaves):
            value = getattr(x, "__sciad_value__", x)
            if slot.shape is None:
                p[slot.start] = value
            else:
                p[slot.part] = value.reshape(-1)
        return p

    def pack_tangents(self, dots: list) -> np.ndarray:
        """The tangent of the parameter vector from those of the leaves (None for zero)."""
        p_dot = np.zeros(self.n_p)
        for slot, dot in zip(self.slots, dots):
            if dot is not None:
                p_dot[slot.part] = np.reshape(dot, -1)
        return p_dot

    def unpack(self, p_bar: np.ndarray) -> list:
        """Cotangents of the leaves from the cotangent of the parameter vector; None for ints and bools."""
        out: list = []
        for slot in self.slots:
            part = p_bar[slot.part]
            if not slot.differentiable:
                out.append(None)
            else:
                out.append(float(part[0]) if slot.shape is None else part.reshape(slot.shape).copy())
        return out

    def current(self, function: Callable) -> bool:
        """Whether `function`, another closure of the same code, needs no new compilation."""
        root = python_function(function)
        if not unchanged(self.guards, root):
            return False
        position = self.n_arg_slots
        for captured in self.captures:
            flat, structure = tree.flatten(captured.capture.read(root))
            if structure != captured.structure or not all(_same(flat[k], x) for k, x in captured.constants):
                return False
            for k in captured.places:
                if not _fits(getattr(flat[k], "__sciad_value__", flat[k]), self.slots[position]):
                    return False
                position += 1
        return True


def inplace_returns(kind: str, name: str) -> SciadError:
    """The error for a function that is called with an array to write into, and returns its result."""
    return SciadError(
        f"{kind} `{name}` takes one positional argument more than it is given, which makes the first one the array that it writes into; "
        f"but it returns its result. Give all of its further arguments in args, or let it write and return nothing"
    )


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


def _fits(value: Any, slot: Slot) -> bool:
    """Whether a leaf can take the place of the one that was compiled."""
    if isinstance(value, np.ndarray):
        return value.shape == slot.shape and (value.dtype.kind == "f") == slot.differentiable
    return slot.shape is None and isinstance(value, (float, np.floating))


def _in_vector(x: Any) -> bool:
    kind = kind_of(getattr(x, "__sciad_value__", x))
    return kind.is_array or kind.differentiable


def _flat(ctx: Context, array: Array, where: list[Value]) -> Value:
    from sciad.frontend.elementwise import flat_index

    return flat_index(ctx, array, where)
