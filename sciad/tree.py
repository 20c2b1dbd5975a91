"""Nested tuples, lists, dicts, named tuples and dataclasses as flat lists of leaves, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

__all__ = ["Structure", "flatten", "unflatten", "leaves", "tree_map", "leaf_paths"]


class Structure(NamedTuple):
    """The hashable shape of a tree: kind of container, its type, its keys, and the structures of its children."""

    kind: str
    type: type | None
    keys: tuple
    children: tuple[Structure, ...]

    @property
    def n_leaves(self) -> int:
        """Number of leaves below this node."""
        return 1 if self.kind == "leaf" else sum(child.n_leaves for child in self.children)


LEAF = Structure("leaf", None, (), ())
NONE = Structure("none", None, (), ())


def flatten(tree: Any) -> tuple[list, Structure]:
    """Leaves of `tree`, left to right, and its structure; dict keys are sorted, ``None`` has no leaves.

    >>> flatten({"b": 1.0, "a": (2.0, None)})[0]
    [2.0, 1.0]
    """
    found: list = []
    return found, _flatten(tree, found)


def _flatten(tree: Any, found: list) -> Structure:
    if tree is None:
        return NONE
    kind = type(tree)
    if kind is dict:
        keys = tuple(_sorted_keys(tree))
        return Structure("dict", kind, keys, tuple(_flatten(tree[k], found) for k in keys))
    if isinstance(tree, tuple) and hasattr(kind, "_fields"):
        return Structure("namedtuple", kind, kind._fields, tuple(_flatten(x, found) for x in tree))
    if kind is tuple or kind is list:
        return Structure(kind.__name__, kind, (), tuple(_flatten(x, found) for x in tree))
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        names = tuple(f.name for f in dataclasses.fields(tree))
        return Structure("dataclass", kind, names, tuple(_flatten(getattr(tree, n), found) for n in names))
    found.append(tree)
    return LEAF


def _sorted_keys(tree: dict) -> Iterable:
    try:
        return sorted(tree)
    except TypeError:  # keys of mixed types: keep the order of insertion
        return list(tree)


def unflatten(structure: Structure, values: Iterable) -> Any:
    """The inverse of `flatten`: a tree of the given structure with the given leaves."""
    return _unflatten(structure, iter(values))


def _unflatten(structure: Structure, values) -> Any:
    kind, cls = structure.kind, structure.type
    if kind == "leaf":
        return next(values)
    if kind == "none":
        return None
    children = [_unflatten(child, values) for child in structure.children]
    if kind == "dict":
        return dict(zip(structure.keys, children))
    assert cls is not None
    if kind == "namedtuple":
        return cls(*children)
    if kind == "dataclass":
        return _rebuild_dataclass(cls, structure.keys, children)
    return cls(children)


def _rebuild_dataclass(cls: type, names: tuple, children: list) -> Any:
    made: Any = object.__new__(cls)  # no __init__: it might validate or derive fields, and leaves may be traced or tangents
    for name, child in zip(names, children):
        object.__setattr__(made, name, child)
    return made


def leaves(tree: Any) -> list:
    """The leaves of `tree`, left to right."""
    return flatten(tree)[0]


def tree_map(function: Callable, tree: Any, *others: Any) -> Any:
    """Apply `function` to corresponding leaves of trees of one structure; ValueError where the structures differ."""
    first, structure = flatten(tree)
    columns = [first]
    for other in others:
        values, found = flatten(other)
        if found != structure:
            raise ValueError(f"trees of different structure: {structure} and {found}")
        columns.append(values)
    return unflatten(structure, [function(*row) for row in zip(*columns)])


def leaf_paths(structure: Structure, prefix: str = "") -> list[str]:
    """Python-like names of the leaves, for error messages: ``['w'][0].bias``."""
    if structure.kind == "leaf":
        return [prefix]
    named = structure.kind in ("namedtuple", "dataclass")
    keys = structure.keys if structure.keys else range(len(structure.children))
    paths: list[str] = []
    for key, child in zip(keys, structure.children):
        paths += leaf_paths(child, f"{prefix}.{key}" if named else f"{prefix}[{key!r}]")
    return paths
