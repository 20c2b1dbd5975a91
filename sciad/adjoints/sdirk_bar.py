"""The transpose of an ESDIRK step, written out from its coefficients and compiled once for each method.

With k_i = f(t_i, Y_i), Y_i = y + h sum_(j<=i) a_ij k_j and y_new = Y_s, from the last stage to the second:

    (I - gamma h J_i)^T v_i = k_bar_i + gamma h Y_bar_i,   u_i = Y_bar_i + J_i^T v_i,   k_bar_j += h a_ij u_i,   y_bar += u_i,
    p_bar += f_p(Y_i)^T v_i,

where Y_bar_i is zero but for the last stage.  J_i is the Jacobian at the stage; the system is solved with the factors of the step by
v += (I - gamma h J)^-T (k_bar_i + gamma h (Y_bar_i + J_i^T v) - v), which needs products with J_i^T only.
"""

from __future__ import annotations

import math
from functools import cache

from sciad.adjoints.layout import P_BAR, REV, T_BAR
from sciad.adjoints.stiff_layout import AUG, BAR_2, ONE_DY, ONE_TAPE, P_SPARE
from sciad.adjoints.stiff_sweep import PULL_IMPORTS
from sciad.adjoints.sweep import add_to, fill
from sciad.backend import call_address
from sciad.solvers.explicit.erk import combination
from sciad.solvers.jacobian import jacobian
from sciad.solvers.layout import FACTOR, J_AT, SOLVE_T, N, P
from sciad.solvers.link import HEADER, load_kernels, source_of
from sciad.solvers.memory import get, get_int, put
from sciad.solvers.recording import copy
from sciad.solvers.sdirk import Sdirk
from sciad.solvers.sdirk.tableau import SdirkTableau

__all__ = ["sdirk_bar"]

NAMES = ("N", "Y", "K", "Y_BAR", "END_BAR", "K_BAR", "U", "STAGE", "BAR_1")


def transpose_product(t, y, v, out, slots, count):
    """out = J(t, y)^T v with the tape of y; with `count`, p_bar += f_p^T v as well."""
    n, p = get_int(slots, N), get_int(slots, P)
    fill(n, out, 0.0)
    p_bar = get_int(slots, P_BAR) if count else get_int(slots, P_SPARE)
    return call_address(get_int(slots, REV), t, y, p, get_int(slots, ONE_TAPE), v, out, p_bar, get_int(slots, T_BAR))


def renew(t, h, gamma, y, slots):
    """Jacobian at y, and the factors of I / gamma - h J."""
    if jacobian(t, y, get_int(slots, J_AT), slots) != 0:
        return -1
    return call_address(get_int(slots, FACTOR), 1.0 / gamma, h, slots)


def transposed_stage(t, h, gamma, y, k_bar, y_end_bar, v, u, slots):
    """v and u of the stage at y; y_end_bar (0: none) is what the end of the step asks of it.  Not 0: the right-hand side aborted."""
    n, r, old = get_int(slots, N), get_int(slots, BAR_2), 0.0
    code = call_address(get_int(slots, AUG), t, y, get_int(slots, P), get_int(slots, ONE_DY), get_int(slots, ONE_TAPE))
    if code == 0 and n <= 20:
        code = renew(t, h, gamma, y, slots)
    if code != 0:
        return code
    fill(n, v, 0.0)
    fill(n, u, 0.0)
    for m in range(100):
        for i in range(n):
            end = get(y_end_bar, i) if y_end_bar != 0 else 0.0
            put(r, i, (get(k_bar, i) + gamma * h * (end + get(u, i)) - get(v, i)) / gamma)
        call_address(get_int(slots, SOLVE_T), slots, r)
        size, total = 0.0, 0.0
        for i in range(n):
            put(v, i, get(v, i) + get(r, i))
            size += get(r, i) * get(r, i)
            total += get(v, i) * get(v, i)
        if not size < math.inf:
            return 1
        stuck = (size > 0.25 * old and size < 1e-24 * total) or (size > 0.8 * old and size < 1e-18 * total)  # by rounding
        last = size <= 1e-30 * total or (m > 1 and stuck)
        code = transpose_product(t, y, v, u, slots, last)
        if code != 0 or last:
            break
        if m > 0 and size > 0.25 * old:  # the factors of the step are too far from this stage
            code = renew(t, h, gamma, y, slots)
            if code != 0:
                break
        old = size
    if y_end_bar != 0:
        add_to(n, u, y_end_bar)
    return code if last else 1


@cache
def sdirk_bar(method: Sdirk) -> int:
    """Address of ``int64 step_bar(t, h, slots)``, see `sciad.adjoints.stiff_sweep`."""
    helpers = "".join(source_of(f) for f in (copy, add_to, fill, jacobian, transpose_product, renew, transposed_stage))
    return load_kernels(HEADER + PULL_IMPORTS + helpers + _source(method.tableau), f"step_bar_{method.name.lower()}").step_bar.address


def _source(tableau: SdirkTableau) -> str:
    s = tableau.n_stages
    lines = ["@cfunc(kernel_signature(2, 1))", "def step_bar(t, h, slots):"]
    lines += [f"    {name.lower()} = get_int(slots, {name})" for name in NAMES]
    lines += [f"    k{i}, k_bar{i}, u{i} = k + {8 * i} * n, k_bar + {8 * i} * n, u + {8 * i} * n" for i in range(s)]
    lines += ["    copy(n, y_bar, end_bar)", "    fill(n, y_bar, 0.0)"]
    for i in range(s - 1, 0, -1):
        lines += ["    " + line for line in _stage(tableau, i)]
    return "\n".join([*lines, "    return 0", ""])


def _stage(tableau: SdirkTableau, i: int) -> list[str]:
    """The reverse of stage number i (from 0)."""
    time, gamma = f"t + {float(tableau.exact_c[i])!r} * h", repr(float(tableau.exact_gamma))
    end = "end_bar" if i == tableau.n_stages - 1 else "0"
    lines = [
        "for i in range(n):",
        f"    put(stage, i, get(y, i) + h * ({combination(tableau.exact_a[i][: i + 1], 'get(k{}, i)')}))",
        f"code = transposed_stage({time}, h, {gamma}, stage, k_bar{i}, {end}, bar_1, u{i}, slots)",
        "if code != 0:",
        "    return code",
        f"add_to(n, y_bar, u{i})",
    ]
    for j in range(i):
        if tableau.exact_a[i][j] != 0:
            weight = f"h * {float(tableau.exact_a[i][j])!r}"
            lines += ["for i in range(n):", f"    put(k_bar{j}, i, get(k_bar{j}, i) + {weight} * get(u{i}, i))"]
    return lines
