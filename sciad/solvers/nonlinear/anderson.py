"""Fixed points by plain iteration, and by Anderson's method (J. ACM 12 (1965) 547), row by row for batches."""

from __future__ import annotations

import math

from sciad.solvers.memory import get, get_int, put, put_int
from sciad.solvers.nonlinear.residual import product, residual
from sciad.solvers.nonlinear.slots import (
    ABORTED,
    AFFINE,
    BAD_START,
    CONVERGED,
    DAMPING,
    DIVERGED,
    FTOL,
    FX,
    MAX_ITERATIONS,
    MEMORY,
    N_F,
    N_ITERATIONS,
    N_J,
    NORM,
    REALS,
    ROWS,
    TOO_MANY,
    WORK,
    XTOL,
    N,
    X,
)  # fmt: skip
from sciad.solvers.nonlinear.vectors import add_scaled, copy, dot, largest, norm

__all__ = ["WIDE", "anderson", "iteration"]

WIDE = 32  # rows of more unknowns than this begin with plain steps


def defect(slots, x, out):
    """out = g(x) - x, where g is the function or, for a linear fixed point, the constant AFFINE plus a product; the status."""
    affine = get_int(slots, AFFINE)
    if affine == 0:
        return residual(slots, x, out)
    put_int(slots, N_F, get_int(slots, N_F) + 1)
    code = product(slots, x, out)
    add_scaled(get_int(slots, N), 1.0, affine, out, out)
    return code


def row_done(slots, width, row, x, f, most):
    """Whether the residual of one row is small against the row (of a linear fixed point: against its constant part); -1: not finite.

    Or against the rounding of the largest iterate before, whose norm is at the address `most`.
    """
    reals = get_int(slots, REALS)
    size, off = norm(width, x), norm(width, f)
    if not (size < math.inf and off < math.inf):
        return -1
    put(most, 0, max(get(most, 0), size))
    put(reals, NORM, math.sqrt(get(reals, NORM) ** 2 + off * off))
    if get_int(slots, AFFINE) != 0:
        size = norm(width, get_int(slots, AFFINE) + 8 * width * row)
    if off <= get(reals, XTOL) * size + 1e-15 * get(most, 0) or largest(width, f) <= get(reals, FTOL):
        return 1
    return 0


def first_defect(slots, work):
    """Defect at the start, and memory of the rows cleared."""
    put_int(slots, N_F, 0)
    put_int(slots, N_J, 0)
    for i in range(get_int(slots, ROWS) * row_size(slots)):
        put(work, i, 0.0)
    return ABORTED if defect(slots, get_int(slots, X), get_int(slots, FX)) != 0 else 0


def row_size(slots):
    """Entries of memory for each row: eight numbers, four vectors, differences of x and f, and two small matrices with a vector."""
    width, m = get_int(slots, N) // get_int(slots, ROWS), get_int(slots, MEMORY)
    return 8 + 4 * width + 2 * m * width + 2 * m * m + m


def iteration(slots):
    """x = g(x) until it settles: a code of `slots`."""
    n, x, fx, work, rows = get_int(slots, N), get_int(slots, X), get_int(slots, FX), get_int(slots, WORK), get_int(slots, ROWS)
    code, width, stride, reals = first_defect(slots, work), n // rows, 8 * row_size(slots), get_int(slots, REALS)
    if code != 0:
        return code
    for k in range(get_int(slots, MAX_ITERATIONS)):
        put_int(slots, N_ITERATIONS, k + 1)
        put(reals, NORM, 0.0)
        finished = 1
        for row in range(rows):
            done = row_done(slots, width, row, x + 8 * width * row, fx + 8 * width * row, work + stride * row)
            if done < 0:
                return BAD_START if k == 0 else DIVERGED
            finished = min(finished, done)
        if finished == 1:
            return CONVERGED
        add_scaled(n, 1.0, fx, x, x)
        if defect(slots, x, fx) != 0:
            return ABORTED
    return TOO_MANY


def coefficients(m, used, gram, matrix, gamma):
    """gamma = gram^-1 gamma by Cholesky, on columns scaled to norm 1 with a little regularisation; 0 for columns without length."""
    for i in range(used):
        scale_i = get(gram, i * m + i)
        for j in range(i + 1):
            scale = math.sqrt(scale_i * get(gram, j * m + j))
            put(matrix, i * m + j, get(gram, i * m + j) / scale if scale > 0.0 else 0.0)
        put(matrix, i * m + i, 1.0 + 1e-13)
        put(gamma, i, get(gamma, i) / math.sqrt(scale_i) if scale_i > 0.0 else 0.0)
    for i in range(used):
        for j in range(i + 1):
            total = get(matrix, i * m + j)
            for k in range(j):
                total -= get(matrix, i * m + k) * get(matrix, j * m + k)
            put(matrix, i * m + j, math.sqrt(max(total, 1e-14)) if i == j else total / get(matrix, j * m + j))
        total = get(gamma, i)
        for k in range(i):
            total -= get(matrix, i * m + k) * get(gamma, k)
        put(gamma, i, total / get(matrix, i * m + i))
    for back in range(used):
        i = used - 1 - back
        total = get(gamma, i)
        for k in range(i + 1, used):
            total -= get(matrix, k * m + i) * get(gamma, k)
        put(gamma, i, total / get(matrix, i * m + i))
    for i in range(used):
        scale_i = get(gram, i * m + i)
        put(gamma, i, get(gamma, i) / math.sqrt(scale_i) if scale_i > 0.0 else 0.0)


def remember(width, m, place, used, x, f, memory, gram):
    """Put the last differences of x and f in their place, and their inner products into the Gram matrix."""
    x_old, f_old = memory, memory + 8 * width
    dx, df = memory + 8 * width * (4 + place), memory + 8 * width * (4 + m + place)
    add_scaled(width, -1.0, x_old, x, dx)
    add_scaled(width, -1.0, f_old, f, df)
    for i in range(used):
        inner = dot(width, df, memory + 8 * width * (4 + m + i))
        put(gram, i * m + place, inner)
        put(gram, place * m + i, inner)


def mix_row(width, m, x, f, state):
    """One step of Anderson's method on one row.

    `state` holds the largest norm of x, the number of differences, the damping, the lowest norm of f, the norm of f before; then the
    vectors x and f of the step before, those with the lowest norm of f, the differences of x and of f, their Gram matrix and scratch
    memory.  Where f grows tenfold over its lowest norm, the row goes back there, forgets its differences and halves its steps.  Wide rows
    begin with plain steps and go on so as long as each halves f: differences would gain little there and cost more than they save.
    """
    memory = state + 64
    gram = memory + 8 * width * (4 + 2 * m)
    matrix, gamma = gram + 8 * m * m, gram + 16 * m * m
    count, damping, lowest = int(get(state, 1)), get(state, 2), get(state, 3)
    size, before = norm(width, f), get(state, 4)
    put(state, 4, size)
    if count == 0 and width > WIDE and (before == 0.0 or size < 0.5 * before):
        add_scaled(width, damping, f, x, x)
        return
    if count > 0 and not size <= 10.0 * lowest:
        copy(width, memory + 16 * width, x)
        copy(width, memory + 24 * width, f)
        put(state, 1, 0.0)
        count = 0
        damping = max(0.5 * damping, 0.01)
        put(state, 2, damping)
    elif count == 0 or size < lowest:
        copy(width, x, memory + 16 * width)
        copy(width, f, memory + 24 * width)
        put(state, 3, size)
    used = min(max(count, 0), m)
    if count > 0:
        remember(width, m, (count - 1) % m, used, x, f, memory, gram)
    copy(width, x, memory)
    copy(width, f, memory + 8 * width)
    put(state, 1, count + 1.0)
    for i in range(used):
        put(gamma, i, dot(width, memory + 8 * width * (4 + m + i), f))
    coefficients(m, used, gram, matrix, gamma)
    add_scaled(width, damping, f, x, x)
    for i in range(used):
        part, dx, df = get(gamma, i), memory + 8 * width * (4 + i), memory + 8 * width * (4 + m + i)
        for k in range(width):
            put(x, k, get(x, k) - part * (get(dx, k) + damping * get(df, k)))


def anderson(slots):
    """Iterate to the end: a code of `slots`."""
    n, x, fx, work, rows = get_int(slots, N), get_int(slots, X), get_int(slots, FX), get_int(slots, WORK), get_int(slots, ROWS)
    reals, m = get_int(slots, REALS), get_int(slots, MEMORY)
    code, width, stride = first_defect(slots, work), n // rows, 8 * row_size(slots)
    if code != 0:
        return code
    for row in range(rows):
        put(work + stride * row, 2, get(reals, DAMPING))
    for k in range(get_int(slots, MAX_ITERATIONS)):
        put_int(slots, N_ITERATIONS, k + 1)
        put(reals, NORM, 0.0)
        finished = 1
        for row in range(rows):
            done = row_done(slots, width, row, x + 8 * width * row, fx + 8 * width * row, work + stride * row)
            if done < 0 and k == 0:
                return BAD_START
            finished = min(finished, done)
            if done != 1:
                mix_row(width, m, x + 8 * width * row, fx + 8 * width * row, work + stride * row)
        if finished == 1:
            return CONVERGED
        if defect(slots, x, fx) != 0:
            return ABORTED
    return TOO_MANY
