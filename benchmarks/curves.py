"""The worker's side of `work_precision.py`: one solve for each tolerance, served by the protocol of `serve`; standard library only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from serve import serve

SLOW = 8.0  # seconds; tighter tolerances than one that takes longer are left out


def serve_curve(solve: Callable[[float], object], tolerances: str) -> None:
    """Serve ``run k tol<i>`` for all tolerances (a JSON list, from the loosest) at which `solve` gives the final state in time.

    `solve(tol)` raises where it fails; such tolerances are left out.
    """
    points, steps, failed = [], {}, []
    for i, tol in enumerate(json.loads(tolerances)):
        try:
            if i == 0:
                solve(tol)  # compiles
            begin = time.perf_counter()
            end = solve(tol)
            seconds = time.perf_counter() - begin
        except Exception as error:
            failed.append([tol, f"{type(error).__name__}: {error}"[:200]])
            continue
        points.append({"tol": tol, "command": f"tol{i}", "end": [float(x) for x in end], "first": seconds})
        steps[f"tol{i}"] = lambda tol=tol: solve(tol)
        if seconds > SLOW:
            break
    serve(lambda: None, lambda: {"points": points, "failed": failed}, warmup=0, **steps)
