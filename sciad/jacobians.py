"""Jacobians and Hessians from products with them, one direction at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from sciad import tree
from sciad.api import grad, jvp, vjp
from sciad.errors import SciadError, ShapeError
from sciad.tape import value_of

__all__ = ["jacobian", "jacfwd", "jacrev", "hessian"]


def jacobian(fun: Callable, argnums: int | Sequence[int] = 0, mode: str = "auto", sparse: bool = False) -> Callable:
    """A function that returns the Jacobian of `fun` with respect to the arguments `argnums`.

    For an array argument of shape s and an array result of shape r it has shape r + s; trees of either give trees of such blocks, result
    outside, argument inside.  `mode`: "forward" (one product for each input), "reverse" (one for each output), or "auto", the fewer.
    With `sparse` the result is a scipy.sparse matrix of shape (r.size, s.size), from as many products as the sparsity pattern needs
    colours; `fun` must then be compiled (`sciad.jit`), of one array, and return one array.

    >>> jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    if mode not in ("auto", "forward", "reverse"):
        raise SciadError(f"mode must be 'auto', 'forward' or 'reverse', not {mode!r}")
    if sparse:
        from sciad.sparsity import sparse_jacobian

        return sparse_jacobian(fun, argnums, mode)

    @wraps(fun)
    def run(*args: Any) -> Any:
        block = _Blocks(fun, args, argnums)
        return block.forward() if mode == "forward" or (mode == "auto" and block.prefers_forward()) else block.reverse()

    return run


def jacfwd(fun: Callable, argnums: int | Sequence[int] = 0) -> Callable:
    """`jacobian` in forward mode."""
    return jacobian(fun, argnums, "forward")


def jacrev(fun: Callable, argnums: int | Sequence[int] = 0) -> Callable:
    """`jacobian` in reverse mode."""
    return jacobian(fun, argnums, "reverse")


def hessian(fun: Callable, argnums: int | Sequence[int] = 0) -> Callable:
    """A function that returns the Hessian of a scalar function: forward over reverse, shape s + s for an array argument of shape s.

    >>> hessian(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    return jacfwd(grad(fun, argnums), argnums)


class _Blocks:
    """The Jacobian of one call: the chosen arguments, and how products become blocks."""

    def __init__(self, fun: Callable, args: tuple, argnums: int | Sequence[int]) -> None:
        self.single = isinstance(argnums, (int, np.integer))
        self.positions = [int(argnums)] if self.single else [int(k) for k in argnums]  # type: ignore[arg-type, union-attr]
        if not all(-len(args) <= k < len(args) for k in self.positions):
            raise SciadError(f"argnums {argnums!r} with {len(args)} arguments")
        self.fun, self.args = fun, args
        self.chosen = tuple(args[k] for k in self.positions)
        self.leaves, self.structure = tree.flatten(self.chosen)
        for x in self.leaves:
            if not _is_float(x):
                raise SciadError(f"Jacobian with respect to the {type(value_of(x)).__name__} {value_of(x)!r:.40}; choose floats by argnums")
        self._pulled: tuple[Any, Callable] | None = None

    def _partial(self, *chosen: Any) -> Any:
        full = list(self.args)
        for k, x in zip(self.positions, chosen):
            full[k] = x
        return self.fun(*full)

    def _with_zeros(self, chosen: tuple) -> tuple:
        """Tangents of all arguments from those of the chosen ones."""
        full: list = [None] * len(self.args)
        for k, x in zip(self.positions, chosen):
            full[k] = x
        return tuple(full)

    def prefers_forward(self) -> bool:
        """Whether there are fewer inputs than outputs."""
        outputs = tree.leaves(self._pull()[0])
        return sum(map(_size, self.leaves)) < sum(map(_size, outputs))

    def _pull(self) -> tuple[Any, Callable]:
        if self._pulled is None:
            self._pulled = vjp(self.fun, *self.args)
        return self._pulled

    def forward(self) -> Any:
        """Column by column."""
        columns: list[list] = [[] for _ in self.leaves]
        out: Any = None
        for j, x in enumerate(self.leaves):
            for unit in _units(x):
                dots = [unit if k == j else _zeros(other) for k, other in enumerate(self.leaves)]
                tangents = self._with_zeros(tree.unflatten(self.structure, dots))
                out, dot = jvp(self.fun, self.args, tangents)
                columns[j].append(dot)
        if out is None:
            raise ShapeError("Jacobian with respect to no numbers at all")
        out_leaves, out_structure = tree.flatten(out)
        parts = [[_leaves_like(out_structure, c) for c in column] for column in columns]
        blocks = []
        for i, y in enumerate(out_leaves):
            row = [_stack_last([p[i] for p in part], np.shape(value_of(y)), np.shape(value_of(x))) for part, x in zip(parts, self.leaves)]
            blocks.append(self._arranged(row))
        return tree.unflatten(out_structure, blocks)

    def reverse(self) -> Any:
        """Row by row."""
        out, pullback = self._pull()
        out_leaves, out_structure = tree.flatten(out)
        blocks = []
        for i, y in enumerate(out_leaves):
            rows: list[list] = []
            for unit in _units(y):
                bars = [unit if k == i else None for k in range(len(out_leaves))]
                found = pullback(tree.unflatten(out_structure, bars))
                rows.append(tree.leaves(tuple(found[k] for k in self.positions)))
            shape = np.shape(value_of(y))
            row = [np.reshape(_stack([r[j] for r in rows]), shape + np.shape(value_of(x))) for j, x in enumerate(self.leaves)]
            blocks.append(self._arranged(row))
        return tree.unflatten(out_structure, blocks)

    def _arranged(self, row: list) -> Any:
        parts = tree.unflatten(self.structure, [x if np.ndim(value_of(x)) else x[()] for x in row])
        return parts[0] if self.single else parts


def _is_float(x: Any) -> bool:
    return np.asarray(value_of(x)).dtype.kind == "f"


def _size(x: Any) -> int:
    return int(np.size(value_of(x)))


def _zeros(x: Any) -> Any:
    plain = value_of(x)
    return np.zeros(plain.shape, plain.dtype) if isinstance(plain, np.ndarray) else 0.0


def _units(x: Any) -> Any:
    """The unit vectors of a leaf's space, in its shape."""
    plain = value_of(x)
    if not isinstance(plain, np.ndarray):
        yield 1.0
        return
    for k in range(plain.size):
        unit = np.zeros(plain.size, plain.dtype)
        unit[k] = 1.0
        yield unit.reshape(plain.shape)


def _leaves_like(structure: tree.Structure, dots: Any) -> list:
    found, other = tree.flatten(dots)
    if len(found) != structure.n_leaves:
        raise SciadError(f"Jacobian of a function that returns something other than floats ({other.kind}); return floats only")
    return found


def _stack(parts: list) -> Any:
    return np.stack(parts) if np.ndim(value_of(parts[0])) else np.stack([np.reshape(p, ()) for p in parts])


def _stack_last(parts: list, out_shape: tuple, in_shape: tuple) -> Any:
    """Columns side by side, in the shape out_shape + in_shape."""
    stacked = np.stack([np.reshape(p, out_shape) for p in parts], axis=-1)
    return np.reshape(stacked, out_shape + in_shape)
