"""How long does the gradient of a whole loss on a solve take, and how exact is it?

Lotka-Volterra: sum of y^2 at 101 times, 4 rates and 2 initial values, 1e-6/1e-6.  ROBER: sum of y1 + 1e4 y2 + y3 at t = 0 and 50 times from
1e-4 to 1e5, 3 rates and 3 initial values, 1e-6/1e-8.  Gradients of ROBER are compared with published ones, which two methods agree on.
"""

from __future__ import annotations

import argparse
import statistics

import harness
from harness import Report, Worker

OURS, DIFFRAX = "workers/gradients_sciad.py", "peers/gradients_diffrax.py"
TORCH, CASADI = "peers/gradients_torch.py", "peers/gradients_casadi.py"
#: Gradient by the rates, from variational equations solved by two methods at tolerances of 1e-12 and below.
REFERENCE = {"rober": [103.76680133704929, -1.219057487520601e-07, -5.678794885254603e-05]}


def contenders(problem: str, peers: str | None) -> list[Worker]:
    """One worker for each library, method and adjoint; ours first."""
    if problem == "lotka_volterra":
        found = [Worker(f"sciad Tsit5, {a}", OURS, problem, "Tsit5", a) for a in ("discrete", "gauss", "forward")]
        if peers:
            ways = ("recursive", "backsolve", "forward")
            found += [Worker(f"diffrax Tsit5, {a}", DIFFRAX, problem, "Tsit5", a, python=peers) for a in ways]
            found += [Worker("CasADi, CVODES Adams", CASADI, problem, python=peers)]
            found += [Worker(f"torchdiffeq dopri5, {e}", TORCH, e, python=peers) for e in ("odeint", "odeint_adjoint")]
        return found
    found = [Worker(f"sciad {m}, {a}", OURS, problem, m, a) for m, a in (("Rodas5P", "discrete"), ("auto", "auto"), ("Rodas5P", "forward"))]
    if peers:
        found += [Worker(f"diffrax {m}, recursive", DIFFRAX, problem, m, "recursive", python=peers) for m in ("Kvaerno5", "Kvaerno3")]
        found += [Worker("CasADi, CVODES BDF", CASADI, problem, python=peers)]
    return found


def compare(report: Report, problem: str, peers: str | None, rounds: int, each: int) -> None:
    """Interleaved gradients, and how far they lie from the first or from the reference."""
    workers = harness.start(contenders(problem, peers))
    try:
        slow = [w for w in workers if not w.name.startswith("sciad") and ("torch" in w.name or "CasADi" in w.name or problem == "rober")]
        fast = [w for w in workers if w not in slow]
        for _ in range(rounds):
            harness.interleave(fast, 1, each)
            harness.interleave(slow, 1, max(each // 20, 1))
        report(f"## {problem}\n\n" + harness.timing_table(workers, workers[0]))
        answers = {w.name: w.ask("report") for w in workers}
    finally:
        for worker in workers:
            worker.close()
    truth = REFERENCE.get(problem) or answers[workers[0].name]["gradient"]
    differences = {name: harness.relative_difference(a["gradient"][: len(truth)], truth) for name, a in answers.items()}
    rows = [(name, f"{a['loss']:.10g}", f"{differences[name]:.1e}") for name, a in answers.items()]
    against = "the reference (rates only)" if problem in REFERENCE else workers[0].name
    report(f"Difference of gradients relative to {against}:\n\n" + harness.table(("", "loss", "differs by"), rows))


def first(report: Report, peers: str | None, runs: int) -> None:
    """Process start to the first ROBER gradient."""
    cases: dict[str, tuple] = {"sciad Rodas5P, discrete": ({}, OURS, "rober", "Rodas5P", "discrete", "first")}
    if peers:
        cases["diffrax Kvaerno5, recursive"] = ({"python": peers}, DIFFRAX, "rober", "Kvaerno5", "recursive", "first")
    found = harness.first_answers(cases, runs + 1)
    rows = [(name, f"{s[0]:.2f}", f"{statistics.median(s[1:]):.2f}") for name, s in found.items()]
    report("## Process start to first ROBER gradient, seconds\n\n" + harness.table(("", "first run", "median of later"), rows))


def main() -> None:
    """Run all and keep the text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=40, help="in each round; a twentieth of it for the slow peers")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    report, peers = Report("Gradients of solves"), harness.peers_python()
    for problem in ("lotka_volterra", "rober"):
        compare(report, problem, peers, options.rounds, options.iterations)
    first(report, peers, options.runs)
    report.save("gradients")


if __name__ == "__main__":
    main()
