"""What each pass does to a function: its IR before and after, as text.

usage: python -m sciad.passes.show file.py function   with the arguments of the function in a variable ``function_args`` of the file
"""

from __future__ import annotations

import difflib
import runpy
import sys
from collections.abc import Callable
from typing import Any

from sciad import tree, verify
from sciad.frontend.lower import kind_of, lower
from sciad.ir import Function, Region, text
from sciad.passes.optimise import optimise

__all__ = ["stages", "difference"]


def stages(fun: Callable, *args: Any) -> list[tuple[str, str]]:
    """The IR of `fun` for these arguments after lowering and after each pass that changed it: name of the pass and text."""
    leaves, structure = tree.flatten(args)
    found = lower(fun, structure, [kind_of(x) for x in leaves])
    seen: list[tuple[str, str]] = [("lowering", text(found.function))]

    def watch(after: str, body: Region) -> None:
        now = text(Function(found.function.name, body))
        if now != seen[-1][1]:
            seen.append((after, now))

    before, verify.WATCH = verify.WATCH, watch
    try:
        optimise(found.function.body, [n for leaf in found.leaves for n in leaf.params[1:]])
    finally:
        verify.WATCH = before
    return seen


def difference(before: tuple[str, str], after: tuple[str, str]) -> str:
    """Two stages as a unified difference."""
    return "\n".join(difflib.unified_diff(before[1].splitlines(), after[1].splitlines(), before[0], after[0], lineterm="", n=2))


def _main(filename: str, name: str) -> None:
    made = runpy.run_path(filename)
    found = stages(made[name], *made[f"{name}_args"])
    print(found[0][1])
    for before, after in zip(found, found[1:]):
        print(difference(before, after))


if __name__ == "__main__":
    _main(*sys.argv[1:])
