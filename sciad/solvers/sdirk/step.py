"""The step kernel of an ESDIRK method, written out from its coefficients and compiled once.

K holds the stage derivatives; they come from the Newton iteration, not from another evaluation of f, which would magnify its error.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
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
    mass = True  # takes a mass matrix
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
        """Initial contents of the memory that the step needs for itself: settings of Newton's iteration, and five vectors."""
        return np.array([*newton_settings(n), *[0.0] * (NEWTON_ENTRIES - 5), *[0.0] * (5 * n)])

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
    lines += ["    return 0", "", "", *_accepted(tableau), "@cfunc(kernel_signature(2, 1))", "def step(t, h, slots):", *names]
    lines += [
        "    if get_int(slots, PART) == 2:",
        "        return accepted(t, h, slots)",
        "    if get_int(slots, MASS) != 0 and get_int(slots, RESTART) == 1:",
        "        code = call_address(get_int(slots, SLOPE), t, h, y, k0, k1, slots)",
        "        if code != 0:",
        "            return no_result(code, slots, y_new)",
        "    put_int(slots, RESTART, 0)",
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
    """The error estimate, smoothed by (M - gamma h J)^-1 M (Hairer & Wanner IV.8), and the mean square of its scaled form."""
    lines = [
        "tolerance = get_int(slots, TOLERANCE)",
        "if tolerance == 0:",
        "    return 0",
        "for i in range(n):",
        f"    put(spare, i, {combination(tuple(x / tableau.exact_gamma for x in tableau.exact_error), 'get(k{}, i)')})",
        "if get_int(slots, MASS) != 0:",
        "    mass_product(slots, spare, stage)",
        "    for i in range(n):",
        "        put(spare, i, get(stage, i))",
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


def _accepted(tableau: SdirkTableau) -> list[str]:
    """After a step with algebraic equations: k_s becomes the slope at its end in what the mass matrix does not see of it.

    There the stages, of order 2, say little of slopes, and dense output would be of order 3.  The stages between take up what it does
    with the new k_s besides being a cubic Hermite interpolant.
    """
    s, powers = tableau.n_stages, tableau.dense_powers
    rows = [np.array([float(x) for x in tableau.exact_b])] + ([powers[:, 3]] if tableau.dense_order == 4 else [])
    shares = np.linalg.pinv(np.array([row[1:-1] for row in rows]))
    fourth = combination(tuple(Fraction(float(x)) for x in rows[-1]), "get(k{}, i)") if len(rows) == 2 else "0.0"
    lines = ["@njit(cache=False)", "def accepted(t, h, slots):"]
    lines += ["    if get_int(slots, DENSE) == 0 and get_int(slots, N_WANTED) == 0:", "        return 0"]
    lines += ["    n, k, vectors = get_int(slots, N), get_int(slots, K), get_int(slots, OWN) + " + str(8 * NEWTON_ENTRIES)]
    lines += [f"    k{i} = k + {8 * i} * n" for i in range(s)]
    lines += [
        "    new, change, scratch = vectors, vectors + 8 * n, vectors + 24 * n",
        f"    mass_product(slots, k{s - 1}, new)",
        "    code = call_address(get_int(slots, SLOPE), t + h, h, get_int(slots, Y_NEW), new, scratch, slots)",
        "    if code != 0:",
        "        return -1 if code < 0 else 0  # the slope of the stages stays",
        "    for i in range(n):",
        f"        put(change, i, get(new, i) - get(k{s - 1}, i))",
        f"        put(k{s - 1}, i, get(new, i))",
        f"        put(change, n + i, {fourth})",
        "    algebraic_part(change + 8 * n, scratch, new, slots)",
        "    for i in range(n):",
        f"        first, second = {float(tableau.exact_gamma)!r} * get(change, i), get(new, i)",
    ]
    for j in range(1, s - 1):
        taken = " + ".join(f"{float(x)!r} * {name}" for x, name in zip(shares[j - 1], ("first", "second")))
        lines.append(f"        put(k{j}, i, get(k{j}, i) - ({taken}))")
    return [*lines, "    return 0", "", ""]
