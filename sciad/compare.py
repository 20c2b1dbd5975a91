"""`compare_gradients`: one loss, every adjoint: error, time, memory, calls, or why it failed."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sciad.api import value_and_grad
from sciad.errors import SciadError
from sciad.ravel import Layout
from sciad.solvers.counting import counting

__all__ = ["compare_gradients", "GradientReport", "Row"]

ADJOINTS = ("discrete", "gauss", "interpolating", "backsolve", "forward", "direct")
PREFERRED = ("discrete", "direct", "forward", "gauss")  # whose gradient is the reference, where none is given


@dataclass(frozen=True)
class Row:
    """One adjoint: its gradient as a vector (None where it failed), relative error, seconds, peak bytes, calls of the right-hand side."""

    adjoint: str
    gradient: np.ndarray | None = None
    error: float | None = None
    seconds: float | None = None
    peak_bytes: int | None = None
    forward_calls: int | None = None
    backward_calls: int | None = None
    failure: str = ""


@dataclass(frozen=True)
class GradientReport:
    """The rows, what their errors are relative to, and the agreement of the reference with central differences along one direction."""

    rows: tuple[Row, ...]
    reference: str
    differences: float

    def __str__(self) -> str:
        head = ("adjoint", "error", "seconds", "peak kB", "calls forward", "backward")
        lines = [head] + [_cells(row) for row in self.rows]
        widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
        text = ["  ".join(cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in enumerate(zip(line, widths))) for line in lines]
        text += [f"{row.adjoint}: {row.failure}" for row in self.rows if row.failure]
        text.append(f"errors relative to {self.reference}; it differs from central differences of the loss by {self.differences:.1e}")
        return "\n".join(text)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The rows by adjoint, as plain numbers and lists."""
        found = {}
        for row in self.rows:
            fields = asdict(row)
            fields["gradient"] = None if row.gradient is None else row.gradient.tolist()
            found[fields.pop("adjoint")] = fields
        return found

    def plot(self, path: str) -> None:
        """Draw error against time, and memory, to a picture."""
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        done = [row for row in self.rows if not row.failure]
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
        for row in done:
            left.loglog(row.seconds, max(row.error or 0.0, 1e-17), "o")
            left.annotate(row.adjoint, (row.seconds, max(row.error or 0.0, 1e-17)), textcoords="offset points", xytext=(5, 4))
        left.set(xlabel="seconds", ylabel=f"error relative to {self.reference}")
        right.barh([row.adjoint for row in done], [(row.peak_bytes or 0) / 1e3 for row in done])
        right.set(xlabel="peak memory, kB", xscale="log")
        failed = [f"{row.adjoint}: {row.failure[:70]}" for row in self.rows if row.failure]
        if failed:
            figure.supxlabel("\n".join(failed), fontsize=7)
        figure.savefig(path, dpi=120)
        plt.close(figure)


def _cells(row: Row) -> tuple[str, ...]:
    if row.failure:
        return (row.adjoint, "failed", "", "", "", "")
    numbers = f"{row.error:.1e}", f"{row.seconds:.2e}", f"{(row.peak_bytes or 0) / 1e3:.0f}"
    return (row.adjoint, *numbers, str(row.forward_calls), str(row.backward_calls))


def compare_gradients(
    loss: Callable, p: Any, adjoints: Sequence[Any] = ADJOINTS, *, reference: Any = None, repeats: int = 3
) -> GradientReport:
    """Differentiate ``loss(p, adjoint)`` with each of `adjoints` (names or objects), and compare.

    `reference`: a gradient like `p` to measure errors against; without it the discrete adjoint's is taken, which is exact for the steps
    that were taken, or the first that succeeds.  Seconds are the least of `repeats` runs after a first one that compiles.  An adjoint that
    raises is a row with its reason.  SciadError where all fail.
    """
    layout = Layout(p)
    measured = [_measure(loss, p, layout, adjoint, repeats) for adjoint in adjoints]
    good = {row.adjoint: row for row in measured if row.gradient is not None}
    if not good:
        raise SciadError("every adjoint failed: " + "; ".join(f"{row.adjoint}: {row.failure}" for row in measured))
    if reference is not None:
        name, truth = "the given reference", layout.vector(reference)
    else:
        name = next((a for a in PREFERRED if a in good), next(iter(good)))
        truth = good[name].gradient
    size = float(np.linalg.norm(truth)) or 1.0
    rows = []
    for row in measured:
        error = None if row.gradient is None else float(np.linalg.norm(row.gradient - truth)) / size
        rows.append(Row(**{**row.__dict__, "error": error}))
    return GradientReport(tuple(rows), name, _differences(loss, layout, p, truth, next(iter(good))))


def _name(adjoint: Any) -> str:
    return adjoint if isinstance(adjoint, str) else repr(adjoint)


def _measure(loss: Callable, p: Any, layout: Layout, adjoint: Any, repeats: int) -> Row:
    differentiate = value_and_grad(lambda q: loss(q, adjoint))
    try:
        with counting() as counts:
            _, gradient = differentiate(p)
        seconds = []
        for _ in range(repeats):
            begin = time.perf_counter()
            differentiate(p)
            seconds.append(time.perf_counter() - begin)
        tracemalloc.start()
        try:
            differentiate(p)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    except (SciadError, ValueError) as error:
        return Row(_name(adjoint), failure=f"{type(error).__name__}: {str(error).splitlines()[0]}")
    return Row(_name(adjoint), layout.vector(gradient), None, min(seconds), peak, counts.forward, counts.backward)


def _differences(loss: Callable, layout: Layout, p: Any, truth: np.ndarray, adjoint: str) -> float:
    """Relative difference between the reference and central differences of the loss, along the gradient with respect to relative changes.

    The least of several steps.
    """
    x = layout.vector(p)
    scale = np.abs(x)  # of each entry its own: rate constants differ by many orders of magnitude
    scale[scale == 0.0] = 1e-3 * scale.max(initial=0.0) or 1.0
    direction = truth * scale
    size = float(np.linalg.norm(direction))
    if size == 0.0:
        return 0.0
    direction *= scale / size
    found = []
    for step in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
        ends = [float(loss(layout.tree(x + sign * step * direction), adjoint)) for sign in (1.0, -1.0)]
        found.append(abs((ends[0] - ends[1]) / (2 * step) - size) / size)
    return min(found)
