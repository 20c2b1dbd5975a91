"""A tree of float arrays as one vector, and back: optimisers and SciPy see vectors, losses see trees."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from sciad.errors import SciadError, ShapeError
from sciad.tree import Structure, flatten, leaf_paths, unflatten

__all__ = ["Layout", "ravel"]


class Slot(NamedTuple):
    """Where one float leaf lives: its number among the leaves, its slice of the vector, its shape, its type (None: a Python float)."""

    leaf: int
    begin: int
    end: int
    shape: tuple[int, ...]
    dtype: np.dtype | None


class Layout:
    """How the float leaves of one tree lie in a vector; ints, bools and strings stay out of it and pass through unchanged."""

    def __init__(self, tree: Any) -> None:
        self._leaves, self.structure = flatten(tree)
        self.slots: list[Slot] = []
        self.size = 0
        for index, leaf in enumerate(self._leaves):
            array = np.asarray(leaf)
            if array.dtype.kind == "c":
                raise SciadError(f"parameter {self.name(index)} is complex; pass its real and imaginary parts")
            if array.dtype.kind == "f":
                end = self.size + array.size
                dtype = None if isinstance(leaf, float) and not isinstance(leaf, np.generic) else array.dtype
                self.slots.append(Slot(index, self.size, end, array.shape, dtype))
                self.size = end
        self._shapes, self._dtypes = [slot.shape for slot in self.slots], [slot.dtype for slot in self.slots]
        self._only_arrays = len(self.slots) == len(self._leaves) > 0 and all(type(leaf) is np.ndarray for leaf in self._leaves)
        self._gather = _gatherer(self.structure)

    def name(self, index: int) -> str:
        """How a user would write the leaf of that index: ``params['w'][0]``."""
        return "params" + leaf_paths(self.structure)[index]

    def fits(self, tree: Any) -> bool:
        """Whether this layout may be used for `tree` again; False where that takes longer to find out than to make a new one."""
        leaves = self._gather(tree) if self._only_arrays else None
        if leaves is None or not all(map(_is_array, leaves)):
            return False
        return [leaf.shape for leaf in leaves] == self._shapes and [leaf.dtype for leaf in leaves] == self._dtypes

    def vector(self, tree: Any) -> np.ndarray:
        """The float leaves of `tree` as a new vector of shape (size,); a gradient may have None for a leaf, which counts as zero.

        Raises ShapeError where the tree does not have the shapes of this layout.
        """
        leaves = self._gather(tree)
        if leaves is None:
            leaves = list(_aligned(self.structure, tree))
        elif self._only_arrays and all(map(_is_array, leaves)) and [leaf.shape for leaf in leaves] == self._shapes:
            return np.concatenate([leaf.reshape(-1) for leaf in leaves], dtype=np.float64)
        parts = [leaves[slot.leaf] for slot in self.slots]
        for k, (part, slot) in enumerate(zip(parts, self.slots)):
            if type(part) is not np.ndarray:
                part = parts[k] = np.zeros(slot.shape) if part is None else np.asarray(part)
            if part.shape != slot.shape:
                raise ShapeError(f"{self.name(slot.leaf)} has shape {part.shape} where {slot.shape} is expected")
            parts[k] = part.reshape(-1)
        return np.concatenate(parts, dtype=np.float64) if parts else np.zeros(0)

    def tree(self, vector: np.ndarray) -> Any:
        """The tree whose float leaves are (views into) `vector`; float32 leaves come back as float32."""
        leaves = list(self._leaves)
        for index, begin, end, shape, dtype in self.slots:
            if dtype is None:
                leaves[index] = float(vector[begin])
                continue
            leaf = vector[begin:end]
            if len(shape) != 1:
                leaf = leaf.reshape(shape)
            leaves[index] = leaf if dtype is vector.dtype else leaf.astype(dtype)
        return unflatten(self.structure, leaves)


def ravel(tree: Any) -> tuple[np.ndarray, Layout]:
    """The float leaves of `tree` as one vector, and the layout that takes it back.

    >>> vector, layout = ravel({"a": 1.0, "b": np.array([2.0, 3.0]), "n": 7})
    >>> vector
    array([1., 2., 3.])
    >>> layout.tree(2 * vector)
    {'a': 2.0, 'b': array([4., 6.]), 'n': 7}
    """
    layout = Layout(tree)
    return layout.vector(tree), layout


def _is_array(leaf: Any) -> bool:
    return type(leaf) is np.ndarray


@lru_cache(maxsize=256)
def _gatherer(structure: Structure) -> Callable[[Any], list | None]:
    """A function that lists the leaves of a tree of this structure, and answers None for any other.

    It is generated, as a dozen lines of type checks and subscripts: a fifth of the time of `flatten`, which must find the structure out.
    """
    lines: list[str] = []
    found: list[str] = []
    types: dict[str, Any] = {}

    def visit(node: Structure, access: str) -> None:
        if node.kind == "leaf":
            found.append(access)
            return
        name = f"v{len(lines)}"
        lines.append(f"{name} = {access}")
        if node.kind == "none":
            lines.append(f"if {name} is not None: return None")
            return
        types[f"T{name}"] = node.type
        sized = "" if node.kind == "dataclass" else f" or len({name}) != {len(node.children)}"
        lines.append(f"if type({name}) is not T{name}{sized}: return None")
        for k, child in enumerate(node.children):
            if node.kind == "dataclass":
                visit(child, f"{name}.{node.keys[k]}")
                continue
            types[f"K{name}_{k}"] = node.keys[k] if node.kind == "dict" else k
            visit(child, f"{name}[K{name}_{k}]")

    visit(structure, "tree")
    body = [*lines, f"return [{', '.join(found)}]"]
    inner = textwrap.indent("\n".join(body), " " * 8)
    exec(f"def gather(tree):\n    try:\n{inner}\n    except (KeyError, AttributeError):\n        return None", types)
    return types["gather"]


def _aligned(structure: Structure, tree: Any) -> Iterator:
    """The nodes of `tree` at the leaves of `structure`, None where `tree` has nothing there."""
    if structure.kind == "leaf":
        yield tree
        return
    for k, child in enumerate(structure.children):
        try:
            if tree is None:
                below = None
            elif structure.kind == "dataclass":
                below = getattr(tree, structure.keys[k])
            else:
                below = tree[structure.keys[k] if structure.kind == "dict" else k]
        except (AttributeError, IndexError, KeyError, TypeError):
            raise ShapeError(f"a {type(tree).__name__} where params has a {structure.kind} of {len(structure.children)}") from None
        yield from _aligned(child, below)
