"""The transpose of an explicit Runge-Kutta step, written out from its tableau and compiled once for each method.

With y_new = y + h sum b_i k_i, Y_i = y + h sum a_ij k_j, k_i = f(t + c_i h, Y_i, p), and U_i = J_i^T k_bar_i:

    k_bar_i = (what dense output and the next step add) + h (b_i y_new_bar + sum_{l > i} a_li U_l),
    y_bar   = y_new_bar + sum_i U_i,        p_bar += sum_i f_p(Y_i)^T k_bar_i

(Hager, Numer. Math. 87 (2000) 247; Walther, Optim. Methods Softw. 22 (2007) 83).
"""

from __future__ import annotations

from functools import cache

from sciad.solvers.explicit import ERK
from sciad.solvers.explicit.erk import combination
from sciad.solvers.link import HEADER, load_kernels
from sciad.solvers.tableau import Tableau

__all__ = ["step_bar"]

IMPORT = "from sciad.adjoints.layout import *\n\n"
NAMES = (
    "REV", "P", "P_BAR", "T_BAR", "N", "Y_NEW", "Y_BAR", "K_BAR", "U", "ONE_K_BAR", "END_BAR", "STAGE", "TAPE", "LIVE_LAST", "LIVE_EXTRA",
)  # fmt: skip


@cache
def step_bar(method: ERK) -> int:
    """Address of ``int64 step_bar(t, h, slots)``; it leaves k_bar_1 in the first row of K_BAR, all other rows zero."""
    source = HEADER + IMPORT + _source(method.tableau)
    return load_kernels(source, f"step_bar_{method.name.lower()}").step_bar.address


def _source(tableau: Tableau) -> str:
    s, total = tableau.n_stages, len(tableau.exact_c)
    lines = ["@cfunc(kernel_signature(2, 1))", "def step_bar(t, h, slots):"]
    lines += [f"    {name.lower()} = get_int(slots, {name})" for name in NAMES]
    lines += ["    stage_stride, tape_stride = get_int(slots, STAGE_STRIDE), get_int(slots, TAPE_STRIDE)"]
    lines += [f"    k_bar{i}, u{i} = k_bar + {8 * i} * n, u + {8 * i} * n" for i in range(total)]
    lines += ["    for i in range(n):", "        put(end_bar, i, get(y_bar, i))"]
    for i in reversed(range(1, total)):
        body = _stage(tableau, i)
        if i >= s:
            body = _guarded("live_extra", body)
        elif tableau.fsal and i == s - 1:
            body = [*_guarded("live_last", body), "else:", *_indented(_zero(f"u{i}"))]
        lines += _indented(body)
    return "\n".join([*lines, *_indented(_beginning(tableau)), "    return 0", ""])


def _stage(tableau: Tableau, i: int) -> list[str]:
    """Complete k_bar of stage i, then U_i."""
    s, end = tableau.n_stages, tableau.fsal and i == tableau.n_stages - 1
    place = "y_new" if end else f"stage + {i - 1} * stage_stride"
    extra = _column(tableau, i, s, len(tableau.exact_c))
    lines = [
        "for i in range(n):",
        f"    put_apart(one_k_bar, i, get(k_bar{i}, i) + h * ({_weights(tableau, i)}))",
        f"    put_apart(k_bar{i}, i, 0.0)",
    ]
    if extra and i < s:
        add = ["for i in range(n):", f"    put(one_k_bar, i, get(one_k_bar, i) + h * ({extra}))"]
        lines += _guarded("live_extra", add)
    return [
        *lines,
        *_zero(f"u{i}"),
        f"time, tape_at = t + {float(tableau.exact_c[i])!r} * h, tape + {i} * tape_stride",
        f"code = call_address(rev, time, {place}, p, tape_at, one_k_bar, u{i}, p_bar, t_bar)",
        "if code != 0:",
        "    return code",
    ]


def _beginning(tableau: Tableau) -> list[str]:
    """k_bar of the first stage, and y_bar."""
    s, total = tableau.n_stages, len(tableau.exact_c)
    lines = [
        "for i in range(n):",
        f"    put_apart(k_bar0, i, get(k_bar0, i) + h * ({_weights(tableau, 0)}))",
        f"    put_apart(y_bar, i, {' + '.join(['get_apart(end_bar, i)', *[f'get_apart(u{i}, i)' for i in range(1, s)]])})",
    ]
    if total > s:
        extra = _column(tableau, 0, s, total)
        every = " + ".join(f"get(u{i}, i)" for i in range(s, total))
        add = ["for i in range(n):", f"    put(y_bar, i, get(y_bar, i) + {every})"]
        if extra:
            add.append(f"    put(k_bar0, i, get(k_bar0, i) + h * ({extra}))")
        lines += _guarded("live_extra", add)
    return lines


def _weights(tableau: Tableau, i: int) -> str:
    """b_i y_new_bar + sum_l a_li U_l over the stages of the step; the extra stages take no part in y_new."""
    s = tableau.n_stages
    b = tableau.exact_b[i] if i < s else 0
    column = _column(tableau, i, i + 1, s if i < s else len(tableau.exact_c))
    terms = ([f"{float(b)!r} * get_apart(end_bar, i)"] if b else []) + ([column] if column else [])
    return " + ".join(terms) or "0.0"


def _column(tableau: Tableau, i: int, first: int, last: int) -> str:
    weights = [row[i] if first <= m < last and i < len(row) else 0 for m, row in enumerate(tableau.exact_a)]
    return combination(tuple(weights), "get_apart(u{}, i)") if any(weights) else ""


def _zero(name: str) -> list[str]:
    return ["for i in range(n):", f"    put({name}, i, 0.0)"]


def _guarded(flag: str, lines: list[str]) -> list[str]:
    return [f"if {flag} != 0:", *_indented(lines)]


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]
