"""SciPy's LSODA: ``solvers_scipy.py problem python|numba``."""

import sys

import numpy as np
from scipy.integrate import solve_ivp
from serve import serve
from workers.solver_problems import PROBLEMS


def main(name, how):
    fun, span, y0, args, times = PROBLEMS[name]
    if how == "numba":
        import numba

        compiled = numba.njit(fun)

        @numba.njit
        def fun(t, y, a, b, c):
            return np.array(compiled(t, y, a, b, c))

    def solve():
        return solve_ivp(fun, span, y0, "LSODA", times, args=args, rtol=1e-8, atol=1e-8)

    serve(solve, lambda: {"ys": solve().y.T.tolist()}, warmup=2)


main(*sys.argv[1:])
