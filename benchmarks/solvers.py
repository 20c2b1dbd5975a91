"""What solvers of initial value problems have to show, each figure against its bound: LSODA, CVODES, first solves, "auto", ensembles.

1. `lsoda`: Robertson's problem (51 saves) and Lorenz's (to t = 100, 1001 saves), 1e-8: SciPy's LSODA with the right-hand side in Python and
   compiled by numba, CVODES through CasADi, and ours; workers take turns.
2. `auto`: method "auto" against the better of its two halves on van der Pol's (mu = 1e3) and the Oregonator.
3. `ensemble`: 10,000 Lorenz systems with different parameters on all cores: the time of a system against that of one solve; the same bits
   through Dask.
4. `first`: the first solve in a new process with a warm cache, after the import, by every method; and all methods from an empty cache.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile

import harness
import numpy as np
from harness import Report, Worker

OURS, SCIPY, CASADI = "workers/solvers_sciad.py", "workers/solvers_scipy.py", "peers/solvers_casadi.py"
FIRST = "workers/first_solve_sciad.py"
METHODS_FOR = {"rober": ("auto", "Rodas5P", "RadauIIA5", "NDF", "Kvaerno5"), "lorenz": ("auto", "Tsit5", "Vern7", "DOP853")}
BOUNDS = {("rober", "python"): 50, ("lorenz", "python"): 80, ("rober", "numba"): 5, ("lorenz", "numba"): 5, ("rober", "CVODES"): 5}
FIRST_SECONDS, AUTO_RATIO, ENSEMBLE_RATIO = 0.15, 1.5, 1.7
ADAPTIVE = (
    "auto", "Midpoint", "Heun", "BS3", "Dopri5", "Tsit5", "Vern7", "Vern9", "DOP853", "Rosenbrock23", "Rodas4", "Rodas5P", "TRBDF2",
    "Kvaerno3", "KenCarp4", "Kvaerno5", "RadauIIA5", "NDF",
)  # fmt: skip


class Verdicts:
    """Figures against their bounds, as rows of a table."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str]] = []

    def __call__(self, what: str, value: float, bound: float, at_least: bool) -> None:
        """One figure that should be at least, or at most, `bound`."""
        held = value >= bound if at_least else value <= bound
        self.rows.append((what, f"{value:.3g}", f"{'>=' if at_least else '<='} {bound:g}", "pass" if held else "FAIL"))


def lsoda(report: Report, verdicts: Verdicts, rounds: int, quick: bool) -> None:
    """Robertson and Lorenz against LSODA and CVODES."""
    peers = harness.peers_python()
    for name, methods in METHODS_FOR.items():
        workers = [Worker(f"sciad {method}", OURS, "lsoda", name, method) for method in methods]
        workers += [Worker(f"SciPy LSODA, {how}", SCIPY, name, how) for how in ("python", "numba")]
        workers += [Worker("CVODES, CasADi", CASADI, name, python=peers)] if peers and name == "rober" else []
        workers = harness.start(workers)
        try:
            harness.interleave(workers, rounds, 5)
            ours = min((w for w in workers if w.name.startswith("sciad")), key=lambda w: w.median)
            rows = [(w.name, harness.milliseconds(w.median), f"{w.median / ours.median:.3g}", _error(name, w)) for w in workers]
            saves = len(workers[0].ask("report")["ys"])
            header = ("", "median ms", f"x {ours.name}", "error" if name == "rober" else "error at t = 10")
            report(f"## {name}, {saves} saves, 1e-8\n\n{harness.table(header, rows)}")
            for w in workers:
                kind = "CVODES" if "CVODES" in w.name else w.name.split(", ")[-1]
                if (name, kind) in BOUNDS and not w.name.startswith("sciad"):
                    verdicts(f"{name}: {w.name} / ours", w.median / ours.median, BOUNDS[name, kind], True)
        finally:
            for worker in workers:
                worker.close()


def _error(name: str, worker: Worker) -> str:
    """Largest relative error of what it saves; of Lorenz's, which is chaotic, up to t = 10."""
    from workers.solver_problems import PROBLEMS

    import sciad

    fun, span, y0, args, times = PROBLEMS[name]
    part = len(times) if name == "rober" else 101
    method, found = "RadauIIA5" if name == "rober" else "Vern9", np.array(worker.ask("report")["ys"])[:part]
    truth = sciad.solve_ivp(fun, (0.0, times[part - 1]), y0, method, times[:part], args=args, rtol=1e-13, atol=1e-17, max_steps=10**7).ys
    return f"{np.max(np.abs(found - truth) / (np.abs(truth) + (1e-8 if name == 'rober' else 1.0))):.1e}"


def auto(report: Report, verdicts: Verdicts, rounds: int, quick: bool) -> None:
    """Switching against the stiff half alone, which is the better one."""
    rows = []
    for name in ("vdp_1e3", "orego"):
        for tolerance in ("1e-4", "1e-6", "1e-8"):
            with Worker(f"{name}, {tolerance}", OURS, "auto", name, tolerance) as worker:
                worker.read()
                whole, half = [], []
                for _ in range(rounds):
                    whole += worker.ask("run 6")["seconds"][1:]
                    half += worker.ask("run 6 half")["seconds"][1:]
                found = worker.ask("report")
            ends = found["end"]["auto"], found["end"]["Rodas5P"]
            ratio, agreement = np.median(whole) / np.median(half), max(abs(a / b - 1) for a, b in zip(*ends))
            rows.append((name, tolerance, harness.milliseconds(np.median(whole)), harness.milliseconds(np.median(half)), f"{ratio:.2f}",
                         len(found["switches"]) - 1, f"{agreement:.0e}"))  # fmt: skip
            verdicts(f"auto / better half, {name} at {tolerance}", ratio, AUTO_RATIO, False)
    header = ("", "rtol", "auto, ms", "Rodas5P, ms", "ratio", "switches", "difference")
    report(f"## Switching\n\n{harness.table(header, rows)}")


def ensemble(report: Report, verdicts: Verdicts, rounds: int, quick: bool) -> None:
    """Many systems on all cores."""
    with Worker("ensemble", OURS, "ensemble", "1000" if quick else "10000", pin=False) as worker:
        worker.read()
        together, single = [], []
        for _ in range(rounds):
            together += worker.ask("run 1")["seconds"]
            single += worker.ask("run 5 single")["seconds"]
        found = worker.ask("report")
    each, one = np.median(together) / found["systems"], np.median(single) / found["single"]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    report(
        f"## Ensemble\n\n{found['systems']} Lorenz systems (rho from 0.5 to 60, Vern9 to t = 10, 1e-8) on {cores} cores: "
        f"{1e6 * each:.1f} us a system; one solve {1e6 * one:.1f} us; the same bits as single solves: {found['equal']}, "
        f"as through Dask: {found['dask']}."
    )
    verdicts("ensemble: one solve / a system", one / each, ENSEMBLE_RATIO, True)
    verdicts("ensemble: same bits (1: yes)", float(found["equal"] and found["dask"] is not False), 1, True)


def first(report: Report, verdicts: Verdicts, rounds: int, quick: bool) -> None:
    """First solves from warm and empty caches."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"SCIAD_CACHE_DIR": folder}
        with Worker("cold", FIRST, *ADAPTIVE, pin=False, env=env) as worker:
            cold = worker.read()
        warm = {}
        for method in ADAPTIVE:
            warm[method] = math.inf
            for _ in range(1 if quick else 3):
                with Worker(method, FIRST, method, pin=False, env=env) as worker:
                    warm[method] = min(warm[method], worker.read()[method])
    rows = [(method, f"{warm[method]:.3f}", f"{cold[method]:.2f}") for method in ADAPTIVE]
    report(
        "## First solves\n\nSeconds after the import, Robertson's problem.  Warm cache: each in a process of its own, the least of three.  "
        f"Empty cache: all in one process, in this order, {sum(cold.values()):.1f} s together.\n\n"
        + harness.table(("method", "warm cache", "empty cache"), rows)
    )
    slowest = max(warm, key=warm.__getitem__)
    verdicts(f"first solve with a warm cache, s ({slowest} is the slowest)", warm[slowest], FIRST_SECONDS, False)


PARTS = {"lsoda": lsoda, "auto": auto, "ensemble": ensemble, "first": first}


def main() -> None:
    """Run what was asked for, print the verdicts; everything is kept unless --only is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="one round, 1000 systems")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    report, verdicts = Report("Solvers of initial value problems"), Verdicts()
    for name in options.only:
        PARTS[name](report, verdicts, 1 if options.quick else options.rounds, options.quick)
    report("## Against what was asked\n\n" + harness.table(("", "found", "asked", ""), verdicts.rows))
    if len(options.only) == len(PARTS) and not options.quick:
        report.save("solvers")


if __name__ == "__main__":
    main()
