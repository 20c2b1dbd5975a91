"""NumPy's functions whose results carry no derivative: shapes, orders, counts, comparisons, roundings."""

from __future__ import annotations

import numpy as np

from sciad.tape.dispatch import NONDIFFERENTIABLE, implements, nondifferentiable
from sciad.tape.saving import ndim_of, shape_of

nondifferentiable(
    "argmax", "argmin", "nanargmax", "nanargmin", "argsort", "argpartition", "argwhere", "lexsort", "searchsorted", "digitize", "nonzero",
    "flatnonzero", "count_nonzero", "isin", "in1d", "ravel_multi_index", "unravel_index", "einsum_path",
    "all", "any", "allclose", "isclose", "array_equal", "array_equiv", "iscomplex", "isreal", "iscomplexobj", "isrealobj", "isneginf",
    "isposinf", "may_share_memory", "shares_memory", "can_cast", "result_type", "min_scalar_type", "common_type",
    "round", "around", "fix", "linalg.matrix_rank", "triu_indices_from", "tril_indices_from", "diag_indices_from", "ix_",
    "array2string", "array_repr", "array_str", "save", "savetxt", "savez", "savez_compressed",
)

#: `shape`, `ndim` and `size` look at the shape alone, at a tenth of the cost.
implements("shape")(lambda a: shape_of(a))
implements("ndim")(lambda a: ndim_of(a))
implements("size")(lambda a, axis=None: int(np.prod(shape_of(a))) if axis is None else shape_of(a)[axis])
NONDIFFERENTIABLE.update({"shape", "ndim", "size"})
