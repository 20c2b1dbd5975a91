"""The worker's side of the benchmark protocol: standard library only, because the peers' environments import it too.

A worker is a process that has set one piece of work up and then answers lines on its standard input with one JSON line each:

    run 20     -> {"seconds": [...]}          twenty iterations, each timed
    report     -> whatever the work reports   (loss, gradient, versions, ...), computed at the initial state
    quit       -> the process ends

Answers start with a mark, so that a library that prints to standard output does not disturb the parent.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

MARK = "@answer "


def answer(value: object) -> None:
    """Send one answer to the parent."""
    print(MARK + json.dumps(value), flush=True)


def serve(step: Callable[[], object], report: Callable[[], dict], *, warmup: int = 20) -> None:
    """Warm `step` up, say that the worker is ready, then answer the parent until it quits; `step` must block until its work is done."""
    first = report()
    for _ in range(warmup):
        step()
    answer({"ready": True})
    for line in sys.stdin:
        command, *rest = line.split()
        if command == "run":
            answer({"seconds": [_timed(step) for _ in range(int(rest[0]))]})
        elif command == "report":
            answer(first)
        else:
            break


def _timed(step: Callable[[], object]) -> float:
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin
