"""SciPy's `root` on the small systems of ``implicit.py``: ``implicit_scipy.py problem.npz forward name [hybr|numba]``.

"numba": the same function compiled by numba, called back by SciPy.
"""

import sys

import numba
import numpy as np
import scipy.optimize
from serve import serve


def cubic(x, p):
    return x * x * x - 2.0 * x - p


def rosenbrock(x, a):
    return np.array([10.0 * (x[1] - x[0] ** 2), a - x[0]])


def broyden_tridiagonal(x, a):
    n = x.shape[0]
    out = np.empty(n)
    for i in range(n):
        left = x[i - 1] if i > 0 else 0.0
        right = x[i + 1] if i < n - 1 else 0.0
        out[i] = (3.0 - a * x[i]) * x[i] - left - 2.0 * right + 1.0
    return out


SMALL = {"cubic": (cubic, [2.0], 5.0), "rosenbrock": (rosenbrock, [-1.2, 1.0], 1.0),
         **{f"tridiagonal{n}": (broyden_tridiagonal, [-1.0] * n, 2.0) for n in (2, 4, 10, 50, 100, 500, 1000)}}  # fmt: skip


def main(path, work, name, variant="python"):
    fun, x0, p = SMALL[name]
    fun, x0 = numba.njit(fun) if variant == "numba" else fun, np.array(x0)
    serve(lambda: scipy.optimize.root(fun, x0, (p,)).x, lambda: {"x": scipy.optimize.root(fun, x0, (p,)).x.tolist()}, warmup=3)


main(*sys.argv[1:])
