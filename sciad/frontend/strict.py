"""Arguments that notice whether they are read: an option that a lowering does not look at must be refused, never ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sciad.frontend.context import Context
from sciad.frontend.values import Static

__all__ = ["strict"]


class _Given(list):
    """Positional arguments, and which of them were looked at."""

    def __init__(self, values: list) -> None:
        super().__init__(values)
        self.seen: set[int] = set()

    def __getitem__(self, index: Any) -> Any:
        self.seen.update(range(len(self))[index] if isinstance(index, slice) else [range(len(self))[index]])
        return super().__getitem__(index)

    def __iter__(self):
        self.seen.update(range(len(self)))
        return super().__iter__()

    def pop(self, index: Any = -1) -> Any:
        self.seen.update(range(len(self)))
        return super().pop(index)


class _Options(dict):
    """Keyword arguments, and which of them were looked at."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.seen: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.seen.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.seen.add(name)
        return super().get(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        self.seen.add(name)
        return super().pop(name, *default)

    def __iter__(self):
        self.seen.update(self.keys())
        return super().__iter__()

    def items(self):
        self.seen.update(self.keys())
        return super().items()


def _says_nothing(name: str, value: Any) -> bool:
    """Whether an option asks for what is done anyway."""
    plain = value.object if isinstance(value, Static) else getattr(value, "constant", None)
    return (name == "order" and plain == "C") or (name == "copy" and plain is True)


def strict(lower: Callable, name: str) -> Callable:
    """`lower` (of the function `name`), raising UnsupportedSyntax where it has not looked at each argument that it was given."""

    def checked(ctx: Context, args: list, kwargs: dict[str, Any]) -> Any:
        given, options = _Given(args), _Options({k: v for k, v in kwargs.items() if not _says_nothing(k, v)})
        try:
            result = lower(ctx, given, options)
        except IndexError:
            if not kwargs:
                raise
            raise ctx.error(f"`{name}` with its first arguments by name", "give them by position") from None
        ignored = [repr(k) for k in dict.keys(options) if k not in options.seen]
        ignored += [f"number {k + 1}" for k in range(len(args)) if k not in given.seen]
        if ignored:
            raise ctx.error(f"argument {ignored[0]} of `{name}`", "leave it out, or write the operation with supported functions")
        return result

    return checked
