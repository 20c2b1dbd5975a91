"""A vector field ``f(t, y, *args)`` as C functions over flat memory: what the solvers call through raw addresses.

All floats that the function depends on, in its arguments or closed over, are laid out in one parameter vector p; inside the compiled
function they are views at constant offsets.  Shapes are constants, so temporaries live on the stack and loops have known lengths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sciad import tree
from sciad.backend import digest, load_generated
from sciad.codegen.emit import HEADER, Emitter
from sciad.errors import ShapeError, UnsupportedSyntax
from sciad.fold import fold
from sciad.frontend.calls import call_python
from sciad.frontend.context import ROOT, Capture, Context, Frame, unchanged
from sciad.frontend.elementwise import as_lazy, contiguous_strides, nest, size_of
from sciad.frontend.lower import Kind, from_structure, kind_of
from sciad.frontend.merge import describe
from sciad.frontend.scalars import constant
from sciad.frontend.source import python_function
from sciad.frontend.values import Array, Lazy, Static, Tuple_
from sciad.frontend.views import as_array, assign
from sciad.ir import Builder, Region, Value, substitute, walk
from sciad.passes.dce import dce
from sciad.passes.forward import pushforward
from sciad.passes.pullback import pullback, split_pullback
from sciad.passes.simplify import simplify
from sciad.passes.structure import Structure, writes
from sciad.passes.tidy import tidy
from sciad.types import F8, I8
from sciad.verify import verified

__all__ = ["Field", "Slot"]


@dataclass(frozen=True)
class Slot:
    """One leaf in the parameter vector: where it starts, its shape (None for a Python float), and whether it can carry a derivative."""

    start: int
    shape: tuple[int, ...] | None
    differentiable: bool

    @property
    def size(self) -> int:
        """Number of entries."""
        return 1 if self.shape is None else int(np.prod(self.shape))


class _Parameters:
    """Lays leaves out in the parameter vector while the function is lowered."""

    def __init__(self, ctx: Context, buffer: Value) -> None:
        self.ctx, self.buffer = ctx, buffer
        self.slots: list[Slot] = []
        self.size = 0
        self.captures: list[tuple[Capture, tree.Structure]] = []
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
        self.captures.append((capture, structure))
        paths = tree.leaf_paths(structure, capture.label)
        return from_structure(structure, [self.leaf(x, path) for x, path in zip(plain, paths)])

    def _static(self, capture: Capture, found: Any) -> Static:
        if capture.function.__name__ != "_nowhere":
            self.guards.append((capture, found))
        value = Static(found)
        value.capture = capture  # type: ignore[attr-defined]
        return value


class Field:
    """The compiled forms of ``fun(t, y, *args)`` (or ``fun(dy, t, y, *args)`` where `inplace`) for one shape of y and kind of args.

    Raises UnsupportedSyntax where the compiled tier does not take `fun`, ShapeError where the result does not have y's shape.
    """

    def __init__(self, fun: Callable, y_shape: tuple[int, ...], args: tuple, *, inplace: bool = False) -> None:
        self.function = python_function(fun)
        self.name = getattr(self.function, "__name__", "rhs").strip("<>") or "rhs"
        self.y_shape, self.inplace = tuple(y_shape), inplace
        self.n = int(np.prod(self.y_shape)) if self.y_shape else 1
        self._lower(args, copy=False)
        if self._writes_inputs():
            self._lower(args, copy=True)

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
        self.args_structure, self.n_arg_slots = structure, len(parameters.slots)
        lengths = tuple(b.const(n, I8) for n in self.y_shape)
        out = Array(dy, "float64", b.const(0, I8), lengths, contiguous_strides(ctx, lengths), True)
        if self.inplace:
            nest(ctx, lengths, lambda where: b.store(dy, _flat(ctx, out, where), b.const(0.0)))
            result = call_python(ctx, self.function, [out, t, state, *rest], {}, ROOT)
        else:
            result = call_python(ctx, self.function, [t, state, *rest], {}, ROOT)
        if not (self.inplace and isinstance(result, Static) and result.object is None):
            self._write_result(ctx, out, result)
        ctx.b.region.params = [t, y, p, dy]
        self.body: Region = tidy(verified(ctx.b.region, "lowering"))
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
        where = f"right-hand side `{self.name}` ({ctx.filename})"
        if isinstance(result, Tuple_):
            result = as_array(ctx, result)
        if isinstance(result, Value) and not self.y_shape:
            ctx.b.store(out.buffer, ctx.b.const(0, I8), ctx.b.cast(result, F8))
            return
        if not isinstance(result, (Array, Lazy)):
            if isinstance(result, Value) and self.n == 1:
                assign(ctx, out, [], result, whole=True)
                return
            raise ShapeError(f"{where} returns {describe(result)}, y has shape {self.y_shape}; return dy/dt with y's shape")
        shape = tuple(n.constant for n in result.shape)
        if shape != self.y_shape and not (size_of(ctx, result.shape).constant == self.n == 1):
            text = "(" + ", ".join("?" if n is None else str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"
            raise ShapeError(f"{where} returns shape {text}, y has shape {self.y_shape}; return dy/dt with y's shape")
        assign(ctx, out, [], result, whole=True)

    def _writes_inputs(self) -> bool:
        structure = Structure(self.body)
        written = {structure.memory(buffer) for op in walk(self.body) for buffer in writes(op)}
        if structure.memory(self.p) in written:
            raise UnsupportedSyntax(
                f"right-hand side `{self.name}` writes into its arguments", "work on a copy", filename=self.function.__code__.co_filename
            )
        return structure.memory(self.y) in written

    # -- parameters ------------------------------------------------------------------------------------------------------------
    def leaves(self, args: tuple, function: Callable | None = None) -> list:
        """The leaves behind `slots` as they are now: floats and arrays of args, then what `function` closes over (traced ones as they are)."""
        root = python_function(function) if function is not None else self.function
        found = [x for x in tree.flatten(args)[0] if _in_vector(x)]
        for capture, _ in self.captures:
            found += [x for x in tree.flatten(capture.read(root))[0] if _in_vector(x)]
        return found

    def pack(self, leaves: list) -> np.ndarray:
        """The parameter vector; ShapeError where a leaf no longer has the shape it was compiled for."""
        p = np.empty(self.n_p)
        for slot, x in zip(self.slots, leaves):
            value = getattr(x, "__sciad_value__", x)
            if slot.shape is None:
                p[slot.start] = value
            else:
                p[slot.start : slot.start + slot.size] = np.reshape(value, -1)
        return p

    def unpack(self, p_bar: np.ndarray) -> list:
        """Cotangents of the leaves from the cotangent of the parameter vector; None for ints and bools."""
        out: list = []
        for slot in self.slots:
            part = p_bar[slot.start : slot.start + slot.size]
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
        for capture, structure in self.captures:
            leaves, found = tree.flatten(capture.read(root))
            if found != structure:
                return False
            for x in leaves:
                if _in_vector(x):
                    value = getattr(x, "__sciad_value__", x)
                    shape = np.shape(value) if isinstance(value, np.ndarray) else None
                    if shape != self.slots[position].shape:
                        return False
                    position += 1
        return True

    # -- compiled forms --------------------------------------------------------------------------------------------------------
    @cached_property
    def f(self) -> int:
        """Address of ``f(t, y, p, dy)``."""
        body = simplify(self.body)
        return self._compile("f", [("t", self.t)], [(self.y, self.n), (self.p, self.n_p), (self.dy, self.n)], body)

    @cached_property
    def _split(self):
        body, tape = simplify(self.body), Value("*float64", None, "tape")
        return split_pullback(body, [self.t, self.y, self.p], self.dy, tape), tape

    @property
    def tape_size(self) -> int:
        """Entries that `aug` writes for `rev`."""
        return self._split[0][3] if self._split[0] is not None else 0

    @cached_property
    def aug(self) -> int:
        """Address of ``aug(t, y, p, dy, tape)``."""
        split, tape = self._split
        buffers = [(self.y, self.n), (self.p, self.n_p), (self.dy, self.n)]
        body = split[0] if split is not None else simplify(self.body)
        return self._compile("aug", [("t", self.t)], [*buffers, (tape, self.tape_size)], body)

    @cached_property
    def rev(self) -> int:
        """Address of ``rev(t, y, p, tape, dy_bar, y_bar, p_bar, t_bar)``, which adds to y_bar, p_bar and t_bar[0]."""
        split, tape = self._split
        if split is not None:
            _, region, shadows, _ = split
        else:
            region, shadows = self._fused()
        region = self._finish_reverse(region, shadows)
        t_bar = region.params[-1]
        buffers = [(self.y, self.n), (self.p, self.n_p), (tape, self.tape_size), (region.params[-2], self.n)]
        buffers += [(shadows[self.y], self.n), (shadows[self.p], self.n_p), (t_bar, 1)]
        return self._compile("rev", [("t", self.t)], buffers, region)

    def _fused(self) -> tuple[Region, dict[Value, Value]]:
        """Both sweeps in one function, for right-hand sides whose tape has no constant size; dy is scratch memory."""
        body = simplify(self.body)
        region = pullback(body, [self.t, self.y, self.p], [], [self.dy])
        names = [self.y, self.p, self.dy]
        shadows = dict(zip(names, region.params[4:7]))
        region.results = region.results[-1:]
        b = Builder(fold)
        outer = b.enter(region.params)
        scratch = b.alloc("float64", self.n, zero=False)
        prefix = b.leave(outer)
        substitute(region, {self.dy: scratch})
        region.ops[:0] = prefix.ops
        return region, shadows

    def _finish_reverse(self, region: Region, shadows: dict[Value, Value]) -> Region:
        """Work on a copy of dy_bar (the sweep uses it up), and add the cotangent of t to its cell."""
        b = Builder(fold)
        given, t_bar = Value("*float64", None, "dy_bar"), Value("*float64", None, "t_bar")
        outer = b.enter()
        local = b.alloc("float64", self.n, zero=False, hint="seed")
        k = Value(I8, None, "i")
        inner = b.enter([k])
        b.store(local, k, b.load(given, k, F8))
        copying = b.leave(inner)
        b.emit("for", [b.const(self.n, I8)], [], [copying], parallel=True)
        prefix = b.leave(outer)
        outer = b.enter()
        zero = b.const(0, I8)
        b.store(t_bar, zero, b.pure("add", [b.load(t_bar, zero, F8), region.results[-1]], F8))
        suffix = b.leave(outer)
        substitute(region, {shadows[self.dy]: local})
        region.ops = [*prefix.ops, *region.ops, *suffix.ops]
        region.params = [p for p in region.params if p is not shadows[self.dy] and p is not local] + [given, t_bar]
        region.results = []
        return tidy(verified(region, "reverse of a field"))

    @cached_property
    def jvp(self) -> int:
        """Address of ``jvp(t, t_dot, y, y_dot, p, p_dot, dy, dy_dot)``."""
        body = simplify(self.body)
        region, carriers = pushforward(body, [self.t, self.y, self.p])
        t_dot, y_dot, p_dot = region.params[4:7]
        extra = dict(zip(carriers[3:], region.params[7:]))
        dy_dot = extra.get(self.dy) or Value("*float64", None, "dy_dot")
        region.results = []
        dce(region)
        buffers = [(self.y, self.n), (y_dot, self.n), (self.p, self.n_p), (p_dot, self.n_p), (self.dy, self.n), (dy_dot, self.n)]
        zero_dot = self.dy not in extra
        return self._compile("jvp", [("t", self.t), ("t_dot", t_dot)], buffers, region, clear=dy_dot if zero_dot else None)

    def _compile(self, form: str, floats: list, buffers: list, body: Region, clear: Value | None = None) -> int:
        stem = f"{self.name if self.name.isidentifier() else 'rhs'}_{form}"
        source = field_source(stem, self.function.__code__.co_filename, floats, buffers, body, clear)
        module = load_generated(source, stem, digest(source))
        compiled = getattr(module, stem)
        self.__dict__.setdefault("_alive", []).append(compiled)
        return compiled.address


def _in_vector(x: Any) -> bool:
    kind = kind_of(getattr(x, "__sciad_value__", x))
    return kind.is_array or kind.differentiable


def _flat(ctx: Context, array: Array, where: list[Value]) -> Value:
    from sciad.frontend.elementwise import flat_index

    return flat_index(ctx, array, where)


def field_source(stem: str, filename: str, floats: list, buffers: list, body: Region, clear: Value | None = None) -> str:
    """The generated module of one C function: floats by value, buffers by address, status 0."""
    emitter = Emitter(on_check="status", stack=True)
    emitter.taken.update((stem, f"{stem}_kernel"))
    emitter.count_uses(body)
    names = [emitter.name(v) for _, v in floats]
    arrays = [emitter.name(v) for v, _ in buffers]
    if clear is not None:
        emitter.put(f"{emitter.name(clear)}[:] = 0.0")
    emitter.region(body)
    for array in emitter.kept:
        emitter.put(f"keep({array})")
    emitter.put("return 0")
    vmath = "from sciad import vmath\n" if "vmath" in emitter.modules else ""
    views = [f"view1d({name}, {n})" for name, (_, n) in zip(arrays, buffers)]
    signature = f"kernel_signature({len(floats)}, {len(buffers)})"
    arguments = ", ".join([*names, *arrays])
    return "\n".join(
        [
            f'"""Generated by sciad from {filename}."""\n',
            f"{HEADER}{vmath}",
            f"\n@kernel\ndef {stem}_kernel({arguments}):",
            *emitter.lines,
            f"\n\n@cfunc({signature})\ndef {stem}({arguments}):",
            f"    return {stem}_kernel({', '.join([*names, *views])})\n",
        ]
    )
