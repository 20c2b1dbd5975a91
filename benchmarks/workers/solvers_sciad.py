"""sciad: ``solvers_sciad.py lsoda problem method`` or ``solvers_sciad.py auto problem tolerance``."""

import sys

import numpy as np
from serve import serve
from workers.solver_problems import PROBLEMS

import sciad


def lsoda(name, method):
    fun, span, y0, args, times = PROBLEMS[name]

    def solve():
        return sciad.solve_ivp(fun, span, y0, method, times, args=args, rtol=1e-8, atol=1e-8)

    serve(solve, lambda: {"ys": solve().ys.tolist()})


def auto(name, tolerance):
    """Method "auto" and its stiff half alone, in turn: the explicit half does not come to an end in any reasonable time."""
    fun, span, y0, args, times = PROBLEMS[name]
    tol = float(tolerance)

    def solver(method):
        def solve():
            sol = sciad.solve_ivp(fun, span, y0, method, times, args=args, rtol=tol, atol=1e-2 * tol)
            if not sol.success:
                raise RuntimeError(sol.message)
            return sol

        return solve

    solvers = {method: solver(method) for method in ("auto", "Rodas5P")}
    serve(
        solvers["auto"], lambda: {"switches": solvers["auto"]().switches, "end": {m: s().ys[-1].tolist() for m, s in solvers.items()}},
        half=solvers["Rodas5P"],
    )  # fmt: skip


def ensemble(count):
    """Lorenz systems with different rho: all on both cores, and one after the other as single solves of the same kind."""
    fun, _, y0, _, _ = PROBLEMS["lorenz"]
    k = int(count)
    rhos = np.linspace(0.5, 60.0, k)
    y0s, given = np.tile(y0, (k, 1)), (np.full(k, 10.0), rhos, np.full(k, 8.0 / 3.0))
    options = {"rtol": 1e-8, "atol": 1e-8, "method": "Vern9"}
    some = rhos[:: max(k // 200, 1)]

    def together(**more):
        return sciad.ensemble(fun, (0.0, 10.0), y0s, given, **options, **more)

    def single():
        return [sciad.solve_ivp(fun, (0.0, 10.0), y0, args=(10.0, rho, 8.0 / 3.0), t_eval=[10.0], **options).ys[-1] for rho in some]

    def report():
        found = together().ys[:, -1]
        alone = np.array(single())
        equal = bool(np.array_equal(found[:: max(k // 200, 1)], alone))
        return {"single": len(some), "systems": k, "equal": equal, "dask": through_dask(together, found)}

    serve(together, report, warmup=1, single=single)


def through_dask(together, found):
    """Whether the ensemble by two processes of Dask gives the same bits; None without Dask."""
    try:
        from dask.distributed import Client
    except ImportError:
        return None
    with Client(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as client:
        return bool(np.array_equal(together(executor=client.get_executor()).ys[:, -1], found))


if __name__ == "__main__":
    {"lsoda": lsoda, "auto": auto, "ensemble": ensemble}[sys.argv[1]](*sys.argv[2:])
