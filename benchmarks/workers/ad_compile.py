"""Seconds of processor time to a first gradient, in a process and cache of its own: ``ad_compile.py problem.npz K1 sciad|numba|source``.

``sciad``: from the function to its first value and gradient.  ``numba``: the same kernel and its gradient compiled by numba alone; the
gradient, read from the standard input, is what ``source`` prints: sciad's, rewritten as by hand, one function without sciad's intrinsics.
"""

import ast
import sys
import time

import numpy as np
from workers.kernels import KERNELS


def arguments(path):
    """The kernel's arguments; arrays without axes are Python numbers."""
    with np.load(path) as stored:
        found = [stored[f"a{k}"] for k in range(sum(f.startswith("a") for f in stored.files))]
    return [a.item() if a.ndim == 0 else a for a in found]


#: What stands for sciad's kernel of matrix products.
GEMM = """
@numba.njit(error_model="numpy", fastmath={"contract"})
def gemm(a, oa, ra, ca, b, ob, rb, cb, c, oc, rc, cc, m, k, n, accumulate):
    for i in range(m):
        for j in range(n):
            s = c[oc + i * rc + j * cc] if accumulate else 0.0
            for p in range(k):
                s += a[oa + i * ra + p * ca] * b[ob + p * rb + j * cb]
            c[oc + i * rc + j * cc] = s
"""


class Plain(ast.NodeTransformer):
    """Python and NumPy in place of sciad's intrinsics."""

    def visit_Call(self, node):
        """Indices, sums, choices and growing tapes as one writes them."""
        self.generic_visit(node)
        name = ast.unparse(node.func)
        if name == "_u":
            return node.args[0]
        if name == "fast_add":
            return ast.BinOp(node.args[0], ast.Add(), node.args[1])
        if name == "select":
            return ast.IfExp(*node.args)
        if name in ("empty", "zeros"):
            node.func = ast.parse(f"np.{name}", mode="eval").body
        if name == "keep":
            return ast.Constant(None)
        if name == "subarray":
            array, start, size = (ast.unparse(a) for a in node.args)
            return ast.parse(f"{array}[{start}:{start} + {size}]", mode="eval").body
        if name == "grown":
            return ast.parse(f"np.concatenate(({ast.unparse(node.args[0])}, np.empty({ast.unparse(node.args[1])})))", mode="eval").body
        if name.startswith("vmath."):
            node.func = ast.parse(name.replace("vmath.", "np." if name.endswith("exp2") else "math."), mode="eval").body
        return node


def by_hand(source):
    """The generated module with one function `gradient`, what allocates and then the kernel; parts of large kernels stay functions."""
    functions = {f.name: f for f in ast.parse(source).body if isinstance(f, ast.FunctionDef)}
    *_, last = functions.values()
    call = last.body[-1].value if isinstance(last.body[-1], ast.Return) and isinstance(last.body[-1].value, ast.Call) else None
    body, parts = last.body, [f for f in functions.values() if "_part" in f.name]
    if call is not None and call.func.id in functions:
        kernel = functions[call.func.id]
        pairs = [(p.arg, ast.unparse(a)) for p, a in zip(kernel.args.args, call.args)]
        names = ast.parse(f"{', '.join(p for p, _ in pairs)}, = {', '.join(a for _, a in pairs)},").body
        body = [*last.body[:-1], *names, *kernel.body]
    made = ast.FunctionDef("gradient", last.args, body, [], None, None, lineno=1)
    for f in parts:
        f.decorator_list = [ast.parse("numba.njit(error_model='numpy', fastmath={'contract'})", mode="eval").body]
    text = "\n\n".join(ast.unparse(ast.fix_missing_locations(Plain().visit(f))) for f in [*parts, made])
    return f"import math\nimport numba\nimport numpy as np\n{GEMM if 'gemm(' in text else ''}\n{text}\n"


def signature(program, wrt):
    """Types of the gradient's arguments."""
    arrays = [program.inputs[k].kind for k in wrt if program.inputs[k].kind.is_array]
    return [p.type for leaf in program.inputs for p in leaf.params] + ["*" + k.dtype for k in arrays] + ["f8"]


def main(path, name, how):
    kernel, wrt = KERNELS[name]
    args = arguments(path)
    if how == "numba":
        import numba

        text, kinds = sys.stdin.read().split("\0")
        scope = {}
        exec(text, scope)
        known = {"f8": numba.float64, "i8": numba.int64, "b1": numba.boolean}
        types = tuple(numba.types.Array(getattr(numba, k[1:]), 1, "C") if k[0] == "*" else known[k] for k in kinds.split())
        begin = time.process_time()
        settings = {"error_model": "numpy", "fastmath": {"contract"}}
        numba.njit(**settings)(kernel)(*args)
        numba.njit(**settings)(scope["gradient"]).compile(types)
        print(time.process_time() - begin)
        return
    import sciad

    compiled = sciad.jit(kernel)
    if how == "source":
        sciad.value_and_grad(compiled, argnums=wrt)(*args)
        program = next(iter(compiled.fast.plans.values())).program
        print(by_hand(program.source("reverse", wrt)) + "\0" + " ".join(signature(program, wrt)), end="")
        return
    begin = time.process_time()
    sciad.value_and_grad(compiled, argnums=wrt)(*args)
    print(time.process_time() - begin)


main(*sys.argv[1:])
