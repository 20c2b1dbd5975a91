"""Seconds from ``import sciad`` to the end of a first solve: ``first_solve_sciad.py methods...``, one after the other."""

import sys
import time

from serve import answer
from workers.solver_problems import PROBLEMS

import sciad


def main(*methods):
    fun, span, y0, args, _ = PROBLEMS["rober"]
    seconds = {}
    for method in methods:
        begin = time.perf_counter()
        sol = sciad.solve_ivp(fun, (span[0], 1e-3), y0, method, args=args)
        seconds[method] = time.perf_counter() - begin
        if not sol.success:
            raise RuntimeError(sol.message)
    answer(seconds)


main(*sys.argv[1:])
