"""Linear systems, inverses, determinants, norms and powers of matrices."""

from __future__ import annotations

import numpy as np

from sciad.errors import SciadError
from sciad.tape.dispatch import implements
from sciad.tape.helpers import adjoint, as_tuple, axes_of, conj, is_complex
from sciad.tape.joining import array
from sciad.tape.primitive import Function
from sciad.tape.reductions import safe_sqrt
from sciad.tape.saving import is_traced, ndim_of, shape_of, value_of

_NUMPY_2 = np.lib.NumpyVersion(np.__version__) >= "2.0.0"


# -- solve and inv: one transposed solve, never a derivative of the elimination ----------------------------------------------------
def _is_vector(a, b):
    """Whether NumPy takes `b` for a vector, or a stack of vectors, and not for matrices."""
    return ndim_of(b) == (1 if _NUMPY_2 else ndim_of(a) - 1)


def _solve_vjp(bar, needs, x, a, b):
    right = np.linalg.solve(adjoint(a), bar)
    if not needs[0]:
        return None, right
    left = -(right[..., :, None] * conj(x)[..., None, :]) if _is_vector(a, b) else -(right @ adjoint(x))
    return left, right


def _solve_jvp(dots, x, a, b):
    a_dot, b_dot = dots
    right = 0.0 if b_dot is None else b_dot
    if a_dot is not None:
        right = right - ((a_dot @ x[..., None])[..., 0] if _is_vector(a, b) else a_dot @ x)
    return np.linalg.solve(a, np.broadcast_to(right, shape_of(x)))


SOLVE = Function("solve", lambda a, b: np.linalg.solve(a, b), _solve_vjp, _solve_jvp)


@implements("linalg.solve")
def solve(a, b):
    return SOLVE((array(a), array(b)))


INV = Function(
    "inv",
    lambda a: np.linalg.inv(a),
    lambda bar, needs, y, a: (-(adjoint(y) @ bar @ adjoint(y)),),
    lambda dots, y, a: -(y @ dots[0] @ y),
)


@implements("linalg.inv")
def inv(a):
    return INV((a,))


@implements("linalg.tensorsolve")
def tensorsolve(a, b, axes=None):
    a, b = array(a), array(b)
    n = ndim_of(a)
    if axes is not None:
        axes = axes_of(tuple(axes), n)
        a = np.transpose(a, [k for k in range(n) if k not in axes] + list(axes))
    rest = shape_of(a)[ndim_of(b):]
    size = int(np.prod(rest))
    return np.reshape(solve(np.reshape(a, (-1, size)), np.ravel(b)), rest)


@implements("linalg.tensorinv")
def tensorinv(a, ind=2):
    shape = shape_of(a)
    size = int(np.prod(shape[ind:]))
    return np.reshape(inv(np.reshape(a, (size, -1))), (*shape[ind:], *shape[:ind]))


# -- determinants ------------------------------------------------------------------------------------------------------------------
def _over_matrix(x):
    """A number for each matrix, with the shape to multiply it."""
    return np.reshape(x, (*shape_of(x), 1, 1))


def _cofactors(a, y):
    """Conjugate of the derivative of det(a) by each entry; by singular values where the matrix has no inverse."""
    if not np.any(value_of(y) == 0):
        return _over_matrix(conj(y)) * adjoint(np.linalg.inv(a))
    if is_traced(a):
        raise SciadError("the second derivative of np.linalg.det at a singular matrix; expand the determinant by hand")
    u, s, vh = np.linalg.svd(a)
    n = s.shape[-1]
    without = np.stack([np.prod(np.delete(s, k, -1), axis=-1) for k in range(n)], axis=-1)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return _over_matrix(conj(sign)) * ((u * without[..., None, :]) @ vh)


def _det_jvp(dots, y, a):
    return np.sum(conj(_cofactors(a, y)) * dots[0], axis=(-2, -1))


DET = Function("det", lambda a: np.linalg.det(a), lambda bar, needs, y, a: (_over_matrix(bar) * _cofactors(a, y),), _det_jvp)


@implements("linalg.det")
def det(a):
    return DET((a,))


LOGDET = Function(
    "logdet",
    lambda a: np.linalg.slogdet(a)[1],
    lambda bar, needs, y, a: (_over_matrix(bar) * adjoint(np.linalg.inv(a)),),
    lambda dots, y, a: np.real(np.trace(np.linalg.solve(a, dots[0]), axis1=-2, axis2=-1)),
)


@implements("linalg.slogdet")
def slogdet(a):
    plain = np.linalg.slogdet(value_of(a))
    sign = plain[0]
    if is_complex(a):
        d = det(a)
        sign = d / np.abs(d)
    return type(plain)(sign, LOGDET((a,)))


# -- pseudo-inverse and least squares ----------------------------------------------------------------------------------------------
def _pinv_parts(p, a):
    """Projectors on what the matrix cannot reach and on what it annihilates."""
    return np.eye(shape_of(a)[-2]) - a @ p, np.eye(shape_of(a)[-1]) - p @ a


def _pinv_vjp(bar, needs, p, a, rcond):
    outside, kernel = _pinv_parts(p, a)
    bar_h, p_h = adjoint(bar), adjoint(p)
    return (-(p_h @ bar @ p_h) + outside @ bar_h @ p @ p_h + p_h @ p @ bar_h @ kernel,)


def _pinv_jvp(dots, p, a, rcond):
    outside, kernel = _pinv_parts(p, a)
    a_dot, p_h = dots[0], adjoint(p)
    a_dot_h = adjoint(a_dot)
    return -(p @ a_dot @ p) + p @ p_h @ a_dot_h @ outside + kernel @ a_dot_h @ p_h @ p


PINV = Function("pinv", lambda a, rcond: np.linalg.pinv(a) if rcond is None else np.linalg.pinv(a, rcond), _pinv_vjp, _pinv_jvp)


@implements("linalg.pinv")
def pinv(a, rcond=None, hermitian=False, *, rtol=None):
    return PINV((a,), rtol if rcond is None else rcond)


@implements("linalg.lstsq")
def lstsq(a, b, rcond=None):
    a, b = array(a), array(b)
    m, n = shape_of(a)
    cut = np.finfo(float).eps * max(m, n) if rcond is None else rcond
    x = (pinv(a, cut) if is_traced(a) else np.linalg.pinv(a, cut)) @ b
    s = np.linalg.svd(a, compute_uv=False)
    rank = int(np.sum(value_of(s) > cut * np.max(value_of(s))))
    residuals = np.zeros(0)
    if rank == n < m:
        off = b - a @ x
        residuals = np.atleast_1d(np.sum(np.abs(off) ** 2, axis=0))
    return x, residuals, rank, s


# -- norms -------------------------------------------------------------------------------------------------------------------------
def _squares(x):
    return np.real(x) ** 2 + np.imag(x) ** 2 if is_complex(x) else x * x


def _vector_norm(x, order, axis, keepdims):
    if order in (None, 2):
        return safe_sqrt(np.sum(_squares(x), axis=axis, keepdims=keepdims))
    size = np.abs(x)
    if order == np.inf:
        return np.max(size, axis=axis, keepdims=keepdims)
    if order == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if order == 0:
        return np.sum(value_of(x) != 0, axis=axis, keepdims=keepdims).astype(float)
    if order == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    total = np.sum(size**order, axis=axis, keepdims=keepdims)
    zero = value_of(total) == 0
    return np.where(zero, 0.0, np.where(zero, 1.0, total) ** (1.0 / order))


def _matrix_norm(x, order, axes, keepdims):
    row, column = axes
    if order in (None, "fro", "f"):
        return safe_sqrt(np.sum(_squares(x), axis=axes, keepdims=keepdims))
    if order in (2, -2, "nuc"):
        s = np.linalg.svd(np.moveaxis(x, axes, (-2, -1)), compute_uv=False)
        out = np.sum(s, axis=-1) if order == "nuc" else np.max(s, axis=-1) if order == 2 else np.min(s, axis=-1)
    elif order in (1, -1, np.inf, -np.inf):
        over, rest = (row, column) if abs(order) == 1 else (column, row)
        sums = np.sum(np.abs(x), axis=over)
        rest -= rest > over
        out = np.max(sums, axis=rest) if order > 0 else np.min(sums, axis=rest)
    else:
        raise ValueError("Invalid norm order for matrices.")
    return np.expand_dims(out, axes) if keepdims else out


@implements("linalg.norm")
def norm(x, ord=None, axis=None, keepdims=False):
    n = ndim_of(x)
    if axis is None and ord is None:
        return _vector_norm(x, None, None, keepdims)
    axes = axes_of(axis, n)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) == 2:
        return _matrix_norm(x, ord, axes, keepdims)
    raise ValueError("Improper number of dimensions to norm.")


@implements("linalg.matrix_norm")
def matrix_norm(x, /, *, keepdims=False, ord="fro"):
    n = ndim_of(x)
    return _matrix_norm(x, ord, (n - 2, n - 1), keepdims)


@implements("linalg.vector_norm")
def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    n = ndim_of(x)
    axes = axes_of(None if axis is None else as_tuple(axis), n)
    flat = np.moveaxis(x, axes, range(len(axes)))
    flat = np.reshape(flat, (-1, *shape_of(flat)[len(axes):]))
    out = _vector_norm(flat, ord, 0, False)
    return np.expand_dims(out, axes) if keepdims else out


@implements("linalg.cond")
def cond(x, p=None):
    if p in (None, 2, -2):
        s = np.linalg.svd(x, compute_uv=False)
        return s[..., 0] / s[..., -1] if p != -2 else s[..., -1] / s[..., 0]
    n = ndim_of(x)
    return _matrix_norm(x, p, (n - 2, n - 1), False) * _matrix_norm(inv(x), p, (n - 2, n - 1), False)


# -- products of matrices ----------------------------------------------------------------------------------------------------------
@implements("linalg.matrix_power")
def matrix_power(a, n):
    if n < 0:
        a, n = inv(a), -n
    result = None
    while n:
        if n & 1:
            result = a if result is None else result @ a
        n >>= 1
        if n:
            a = a @ a
    return np.broadcast_to(np.eye(shape_of(a)[-1]), shape_of(a)) + 0 * a if result is None else result


@implements("linalg.multi_dot")
def multi_dot(arrays):
    plain = [array(a) for a in arrays]
    left = sum(ndim_of(a) == 1 for a in plain[:1])
    if left or ndim_of(plain[-1]) == 2:
        out = plain[0]
        for a in plain[1:]:
            out = out @ a
        return out
    out = plain[-1]  # ends in a vector: from the right there are only products with vectors
    for a in plain[-2::-1]:
        out = a @ out
    return out


