"""Products: matmul and its kin, einsum, tensordot, kron, cross."""

from __future__ import annotations

import string

import numpy as np

from sciad.errors import SciadError
from sciad.tape.core import Variable
from sciad.tape.dispatch import implements
from sciad.tape.helpers import adjoint, as_tuple, axes_of, conj
from sciad.tape.joining import array
from sciad.tape.primitive import Linear, Multilinear
from sciad.tape.saving import is_traced, ndim_of, shape_of


# -- matmul ------------------------------------------------------------------------------------------------------------------------
def _left(bar, operands, n_a, n_b):
    b = operands[1]
    if n_b == 1:
        return bar * conj(b) if n_a == 1 else bar[..., None] * conj(b)
    if n_a > 1:
        return bar @ adjoint(b)
    return conj(b) @ bar if n_b == 2 else (conj(b) @ bar[..., None])[..., 0]


def _right(bar, operands, n_a, n_b):
    a = operands[0]
    if n_a == 1:
        return bar * conj(a) if n_b == 1 else conj(a)[:, None] * bar[..., None, :]
    if n_b > 1:
        return adjoint(a) @ bar
    return adjoint(a) @ bar if n_a == 2 else (adjoint(a) @ bar[..., None])[..., 0]


MATMUL = Multilinear("matmul", lambda a, b, n_a, n_b: a @ b, (_left, _right))

SPARSE = Linear("sparse matmul", lambda x, s, t: _times_sparse(x, s, t), lambda bar, shape, s, t: _times_sparse(bar, t, s))


def _times_sparse(x, s, t):
    """``x @ s`` for a constant scipy.sparse matrix with conjugate transpose `t`."""
    return SPARSE(x, s, t) if is_traced(x) else (s.T @ x.T).T


def matmul(a, b):
    """``a @ b``; also traced @ scipy.sparse."""
    if not isinstance(b, (np.ndarray, Variable)) and hasattr(b, "tocsr"):
        b = b.copy()  # the caller may change its data before the reverse sweep
        return SPARSE(a, b, b.conj().T)
    a, b = array(a), array(b)
    n_a, n_b = ndim_of(a), ndim_of(b)
    if n_a == 0 or n_b == 0:
        raise ValueError("matmul: an operand has no dimensions; use *")
    return MATMUL((a, b), n_a, n_b)


@implements("linalg.matmul")
def linalg_matmul(x1, x2, /):
    return matmul(x1, x2)


@implements("dot")
def dot(a, b):
    a, b = array(a), array(b)
    n_a, n_b = ndim_of(a), ndim_of(b)
    if n_a == 0 or n_b == 0:
        return a * b
    return matmul(a, b) if n_a <= 2 and n_b <= 2 else tensordot(a, b, (-1, max(n_b - 2, 0)))


@implements("inner")
def inner(a, b):
    a, b = array(a), array(b)
    return a * b if ndim_of(a) == 0 or ndim_of(b) == 0 else tensordot(a, b, (-1, -1))


@implements("vdot")
def vdot(a, b):
    return matmul(conj(np.ravel(array(a))), np.ravel(array(b)))


@implements("outer", "linalg.outer")
def outer(a, b):
    return np.ravel(array(a))[:, None] * np.ravel(array(b))[None, :]


@implements("linalg.vecdot")
def linalg_vecdot(x1, x2, /, *, axis=-1):
    return vecdot(x1, x2, axis)


def vecdot(a, b, axis=-1):
    """Sum over an axis of ``conj(a) * b``."""
    return np.sum(conj(array(a)) * array(b), axis=axis)


def matvec(a, b):
    """Matrices times vectors, with broadcasting of both."""
    return matmul(a, array(b)[..., None])[..., 0]


def vecmat(a, b):
    """Conjugated vectors times matrices, with broadcasting of both."""
    return matmul(conj(array(a))[..., None, :], b)[..., 0, :]


@implements("tensordot", "linalg.tensordot")
def tensordot(a, b, /, axes=2):
    a, b = array(a), array(b)
    n_a, n_b = ndim_of(a), ndim_of(b)
    if np.ndim(axes) == 0:
        axes = (tuple(range(n_a - axes, n_a)), tuple(range(axes)))
    over_a, over_b = axes_of(as_tuple(axes[0]), n_a), axes_of(as_tuple(axes[1]), n_b)
    free_a, free_b = [k for k in range(n_a) if k not in over_a], [k for k in range(n_b) if k not in over_b]
    shape_a, shape_b = shape_of(a), shape_of(b)
    summed = int(np.prod([shape_a[k] for k in over_a]))
    left = np.reshape(np.transpose(a, (*free_a, *over_a)), (-1, summed) if summed else (int(np.prod([shape_a[k] for k in free_a])), 0))
    right = np.reshape(np.transpose(b, (*over_b, *free_b)), (summed, -1) if summed else (0, int(np.prod([shape_b[k] for k in free_b]))))
    return np.reshape(left @ right, tuple([shape_a[k] for k in free_a] + [shape_b[k] for k in free_b]))[()]


@implements("kron")
def kron(a, b):
    a, b = array(a), array(b)
    n = max(ndim_of(a), ndim_of(b))
    shape_a, shape_b = (1,) * (n - ndim_of(a)) + shape_of(a), (1,) * (n - ndim_of(b)) + shape_of(b)
    wide_a = np.reshape(a, tuple([m for s in shape_a for m in (s, 1)]))
    wide_b = np.reshape(b, tuple([m for s in shape_b for m in (1, s)]))
    return np.reshape(wide_a * wide_b, tuple([p * q for p, q in zip(shape_a, shape_b)]))


@implements("cross")
def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(array(a), axisa, -1), np.moveaxis(array(b), axisb, -1)
    if shape_of(a)[-1] == 2 == shape_of(b)[-1]:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    if not shape_of(a)[-1] == 3 == shape_of(b)[-1]:
        raise ValueError("cross products of traced values: both of 3 components, or both of 2")
    first, second = [1, 2, 0], [2, 0, 1]
    return np.moveaxis(a[..., first] * b[..., second] - a[..., second] * b[..., first], -1, axisc)


@implements("linalg.cross")
def linalg_cross(x1, x2, /, *, axis=-1):
    return cross(x1, x2, axis=axis)


# -- einsum ------------------------------------------------------------------------------------------------------------------------
def _parse(subscripts, operands):
    """Explicit index letters of each operand and of the result; an ellipsis gets letters of its own."""
    subscripts = subscripts.replace(" ", "")
    left, arrow, right = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError("einsum: as many index strings as operands are needed")
    free = [c for c in string.ascii_letters if c not in subscripts]
    widths = [ndim_of(x) - len(t.replace("...", "")) if "..." in t else 0 for t, x in zip(terms, operands)]
    dots = "".join(free[: max(widths)])
    terms = [t.replace("...", dots[len(dots) - w:]) for t, w in zip(terms, widths)]
    if arrow:
        right = right.replace("...", dots)
    else:
        every = "".join(terms)
        right = dots + "".join(sorted(c for c in set(every) if every.count(c) == 1 and c not in dots))
    return terms, right


def _einsum_vjp(k):
    def vjp(bar, operands, terms, right, sizes, optimize):
        seen, wanted, extra_terms, extras = set(), "", [], []
        free = iter([c for c in string.ascii_letters if c not in "".join(terms) + right])
        for c in terms[k]:
            if c in seen:  # a diagonal was read: put the cotangent back on it
                other = next(free)
                extra_terms.append(c + other)
                extras.append(np.eye(sizes[c]))
                wanted += other
            else:
                seen.add(c)
                wanted += c
        others = [j for j in range(len(terms)) if j != k]
        known = right + "".join(terms[j] for j in others)
        for c in seen:
            if c not in known:  # summed away: the same for all its values
                extra_terms.append(c)
                extras.append(np.ones(sizes[c]))
        inputs = ",".join([right, *[terms[j] for j in others], *extra_terms])
        return np.einsum(f"{inputs}->{wanted}", bar, *[conj(operands[j]) for j in others], *extras, optimize=optimize)

    return vjp


class _EinsumVjps:
    """The rules of all operands, made when asked for: there may be any number."""

    def __getitem__(self, k):
        return _einsum_vjp(k)


EINSUM = Multilinear(
    "einsum",
    lambda *args: np.einsum(",".join(args[-4]) + "->" + args[-3], *args[:-4], optimize=args[-1]),
    _EinsumVjps(),
)


@implements("einsum")
def einsum(subscripts, *operands, optimize=False, dtype=None, order="K", casting="safe"):
    if not isinstance(subscripts, str):
        raise SciadError("np.einsum of traced values: give the indices as a string, 'ij,jk->ik'")
    operands = [array(x) for x in operands]
    terms, right = _parse(subscripts, operands)
    sizes = {}
    for term, x in zip(terms, operands):
        for c, m in zip(term, shape_of(x)):
            sizes[c] = max(sizes.get(c, 1), m)
    return EINSUM(tuple(operands), tuple(terms), right, sizes, optimize)

