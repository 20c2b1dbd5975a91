"""One line for each NumPy function and way of calling it: ``(names of the functions, call, arguments)``."""

from __future__ import annotations

import numpy as np

_rng = np.random.default_rng(7)


def a(*shape):
    """Numbers between 0.5 and 2, all different."""
    return 0.5 + 1.5 * _rng.random(shape)


def r(*shape):
    """Numbers of both signs, away from zero and from each other."""
    n = int(np.prod(shape))
    values = np.linspace(0.3, 2.0, n) * _rng.choice([-1.0, 1.0], n)
    return _rng.permutation(values).reshape(shape)


V, M, T3 = r(5), r(3, 4), r(2, 3, 4)
MASK = np.array([True, False, True, True, False])

SHAPES = [
    ("reshape", lambda x: np.reshape(x, (4, 3)), M),
    ("reshape", lambda x: x.reshape(-1, 2, order="F"), M),
    ("ravel", lambda x: np.ravel(x), M),
    ("ravel", lambda x: x.ravel("F") * x.flatten(), M),
    ("transpose permute_dims", lambda x: np.transpose(x, (1, 2, 0)), T3),
    ("transpose", lambda x: x.T * 2, T3),
    ("matrix_transpose linalg.matrix_transpose", lambda x: np.linalg.matrix_transpose(x) + x.mT, T3),
    ("swapaxes", lambda x: np.swapaxes(x, 0, 2), T3),
    ("moveaxis", lambda x: np.moveaxis(x, [0, 1], [2, 0]), T3),
    ("rollaxis", lambda x: (np.rollaxis(x, 2), np.rollaxis(x, 0, 3)), T3),
    ("squeeze", lambda x: np.squeeze(x[None, :, None], axis=2), V),
    ("squeeze", lambda x: x[None].squeeze(), V),
    ("expand_dims", lambda x: np.expand_dims(x, (0, 2)), V),
    ("broadcast_to", lambda x: np.broadcast_to(x, (3, 5)), V),
    ("broadcast_arrays", lambda x, y: np.broadcast_arrays(x, y[:, None]), V, r(2)),
    ("atleast_1d", lambda x: np.atleast_1d(x), 1.5),
    ("atleast_2d", lambda x: np.atleast_2d(x), V),
    ("atleast_3d", lambda x: (np.atleast_3d(x), np.atleast_3d(x[0])), M),
    ("flip", lambda x: np.flip(x, 1), M),
    ("fliplr", lambda x: np.fliplr(x), M),
    ("flipud", lambda x: np.flipud(x), M),
    ("rot90", lambda x: (np.rot90(x), np.rot90(x, 2), np.rot90(x, 3), np.rot90(x, 1, (1, 2))), T3),
    ("roll", lambda x: (np.roll(x, 2), np.roll(x, -1, 0), np.roll(x, (1, 2), (0, 1))), M),
    ("tile", lambda x: (np.tile(x, (2, 1)), np.tile(x, 3), np.tile(x, (2, 1, 2))), M),
    ("repeat", lambda x: (np.repeat(x, 2), np.repeat(x, 2, 1), np.repeat(x, [1, 0, 2], 0)), M),
    ("resize", lambda x: np.resize(x, (3, 3)), V),
    ("pad", lambda x: (np.pad(x, 1), np.pad(x, ((1, 2), (0, 1)), constant_values=3.0)), M),
    ("pad", lambda x: [np.pad(x, (2, 1), mode=m) for m in ("edge", "reflect", "symmetric", "wrap")], V),
    ("tril", lambda x: (np.tril(x, 1), np.tril(x[0])), M),
    ("triu", lambda x: np.triu(x, -1), T3),
    ("diag", lambda x, y: (np.diag(x), np.diag(x, 1), np.diag(y, 1)), V, M),
    ("diagflat", lambda x: np.diagflat(x, -1), M),
    ("diagonal", lambda x: (np.diagonal(x, 1, 0, 2), x.diagonal()), T3),
    ("linalg.diagonal", lambda x: np.linalg.diagonal(x, offset=1), T3),
    ("trace", lambda x: (np.trace(x, 1), x.trace()), M),
    ("linalg.trace", lambda x: np.linalg.trace(x), T3),
]

JOINING = [
    ("concatenate concat", lambda x, y: (np.concatenate([x, y], 1), np.concatenate((x, y), None)), M, r(3, 2)),
    ("stack", lambda x, y: np.stack([x, y * 2, np.ones(5)], 1), V, r(5)),
    ("stack", lambda s, t: np.stack([s, t, s * t, 1.0]), 1.5, 0.4),
    ("vstack row_stack", lambda x, y: np.vstack([x, y]), V, r(2, 5)),
    ("hstack", lambda x, y: np.hstack([x, y]), M, r(3, 1)),
    ("hstack", lambda x, s: np.hstack([x, s]), V, 0.3),
    ("dstack", lambda x: np.dstack([x, x * x]), M),
    ("column_stack", lambda x, y: np.column_stack([x, y]), V, r(5, 2)),
    ("block", lambda x, y: np.block([[x, y], [np.zeros((1, 4)), y[:1]]]), M, r(3, 2)),
    ("block", lambda x, s: np.block([x, s]), V, 0.7),
    ("append", lambda x, y: (np.append(x, y), np.append(x, x, axis=0)), M, V),
    ("insert", lambda x, s: (np.insert(x, 2, s), np.insert(x, [1, 3], [s, 2.0]), np.insert(x, [1, 1, 4], s)), V, 0.3),
    ("insert", lambda x, y: (np.insert(x, 1, y, axis=1), np.insert(x, [1], y[:, None], axis=1), np.insert(x, 2, y[0], 0)), M, r(3)),
    ("delete", lambda x: (np.delete(x, 1, 0), np.delete(x, [0, 2], 1), np.delete(x, slice(1, 3))), M),
    ("split", lambda x: np.split(x, 2, 1), M),
    ("array_split", lambda x: np.array_split(x, 3), V),
    ("array_split", lambda x: np.array_split(x, [1, 3]), V),
    ("hsplit", lambda x: np.hsplit(x, 2), M),
    ("vsplit", lambda x: np.vsplit(x, 3), M),
    ("dsplit", lambda x: np.dsplit(x, 2), T3),
    ("unstack", lambda x: np.unstack(x, axis=1), M),
    ("meshgrid", lambda x, y: np.meshgrid(x, y), V, r(3)),
    ("meshgrid", lambda x, y: np.meshgrid(x, y, indexing="ij", sparse=True), V, r(3)),
]

REDUCTIONS = [
    ("sum", lambda x: (np.sum(x), np.sum(x, 1), np.sum(x, (0, 2), keepdims=True), x.sum(axis=-1)), T3),
    ("sum", lambda x: np.sum(x, where=x > 0, initial=2.0), M),
    ("mean", lambda x: (np.mean(x), x.mean(0, keepdims=True)), M),
    ("mean", lambda x: np.mean(x, axis=1, where=np.abs(x) < 1.5), M),
    ("average", lambda x, w: (np.average(x), np.average(x, 0, w), np.average(x, weights=x * x)), M, a(3)),
    ("prod", lambda x: (np.prod(x), np.prod(x, 1), np.prod(x, (0, 2), keepdims=True)), T3),
    ("prod", lambda x: np.prod(x * np.array([1.0, 0.0, 1.0, 1.0]), axis=1), M),
    ("max amax", lambda x: (np.max(x), np.amax(x, 1), x.max((0, 2)), np.max(x, 0, keepdims=True, initial=0.1)), T3),
    ("min amin", lambda x: (np.min(x), np.amin(x, 1), x.min(axis=2)), T3),
    ("ptp", lambda x: np.ptp(x, 0), M),
    ("cumsum", lambda x: (np.cumsum(x), np.cumsum(x, 1)), M),
    ("cumprod", lambda x: (np.cumprod(x), np.cumprod(x, 0)), M),
    ("cumprod", lambda x: np.cumprod(x * np.array([1.0, 0.0, 1.0, 1.0, 1.0])), V),
    ("cumulative_sum", lambda x: np.cumulative_sum(x, axis=1, include_initial=True), M),
    ("cumulative_prod", lambda x: np.cumulative_prod(x, axis=0), M),
    ("var", lambda x: (np.var(x), np.var(x, 1, ddof=1), x.var(0, keepdims=True)), M),
    ("std", lambda x: (np.std(x), np.std(x, 0, ddof=1)), M),
    ("cov", lambda x, y: (np.cov(x), np.cov(x, bias=True, rowvar=False), np.cov(x[0], y)), M, r(4)),
    ("corrcoef", lambda x: np.corrcoef(x), M),
    ("nansum", lambda x: np.nansum(np.where(x > 1, np.nan, x), 0), M),
    ("nanmean", lambda x: np.nanmean(np.where(x > 1, np.nan, x)), M),
    ("nanvar nanstd", lambda x: (np.nanvar(np.where(x > 1, np.nan, x)), np.nanstd(x, 0)), M),
    ("nanmax nanmin", lambda x: (np.nanmax(np.where(x > 1, np.nan, x)), np.nanmin(x, 0)), M),
    ("nanprod", lambda x: np.nanprod(np.where(x > 1, np.nan, x)), M),
    ("nancumsum nancumprod", lambda x: (np.nancumsum(np.where(x > 1, np.nan, x)), np.nancumprod(np.where(x > 1, np.nan, x))), V),
    ("diff", lambda x: (np.diff(x), np.diff(x, 2, 0), np.diff(x, prepend=0.0), np.diff(x, axis=0, append=x[:1])), M),
    ("ediff1d", lambda x: np.ediff1d(x, to_begin=1.0, to_end=x[:2]), V),
    ("trapezoid trapz", lambda x, t: (np.trapezoid(x), np.trapezoid(x, dx=0.1, axis=0), np.trapezoid(x, np.cumsum(t))), M, a(4)),
    ("gradient", lambda x: (np.gradient(x), np.gradient(x, 0.1, edge_order=2)), V),
    ("gradient", lambda x: np.gradient(x, 0.5, axis=1), M),
    ("gradient", lambda x, t: np.gradient(x, np.cumsum(t), edge_order=2), V, a(5)),
    ("gradient", lambda x: np.gradient(x, 0.1, 0.2), M),
]

SELECTION = [
    ("where", lambda x, y: (np.where(x > 0, x, y), np.where(x > 0, x * x, 1.0), np.where(y > 0, 0.0, y)), M, r(4)),
    ("select", lambda x: np.select([x > 1, x > 0], [x * x, 3 * x], -x), M),
    ("piecewise", lambda x: np.piecewise(x, [x < -1, x > 1], [0.5, lambda v: v**2, lambda v: -v]), V),
    ("choose", lambda x, y: np.choose(np.array([0, 1, 1, 0, 1]), [x, y]), V, r(5)),
    ("clip", lambda x: (np.clip(x, -1, 1), x.clip(min=0.0), np.clip(x, None, x[0])), V),
    ("nan_to_num", lambda x: np.nan_to_num(np.where(x > 1, np.nan, x), nan=2.0), M),
    ("take", lambda x: (np.take(x, [0, 2, 2], 1), np.take(x, 5), x.take([[1, 1], [0, 2]]), np.take(x, [9, -1], 0, mode="wrap")), M),
    ("take_along_axis", lambda x: np.take_along_axis(x, np.array([[0, 0], [1, 3], [2, 2]]), 1), M),
    ("bincount", lambda w: np.bincount([0, 2, 2, 1, 0], weights=w, minlength=4), V),
    ("apply_along_axis", lambda x: np.apply_along_axis(lambda v: np.outer(v, v[:2]), 1, x), T3),
    ("compress", lambda x: (np.compress(MASK[:3], x, 0), x.compress([True, False, True])), M),
    ("extract", lambda x: np.extract(x > 0, x), M),
    ("trim_zeros", lambda x: np.trim_zeros(x * np.array([0, 0, 1, 1, 0])), V),
    ("sort", lambda x: (np.sort(x), np.sort(x, 0), np.sort(x, None)), M),
    ("partition", lambda x: np.partition(x, 2), V),
    ("unique unique_values", lambda x: (np.unique(np.concatenate([x, x])), np.unique(x, return_index=True)), V),
    ("median", lambda x: (np.median(x), np.median(x, 1), np.median(x, (0, 1), keepdims=True)), M),
    ("percentile", lambda x: (np.percentile(x, 30), np.percentile(x, [10, 50, 90], axis=1)), M),
    ("quantile", lambda x: np.quantile(x, [0.2, 0.9], axis=0, keepdims=True), M),
    ("sort_complex", lambda x: np.sort_complex(x), V),
]

PRODUCTS = [
    ("matmul linalg.matmul", lambda x, y: (x @ y, np.matmul(x, y), np.linalg.matmul(x, y)), M, r(4, 2)),
    ("matmul", lambda x, y, v: (x @ v, v[:3] @ x, v @ v, y @ v, v[:3] @ y), M, T3, r(4)),
    ("matmul", lambda x, y: x @ y, r(2, 1, 3, 2), r(3, 2, 2)),
    ("matmul", lambda y: np.arange(6.0).reshape(2, 3) @ y, M),
    ("dot", lambda x, y, v: (np.dot(x, y), np.dot(y, v), np.dot(2.0, x), x.dot(y)), M, r(4, 2), r(2)),
    ("dot", lambda x, y: np.dot(x, y), T3, r(2, 4, 2)),
    ("inner", lambda x, y: (np.inner(x, y), np.inner(x, y[0]), np.inner(y[0], y[1])), T3, r(2, 4)),
    ("vdot", lambda x: np.vdot(x, x * x), M),
    ("outer linalg.outer", lambda x, y: (np.outer(x, y), np.linalg.outer(x, y)), V, r(3)),
    ("vecdot linalg.vecdot", lambda x, y: (np.vecdot(x, y), np.linalg.vecdot(x, y, axis=0)), M, r(3, 4)),
    ("matvec vecmat", lambda x, v: (np.matvec(x, v), np.vecmat(v[:3], x)), T3, r(4)),
    ("tensordot linalg.tensordot",
     lambda x, y: (np.tensordot(x, y, ([0, 2], [1, 0])), np.tensordot(x, x, 3), np.tensordot(y, y, 0)), T3, r(4, 2)),
    ("kron", lambda x, y: (np.kron(x, y), np.kron(y[0], x), np.kron(x, y[0])), M, r(2, 3)),
    ("cross linalg.cross", lambda x, y: (np.cross(x, y), np.linalg.cross(x, y), np.cross(x.T, y, axisa=0, axisc=0)), r(4, 3), r(4, 3)),
    ("einsum",
     lambda x, y: (np.einsum("ij,jk->ki", x, y), np.einsum("ij,jk", x, y), np.einsum("ij->", x), np.einsum("ij->j", x)), M, r(4, 2)),
    ("einsum", lambda x: (np.einsum("ii", x), np.einsum("ii->i", x), np.einsum("iij->ji", np.stack([x, x, x], 2))), r(3, 3)),
    ("einsum",
     lambda x, y, v: (np.einsum("...ij,...jk,k->...i", x, y, v, optimize=True), np.einsum("a...,...b->ab...", x[0], x[1].T)),
        T3, r(4, 2), r(2)),
    ("linalg.multi_dot", lambda x, y, v: (np.linalg.multi_dot([x, y, v]), np.linalg.multi_dot([x, y])), M, r(4, 2), r(2)),
]

SAMPLES = [
    ("interp", lambda x, p, f: np.interp(x, np.cumsum(p), f, left=-1.0), np.array([0.1, 1.6, 2.3, 9.0]), a(5), r(5)),
    ("interp", lambda x, f: np.interp(x, [0.0, 1.0, 2.0], f, period=3.0), np.array([0.5, 2.6, -1.2]), r(3)),
    ("convolve", lambda x, y: [np.convolve(x, y, m) for m in ("full", "same", "valid")], V, r(3)),
    ("convolve", lambda x, y: [np.convolve(y, x, m) for m in ("full", "same", "valid")], V, r(2)),
    ("correlate", lambda x, y: [np.correlate(x, y, m) for m in ("full", "same", "valid")], V, r(3)),
    ("correlate", lambda x, y: [np.correlate(y, x, m) for m in ("full", "same", "valid")], V, r(4)),
    ("polyval", lambda p, x: np.polyval(p, x), V, M),
    ("polyadd polysub polymul", lambda p, q: (np.polyadd(p, q), np.polysub(q, p), np.polymul(p, q)), V, r(3)),
    ("polyder", lambda p: (np.polyder(p), np.polyder(p, 2)), V),
    ("vander", lambda x: (np.vander(x, 3), np.vander(x, increasing=True)), V),
    ("polyfit", lambda x, y: (np.polyfit(np.cumsum(x), y, 2), np.polyfit(np.cumsum(x), y, 1, w=x)), a(6), r(6)),
    ("sinc", lambda x: np.sinc(x), np.array([0.0, 1e-3, 0.05, 0.0999, 0.1001, 0.7, -2.2])),
    ("i0", lambda x: np.i0(x), V),
    ("unwrap", lambda x: np.unwrap(4 * x), V),
    ("linspace", lambda s, t: (np.linspace(s, t, 5), np.linspace(s, t, 4, endpoint=False), np.linspace(t, 1.0, 3, retstep=True)), 0.3, 1.7),
    ("linspace", lambda x, y: np.linspace(x, y, 4, axis=1), V, r(5)),
    ("logspace", lambda s: np.logspace(s, 1.0, 3), 0.3),
    ("geomspace", lambda s: np.geomspace(s, 9.0, 4), 0.3),
    ("apply_along_axis", lambda x: np.apply_along_axis(lambda v: v * np.sum(v), 1, x), M),
]

CREATION = [
    ("zeros_like", lambda x: _filled(np.zeros_like(x), x), V),
    ("ones_like", lambda x: np.ones_like(x) * x, V),
    ("empty_like", lambda x: _filled(np.empty_like(x, shape=(7,)), x), V),
    ("full_like", lambda x: _filled(np.full_like(x, x[0]), x), V),
    ("copy", lambda x: (np.copy(x), x.copy() * x), V),
    ("astype", lambda x: x.astype(float) * 2 + np.astype(x, float), V),
    ("array", lambda x: np.array([x[0], x[1] * x[2], 1.0], like=x), V),
    ("asarray", lambda x: np.asarray([x, 2 * x], like=x), V),
    ("zeros", lambda x: _filled(np.zeros(6, like=x), x), V),
    ("eye", lambda x: np.eye(5, like=x) * x, V),
]


def _filled(buffer, x):
    if np.ndim(buffer) == 1 and not isinstance(buffer, np.ndarray):
        for k in range(len(x)):
            buffer[k] = x[k] ** 2
    else:
        buffer[: len(x)] = x**2
    buffer[len(x):] = 0.0
    return buffer


WRITES = [
    ("copyto", lambda x: _written(x, lambda y: np.copyto(y, 2 * y[::-1], where=MASK)), V),
    ("put", lambda x: _written(x, lambda y: np.put(y, [0, -2, 0], y[1:3])), V),
    ("place", lambda x: _written(x, lambda y: np.place(y, MASK, y[:2] * 2)), V),
    ("putmask", lambda x: _written(x, lambda y: np.putmask(y, MASK, y[:3] * 2)), V),
    ("put_along_axis", lambda x: _written(x, lambda y: np.put_along_axis(y, np.array([[0], [3], [1]]), y[:, 1:2] * 2, 1)), M),
    ("fill_diagonal", lambda x, s: _written(x, lambda y: np.fill_diagonal(y, s)), M, 0.4),
]


def _written(x, write):
    y = np.copy(x)
    write(y)
    return y * y


ARRAY_CASES = SHAPES + JOINING + REDUCTIONS + SELECTION + PRODUCTS + SAMPLES + CREATION + WRITES

#: ufunc -> (low, high) for each operand, inside the domain and away from kinks
UFUNCS = {
    "add": [(-2, 2)] * 2, "subtract": [(-2, 2)] * 2, "multiply": [(-2, 2)] * 2, "divide": [(-2, 2), (0.5, 2)], "negative": [(-2, 2)],
    "positive": [(-2, 2)], "power": [(0.5, 2), (-2, 2)], "float_power": [(0.5, 2), (-2, 2)], "square": [(-2, 2)], "reciprocal": [(0.5, 2)],
    "sqrt": [(0.5, 2)], "cbrt": [(0.5, 2)], "exp": [(-2, 2)], "exp2": [(-2, 2)], "expm1": [(-2, 2)], "log": [(0.5, 2)], "log2": [(0.5, 2)],
    "log10": [(0.5, 2)], "log1p": [(-0.5, 2)], "logaddexp": [(-2, 2)] * 2, "logaddexp2": [(-2, 2)] * 2, "sin": [(-2, 2)], "cos": [(-2, 2)],
    "tan": [(-1, 1)], "arcsin": [(-0.8, 0.8)], "arccos": [(-0.8, 0.8)], "arctan": [(-2, 2)], "sinh": [(-2, 2)], "cosh": [(-2, 2)],
    "tanh": [(-2, 2)], "arcsinh": [(-2, 2)], "arccosh": [(1.5, 3)], "arctanh": [(-0.8, 0.8)], "arctan2": [(0.3, 2), (-2, 2)],
    "hypot": [(0.3, 2), (-2, 2)], "degrees": [(-2, 2)], "radians": [(-2, 2)], "deg2rad": [(-2, 2)], "rad2deg": [(-2, 2)],
    "absolute": [(0.2, 2)], "fabs": [(-2, -0.2)], "maximum": [(0, 1), (1.1, 2)], "minimum": [(0, 1), (1.1, 2)], "fmax": [(0, 1), (1.1, 2)],
    "fmin": [(0, 1), (1.1, 2)], "remainder": [(2.2, 2.8), (1, 1.09)], "fmod": [(-2.8, -2.2), (1, 1.09)], "copysign": [(0.2, 2), (-2, -1)],
    "nextafter": [(0.5, 2), (3, 4)], "heaviside": [(0.5, 2), (0, 1)], "conjugate": [(-2, 2)],
}
