"""The rule book's registry: the derivative of each elementwise operation, stated once for forward, reverse and both tiers.

    rule("tanh", lambda y, x: 1 - y * y)                         # one partial for each input, from output y and the inputs
    rule("multiply", lambda y, a, b: b, lambda y, a, b: a)
    linear("subtract", 1, -1)                                    # constant coefficients
    nondiff("floor")                                             # derivative zero everywhere

Names are those of NumPy's ufuncs.  Partials use only arithmetic, comparisons, NumPy ufuncs and ``np.where``, so that one lambda runs on
arrays, on the tape's variables (which is what makes higher orders work) and on the compiled tier's symbols.
"""

from __future__ import annotations

import dis
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from sciad.errors import MissingRule, SciadError

__all__ = ["Rule", "rule", "linear", "nondiff", "lookup", "names", "canonical", "alias", "customised", "on_change"]


@dataclass(frozen=True)
class Rule:
    """How one operation is differentiated.

    `partials` holds a callable ``(y, *inputs) -> partial`` for each input (kind "rule"; None for an input that is never a float), or a
    number for each (kind "linear"), or nothing (kind "nondiff").  `singular`: a zero cotangent or tangent gives zero even where the
    partial is infinite or NaN.  `reads` tells for each partial which values it reads: 0 is the output, k the k-th input.
    """

    name: str
    kind: str
    partials: tuple
    singular: bool
    n_inputs: int
    reads: tuple[frozenset[int], ...] = ()


_RULES: dict[str, Rule] = {}
_ALIASES: dict[str, str] = {}
_listeners: list[Callable[[str], None]] = []
_loaded = False
_changes = _own = 0


def rule(name: str, *partials: Callable | None, singular: bool = False, replace: bool = False) -> None:
    """Register the partial derivatives of `name`, one for each input; SciadError where it is registered already."""
    reads = tuple(frozenset() if p is None else _reads(p, 1 + len(partials)) for p in partials)
    _register(Rule(name, "rule", partials, singular, len(partials), reads), replace)


def linear(name: str, *coefficients: float, replace: bool = False) -> None:
    """Register an operation that is linear in each input, with constant coefficients."""
    reads = tuple(frozenset() for _ in coefficients)
    _register(Rule(name, "linear", coefficients, False, len(coefficients), reads), replace)


def nondiff(*operations: str, n_inputs: int = 1, replace: bool = False) -> None:
    """Register operations whose derivative is zero wherever it exists: comparisons, roundings, logic, integers."""
    for name in operations:
        _register(Rule(name, "nondiff", (), False, n_inputs), replace)


def alias(other: str, name: str) -> None:
    """Let `other` stand for the operation `name`, as scipy.special's ``psi`` does for ``digamma``."""
    _ALIASES[other] = name


def lookup(name: str) -> Rule:
    """The rule of an operation; MissingRule, which says how to add one, where there is none."""
    _load()
    found = _RULES.get(_ALIASES.get(name, name))
    if found is None:
        raise MissingRule(
            f"no derivative rule for `{name}`; add one with "
            f"sciad.rules.registry.rule({name!r}, lambda y, x: <dy/dx in terms of y and x>), one lambda for each input"
        )
    return found


def canonical(name: str) -> str:
    """The name under which an operation is registered."""
    _load()
    return _ALIASES.get(name, name)


def names(kind: str | None = None) -> list[str]:
    """Sorted names of all registered operations, or of one kind."""
    _load()
    return sorted(n for n, r in _RULES.items() if kind is None or r.kind == kind)


def customised() -> bool:
    """Whether rules were added to, or replaced in, those of the rule book."""
    _load()
    return _changes != _own


def on_change(listener: Callable[[str], None]) -> None:
    """Call ``listener(name)`` whenever a rule is added or replaced, for those who keep rules at hand."""
    _listeners.append(listener)


def _register(new: Rule, replace: bool) -> None:
    if new.name in _RULES and not replace:
        raise SciadError(f"`{new.name}` has a rule already; pass replace=True to put another in its place")
    global _changes
    _changes += 1
    _RULES[new.name] = new
    for listener in _listeners:
        listener(new.name)


def _load() -> None:
    """Read the rule book on first use; it imports this module, so it cannot be imported above."""
    global _loaded, _own
    if not _loaded:
        _loaded = True
        before = _changes
        import sciad.rules.scalar  # noqa: F401

        _own = _changes - before


def _reads(partial: Any, n_values: int) -> frozenset[int]:
    """Positions of the parameters that a partial reads, so that nothing else need be kept for the way back."""
    everything = frozenset(range(n_values))
    if type(partial) is not FunctionType or partial.__code__.co_flags & 0x0C or partial.__code__.co_cellvars:
        return everything  # a ufunc, *args, or parameters captured by an inner function: no telling
    parameters = partial.__code__.co_varnames[: partial.__code__.co_argcount]
    found: set[str] = set()
    for instruction in dis.get_instructions(partial):
        if instruction.opname.startswith("LOAD_FAST"):
            value = instruction.argval  # Python 3.13 loads two at once
            found.update(value if isinstance(value, tuple) else (value,))
    return frozenset(k for k, p in enumerate(parameters) if p in found) & everything
