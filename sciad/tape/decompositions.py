"""Cholesky, eigenvalues, QR and singular values.

`cholesky` and `eigh` read one triangle of their argument, and that is what they are differentiated by: the cotangent of the other is zero.
What has no derivative raises: eigenvectors of a repeated eigenvalue, singular vectors of a repeated or zero singular value.
"""

from __future__ import annotations

import numpy as np

from sciad.errors import MissingRule, SciadError
from sciad.tape.dispatch import implements, user_location
from sciad.tape.helpers import adjoint, conj, is_complex, swap
from sciad.tape.primitive import Function
from sciad.tape.saving import shape_of, value_of


def _diagonal(m):
    return np.diagonal(m, axis1=-2, axis2=-1)


def _times_diagonal(m, d):
    """``m @ diag(d)``."""
    return m * d[..., None, :]


def _real_diagonal(m):
    return np.real(_diagonal(m))


def _eye(m):
    return np.eye(shape_of(m)[-1])


def _hermitian(m):
    return 0.5 * (m + adjoint(m))


def _mirror(triangle, lower):
    """The Hermitian matrix of which a triangle is given."""
    strict = np.tril(triangle, -1) if lower else np.triu(triangle, 1)
    return strict + adjoint(strict) + _eye(triangle) * np.real(triangle)


def _fold(m, lower):
    """Reverse of `_mirror`."""
    h = m + adjoint(m)
    return (np.tril(h, -1) if lower else np.triu(h, 1)) + _eye(m) * np.real(m)


# -- cholesky ----------------------------------------------------------------------------------------------------------------------
def _half(m):
    """Lower triangle with half the diagonal."""
    return np.tril(m) - 0.5 * _eye(m) * m


def _cholesky_vjp(bar, needs, y, a):
    inner = _half(adjoint(y) @ bar)
    outer = np.linalg.solve(adjoint(y), swap(np.linalg.solve(swap(y), swap(inner))))
    return (_fold(_hermitian(outer), True),)


def _cholesky_jvp(dots, y, a):
    inner = np.linalg.solve(y, adjoint(np.linalg.solve(y, _mirror(dots[0], True))))
    return y @ _half(inner)


CHOLESKY = Function("cholesky", lambda a: np.linalg.cholesky(a), _cholesky_vjp, _cholesky_jvp)


@implements("linalg.cholesky")
def cholesky(a, /, *, upper=False):
    return adjoint(CHOLESKY((adjoint(a),))) if upper else CHOLESKY((a,))


# -- Hermitian eigenvalues ---------------------------------------------------------------------------------------------------------
def _inverse_gaps(w, numerator, what):
    """1 / (w_j - w_i), with 0 on the diagonal and for equal values, where the numerator must vanish too."""
    gaps = w[..., None, :] - w[..., :, None]
    plain = value_of(gaps)
    scale = np.max(np.abs(value_of(w)), initial=0.0)
    same = np.abs(plain) <= 1e-14 * scale
    others = same & ~np.eye(plain.shape[-1], dtype=bool)
    if others.any():
        off = np.abs(value_of(numerator))
        if np.any(off[others] > 1e-9 * (1.0 + np.max(off))):
            raise SciadError(f"{user_location()}: {what}, and has no derivative there; use only what does not depend on their choice")
    return np.where(same, 0.0, 1.0 / np.where(same, 1.0, gaps))


def _eigh_vjp(bars, needs, y, a, lower):
    w, v = y
    w_bar, v_bar = bars
    inner = 0.0 if w_bar is None else _eye(v) * w_bar[..., None, :]
    if v_bar is not None:
        m = adjoint(v) @ v_bar
        m = 0.5 * (m - adjoint(m))  # the rest only changes the length of the vectors
        inner = inner + m * _inverse_gaps(w, m, "np.linalg.eigh: a vector belongs to a repeated eigenvalue")
    return (_fold(_hermitian(v @ inner @ adjoint(v)), lower),)


def _eigh_jvp(dots, y, a, lower):
    w, v = y
    m = adjoint(v) @ _mirror(dots[0], lower) @ v
    gaps = _inverse_gaps(w, m, "np.linalg.eigh: a vector belongs to a repeated eigenvalue that splits")
    return _real_diagonal(m), v @ (m * gaps)


EIGH = Function("eigh", lambda a, lower: np.linalg.eigh(a, "L" if lower else "U"), _eigh_vjp, _eigh_jvp)

EIGVALSH = Function(
    "eigvalsh",
    lambda a, lower: np.linalg.eigvalsh(a, "L" if lower else "U"),
    lambda bar, needs, y, a, lower: _eigh_vjp((bar, None), needs, np.linalg.eigh(a, "L" if lower else "U"), a, lower),
    lambda dots, y, a, lower: _projected(dots[0], np.linalg.eigh(a, "L" if lower else "U")[1], lower),
)


def _projected(a_dot, v, lower):
    return _real_diagonal(adjoint(v) @ _mirror(a_dot, lower) @ v)


@implements("linalg.eigh")
def eigh(a, UPLO="L"):
    return EIGH((a,), UPLO.upper() == "L")


@implements("linalg.eigvalsh")
def eigvalsh(a, UPLO="L"):
    return EIGVALSH((a,), UPLO.upper() == "L")


# -- general eigenvalues: vectors of length 1; their phase, where complex, is LAPACK's and is taken as constant --------------------
def _eig_vjp(bars, needs, y, a):
    w, v = y
    w_bar, v_bar = bars
    inner = 0.0 if w_bar is None else _eye(v) * w_bar[..., None, :]
    if v_bar is not None:
        gram = adjoint(v) @ v
        q = adjoint(v) @ v_bar
        q = q - _times_diagonal(gram, _real_diagonal(q))
        inner = inner + q * conj(_inverse_gaps(w, q, "np.linalg.eig: a vector belongs to a repeated eigenvalue"))
    return (np.linalg.solve(adjoint(v), inner @ adjoint(v)),)


def _eig_jvp(dots, y, a):
    w, v = y
    p = np.linalg.solve(v, dots[0] @ v)
    q = v @ (p * _inverse_gaps(w, p, "np.linalg.eig: a vector belongs to a repeated eigenvalue"))
    return _diagonal(p), q - _times_diagonal(v, _real_diagonal(adjoint(v) @ q))


EIG = Function("eig", lambda a: np.linalg.eig(a), _eig_vjp, _eig_jvp)


@implements("linalg.eig")
def eig(a):
    return EIG((a,))


@implements("linalg.eigvals")
def eigvals(a):
    return EIG((a,))[0]


# -- QR ----------------------------------------------------------------------------------------------------------------------------
def _qr_vjp(bars, needs, y, a):
    q, r = y
    q_bar = np.zeros(shape_of(q)) if bars[0] is None else bars[0]
    r_bar = np.zeros(shape_of(r)) if bars[1] is None else bars[1]
    m = r @ swap(r_bar) - swap(q_bar) @ q
    symmetric = np.tril(m, -1) + swap(np.tril(m, -1)) + _eye(m) * m
    return (swap(np.linalg.solve(r, swap(q_bar + q @ symmetric))),)


def _qr_jvp(dots, y, a):
    q, r = y
    c = swap(np.linalg.solve(swap(r), swap(dots[0])))
    b = swap(q) @ c
    turn = np.tril(b, -1) - swap(np.tril(b, -1))
    return c - q @ b + q @ turn, (b - turn) @ r


QR = Function("qr", lambda a: np.linalg.qr(a), _qr_vjp, _qr_jvp)


def _refuse(name, why):
    return MissingRule(f"{user_location()}: np.linalg.{name} of traced values {why}")


@implements("linalg.qr")
def qr(a, mode="reduced"):
    m, n = shape_of(a)[-2:]
    if is_complex(a) or m < n or mode not in ("reduced", "r", "complete") or (mode == "complete" and m != n):
        raise _refuse("qr", "needs a real matrix with at least as many rows as columns, and mode='reduced' or 'r'")
    out = QR((a,))
    return out[1] if mode == "r" else out


# -- singular values ---------------------------------------------------------------------------------------------------------------
def _svd_vjp(bars, needs, y, a):
    u, s, vh = y
    u_bar, s_bar, vh_bar = bars
    v, middle, outside = adjoint(vh), 0.0, 0.0
    if s_bar is not None:
        middle = _eye(vh @ v) * s_bar[..., None, :]
    if u_bar is not None:
        m = adjoint(u) @ u_bar
        middle = middle + _phases(m, s)
        m = m - adjoint(m)
        middle = middle + _times_diagonal(m * _inverse_gaps(s * s, m, _SVD), s)
        if _is_tall(u):
            outside = outside + _complement(u, u_bar) @ _over(s, vh)
    if vh_bar is not None:
        v_bar = adjoint(vh_bar)
        m = vh @ v_bar
        m = m - adjoint(m)
        middle = middle + s[..., :, None] * (m * _inverse_gaps(s * s, m, _SVD))
        if _is_tall(v):
            outside = outside + adjoint(_complement(v, v_bar) @ _over(s, adjoint(u)))
    return (u @ middle @ vh + outside,)


_SVD = "np.linalg.svd: a vector belongs to a repeated singular value"


def _phases(m, s):
    """Complex vectors turn with the imaginary part of the diagonal; all of it is given to u, none to v."""
    return _eye(m) * (1j * np.imag(m) / s[..., None, :]) if is_complex(m) else 0.0


def _is_tall(u):
    return shape_of(u)[-2] > shape_of(u)[-1]


def _complement(u, x):
    """`x` without what lies in the span of the columns of `u`."""
    return x - u @ (adjoint(u) @ x)


def _over(s, rows):
    """``diag(1/s) @ rows``; vectors of singular value 0 are anybody's choice."""
    if np.any(value_of(s) == 0):
        raise SciadError(f"{user_location()}: np.linalg.svd: the vectors of a zero singular value have no derivative")
    return rows / s[..., :, None]


def _svd_jvp(dots, y, a):
    u, s, vh = y
    v, a_dot = adjoint(vh), dots[0]
    p = adjoint(u) @ a_dot @ v
    left, right = _times_diagonal(p, s), s[..., :, None] * p
    gaps = _inverse_gaps(s * s, left + adjoint(left), _SVD)
    u_dot = u @ (gaps * (left + adjoint(left)) + _phases(p, s))
    v_dot = v @ (gaps * (right + adjoint(right)))
    if _is_tall(u):
        u_dot = u_dot + adjoint(_over(s, adjoint(_complement(u, a_dot @ v))))
    if _is_tall(v):
        v_dot = v_dot + adjoint(_over(s, adjoint(_complement(v, adjoint(a_dot) @ u))))
    return u_dot, _real_diagonal(p), adjoint(v_dot)


SVD = Function("svd", lambda a: np.linalg.svd(a, full_matrices=False), _svd_vjp, _svd_jvp)

SVDVALS = Function(
    "svdvals",
    lambda a: np.linalg.svd(a, compute_uv=False),
    lambda bar, needs, y, a: _svdvals_vjp(bar, np.linalg.svd(a, full_matrices=False)),
    lambda dots, y, a: _svdvals_jvp(dots[0], np.linalg.svd(a, full_matrices=False)),
)


def _svdvals_vjp(bar, y):
    return (_times_diagonal(y[0], bar) @ y[2],)


def _svdvals_jvp(a_dot, y):
    return np.real(_diagonal(adjoint(y[0]) @ a_dot @ adjoint(y[2])))


@implements("linalg.svd")
def svd(a, full_matrices=True, compute_uv=True, hermitian=False):
    if not compute_uv:
        return SVDVALS((a,))
    m, n = shape_of(a)[-2:]
    if full_matrices and m != n:
        raise _refuse("svd", "needs full_matrices=False unless the matrix is square")
    return SVD((a,))


@implements("linalg.svdvals")
def svdvals(x, /):
    return SVDVALS((x,))
