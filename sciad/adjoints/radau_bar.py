"""The transpose of a step of Radau IIA of order 5.

With M z_i = h sum_j a_ij f(t_j, y + z_j) and y_new = y + z_3, and cotangents z_bar:

    M^T mu_j - J_j^T w_j = z_bar_j,   w_j = h sum_i a_ij mu_i,   y_bar += sum_j J_j^T w_j,   p_bar += sum_j f_p(Y_j)^T w_j.

J_j is the Jacobian at stage j.  The system of 3 n equations is solved with the factors of the step, which are those of one Jacobian for
all stages: mu += (A^-T x I) (A^-T x M^T - h I x J^T)^-1 (z_bar_j + J_j^T w_j - M^T mu_j), with A^-1 = T L T^-1 as in the step itself.
It ends where rounding stops it, which with a badly scaled M may be at nine digits.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from sciad.adjoints.stiff_sweep import PULL_IMPORTS
from sciad.adjoints.sweep import add_to, fill
from sciad.solvers.link import HEADER, load_kernels, source_of
from sciad.solvers.newton import NEWTON_ENTRIES
from sciad.solvers.radau import Radau
from sciad.solvers.radau.coefficients import T_INVERSE, T_MATRIX, A, C
from sciad.solvers.recording import copy

__all__ = ["radau_bar"]

KERNEL = """
@njit(cache=False)
def combine(n, matrix, x, out, scale):
    for i in range(n):
        a, b, c = get(x, i), get(x, n + i), get(x, 2 * n + i)
        put(out, i, scale * (matrix[0] * a + matrix[1] * b + matrix[2] * c))
        put(out, n + i, scale * (matrix[3] * a + matrix[4] * b + matrix[5] * c))
        put(out, 2 * n + i, scale * (matrix[6] * a + matrix[7] * b + matrix[8] * c))


@njit(cache=False)
def subtract_mass(n, mass, v, out):
    for i in range(n):
        if mass == 0:
            put(out, i, get(out, i) - get(v, i))
            continue
        for j in range(n):
            put(out, j, get(out, j) - get(mass, n * i + j) * get(v, i))


@njit(cache=False)
def products(t, h, slots, w, out, p_bar):
    n, y, k, place = get_int(slots, N), get_int(slots, Y), get_int(slots, K), get_int(slots, STAGE)
    p, tape = get_int(slots, P), get_int(slots, ONE_TAPE)
    fill(3 * n, out, 0.0)
    for s in range(3):
        z, shift = k + 8 * n * (s + 1), C1 if s == 0 else (C2 if s == 1 else 1.0)
        for i in range(n):
            put(place, i, get(y, i) + h * get(z, i))
        at = tape + 8 * get_int(slots, TAPE_SIZE) * s
        code = call_address(get_int(slots, REV), t + shift * h, place, p, at, w + 8 * n * s, out + 8 * n * s, p_bar, get_int(slots, T_BAR))
        if code != 0:
            return code
    return 0


@njit(cache=False)
def write_tapes(t, h, slots):
    n, y, k, place = get_int(slots, N), get_int(slots, Y), get_int(slots, K), get_int(slots, STAGE)
    p, tape = get_int(slots, P), get_int(slots, ONE_TAPE)
    for s in range(3):
        z, shift = k + 8 * n * (s + 1), C1 if s == 0 else (C2 if s == 1 else 1.0)
        for i in range(n):
            put(place, i, get(y, i) + h * get(z, i))
        at = tape + 8 * get_int(slots, TAPE_SIZE) * s
        code = call_address(get_int(slots, AUG), t + shift * h, place, p, get_int(slots, ONE_DY), at)
        if code != 0:
            return code
    return 0


@njit(cache=False)
def correct(n, slots, r, work, b, mu):
    combine(n, T_TRANSPOSED, r, work, 1.0)
    call_address(get_int(slots, SOLVE_T), slots, work)
    for i in range(n):
        put(b, 2 * i, get(work, n + i))
        put(b, 2 * i + 1, -get(work, 2 * n + i))
    call_address(get_int(slots, SOLVE_Z_T), slots, b)
    for i in range(n):
        put(work, n + i, get(b, 2 * i))
        put(work, 2 * n + i, -get(b, 2 * i + 1))
    combine(n, BACK, work, r, 1.0)
    size, total = 0.0, 0.0
    for i in range(3 * n):
        put(mu, i, get(mu, i) + get(r, i))
        size += get(r, i) * get(r, i)
        total += get(mu, i) * get(mu, i)
    return size / (total + 1e-300)


@cfunc(kernel_signature(2, 1))
def step_bar(t, h, slots):
    n, y_bar, k_bar, mass = get_int(slots, N), get_int(slots, Y_BAR), get_int(slots, K_BAR), get_int(slots, MASS)
    mu = get_int(slots, OWN) + ENTRIES
    w, jt, r, z_bar = mu + 24 * n, mu + 48 * n, mu + 72 * n, mu + 96 * n
    b, old, last = mu + 120 * n, 1.0, False
    for i in range(3 * n):
        put(z_bar, i, get(k_bar, n + i) / h)
    add_to(n, z_bar + 16 * n, y_bar)
    fill(3 * n, mu, 0.0)
    fill(3 * n, jt, 0.0)
    code = write_tapes(t, h, slots)
    for m in range(200):
        if code != 0:
            return code
        for i in range(3 * n):
            put(r, i, get(z_bar, i) + get(jt, i))
        for s in range(3):
            subtract_mass(n, mass, mu + 8 * n * s, r + 8 * n * s)
        size = correct(n, slots, r, w, b, mu)
        if not size < 1e300:
            return 1
        last = size <= 1e-30 or (m > 1 and ((size > 0.25 * old and size < 1e-24) or (size > 0.8 * old and size < 1e-18)))
        old = size
        combine(n, A_TRANSPOSED, mu, w, h)
        code = products(t, h, slots, w, jt, get_int(slots, P_BAR) if last else get_int(slots, P_SPARE))
        if last:
            break
    for s in range(3):
        add_to(n, y_bar, jt + 8 * n * s)
    return code if last else 1
"""


@cache
def radau_bar(method: Radau) -> int:
    """Address of ``int64 step_bar(t, h, slots)``, see `sciad.adjoints.stiff_sweep`."""
    back = np.linalg.inv(A).T @ T_INVERSE.T
    constants = {"T_TRANSPOSED": T_MATRIX.T, "BACK": back, "A_TRANSPOSED": A.T}
    lines = [f"C1, C2, ENTRIES = {float(C[0])!r}, {float(C[1])!r}, {8 * NEWTON_ENTRIES}\n"]
    lines += [f"{name} = ({', '.join(repr(float(x)) for x in matrix.ravel())})\n" for name, matrix in constants.items()]
    helpers = "".join(source_of(function) for function in (copy, add_to, fill))
    return load_kernels(HEADER + PULL_IMPORTS + "".join(lines) + "\n\n" + helpers + KERNEL, "step_bar_radau").step_bar.address
