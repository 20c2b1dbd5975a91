"""Memory of one gradient: ``ad_memory_sciad.py CASE``; prints seconds, megabytes above what was there, and the theory's.

`loop` is 1e7 steps of a scalar recurrence in one compiled function; `loop_stretches` the same over ``sciad.checkpoint(range(n))``, which
keeps sqrt(n) states and runs sqrt(n) steps at a time again; `segments` the same by hand, in 3163 calls of 3162 steps on the tape: a call
keeps its arguments only and runs its primal again on the way back.  `lorenz96` and `lorenz96_stretches` are K1.
"""

import math
import resource
import sys
import time

import numpy as np
from workers.kernels import lorenz96

import sciad

STEPS, PARTS = 3162, 3163


def recurrence(x, a, n):
    for _ in range(n):
        x = x + 1e-7 * math.sin(a * x)
    return x


segment = sciad.jit(recurrence)


def recurrence_stretches(x, a, n):
    for _ in sciad.checkpoint(range(n)):
        x = x + 1e-7 * math.sin(a * x)
    return x


def lorenz96_stretches(x0, F, dt, steps):
    n = x0.size
    x = x0.copy()
    dx = np.empty(n)
    for _ in sciad.checkpoint(range(steps)):
        for i in range(n):
            dx[i] = (x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + F
        for i in range(n):
            x[i] += dt * dx[i]
    total = 0.0
    for i in range(n):
        total += x[i] * x[i]
    return total


def segments(x, a, parts):
    for _ in range(parts):
        x = segment(x, a, STEPS)
    return x


# fmt: off
#: name -> (function, arguments, arguments of a first small call, positions to differentiate, theory in bytes)
CASES = {
    "lorenz96": (sciad.jit(lorenz96), (np.sin(np.arange(40.0)), 8.0, 1e-6, 200_000), (np.ones(40), 8.0, 1e-6, 3), (0, 1), 8 * 40 * 200_000),
    "lorenz96_stretches": (
        sciad.jit(lorenz96_stretches), (np.sin(np.arange(40.0)), 8.0, 1e-6, 200_000), (np.ones(40), 8.0, 1e-6, 3), (0, 1), 8 * 40 * 3 * 448,
    ),
    "loop_stretches": (sciad.jit(recurrence_stretches), (0.5, 1.0, STEPS * PARTS), (0.5, 1.0, 10), (0, 1), 8 * (STEPS + PARTS)),
    "loop": (segment, (0.5, 1.0, STEPS * PARTS), (0.5, 1.0, 10), (0, 1), 8 * STEPS * PARTS),
    "segments": (segments, (0.5, 1.0, PARTS), (0.5, 1.0, 3), (0, 1), 8 * (STEPS + PARTS)),
}
# fmt: on


def main(name):
    function, args, small, wrt, theory = CASES[name]
    both = sciad.value_and_grad(function, argnums=wrt)
    both(*small)
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    value, gradient = both(*args)
    seconds = time.perf_counter() - begin
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(seconds, grown, theory / 2**20, value, float(np.sum(gradient[0])))


main(sys.argv[1])
