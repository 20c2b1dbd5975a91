"""What lives a floor above and is imported only when it is needed: those above leave word here of how."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["LOADERS"]

#: By what is looked for: a function that imports it, and so makes it known.
LOADERS: dict[str, Callable[[], object]] = {}
