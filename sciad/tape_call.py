"""Compiled functions on the tape: a call with traced arguments or captured variables is one node."""

from __future__ import annotations

from typing import Any

from sciad import tree

__all__ = ["traced", "record"]


def traced(function: Any, leaves: list) -> bool:
    """Whether a call has to be recorded: an argument, or something that the function closes over, is traced."""
    if any(hasattr(x, "__sciad_value__") for x in leaves):
        return True
    return False


def record(function: Any, args: tuple) -> Any:
    """Run a compiled function and record it as one node."""
    raise NotImplementedError


_ = tree
