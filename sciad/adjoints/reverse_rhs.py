"""The right-hand side of a continuous adjoint as a C function that reads the forward solution from its dense output.

The solver knows it as any other right-hand side; what it takes for the parameters is a context, a float64 array that holds
addresses, sizes and the step of the forward solution where the last evaluation was (names below, read with `memory.get_int`).
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from sciad.backend import call_address
from sciad.errors import MissingRule, SciadError
from sciad.solvers.dense import interpolate, weight, weight_slope
from sciad.solvers.link import HEADER, load_kernels, source_of
from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.rhs import Rhs

__all__ = ["Context", "CONTEXT_NAMES", "state_at", "keep_place", "address"]

(
    C_F,  # addresses of the right-hand side, its tape-writing twin and its reverse
    C_AUG,
    C_REV,
    C_JAC,  # of its Jacobian and of the reverse of its derivative, or 0
    C_JVP_REV,
    C_P,  # address of the parameters
    C_N,  # numbers of states, of parameters
    C_NP,
    C_WITH_P,  # 1: the state of the reverse solve is lambda followed by p_bar; 0: lambda alone
    C_TIMES,  # the forward solution: times and sizes of steps, rows of states and stage derivatives, as `Steps` has them
    C_ROWS,
    C_WIDTH,
    C_ROW,  # step that the first row belongs to
    C_FIRST,  # steps C_FIRST to C_LAST - 1 are there
    C_LAST,
    C_STEP,  # the step where the last evaluation was
    C_TABLE,
    C_STAGES,
    C_TERMS,
    C_Y,  # scratch: state and derivative (C_N each), cotangent of the derivative, of the time, of the parameters, tape
    C_DY,
    C_DY_BAR,
    C_T_BAR,
    C_P_BAR,
    C_LAMBDA,  # for integrals along the solutions: lambda, and what they do not need
    C_Y_BAR,
    C_J,  # for implicit methods: the forward Jacobian, and the slope of the forward solution
    C_Y_DOT,
    C_T_J,  # where p_bar is carried along by an implicit method: time, state and tape of the Jacobian at hand, two vectors
    C_Y_J,
    C_TAPE_J,
    C_X,
    C_P_X,
    C_FACTOR,  # addresses of the solver of the block of lambda, and what its matrices c I - h J were made with
    C_SOLVE,
    C_MULTIPLY,
    C_EVALUATE,
    C_FACTOR_Z,
    C_SOLVE_Z,
    C_COEFFICIENT,
    C_RE,
    C_IM,
    C_H,
    C_MASS,  # address of M^T, n x n, or 0
    C_TAPE,
    C_SIZE,
) = range(46)

CONTEXT_NAMES = f"from sciad.adjoints.reverse_rhs import {', '.join(sorted(name for name in dict(globals()) if name.startswith('C_')))}\n"


def address(array: np.ndarray) -> int:
    """Address of the first entry of an array."""
    return array.__array_interface__["data"][0]


class Context:
    """The context of a reverse solve, with the scratch memory that it points to."""

    def __init__(self, rhs: Rhs, p: np.ndarray, with_p: bool) -> None:
        n, n_p, self.forward_rhs = rhs.n, rhs.n_p, rhs
        self.values = np.zeros(C_SIZE)
        self.slots = self.values.view(np.int64)
        self.slots[[C_F, C_AUG, C_REV]] = rhs.f, rhs.aug(), rhs.rev()
        self.slots[[C_P, C_N, C_NP, C_WITH_P]] = address(p), n, n_p, with_p
        sizes = {C_Y: n, C_DY: n, C_DY_BAR: n, C_T_BAR: 1, C_P_BAR: n_p, C_LAMBDA: n, C_Y_BAR: n, C_TAPE: rhs.tape_size}
        scratch = np.zeros(sum(sizes.values()))
        place = address(scratch)
        for name, size in sizes.items():
            self.slots[name] = place
            place += 8 * size
        self._alive: list[Any] = [rhs, p, scratch]
        self._forward: tuple[Any, ...] = ()
        self._reserved: dict[int, np.ndarray] = {}

    def show(self, table: np.ndarray, pairs: np.ndarray, rows: np.ndarray, first: int, last: int) -> None:
        """Let the right-hand side see steps first to last - 1 of the forward solution; row 0 belongs to step `first`."""
        self.slots[[C_TABLE, C_STAGES, C_TERMS]] = address(table), *table.shape
        self.slots[[C_TIMES, C_ROWS, C_WIDTH, C_ROW]] = address(pairs), address(rows), rows.shape[1], first
        self.slots[[C_FIRST, C_LAST, C_STEP]] = first, last, last - 1
        self._forward = table, pairs, rows

    def rhs(self) -> Rhs:
        """What the solver receives; Jacobian and time derivative are made only when an implicit method asks for them."""
        n = int(self.slots[C_N])
        size = n + int(self.slots[C_NP]) if self.slots[C_WITH_P] else n
        return Rhs(compiled().reverse_rhs.address, size, C_SIZE, jac=self._jac, jvp=self._jvp, owner=self)

    def _jac(self) -> int:
        n = int(self.slots[C_N])
        try:
            self.slots[C_JAC] = self.forward_rhs.jac()
        except MissingRule:
            self.slots[C_JAC] = 0  # column by column, from the reverse of the right-hand side
        self.reserve(C_J, n * n)
        return compiled().reverse_jacobian.address

    def _jvp(self) -> int:
        try:
            self.slots[C_JVP_REV] = self.forward_rhs.jvp_rev()
        except SciadError as error:  # the solver takes differences in time of what it integrates
            raise MissingRule(str(error)) from error
        self.reserve(C_Y_DOT, int(self.slots[C_N]))
        return compiled().reverse_jvp.address

    def reserve(self, name: int, size: int) -> None:
        """Give a slot memory of its own, unless it has it."""
        if name not in self._reserved:
            self._reserved[name] = np.zeros(size)
            self.slots[name] = address(self._reserved[name])


def state_at(t, c):
    """Write y(t) to C_Y and leave the step that t lies in at C_STEP; c is the address of the context."""
    times, step, n = get_int(c, C_TIMES), get_int(c, C_STEP), get_int(c, C_N)
    direction = 1.0 if get(times, 2 * step + 1) > 0.0 else -1.0
    while step > get_int(c, C_FIRST) and direction * (t - get(times, 2 * step)) < 0.0:
        step -= 1
    while step + 1 < get_int(c, C_LAST) and direction * (t - get(times, 2 * step + 2)) > 0.0:
        step += 1
    put_int(c, C_STEP, step)
    h = get(times, 2 * step + 1)
    y = get_int(c, C_ROWS) + 8 * get_int(c, C_WIDTH) * (step - get_int(c, C_ROW))
    table, stages, terms = get_int(c, C_TABLE), get_int(c, C_STAGES), get_int(c, C_TERMS)
    interpolate(table, stages, terms, (t - get(times, 2 * step)) / h, h, n, y, y + 8 * n, get_int(c, C_Y))


def reverse_at(t, z, c, dz):
    """lambda' = -J^T lambda and, where wanted, p_bar' = -f_p^T lambda, at the state that the forward solution has at t."""
    n, n_p, y, p, tape = get_int(c, C_N), get_int(c, C_NP), get_int(c, C_Y), get_int(c, C_P), get_int(c, C_TAPE)
    dy_bar, p_bar = get_int(c, C_DY_BAR), get_int(c, C_P_BAR)
    state_at(t, c)
    for i in range(n):
        put(dy_bar, i, -get(z, i))
        put(dz, i, 0.0)
    if get_int(c, C_WITH_P) == 1:
        p_bar = dz + 8 * n
        for i in range(n_p):
            put(p_bar, i, 0.0)
    code = call_address(get_int(c, C_AUG), t, y, p, get_int(c, C_DY), tape)
    if code != 0:
        return code
    return call_address(get_int(c, C_REV), t, y, p, tape, dy_bar, dz, p_bar, get_int(c, C_T_BAR))


def keep_place(t, c):
    """Keep time, state and tape of the Jacobian that is being made, for products with f_p^T there; C_Y holds the state."""
    y = get_int(c, C_Y)
    put(c, C_T_J, t)
    for i in range(get_int(c, C_N)):
        put(get_int(c, C_Y_J), i, get(y, i))
    return call_address(get_int(c, C_AUG), t, y, get_int(c, C_P), get_int(c, C_DY), get_int(c, C_TAPE_J))


def reverse_jacobian(t, z, c, out):
    """-J^T, row-major: what lambda' depends on.  Where p_bar is part of z, see `block_solver`."""
    n, y, p, tape, j_at = get_int(c, C_N), get_int(c, C_Y), get_int(c, C_P), get_int(c, C_TAPE), get_int(c, C_J)
    state_at(t, c)
    if get_int(c, C_WITH_P) == 1 and keep_place(t, c) != 0:
        return -1
    if get_int(c, C_JAC) != 0:
        code = call_address(get_int(c, C_JAC), t, y, p, j_at)
        for i in range(n):
            for j in range(n):
                put(out, n * i + j, -get(j_at, n * j + i))
        return code
    dy_bar, y_bar, p_bar = get_int(c, C_DY_BAR), get_int(c, C_Y_BAR), get_int(c, C_P_BAR)
    code = call_address(get_int(c, C_AUG), t, y, p, get_int(c, C_DY), tape)
    if code != 0:
        return code
    for j in range(n):
        for i in range(n):
            put(dy_bar, i, -1.0 if i == j else 0.0)
            put(y_bar, i, 0.0)
        code = call_address(get_int(c, C_REV), t, y, p, tape, dy_bar, y_bar, p_bar, get_int(c, C_T_BAR))
        if code != 0:
            return code
        for i in range(n):
            put(out, n * i + j, get(y_bar, i))
    return 0


def reverse_jvp(t, t_dot, z, z_dot, c, c_dot, dz, dz_dot):
    """The derivative of `reverse_at` in the direction (t_dot, z_dot): it is linear in z, and depends on t through y(t) as well.

    d/dt (J^T lambda) is the gradient of lambda . (J y' + f_t) with respect to y, and d/dt (f_p^T lambda) that with respect to p.
    """
    code = reverse_at(t, z, c, dz)
    if code == 0:
        code = reverse_at(t, z_dot, c, dz_dot)
    if t_dot == 0.0 or code != 0:
        return code
    n, y_dot, dy_bar, times, step = get_int(c, C_N), get_int(c, C_Y_DOT), get_int(c, C_DY_BAR), get_int(c, C_TIMES), get_int(c, C_STEP)
    table, terms = get_int(c, C_TABLE), get_int(c, C_TERMS)
    theta = (t - get(times, 2 * step)) / get(times, 2 * step + 1)
    k = get_int(c, C_ROWS) + 8 * get_int(c, C_WIDTH) * (step - get_int(c, C_ROW)) + 8 * n
    for i in range(n):
        put(y_dot, i, 0.0)
        put(get_int(c, C_LAMBDA), i, 0.0)
        put(dy_bar, i, -t_dot * get(z, i))
    for j in range(get_int(c, C_STAGES)):
        w = weight_slope(table + 8 * terms * j, terms, theta)
        for i in range(n):
            put(y_dot, i, get(y_dot, i) + w * get(k + 8 * n * j, i))
    p_bar = dz_dot + 8 * n if get_int(c, C_WITH_P) == 1 else get_int(c, C_P_BAR)
    y, p, y_bar, zero = get_int(c, C_Y), get_int(c, C_P), get_int(c, C_Y_BAR), get_int(c, C_LAMBDA)
    return call_address(get_int(c, C_JVP_REV), t, 1.0, y, y_dot, p, zero, dy_bar, dz_dot, y_bar, p_bar, get_int(c, C_T_BAR))


@cache
def compiled() -> ModuleType:
    """`reverse_at` as the C function `reverse_rhs`, and the C functions `reverse_jacobian` and `reverse_jvp`."""
    parts = [HEADER, CONTEXT_NAMES, "\n", *map(source_of, (weight, weight_slope, interpolate, state_at, reverse_at, keep_place))]
    parts += ["@cfunc(kernel_signature(1, 3))\ndef reverse_rhs(t, z, c, dz):\n    return reverse_at(t, z, c, dz)\n\n\n"]
    for function, signature in ((reverse_jacobian, "1, 3"), (reverse_jvp, "2, 6")):
        parts += [source_of(function).replace("@njit(cache=False)", f"@cfunc(kernel_signature({signature}))")]
    return load_kernels("".join(parts), "reverse_rhs")
