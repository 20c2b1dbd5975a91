"""Work-precision of initial value problems: error at the end against time, ours against SciPy, CVODES, diffrax and heyoka, in one run.

The error is the root mean square of (y - y_ref) / (|y_ref| + floor) at the end, `floor` being the absolute over the relative tolerance.
References are computed by two methods of ours of different families at tight tolerances, which must agree (and agree with the published
values where there are some).  Every library solves at a ladder of tolerances; workers take turns, tolerance by tolerance, on one core.
"Time at equal error" is read off each curve by linear interpolation of log time over log error, at errors that most curves reach.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import harness
import numpy as np
from harness import HERE, Report, Worker
from workers.ode_problems import PROBLEMS

import sciad

SECONDS = 1.0
LIMIT = 240.0  # seconds in which a worker has to have solved at all tolerances once
OURS, SCIPY = "workers/work_precision_sciad.py", "workers/work_precision_scipy.py"
SUNDAE, CASADI = "peers/work_precision_sundae.py", "peers/work_precision_casadi.py"
DIFFRAX, HEYOKA = "peers/work_precision_diffrax.py", "peers/work_precision_heyoka.py"
LADDERS = {
    "smooth": [1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12], "stiff": [1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10],
    "banded": [1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8], "grid": [1e-2, 1e-3, 1e-4, 1e-5],
}  # fmt: skip
ERRORS = {"smooth": (1e-4, 1e-6, 1e-8, 1e-10), "stiff": (1e-3, 1e-5, 1e-7, 1e-9), "banded": (1e-3, 1e-5, 1e-7), "grid": (1e-2, 1e-3, 1e-4)}
REFERENCES = {  # two methods, and the tolerance
    "smooth": (("Vern9", "DOP853"), 1e-13, "auto"), "stiff": (("RadauIIA5", "Rodas5P"), 1e-12, "auto"),
    "banded": (("Rodas5P", "Kvaerno5"), 1e-10, "auto"), "grid": (("KenCarp4", "NDF"), 1e-8, "gmres"),
}  # fmt: skip


@dataclass
class Curve:
    """What one worker has measured: error and seconds for each tolerance."""

    worker: Worker
    points: list[dict]
    failed: list
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def measured(self, reference: np.ndarray, floor: float) -> np.ndarray:
        """Rows of tolerance, error, median seconds, in the order of the ladder; points without a number are left out."""
        rows = []
        for point in self.points:
            error = math.sqrt(float(np.mean(((np.array(point["end"]) - reference) / (np.abs(reference) + floor)) ** 2)))
            rows.append((point["tol"], error, statistics.median(self.seconds[point["command"]])))
        return np.array([row for row in rows if math.isfinite(row[1])]).reshape(-1, 3)


def contenders(name: str, peers: str | None) -> list[Callable[[], Worker]]:
    """What starts the workers for a problem, ours first."""
    kind = PROBLEMS[name].kind
    ladder = json.dumps(LADDERS[kind])

    def ours(*methods: str, linear: str = "auto") -> list[Callable[[], Worker]]:
        label = "" if linear == "auto" else f", {linear}"
        return [partial(Worker, f"sciad {m}{label}", OURS, name, m, linear, ladder) for m in methods]

    def scipy(*methods: str, how: str = "numba") -> list[Callable[[], Worker]]:
        return [partial(Worker, f"SciPy {m}, {how}", SCIPY, name, m, how, ladder) for m in methods]

    def peer(label: str, script: str, *arguments: str) -> list[Callable[[], Worker]]:
        return [partial(Worker, label, script, name, *arguments, ladder, python=peers)] if peers else []

    if kind == "smooth":
        found = ours("auto", "Tsit5", "Vern7", "Vern9", "DOP853") + scipy("LSODA", "DOP853") + scipy("LSODA", how="python")
        found += peer("CVODES Adams, CasADi", CASADI, "adams", "direct") + peer("CVODE Adams, sundae", SUNDAE, "Adams", "dense")
        return found + peer("diffrax Tsit5", DIFFRAX, "Tsit5") + peer("diffrax Dopri8", DIFFRAX, "Dopri8") + peer("heyoka", HEYOKA)
    if kind == "stiff":
        found = ours("auto", "Rodas4", "Rodas5P", "RadauIIA5", "Kvaerno5", "KenCarp4", "NDF")
        found += scipy("LSODA", "Radau", "BDF") + scipy("LSODA", how="python")
        found += peer("CVODES BDF, CasADi", CASADI, "bdf", "direct") + peer("CVODE BDF, sundae", SUNDAE, "BDF", "dense")
        return found + peer("diffrax Kvaerno5", DIFFRAX, "Kvaerno5") + peer("diffrax Kvaerno3", DIFFRAX, "Kvaerno3")
    if kind == "banded":
        found = ours("auto", "NDF", "KenCarp4", "Rodas5P", linear="auto") + scipy("LSODA", "BDF")
        return found + peer("CVODE BDF banded, sundae", SUNDAE, "BDF", "band") + peer("CVODES BDF, CasADi", CASADI, "bdf", "direct")
    found = ours("NDF", "KenCarp4", linear="gmres") + ours("NDF", linear="sparse") + (scipy("BDF") if name.endswith("32") else [])
    found += peer("CVODE BDF gmres, sundae", SUNDAE, "BDF", "gmres") + peer("CVODES BDF gmres, CasADi", CASADI, "bdf", "gmres")
    return found + peer("CVODE BDF sparse, sundae", SUNDAE, "BDF", "sparse")


REFERENCE_METHODS = {"vdp_1e6": ("Rodas5P", "Kvaerno5")}  # rounding times 1e12 is more than RadauIIA5's error test takes at 1e-12


def reference(name: str) -> tuple[np.ndarray, str]:
    """The state at the end from two methods, and a line that says how well they agree."""
    problem = PROBLEMS[name]
    methods, tol, linear = REFERENCES[problem.kind]
    methods = REFERENCE_METHODS.get(name, methods)
    p = problem.p[:3] + (int(problem.p[3]),) if problem.kind == "grid" else np.array(problem.p)
    ends = []
    for method in methods:
        options = {"args": (p,), "rtol": tol, "atol": tol * problem.floor, "max_steps": 10_000_000}
        options |= {} if linear == "auto" else {"linear": linear}
        sol = sciad.solve_ivp(problem.fun, (0.0, problem.t_end), np.array(problem.y0), method, [problem.t_end], **options)
        if not sol.success:
            raise SystemExit(f"{name}: no reference from {method}: {sol.message}")
        ends.append(sol.ys[-1])
    found = [f"{methods[0]} and {methods[1]} agree to {_distance(ends[0], ends[1], problem.floor):.1e}"]
    if problem.end:
        found.append(f"with the published values to {_distance(ends[0], np.array(problem.end), problem.floor):.1e}")
    return ends[0], ", ".join(found)


def _distance(x: np.ndarray, y: np.ndarray, floor: float) -> float:
    return math.sqrt(float(np.mean(((x - y) / (np.abs(y) + floor)) ** 2)))


def begin(makers: Sequence[Callable[[], Worker]]) -> list[Curve]:
    """Start the workers one after the other, as each solves at all tolerances once; those that do not come up are left out."""
    curves = []
    for make in makers:
        for worker in harness.start([make()], LIMIT):
            answer = worker.ask("report")
            curves.append(Curve(worker, answer["points"], answer["failed"], {p["command"]: [] for p in answer["points"]}))
    return curves


def measure(curves: Sequence[Curve], rounds: int, budget: float) -> None:
    """Let the workers take turns at every tolerance: fast solves often, one that takes `budget` seconds or longer once in a round.

    The first solve of a turn is not counted, unless it takes longer than `SECONDS`.
    """
    for _ in range(rounds):
        for i in range(max((len(curve.points) for curve in curves), default=0)):
            for curve in curves:
                if i < len(curve.points):
                    point = curve.points[i]
                    count, warm = max(1, min(20, int(budget / max(point["first"], 1e-9)))), int(point["first"] < SECONDS)
                    spoken = curve.worker.ask(f"run {count + warm} {point['command']}")["seconds"]
                    curve.seconds[point["command"]] += spoken[warm:]


def time_at(rows: np.ndarray, error: float) -> float:
    """Least time on the curve through (error, seconds) at this error; infinite where it is not reached."""
    best = min((row[2] for row in rows if row[1] <= error), default=math.inf)
    for a, b in zip(rows, rows[1:]):
        if min(a[1], b[1]) <= error <= max(a[1], b[1]) and a[1] != b[1]:
            weight = math.log(error / a[1]) / math.log(b[1] / a[1])
            best = min(best, math.exp((1 - weight) * math.log(a[2]) + weight * math.log(b[2])))
    return best


def tables(report: Report, name: str, curves: Sequence[Curve], truth: np.ndarray) -> dict[str, np.ndarray]:
    """Print error and time of every point, then times at equal error as multiples of our best; returns the curves by name."""
    problem = PROBLEMS[name]
    measured = {c.worker.name: c.measured(truth, problem.floor) for c in curves}
    header = ["", *(f"{tol:.0e}" for tol in LADDERS[problem.kind])]
    lines = []
    for curve in curves:
        by_tol = {row[0]: f"{row[1]:.1e}, {harness.milliseconds(row[2])}" for row in measured[curve.worker.name]}
        lines.append([curve.worker.name, *(by_tol.get(tol, "") for tol in LADDERS[problem.kind])])
    report("Error, milliseconds at each tolerance:\n\n" + harness.table(header, lines))
    errors = ERRORS[problem.kind]
    times = {n: [time_at(rows, e) for e in errors] for n, rows in measured.items()}
    best = [min((t[k] for n, t in times.items() if n.startswith("sciad")), default=math.inf) for k in range(len(errors))]
    lines = []
    for n, t in times.items():
        cells = ["" if math.isinf(x) else f"{harness.milliseconds(x)} (x {x / b:.2f})" for x, b in zip(t, best)]
        lines.append([n, *cells])
    report("Milliseconds at equal error, and as a multiple of our best:\n\n" + harness.table(["", *(f"{e:.0e}" for e in errors)], lines))
    for curve in curves:
        for tol, why in curve.failed:
            report(f"{curve.worker.name} at {tol:.0e}: {why}")
    return measured


def draw(name: str, measured: dict[str, np.ndarray]) -> str:
    """The work-precision diagram, written to ``results``; its file name."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 6), constrained_layout=True)
    for n, rows in measured.items():
        if len(rows):
            axes.loglog(rows[:, 1], 1e3 * rows[:, 2], "o-" if n.startswith("sciad") else "s--", label=n, markersize=4, linewidth=1.2)
    axes.invert_xaxis()
    axes.set(xlabel="error at the end", ylabel="milliseconds", title=name)
    axes.grid(True, which="both", alpha=0.2)
    axes.legend(fontsize=7)
    (HERE / "results").mkdir(exist_ok=True)
    path = HERE / "results" / f"work_precision_{name}.png"
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path.name


def compare(report: Report, name: str, peers: str | None, rounds: int, budget: float) -> None:
    """One problem: reference, curves, tables, diagram."""
    problem = PROBLEMS[name]
    truth, agreement = reference(name)
    report(f"## {name}\n\n{len(problem.y0)} states to t = {problem.t_end:g}, atol = {problem.floor:g} rtol.  Reference: {agreement}.")
    curves = begin(contenders(name, peers))
    try:
        measure(curves, rounds, budget)
        measured = tables(report, name, curves, truth)
    finally:
        for curve in curves:
            curve.worker.close()
    report(f"![{name}]({draw(name, measured)})")


def main() -> None:
    """Run what was asked for and keep the text; with --only, under a name of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=list(PROBLEMS), help="problems, by name")
    parser.add_argument("--quick", action="store_true", help="one round, and no grids")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without-peers", action="store_true")
    options = parser.parse_args()
    names = options.only or [n for n, p in PROBLEMS.items() if not (options.quick and p.kind == "grid")]
    report = Report("Work-precision of initial value problems")
    for name in names:
        compare(report, name, None if options.without_peers else harness.peers_python(), 1 if options.quick else options.rounds, 0.05)
    report.save("work_precision" if options.only is None else "work_precision_" + "_".join(names))


if __name__ == "__main__":
    main()
