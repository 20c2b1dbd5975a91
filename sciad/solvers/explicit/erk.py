"""The step kernel of an explicit Runge-Kutta method, written out from its tableau and compiled once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sciad.solvers.explicit.contained import contained_step
from sciad.solvers.link import HEADER, load_kernels
from sciad.solvers.rhs import Rhs
from sciad.solvers.tableau import Tableau, combination

__all__ = ["ERK", "combination", "step_source"]

MANY_STAGES = 9  # from here on a step that contains the right-hand side is worth a compilation for each one


@dataclass(frozen=True, eq=False)
class ERK:
    """An explicit Runge-Kutta method: its tableau and, compiled when first used, its step."""

    tableau: Tableau
    implicit = False
    after = False

    @property
    def name(self) -> str:
        """Name in the literature."""
        return self.tableau.name

    @property
    def n_stages(self) -> int:
        """Stages of a step, without those that only serve dense output."""
        return self.tableau.n_stages

    @property
    def n_extra(self) -> int:
        """Stages that only serve dense output."""
        return self.tableau.n_extra

    @property
    def f_calls(self) -> int:
        """Evaluations of f in a trial step, with the first one given."""
        return self.tableau.n_stages - 1

    @property
    def fsal(self) -> bool:
        """First same as last."""
        return self.tableau.fsal

    @property
    def adaptive(self) -> bool:
        """Whether there is an error estimate."""
        return self.tableau.adaptive

    @cached_property
    def error_order(self) -> int:
        """Order of the error estimate, as step control assumes it."""
        return self.tableau.error_order or self.tableau.embedded

    @cached_property
    def dense(self) -> np.ndarray:
        """Nested coefficients of dense output, shape (stages, terms)."""
        return self.tableau.dense_table

    @cached_property
    def step(self) -> int:
        """Address of ``int64 step(double t, double h, intp slots)``, see `sciad.solvers.layout`."""
        return load_kernels(HEADER + step_source(self.tableau), f"step_{self.name.lower()}").step.address

    def step_with(self, rhs: Rhs) -> int:
        """Address of a step without tapes for one right-hand side: with a copy of it in each stage where that pays, else `step`."""
        inline = rhs.inline() if self.n_stages >= MANY_STAGES else None
        return self.step if inline is None else contained_step(self.tableau, inline)


def step_source(tableau: Tableau) -> str:
    """Python source of the step: unrolled over stages, one loop over components for each, zeros of the tableau left out."""
    s, total = tableau.n_stages, len(tableau.exact_c)
    lines = ["@cfunc(kernel_signature(2, 1))", "def step(t, h, slots):"]
    lines += [f"    {name.lower()} = get_int(slots, {name})" for name in ("F", "P", "N", "Y", "Y_NEW", "K", "STAGE", "TAPE")]
    lines += ["    stage_stride, tape_stride = get_int(slots, STAGE_STRIDE), get_int(slots, TAPE_STRIDE)"]
    lines += [f"    k{i} = k + {8 * i} * n" for i in range(total)]
    lines += ["    if get_int(slots, PART) == 0:"]
    for i in range(1, s):
        end = tableau.fsal and i == s - 1
        lines += _stage(tableau, i, "y_new" if end else _place(i), indent=8)
    lines += [f"        {line}" for line in _end(tableau)]
    lines += ["        return 0"]
    for i in range(s, total):
        lines += _stage(tableau, i, _place(i), indent=4)
    return "\n".join([*lines, "    return 0", ""])


def _place(i: int) -> str:
    return f"stage + {i - 1} * stage_stride" if i > 1 else "stage"


def _stage(tableau: Tableau, i: int, place: str, indent: int) -> list[str]:
    """Stage value and derivative number i (from 0)."""
    terms = combination(tableau.exact_a[i], "get_apart(k{}, i)")
    time = f"t + {float(tableau.exact_c[i])!r} * h"
    lines = [
        f"at = {place}",
        "for i in range(n):",
        f"    put_apart(at, i, get_apart(y, i) + h * ({terms}))",
        "if tape == 0:",
        f"    code = call_address(f, {time}, at, p, k{i})",
        "else:",
        f"    code = call_address(f, {time}, at, p, k{i}, tape + {i} * tape_stride)",
        "if code != 0:",
        "    return code",
    ]
    return [" " * indent + line for line in lines]


def _end(tableau: Tableau) -> list[str]:
    """The new state, unless the last stage has made it, and the mean square of the scaled error estimate."""
    update = f"get_apart(y, i) + h * ({combination(tableau.exact_b, 'get_apart(k{}, i)')})"
    store = [] if tableau.fsal else ["for i in range(n):", f"    put_apart(y_new, i, {update})"]
    if not tableau.adaptive:
        return store
    estimates = [tableau.exact_error()] + ([tableau.exact_error(low=True)] if tableau.b_low else [])
    lines = [
        *store,
        "tolerance = get_int(slots, TOLERANCE)",
        "if tolerance == 0:",
        "    return 0",
        "rtol = tolerance + 8 * n",
        *[f"total{m} = 0.0" for m in range(len(estimates))],
        "for i in range(n):",
        "    new = get(y_new, i)",
        "    scale = h / (get(tolerance, i) + get(rtol, i) * max(abs(get(y, i)), abs(new)))",
    ]
    for m, weights in enumerate(estimates):
        lines += [f"    q = scale * ({combination(weights, 'get(k{}, i)')})", f"    total{m} = fast_add(total{m}, q * q + 0.0 * new)"]
    if tableau.b_low:  # Hairer, Norsett, Wanner I, II.10: err = err_5 * err_5 / sqrt(err_5^2 + 0.01 err_3^2)
        lines += ["if total0 > 0.0:", "    total0 = total0 * (total0 / (total0 + 0.01 * total1))"]
    return [*lines, "error = get_int(slots, ERROR)", "put(error, 0, total0 * get(error, 1))"]
