"""Nonlinear solves and their gradients against SciPy, optimistix, torchdeq and unrolled differentiation.

1. Forward: small systems (and up to n = 1000) by `root`, at the default tolerances of each; SciPy calls the same Python function, or
   numba's.
2. Gradient of a root, n from 2 to 1000, against optimistix (Newton, implicit adjoint, jitted).
3. Loss and gradient of a batch of fixed points of width 64: z = tanh(W z + U x + b), |W| = 0.9.  Every solver stops at a relative residual
   of 1e-8; what it then reached, and how far its gradient is from a converged one, stands beside the times.
4. Memory and time of that gradient against the number of iterations, implicit and unrolled: |W| grows to 1.

float64, one thread, everything compiled and warm, all workers in turn in one run.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import harness
import numpy as np
from harness import Report, Worker

OURS, SCIPY, JAX, TORCH = "workers/implicit_sciad.py", "peers/implicit_scipy.py", "peers/implicit_jax.py", "peers/implicit_torch.py"
SMALL = ("cubic", "rosenbrock", "tridiagonal4", "tridiagonal10")
LARGER = ("tridiagonal100", "tridiagonal1000")
WIDTH = 64


def make_problem(path: Path, batch: int, norm: float = 0.9, xtol: float = 1e-8, unrolled: int = 40, slow: bool = False) -> None:
    """Weights of a layer whose matrix has the given norm, and a batch of inputs and targets.

    `slow`: a symmetric matrix and small inputs, so that the layer contracts no faster than the norm says.
    """
    rng = np.random.default_rng(0)
    W, size = rng.standard_normal((WIDTH, WIDTH)), 0.01 if slow else 1.0
    W = W @ W.T if slow else W
    np.savez(
        path, W=norm * W / np.linalg.norm(W, 2), U=size * rng.standard_normal((WIDTH, 2)), X=rng.standard_normal((batch, 2)),
        b=0.1 * size * rng.standard_normal(WIDTH), target=rng.standard_normal((batch, WIDTH)), xtol=xtol, unrolled=unrolled,
    )  # fmt: skip


def measured(workers: list[Worker], rounds: int, iterations: int) -> tuple[list[Worker], dict[str, dict]]:
    """Interleaved times of those that came up, and their reports; all are closed."""
    workers = harness.start(workers)
    try:
        harness.interleave(workers, rounds, iterations)
        return workers, {worker.name: worker.ask("report") for worker in workers}
    finally:
        for worker in workers:
            worker.close()


def forward(report: Report, problem: str, peers: str | None, rounds: int) -> None:
    """`root` against SciPy's and optimistix's."""
    rows = []
    for name in (*SMALL, *LARGER):
        cases = [Worker("sciad", OURS, problem, "forward", name), Worker("SciPy + numba", SCIPY, problem, "forward", name, "numba")]
        cases += [Worker("SciPy", SCIPY, problem, "forward", name)] if name in SMALL else []  # a loop in Python over more is slow
        cases += [Worker("optimistix", JAX, problem, "forward", name, python=peers)] if peers else []
        workers, answers = measured(cases, rounds, 2 if name in LARGER else 100)
        ours, times = workers[0].median, {worker.name: worker.median for worker in workers}
        apart = max(float(np.max(np.abs(np.array(a["x"]) - answers["sciad"]["x"]))) for a in answers.values())
        ratios = [f"{times[k] / ours:.1f}" if k in times else "" for k in ("SciPy", "SciPy + numba", *(["optimistix"] if peers else []))]
        rows.append((name, f"{1e6 * ours:.3g}", *ratios, f"{apart:.0e}"))
    header = ["system", "sciad, us", "SciPy / sciad", "SciPy + numba / sciad", *(["optimistix / sciad"] if peers else [])]
    report("## Forward\n\n" + harness.table([*header, "solutions differ by"], rows))


def root_gradients(report: Report, problem: str, peers: str | None, rounds: int) -> None:
    """Gradient of a root by a parameter."""
    rows = []
    for n in (2, 10, 50, 100, 500, 1000):
        cases = [Worker("sciad", OURS, problem, "root_gradient", f"tridiagonal{n}")]
        cases += [Worker("optimistix", JAX, problem, "root_gradient", f"tridiagonal{n}", python=peers)] if peers else []
        workers, answers = measured(cases, rounds, 3 if n > 100 else 30)
        ours, (first, *others) = workers[0].median, [a["gradient"][0] for a in answers.values()]
        ratios = [f"{w.median / ours:.2f}" for w in workers[1:]]
        rows.append((n, harness.milliseconds(ours), *ratios, *[f"{abs(g / first - 1):.0e}" for g in others]))
    header = ["n", "sciad, ms", *(["optimistix / sciad", "gradients differ by"] if peers else [])]
    report("## Gradient of a root\n\n" + harness.table(header, rows))


def batches(report: Report, folder: Path, peers: str | None, rounds: int) -> None:
    """Loss and gradient of a batch of fixed points."""
    for batch in (1, 32, 128):
        path, exact = folder / f"batch{batch}.npz", folder / f"exact{batch}.npz"
        make_problem(path, batch)
        make_problem(exact, batch, xtol=1e-13)
        cases = [Worker(f"sciad, {m}", OURS, str(path), "batch_gradient", "implicit", m) for m in ("anderson", "iteration")]
        if peers:
            cases += [Worker(f"torchdeq, {v}", TORCH, str(path), "batch_gradient", v, python=peers) for v in ("anderson", "iteration")]
            cases += [Worker("torch, unrolled", TORCH, str(path), "batch_gradient", "unrolled", python=peers)]
            names = {"gmres": "optimistix, GMRES", "rows": "optimistix, vmap and LU", "newton": "optimistix, vmap and Newton",
                     "unrolled": "JAX, unrolled"}  # fmt: skip
            cases += [Worker(name, JAX, str(path), "batch_gradient", v, python=peers) for v, name in names.items()]
        workers, answers = measured(cases, rounds, 10)
        _, converged = measured([Worker("exact", OURS, str(exact), "batch_gradient")], 1, 1)
        truth = converged["exact"]["gradient"]
        best = min(workers[:2], key=lambda worker: worker.median)
        rows = []
        for worker in workers:
            answer = answers[worker.name]
            reached = f"{answer['residual']:.0e}", f"{harness.relative_difference(answer['gradient'], truth):.0e}"
            rows.append((worker.name, harness.milliseconds(worker.median), f"{worker.median / best.median:.2f}", *reached))
        report(f"## Gradient of {batch} fixed points of width {WIDTH}\n\n"
               + harness.table(("", "median ms", f"x {best.name}", "residual", "gradient off by"), rows))  # fmt: skip


def growth(report: Report, folder: Path, rounds: int) -> None:
    """Time and memory against iterations."""
    rows = []
    for norm in (0.3, 0.9, 0.99, 0.998):
        path = folder / f"norm{norm}.npz"
        make_problem(path, 32, norm, slow=True)
        cases = [Worker("forward", OURS, str(path), "batch_forward", "iteration")]
        cases += [Worker(a, OURS, str(path), "batch_gradient", a, "iteration") for a in ("implicit", "direct")]
        workers, answers = measured(cases, rounds, 2)
        solve, *times = [w.median for w in workers]
        rows.append((answers["implicit"]["iterations"], *[harness.milliseconds(t) for t in (solve, times[0] - solve, times[1] - solve)],
                     *[f"{answers[a]['peak']:.0f}" for a in ("implicit", "direct")]))  # fmt: skip
    header = ("iterations", "solve, ms", "implicit on top, ms", "unrolled on top, ms", "peak MB, implicit", "peak MB, unrolled")
    report("## The derivative against the number of iterations (plain iteration, 32 x 64)\n\n" + harness.table(header, rows))


def main() -> None:
    """Run all and keep the text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", choices=("forward", "roots", "batches", "growth"))
    options = parser.parse_args()
    report, peers = Report("Implicit functions"), harness.peers_python()
    if peers is None:
        report("The peers' environment is missing (`make peers`, or set SCIAD_PEERS_PYTHON): sciad and SciPy alone.")
    with tempfile.TemporaryDirectory() as folder:
        problem = Path(folder) / "problem.npz"
        make_problem(problem, 1)
        if options.only in (None, "forward"):
            forward(report, str(problem), peers, options.rounds)
        if options.only in (None, "roots"):
            root_gradients(report, str(problem), peers, options.rounds)
        if options.only in (None, "batches"):
            batches(report, Path(folder), peers, options.rounds)
        if options.only in (None, "growth"):
            growth(report, Path(folder), options.rounds)
    if options.only is None:
        report.save("implicit")


if __name__ == "__main__":
    main()
