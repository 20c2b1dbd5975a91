"""Rules of library calls: dense linear algebra, derived by hand and written in the NumPy subset that the compiled tier takes.

A call is one operation of the IR on whole arrays.  Its rule says which arrays are differentiated, and gives two functions:
``forward(*arrays, *input_dots) -> output_dots`` and ``reverse(*arrays, *output_bars) -> input_bars``, which the passes inline; what they
call has rules in turn, so that they compose to any order.  A tangent or cotangent that is known to be zero is None.

References: Giles, Collected matrix derivative results (2008); Murray, arXiv 1602.07527 (Cholesky).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["LibraryCall", "CALLS", "solved"]


class LibraryCall(NamedTuple):
    """A call of a kernel ``name(*arrays, *numbers)`` of `sciad.linear_kernels`.

    `shapes` gives for each array the positions of its lengths among all arguments (``-k`` for the length k; nothing for an opaque vector),
    `inputs` and `outputs` the arrays that are differentiated, `written` those that the kernel writes.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    written: tuple[int, ...]
    forward: Callable
    reverse: Callable


def solved(a, lu, b, transposed):
    """``a^-1 b`` (``a^-T b`` where `transposed`) from the factors of `a`; known to the compiler."""
    raise NotImplementedError("only inside compiled code")


# -- x = a^-1 b: one transposed solve with the factors at hand ---------------------------------------------------------------------
def _solve_forward(a, b, x, lu, n, m, a_dot, b_dot):
    return (_solve_tangent(a, lu, x, a_dot, b_dot, False),)


def _solve_tangent(a, lu, x, a_dot, b_dot, transposed):
    if a_dot is None:
        return solved(a, lu, b_dot, transposed)
    moved = a_dot.T @ x if transposed else a_dot @ x
    return solved(a, lu, -moved if b_dot is None else b_dot - moved, transposed)


def _solve_reverse(a, b, x, lu, n, m, x_bar):
    b_bar = solved(a, lu, x_bar, True)
    return -(b_bar @ x.T), b_bar


def _again_forward(a, lu, b, x, n, m, transposed, a_dot, b_dot):
    return (_solve_tangent(a, lu, x, a_dot, b_dot, transposed),)


def _again_reverse(a, lu, b, x, n, m, transposed, x_bar):
    b_bar = solved(a, lu, x_bar, not transposed)
    return (-(x @ b_bar.T) if transposed else -(b_bar @ x.T)), b_bar


# -- determinants: by the inverse, or where there is none by minors ----------------------------------------------------------------
def _minor(a, row, column):
    n = a.shape[0]
    m = np.empty((n - 1, n - 1))
    for i in range(n - 1):
        for j in range(n - 1):
            m[i, j] = a[i + 1 if i >= row else i, j + 1 if j >= column else j]
    return m


def _determinant_slope(a, out, g, g_log):
    """Derivative of ``g * det(a) + g_log * log|det(a)|`` by each entry of a."""
    n = a.shape[0]
    slope = np.zeros((n, n))
    if out[0] != 0.0 or g_log != 0.0:
        scale = g_log if g == 0.0 else g * out[0] + g_log
        slope[:, :] = scale * np.linalg.inv(a).T
    elif g != 0.0:
        for i in range(n):
            for j in range(n):
                sign = 1.0 if (i + j) % 2 == 0 else -1.0
                slope[i, j] = g * sign * (np.linalg.det(_minor(a, i, j)) if n > 1 else 1.0)
    return slope


def _determinant_forward(a, out, n, a_dot):
    dot = np.zeros(3)
    if out[0] != 0.0:
        dot[2] = np.sum(np.linalg.inv(a).T * a_dot)
        dot[0] = out[0] * dot[2]
    else:
        dot[0] = np.sum(_determinant_slope(a, out, 1.0, 0.0) * a_dot)
    return (dot,)


def _determinant_reverse(a, out, n, out_bar):
    return (_determinant_slope(a, out, out_bar[0], out_bar[2]),)


# -- symmetric factorisations: they read the lower triangle, and that is what they are differentiated by ---------------------------
def _mirrored(a):
    """The symmetric matrix whose lower triangle is given."""
    return np.tril(a) + np.tril(a, -1).T


def _folded(s):
    """Reverse of `_mirrored`."""
    return np.tril(s) + np.triu(s, 1).T


def _half(m):
    """The lower triangle with half the diagonal."""
    return np.tril(m) - 0.5 * np.eye(m.shape[0]) * m


def _cholesky_forward(a, lower, status, n, a_dot):
    inner = np.linalg.solve(lower, np.linalg.solve(lower, _mirrored(a_dot)).T)
    return (lower @ _half(inner),)


def _cholesky_reverse(a, lower, status, n, lower_bar):
    inner = _half(lower.T @ np.tril(lower_bar))
    right = np.linalg.solve(lower.T, inner)
    both = np.linalg.solve(lower.T, right.T)
    return (_folded(0.5 * (both + both.T)),)


def _gaps(w, m):
    """1 / (w_j - w_i), 0 on the diagonal and for equal values, where the numerator has to vanish too."""
    n = w.shape[0]
    f = np.zeros((n, n))
    size = 0.0
    for i in range(n):
        size = max(size, abs(w[i]))
    largest = 0.0
    for i in range(n):
        for j in range(n):
            largest = max(largest, abs(m[i, j]))
    for i in range(n):
        for j in range(n):
            gap = w[j] - w[i]
            if abs(gap) > 1e-14 * size:
                f[i, j] = 1.0 / gap
            elif i != j and abs(m[i, j]) > 1e-9 * (1.0 + largest):
                raise ValueError("np.linalg.eigh: the vectors of a repeated eigenvalue have no derivative")
    return f


def _eigh_forward(a, w, v, status, n, a_dot):
    m = v.T @ _mirrored(a_dot) @ v
    return np.diag(m), v @ (m * _gaps(w, m))


def _eigh_reverse(a, w, v, status, n, w_bar, v_bar):
    inner = np.zeros((n, n))
    if w_bar is not None:
        for i in range(n):
            inner[i, i] = w_bar[i]
    if v_bar is not None:
        m = v.T @ v_bar
        m = 0.5 * (m - m.T)  # the rest only changes the length of the vectors
        inner = inner + m * _gaps(w, m)
    full = v @ inner @ v.T
    return (_folded(0.5 * (full + full.T)),)


CALLS: dict[str, LibraryCall] = {
    call.name: call
    for call in (
        LibraryCall("solve", ((4, 4), (4, 5), (4, 5), ()), (0, 1), (2,), (2, 3), _solve_forward, _solve_reverse),
        LibraryCall("solve_again", ((4, 4), (), (4, 5), (4, 5)), (0, 2), (3,), (3,), _again_forward, _again_reverse),
        LibraryCall("determinant", ((2, 2), (-3,)), (0,), (1,), (1,), _determinant_forward, _determinant_reverse),
        LibraryCall("cholesky", ((3, 3), (3, 3), (-1,)), (0,), (1,), (1, 2), _cholesky_forward, _cholesky_reverse),
        LibraryCall("eigh", ((4, 4), (4,), (4, 4), (-1,)), (0,), (1, 2), (1, 2, 3), _eigh_forward, _eigh_reverse),
    )
}
