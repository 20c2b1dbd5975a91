"""Linear systems of an implicit solve with tangents: only the block of the state is factored, whatever the number of tangents.

The Jacobian of (y, s_1, ..., s_k) has J in its diagonal blocks and B_j = d(J s_j + f_p d_j) / dy left of them, so that
(c I - h Jac) (x, x_j) = (b, b_j) is

    (c I - h J) x = b,    (c I - h J) x_j = b_j + h B_j x

with one product B_j x for each tangent.  Factored as a whole, pivots from large entries of B_j would mix the rounding of the tangents into
y: on the Oregonator at 1e-11, that made 20 to 100 times the steps.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from sciad.adjoints.reverse_rhs import address
from sciad.adjoints.tangent_layout import (
    NAMES,
    S_EVALUATE,
    S_FACTOR,
    S_FACTOR_Z,
    S_H,
    S_JAC,
    S_JVP,
    S_JVP_DOT,
    S_K,
    S_MULTIPLY,
    S_N,
    S_NP,
    S_P,
    S_P_DOT,
    S_SOLVE,
    S_SOLVE_Z,
    S_T_J,
    S_X,
    S_Z_J,
    S_ZEROS,
)  # fmt: skip
from sciad.backend import call_address
from sciad.solvers.layout import JVP, N, P
from sciad.solvers.linear import dense_complex
from sciad.solvers.linear.dense import LinearSolver
from sciad.solvers.link import HEADER, load_kernels, source_of
from sciad.solvers.memory import get, get_int, put, put_int

__all__ = ["TangentBlock", "block_jacobian_address"]


class TangentBlock:
    """Linear algebra, in the sense of `integrate`, for a state with k tangents; `inner` is that of one block of `context`."""

    def __init__(self, context: np.ndarray, k: int, inner: Any) -> None:
        self.inner, self.name, self.n = inner, inner.name, inner.n * (1 + k)
        self.table, self.j_size, self.lu_size = inner.table, inner.j_size, inner.lu_size
        self.places, self.memory = context.view(np.int64), np.zeros(self.n + 4 * inner.n)
        self.places[[S_Z_J, S_X]] = address(self.memory), address(self.memory) + 8 * self.n

    def addresses(self) -> LinearSolver:
        """Addresses of the kernels."""
        inner, kernels = self.inner.addresses(), _compiled()
        self.places[[S_FACTOR, S_SOLVE, S_MULTIPLY, S_EVALUATE]] = inner.factor, inner.solve, inner.multiply, inner.evaluate
        found = [getattr(kernels, name).address for name in ("tangent_factor", "tangent_solve", "no_transpose", "tangent_multiply")]
        return LinearSolver(*found, inner.getrf, inner.getrs, kernels.tangent_evaluate.address if inner.evaluate else 0)

    def addresses_z(self) -> tuple[int, int, int, int]:
        """The complex solver, as `dense_complex`."""
        factor, solve, getrf, getrs = dense_complex(self.inner.n)
        self.places[[S_FACTOR_Z, S_SOLVE_Z]] = factor, solve
        kernels = _compiled()
        return kernels.tangent_factor_z.address, kernels.tangent_solve_z.address, getrf, getrs


def block_jacobian_address() -> int:
    """Address of the Jacobian of one block, in the place of that of the whole system."""
    return _compiled().block_jacobian.address


def remember(t, z, c):
    """Note where the Jacobian is evaluated."""
    put(c, S_T_J, t)
    for i in range(get_int(c, S_N) * (1 + get_int(c, S_K))):
        put(get_int(c, S_Z_J), i, get(z, i))


def coupling(c, j, x, out):
    """out = B_j x, where the Jacobian at hand was evaluated."""
    n, z, zeros = get_int(c, S_N), get_int(c, S_Z_J), get_int(c, S_ZEROS)
    for i in range(n):
        put(out, i, 0.0)
    p_dot = get_int(c, S_P_DOT) + 8 * get_int(c, S_NP) * j
    return call_address(get_int(c, S_JVP_DOT), get(c, S_T_J), 0.0, z, x, z + 8 * n * (j + 1), zeros, get_int(c, S_P), p_dot, out)


def block_jacobian(t, z, c, out):
    """J (n, n)."""
    remember(t, z, c)
    return call_address(get_int(c, S_JAC), t, z, get_int(c, S_P), out)


def tangent_evaluate(t, z, slots):
    """J in the form of the block's linear algebra, which reads the right-hand side from the slots."""
    c, size, jvp = get_int(slots, P), get_int(slots, N), get_int(slots, JVP)
    remember(t, z, c)
    put_int(slots, N, get_int(c, S_N))
    put_int(slots, P, get_int(c, S_P))
    put_int(slots, JVP, get_int(c, S_JVP))
    code = call_address(get_int(c, S_EVALUATE), t, z, slots)
    put_int(slots, N, size)
    put_int(slots, P, c)
    put_int(slots, JVP, jvp)
    return code


def tangent_factor(coefficient, h, slots):
    """Factor c I - h J."""
    c, size = get_int(slots, P), get_int(slots, N)
    put(c, S_H, h)
    put_int(slots, N, get_int(c, S_N))
    code = call_address(get_int(c, S_FACTOR), coefficient, h, slots)
    put_int(slots, N, size)
    return code


def tangent_solve(slots, b):
    """Overwrite (b, b_j) with (x, x_j)."""
    c, size = get_int(slots, P), get_int(slots, N)
    n, h, out = get_int(c, S_N), get(c, S_H), get_int(c, S_X)
    put_int(slots, N, n)
    code = call_address(get_int(c, S_SOLVE), slots, b)
    for j in range(get_int(c, S_K)):
        row = b + 8 * n * (j + 1)
        if code == 0:
            code = coupling(c, j, b, out)
        for i in range(n):
            put(row, i, get(row, i) + h * get(out, i))
        if code == 0:
            code = call_address(get_int(c, S_SOLVE), slots, row)
    put_int(slots, N, size)
    return code


def no_transpose(slots, b):
    """There is no reverse of a solve with tangents."""
    return -1


def tangent_multiply(slots, x, out):
    """J x for the state, and zeros: all that matters to the spectrum."""
    c, size = get_int(slots, P), get_int(slots, N)
    n = get_int(c, S_N)
    put_int(slots, N, n)
    code = call_address(get_int(c, S_MULTIPLY), slots, x, out)
    put_int(slots, N, size)
    for i in range(n, size):
        put(out, i, 0.0)
    return code


def tangent_factor_z(re, im, h, slots):
    """Factor (re + i im) I - h J."""
    c, size = get_int(slots, P), get_int(slots, N)
    put(c, S_H, h)
    put_int(slots, N, get_int(c, S_N))
    code = call_address(get_int(c, S_FACTOR_Z), re, im, h, slots)
    put_int(slots, N, size)
    return code


def tangent_solve_z(slots, b):
    """The same for complex numbers, in pairs."""
    c, size = get_int(slots, P), get_int(slots, N)
    n, h, x = get_int(c, S_N), get(c, S_H), get_int(c, S_X)
    out = x + 16 * n
    put_int(slots, N, n)
    code = call_address(get_int(c, S_SOLVE_Z), slots, b)
    for i in range(n):
        put(x, i, get(b, 2 * i))
        put(x, n + i, get(b, 2 * i + 1))
    for j in range(get_int(c, S_K)):
        row = b + 16 * n * (j + 1)
        for half in range(2):
            if code == 0:
                code = coupling(c, j, x + 8 * n * half, out + 8 * n * half)
        for i in range(n):
            put(row, 2 * i, get(row, 2 * i) + h * get(out, i))
            put(row, 2 * i + 1, get(row, 2 * i + 1) + h * get(out, n + i))
        if code == 0:
            code = call_address(get_int(c, S_SOLVE_Z), slots, row)
    put_int(slots, N, size)
    return code


@cache
def _compiled() -> ModuleType:
    """The functions above as C functions."""
    functions = {
        block_jacobian: "1, 3", tangent_evaluate: "1, 2", tangent_factor: "2, 1", tangent_solve: "0, 2", no_transpose: "0, 2",
        tangent_multiply: "0, 3", tangent_factor_z: "3, 1", tangent_solve_z: "0, 2",
    }  # fmt: skip
    parts = [HEADER, NAMES, source_of(remember), source_of(coupling)]
    parts += [source_of(f).replace("@njit(cache=False)", f"@cfunc(kernel_signature({kind}))") for f, kind in functions.items()]
    return load_kernels("".join(parts), "tangent_solver")
