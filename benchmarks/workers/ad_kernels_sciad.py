"""One kernel under sciad.jit: ``ad_kernels_sciad.py problem.npz K1``; or as numba compiles it, without derivatives: ``... K1 numba``."""

import resource
import sys
import time

import numpy as np
from serve import serve
from workers.kernels import KERNELS


def arguments(path):
    """The kernel's arguments; arrays without axes are Python numbers."""
    with np.load(path) as stored:
        found = [stored[f"a{k}"] for k in range(sum(f.startswith("a") for f in stored.files))]
    return [a.item() if a.ndim == 0 else a for a in found]


def main(path, name, how="sciad"):
    kernel, wrt = KERNELS[name]
    args = arguments(path)
    if how == "numba":
        import numba

        compiled = numba.njit(error_model="numpy", fastmath={"contract"})(kernel)
        serve(lambda: compiled(*args), lambda: {"value": compiled(*args)}, primal=lambda: compiled(*args))
        return
    import sciad

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    compiled = sciad.jit(kernel)
    both = sciad.value_and_grad(compiled, argnums=wrt)
    begin = time.perf_counter()
    value, gradient = both(*args)
    first = time.perf_counter() - begin
    answer = {
        "value": float(value),
        "gradient": np.concatenate([np.ravel(g) for g in gradient]).tolist(),
        "first": first,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before,
    }
    serve(lambda: both(*args), lambda: answer, primal=lambda: compiled(*args))


main(*sys.argv[1:])
