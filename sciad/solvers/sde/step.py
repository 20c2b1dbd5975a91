"""The step kernel of a method, written out from its table and compiled once."""

from __future__ import annotations

from functools import cache

from sciad.solvers.link import _source
from sciad.solvers.sde.assemble import load
from sciad.solvers.sde.implicit_step import KERNELS
from sciad.solvers.sde.program import SRK
from sciad.solvers.sde.source import Plan, indent, kernel_sizes

__all__ = ["step_kernel", "work_size", "noise_shape", "helpers"]


def noise_shape(noise: str) -> str:
    """How increments act: componentwise, as one number, or through a matrix."""
    return noise if noise in ("diagonal", "scalar") else "matrix"


@cache
def work_size(method: SRK, shape: str, n: int, m: int) -> int:
    """Entries of scratch memory that a step needs."""
    if not isinstance(method, SRK):
        return method.work_size(n, m)
    return Plan(method, shape, m, n).size()


def step_kernel(method: SRK, shape: str, m: int) -> int:
    """Address of ``int64 step(t, h, slots)``: 0, or 2 where an implicit equation was not solved, or where a function aborted 1, and with
    COUNT paths 1 + the place of the path.
    """
    if not isinstance(method, SRK):
        return method.step
    return _step_kernel(method, shape, *kernel_sizes(method, m))


@cache
def _step_kernel(method: SRK, shape: str, n: int, m: int) -> int:
    source = helpers(method) + _source_of_step(Plan(method, shape, m, n))
    return load(source, f"step_{method.name.lower()}_{shape}").step.address


def helpers(method: SRK) -> str:
    """Source of the functions that generated steps call."""
    return "".join(f"@njit(cache=False)\n{_source(function)}\n\n" for function in KERNELS) if method.implicit else ""


def _source_of_step(plan: Plan) -> str:
    lines = ["@cfunc(kernel_signature(2, 1))", "def step(t, h, slots):", *plan.header("Y_NEW", "JAC", "ERROR", "ATOL", "RTOL")]
    for s, stage in enumerate(plan.stages):
        body = plan.move(s)
        if stage.gamma:
            body += plan.solve(s)
        else:
            function, parameters = ("f", "p") if stage.of == "f" else ("g", "q")
            body += plan.call(function, plan.time(s), plan.point(s), parameters, f"k{s}")
        body += plan.products(s)
        lines += indent(body if plan.used(s) else ["if error != 0:", *indent(body)])
    lines += indent(
        ["for i in range(n):", *indent(plan.loads([plan.end])), f"    put_apart(y_new, i, get_apart(y, i) + {plan.sum(plan.end)})"]
    )
    return "\n".join([*lines, *indent(_estimate(plan)), "    return 0", ""])


def _estimate(plan: Plan) -> list[str]:
    """The mean square of the scaled error estimate, where it is wanted; ERROR holds it, then 1 / n."""
    if not plan.method.adaptive:
        return []
    parts = " + ".join(f"abs({plan.sum(terms)})" for terms in plan.method.error)
    return [
        "if error != 0:",
        "    total = 0.0",
        "    for i in range(n):",
        *indent(plan.loads(plan.method.error), 8),
        "        new = get(y_new, i)",
        f"        ratio = ({parts}) / (get(atol, i) + get(rtol, i) * max(abs(get(y, i)), abs(new)))",
        "        total += ratio * ratio + 0.0 * new",
        "    put(error, 0, total * get(error, 1))",
    ]
