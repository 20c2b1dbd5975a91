"""Is adjoint "auto" within 1.5 times the best adjoint, on every problem of gradients.py?

Every adjoint computes the gradient of the same loss at the same tolerances, by the same method of the solve, in turns in one process of
each problem; the medians are compared.  An adjoint counts as the best only where its gradient lies within ten times the distance of that of
"auto" from a gradient by forward sensitivities at a hundredth of the tolerances (the Brusselators: by Gauss).  Adjoints that raise, or
whose one gradient takes more than five seconds, are left out.  Ends with an error where a ratio exceeds 1.5.
"""

from __future__ import annotations

import argparse
import sys

import harness
from harness import Report, Worker

WORKER, LIMIT = "workers/auto_adjoint.py", 1.5
#: Problems and the methods that solve them.
CASES = [
    *[("lotka_volterra", m) for m in ("Tsit5", "Vern7", "auto")], *[("rober", m) for m in ("Rodas5P", "KenCarp4", "NDF", "auto")],
    *[(name, m) for name in ("hires", "orego", "pollu", "network") for m in ("Rodas5P", "NDF", "auto")],
    *[(f"brusselator{n}", m) for n in (5, 10, 17, 32) for m in ("NDF", "auto")],
]  # fmt: skip


def main() -> int:
    """Run all, print one row for each case; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", nargs="+", help="problems")
    parser.add_argument("--no-save", action="store_true")
    options = parser.parse_args()
    report, rows, failed = Report("Adjoint auto against the best"), [], 0
    for problem, method in CASES:
        if options.only and problem not in options.only:
            continue
        with Worker(f"{problem}, {method}", WORKER, problem, method, str(options.rounds)) as worker:
            found = worker.read(600.0)
        auto, others = found["auto"], {n: a for n, a in found.items() if n != "auto" and "seconds" in a}
        fair = {n: a for n, a in others.items() if a["error"] <= 10 * auto["error"] + 1e-12}
        best = min(fair, key=lambda n: fair[n]["seconds"])
        ratio = auto["seconds"] / fair[best]["seconds"]
        failed += ratio > LIMIT
        times = ", ".join(f"{n} {harness.milliseconds(a['seconds'])}" for n, a in others.items() if n != best)
        shown = harness.milliseconds(auto["seconds"]), f"{best} {harness.milliseconds(fair[best]['seconds'])}", f"{ratio:.2f}"
        rows.append((problem, method, *shown, "pass" if ratio <= LIMIT else "FAIL", f"{auto['error']:.1e}", times))
        print(*rows[-1], flush=True)
    report(harness.table(("", "method", "auto ms", "best ms", "ratio", "", "error of auto", "others, ms"), rows))
    if not options.no_save:
        report.save("auto_adjoint")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
