"""CVODES through CasADi: ``work_precision_casadi.py problem bdf|adams direct|gmres tolerances``."""

import sys

import casadi as ca
from curves import serve_curve
from workers.ode_problems import PROBLEMS


def main(name, method, scheme, tolerances):
    problem = PROBLEMS[name]
    y = ca.SX.sym("y", len(problem.y0))
    dy = [0.0] * len(problem.y0)
    problem.fun(dy, 0.0, [y[i] for i in range(len(problem.y0))], problem.p)
    system, solvers = {"x": y, "ode": ca.vertcat(*dy)}, {}

    def solve(tol):
        if tol not in solvers:
            options = {"reltol": tol, "abstol": tol * problem.floor, "linear_multistep_method": method, "max_num_steps": 1_000_000,
                       "newton_scheme": scheme, "max_krylov": 40}  # fmt: skip
            solvers[tol] = ca.integrator("solver", "cvodes", system, 0.0, problem.t_end, options)
        return solvers[tol](x0=problem.y0)["xf"].full().ravel()

    serve_curve(solve, tolerances)


main(*sys.argv[1:])
