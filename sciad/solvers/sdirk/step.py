"""The step kernel of an ESDIRK method, written out from its coefficients and compiled once.

K holds the stage derivatives; they come from the Newton iteration, not from another evaluation of f, which would magnify its error.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sciad.solvers.link import HEADER, load_kernels, source_of
from sciad.solvers.newton import NEWTON_ENTRIES, NEWTON_HELPERS, newton_settings
from sciad.solvers.sdirk.tableau import SdirkTableau
from sciad.solvers.tableau import combination

__all__ = ["Sdirk", "step_source"]


@dataclass(frozen=True, eq=False)
class Sdirk:
    """An ESDIRK method: its coefficients and, compiled when first used, its step."""

    tableau: SdirkTableau
    n_extra = 0
    adaptive = True
    implicit = True
    newton = True
    mass = False  # takes no mass matrix
    after = False
    complex = False
    fsal = True
    f_calls = 0  # the Newton iterations count theirs

    @property
    def name(self) -> str:
        """Name in the literature."""
        return self.tableau.name

    @property
    def n_stages(self) -> int:
        """Number of stages, with the explicit first one."""
        return self.tableau.n_stages

    @property
    def error_order(self) -> int:
        """Order of the error estimate, as step control assumes it."""
        return self.tableau.embedded

    @cached_property
    def dense(self) -> np.ndarray:
        """Nested coefficients of dense output, shape (stages, terms)."""
        return self.tableau.dense_table

    def own(self, n: int) -> np.ndarray:
        """Initial contents of the memory that the step needs for itself: settings of Newton's iteration, and one vector."""
        return np.array([*newton_settings(n), *[0.0] * (NEWTON_ENTRIES - 5), *[0.0] * n])

    @cached_property
    def step(self) -> int:
        """Address of ``int64 step(double t, double h, intp slots)``, see `sciad.solvers.layout`."""
        helpers = "".join(source_of(function) for function in NEWTON_HELPERS)
        return load_kernels(HEADER + helpers + step_source(self.tableau), f"step_{self.name.lower()}").step.address


def step_source(tableau: SdirkTableau) -> str:
    """Python source of the stages and of the step, zeros of the coefficients left out."""
    s, inverse = tableau.n_stages, repr(float(1 / tableau.exact_gamma))
    names = [f"    {name.lower()} = get_int(slots, {name})" for name in ("N", "Y", "Y_NEW", "K", "STAGE", "OWN", "SPARE")]
    names += [f"    k{i} = k + {8 * i} * n" for i in range(s)]
    lines = ["@njit(cache=False)", "def stages(t, h, slots):", *names, f"    base = own + {8 * NEWTON_ENTRIES}", "    put(own, 2, 0.0)"]
    for i in range(1, s):
        lines += _stage(tableau, i)
    lines += ["    return 0", "", "", "@cfunc(kernel_signature(2, 1))", "def step(t, h, slots):", *names]
    lines += [
        f"    code = prepare_matrix(t, h, {inverse}, y, False, slots)",
        "    if code == 0:",
        "        code = stages(t, h, slots)",
        "    if code == NO_CONVERGENCE:",
        f"        code = prepare_matrix(t, h, {inverse}, y, True, slots)",
        "        if code == 0:",
        "            code = stages(t, h, slots)",
        "    if code != 0:",
        "        return no_result(code, slots, y_new)",
    ]
    return "\n".join([*lines, *_end(tableau), "    return 0", ""])


def _stage(tableau: SdirkTableau, i: int) -> list[str]:
    """Stage number i (from 0): what is known of it, a first guess, Newton's iteration."""
    place = "y_new" if i == tableau.n_stages - 1 else "stage"
    lines = [
        "for i in range(n):",
        f"    put_apart(base, i, get_apart(y, i) + h * ({combination(tableau.exact_a[i][:i], 'get_apart(k{}, i)')}))",
        f"    put(k{i}, i, {combination(tableau.predictors[i], 'get(k{}, i)')})",
        f"code = newton(t + {float(tableau.exact_c[i])!r} * h, base, h, {float(tableau.exact_gamma)!r}, k{i}, {place}, slots)",
        "if code != 0:",
        "    return code",
    ]
    return ["    " + line for line in lines]


def _end(tableau: SdirkTableau) -> list[str]:
    """The error estimate, smoothed by (I - gamma h J)^-1 (Hairer & Wanner IV.8), and the mean square of its scaled form."""
    lines = [
        "tolerance = get_int(slots, TOLERANCE)",
        "if tolerance == 0:",
        "    return 0",
        "for i in range(n):",
        f"    put(spare, i, {combination(tuple(x / tableau.exact_gamma for x in tableau.exact_error), 'get(k{}, i)')})",
        "call_address(get_int(slots, SOLVE), slots, spare)",
        "rtol, total = tolerance + 8 * n, 0.0",
        "for i in range(n):",
        "    new = get(y_new, i)",
        "    q = h * get(spare, i) / (get(tolerance, i) + get(rtol, i) * max(abs(get(y, i)), abs(new)))",
        "    total = fast_add(total, q * q + 0.0 * new)",
        "error = get_int(slots, ERROR)",
        "put(error, 0, total * get(error, 1))",
    ]
    return ["    " + line for line in lines]
