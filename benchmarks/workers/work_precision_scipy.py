"""SciPy: ``work_precision_scipy.py problem method python|numba tolerances``."""

import sys

import numpy as np
from curves import serve_curve
from scipy.integrate import solve_ivp
from scipy.sparse import coo_matrix
from workers.ode_problems import PROBLEMS, neighbours


def main(name, method, how, tolerances):
    problem = PROBLEMS[name]
    fun, p = problem.fun, problem.p
    if how == "numba":
        import numba

        compiled = numba.njit(error_model="numpy", fastmath={"contract"})(fun)
        p = np.array(p)

        @numba.njit
        def right_side(t, y):
            dy = np.empty_like(y)
            compiled(dy, t, y, p)
            return dy
    else:

        def right_side(t, y):
            dy = [0.0] * len(y)
            fun(dy, t, y, p)
            return dy

    options = {}
    if problem.kind == "banded" and method == "LSODA":
        options = {"lband": 2, "uband": 2}
    elif problem.kind in ("banded", "grid"):
        rows, columns = neighbours(name)
        options = {"jac_sparsity": coo_matrix((np.ones(len(rows)), (rows, columns)))}

    def solve(tol):
        sol = solve_ivp(
            right_side, (0.0, problem.t_end), problem.y0, method, [problem.t_end], rtol=tol, atol=tol * problem.floor, **options
        )
        if not sol.success:
            raise RuntimeError(sol.message)
        return sol.y[:, -1]

    serve_curve(solve, tolerances)


main(*sys.argv[1:])
