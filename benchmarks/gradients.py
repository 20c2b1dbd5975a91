"""How long does the gradient of a whole loss on a solve take, and how exact is it?

Lotka-Volterra: sum of y^2 at 101 times, 4 rates and 2 initial values, 1e-6/1e-6.  ROBER: sum of y1 + 1e4 y2 + y3 at t = 0 and 50 times from
1e-4 to 1e5, 3 rates and 3 initial values, 1e-6/1e-8.  Gradients of ROBER are compared with published ones, which two methods agree on.
HIRES, OREGO, POLLU, a stiff neural ODE and Brusselators: see `gradient_problems`.  ``--only NAME`` measures one section and leaves the
others of results/gradients.md as they are; NAME is lotka_volterra, rober, hires, orego, pollu, network, brusselator, memory or first.
"""

from __future__ import annotations

import argparse
import re
import statistics
from functools import partial

import harness
from harness import Report, Worker

OURS, DIFFRAX = "workers/gradients_sciad.py", "peers/gradients_diffrax.py"
STIFF, STIFF_DIFFRAX = "workers/gradients_stiff_sciad.py", "peers/gradients_stiff_diffrax.py"
TORCH, CASADI = "peers/gradients_torch.py", "peers/gradients_casadi.py"
COMING_UP, LONGEST = 300.0, 60.0  # seconds that a worker may take to be ready, and to be measured
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


def stiff(report: Report, problem: str, peers: str | None, rounds: int, each: int) -> None:
    """One problem of `gradient_problems`: gradient by every parameter, times and errors, ours and diffrax's."""
    methods = [("auto", "auto"), ("Rodas5P", "discrete"), ("NDF", "discrete"), ("KenCarp4", "discrete"), ("Rodas5P", "gauss")]
    given = [partial(Worker, f"sciad {m}, {a}", STIFF, problem, m, a) for m, a in methods]
    if peers:
        given += [partial(Worker, f"diffrax {m}, recursive", STIFF_DIFFRAX, problem, m, python=peers) for m in ("Kvaerno5", "Kvaerno3")]
    workers, left_out = harness.start_in_turn(given, COMING_UP)
    try:
        for _ in range(rounds):  # whoever has had its time waits for the others
            some = [w for w in workers if len(w.seconds) < 2 or sum(w.seconds) < LONGEST]
            harness.interleave([w for w in some if w.name.startswith("sciad")], 1, each)
            harness.interleave([w for w in some if not w.name.startswith("sciad")], 1, max(each // 20, 2))
        text = "".join(f"\n\nLeft out: {reason.splitlines()[-1]}" for reason in left_out)
        report(f"## {problem}\n\n" + harness.timing_table(workers, workers[0]) + text)
        answers = {w.name: w.ask("report") for w in workers}
    finally:
        for worker in workers:
            worker.close()
    head = answers[workers[0].name]
    truth, against = head.get("reference"), "RadauIIA5 with forward sensitivities at 1e-10"
    if truth is None:
        truth, against = head["gradient"], workers[0].name
    rows = [(n, f"{a['loss']:.10g}", f"{harness.relative_difference(a['gradient'], truth):.1e}") for n, a in answers.items()]
    report(f"Gradients (times the parameters) relative to {against}:\n\n" + harness.table(("", "loss", "differs by"), rows))


def scaling(report: Report, peers: str | None, rounds: int, each: int, sizes: list[int]) -> None:
    """Brusselator on n x n points, 2 n^2 states and 4 n^2 parameters: gradient over forward solve, one process after the other."""
    rows, ways = [], (("auto", "auto"), ("NDF", "discrete"), ("NDF", "gauss"))
    for n in sizes:
        cases = [Worker(f"sciad {m}, {a}", STIFF, f"brusselator{n}", m, a) for m, a in ways]
        if peers and n <= 10:
            cases += [Worker("diffrax Kvaerno5, recursive", STIFF_DIFFRAX, f"brusselator{n}", "Kvaerno5", python=peers)]
        for worker in harness.start(cases):
            with worker:
                count = each if worker.name.startswith("sciad") else 1
                forward, gradient = list[float](), list[float]()
                for _ in range(rounds):
                    forward += worker.ask(f"run {count + 1} primal")["seconds"][1:]
                    gradient += worker.ask(f"run {count + 1}")["seconds"][1:]
                times = statistics.median(forward), statistics.median(gradient)
                shown = (f"{1e3 * times[0]:.3g}", f"{1e3 * times[1]:.3g}", f"{times[1] / times[0]:.2f}")
                rows.append((worker.name, n, 2 * n * n, 4 * n * n, *shown))
    head = ("", "n", "states", "parameters", "forward ms", "gradient ms", "gradient / forward")
    report("## brusselator\n\n" + harness.table(head, rows))


def memory(report: Report) -> None:
    """Peak memory of one gradient against the number of steps."""
    with Worker("memory", STIFF, "memory") as worker:
        found = worker.read()["memory"]
    rows = [(f"{steps}", *("refused" if b is None else f"{b / 1e6:.3g}" for b in row.values())) for steps, row in found]
    text = "Peak of memory of one gradient, MB, Lotka-Volterra by Tsit5 with at least so many steps:"
    report(f"## memory\n\n{text}\n\n" + harness.table(("steps", *found[0][1]), rows))


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
    parser.add_argument("--only", help="one section")
    parser.add_argument("--sizes", type=int, nargs="+", default=[5, 10, 17, 32], help="of the Brusselator")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--no-save", action="store_true")
    options = parser.parse_args()
    report, peers = Report("Gradients of solves"), None if options.no_peers else harness.peers_python()
    given = peers, options.rounds, options.iterations
    sections = {name: lambda name=name: compare(report, name, *given) for name in ("lotka_volterra", "rober")}
    sections |= {name: lambda name=name: stiff(report, name, *given) for name in ("hires", "orego", "pollu", "network")}
    sections["brusselator"] = lambda: scaling(report, peers, options.rounds, max(options.iterations // 10, 1), options.sizes)
    sections["memory"] = lambda: memory(report)
    sections["first"] = lambda: first(report, peers, options.runs)
    if options.only and options.only not in sections:
        parser.error(f"--only takes one of {', '.join(sections)}")
    for name, run in sections.items():
        if options.only in (None, name):
            run()
    if not options.no_save:
        report.text = merged(report.text)
        report.save("gradients")


def merged(text: str) -> str:
    """The sections of `text`, and those of the results that are there already and not among them; the head is that of `text`."""
    path = harness.HERE / "results" / "gradients.md"
    head, *new = re.split(r"^(?=## )", text, flags=re.M)
    old = re.split(r"^(?=## )", path.read_text() + "\n", flags=re.M)[1:] if path.exists() else []
    fresh = {part.splitlines()[0]: part for part in new}
    kept = [fresh.pop(part.splitlines()[0], part) for part in old]
    return head + "".join(part.rstrip() + "\n\n" for part in [*kept, *fresh.values()])


if __name__ == "__main__":
    main()
