"""What lives a floor above and is imported only when it is needed: those above leave word here of how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["LOADERS", "adjoint_of", "find_adjoints_with", "report_adjoint"]

#: By what is looked for: a function that imports it, and so makes it known.
LOADERS: dict[str, Callable[[], object]] = {}

_finders: list[Callable] = []


def find_adjoints_with(finder: Callable[[Any], Any], reporter: Callable) -> None:
    """Tell how to find the adjoint of a name, and how to report on it: adjoints live a floor above."""
    _finders[:] = [finder, reporter]


def adjoint_of(adjoint: Any) -> Any:
    """The adjoint of a name, or the object itself."""
    return _finders[0](adjoint)


def report_adjoint(*given: Any) -> Any:
    """What `adjoint_report` of a result is."""
    return _finders[1](*given)
