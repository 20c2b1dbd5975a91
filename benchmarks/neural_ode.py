"""How long does one training iteration of a neural ODE take, and how long until the first gradient?

torchdiffeq's ode_demo: y' = W2 tanh(W1 y^3 + b1) + b2 with 50 hidden units against the spiral y' = y^3 A, a batch of 20 windows of
10 of the 1000 times on [0, 25], rtol 1e-7, atol 1e-9, loss mean |predicted - true| (L1), RMSprop with learning rate 1e-3.
An iteration is solve + gradient + update of the parameters.  float64 and one thread for everybody; the demo itself is float32.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import harness
import numpy as np
from harness import Report, Worker
from scipy.integrate import solve_ivp

A = np.array([[-0.1, 2.0], [-2.0, -0.1]])
OURS, TORCH, DIFFRAX = "workers/neural_ode_sciad.py", "peers/neural_ode_torch.py", "peers/neural_ode_diffrax.py"


def make_problem(path: Path, seed: int = 0, batches: int = 64) -> None:
    """Weights, batches, tolerances and learning rate, the same for every worker."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0.0, 25.0, 1000)
    truth = solve_ivp(lambda t, y: y**3 @ A, (0.0, 25.0), [2.0, 0.0], "DOP853", t_eval=t, rtol=1e-12, atol=1e-12).y.T
    starts = np.stack([rng.choice(990, 20, replace=False) for _ in range(batches)])
    targets = truth[starts[:, None, :] + np.arange(10)[None, :, None]]  # (batch, time, window, 2)
    np.savez(
        path, t=t[:10], starts=targets[:, 0], targets=targets, rtol=1e-7, atol=1e-9, lr=1e-3,
        W1=0.1 * rng.standard_normal((2, 50)), b1=np.zeros(50), W2=0.1 * rng.standard_normal((50, 2)), b2=np.zeros(2),
    )  # fmt: skip


def contenders(problem: str, peers: str | None) -> list[Worker]:
    """One worker for each library and method; ours first, because the first that comes up is the reference of the ratios."""
    found = [Worker(f"sciad {method}, discrete", OURS, problem, method) for method in ("Dopri5", "Tsit5")]
    if peers is not None:
        found += [Worker(f"diffrax {method}, recursive", DIFFRAX, problem, method, python=peers) for method in ("Dopri5", "Tsit5")]
        found += [Worker(f"torchdiffeq dopri5, {entry}", TORCH, problem, entry, python=peers) for entry in ("odeint", "odeint_adjoint")]
    return found


def iterations(report: Report, problem: str, peers: str | None, rounds: int, each: int) -> None:
    """Interleaved training iterations, and how far the gradients at the first batch lie apart."""
    workers = harness.start(contenders(problem, peers))
    if not workers:
        raise SystemExit("no worker came up; see above")
    try:
        slow = [worker for worker in workers if worker.name.startswith("torch")]
        fast = [worker for worker in workers if worker not in slow]
        for _ in range(rounds):
            harness.interleave(fast, 1, each)
            harness.interleave(slow, 1, max(each // 10, 2))
        report("## One training iteration\n\n" + harness.timing_table(workers, workers[0]))
        answers = {worker.name: worker.ask("report") for worker in workers}
    finally:
        for worker in workers:
            worker.close()
    reference = next(iter(answers.values()))["gradient"]
    rows = [(name, f"{a['loss']:.12f}", f"{harness.relative_difference(a['gradient'], reference):.1e}") for name, a in answers.items()]
    report(f"Loss and gradient at the first batch, difference relative to {workers[0].name}:\n\n"
           + harness.table(("", "loss", "gradient differs by"), rows))  # fmt: skip


def first_gradient(report: Report, problem: str, peers: str | None, runs: int) -> None:
    """Fresh processes, import included: the first run of each fills the disk caches and is shown by itself.

    JAX's own disk cache was tried for diffrax: it keeps small helpers but not the program of this gradient, and changes nothing.
    """
    asked = (problem, "Dopri5", "first")
    cases: dict[str, tuple] = {"sciad Dopri5, discrete": ({}, OURS, *asked)}
    if peers is not None:
        cases["diffrax Dopri5, recursive"] = ({"python": peers}, DIFFRAX, *asked)
    found = harness.first_answers(cases, runs + 1)
    rows = [(name, f"{s[0]:.2f}", f"{statistics.median(s[1:]):.2f}", f"{min(s[1:]):.2f} - {max(s[1:]):.2f}") for name, s in found.items()]
    report("## Process start to first gradient, seconds\n\n" + harness.table(("", "first run", "median of later", "range"), rows))


def main() -> None:
    """Run both measurements and keep the text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=50, help="in each round; a tenth of it for the slow peers")
    parser.add_argument("--runs", type=int, default=5, help="fresh processes for the time to the first gradient")
    options = parser.parse_args()
    report, peers = Report("Spiral neural ODE"), harness.peers_python()
    if peers is None:
        report("The peers' environment is missing (`make peers`, or set SCIAD_PEERS_PYTHON): sciad alone.")
    with tempfile.TemporaryDirectory() as folder:
        problem = Path(folder) / "problem.npz"
        make_problem(problem)
        iterations(report, str(problem), peers, options.rounds, options.iterations)
        first_gradient(report, str(problem), peers, options.runs)
    report.save("neural_ode")


if __name__ == "__main__":
    main()
