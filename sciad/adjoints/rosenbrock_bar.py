"""The transpose of a Rosenbrock step, written out from its coefficients and compiled once for each method.

With W = M / gamma - h J, W k_i = f(t_i, Y_i) + M sum c_ij k_j + d_i h f_t, Y_i = y + h sum a_ij k_j and y_new = y + h sum m_i k_i,
from the last stage to the first:

    v_i = W^-T k_bar_i,   k_bar_j += c_ij M^T v_i + h a_ij J(Y_i)^T v_i,   y_bar += J(Y_i)^T v_i,   p_bar += f_p(Y_i)^T v_i,

and, as W and f_t depend on y and p, the gradient of sum_i h v_i^T (J k_i + d_i f_t) with respect to them: second-order products,
the reverse of the directional derivative of f along (d_i, k_i) (Sandu et al., ACM Trans. Math. Softw. 23 (1997); Daescu et al. 2000).
"""

from __future__ import annotations

from functools import cache

from sciad.adjoints.stiff_sweep import PULL_IMPORTS, pull
from sciad.adjoints.sweep import add_to, fill
from sciad.solvers.explicit.erk import combination
from sciad.solvers.link import HEADER, load_kernels, source_of
from sciad.solvers.memory import get, put
from sciad.solvers.recording import copy
from sciad.solvers.rosenbrock import Rosenbrock
from sciad.solvers.rosenbrock.tableau import RosenbrockTableau

__all__ = ["rosenbrock_bar"]

NAMES = ("N", "P", "Y", "K", "Y_BAR", "END_BAR", "K_BAR", "U", "STAGE", "BAR_1", "BAR_2", "BAR_3", "P_BAR", "T_BAR", "NOTHING_BAR", "MASS")


def weigh(n, mass, v, out):
    """out = M^T v, or v where there is no mass matrix."""
    copy(n, v, out)
    if mass != 0:
        fill(n, out, 0.0)
        for i in range(n):
            for j in range(n):
                put(out, j, get(out, j) + get(mass, n * i + j) * get(v, i))


@cache
def rosenbrock_bar(method: Rosenbrock) -> int:
    """Address of ``int64 step_bar(t, h, slots)``, see `sciad.adjoints.stiff_sweep`."""
    helpers = "".join(source_of(function) for function in (copy, add_to, fill, pull, weigh))
    return load_kernels(HEADER + PULL_IMPORTS + helpers + _source(method.tableau), f"step_bar_{method.name.lower()}").step_bar.address


def _source(tableau: RosenbrockTableau) -> str:
    s = tableau.n_stages
    used = s - 1 if tableau.fsal else s  # the last stage of those serves the error estimate alone
    lines = ["@cfunc(kernel_signature(2, 1))", "def step_bar(t, h, slots):"]
    lines += [f"    {name.lower()} = get_int(slots, {name})" for name in NAMES]
    lines += [f"    k{i}, k_bar{i}, u{i} = k + {8 * i} * n, k_bar + {8 * i} * n, u + {8 * i} * n" for i in range(s + 1)]
    lines += ["    solve_t, jvp_rev, time = get_int(slots, SOLVE_T), get_int(slots, JVP_REV), get_int(slots, TIME_DEPENDENT)"]
    lines += ["    copy(n, y_bar, end_bar)", "    for i in range(n):"]
    for i in range(1, used + 1):
        lines += [f"        put(k_bar{i}, i, get(k_bar{i}, i) + h * {float(tableau.exact_m[i - 1])!r} * get(end_bar, i))"]
    for i in range(used, 0, -1):
        lines += ["    " + line for line in _stage(tableau, i)]
    return "\n".join([*lines, "    return 0", ""])


def _stage(tableau: RosenbrockTableau, i: int) -> list[str]:
    """The reverse of stage i (from 1)."""
    a, coupling, d = tableau.exact_a[i - 1], tableau.exact_coupling[i - 1], float(tableau.exact_d[i - 1])
    lines = [f"copy(n, k_bar{i}, u{i})", f"call_address(solve_t, slots, u{i})"]
    if i == 1:
        lines += ["add_to(n, k_bar0, u1)"]
    else:
        lines += [
            f"weigh(n, mass, u{i}, bar_3)",
            "for i in range(n):",
            f"    put(stage, i, get(y, i) + h * ({combination((0, *a), 'get(k{}, i)')}))",
            "fill(n, bar_1, 0.0)",
            f"code = pull(t + {float(tableau.exact_c[i - 1])!r} * h, stage, u{i}, bar_1, slots)",
            "if code != 0:",
            "    return code",
            "for i in range(n):",
            "    v, b = get(bar_3, i), h * get(bar_1, i)",
            "    put(y_bar, i, get(y_bar, i) + get(bar_1, i))",
        ]
        for j in range(1, i):
            terms = [f"{float(x)!r} * {name}" for x, name in ((coupling[j - 1], "v"), (a[j - 1], "b")) if x != 0]
            lines += [f"    put(k_bar{j}, i, get(k_bar{j}, i) + {' + '.join(terms)})"] if terms else []
    return [
        *lines,
        "for i in range(n):",
        f"    put(bar_2, i, h * get(u{i}, i))",
        f"t_dot = {d!r} if time != 0 else 0.0",
        f"code = call_address(jvp_rev, t, t_dot, y, k{i}, p, nothing_bar, bar_2, y_bar, bar_3, p_bar, t_bar)",
        "if code != 0:",
        "    return code",
    ]
