"""heyoka, Taylor series of the order that the tolerance asks for: ``work_precision_heyoka.py problem tolerances``."""

import sys

import heyoka as hy
from curves import serve_curve
from workers.ode_problems import PROBLEMS


def main(name, tolerances):
    problem = PROBLEMS[name]
    n = len(problem.y0)
    y, dy = hy.make_vars(*[f"y{i}" for i in range(n)]), [0.0] * n
    problem.fun(dy, 0.0, y, problem.p)
    integrators = {}

    def solve(tol):
        if tol not in integrators:
            integrators[tol] = hy.taylor_adaptive(list(zip(y, dy)), problem.y0, tol=tol)
        ta = integrators[tol]
        ta.time, ta.state[:] = 0.0, problem.y0
        outcome = ta.propagate_until(problem.t_end)[0]
        if outcome != hy.taylor_outcome.time_limit:
            raise RuntimeError(str(outcome))
        return ta.state.copy()

    serve_curve(solve, tolerances)


main(*sys.argv[1:])
