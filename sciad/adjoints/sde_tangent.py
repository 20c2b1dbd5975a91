"""Forward sensitivities of SDE solves: the tangent of every step, in one direction, beside the step itself."""

from __future__ import annotations

from functools import cache

import numpy as np

from sciad.backend import call_address
from sciad.solvers.link import _source as source_of
from sciad.solvers.memory import get, get_int, put
from sciad.solvers.sde.assemble import load
from sciad.solvers.sde.layout import DW, F_JVP, G_JVP, P_DOT, Q_DOT, SHAPE, WORK, Y_NEW, M, N, P, Q, Y
from sciad.solvers.sde.problem import NOISE_SEGMENT, Grid, Workspace, block_size, run_blocks
from sciad.solvers.sde.program import SRK
from sciad.solvers.sde.reversible import ReversibleHeun, add_product
from sciad.solvers.sde.source import Plan, checked, indent, kernel_sizes
from sciad.solvers.sde.step import helpers
from sciad.solvers.sde.task import Task
from sciad.solvers.sde.walk import compiled_walk

__all__ = ["step_dot_kernel", "walk_tangent"]


class TangentPlan(Plan):
    """The plan of a step with tangents behind it; the state is y and its tangent, 2 n entries."""

    copies = 2

    def __init__(self, method: SRK, shape: str, m: int, n: int) -> None:
        super().__init__(method, shape, m, n)
        for s, stage in enumerate(self.stages):
            if self.point(s) != "y":
                self.add(f"x{s}_dot", "n")
            self.add(f"k{s}_dot", "nm" if stage.of == "g" and self.matrix else "n")
        for j, noises in self.uses.items():
            for noise in noises if self.matrix else ():
                self.add(f"p{j}{noise}_dot", "n")
        if method.implicit:
            self.add("blank", "n")

    def move_dot(self, s: int) -> list[str]:
        """The tangent of the point of evaluation s (for an implicit one, without its own part)."""
        stage = self.stages[s]
        if self.point(s) == "y":
            return []
        total = f"get_apart(y_dot, i) + {self.sum(stage.terms, '_dot')}" if stage.terms else "get_apart(y_dot, i)"
        return ["for i in range(n):", *indent(self.loads([stage.terms])), f"    put_apart(x{s}_dot, i, {total})"]


def step_dot_kernel(method: SRK | ReversibleHeun, shape: str, m: int) -> int:
    """Address of the step of y and its tangent together, with the signature of a step."""
    if not isinstance(method, SRK):
        return _reversible_kernel()
    return _step_dot_kernel(method, shape, *kernel_sizes(method, m))


@cache
def _step_dot_kernel(method: SRK, shape: str, n: int, m: int) -> int:
    return load(helpers(method) + _source(TangentPlan(method, shape, m, n)), f"step_dot_{method.name.lower()}_{shape}").step.address


def _source(plan: TangentPlan) -> str:
    header = plan.header("Y_NEW", "JAC", "F_JVP", "G_JVP", "P_DOT", "Q_DOT")
    lines = ["@cfunc(kernel_signature(2, 1))", "def step(t, h, slots):"]
    lines += header
    lines += ["    y_dot, y_new_dot = y + 8 * n, y_new + 8 * n"]
    body: list[str] = []
    for s in range(len(plan.stages)):
        if plan.used(s):
            body += _evaluation(plan, s)
    body += ["for i in range(n):", *indent(plan.loads([plan.end]))]
    body += [f"    put_apart(y_new, i, get_apart(y, i) + {plan.sum(plan.end)})"]
    body += [f"    put_apart(y_new_dot, i, get_apart(y_dot, i) + {plan.sum(plan.end, '_dot')})"]
    return "\n".join([*lines, *indent(body), "    return 0", ""])


def _evaluation(plan: TangentPlan, s: int) -> list[str]:
    stage, point = plan.stages[s], plan.point(s)
    lines = plan.move(s) + plan.move_dot(s)
    if stage.gamma:
        lines += plan.solve(s)
        # (I - gamma h J) x_dot = base_dot + gamma h f_p p_dot
        lines += ["for i in range(n):", "    put(blank, i, 0.0)"]
        lines += checked(f"call_address(f_jvp, {plan.time(s)}, 0.0, {point}, blank, p, p_dot, k{s}, k{s}_dot)")
        lines += ["for i in range(n):", f"    put({point}_dot, i, get({point}_dot, i) + {stage.gamma!r} * h * get(k{s}_dot, i))"]
        lines += checked(f"call_address(jac, {plan.time(s)}, {point}, p, lu)")
        lines += [f"matrix({stage.gamma!r} * h, n, lu)", *checked("factor(n, lu, pivot)"), f"solve(n, lu, pivot, {point}_dot)"]
    letter, parameters = ("f", "p") if stage.of == "f" else ("g", "q")
    given = f"{plan.time(s)}, 0.0, {point}, {point}_dot, {parameters}, {parameters}_dot"
    lines += checked(f"call_address({letter}_jvp, {given}, k{s}, k{s}_dot)")
    return lines + plan.products(s) + plan.products(s, "_dot")


# -- reversible Heun -----------------------------------------------------------------------------------------------------------------
def increment_dot(slots, n, t, h, z, z_dot, work, out, out_dot):
    """f(t, z) h + g(t, z) dW and its tangent into out and out_dot."""
    shape, m, dw = get_int(slots, SHAPE), get_int(slots, M), get_int(slots, DW)
    f, f_dot, g = work, work + 8 * n, work + 16 * n
    g_dot = g + 8 * n * max(m, 1)
    p, p_dot, q, q_dot = get_int(slots, P), get_int(slots, P_DOT), get_int(slots, Q), get_int(slots, Q_DOT)
    if call_address(get_int(slots, F_JVP), t, 0.0, z, z_dot, p, p_dot, f, f_dot) != 0:
        return 1
    if call_address(get_int(slots, G_JVP), t, 0.0, z, z_dot, q, q_dot, g, g_dot) != 0:
        return 1
    for i in range(n):
        put(out, i, h * get(f, i))
        put(out_dot, i, h * get(f_dot, i))
    add_product(shape, n, m, g, dw, 1.0, out)
    add_product(shape, n, m, g_dot, dw, 1.0, out_dot)
    return 0


def reversible_dot(t, h, slots):
    """One step of reversible Heun for (y, z) and its tangent behind it."""
    n, y, y_new, work = get_int(slots, N) // 4, get_int(slots, Y), get_int(slots, Y_NEW), get_int(slots, WORK)
    z, y_dot, z_dot = y + 8 * n, y + 16 * n, y + 24 * n
    z_new, y_new_dot, z_new_dot = y_new + 8 * n, y_new + 16 * n, y_new + 24 * n
    first, first_dot, second, second_dot, rest = work, work + 8 * n, work + 16 * n, work + 24 * n, work + 32 * n
    if increment_dot(slots, n, t, h, z, z_dot, rest, first, first_dot) != 0:
        return 1
    for i in range(n):
        put(z_new, i, 2.0 * get(y, i) - get(z, i) + get(first, i))
        put(z_new_dot, i, 2.0 * get(y_dot, i) - get(z_dot, i) + get(first_dot, i))
    if increment_dot(slots, n, t + h, h, z_new, z_new_dot, rest, second, second_dot) != 0:
        return 1
    for i in range(n):
        put(y_new, i, get(y, i) + 0.5 * (get(first, i) + get(second, i)))
        put(y_new_dot, i, get(y_dot, i) + 0.5 * (get(first_dot, i) + get(second_dot, i)))
    return 0


@cache
def _reversible_kernel() -> int:
    helpers = "".join(f"@njit(cache=False)\n{source_of(function)}\n\n" for function in (add_product, increment_dot))
    source = f"{helpers}@cfunc(kernel_signature(2, 1))\n{source_of(reversible_dot)}"
    return load(source, "step_dot_reversible_heun").reversible_dot.address


def work_size(method: SRK | ReversibleHeun, shape: str, m: int, n: int) -> int:
    """Entries of scratch memory that a step with its tangent needs."""
    return TangentPlan(method, shape, m, n).size() if isinstance(method, SRK) else 6 * n + 2 * n * max(m, 1)


# -- the walk ------------------------------------------------------------------------------------------------------------------------
def walk_tangent(task: Task, y_dot: np.ndarray, p_dot: np.ndarray, q_dot: np.ndarray) -> np.ndarray:
    """Tangents of the saved states, (paths, m, n), over the task's grid, in the direction y_dot (n,), p_dot (n_p,), q_dot (n_q,)."""
    n, paths, grid, copies = task.sde.n, task.paths, task.grid, task.method.copies
    size = block_size(task.sde.m, paths)
    ys, failed = np.empty((paths, len(grid.wanted), 2 * copies * n)), np.zeros(paths, np.int64)
    start = np.concatenate([np.tile(task.y0, copies), np.tile(y_dot, copies)])
    wanted = np.argsort(grid.wanted, kind="stable")
    ordered = Grid(grid.times, grid.wanted[wanted])
    room = work_size(task.method, task.sde.shape, task.sde.m, n)
    dots = np.ascontiguousarray(p_dot, np.float64), np.ascontiguousarray(q_dot, np.float64)

    def make() -> Workspace:
        w = Workspace(task.sde, task.method, task.p, task.q, task.t_span, task.seed, task.first_path, size)
        w.noise(ordered, min(NOISE_SEGMENT, max(grid.n_steps, 1)), grid.levy, task.method.areas)
        w.put(
            N=len(start),
            STATE=np.zeros((2, w.block, len(start))),
            WORK=np.zeros(room),
            TOTAL=paths,
            Y0=start,
            ALL_SAVED=ys,
            ALL_FAILED=failed,
        )
        w.put(F_JVP=task.sde.drift.jvp, G_JVP=task.sde.diffusion.jvp, P_DOT=dots[0], Q_DOT=dots[1])
        w.put(STEP=step_dot_kernel(task.method, task.sde.shape, task.sde.m), TOGETHER=1)
        return w

    run_blocks(make, compiled_walk(), -(-paths // size))
    out = np.empty((paths, len(grid.wanted), n))
    out[:, wanted] = ys[:, :, copies * n : (copies + 1) * n]
    return out
