"""The step kernel of a Rosenbrock method, written out from its coefficients and compiled once.

K holds f at the beginning of the step, then u_i / h for all stages, then, if first same as last, f at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sciad.solvers.jacobian import add_mass_product, jacobian, time_derivative
from sciad.solvers.link import HEADER, load_kernels, source_of
from sciad.solvers.rosenbrock.tableau import RosenbrockTableau
from sciad.solvers.tableau import combination

__all__ = ["Rosenbrock", "step_source"]


@dataclass(frozen=True, eq=False)
class Rosenbrock:
    """A Rosenbrock method: its coefficients and, compiled when first used, its step."""

    tableau: RosenbrockTableau
    n_extra = 0
    adaptive = True
    implicit = True
    newton = False
    mass = True  # takes a mass matrix
    after = False
    complex = False

    def own(self, n: int) -> np.ndarray:
        """Memory that the step needs for itself: none."""
        return np.empty(0)

    @property
    def name(self) -> str:
        """Name in the literature."""
        return self.tableau.name

    @property
    def n_stages(self) -> int:
        """Rows of K."""
        return len(self.dense)

    @property
    def f_calls(self) -> int:
        """Evaluations of f in a trial step."""
        return self.tableau.n_stages - 1

    @property
    def fsal(self) -> bool:
        """First same as last."""
        return self.tableau.fsal

    @cached_property
    def error_order(self) -> int:
        """Order of the error estimate, as step control assumes it."""
        return self.tableau.embedded

    @cached_property
    def dense(self) -> np.ndarray:
        """Nested coefficients of dense output, shape (rows of K, terms)."""
        return self.tableau.dense_table

    @cached_property
    def step(self) -> int:
        """Address of ``int64 step(double t, double h, intp slots)``, see `sciad.solvers.layout`."""
        source = HEADER + source_of(jacobian) + source_of(time_derivative) + source_of(add_mass_product) + step_source(self.tableau)
        return load_kernels(source, f"step_{self.name.lower()}").step.address


def step_source(tableau: RosenbrockTableau) -> str:
    """Python source of the step: unrolled over stages, zeros of the coefficients left out."""
    s = tableau.n_stages
    names = ("F", "P", "N", "Y", "Y_NEW", "K", "STAGE", "SOLVE", "DFDT", "TIME_DEPENDENT", "MASS", "SPARE")
    lines = ["@cfunc(kernel_signature(2, 1))", "def step(t, h, slots):"]
    lines += [f"    {name.lower()} = get_int(slots, {name})" for name in names]
    lines += [f"    k{i} = k + {8 * i} * n" for i in range(s + 1 + tableau.fsal)]
    lines += _matrix(tableau)
    for i in range(1, s + 1):
        lines += _stage(tableau, i)
    return "\n".join([*lines, *_end(tableau), "    return 0", ""])


def _matrix(tableau: RosenbrockTableau) -> list[str]:
    """Jacobian, unless an attempt at the same step has evaluated it, and the factors of I / gamma - h J."""
    return [
        "    if get_int(slots, J_STEP) != get_int(slots, N_ACCEPT) + 1:",
        "        code = jacobian(t, y, get_int(slots, J_AT), slots)",
        "        if code == 0 and time_dependent != 0:",
        "            code = time_derivative(t, h, y, k0, slots)",
        "        if code != 0:",
        "            return code",
        "        put_int(slots, J_STEP, get_int(slots, N_ACCEPT) + 1)",
        "    put_int(slots, N_LU, get_int(slots, N_LU) + 1)",
        f"    code = call_address(get_int(slots, FACTOR), {float(1 / tableau.exact_gamma)!r}, h, slots)",
        "    if code != 0:",
        "        put_int(slots, FAILED, code)",
        "        put(get_int(slots, ERROR), 0, math.inf)",
        "        for i in range(n):",
        "            put(y_new, i, math.nan)",
        "        return 0",
    ]


def _stage(tableau: RosenbrockTableau, i: int) -> list[str]:
    """Right-hand side of stage i (from 1) and its solution, in place."""
    a, coupling, d = tableau.exact_a[i - 1], tableau.exact_coupling[i - 1], tableau.exact_d[i - 1]
    last = tableau.fsal and i == tableau.n_stages
    source = f"k{i + 1}" if last else f"k{i}"
    lines = []
    if i == 1:
        source = "k0"
    else:
        terms = combination((0, *a), "get_apart(k{}, i)")
        at = "y_new" if last else "stage"
        lines += ["for i in range(n):", f"    put_apart({at}, i, get_apart(y, i) + h * ({terms}))"]
        lines += [f"code = call_address(f, t + {float(tableau.exact_c[i - 1])!r} * h, {at}, p, {source})"]
        lines += ["if code != 0:", "    return code"]
    terms = combination((0, *coupling), "get(k{}, i)")
    if terms != "0.0":
        lines += ["if mass == 0:", "    for i in range(n):", f"        put(k{i}, i, get({source}, i) + {terms})", "else:"]
        lines += ["    for i in range(n):", f"        put(spare, i, {terms})", f"    add_mass_product(n, mass, spare, {source}, k{i})"]
    elif source != f"k{i}":
        lines += ["for i in range(n):", f"    put(k{i}, i, get({source}, i))"]
    if d != 0:
        lines += ["if time_dependent != 0:", "    for i in range(n):"]
        lines += [f"        put(k{i}, i, get(k{i}, i) + {float(d)!r} * h * get(dfdt, i))"]
    return ["    " + line for line in [*lines, f"call_address(solve, slots, k{i})"]]


def _end(tableau: RosenbrockTableau) -> list[str]:
    """The new state, unless the last stage has made it, and the mean square of the scaled error estimate."""
    update = combination((0, *tableau.exact_m), "get_apart(k{}, i)")
    lines = [] if tableau.fsal else ["for i in range(n):", f"    put_apart(y_new, i, get_apart(y, i) + h * ({update}))"]
    lines += [
        "tolerance = get_int(slots, TOLERANCE)",
        "if tolerance == 0:",
        "    return 0",
        "rtol, total = tolerance + 8 * n, 0.0",
        "for i in range(n):",
        "    new = get(y_new, i)",
        "    scale = h / (get(tolerance, i) + get(rtol, i) * max(abs(get(y, i)), abs(new)))",
        f"    q = scale * ({combination((0, *tableau.exact_e), 'get(k{}, i)')})",
        "    total = fast_add(total, q * q + 0.0 * new)",
        "error = get_int(slots, ERROR)",
        "put(error, 0, total * get(error, 1))",
    ]
    return ["    " + line for line in lines]
