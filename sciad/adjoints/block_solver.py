"""Linear systems of an implicit reverse solve that carries p_bar along: only the block of lambda is factored.

The Jacobian of (lambda, p_bar)' = (-J^T lambda, -f_p^T lambda) is [[-J^T, 0], [-f_p^T, 0]], so that (c I - h Jac) (x, q) = (b, r) is

    (c I + h J^T) x = b,    q = (r - h f_p^T x) / c

with one product f_p^T x, which the reverse of the right-hand side makes.  Costs: n unknowns to factor, however many parameters.
With a mass matrix M, the block is c M^T + h J^T.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from sciad.adjoints.reverse_rhs import (
    C_COEFFICIENT,
    C_EVALUATE,
    C_FACTOR,
    C_FACTOR_Z,
    C_H,
    C_IM,
    C_MASS,
    C_MULTIPLY,
    C_N,
    C_NP,
    C_P,
    C_P_X,
    C_RE,
    C_REV,
    C_SOLVE,
    C_SOLVE_Z,
    C_T_BAR,
    C_T_J,
    C_TAPE_J,
    C_X,
    C_Y_BAR,
    C_Y_J,
    CONTEXT_NAMES,
    keep_place,
    state_at,
)  # fmt: skip
from sciad.backend import call_address
from sciad.solvers.dense import interpolate, weight
from sciad.solvers.layout import MASS, N, P
from sciad.solvers.linear import Banded, Dense, Sparse, dense_complex
from sciad.solvers.linear.dense import LinearSolver
from sciad.solvers.link import HEADER, load_kernels, source_of
from sciad.solvers.memory import get, get_int, put, put_int

__all__ = ["Block", "transposed"]

_TRANSPOSED: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


class Block:
    """Linear algebra, in the sense of `integrate`, for the reverse solve of a `Context`; `inner` is that of the block of lambda."""

    def __init__(self, context: Any, inner: Any) -> None:
        n_p, n = int(context.slots[C_NP]), inner.n
        self.context, self.inner, self.name, self.n = context, inner, inner.name, n + n_p
        self.table, self.j_size, self.lu_size = inner.table, inner.j_size, inner.lu_size
        for name, size in ((C_Y_J, n), (C_TAPE_J, context.forward_rhs.tape_size), (C_X, 2 * n), (C_P_X, 2 * n_p)):
            context.reserve(name, size)

    def addresses(self) -> LinearSolver:
        """Addresses of the kernels."""
        inner, kernels = self.inner.addresses(), _compiled()
        self.context.slots[[C_FACTOR, C_SOLVE, C_MULTIPLY, C_EVALUATE]] = inner.factor, inner.solve, inner.multiply, inner.evaluate
        found = [getattr(kernels, name).address for name in ("block_factor", "block_solve", "block_solve_t", "block_multiply")]
        return LinearSolver(*found, inner.getrf, inner.getrs, kernels.block_evaluate.address if inner.evaluate else 0)

    def addresses_z(self) -> tuple[int, int, int, int]:
        """The complex solver, as `dense_complex`."""
        factor, solve, getrf, getrs = dense_complex(self.inner.n)
        self.context.slots[[C_FACTOR_Z, C_SOLVE_Z]] = factor, solve
        kernels = _compiled()
        return kernels.block_factor_z.address, kernels.block_solve_z.address, getrf, getrs


def transposed(linear: Any) -> Any:
    """Linear algebra for J^T, from that for J: dense, banded or sparse."""
    if isinstance(linear, Banded):
        return Banded(linear.n, linear.upper, linear.lower)
    if not isinstance(linear, Sparse):
        return Dense(linear.n)
    if linear not in _TRANSPOSED:
        from scipy.sparse import csc_matrix

        rows, columns = linear.arrays[-3:-1]
        _TRANSPOSED[linear] = Sparse(csc_matrix((np.ones(len(rows), bool), (columns, rows)), shape=(linear.n, linear.n)))
    return _TRANSPOSED[linear]


def parameter_part(c, x, out):
    """out = f_p^T x where the Jacobian at hand was evaluated."""
    for j in range(get_int(c, C_NP)):
        put(out, j, 0.0)
    y, p, tape = get_int(c, C_Y_J), get_int(c, C_P), get_int(c, C_TAPE_J)
    return call_address(get_int(c, C_REV), get(c, C_T_J), y, p, tape, x, get_int(c, C_Y_BAR), out, get_int(c, C_T_BAR))


def block_evaluate(t, z, slots):
    """-J^T, in the form of the block's linear algebra."""
    c, size = get_int(slots, P), get_int(slots, N)
    state_at(t, c)
    if keep_place(t, c) != 0:
        return -1
    put_int(slots, N, get_int(c, C_N))
    code = call_address(get_int(c, C_EVALUATE), t, z, slots)
    put_int(slots, N, size)
    return code


def block_factor(coefficient, h, slots):
    """Factor c I + h J^T."""
    c, size = get_int(slots, P), get_int(slots, N)
    put(c, C_COEFFICIENT, coefficient)
    put(c, C_H, h)
    whole = get_int(slots, MASS)
    put_int(slots, MASS, get_int(c, C_MASS))
    put_int(slots, N, get_int(c, C_N))
    code = call_address(get_int(c, C_FACTOR), coefficient, h, slots)
    put_int(slots, N, size)
    put_int(slots, MASS, whole)
    return code


def block_solve(slots, b):
    """Overwrite (b, r) with (x, q)."""
    c, size = get_int(slots, P), get_int(slots, N)
    n, n_p, part, h = get_int(c, C_N), get_int(c, C_NP), get_int(c, C_P_X), get(c, C_H)
    put_int(slots, N, n)
    code = call_address(get_int(c, C_SOLVE), slots, b)
    put_int(slots, N, size)
    if code == 0:
        code = parameter_part(c, b, part)
    for j in range(n_p):
        put(b, n + j, (get(b, n + j) - h * get(part, j)) / get(c, C_COEFFICIENT))
    return code


def block_solve_t(slots, b):
    """There is no reverse of a reverse solve."""
    return -1


def block_multiply(slots, x, out):
    """-J^T x, and zeros: all that matters to the spectrum."""
    c, size = get_int(slots, P), get_int(slots, N)
    n = get_int(c, C_N)
    put_int(slots, N, n)
    code = call_address(get_int(c, C_MULTIPLY), slots, x, out)
    put_int(slots, N, size)
    for j in range(n, size):
        put(out, j, 0.0)
    return code


def block_factor_z(re, im, h, slots):
    """Factor (re + i im) I + h J^T."""
    c, size = get_int(slots, P), get_int(slots, N)
    put(c, C_RE, re)
    put(c, C_IM, im)
    put(c, C_H, h)
    whole = get_int(slots, MASS)
    put_int(slots, MASS, get_int(c, C_MASS))
    put_int(slots, N, get_int(c, C_N))
    code = call_address(get_int(c, C_FACTOR_Z), re, im, h, slots)
    put_int(slots, N, size)
    put_int(slots, MASS, whole)
    return code


def block_solve_z(slots, b):
    """The same for complex numbers, in pairs."""
    c, size = get_int(slots, P), get_int(slots, N)
    n, n_p, x, part = get_int(c, C_N), get_int(c, C_NP), get_int(c, C_X), get_int(c, C_P_X)
    h, re, im = get(c, C_H), get(c, C_RE), get(c, C_IM)
    put_int(slots, N, n)
    code = call_address(get_int(c, C_SOLVE_Z), slots, b)
    put_int(slots, N, size)
    for i in range(n):
        put(x, i, get(b, 2 * i))
        put(x, n + i, get(b, 2 * i + 1))
    for half in range(2):
        if code == 0:
            code = parameter_part(c, x + 8 * n * half, part + 8 * n_p * half)
    for j in range(n_p):
        u, v = get(b, 2 * (n + j)) - h * get(part, j), get(b, 2 * (n + j) + 1) - h * get(part, n_p + j)
        put(b, 2 * (n + j), (u * re + v * im) / (re * re + im * im))
        put(b, 2 * (n + j) + 1, (v * re - u * im) / (re * re + im * im))
    return code


@cache
def _compiled() -> ModuleType:
    """The functions above as C functions."""
    functions = {
        block_factor: "2, 1", block_solve: "0, 2", block_solve_t: "0, 2", block_multiply: "0, 3", block_factor_z: "3, 1",
        block_solve_z: "0, 2", block_evaluate: "1, 2",
    }  # fmt: skip
    parts = [HEADER, CONTEXT_NAMES, "\n", *map(source_of, (weight, interpolate, state_at, keep_place, parameter_part))]
    parts += [source_of(f).replace("@njit(cache=False)", f"@cfunc(kernel_signature({kind}))") for f, kind in functions.items()]
    return load_kernels("".join(parts), "block_solver")
