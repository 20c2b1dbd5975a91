"""One kernel in C++ differentiated by Enzyme: ``ad_kernels_enzyme.py problem.npz K1``.

The call from JAX costs 9 to 17 us, so the C++ side repeats the work and the time is divided: what is measured is Enzyme's code alone.
"""

import resource
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from enzyme_ad.jax import cpp_call
from serve import serve

jax.config.update("jax_enable_x64", True)
SOURCE = Path(__file__).with_name("ad_kernels.cpp").read_text()
REPEAT = 10


def plan(name, a):
    """The C++ function and its operands: differentiated arguments x, constant arrays c (by number), constants s, work arrays w (size)."""
    if name == "K1":
        n = a[0].size
        return "lorenz96", [("x", 0), ("x", 1), ("s", repr(a[2].item())), ("s", f"{a[3].item()}L"), ("s", f"{n}L"), ("w", n), ("w", n)]
    if name == "K2":
        R, _, n, _ = a[0].shape
        return "brusselator", [("x", 0), ("x", 1), ("c", 2), ("s", f"{R}L"), ("s", f"{n}L"), ("w", 2 * n * n)]
    if name == "K3":
        n = a[1].size
        scalars = [("s", repr(a[3].item())), ("s", f"{a[4].item()}L"), ("s", repr(a[5].item())), ("s", f"{n}L")]
        return "n_body", [("x", 0), ("x", 1), ("c", 2), *scalars, ("w", 3 * n), ("w", 3 * n), ("w", 3 * n)]
    if name == "K4":
        n = a[1].size
        return "cholesky", [("x", 0), ("c", 1), ("s", f"{n}L"), ("w", n * n), ("w", n)]
    if name == "K5":
        return "newton", [("x", 0), ("x", 1), ("s", f"{a[0].size}L")]
    if name == "K6":
        (k, d), n = a[1].shape, a[3].shape[0]
        scalars = [("s", repr(a[4].item())), ("s", f"{a[5].item()}L"), ("s", f"{k}L"), ("s", f"{d}L"), ("s", f"{n}L")]
        return "mixture", [("x", 0), ("x", 1), ("x", 2), ("c", 3), *scalars, ("w", k * d), ("w", k), ("w", d), ("w", d), ("w", k)]
    if name == "K7":
        return "bundle", [("x", 0), ("x", 1), ("x", 2), ("c", 3), ("c", 4), ("s", f"{a[2].size}L")]
    sizes = [a[6].shape[0], a[0].shape[1], a[0].shape[0], a[2].shape[0], a[4].shape[0]]
    return "network", [*[("x", k) for k in range(6)], ("c", 6), *[("s", f"{n}L") for n in sizes], ("w", sizes[2]), ("w", sizes[3])]


def entry(function, operands, a, differentiate):
    """The C++ function that cpp_call calls."""
    arrays = [k for kind, k in operands if kind in "xc"]
    wrt = [k for kind, k in operands if kind == "x"]
    element = {k: "double" if a[k].dtype.kind == "f" else "long" for k in arrays}
    parameters = ["enzyme::tensor<double, 1>& out"]
    if differentiate:
        parameters += [f"enzyme::tensor<double, {a[k].size}>& bar{k}" for k in wrt]
    parameters += [f"const enzyme::tensor<{element[k]}, {a[k].size}>& in{k}" for k in arrays]
    lines = [f"  for (int turn = 0; turn < {REPEAT}; turn++) {{"]
    given = []
    for position, (kind, k) in enumerate(operands):
        if kind == "w":
            lines.append(f"    static double w{position}[{k}], wb{position}[{k}];")
            if differentiate:
                lines.append(f"    for (long i = 0; i < {k}; i++) wb{position}[i] = 0;")
            given.append(f"enzyme_dup, (double*)w{position}, (double*)wb{position}" if differentiate else f"w{position}")
        elif kind == "x":
            if differentiate:
                lines.append(f"    for (long i = 0; i < {a[k].size}; i++) (&bar{k}[0])[i] = 0;")
            given.append(f"enzyme_dup, (const double*)&in{k}[0], &bar{k}[0]" if differentiate else f"&in{k}[0]")
        elif kind == "c":
            pointer = f"(const {element[k]}*)&in{k}[0]"
            given.append(f"enzyme_const, {pointer}" if differentiate else pointer)
        else:
            given.append(f"enzyme_const, {k}" if differentiate else k)
    if differentiate:
        lines.append("    double seed = 1;")
        lines.append(f"    __enzyme_autodiff<void>((void*){function}, {', '.join(given)}, enzyme_dup, &out[0], &seed);")
    else:
        lines.append(f"    {function}({', '.join(given)}, &out[0]);")
    return f"\nvoid run({', '.join(parameters)}) {{\n" + "\n".join(lines) + "\n  }\n}\n"


def main(path, name):
    with np.load(path) as stored:
        a = [stored[f"a{k}"] for k in range(sum(f.startswith("a") for f in stored.files))]
    function, operands = plan(name, a)
    arrays = [k for kind, k in operands if kind in "xc"]
    wrt = [k for kind, k in operands if kind == "x"]
    inputs = [jnp.asarray(a[k].reshape(-1)) for k in arrays]
    scalar = jax.core.ShapedArray([1], jnp.float64)
    bars = [jax.core.ShapedArray([a[k].size], jnp.float64) for k in wrt]

    def compiled(differentiate):
        source = SOURCE + entry(function, operands, a, differentiate)
        shapes = [scalar, *bars] if differentiate else [scalar]
        options = {"source": source, "fn": "run", "argv": ("-O3", "-target-cpu", "x86-64-v3", "-std=c++17")}
        return jax.jit(lambda *x: cpp_call(*x, out_shapes=shapes, **options))

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    both, primal = compiled(True), compiled(False)
    begin = time.perf_counter()
    value, *gradient = jax.block_until_ready(both(*inputs))
    answer = {
        "first": time.perf_counter() - begin,
        "value": float(value[0]),
        "gradient": np.concatenate([np.ravel(g) for g in gradient]).tolist(),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before,
        "repeat": REPEAT,
    }
    serve(lambda: jax.block_until_ready(both(*inputs)), lambda: answer, primal=lambda: jax.block_until_ready(primal(*inputs)))


main(*sys.argv[1:])
