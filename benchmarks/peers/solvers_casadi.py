"""CVODES (BDF) through CasADi: ``solvers_casadi.py problem``."""

import sys

import casadi as ca
from serve import serve
from workers.solver_problems import PROBLEMS


def main(name):
    fun, span, y0, args, times = PROBLEMS[name]
    y = ca.SX.sym("y", len(y0))
    system = {"x": y, "ode": ca.vertcat(*fun(0.0, [y[i] for i in range(len(y0))], *args))}
    options = {"reltol": 1e-8, "abstol": 1e-8, "max_num_steps": 1_000_000}
    solver = ca.integrator("solver", "cvodes", system, span[0], list(times[1:]), options)

    def solve():
        return solver(x0=y0)["xf"].full()

    serve(solve, lambda: {"ys": [y0, *solve().T.tolist()]})


main(*sys.argv[1:])
