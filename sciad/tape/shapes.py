"""Functions that move elements: reshape, transpose, flip, roll, tile, pad, triangles and diagonals."""

from __future__ import annotations

import numpy as np

from sciad.errors import SciadError
from sciad.tape.contributions import unbroadcast
from sciad.tape.dispatch import implements
from sciad.tape.helpers import as_tuple, axes_of, axis_of
from sciad.tape.indexing import SCATTER
from sciad.tape.primitive import Linear
from sciad.tape.saving import dtype_of, is_traced, ndim_of, shape_of, value_of

RESHAPE = Linear(
    "reshape",
    lambda x, shape, order: np.reshape(x, shape, order=order),
    lambda bar, before, shape, order: np.reshape(bar, before, order=order),
    view=True,
)
RAVEL = Linear(  # not a reshape: it copies what is not contiguous, and so is a view in other cases
    "ravel",
    lambda x, order: np.ravel(x, order),
    lambda bar, before, order: np.reshape(bar, before, order=order),
    view=True,
)
TRANSPOSE = Linear(
    "transpose",
    lambda x, axes: np.transpose(x, axes),
    lambda bar, before, axes: np.transpose(bar, tuple(np.argsort(axes))),
    view=True,
)
BROADCAST = Linear(
    "broadcast_to",
    lambda x, shape: np.broadcast_to(x, shape),
    lambda bar, before, shape: unbroadcast(bar, before),
    view=True,
)


@implements("reshape")
def reshape(a, /, shape=None, order="C", *, newshape=None, copy=None):
    shape = newshape if shape is None else shape
    out = RESHAPE(a, as_tuple(shape), _order(a, order))
    return out.copy() if copy else out


@implements("ravel")
def ravel(a, order="C"):
    return RAVEL(a, _order(a, order))


def _order(a, order):
    """C or F, whatever the memory of the array looks like."""
    if order in ("C", "F"):
        return order
    flags = np.asarray(value_of(a)).flags
    if order == "K" and not (flags.c_contiguous or flags.f_contiguous):
        raise SciadError("order='K' of a traced array that is neither C- nor Fortran-contiguous; use order='C'")
    return "F" if flags.f_contiguous and not flags.c_contiguous else "C"


@implements("transpose", "permute_dims")
def transpose(a, axes=None):
    n = ndim_of(a)
    return TRANSPOSE(a, tuple(range(n))[::-1] if axes is None else axes_of(tuple(axes), n))


@implements("matrix_transpose", "linalg.matrix_transpose")
def matrix_transpose(x, /):
    return swapaxes(x, -1, -2)


@implements("swapaxes")
def swapaxes(a, axis1, axis2):
    order = list(range(ndim_of(a)))
    i, j = axis_of(axis1, len(order)), axis_of(axis2, len(order))
    order[i], order[j] = order[j], order[i]
    return TRANSPOSE(a, tuple(order))


@implements("moveaxis")
def moveaxis(a, source, destination):
    n = ndim_of(a)
    sources, destinations = axes_of(source, n), axes_of(destination, n)
    order = [k for k in range(n) if k not in sources]
    for where, what in sorted(zip(destinations, sources)):
        order.insert(where, what)
    return TRANSPOSE(a, tuple(order))


@implements("rollaxis")
def rollaxis(a, axis, start=0):
    n = ndim_of(a)
    axis, start = axis_of(axis, n), start + n if start < 0 else start
    return moveaxis(a, axis, start - 1 if axis < start else start)


@implements("squeeze")
def squeeze(a, axis=None):
    shape = shape_of(a)
    axes = [k for k, m in enumerate(shape) if m == 1] if axis is None else axes_of(axis, len(shape))
    if any(shape[k] != 1 for k in axes):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return RESHAPE(a, tuple([m for k, m in enumerate(shape) if k not in axes]), "C")


@implements("expand_dims")
def expand_dims(a, axis):
    shape = list(shape_of(a))
    for k in sorted(axes_of(axis, len(shape) + len(as_tuple(axis)))):
        shape.insert(k, 1)
    return RESHAPE(a, tuple(shape), "C")


@implements("broadcast_to")
def broadcast_to(array, shape, subok=False):
    return BROADCAST(array, as_tuple(shape))


@implements("broadcast_arrays")
def broadcast_arrays(*args, subok=False):
    shape = np.broadcast_shapes(*[shape_of(a) for a in args])
    return tuple([np.broadcast_to(a, shape) for a in args])


def _atleast(n, position):
    def handler(*arrays):
        results = [a if ndim_of(a) >= n else RESHAPE(a, position(shape_of(a)), "C") for a in arrays]
        return results[0] if len(results) == 1 else tuple(results)

    return handler


implements("atleast_1d")(_atleast(1, lambda shape: (1,)))
implements("atleast_2d")(_atleast(2, lambda shape: (1,) * (2 - len(shape)) + shape))
implements("atleast_3d")(_atleast(3, lambda shape: [(1, 1, 1), (1, *shape, 1), (*shape, 1)][len(shape)]))


# -- order along an axis -----------------------------------------------------------------------------------------------------------
@implements("flip")
def flip(m, axis=None):
    axes = axes_of(axis, ndim_of(m))
    return m[tuple([slice(None, None, -1) if k in axes else slice(None) for k in range(ndim_of(m))])]


@implements("fliplr")
def fliplr(m):
    return flip(m, 1)


@implements("flipud")
def flipud(m):
    return flip(m, 0)


@implements("rot90")
def rot90(m, k=1, axes=(0, 1)):
    a, b = axes_of(tuple(axes), ndim_of(m))
    k %= 4
    if k == 0:
        return m[...]
    if k == 2:
        return flip(m, (a, b))
    return swapaxes(flip(m, b), a, b) if k == 1 else flip(swapaxes(m, a, b), b)


ROLL = Linear(
    "roll",
    lambda x, shift, axis: np.roll(x, shift, axis),
    lambda bar, shape, shift, axis: np.roll(bar, tuple([-s for s in shift]) if isinstance(shift, tuple) else -shift, axis),
)


@implements("roll")
def roll(a, shift, axis=None):
    return ROLL(a, tuple(shift) if isinstance(shift, (tuple, list, np.ndarray)) else shift, axis)


def _untile(bar, shape, reps):
    n = max(len(shape), len(reps))
    shape, reps = (1,) * (n - len(shape)) + shape, (1,) * (n - len(reps)) + reps
    split = tuple([m for pair in zip(reps, shape) for m in pair])
    return np.reshape(np.sum(np.reshape(bar, split), axis=tuple(range(0, 2 * n, 2))), shape)


TILE = Linear("tile", lambda x, reps: np.tile(x, reps), lambda bar, shape, reps: np.reshape(_untile(bar, shape, reps), shape))


@implements("tile")
def tile(A, reps):
    return TILE(A, as_tuple(reps))


@implements("repeat")
def repeat(a, repeats, axis=None):
    if axis is None:
        a, axis = ravel(a), 0
    axis = axis_of(axis, ndim_of(a))
    if np.ndim(repeats) == 0:  # a spread and a sum are faster than a gather and a scatter
        shape = shape_of(a)
        wide = np.broadcast_to(np.expand_dims(a, axis + 1), (*shape[: axis + 1], int(repeats), *shape[axis + 1:]))
        return np.reshape(wide, (*shape[:axis], shape[axis] * int(repeats), *shape[axis + 1:]))
    return np.take(a, np.repeat(np.arange(shape_of(a)[axis]), repeats), axis)


@implements("resize")
def resize(a, new_shape):
    shape = as_tuple(new_shape)
    flat = ravel(a)
    return RESHAPE(flat[np.arange(int(np.prod(shape))) % flat.shape[0]], shape, "C")


# -- padding -----------------------------------------------------------------------------------------------------------------------
PAD = Linear(
    "pad",
    lambda x, widths: np.pad(x, widths),
    lambda bar, shape, widths: bar[tuple([slice(before, before + m) for (before, _), m in zip(widths, shape)])],
)


@implements("pad")
def pad(array, pad_width, mode="constant", *, constant_values=0, **options):
    n = ndim_of(array)
    if isinstance(pad_width, dict):
        pairs = {axis_of(k, n): as_tuple(v) * (2 // len(as_tuple(v))) for k, v in pad_width.items()}
        pad_width = [pairs.get(k, (0, 0)) for k in range(n)]
    widths = tuple([(int(b), int(a)) for b, a in np.broadcast_to(pad_width, (n, 2))])
    if mode == "constant":
        if is_traced(constant_values):
            raise SciadError("np.pad with traced constant_values; use np.concatenate")
        out = PAD(array, widths)
        frame = np.pad(np.zeros(shape_of(array), dtype_of(array)), widths, constant_values=constant_values)
        return out + frame if frame.any() else out
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise SciadError(f"np.pad with mode={mode!r} on traced values; use constant, edge, reflect, symmetric or wrap")
    for axis, width in enumerate(widths):  # every other mode repeats elements: a gather
        if width != (0, 0):
            array = np.take(array, np.pad(np.arange(shape_of(array)[axis]), width, mode=mode, **options), axis)
    return array


# -- triangles and diagonals -------------------------------------------------------------------------------------------------------
TRIL = Linear("tril", lambda x, k: np.tril(x, k), lambda bar, shape, k: np.tril(bar, k))
TRIU = Linear("triu", lambda x, k: np.triu(x, k), lambda bar, shape, k: np.triu(bar, k))
DIAG = Linear("diag", lambda x, k: np.diag(x, k), lambda bar, shape, k: np.diagonal(bar, k))


def _undiagonal(bar, shape, offset, axis1, axis2):
    size = int(np.prod(shape))
    places = np.diagonal(np.arange(size).reshape(shape), offset, axis1, axis2)
    return np.reshape(SCATTER.fun(bar, places, True, (size,)), shape)


DIAGONAL = Linear("diagonal", lambda x, offset, axis1, axis2: np.diagonal(x, offset, axis1, axis2), _undiagonal, view=True)


@implements("tril")
def tril(m, k=0):
    return TRIL(m, k)


@implements("triu")
def triu(m, k=0):
    return TRIU(m, k)


@implements("diagonal")
def diagonal(a, offset=0, axis1=0, axis2=1):
    return DIAGONAL(a, offset, axis1, axis2)


@implements("linalg.diagonal")
def matrix_diagonal(x, /, *, offset=0):
    return DIAGONAL(x, offset, -2, -1)


@implements("diag")
def diag(v, k=0):
    return DIAG(v, k) if ndim_of(v) == 1 else diagonal(v, k).copy()


@implements("diagflat")
def diagflat(v, k=0):
    return DIAG(ravel(v), k)


@implements("trace")
def trace(a, offset=0, axis1=0, axis2=1, dtype=None):
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1)


@implements("linalg.trace")
def matrix_trace(x, /, *, offset=0, dtype=None):
    return trace(x, offset, -2, -1)
