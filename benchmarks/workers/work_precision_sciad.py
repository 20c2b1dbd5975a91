"""sciad: ``work_precision_sciad.py problem method linear tolerances``, linear "auto" or a name."""

import sys

import numpy as np
from curves import serve_curve
from workers.ode_problems import PROBLEMS

import sciad


def main(name, method, linear, tolerances):
    problem = PROBLEMS[name]
    p = problem.p[:3] + (int(problem.p[3]),) if problem.kind == "grid" else np.array(problem.p)
    span, y0, times = (0.0, problem.t_end), np.array(problem.y0), np.array([problem.t_end])
    options = {} if linear == "auto" else {"linear": linear}

    def solve(tol):
        sol = sciad.solve_ivp(
            problem.fun, span, y0, method, times, args=(p,), rtol=tol, atol=tol * problem.floor, max_steps=1_000_000, **options
        )
        if not sol.success:
            raise RuntimeError(sol.message)
        return sol.ys[-1]

    serve_curve(solve, tolerances)


main(*sys.argv[1:])
