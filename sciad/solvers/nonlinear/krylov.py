"""Newton's method with steps from GMRES on products with the Jacobian, no more exact than they need be (Eisenstat and Walker, choice 2)."""

from __future__ import annotations

import math

from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.nonlinear.newton import search
from sciad.solvers.nonlinear.residual import begin, product
from sciad.solvers.nonlinear.slots import ABORTED, FX, MAX_ITERATIONS, MEMORY, N_ITERATIONS, NORM, REALS, RUNNING, STEP, TOO_MANY, WORK, N
from sciad.solvers.nonlinear.vectors import add_scaled, dot, norm, scale_to

__all__ = ["newton_krylov", "gmres"]


def rotate(column, cosines, sines, k):
    """Apply the earlier Givens rotations to a new column of the Hessenberg matrix, and the one that clears its last entry."""
    for i in range(k):
        a, b = get(column, i), get(column, i + 1)
        put(column, i, get(cosines, i) * a + get(sines, i) * b)
        put(column, i + 1, get(cosines, i) * b - get(sines, i) * a)
    a, b = get(column, k), get(column, k + 1)
    length = math.sqrt(a * a + b * b)
    put(cosines, k, a / length if length > 0.0 else 1.0)
    put(sines, k, b / length if length > 0.0 else 0.0)
    put(column, k, length)


def expand(slots, basis, column, k):
    """Next vector of the Krylov basis, made orthogonal twice; fills column k of the Hessenberg matrix.  The status of the product."""
    n = get_int(slots, N)
    new = basis + 8 * n * (k + 1)
    if product(slots, basis + 8 * n * k, new) != 0:
        return ABORTED
    for i in range(k + 1):
        put(column, i, 0.0)
    for _ in range(2):
        for i in range(k + 1):
            part = dot(n, basis + 8 * n * i, new)
            put(column, i, get(column, i) + part)
            add_scaled(n, -part, basis + 8 * n * i, new, new)
    length = norm(n, new)
    put(column, k + 1, length)
    if length > 0.0:
        scale_to(n, 1.0 / length, new, new)
    return 0


def combine(n, m, basis, hessenberg, target, k, out):
    """out += the combination of the first k basis vectors that the triangular system asks for."""
    for back in range(k):
        i = k - 1 - back
        total = get(target, i)
        for j in range(i + 1, k):
            total -= get(hessenberg, j * (m + 1) + i) * get(target, j)
        pivot = get(hessenberg, i * (m + 1) + i)
        put(target, i, total / pivot if pivot != 0.0 else 0.0)
    for i in range(k):
        add_scaled(n, get(target, i), basis + 8 * n * i, out, out)


def true_residual(slots, b, x, out):
    """out = b - J x; its norm, inf where the function aborts."""
    n = get_int(slots, N)
    if product(slots, x, out) != 0:
        put(out, 0, math.inf)
        return math.inf
    for i in range(n):
        put(out, i, get(b, i) - get(out, i))
    return norm(n, out)


def gmres(slots, b, out, work, tolerance, restarts):
    """Solve J out = b (or J^T out = b) to a relative residual, from zero; `work` as `krylov_memory`.  The residual reached, or inf.

    A tight tolerance is judged by the residual itself: in a singular system that of the recurrence is worth nothing.
    """
    n, m = get_int(slots, N), get_int(slots, MEMORY)
    basis, hessenberg = work, work + 8 * n * (m + 1)
    cosines = hessenberg + 8 * m * (m + 1)
    sines, target = cosines + 8 * m, cosines + 16 * m
    whole = norm(n, b)
    for i in range(n):
        put(out, i, 0.0)
    if whole == 0.0:
        return 0.0
    reached, last_start = 1.0, math.inf
    for restart in range(restarts):
        if restart == 0:
            scale_to(n, 1.0, b, basis)
        else:
            true_residual(slots, b, out, basis)
        start = norm(n, basis)
        if restart > 0 and not start < 0.999 * last_start:  # a singular system: what remains cannot be reached
            return start / whole
        last_start = start
        if start <= tolerance * whole or not start < math.inf:
            return start / whole
        scale_to(n, 1.0 / start, basis, basis)
        put(target, 0, start)
        k = 0
        while k < m:
            column = hessenberg + 8 * k * (m + 1)
            if expand(slots, basis, column, k) != 0:
                return math.inf
            after = get(column, k + 1)
            rotate(column, cosines, sines, k)
            last = get(target, k)
            put(target, k, get(cosines, k) * last)
            put(target, k + 1, -get(sines, k) * last)
            k += 1
            reached = abs(get(target, k)) / whole
            if reached <= tolerance or after == 0.0 or not reached < math.inf:
                break
        combine(n, m, basis, hessenberg, target, k, out)
        if not reached < math.inf or (reached <= tolerance and tolerance > 1e-3):
            return reached
    return true_residual(slots, b, out, basis) / whole


def newton_krylov(slots):
    """Iterate to the end: a code of `slots`."""
    code = begin(slots)
    if code != RUNNING:
        return code
    n, step, fx, reals = get_int(slots, N), get_int(slots, STEP), get_int(slots, FX), get_int(slots, REALS)
    forcing, before = 0.1, get(reals, NORM)
    for iteration in range(get_int(slots, MAX_ITERATIONS)):
        put_int(slots, N_ITERATIONS, iteration + 1)
        if not gmres(slots, fx, step, get_int(slots, WORK), forcing, 20) < math.inf:
            return ABORTED
        scale_to(n, -1.0, step, step)
        code = search(slots, 1e-8)
        if code != RUNNING:
            return code
        after = get(reals, NORM)
        guess = 0.9 * (after / before) ** 2
        memory = 0.9 * forcing * forcing
        forcing = max(min(max(guess, memory) if memory > 0.1 else guess, 0.1), 1e-12)
        before = after
    return TOO_MANY
