"""`check_grads`: derivatives against central differences, by random projections, in both modes and to second order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sciad import tree
from sciad.api import jvp, vjp
from sciad.errors import SciadError
from sciad.tape import value_of

__all__ = ["check_grads"]

STEPS = (1e-4, 1e-5, 1e-6, 1e-7)  # relative to the size of the argument: the one that agrees best tells rounding from truth


def check_grads(
    fun: Callable, args: Sequence, order: int = 2, modes: Sequence[str] = ("forward", "reverse"), rtol: float | None = None
) -> None:
    """Compare the derivatives of `fun` at `args` with central differences; AssertionError with the worst entry where they disagree.

    Every float of the arguments is moved by itself and in a random direction; `order` 2 checks the gradient's own derivative as well.
    `rtol` is relative to the largest derivative (default 1e-5 for order 1 and 1e-4 for order 2).
    """
    unknown = set(modes) - {"forward", "reverse"}
    if unknown or order not in (1, 2):
        raise SciadError(f"check_grads takes order 1 or 2 and modes 'forward' and 'reverse', not order {order} and {sorted(unknown)}")
    args = tuple(args)
    rng = np.random.default_rng(0)
    flat = _Flat(fun, args)
    weights = rng.normal(size=flat.n_out)
    expected = flat.differences(lambda x: flat.value(x) @ weights)
    for mode in modes:
        found = flat.forward(flat.x, weights) if mode == "forward" else flat.reverse(flat.x, weights)
        _compare(found, expected, rtol or 1e-5, f"{mode} derivative", flat.names)
    if order == 2:
        direction = rng.normal(size=flat.x.size)
        for mode in modes:
            first = flat.forward if mode == "forward" else flat.reverse
            expected = flat.differences(lambda x, first=first: first(x, weights) @ direction)
            _compare(flat.second(weights, direction, mode), expected, rtol or 1e-4, f"second derivative ({mode} inside)", flat.names)


class _Flat:
    """The function on the vector of its float arguments, giving the vector of its float results."""

    def __init__(self, fun: Callable, args: tuple) -> None:
        self.fun = fun
        self.leaves, self.structure = tree.flatten(args)
        self.places = [k for k, x in enumerate(self.leaves) if np.asarray(x).dtype.kind == "f"]
        self.x = np.concatenate([np.ravel(np.asarray(self.leaves[k], float)) for k in self.places]) if self.places else np.zeros(0)
        if not self.x.size:
            raise SciadError("check_grads: no argument is a float")
        paths = tree.leaf_paths(self.structure, "args")
        self.names = [f"{paths[k]}{list(i) if i else ''}" for k in self.places for i in np.ndindex(np.shape(self.leaves[k]))]
        self.n_out = self.value(self.x).size

    def args(self, x: Any) -> tuple:
        """The arguments from the vector."""
        leaves, start = list(self.leaves), 0
        for k in self.places:
            like = np.asarray(self.leaves[k])
            part = np.reshape(x[start : start + like.size], like.shape)
            leaves[k] = part if isinstance(self.leaves[k], np.ndarray) else part[()]
            if isinstance(self.leaves[k], float) and isinstance(leaves[k], np.ndarray | np.floating):
                leaves[k] = float(leaves[k])
            start += like.size
        return tree.unflatten(self.structure, leaves)

    def _floats(self, out: Any) -> Any:
        parts = [np.ravel(leaf) for leaf in tree.leaves(out) if np.asarray(value_of(leaf)).dtype.kind == "f"]
        return np.concatenate(parts) if parts else np.zeros(0)

    def value(self, x: np.ndarray) -> np.ndarray:
        """Float results as one vector."""
        return self._floats(self.fun(*self.args(x)))

    def forward(self, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Gradient of the weighted sum of the results, by products with unit vectors."""
        return np.array([self._floats(jvp(self.fun, self.args(x), self.args_like(unit))[1]) @ weights for unit in np.eye(x.size)])

    def args_like(self, dots: np.ndarray) -> tuple:
        """A tangent tree from the vector; None for what is not a float."""
        filled, full = self.args(dots), [None] * len(self.leaves)
        found = tree.leaves(filled)
        for k in self.places:
            full[k] = found[k]
        return tree.unflatten(self.structure, full)

    def reverse(self, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The same gradient by one pullback."""
        out, pullback = vjp(self.fun, *self.args(x))
        leaves, structure = tree.flatten(out)
        bars, start = [], 0
        for leaf in leaves:
            like = np.asarray(leaf)
            if like.dtype.kind != "f":
                bars.append(None)
                continue
            part = weights[start : start + like.size].reshape(like.shape)
            bars.append(part if isinstance(leaf, np.ndarray) else float(part))
            start += like.size
        found = tree.flatten(pullback(tree.unflatten(structure, bars)))[0]
        return np.concatenate([np.ravel(b) for b in found if b is not None])

    def second(self, weights: np.ndarray, direction: np.ndarray, mode: str) -> np.ndarray:
        """Hessian of the weighted sum times a direction: reverse over forward, or forward over reverse."""

        def weighted(*args: Any) -> Any:
            return self._floats(self.fun(*args)) @ weights

        args, dots = self.args(self.x), self.args_like(direction)
        if mode == "forward":
            _, pullback = vjp(lambda *a: jvp(weighted, a, dots)[1], *args)
            found = tree.leaves(pullback(1.0))
        else:
            _, out = jvp(lambda *a: vjp(weighted, *a)[1](1.0), args, dots)
            found = tree.leaves(out)
        return np.concatenate([np.ravel(b) for b in found])

    def differences(self, fun: Callable) -> list[np.ndarray]:
        """Central differences of a scalar function for each of several steps."""
        scale = np.maximum(np.abs(self.x), 1e-2)
        found = []
        for step in STEPS:
            row = []
            for unit, size in zip(np.eye(self.x.size), step * scale):
                row.append((fun(self.x + size * unit) - fun(self.x - size * unit)) / (2 * size))
            found.append(np.array(row))
        return found


def _compare(found: np.ndarray, expected: list[np.ndarray], rtol: float, what: str, names: list[str]) -> None:
    scale = max(float(np.max(np.abs(found))), 1e-12)
    errors = np.min([np.abs(found - e) for e in expected], axis=0) / scale
    worst = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
    if not errors[worst] <= rtol:
        closest = min((e[worst] for e in expected), key=lambda e: abs(e - found[worst]))
        raise AssertionError(
            f"{what} with respect to {names[worst]}: {found[worst]!r}, central differences give {closest!r} "
            f"(error {errors[worst]:.1e} of the largest derivative, allowed {rtol:.1e})"
        )
