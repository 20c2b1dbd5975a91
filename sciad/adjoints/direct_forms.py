"""One step of a method with the right-hand side in it, through the compiled engine: itself, and its derivatives of first and second order.

The step is a function of the state and of the parameter vector.  Where it calls f, J or f_t, the operations of the right-hand side, or of
their derivative, are copied in, so one reverse sweep differentiates the step as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from sciad.adjoints.direct_ndf import ndf_inverses, ndf_step
from sciad.adjoints.direct_source import explicit_step, radau_inverses, radau_step, rosenbrock_step, sdirk_inverses, sdirk_step
from sciad.adjoints.direct_tables import tables_of
from sciad.errors import SolveError
from sciad.field import Field
from sciad.field_forms import Forms
from sciad.frontend.calls import call_python
from sciad.frontend.context import Capture, Context, Frame
from sciad.frontend.elementwise import as_lazy, contiguous_strides, new_array, store_lazy
from sciad.frontend.scalars import constant
from sciad.frontend.values import Array, Static, Tuple_
from sciad.frontend.views import as_array, assign
from sciad.ir import Region, Value, substitute
from sciad.passes.dce import dce
from sciad.passes.forward import pushforward
from sciad.passes.jacobian import jacobian
from sciad.passes.optimise import optimise
from sciad.passes.pullback import pullback
from sciad.passes.simplify import simplify
from sciad.passes.tidy import tidy
from sciad.solvers.bdf.ndf import Ndf
from sciad.solvers.explicit import ERK
from sciad.solvers.radau import Radau
from sciad.solvers.rhs import Rhs
from sciad.solvers.rosenbrock import Rosenbrock
from sciad.solvers.sdirk import Sdirk
from sciad.types import F8, I8
from sciad.verify import verified

__all__ = ["StepForms", "compiled_field", "forms_of", "replayed", "state_size"]

_FORMS: WeakKeyDictionary[Field, dict[tuple, StepForms]] = WeakKeyDictionary()


def compiled_field(rhs: Rhs) -> Field:
    """The compiled field behind a right-hand side; SolveError where there is none."""
    field = rhs.owner[0] if isinstance(rhs.owner, tuple) and rhs.owner else rhs.owner
    if not isinstance(field, Field):
        raise SolveError(
            "this derivative differentiates the source of the right-hand side, which is not compiled here; make the right-hand side "
            "compilable (see the PerformanceWarning), or use first derivatives with adjoint='discrete'"
        )
    return field


def replayed(method: Any) -> bool:
    """Whether the steps of a method are known as sources."""
    return isinstance(method, ERK | Rosenbrock | Sdirk | Radau | Ndf)


def forms_of(rhs: Rhs, method: Any, iterations: int) -> StepForms:
    """The compiled step of a method for a right-hand side; Newton's method takes so many iterations."""
    field, kind = compiled_field(rhs), type(method)
    known, rows = _FORMS.setdefault(field, {}), len(method.dense)
    shapes = tuple(np.shape(x) for x in tables_of(method, np.eye(rhs.n)))
    key = kind, rows, shapes, iterations if SOURCES[kind][1] else 1
    if key not in known:
        known[key] = StepForms(field, kind, rows, shapes, key[-1])
    return known[key]


def state_size(kind: type, n: int) -> int:
    """How many numbers a step of a kind of method begins with: the state, and what it takes over from the step before."""
    return 6 * n if issubclass(kind, Ndf) else 2 * n if issubclass(kind, Sdirk) else n


def inverse_shape(kind: type, rows: int, n: int) -> tuple[int, ...]:
    """Of the matrices that the iterations of a step use."""
    known = {Sdirk: (rows - 1, n, n), Radau: (3 * n, 3 * n), Ndf: (n, n)}
    return known.get(kind, (0,))


SOURCES: dict[type, tuple] = {
    ERK: (explicit_step, None),
    Rosenbrock: (rosenbrock_step, None),
    Sdirk: (sdirk_step, sdirk_inverses),
    Radau: (radau_step, radau_inverses),
    Ndf: (ndf_step, ndf_inverses),
}


class _Part:
    """A function of the right-hand side inside the source of a step: its operations are copied to where it is called."""

    def __init__(self, field: Field, p: Value, kind: str) -> None:
        self.field, self.p, self.kind = field, p, kind

    def __sciad_lower__(self, ctx: Context, args: list, kwargs: dict[str, Any]) -> Array:
        """The lowered call ``part(t, y)``."""
        field, b = self.field, ctx.b
        t, y = b.cast(args[0], F8), as_array(ctx, args[1])
        if not (isinstance(y, Array) and y.contiguous and y.offset.constant == 0):
            y = store_lazy(ctx, as_lazy(ctx, y), "float64")
        n = b.const(field.n, I8)
        if self.kind == "slope" and field.autonomous:
            return new_array(ctx, "float64", (n,), zero=True)
        dy = new_array(ctx, "float64", (n,), hint="dy")
        given = {field.t: t, field.y: y.buffer, field.p: self.p, field.dy: dy.buffer}
        if self.kind == "f":
            region, found = simplify(field.body), dy
        elif self.kind == "jac":
            found = new_array(ctx, "float64", (n, n), hint="J")
            region = jacobian(simplify(field.body), field.y, field.dy, field.n, field.n)
            given[region.params[-1]] = found.buffer
        else:
            found = new_array(ctx, "float64", (n,), zero=True, hint="f_t")
            region, carriers = pushforward(simplify(field.body), [field.t])
            given[region.params[4]] = b.const(1.0)
            given |= {dot: found.buffer for dot, of in zip(region.params[5:], carriers[1:]) if of is field.dy}
            region.results = []
        substitute(region, given)
        b.region.ops += region.ops
        return found


class StepForms(Forms):
    """The compiled forms of one step, C functions of ``t, h`` and addresses; each returns 0, or not 0 where a check failed.

    ``y`` is the state at the beginning, followed by what the step takes over from the last rows of K of the step before (ESDIRK: its last
    stage, NDF: the differences): `n_state` numbers.

    ``out`` holds the state at the end (n), then the rows of K; ``start`` the rows that were recorded, from which Newton's iterations begin;
    ``inverse`` the matrices that these use, ``table`` the coefficients, one after the other.  Derivatives are with respect to y and p.
    """

    def __init__(self, field: Field, kind: type, rows: int, shapes: tuple[tuple[int, ...], ...], iterations: int) -> None:
        self.field, self.rows, self.shapes, self.iterations = field, rows, shapes, iterations
        self.source, self.matrices = SOURCES[kind]
        self.name, self.filename = f"{field.name}_{self.source.__name__}", field.filename
        self.n, self.n_p, self.size = field.n, field.n_p, field.n * (1 + rows)
        self.n_state = state_size(kind, field.n)
        self.n_table = sum(int(np.prod(shape)) for shape in shapes)
        self.inverse_shape = inverse_shape(kind, rows, self.n)
        self.n_inverse = int(np.prod(self.inverse_shape))
        self.t, self.h = Value(F8, None, "t"), Value(F8, None, "h")
        names = ("y", "p", "start", "inverse", "table", "out")
        self.y, self.p, self.start, self.inverse, self.table, self.out = (Value("*float64", None, name) for name in names)
        self.body = self._lowered(self.source, self.out, [(self.n,), (rows, self.n)])

    def _lowered(self, source: Callable, out: Value, shapes: list[tuple[int, ...]]) -> Region:
        """A source with the parts of the right-hand side, as a function of the buffers; its results, of these shapes, go to `out`."""
        ctx = Context(_import)
        b = ctx.b
        ctx.roots.update((self.y, self.p, self.start, self.inverse, self.table, self.out))
        ctx.filename = self.filename
        ctx.frames.append(Frame("<step>", self.filename, 0))
        parts = [Static(_Part(self.field, self.p, kind)) for kind in ("f", "jac", "slope")]
        y, start = _view(ctx, self.y, 0, (self.n,)), _view(ctx, self.start, 0, (self.rows, self.n))
        inverse, tables = _view(ctx, self.inverse, 0, self.inverse_shape), _views(ctx, self.table, self.shapes)
        if self.n_state > self.n:
            tables.append(_view(ctx, self.y, self.n, (self.n_state - self.n,)))
        found = call_python(ctx, source, [*parts, b.const(self.iterations, I8), self.t, self.h, y, start, inverse, Tuple_(tables)], {})
        found = found.items if isinstance(found, Tuple_) else [found]
        for target, value in zip(_views(ctx, out, shapes), found):
            assign(ctx, target, [], value, whole=True)
        b.region.params = [self.t, self.h, self.y, self.p, self.start, self.inverse, self.table]
        if out is not self.inverse:
            b.region.params.append(out)
        return optimise(verified(b.region, "lowering of a step"))

    @cached_property
    def invert(self) -> int:
        """Address of ``invert(t, h, y, p, start, inverse, table)``, which fills `inverse`."""
        body = self._lowered(self.matrices, self.inverse, [self.inverse_shape])
        return self._compile("invert", [self.t, self.h], self._sizes(), simplify(body))

    def _sizes(self) -> list[tuple[Value, int]]:
        """The buffers that all forms begin with."""
        state = [(self.y, self.n_state), (self.p, self.n_p), (self.start, self.rows * self.n)]
        return [*state, (self.inverse, self.n_inverse), (self.table, self.n_table)]

    @cached_property
    def value(self) -> int:
        """Address of ``value(t, h, y, p, start, inverse, table, out)``."""
        return self._compile("value", [self.t, self.h], [*self._sizes(), (self.out, self.size)], simplify(self.body))

    @cached_property
    def pull(self) -> int:
        """Address of ``pull(t, h, y, p, start, inverse, table, out_bar, y_bar, p_bar)``.

        Adds to y_bar and p_bar, and uses up out_bar.
        """
        region = pullback(simplify(self.body), [self.y, self.p], [], [self.out])
        y_bar, p_bar, out_bar = region.params[8:11]
        region.results = []
        self._scratch(region, [(self.out, self.size)])
        buffers = self._sizes() + [(out_bar, self.size), (y_bar, self.n_state), (p_bar, self.n_p)]
        return self._compile("pull", [self.t, self.h], buffers, tidy(verified(region, "reverse of a step")))

    def _pushed(self) -> tuple[Region, list[Value]]:
        """The step with its tangent, and the tangents of y, p and out."""
        region, carriers = pushforward(simplify(self.body), [self.y, self.p])
        assert carriers[2:] == [self.out]
        region.results = []
        return region, region.params[8:11]

    @cached_property
    def push(self) -> int:
        """Address of ``push(t, h, y, p, start, inverse, table, y_dot, p_dot, out_dot)``."""
        region, (y_dot, p_dot, out_dot) = self._pushed()
        self._scratch(region, [(self.out, self.size)])
        dce(region)
        buffers = self._sizes() + [(y_dot, self.n_state), (p_dot, self.n_p), (out_dot, self.size)]
        return self._compile("push", [self.t, self.h], buffers, region)

    @cached_property
    def push_pull(self) -> int:
        """Address of ``push_pull(t, h, y, p, start, inverse, table, y_dot, p_dot, out_bar, out_dot_bar, *bars)``, of y, p, y_dot, p_dot.

        The reverse of ``out, out_dot = push(y, y_dot, p, p_dot)``: adds to the bars, and uses up out_bar and out_dot_bar.
        """
        pushed, (y_dot, p_dot, out_dot) = self._pushed()
        region = pullback(simplify(pushed), [self.y, self.p, y_dot, p_dot], [], [self.out, out_dot])
        y_bar, p_bar, y_dot_bar, p_dot_bar, out_bar, out_dot_bar = region.params[11:17]
        region.results = []
        self._scratch(region, [(self.out, self.size), (out_dot, self.size)])
        buffers = self._sizes() + [(y_dot, self.n_state), (p_dot, self.n_p), (out_bar, self.size), (out_dot_bar, self.size)]
        buffers += [(y_bar, self.n_state), (p_bar, self.n_p), (y_dot_bar, self.n_state), (p_dot_bar, self.n_p)]
        return self._compile("push_pull", [self.t, self.h], buffers, tidy(verified(region, "second derivative of a step")))

    @cached_property
    def push_push(self) -> int:
        """Address of ``push_push(t, h, y, p, start, inverse, table, y_dot, p_dot, y_two, p_two, y_both, out_two, out_both)``.

        The tangent of `push` where y, p and y_dot move in the directions y_two, p_two and y_both, and p_dot stays.
        """
        pushed, (y_dot, p_dot, out_dot) = self._pushed()
        region, carriers = pushforward(simplify(pushed), [self.y, self.p, y_dot])
        assert carriers[3:] in ([self.out, out_dot], [out_dot, self.out])
        y_two, p_two, y_both, *outs = region.params[11:16]
        out_two, out_both = outs if carriers[3] is self.out else outs[::-1]
        region.results = []
        self._scratch(region, [(self.out, self.size), (out_dot, self.size)])
        dce(region)
        buffers = [*self._sizes(), (y_dot, self.n_state), (p_dot, self.n_p), (y_two, self.n_state), (p_two, self.n_p)]
        buffers.append((y_both, self.n_state))
        return self._compile("push_push", [self.t, self.h], [*buffers, (out_two, self.size), (out_both, self.size)], region)


def _import(ctx: Context, capture: Capture, found: Any) -> Any:
    """Globals of the sources are compile-time objects."""
    return constant(ctx, found) if isinstance(found, (int, float)) else Static(found)


def _view(ctx: Context, buffer: Value, at: int, shape: tuple[int, ...]) -> Array:
    lengths = tuple(ctx.b.const(int(k), I8) for k in shape)
    return Array(buffer, "float64", ctx.b.const(at, I8), lengths, contiguous_strides(ctx, lengths), True)


def _views(ctx: Context, buffer: Value, shapes: Any) -> list[Array]:
    """Arrays of these shapes, one after the other in a buffer."""
    found, at = [], 0
    for shape in shapes:
        found.append(_view(ctx, buffer, at, shape))
        at += int(np.prod(shape))
    return found
