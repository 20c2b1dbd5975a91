"""Every adjoint on a problem that is not stiff and on one that is: errors, times, memory, and what refuses.

Lotka-Volterra with four rates, and Robertson's kinetics, whose reverse reconstruction of the state no method survives: the backsolve
adjoint has to say so.  Pictures go to out/.

Run: python examples/compare_adjoints.py          (SCIAD_QUICK=1: shorter intervals)
"""

import os
from pathlib import Path

import numpy as np

import sciad

QUICK = bool(os.environ.get("SCIAD_QUICK"))
OUT = Path(__file__).resolve().parent.parent / "out"
ADJOINTS = ("discrete", "gauss", "quadrature", "interpolating", "backsolve", "forward")


def lotka_volterra(t, y, p):
    return np.array([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1]])


def robertson(t, y, k):
    slow, fast = k[0] * y[0], k[1] * y[1] ** 2
    back = k[2] * y[1] * y[2]
    return np.array([back - slow, slow - back - fast, fast])


def predator_loss(p, adjoint):
    times = np.linspace(0.0, 3.0 if QUICK else 10.0, 101)
    sol = sciad.solve_ivp(lotka_volterra, (0.0, times[-1]), [1.0, 1.0], "Tsit5", times, args=(p,), rtol=1e-8, atol=1e-8, adjoint=adjoint)
    return np.sum(sol.ys**2)


def kinetics_loss(k, adjoint):
    times = np.geomspace(1e-4, 1e2 if QUICK else 1e5, 50)
    start = [1.0, 0.0, 0.0]
    sol = sciad.solve_ivp(robertson, (0.0, times[-1]), start, "Rodas5P", times, args=(k,), rtol=1e-7, atol=1e-9, adjoint=adjoint)
    return np.sum(sol.ys * np.array([1.0, 1e4, 1.0]))


def main():
    OUT.mkdir(exist_ok=True)
    for title, loss, p in (
        ("Lotka-Volterra, Tsit5", predator_loss, np.array([1.5, 1.0, 1.0, 3.0])),
        ("Robertson, Rodas5P", kinetics_loss, np.array([0.04, 3e7, 1e4])),
    ):
        report = sciad.compare_gradients(loss, p, ADJOINTS)
        print(f"{title}\n{report}\n")
        picture = OUT / f"compare_adjoints_{title.split(',')[0].lower().replace('-', '_')}.png"
        report.plot(str(picture))
        print(f"picture: {os.path.relpath(picture)}\n")


if __name__ == "__main__":
    main()
