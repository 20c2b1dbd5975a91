"""Matrix-free solution of (c I - h J) x = b by GMRES with products J v from `jvp`: no Jacobian is formed.

Vectors are scaled by the tolerances, and the iteration stops where what is left moves the state by 0.002 of what the error test allows
(Brown & Hindmarsh, Appl. Math. Comput. 31 (1989) 40), or after a tenth of the residual is left, whichever is later; without tolerances
at 1e-12 of the residual.  Orthogonalisation goes by blocks of four vectors, one after the other, which halves what is read from memory.
A preconditioner M ~ (c I - h J)^-1 acts from the right: the basis spans residuals, which it does not scale, and x = M v.
Saad & Schultz, SIAM J. Sci. Stat. Comput. 7 (1986) 856.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from sciad.solvers.linear.dense import LinearSolver
from sciad.solvers.link import HEADER, load_kernels

__all__ = ["Krylov"]

# memory at J_AT: t, then y, c, h and further parameters of the preconditioner; at LU_AT: c, h, then the basis (m + 1 rows), the rotated
# Hessenberg matrix, rotations, right-hand side, weights, and the result of the preconditioner
KERNELS = """
@cfunc(kernel_signature(1, 2))
def evaluate(t, y, slots):
    n, at = get_int(slots, N), get_int(slots, J_AT)
    put(at, 0, t)
    for i in range(n):
        put(at, i + 1, get(y, i))
    for i in range(get_int(slots, N_PRECONDITION_P)):
        put(at, n + 3 + i, get(get_int(slots, PRECONDITION_P), i))
    return 0


@cfunc(kernel_signature(2, 1))
def factor(c, h, slots):
    put(get_int(slots, LU_AT), 0, c)
    put(get_int(slots, LU_AT), 1, h)
    put(get_int(slots, J_AT), get_int(slots, N) + 1, c)
    put(get_int(slots, J_AT), get_int(slots, N) + 2, h)
    return 0


@cfunc(kernel_signature(0, 3))
def multiply(slots, x, out):
    at, zeros = get_int(slots, J_AT), get_int(slots, ZEROS)
    return call_address(get_int(slots, JVP), get(at, 0), 0.0, at + 8, x, get_int(slots, P), zeros, get_int(slots, BASE), out)


@njit(cache=False)
def inner(n, x, y):
    total = 0.0
    for i in range(n):
        total = fast_add(total, get(x, i) * get(y, i))
    return total


@njit(cache=False)
def precondition(slots, x, out):
    at = get_int(slots, J_AT)
    return call_address(get_int(slots, PRECONDITION), get(at, 0), x, at + 8, out)


@njit(cache=False)
def product(slots, c, h, v, out, weights):
    n, at, zeros, scratch = get_int(slots, N), get_int(slots, J_AT), get_int(slots, ZEROS), get_int(slots, SEED)
    for i in range(n):
        put_apart(scratch, i, get_apart(v, i) / get_apart(weights, i))
    jvp, p, base = get_int(slots, JVP), get_int(slots, P), get_int(slots, BASE)
    if get_int(slots, PRECONDITION) != 0:
        scratch = weights + 8 * n
        if precondition(slots, get_int(slots, SEED), scratch) != 0:
            return 1
        code = call_address(jvp, get(at, 0), 0.0, at + 8, scratch, p, zeros, base, out)
        for i in range(n):
            put_apart(out, i, (c * get_apart(scratch, i) - h * get(out, i)) * get_apart(weights, i))
        return code
    code = call_address(jvp, get(at, 0), 0.0, at + 8, scratch, p, zeros, base, out)
    for i in range(n):
        put_apart(out, i, c * get_apart(v, i) - h * get(out, i) * get_apart(weights, i))
    return code


@njit(cache=False)
def orthogonalise(n, basis, count, v, column):
    k = 0
    while k + 4 <= count:
        a, b, c, d = basis + 8 * n * k, basis + 8 * n * (k + 1), basis + 8 * n * (k + 2), basis + 8 * n * (k + 3)
        p, q, r, s = 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            x = get(v, i)
            p, q = fast_add(p, get(a, i) * x), fast_add(q, get(b, i) * x)
            r, s = fast_add(r, get(c, i) * x), fast_add(s, get(d, i) * x)
        put(column, k, p)
        put(column, k + 1, q)
        put(column, k + 2, r)
        put(column, k + 3, s)
        for i in range(n):
            put_apart(v, i, get(v, i) - (p * get_apart(a, i) + q * get_apart(b, i) + r * get_apart(c, i) + s * get_apart(d, i)))
        k += 4
    while k < count:
        u = basis + 8 * n * k
        x = inner(n, u, v)
        put(column, k, x)
        for i in range(n):
            put_apart(v, i, get(v, i) - x * get_apart(u, i))
        k += 1


@cfunc(kernel_signature(0, 2))
def solve(slots, b):
    n, memory, tolerance, dimension = get_int(slots, N), get_int(slots, LU_AT), get_int(slots, TOLERANCE), get_int(slots, KRYLOV)
    c, h, basis = get(memory, 0), get(memory, 1), memory + 16
    hessenberg = basis + 8 * n * (dimension + 1)
    cosine = hessenberg + 8 * dimension * (dimension + 1)
    sine, g = cosine + 8 * dimension, cosine + 16 * dimension
    weights = g + 8 * (dimension + 1)
    y = get_int(slots, J_AT) + 8
    for i in range(n):
        weight = 1.0
        if tolerance != 0:
            weight = 1.0 / (get(tolerance, i) + get(tolerance, n + i) * abs(get(y, i)) + 1e-300)
        put(weights, i, weight if weight > 0.0 else 1e-30)
        put(basis, i, get(b, i) * get(weights, i))
    beta = math.sqrt(inner(n, basis, basis))
    if not 0.0 < beta < math.inf:
        return 0
    target = 1e-12 * beta
    if tolerance != 0:
        enough = 0.002 * c * c / (abs(h) * math.sqrt(get(get_int(slots, ERROR), 1) + 1e-300))
        target = max(target, min(enough, 0.1 * beta))
    for i in range(n):
        put(basis, i, get(basis, i) / beta)
    put(g, 0, beta)
    m = 0
    while m < dimension:
        v = basis + 8 * n * (m + 1)
        column = hessenberg + 8 * (dimension + 1) * m
        if product(slots, c, h, basis + 8 * n * m, v, weights) != 0:
            return 1
        orthogonalise(n, basis, m + 1, v, column)
        size = math.sqrt(inner(n, v, v))
        for k in range(m):
            x, z = get(column, k), get(column, k + 1)
            put(column, k, get(cosine, k) * x + get(sine, k) * z)
            put(column, k + 1, get(cosine, k) * z - get(sine, k) * x)
        x = get(column, m)
        length = math.sqrt(x * x + size * size)
        if not 0.0 < length < math.inf:
            break
        put(cosine, m, x / length)
        put(sine, m, size / length)
        put(column, m, length)
        put(g, m + 1, -get(sine, m) * get(g, m))
        put(g, m, get(cosine, m) * get(g, m))
        m += 1
        if abs(get(g, m)) <= target or size <= 1e-14 * length:
            break
        for i in range(n):
            put(v, i, get(v, i) / size)
    for k in range(m - 1, -1, -1):
        total = get(g, k)
        for j in range(k + 1, m):
            total -= get(hessenberg, (dimension + 1) * j + k) * get(g, j)
        put(g, k, total / get(hessenberg, (dimension + 1) * k + k))
    for i in range(n):
        total = 0.0
        for k in range(m):
            total = fast_add(total, get(g, k) * get(basis, n * k + i))
        put(b, i, total / get(weights, i))
    if get_int(slots, PRECONDITION) != 0:
        if precondition(slots, b, get_int(slots, SEED)) != 0:
            return 1
        for i in range(n):
            put(b, i, get(get_int(slots, SEED), i))
    return 0
"""


@cache
def _kernels():
    return load_kernels(HEADER + KERNELS, "gmres")


class Krylov:
    """GMRES with a basis of at most `dimension` vectors; the right-hand side must have products with its Jacobian.

    `preconditioner` is a function ``fun(t, r, y, c, h)`` that returns about (c I - h J(t, y))^-1 r, arrays (n,); it must be linear in r,
    and is compiled like a right-hand side.  Only the number of products depends on how good it is, not the result.
    """

    name = "gmres"
    table = None

    def __init__(self, n: int, dimension: int = 40, preconditioner: Callable | None = None) -> None:
        self.n, self.dimension = n, min(dimension, n)
        m = self.dimension
        self.field, self.further = self._compiled(preconditioner)
        self.j_size = n + 3 + len(self.further)
        self.lu_size = 2 + (m + 1) * n + m * (m + 1) + 3 * m + 1 + 2 * n

    def _compiled(self, preconditioner: Callable | None) -> tuple[Any, np.ndarray]:
        """Its field, and those of its parameters that do not change: what it closes over."""
        if preconditioner is None:
            return None, np.empty(0)
        from sciad.solvers.fields import field_for

        compiled, leaves = field_for(preconditioner, (self.n,), (np.zeros(self.n), 1.0, 1.0))
        return compiled.field, np.ascontiguousarray(compiled.field.pack(leaves)[self.n + 2 :])

    def preconditioner_slots(self) -> tuple[int, int, int]:
        """Address of the preconditioner, of its further parameters, and their number."""
        return (0, 0, 0) if self.field is None else (self.field.f, self.further.ctypes.data, len(self.further))

    def addresses(self) -> LinearSolver:
        """Addresses of the kernels; there is no transposed solve."""
        k = _kernels()
        return LinearSolver(k.factor.address, k.solve.address, 0, k.multiply.address, 0, 0, k.evaluate.address)
