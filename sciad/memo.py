"""What a new process needs of a compiled function without lowering it again: kept in the cache folder next to the machine code.

A memo belongs to the text and the code of a function, the kinds of its arguments, and everything that was compiled in: each capture is
read anew and compared by what it is (a number, a module, a function's text and code).  What cannot be compared is not remembered.
"""

from __future__ import annotations

import hashlib
import linecache
import os
import pickle
import tempfile
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from sciad.backend import cache_folder, digest
from sciad.frontend.context import ROOT, Capture
from sciad.frontend.lower import Kind, Leaf, Lowered, Output
from sciad.frontend.source import python_function
from sciad.rules import registry
from sciad.tree import Structure

__all__ = ["Facts", "find", "keep", "facts_of"]

#: False where generated code is not compiled (as the tests' interpreter does).
ENABLED = True

#: Modules whose functions and constants are as the version of NumPy, SciPy and Python says.
_FIXED = ("numpy", "math", "cmath", "builtins", "scipy", "_operator", "operator")


@dataclass(eq=False)
class Facts:
    """What calls need of a lowered function, besides the compiled code."""

    name: str
    filename: str
    inputs: list[Leaf]
    n_args: int
    capture_trees: list[tuple[Capture, Structure, int]]
    guards: list[tuple[Capture, Any]]
    outputs: list[Output]
    structure: Structure
    result_types: list[str]
    written: list[bool]
    compiled: dict[Hashable, tuple] = field(default_factory=dict)  # what of it -> (module, entry, kinds of parameters, more)


def facts_of(lowered: Lowered, result_types: list[str], written: list[bool]) -> Facts:
    """The facts of a function that was lowered here."""
    inputs = [*lowered.leaves, *lowered.captures]
    name = lowered.function.name.strip("<>") or "lambda"
    return Facts(
        name, lowered.function.filename, inputs, len(lowered.leaves), lowered.capture_trees, lowered.guards, lowered.outputs,
        lowered.structure, result_types, written,
    )  # fmt: skip


# -- finding and keeping -----------------------------------------------------------------------------------------------------------
def find(function: FunctionType, structure: Structure, kinds: tuple[Kind, ...]) -> Facts | None:
    """The facts that an earlier process kept, where nothing that was compiled in has changed."""
    path = _path(function, structure, kinds)
    if path is None or not path.exists():
        return None
    try:
        return _Reader(function, pickle.loads(path.read_bytes())).facts()
    except (_Unlike, OSError, EOFError, ValueError, KeyError, AttributeError, IndexError, ImportError, pickle.UnpicklingError):
        return None


def keep(function: FunctionType, structure: Structure, kinds: tuple[Kind, ...], lowered: Lowered, facts: Facts) -> None:
    """Keep the facts for later processes, where everything that was compiled in can be compared."""
    path = _path(function, structure, kinds)
    if path is None or not all(_covered(*pair) for pair in lowered.inlined):
        return
    try:
        record = _Writer().record(facts)
    except _Unlike:
        return
    handle, temporary = tempfile.mkstemp(prefix="sciad-", suffix=".tmp", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(record)
    os.replace(temporary, path)


def _covered(function: FunctionType | None, origin: Any) -> bool:
    """Whether a change of an inlined function is noticed: it is reached from the outermost one, or it is sciad's own."""
    return function is not None and (origin is not None or function.__module__.startswith("sciad."))


def _path(function: FunctionType, structure: Structure, kinds: tuple[Kind, ...]) -> Path | None:
    if not ENABLED or registry.customised() or not _plain(structure) or any(k.static is not None for k in kinds):
        return None
    mark = _function_mark(function)
    if mark is None:
        return None
    key = digest("memo", mark, structure, kinds, os.environ.get("SCIAD_BOUNDSCHECK", "0"))
    return cache_folder() / f"sciad_memo_{key}.nbc"


def _plain(structure: Structure) -> bool:
    """Whether a tree is made of tuples, lists and dicts only: what a class is may change."""
    return structure.type in (None, tuple, list, dict) and all(map(_plain, structure.children))


# -- marks -------------------------------------------------------------------------------------------------------------------------
class _Unlike(Exception):
    """Something is not what it was, or cannot be compared."""


def mark(found: Any) -> str:
    """A text that is equal in another process where the object is the same; raises where there is none."""
    plain = python_function(found)
    if isinstance(plain, FunctionType):
        known = found is plain or type(found).__module__.split(".")[0] in ("numba", "sciad")
        text = _function_mark(plain) if known and not plain.__dict__ else None
        if text is None:
            raise _Unlike
        return f"{type(found).__qualname__} {text}"
    if isinstance(found, ModuleType):
        return f"module {found.__name__}"
    if isinstance(found, np.ufunc):
        return f"ufunc {found.__name__}"
    if isinstance(found, (type, BuiltinFunctionType)) or type(found).__module__.startswith("numpy"):
        module = str(getattr(found, "__module__", "") or "")
        if module.split(".")[0] in _FIXED and hasattr(found, "__qualname__"):
            return f"fixed {module}.{found.__qualname__}"
        raise _Unlike
    return _constant_mark(found)


def _constant_mark(found: Any) -> str:
    if found is None or type(found) in (bool, int, float, complex, str, bytes):
        return f"{type(found).__name__} {found!r}"
    if type(found) in (tuple, list):
        return f"{type(found).__name__} [{', '.join(map(_constant_mark, found))}]"
    if type(found) is dict:
        return f"dict [{', '.join(f'{_constant_mark(k)}: {_constant_mark(v)}' for k, v in found.items())}]"
    raise _Unlike


def _function_mark(function: FunctionType) -> str | None:
    """Hash of a function's text, its code, and which of its names are globals (and so hide what is built in); None without text."""
    code = function.__code__
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename)
    last = max((line for c in _codes(code) for _, _, line in c.co_lines() if line is not None), default=0)
    if not lines or last > len(lines):
        return None
    h = hashlib.sha256("".join(lines[code.co_firstlineno - 1 : last]).encode())
    for c in _codes(code):
        h.update(repr((_code_facts(c), [n for n in c.co_names if n in function.__globals__])).encode())
    return h.hexdigest()


def _codes(code: CodeType) -> list[CodeType]:
    """A code object and those of functions defined in it."""
    return [code, *[inner for c in code.co_consts if isinstance(c, CodeType) for inner in _codes(c)]]


def _code_facts(code: CodeType) -> tuple:
    constants = [sorted(map(repr, c)) if isinstance(c, frozenset) else repr(c) for c in code.co_consts if not isinstance(c, CodeType)]
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    place = (code.co_filename, code.co_firstlineno, list(code.co_lines()))
    return code.co_code, constants, names, code.co_flags, code.co_argcount, code.co_kwonlyargcount, code.co_posonlyargcount, place


# -- records -----------------------------------------------------------------------------------------------------------------------
class _Writer:
    """Facts as bytes: captures become numbers in a table of how each is reached."""

    def __init__(self) -> None:
        self.table: list[tuple] = []
        self.numbers: dict[Capture, int] = {}

    def record(self, facts: Facts) -> bytes:
        """Raises _Unlike where something cannot be compared later."""
        guards = [(self.number(c), mark(found)) for c, found in facts.guards if not _own(c)]
        trees = [(self.number(c), structure, first) for c, structure, first in facts.capture_trees]
        kinds = [leaf.kind for leaf in facts.inputs]
        if any(k.static is not None for k in kinds) or any(o.static is not None for o in facts.outputs):
            raise _Unlike
        if not _plain(facts.structure) or not all(_plain(structure) for _, structure, _ in trees):
            raise _Unlike
        labels = [leaf.label for leaf in facts.inputs]
        rest = (facts.name, facts.filename, kinds, labels, facts.n_args, facts.outputs, facts.structure, facts.result_types, facts.written)
        return pickle.dumps((self.table, guards, trees, rest, facts.compiled))

    def number(self, capture: Capture) -> int:
        """The capture's place in the table; that of the one that gave its function comes first."""
        if capture not in self.numbers:
            if capture.origin is ROOT:
                origin = -1
            elif isinstance(capture.origin, Capture):
                origin = self.number(capture.origin)
            else:
                raise _Unlike
            self.numbers[capture] = len(self.table)
            self.table.append((origin, capture.name, capture.path))
        return self.numbers[capture]


def _own(capture: Capture) -> bool:
    """Whether a capture is one of sciad's own functions', which the key covers, or fixed."""
    return capture.origin is None and (capture.function.__module__ or "").startswith("sciad.")


class _Reader:
    """Facts from a record, for a function of this process."""

    def __init__(self, root: FunctionType, record: tuple) -> None:
        table, self.guards, self.trees, self.rest, self.compiled = record
        self.captures: list[Capture] = []
        for origin, name, path in table:
            parent = self.captures[origin] if origin >= 0 else ROOT
            function = python_function(parent.read()) if isinstance(parent, Capture) else root
            if not isinstance(function, FunctionType):
                raise _Unlike
            self.captures.append(Capture(function, name, path, parent))

    def facts(self) -> Facts:
        """Raises _Unlike where a capture is not what it was."""
        guards = []
        for number, text in self.guards:
            found = self.captures[number].read()
            if mark(found) != text:
                raise _Unlike
            guards.append((self.captures[number], found))
        trees = [(self.captures[number], structure, first) for number, structure, first in self.trees]
        name, filename, kinds, labels, n_args, outputs, structure, types, written = self.rest
        owners: list[Any] = [None] * len(kinds)
        for capture, tree, first in trees:
            owners[n_args + first : n_args + first + tree.n_leaves] = [capture] * tree.n_leaves
        inputs = [Leaf(kind, [], owner, label) for kind, owner, label in zip(kinds, owners, labels)]
        return Facts(name, filename, inputs, n_args, trees, guards, outputs, structure, types, written, self.compiled)


