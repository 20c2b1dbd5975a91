"""Value and gradient of eight kernels (K1-K8) by sciad, Enzyme, JAX, PyTorch and CasADi, in one interleaved run.

The kernels are scalar programs with loops, branches and writes in place (`workers/kernels.py`).  sciad and Enzyme (C++) differentiate them
as they are; JAX, PyTorch and CasADi get what their users would write: arrays, scans and masks.  One process for each library and kernel,
one thread, one core, float64.  sciad is timed through `sciad.value_and_grad`, the dispatch from Python included; Enzyme inside C++.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import harness
import numpy as np
from harness import Report, Worker

HERE = Path(__file__).resolve().parent
OURS = "workers/ad_kernels_sciad.py"
PEERS = {
    "Enzyme": "peers/ad_kernels_enzyme.py",
    "JAX": "peers/ad_kernels_jax.py",
    "PyTorch": "peers/ad_kernels_torch.py",
    "CasADi": "peers/ad_kernels_casadi.py",
}
TITLES = {
    "K1": "Lorenz-96, Euler", "K2": "Brusselator 2-D", "K3": "N-body leapfrog", "K4": "Cholesky in place",
    "K5": "Newton while-loops", "K6": "Gaussian mixture", "K7": "bundle adjustment", "K8": "scalar MLP",
}  # fmt: skip


def make_problem(path: Path, name: str) -> None:
    """The arguments of a kernel, the same for every worker; for K5 the number of Newton steps that the slowest root takes."""
    g = np.random.default_rng(int(name[1:]))
    extra = {}
    if name == "K1":
        args = (g.normal(size=40) + 8.0, 8.0, 1e-3, 2000)
    elif name == "K2":
        U = 0.5 + 2.0 * g.uniform(size=(20, 2, 32, 32))
        args = (U, np.array([10.0, 3.4, 1.0]), g.normal(size=U.shape))
    elif name == "K3":
        args = (g.uniform(-1, 1, size=(8, 3)), g.uniform(0.5, 1.5, size=8), 0.1 * g.normal(size=(8, 3)), 1e-3, 200, 1e-2)
    elif name == "K4":
        M = g.normal(size=(48, 48))
        args = (M @ M.T / 48 + np.eye(48), g.normal(size=48))
    elif name == "K5":
        args = (g.uniform(0.5, 3.0, 2000), g.uniform(-4.0, 4.0, 2000))
        extra["trips"] = _newton_steps(*args)
    elif name == "K6":
        d, k, n = 10, 25, 1000
        args = (g.normal(size=k), g.normal(size=(k, d)), 0.3 * g.normal(size=(k, d * (d + 1) // 2)), g.normal(size=(n, d)), 1.0, 0)
    elif name == "K7":
        args = _bundle(g, 10, 200, 1000)
    else:
        shapes = ((64, 2), (64,), (64, 64), (64,), (2, 64), (2,))
        weights = [g.normal(size=s) / math.sqrt(s[-1]) if len(s) > 1 else 0.1 * g.normal(size=s) for s in shapes]
        args = (*weights, g.normal(size=(32, 2)))
    np.savez(path, **{f"a{k}": a for k, a in enumerate(args)}, **extra)


def _newton_steps(a: np.ndarray, b: np.ndarray) -> int:
    x, steps = np.ones_like(a), 0
    while np.any(active := np.abs(x**3 + a * x - b) > 1e-12):
        x = np.where(active, x - (x**3 + a * x - b) / (3 * x * x + a), x)
        steps += 1
    return steps + 2


def _bundle(g: np.random.Generator, nc: int, n_points: int, n: int) -> tuple:
    cams = np.empty((nc, 11))
    cams[:, 0:3] = 0.2 * g.normal(size=(nc, 3))
    cams[:, 3:6] = np.array([0.0, 0.0, -6.0]) + 0.3 * g.normal(size=(nc, 3))
    cams[:, 6] = 500.0 + 10 * g.normal(size=nc)
    cams[:, 7:9] = 5 * g.normal(size=(nc, 2))
    cams[:, 9] = 0.05 * g.normal(size=nc)
    cams[:, 10] = 0.02 * g.normal(size=nc)
    X = g.uniform(-1, 1, size=(n_points, 3))
    obs = np.stack([np.arange(n) % nc, g.permutation(n) % n_points], 1).astype(np.int64)
    return cams, X, g.uniform(0.5, 1.5, n), obs, 100 * g.normal(size=(n, 2))


def contenders(name: str, problem: str, pythons: dict[str, str | None]) -> list[Worker]:
    """sciad, numba's primal, and the peers whose environment is there."""
    found = [Worker("sciad", OURS, problem, name), Worker("numba", OURS, problem, name, "numba")]
    return found + [Worker(peer, script, problem, name, python=pythons[peer]) for peer, script in PEERS.items() if pythons[peer]]


def measure(name: str, problem: str, pythons: dict[str, str | None], rounds: int, seconds: float) -> dict[str, dict]:
    """Medians of value-and-gradient and of the primal for each library, and what it says of its first call."""
    workers = harness.start(contenders(name, problem, pythons))
    times: dict[str, dict[str, list[float]]] = {w.name: {"step": [], "primal": []} for w in workers}
    try:
        counts = {(w.name, what): _count(w, what, seconds) for w in workers for what in ("step", "primal")}
        for turn in range(rounds):
            shift = turn % len(workers)
            for worker in workers[shift:] + workers[:shift]:
                for what in ("step", "primal"):
                    times[worker.name][what] += worker.ask(f"run {counts[worker.name, what] + 1} {what}")["seconds"][1:]
        found = {}
        for worker in workers:
            answer = worker.ask("report")
            repeat = answer.get("repeat", 1)
            medians = {what: statistics.median(t) / repeat for what, t in times[worker.name].items()}
            found[worker.name] = {**answer, **medians, "least": min(times[worker.name]["step"]) / repeat}
        return found
    finally:
        for worker in workers:
            worker.close()


def _count(worker: Worker, what: str, seconds: float) -> int:
    one = min(worker.ask(f"run 3 {what}")["seconds"])
    return max(2, min(2000, int(seconds / one)))


def table(found: dict[str, dict[str, dict]], names: list[str]) -> str:
    """Value and gradient in milliseconds, in parentheses gradient over primal."""
    libraries = ["sciad", *[p for p in PEERS if any(p in f for f in found.values())]]
    rows = []
    for name in names:
        f = found[name]
        peers = [f[p]["step"] for p in libraries[1:] if p in f]
        best = f"{f['sciad']['step'] / min(peers):.2f}" if peers else "-"
        cells = [f"{1e3 * f[p]['step']:.3f} ({f[p]['step'] / f[p]['primal']:.1f})" if p in f else "-" for p in libraries]
        rows.append((f"{name} {TITLES[name]}", f"{1e3 * f['numba']['primal']:.3f}", f"{1e3 * f['sciad']['primal']:.3f}", *cells, best))
    return harness.table(("value and gradient, ms (/ own primal)", "primal numba", "primal sciad", *libraries, "ours / best peer"), rows)


def ratios(found: dict[str, dict[str, dict]]) -> str:
    """Geometric means over the kernels."""

    def mean(values: list[float]) -> float:
        return math.exp(statistics.fmean(map(math.log, values))) if values else math.nan

    lines = [f"- gradient / own primal: {mean([f['sciad']['step'] / f['sciad']['primal'] for f in found.values()]):.2f}"]
    for p in PEERS:
        both = [f["sciad"]["step"] / f[p]["step"] for f in found.values() if p in f]
        if both:
            lines.append(f"- ours / {p}: {mean(both):.3f} over {len(both)} kernels, worst {max(both):.2f}; inverse {1 / mean(both):.1f}")
    best = [f["sciad"]["step"] / min(f[p]["step"] for p in PEERS if p in f) for f in found.values() if any(p in f for p in PEERS)]
    if best:
        lines.append(f"- ours / best of all peers: {mean(best):.2f} (worst {max(best):.2f})")
    least = [f["sciad"]["least"] / min(f[p]["least"] for p in PEERS if p in f) for f in found.values() if any(p in f for p in PEERS)]
    if least:
        each = ", ".join(f"{name} {r:.2f}" for name, r in zip(found, least))
        lines.append(f"- fastest runs instead of medians, ours / best of all peers: {mean(least):.2f} ({each})")
    for p in PEERS:
        both = [f["sciad"]["least"] / f[p]["least"] for f in found.values() if p in f]
        if both:
            lines.append(f"- fastest runs, ours / {p}: {mean(both):.3f} (worst {max(both):.2f})")
    return "\n".join(lines)


def first_calls(found: dict[str, dict[str, dict]], names: list[str]) -> str:
    """Seconds from function to first gradient, and growth of the resident memory in MB, for each library."""
    libraries = ["sciad", *[p for p in PEERS if any(p in f for f in found.values())]]
    rows = []
    for name in names:
        cells = [f"{f['first']:.2f} / {f['memory'] / 1024:.0f}" if (f := found[name].get(p)) else "-" for p in libraries]
        rows.append((name, *cells))
    return harness.table(("first call, s / memory, MB", *libraries), rows)


def agreement(found: dict[str, dict[str, dict]], names: list[str]) -> str:
    """Relative differences of values and gradients from sciad's."""
    libraries = [p for p in PEERS if any(p in f for f in found.values())]
    rows = []
    for name in names:
        ours = found[name]["sciad"]
        cells = []
        for p in libraries:
            peer = found[name].get(p)
            if peer is None:
                cells.append("-")
                continue
            value = abs(peer["value"] - ours["value"]) / abs(ours["value"])
            cells.append(f"{value:.0e} {harness.relative_difference(peer['gradient'], ours['gradient']):.0e}")
        rows.append((name, *cells))
    return harness.table(("value and gradient differ by", *libraries), rows)


def memory() -> str:
    """What a gradient keeps, in MB: measured as growth of the resident memory, against what has to be kept."""
    titles = {
        "lorenz96": "K1 with 200 000 steps: one row of 40 a step",
        "loop": "scalar loop of 1e7 steps, stored: one number a step",
        "lorenz96_stretches": "K1 over sciad.checkpoint(range(200 000)): two rows kept and one on tape, 448 times each",
        "loop_stretches": "scalar loop over sciad.checkpoint(range(1e7)): two square roots",
        "segments": "the same in 3163 compiled calls on the tape, each run again: two square roots",
    }
    rows = []
    for name, title in titles.items():
        command = [sys.executable, "workers/ad_memory_sciad.py", name]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
        done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, check=True)
        seconds, grown, theory = done.stdout.split()[:3]
        rows.append((title, f"{float(grown):.1f}", f"{float(theory):.2f}", f"{float(seconds):.2f}"))
    return harness.table(("memory of a gradient", "MB", "theory, MB", "s"), rows)


def compile_times(names: list[str], rounds: int) -> str:
    """Processor seconds of cold first calls, and of numba for the kernel and a gradient without sciad's intrinsics; least of some runs."""
    rows, found = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            problem = Path(folder) / f"{name}.npz"
            make_problem(problem, name)
            source = _compile_worker(problem, name, "source")
            ours, numba = [], []
            for _ in range(rounds):
                ours.append(float(_compile_worker(problem, name, "sciad")))
                numba.append(float(_compile_worker(problem, name, "numba", source)))
            found.append(min(ours) / min(numba))
            rows.append((f"{name} {TITLES[name]}", f"{min(ours):.2f}", f"{min(numba):.2f}", f"{found[-1]:.2f}"))
    mean = math.exp(statistics.fmean(map(math.log, found)))
    title = ("cold, processor seconds", "sciad: to the first gradient", "numba: primal and gradient sources", "ratio")
    return f"{harness.table(title, rows)}\n\nGeometric mean {mean:.2f}, worst {max(found):.2f}"


def _compile_worker(problem: Path, name: str, how: str, text: str = "") -> str:
    with tempfile.TemporaryDirectory() as cache:
        paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": paths, "SCIAD_CACHE_DIR": cache}
        command = [sys.executable, "workers/ad_compile.py", str(problem), name, how]
        return subprocess.run(command, cwd=HERE, env=environment, input=text, capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Run the kernels one after the other and keep the text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kernels", nargs="*", default=list(TITLES), help="some of K1 ... K8")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=0.1, help="of each library in each round")
    parser.add_argument("--memory", action="store_true", help="the memory of tapes instead")
    parser.add_argument("--compile", action="store_true", help="the time of cold first calls, against numba's, instead")
    options = parser.parse_args()
    if options.compile:
        print(compile_times(options.kernels, min(options.rounds, 3)))
        return
    if options.memory:
        print(memory())
        return
    peers, enzyme = harness.peers_python(), harness.enzyme_python()
    pythons = {name: enzyme if name == "Enzyme" else peers for name in PEERS}
    report = Report("AD kernels")
    if peers is None or enzyme is None:
        report("Environments of peers are missing (`make peers`): only those that are there are measured.")
    found: dict[str, dict[str, dict]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.kernels:
            problem = Path(folder) / f"{name}.npz"
            make_problem(problem, name)
            found[name] = measure(name, str(problem), pythons, options.rounds, options.seconds)
    report(table(found, options.kernels))
    report("Geometric means:\n\n" + ratios(found))
    report(first_calls(found, options.kernels))
    report(agreement(found, options.kernels))
    if options.kernels == list(TITLES):
        report.save("ad_kernels")


if __name__ == "__main__":
    main()
