"""CVODE through scikit-sundae, right-hand side compiled by numba: ``work_precision_sundae.py problem BDF|Adams linsolver tolerances``."""

import sys

import numba
import numpy as np
import sksundae as sun
from curves import serve_curve
from scipy.sparse import coo_matrix
from workers.ode_problems import PROBLEMS, neighbours


def main(name, method, linsolver, tolerances):
    problem = PROBLEMS[name]
    compiled, p = numba.njit(error_model="numpy", fastmath={"contract"})(problem.fun), np.array(problem.p)
    options = {"linsolver": linsolver}
    if linsolver == "band":
        options |= {"lband": 2, "uband": 2}
    elif linsolver == "sparse":
        rows, columns = neighbours(name)
        options["sparsity"] = coo_matrix((np.ones(len(rows)), (rows, columns))).tocsc()
    elif linsolver == "gmres":
        options["krylov_dim"] = 40

    @numba.njit
    def right_side(t, y, yp):
        compiled(yp, t, y, p)

    times = np.array([0.0, 0.5 * problem.t_end, problem.t_end])

    def solve(tol):
        solver = sun.cvode.CVODE(right_side, method=method, rtol=tol, atol=tol * problem.floor, max_num_steps=1_000_000, **options)
        sol = solver.solve(times, np.array(problem.y0))
        if not sol.success:
            raise RuntimeError(str(sol.message))
        return sol.y[-1]

    serve_curve(solve, tolerances)


main(*sys.argv[1:])
