"""Dense LU factorisation of W = c M - h J, M the mass matrix or the identity, with partial pivoting, and its two solves.

All is row-major, in memory that the slots name.  Four C functions: ``int64 factor(double c, double h, intp slots)`` forms W from the
Jacobian at J_AT and factors it into LU_AT and PIVOTS_AT (0; SINGULAR; NOT_A_NUMBER), ``int64 solve(intp slots, intp b)`` overwrites b
with W^-1 b, ``solve_t`` with W^-T b, ``int64 multiply(intp slots, intp x, intp out)`` makes J x.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from sciad.solvers.link import HEADER, load_kernels

__all__ = ["Dense", "LinearSolver", "dense", "lapack"]

UNROLLED = 10  # up to here the size is a constant of the generated code
OWN = 48  # up to here our own loops are faster than LAPACK

FACTOR = '''
@cfunc(kernel_signature(2, 1))
def factor(c, h, slots):
    n = {n}
    lu, pivots, jac = get_int(slots, LU_AT), get_int(slots, PIVOTS_AT), get_int(slots, J_AT)
    for i in range(n * n):
        put_apart(lu, i, -h * get_apart(jac, i))
    mass = get_int(slots, MASS)
    if mass == 0:
        for i in range(n):
            put(lu, i * (n + 1), get(lu, i * (n + 1)) + c)
    else:
        for i in range(n * n):
            put(lu, i, get(lu, i) + c * get(mass, i))
    for k in range(n):
        row_k = lu + 8 * n * k
        best, at = abs(get(row_k, k)), k
        for i in range(k + 1, n):
            size = abs(get(lu, n * i + k))
            if size > best:
                best, at = size, i
        if not best > 0.0:
            return SINGULAR if best == 0.0 else NOT_A_NUMBER
        put_int(pivots, k, at)
        if at != k:
            row = lu + 8 * n * at
            for j in range(n):
                x = get(row, j)
                put(row, j, get(row_k, j))
                put(row_k, j, x)
        inverse = 1.0 / get(row_k, k)
        put(row_k, k, inverse)
        for i in range(k + 1, n):
            row = lu + 8 * n * i
            factor_i = get(row, k) * inverse
            put(row, k, factor_i)
            for j in range(k + 1, n):
                put_apart(row, j, get(row, j) - factor_i * get_apart(row_k, j))
    return 0

'''

SOLVE = '''
@cfunc(kernel_signature(0, 2))
def solve(slots, b):
    n = {n}
    lu, pivots = get_int(slots, LU_AT), get_int(slots, PIVOTS_AT)
    for k in range(n):
        at = get_int(pivots, k)
        x = get(b, at)
        put(b, at, get(b, k))
        put(b, k, x)
    for i in range(1, n):
        row, total = lu + 8 * n * i, 0.0
        for j in range(i):
            total = fast_add(total, get(row, j) * get(b, j))
        put(b, i, get(b, i) - total)
    for i in range(n - 1, -1, -1):
        row, total = lu + 8 * n * i, 0.0
        for j in range(i + 1, n):
            total = fast_add(total, get(row, j) * get(b, j))
        put(b, i, (get(b, i) - total) * get(row, i))
    return 0


@cfunc(kernel_signature(0, 2))
def solve_t(slots, b):
    n = {n}
    lu, pivots = get_int(slots, LU_AT), get_int(slots, PIVOTS_AT)
    for k in range(n):
        row = lu + 8 * n * k
        x = get(b, k) * get(row, k)
        put(b, k, x)
        for j in range(k + 1, n):
            put(b, j, get(b, j) - x * get(row, j))
    for k in range(n - 1, 0, -1):
        row, x = lu + 8 * n * k, get(b, k)
        for j in range(k):
            put(b, j, get(b, j) - x * get(row, j))
    for k in range(n - 1, -1, -1):
        at = get_int(pivots, k)
        x = get(b, at)
        put(b, at, get(b, k))
        put(b, k, x)
    return 0
'''

# LAPACK sees the transposed matrix, so its "T" solves with W and its "N" with W^T.  int32 arguments lie in the low halves of slots.
LAPACK = '''
@cfunc(kernel_signature(2, 1))
def factor(c, h, slots):
    n = get_int(slots, N)
    lu, jac = get_int(slots, LU_AT), get_int(slots, J_AT)
    for i in range(n * n):
        put_apart(lu, i, -h * get_apart(jac, i))
    total = 0.0
    for i in range(n * n):
        total = fast_add(total, 0.0 * get(lu, i))
    if total != 0.0:
        return NOT_A_NUMBER
    mass = get_int(slots, MASS)
    if mass == 0:
        for i in range(n):
            put(lu, i * (n + 1), get(lu, i * (n + 1)) + c)
    else:
        for i in range(n * n):
            put(lu, i, get(lu, i) + c * get(mass, i))
    n_at, info = slots + 8 * N, slots + 8 * INFO
    put_int(slots, INFO, 0)
    call_address(get_int(slots, GETRF), n_at, n_at, lu, n_at, get_int(slots, PIVOTS_AT), info)
    return 0 if get_int(slots, INFO) == 0 else SINGULAR


@njit(cache=False)
def lapack_solve(slots, b, letter):
    put_int(slots, LETTER, letter)
    put_int(slots, ONE, 1)
    lu, pivots, n_at, one, info = get_int(slots, LU_AT), get_int(slots, PIVOTS_AT), slots + 8 * N, slots + 8 * ONE, slots + 8 * INFO
    call_address(get_int(slots, GETRS), slots + 8 * LETTER, n_at, one, lu, n_at, pivots, b, n_at, info)
    return 0


@cfunc(kernel_signature(0, 2))
def solve(slots, b):
    return lapack_solve(slots, b, 84)


@cfunc(kernel_signature(0, 2))
def solve_t(slots, b):
    return lapack_solve(slots, b, 78)
'''


MULTIPLY = '''
@cfunc(kernel_signature(0, 3))
def multiply(slots, x, out):
    n = {n}
    jac = get_int(slots, J_AT)
    for i in range(n):
        row, total = jac + 8 * n * i, 0.0
        for j in range(n):
            total = fast_add(total, get(row, j) * get(x, j))
        put(out, i, total)
    return 0


'''


@dataclass(frozen=True, eq=False)
class LinearSolver:
    """Addresses of `factor`, `solve`, `solve_t` and `multiply`; of two functions of LAPACK, or 0; of `evaluate`, 0 for dense Jacobians."""

    factor: int
    solve: int
    solve_t: int
    multiply: int
    getrf: int = 0
    getrs: int = 0
    evaluate: int = 0


@cache
def dense(n: int) -> LinearSolver:
    """The dense solver for n unknowns: constant loops, plain loops or LAPACK by size."""
    if n > OWN:
        module = load_kernels(HEADER + MULTIPLY.replace("{n}", "get_int(slots, N)") + LAPACK, "lu_lapack")
        return LinearSolver(*_addresses(module), lapack("dgetrf"), lapack("dgetrs"))
    size = str(n) if n <= UNROLLED else "get_int(slots, N)"
    module = load_kernels(HEADER + (MULTIPLY + FACTOR + SOLVE).replace("{n}", size), f"lu_{n if n <= UNROLLED else 'n'}")
    return LinearSolver(*_addresses(module))


class Dense:
    """Linear algebra for dense Jacobians."""

    name = "dense"
    table = None

    def __init__(self, n: int) -> None:
        self.n, self.j_size, self.lu_size = n, n * n, n * n

    def addresses(self) -> LinearSolver:
        """Addresses of the kernels."""
        return dense(self.n)


def _addresses(module) -> tuple[int, ...]:
    return module.factor.address, module.solve.address, module.solve_t.address, module.multiply.address


def lapack(name: str) -> int:
    """Address of a LAPACK function, from the table that SciPy exports for Cython."""
    import ctypes

    from scipy.linalg import cython_lapack

    capsule = cython_lapack.__pyx_capi__[name]
    get_name, get_pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return get_pointer(capsule, get_name(capsule))
