"""How long do stochastic differential equations take, forward and gradient, and how accurate are they?

- Geometric Brownian motion: 256 paths of 10 components, 100 steps, mean square at the end, gradient with respect to y0, mu and sigma.
- A network drift 4-64-4 (tanh) with constant diagonal noise, 128 paths, 50 steps, gradient with respect to its weights.
- The quadratic Ito problem u' = -(a + b**2 u)(1 - u**2) dt + b (1 - u**2) dW, a = 50, b = 1, adaptive at three tolerances, forward only;
  the error is the mean at t = 0.01, 0.02, 0.05, 0.1, where the solution moves, and at t = 3.
- Strong error against seconds for geometric Brownian motion.

float64, one thread, workers in turn.  Every library draws its own paths, so losses differ within the statistical error.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import harness
import numpy as np
from harness import Report, Worker

OURS, TORCH, DIFFRAX = "workers/sde_sciad.py", "peers/sde_torch.py", "peers/sde_diffrax.py"
GBM = {
    "sciad": ("EulerMaruyama", "Milstein", "SRIW1", "SOSRI", "Heun", "ReversibleHeun"),
    "torchsde": ("euler", "milstein", "srk", "reversible_heun", "reversible_heun adjoint"),
    "diffrax": ("SPaRK", "Heun"),
}
NETWORK = {"sciad": ("EulerMaruyama", "SOSRI", "Heun"), "torchsde": ("euler", "srk", "reversible_heun adjoint"), "diffrax": ("Heun",)}


def make_problem(path: Path, case: str, steps: int | None = None, tol: float = 1e-2) -> str:
    """Numbers of one case, the same for every worker."""
    rng = np.random.default_rng(0)
    if case == "gbm":
        np.savez(path, y0=np.ones(10), mu=np.linspace(0.1, 0.5, 10), sigma=np.linspace(0.2, 0.6, 10), steps=steps or 100, paths=256)
    elif case == "network":
        np.savez(
            path, z0=rng.normal(size=4), W1=rng.normal(size=(4, 64)) / 2, b1=np.zeros(64), W2=rng.normal(size=(64, 4)) / 8, b2=np.zeros(4),
            scale=np.full(4, 0.3), steps=50, paths=128,
        )  # fmt: skip
    else:
        np.savez(path, a=50.0, b=1.0, paths=256, tol=tol, times=np.array([0.01, 0.02, 0.05, 0.1, 3.0]))
    return str(path)


def contenders(problem: str, case: str, methods: dict[str, tuple[str, ...]], peers: str | None) -> list[Worker]:
    """One worker for each library and method; the first is the reference of the ratios."""
    found = [Worker(f"sciad {m}", OURS, problem, case, m) for m in methods["sciad"]]
    if peers is not None:
        found += [Worker(f"torchsde {m}", TORCH, problem, case, *m.split(), python=peers) for m in methods.get("torchsde", ())]
        found += [Worker(f"diffrax {m}", DIFFRAX, problem, case, m, python=peers) for m in methods.get("diffrax", ())]
    return found


def measure(workers: list[Worker], rounds: int, each: int) -> dict[str, dict]:
    """Interleaved rounds, fewer iterations for the slow; the answers by name."""
    workers[:] = harness.start(workers)
    if not workers:
        raise SystemExit("no worker came up; see above")
    try:
        for _ in range(rounds):
            for ours, iterations in ((True, each), (False, max(each // 10, 2))):
                some = [w for w in workers if w.name.startswith("sciad") == ours]
                if some:  # there may be no peers
                    harness.interleave(some, 1, iterations)
        return {worker.name: worker.ask("report") for worker in workers}
    finally:
        for worker in workers:
            worker.close()


def ratios(workers: list[Worker], pairs: list[tuple[str, str]]) -> str:
    """Peer over sciad for methods of the same order."""
    medians = {worker.name: worker.median for worker in workers}
    rows = [(f"{peer} / {ours}", f"{medians[peer] / medians[ours]:.1f}") for peer, ours in pairs if peer in medians and ours in medians]
    return harness.table(("", "ratio"), rows)


def gradients(report: Report, folder: Path, peers: str | None, rounds: int, each: int) -> None:
    """Geometric Brownian motion, and a network."""
    pairs = [
        ("torchsde srk", "sciad SOSRI"), ("torchsde srk", "sciad SRIW1"), ("torchsde milstein", "sciad Milstein"),
        ("torchsde euler", "sciad EulerMaruyama"), ("torchsde reversible_heun", "sciad ReversibleHeun"),
        ("torchsde reversible_heun adjoint", "sciad ReversibleHeun"), ("diffrax SPaRK", "sciad SOSRI"), ("diffrax Heun", "sciad Heun"),
    ]  # fmt: skip
    for case, methods, title in (
        ("gbm", GBM, "Geometric Brownian motion 256 x 10, 100 steps"),
        ("network", NETWORK, "Network drift, 128 paths, 50 steps"),
    ):
        workers = contenders(make_problem(folder / f"{case}.npz", case), case, methods, peers)
        answers = measure(workers, rounds, each)
        report(f"## {title}: forward and gradient\n\n" + harness.timing_table(workers, workers[0]))
        report(ratios(workers, pairs))
        rows = [(name, f"{a['loss']:.4f}", "" if a["error"] is None else f"{a['error']:.2e}") for name, a in answers.items()]
        report(harness.table(("", "loss", "mean strong error"), rows))


def stiff(report: Report, folder: Path, peers: str | None, rounds: int) -> None:
    """Adaptive, forward."""
    rows = []
    for tol in (1e-1, 1e-2, 1e-3):
        methods = {"sciad": ("SOSRI", "SRIW1", "ImplicitMilstein"), "torchsde": ("srk",)}
        workers = contenders(make_problem(folder / f"stiff{tol}.npz", "stiff", tol=tol), "stiff", methods, peers)
        answers = measure(workers, max(rounds // 4, 2), 5)
        given = [(w, answers[w.name]) for w in workers]
        rows += [(w.name, f"{tol:g}", f"{a['error']:.2e}", harness.milliseconds(w.median), a.get("steps", "")) for w, a in given]
    report(
        "## Quadratic Ito problem, adaptive, 256 paths: forward\n\n"
        + harness.table(("", "tolerance", "mean strong error", "ms", "steps of all paths"), rows)
    )


def work_precision(report: Report, folder: Path, peers: str | None) -> None:
    """Strong error and milliseconds of forward and gradient, by number of steps."""
    rows = []
    for steps in (25, 100, 400):
        workers = contenders(
            make_problem(folder / f"gbm{steps}.npz", "gbm", steps), "gbm",
            {
                "sciad": ("EulerMaruyama", "Milstein", "Heun", "SRIW1", "SOSRI"), "torchsde": ("euler", "milstein", "srk"),
                "diffrax": ("Heun", "SPaRK"),
            },
            peers,
        )  # fmt: skip
        answers = measure(workers, 2, 20)
        rows += [(w.name, steps, f"{answers[w.name]['error']:.2e}", harness.milliseconds(w.median)) for w in workers]
    report(
        "## Strong error against time, geometric Brownian motion, forward and gradient\n\n"
        + harness.table(("", "steps", "error", "ms"), rows)
    )


def first_gradient(report: Report, folder: Path, peers: str | None, runs: int) -> None:
    """Fresh processes, import included; the first run of each fills the disk caches."""
    problem = make_problem(folder / "first.npz", "gbm")
    cases: dict[str, tuple] = {"sciad SOSRI": ({}, OURS, problem, "gbm", "SOSRI", "first")}
    if peers is not None:
        cases["diffrax SPaRK"] = ({"python": peers}, DIFFRAX, problem, "gbm", "SPaRK", "first")
    found = harness.first_answers(cases, runs + 1)
    rows = [(name, f"{s[0]:.2f}", f"{statistics.median(s[1:]):.2f}") for name, s in found.items()]
    report("## Process start to first gradient, seconds\n\n" + harness.table(("", "first run", "median of later"), rows))


def main() -> None:
    """Run all measurements and keep the text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=20, help="in each round; a tenth of it for the peers")
    parser.add_argument("--runs", type=int, default=3, help="fresh processes for the time to the first gradient")
    parser.add_argument("--only", choices=("gradients", "stiff", "precision", "first"), help="one of the measurements")
    options = parser.parse_args()
    report, peers = Report("Stochastic differential equations"), harness.peers_python()
    if peers is None:
        report("The peers' environment is missing (`make peers`, or set SCIAD_PEERS_PYTHON): sciad alone.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only in (None, "gradients"):
            gradients(report, folder, peers, options.rounds, options.iterations)
        if options.only in (None, "stiff"):
            stiff(report, folder, peers, options.rounds)
        if options.only in (None, "precision"):
            work_precision(report, folder, peers)
        if options.only in (None, "first"):
            first_gradient(report, folder, peers, options.runs)
    if options.only is None:
        report.save("sde")


if __name__ == "__main__":
    main()
