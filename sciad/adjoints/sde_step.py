"""The transpose of one step of a stochastic Runge-Kutta method, written out from its table and compiled once.

For y_new = y + sum b_j (k_j . xi), x_s = y + sum a_sj (k_j . xi), k_s = f or g at x_s: in reverse order of the evaluations

    k_s_bar = sum over its uses of (a or b) xi (x_l_bar or y_new_bar),   x_s_bar = J_s^T k_s_bar,   y_bar = y_new_bar + sum x_s_bar.

An implicit x = base + gamma h f(x) has k_bar replaced by (I - gamma h J)^-T k_bar (implicit function theorem); the rest is the same.
"""

from __future__ import annotations

from functools import cache

from sciad.solvers.sde.assemble import load
from sciad.solvers.sde.program import SRK, Terms
from sciad.solvers.sde.source import Plan, checked, indent, kernel_sizes
from sciad.solvers.sde.step import helpers

__all__ = ["step_bar_kernel", "reverse_work_size"]

NAMES = ("JAC", "F_AUG", "G_AUG", "F_REV", "G_REV", "F_TAPE", "G_TAPE", "Y_BAR", "P_BAR", "Q_BAR", "T_BAR")


class ReversePlan(Plan):
    """The plan of a step, with cotangents behind it; tapes come last."""

    def __init__(self, method: SRK, shape: str, m: int, n: int) -> None:
        super().__init__(method, shape, m, n)
        for s, stage in enumerate(self.stages):
            if self.point(s) != "y":
                self.add(f"xbar{s}", "n")
            self.add(f"kbar{s}", "nm" if stage.of == "g" and self.matrix else "n")
        if self.matrix:
            self.add("one", "n")
        self.add("end_bar", "n")
        self.add("tapes", "0")

    def users(self, s: int) -> list[tuple[str, Terms]]:
        """What evaluation s is used in: names of cotangents, and its terms there."""
        found = [("end_bar", tuple(x for x in self.end if x[0] == s))]
        found += [(f"xbar{k}", tuple(x for x in e.terms if x[0] == s)) for k, e in enumerate(self.stages)]
        return [(name, terms) for name, terms in found if terms]

    def tape(self, s: int) -> str:
        """Where the tape of evaluation s lies (of one path, where several are taken)."""
        return f"tapes + 8 * tape * ({s} * count + c)" if self.many else f"tapes + {8 * s} * tape"

    def needed(self, s: int) -> bool:
        """Whether a later point depends on evaluation s."""
        return any(j == s for e in self.stages for j, _, _ in e.terms)


def step_bar_kernel(method: SRK, shape: str, m: int) -> int:
    """Address of ``int64 step_bar(t, h, slots)``: turns Y_BAR from the cotangent of the end of the step into that of its beginning."""
    return _step_bar_kernel(method, shape, *kernel_sizes(method, m))


@cache
def _step_bar_kernel(method: SRK, shape: str, n: int, m: int) -> int:
    source = helpers(method) + _source(ReversePlan(method, shape, m, n))
    return load(source, f"step_bar_{method.name.lower()}_{shape}").step_bar.address


@cache
def reverse_work_size(method: SRK, shape: str, n: int, m: int, f_tape: int, g_tape: int) -> int:
    """Entries of scratch memory that a transposed step needs."""
    plan = ReversePlan(method, shape, m, n)
    return plan.size() + len(plan.stages) * max(f_tape, g_tape)


def _source(plan: ReversePlan) -> str:
    lines = ["@cfunc(kernel_signature(2, 1))", "def step_bar(t, h, slots):", *plan.header(*NAMES), "    tape = max(f_tape, g_tape)"]
    body: list[str] = []
    for s, _ in enumerate(plan.stages):
        body += _again(plan, s)
    body += ["for i in range(n):", "    put(end_bar, i, get(y_bar, i))"]
    for s in reversed(range(len(plan.stages))):
        body += _reverse(plan, s)
    points = [f"get_apart(xbar{s}, i)" for s in range(len(plan.stages)) if plan.point(s) != "y"]
    if points:
        body += ["for i in range(n):", f"    put(y_bar, i, get(y_bar, i) + {' + '.join(points)})"]
    return "\n".join([*lines, *indent(body), "    return 0", ""])


def _again(plan: ReversePlan, s: int) -> list[str]:
    """Point and evaluation s, as in the step; evaluated only where a tape or a later point needs it."""
    stage, letter = plan.stages[s], plan.stages[s].of
    if not plan.users(s):  # only the error estimate reads it
        return []
    parameters = "p" if letter == "f" else "q"
    lines = plan.move(s)
    at = plan.time(s), plan.point(s), parameters, f"k{s}"
    if stage.gamma:
        lines += plan.solve(s)
    lines += [f"if {letter}_tape > 0:", *indent(plan.call(f"{letter}_aug", *at, plan.tape(s)))]
    if plan.needed(s) and not stage.gamma:
        lines += ["else:", *indent(plan.call(letter, *at))]
    return lines + (plan.products(s) if plan.needed(s) else [])


def _cotangent(plan: ReversePlan, s: int, noise: str | None) -> str:
    """Source of the sum over the uses of evaluation s with one noise (None: with the componentwise factor of each) at component i."""
    groups: dict[str, list[str]] = {}
    for name, terms in plan.users(s):
        for _, kind, a in terms:
            if noise is None or kind == noise:
                factor = "h" if kind == "h" else plan.noise(kind) if noise is None else ""
                groups.setdefault(factor, []).append(f"{a!r} * get_apart({name}, i)")
    return " + ".join(f"{factor} * ({' + '.join(inner)})" if factor else " + ".join(inner) for factor, inner in groups.items()) or "0.0"


def _reverse(plan: ReversePlan, s: int) -> list[str]:
    stage, letter = plan.stages[s], plan.stages[s].of
    if not plan.users(s):
        return _no_use(plan, s)
    lines: list[str] = []
    if letter == "g" and plan.matrix:
        lines += ["for i in range(nm):", f"    put(kbar{s}, i, 0.0)"]
        for noise in plan.uses[s]:
            lines += _matrix_cotangent(plan, s, noise)
    else:
        terms = [t for _, t in plan.users(s)]
        loads = indent(plan.loads(terms)) if letter == "g" else []
        lines += ["for i in range(n):", *loads, f"    put_apart(kbar{s}, i, {_cotangent(plan, s, None)})"]
    if stage.gamma:
        lines += checked(f"call_address(jac, {plan.time(s)}, {plan.point(s)}, p, lu)")
        lines += [f"matrix({stage.gamma!r} * h, n, lu)", *checked("factor(n, lu, pivot)"), f"solve_transposed(n, lu, pivot, kbar{s})"]
    target = "y_bar"
    if plan.point(s) != "y":
        target = f"xbar{s}"
        lines += ["for i in range(n):", f"    put_apart({target}, i, 0.0)"]
    parameters = "p" if letter == "f" else "q"
    given = plan.time(s), plan.point(s), parameters, plan.tape(s), f"kbar{s}"
    return lines + plan.call(f"{letter}_rev", *given, target, f"{parameters}_bar", "t_bar")


def _no_use(plan: ReversePlan, s: int) -> list[str]:
    """An evaluation that only the error estimate reads has no cotangent."""
    return ["for i in range(n):", f"    put(xbar{s}, i, 0.0)"] if plan.point(s) != "y" else []


def _matrix_cotangent(plan: ReversePlan, s: int, noise: str) -> list[str]:
    """Add the outer product of the cotangent of (k . noise) with the noise."""
    lines = ["for i in range(n):", f"    put(one, i, {_cotangent(plan, s, noise)})"]
    if noise[0] == "E":
        place = f"i * m + {int(noise[1:]) - 1}"
        return [*lines, "for i in range(n):", f"    put(kbar{s}, {place}, get(kbar{s}, {place}) + root * get(one, i))"]
    vector = "dw" if noise == "W" else f"v{noise}"
    return [
        *lines, "for i in range(n):", "    for j in range(m):",
        f"        put(kbar{s}, i * m + j, get(kbar{s}, i * m + j) + get(one, i) * get({vector}, j))",
    ]  # fmt: skip
