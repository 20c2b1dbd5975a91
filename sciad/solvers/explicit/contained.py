"""The step of an explicit Runge-Kutta method with a short right-hand side inside: written out over stages and components.

A stage of a small system waits for memory: f is called through an address, so stage values and derivatives go out and come back, some
twelve cycles each way.  Here they stay in registers, and of each stage only its last term waits for the stage before.  The kernel is made
of LLVM's instructions directly: as Python text it would take numba three seconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, reduce
from typing import Any

from llvmlite import ir as llvm
from numba.core import types
from numba.extending import intrinsic

from sciad.solvers.layout import ERROR, STAGE, TOLERANCE, Y_NEW, K, P, Y
from sciad.solvers.link import HEADER, load_kernels
from sciad.solvers.rhs import Inline
from sciad.solvers.tableau import Tableau

__all__ = ["contained_step", "step_of"]

DOUBLE, LONG = llvm.DoubleType(), llvm.IntType(64)
CONTRACT = ("contract",)
STATUS = types.int64(types.float64, types.intp, types.intp, types.intp)
TEXT = '''# {key}
from {inline.module} import {inline.name} as right_side
from sciad.solvers.explicit import EXPLICIT
from sciad.solvers.explicit.contained import step_of

contained = step_of(EXPLICIT["{name}"].tableau, {inline.n}, right_side._pyfunc)


@cfunc(kernel_signature(2, 1))
def step(t, h, slots):
    return contained(t, h, slots)
'''


@cache
def contained_step(tableau: Tableau, inline: Inline) -> int:
    """Address of ``int64 step(double t, double h, intp slots)`` for this right-hand side; no tapes, no extra stages."""
    coefficients = tableau.exact_c, tableau.exact_a, tableau.exact_b, tableau.exact_error(), tableau.b_low
    key = hashlib.sha256(_this_file() + repr(coefficients).encode()).hexdigest()
    text = HEADER + TEXT.format(key=key, inline=inline, name=tableau.name)
    return load_kernels(text, f"step_{tableau.name.lower()}_{inline.name}").step.address


@cache
def _this_file() -> bytes:
    with open(__file__, "rb") as file:
        return file.read()


def step_of(tableau: Tableau, n: int, right_side: Callable) -> Any:
    """The step as a function for compiled code, ``(t, h, slots) -> status``; `right_side` is the Python function of ``f(t, y, p, dy)``."""

    @intrinsic
    def contained(typingctx, t, h, slots):
        def codegen(context, builder, sig, args):
            return _Step(context, builder, tableau, n, right_side, *args).emit()

        return types.int64(types.float64, types.float64, types.intp), codegen

    return contained


class _Step:
    """Emits the instructions of one step.

    `y` and, for each stage, `k` are vectors; `last` is the newest k as scalars, which are there earlier.
    """

    def __init__(self, context, builder, tableau: Tableau, n: int, right_side: Callable, t, h, slots) -> None:
        self.context, self.builder, self.tableau, self.n, self.t, self.h = context, builder, tableau, n, t, h
        # not from numba's memory of such functions: it knows them by their code, which is the same for any two that only call a kernel
        self.right_side = context.compile_subroutine(builder, right_side, STATUS, caching=False).fndesc
        self.slots = builder.inttoptr(slots, LONG.as_pointer())
        self.p, self.stage, self.y_new = self.slot(P), self.slot(STAGE), self.slot(Y_NEW)
        rows = self.slot(K)
        self.rows = [builder.add(rows, LONG(8 * n * j)) for j in range(tableau.n_stages)]
        self.vector = llvm.VectorType(DOUBLE, n)
        self.y = self.packed(self.load(self.slot(Y)))
        self.last = self.load(self.rows[0])
        self.k = [self.packed(self.last)]
        self.end = builder.append_basic_block("end")
        self.codes: list[tuple[Any, Any]] = []

    def emit(self) -> Any:
        """The whole step; the status of f, or 0."""
        tableau, builder = self.tableau, self.builder
        last = tableau.n_stages - 1
        for j in range(1, tableau.n_stages):
            place = self.y_new if tableau.fsal and j == last else self.stage
            new = self.store(place, tableau.exact_a[j])
            self.evaluate(j, place)
        if not tableau.fsal:
            new = self.store(self.y_new, tableau.exact_b)
        self.error(new)
        builder.branch(self.end)
        self.codes.append((LONG(0), builder.block))
        builder.position_at_end(self.end)
        result = builder.phi(LONG)
        for code, block in self.codes:
            result.add_incoming(code, block)
        return result

    def evaluate(self, j: int, place: Any) -> None:
        """k_j = f(t + c_j h, what is at `place`)."""
        builder = self.builder
        time = self.fma(DOUBLE(float(self.tableau.exact_c[j])), self.h, self.t)
        code = self.context.call_internal(builder, self.right_side, STATUS, [time, place, self.p, self.rows[j]])
        following = builder.append_basic_block(f"stage{j + 1}")
        builder.cbranch(builder.icmp_signed("==", code, LONG(0)), following, self.end)
        self.codes.append((code, builder.block))
        builder.position_at_end(following)
        self.last = self.load(self.rows[j])
        self.k.append(self.packed(self.last))

    def store(self, place: Any, weights: Sequence[Fraction]) -> list:
        """y + h sum_j weights[j] k_j, to `place` too; the last term, which waits for f, is the last that is added."""
        builder, values = self.builder, []
        newest = len(self.k) - 1
        before = self.combination(weights[:newest])
        before = self.y if before is None else self.fma(self.every(self.h), before, self.y)
        factor = builder.fmul(self.h, DOUBLE(float(weights[newest])))
        for i in range(self.n):
            values.append(self.fma(factor, self.last[i], builder.extract_element(before, LONG(i))))
            builder.store(values[i], self.at(place, i))
        return values

    def error(self, new: list) -> None:
        """The mean square of the scaled error estimate, as in `erk`, where there are tolerances."""
        builder, tableau = self.builder, self.tableau
        tolerance, error = self.slot(TOLERANCE), self.slot(ERROR)
        with builder.if_then(builder.icmp_signed("!=", tolerance, LONG(0))):
            estimates = [tableau.exact_error()] + ([tableau.exact_error(low=True)] if tableau.b_low else [])
            atol, rtol = (self.packed(self.load(builder.add(tolerance, LONG(8 * self.n * j)))) for j in range(2))
            end = self.packed(new)
            scale = builder.fdiv(self.every(self.h), self.fma(rtol, self.larger(self.y, end), atol))
            spoilt = builder.fmul(self.every(DOUBLE(0.0)), end)  # NaN where the new state is not finite
            totals = []
            for weights in estimates:
                q = builder.fmul(scale, self.combination(weights))
                squares = self.fma(q, q, spoilt)
                parts = [builder.extract_element(squares, LONG(i)) for i in range(self.n)]
                totals.append(reduce(builder.fadd, parts))
            total = totals[0]
            if tableau.b_low:
                part = builder.fdiv(total, self.fma(DOUBLE(0.01), totals[1], total))
                total = builder.select(builder.fcmp_ordered(">", total, DOUBLE(0.0)), builder.fmul(total, part), total)
            builder.store(builder.fmul(total, builder.load(self.at(error, 1))), self.at(error, 0))

    # -- small things ------------------------------------------------------------------------------------------------------------
    def combination(self, weights: Sequence[Fraction]) -> Any:
        """sum_j weights[j] k_j; None where all weights are zero."""
        total = None
        for k, w in zip(self.k, weights):
            if w != 0:
                weight = self.every(DOUBLE(float(w)))
                total = self.builder.fmul(weight, k) if total is None else self.fma(weight, k, total)
        return total

    def every(self, x: Any) -> Any:
        """A vector of copies of one float."""
        if isinstance(x, llvm.Constant):
            return llvm.Constant(self.vector, [x] * self.n)
        return self.packed([x] * self.n)

    def packed(self, values: Sequence) -> Any:
        """Floats as a vector."""
        vector = llvm.Constant(self.vector, llvm.Undefined)
        for i, x in enumerate(values):
            vector = self.builder.insert_element(vector, x, LONG(i))
        return vector

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """a b + c, which LLVM may contract."""
        return self.builder.fadd(self.builder.fmul(a, b, flags=CONTRACT), c, flags=CONTRACT)

    def larger(self, a: Any, b: Any) -> Any:
        """max(|a|, |b|)."""
        negative = [self.builder.fneg(x) for x in (a, b)]
        sizes = [self.builder.select(self.builder.fcmp_ordered(">", x, m), x, m) for x, m in zip((a, b), negative)]
        return self.builder.select(self.builder.fcmp_ordered(">", *sizes), *sizes)

    def slot(self, number: int) -> Any:
        """The integer in a slot."""
        return self.builder.load(self.builder.gep(self.slots, [LONG(number)]))

    def at(self, address: Any, i: int) -> Any:
        """Pointer to the float number i behind an address."""
        return self.builder.gep(self.builder.inttoptr(address, DOUBLE.as_pointer()), [LONG(i)])

    def load(self, address: Any) -> list:
        """The floats behind an address, one for each component."""
        return [self.builder.load(self.at(address, i)) for i in range(self.n)]
