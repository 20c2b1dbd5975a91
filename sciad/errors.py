"""Every exception and warning of sciad.  A message names the object, the cause and what to do next."""

from __future__ import annotations

__all__ = [
    "SciadError",
    "UnsupportedSyntax",
    "MissingRule",
    "ShapeError",
    "SolveError",
    "PerformanceWarning",
    "ConditionWarning",
]


class SciadError(Exception):
    """Base class of all errors that sciad raises on purpose."""


class UnsupportedSyntax(SciadError):
    """A construct that the compiled tier does not take; names file, line, construct and remedy."""

    def __init__(self, construct: str, remedy: str = "", *, filename: str = "?", line: int = 0) -> None:
        self.construct, self.remedy, self.filename, self.line = construct, remedy, filename, line
        text = f"{filename}:{line}: {construct}"
        super().__init__(f"{text}; {remedy}" if remedy else text)

    def __reduce__(self):  # keyword-only arguments need help to survive pickling
        return _rebuild_unsupported, (self.construct, self.remedy, self.filename, self.line)


def _rebuild_unsupported(construct: str, remedy: str, filename: str, line: int) -> UnsupportedSyntax:
    return UnsupportedSyntax(construct, remedy, filename=filename, line=line)


class MissingRule(SciadError):
    """An operation without a derivative rule was met on an active path."""


class ShapeError(SciadError, ValueError):
    """Arrays whose shapes do not fit together, or an argument of the wrong shape."""


class SolveError(SciadError, RuntimeError):
    """A solve, forward or reverse, failed where its result or derivative was needed."""


class PerformanceWarning(UserWarning):
    """Correct, but much slower than it could be; the message says why and what to change."""


class ConditionWarning(UserWarning):
    """A derivative was computed from an ill-conditioned linear system; the message gives the estimate."""
