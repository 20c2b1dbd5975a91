"""Nested tuples, lists, dicts, named tuples and dataclasses as flat lists of leaves, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

__all__ = ["Structure", "flatten", "unflatten", "leaves", "tree_map", "leaf_paths"]


class Structure(NamedTuple):
    """The hashable shape of a tree: kind of container, its type, its keys, and the structures of its children."""

    kind: str
    type: type | None
    keys: tuple
    children: tuple[Structure, ...]
    order: tuple = ()  # of a dict whose keys were not inserted in the sorted order of `keys`: how a loop over it runs

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
    kind = type(tree)
    try:
        handler = _HANDLERS[kind]
    except KeyError:
        handler = _HANDLERS[kind] = _handler(kind)
    if handler is None:
        found.append(tree)
        return LEAF
    return handler(tree, found)


def _flatten_sequence(tree: Any, found: list) -> Structure:
    kind = type(tree)
    return Structure(kind.__name__, kind, (), tuple([_flatten(x, found) for x in tree]))


def _flatten_named(tree: Any, found: list) -> Structure:
    kind = type(tree)
    return Structure("namedtuple", kind, kind._fields, tuple([_flatten(x, found) for x in tree]))


def _flatten_dict(tree: dict, found: list) -> Structure:
    keys, inserted = tuple(_sorted_keys(tree)), tuple(tree)
    children = tuple([_flatten(tree[k], found) for k in keys])
    return Structure("dict", dict, keys, children, inserted if inserted != keys else ())


def _flatten_dataclass(tree: Any, found: list) -> Structure:
    names = _field_names(type(tree))  # type: ignore[arg-type]
    return Structure("dataclass", type(tree), names, tuple([_flatten(getattr(tree, n), found) for n in names]))


@lru_cache(maxsize=1024)
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind))


def _handler(kind: type) -> Callable | None:
    """How containers of a type are taken apart; None for leaves."""
    if kind is dict:
        return _flatten_dict
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _flatten_named
    if kind is tuple or kind is list:
        return _flatten_sequence
    if dataclasses.is_dataclass(kind):
        return _flatten_dataclass
    return None


#: By type of node; types of leaves have None.
_HANDLERS: dict[type, Callable | None] = {type(None): lambda tree, found: NONE}


def _sorted_keys(tree: dict) -> Iterable:
    try:
        return sorted(tree)
    except TypeError:  # keys of mixed types: keep the order of insertion
        return list(tree)


def unflatten(structure: Structure, values: Iterable) -> Any:
    """The inverse of `flatten`: a tree of the given structure with the given leaves."""
    return _unflatten(structure, iter(values))


def _unflatten(structure: Structure, values) -> Any:
    kind = structure.kind
    if kind == "leaf":
        return next(values)
    if kind == "none":
        return None
    children = [next(values) if child is LEAF else _unflatten(child, values) for child in structure.children]
    if kind == "tuple":
        return tuple(children)
    if kind == "dict":
        made = dict(zip(structure.keys, children))
        return {k: made[k] for k in structure.order} if structure.order else made
    cls = structure.type
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


def _unordered(structure: Structure) -> Structure:
    """The structure without the order in which keys were inserted."""
    return structure._replace(children=tuple(map(_unordered, structure.children)), order=())


def tree_map(function: Callable, tree: Any, *others: Any) -> Any:
    """Apply `function` to corresponding leaves of trees of one structure; ValueError where the structures differ."""
    first, structure = flatten(tree)
    columns = [first]
    for other in others:
        values, found = flatten(other)
        if found != structure and _unordered(found) != _unordered(structure):
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
