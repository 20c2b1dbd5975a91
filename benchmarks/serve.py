"""The worker's side of the benchmark protocol: standard library only, because the peers' environments import it too.

A worker is a process that has set one piece of work up and then answers lines on its standard input with one JSON line each:

    run 20     -> {"seconds": [...]}          twenty iterations, each timed
    run 20 primal                             twenty iterations of another step that the worker names
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


def serve(step: Callable[[], object], report: Callable[[], dict], *, warmup: int = 20, **others: Callable[[], object]) -> None:
    """Warm `step` and `others` up, say that the worker is ready, then answer the parent until it quits; steps block until they are done."""
    first = report()
    steps = {"step": step, **others}
    for _ in range(warmup):
        for run in steps.values():
            run()
    answer({"ready": True})
    for line in sys.stdin:
        command, *rest = line.split()
        if command == "run":
            chosen = steps[rest[1] if len(rest) > 1 else "step"]
            answer({"seconds": [_timed(chosen) for _ in range(int(rest[0]))]})
        elif command == "report":
            answer(first)
        else:
            break


def _timed(step: Callable[[], object]) -> float:
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin
