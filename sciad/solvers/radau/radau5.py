"""Radau IIA of order 5: three coupled stages, L-stable, stiffly accurate; Hairer & Wanner IV.8.

K holds f at the beginning of the step, then z_i / h with z_i = Y_i - y.  OWN holds, after the settings of Newton's iteration, the z_i
of the last accepted step, then the z_i, w = T^-1 z and f(Y_i) of this one (3 n each), the complex right-hand side (2 n), and M w (3 n).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sciad.solvers.link import HEADER, load_kernels, source_of
from sciad.solvers.mass_kernels import mass_product
from sciad.solvers.newton import NEWTON_ENTRIES, NEWTON_HELPERS, newton_settings
from sciad.solvers.radau.coefficients import ALPHA, BETA, ERROR_WEIGHTS, GAMMA, T_INVERSE, T_MATRIX, C, collocation_powers, dense_table

__all__ = ["Radau"]

STEP = """
@njit(cache=False)
def factors(h, slots):
    put_int(slots, N_LU, get_int(slots, N_LU) + 2)
    code = call_address(get_int(slots, FACTOR), GAMMA, h, slots)
    return code if code != 0 else call_address(get_int(slots, FACTOR_Z), ALPHA_C, BETA_C, h, slots)


@njit(cache=False)
def prepare(t, h, y, force, slots):
    own, now = get_int(slots, OWN), get_int(slots, N_ACCEPT) + 1
    new_j = get_int(slots, J_STEP) == 0 or (get_int(slots, J_STEP) != now and (force or get(own, 2) > get(own, 3)))
    if not new_j and abs(h / get(own, 0) - 1.0) <= get(own, 4) and not (force and get(own, 0) != h):
        return NO_CONVERGENCE if force else 0
    if new_j:
        if jacobian(t, y, get_int(slots, J_AT), slots) != 0:
            return -1
        put_int(slots, J_STEP, now)
    put(own, 0, h)
    code = factors(h, slots)
    if code != 0:
        put(own, 0, math.nan)
    return code


@njit(cache=False)
def guess(h, z, slots):
    n, own = get_int(slots, N), get_int(slots, OWN)
    before, ratio = own + ENTRIES, h / get(own, 5)
    for m in range(3):
        if get_int(slots, RESTART) == 1:
            for i in range(n):
                put(z, m * n + i, 0.0)
            continue
        theta = 1.0 + ratio * (C1 if m == 0 else (C2 if m == 1 else 1.0))
        w1, w2, w3 = weights(theta)
        for i in range(n):
            put(z, m * n + i, w1 * get(before, i) + w2 * get(before, n + i) + (w3 - 1.0) * get(before, 2 * n + i))


@njit(cache=False)
def multiply(n, x, out, MATRIX):
    for i in range(n):
        a, b, c = get(x, i), get(x, n + i), get(x, 2 * n + i)
        put(out, i, M00 * a + M01 * b + M02 * c)
        put(out, n + i, M10 * a + M11 * b + M12 * c)
        put(out, 2 * n + i, M20 * a + M21 * b + M22 * c)


@njit(cache=False)
def newton3(t, h, slots):
    n, f, p, y = get_int(slots, N), get_int(slots, F), get_int(slots, P), get_int(slots, Y)
    own, place = get_int(slots, OWN), get_int(slots, STAGE)
    z = own + ENTRIES + 24 * n
    w, fs, b = z + 24 * n, z + 48 * n, z + 72 * n
    guess(h, z, slots)
    multiply(n, z, w, TI)
    ratio = h / get(own, 0)
    correction = 2.0 / (1.0 + ratio)
    fresh = get_int(slots, J_STEP) == get_int(slots, N_ACCEPT) + 1 or get_int(slots, CONSTANT_JAC) == 1
    kappa = 1.0
    if get_int(slots, TOLERANCE) != 0:
        rtol = get(get_int(slots, TOLERANCE), n)
        kappa = max(min(0.02, 0.5 * math.sqrt(rtol)), 2e-15 / max(rtol, 1e-13))
    eta, last, defect = first_eta(h, own), 0.0, 0.0
    put(own, 2, 0.0)
    for m in range(10 if kappa < 1.0 else 50):
        put_int(slots, N_F, get_int(slots, N_F) + 3)
        for s in range(3):
            for i in range(n):
                put(place, i, get(y, i) + get(z, s * n + i))
            if call_address(f, t + h * (C1 if s == 0 else (C2 if s == 1 else 1.0)), place, p, fs + 8 * n * s) != 0:
                return -1
        multiply(n, fs, fs, TI)
        m_w = w
        if get_int(slots, MASS) != 0:
            m_w = b + 16 * n
            for s in range(3):
                mass_product(slots, w + 8 * n * s, m_w + 8 * n * s)
        for i in range(n):
            put(fs, i, correction * (h * get(fs, i) - GAMMA * get(m_w, i)))
            u, v = get(m_w, n + i), get(m_w, 2 * n + i)
            put(b, 2 * i, correction * (h * get(fs, n + i) - (ALPHA_C * u - BETA_C * v)))
            put(b, 2 * i + 1, correction * (h * get(fs, 2 * n + i) - (ALPHA_C * v + BETA_C * u)))
        if not fresh and m < 2 and kappa < 1.0:  # see `newton`
            left = newton_norm(fs, y, 1.0, slots)
            if m == 1 and left > 0.3 * defect:
                return NO_CONVERGENCE
            defect = left
        call_address(get_int(slots, SOLVE), slots, fs)
        call_address(get_int(slots, SOLVE_Z), slots, b)
        for i in range(n):
            put(fs, n + i, get(b, 2 * i))
            put(fs, 2 * n + i, get(b, 2 * i + 1))
        for i in range(3 * n):
            put(w, i, get(w, i) + get(fs, i))
        multiply(n, fs, fs, T)
        total = 0.0
        for s in range(3):
            size = newton_norm(fs + 8 * n * s, y, 1.0, slots)
            total += size * size
        size = math.sqrt(total / 3.0)
        multiply(n, w, z, T)
        if m > 0:
            rate = size / last if size > 0.0 else 0.0
            put(own, 2, max(get(own, 2), rate))
            if kappa == 1.0 and size < 30.0 and rate > 0.5:
                return 0  # fixed steps: rounding stops the iteration
            if not rate < 0.95:
                return NO_CONVERGENCE
            eta = rate / (1.0 - rate)
            if kappa < 1.0 and eta * size > kappa and size * rate ** (9 - m) / (1.0 - rate) > kappa:
                return NO_CONVERGENCE
        if eta * size <= kappa and size < math.inf and (m > 0 or (eta < 0.5 and size <= kappa and fresh)):
            put(own, 1, eta)
            return 0
        if not size < math.inf:
            return NO_CONVERGENCE
        last = size
    return NO_CONVERGENCE


@njit(cache=False)
def error_norm(t, h, slots, again):
    n, y, y_new = get_int(slots, N), get_int(slots, Y), get_int(slots, Y_NEW)
    tolerance, spare = get_int(slots, TOLERANCE), get_int(slots, SPARE)
    k0, z, place = get_int(slots, K), get_int(slots, OWN) + ENTRIES + 24 * n, get_int(slots, STAGE)
    first = k0
    if again:
        for i in range(n):
            put(place, i, get(y, i) + get(spare, i))
        put_int(slots, N_F, get_int(slots, N_F) + 1)
        first = z + 48 * n
        if call_address(get_int(slots, F), t, place, get_int(slots, P), first) != 0:
            return -1.0
    for i in range(n):
        put(place, i, E1 * get(z, i) + E2 * get(z, n + i) + E3 * get(z, 2 * n + i))
    if get_int(slots, MASS) != 0:
        mass_product(slots, place, spare)
    else:
        for i in range(n):
            put(spare, i, get(place, i))
    for i in range(n):
        put(spare, i, get(spare, i) + h * get(first, i))
    call_address(get_int(slots, SOLVE), slots, spare)
    rtol, total = tolerance + 8 * n, 0.0
    for i in range(n):
        new = get(y_new, i)
        q = get(spare, i) / (get(tolerance, i) + get(rtol, i) * max(abs(get(y, i)), abs(new)))
        total = fast_add(total, q * q + 0.0 * new)
    return total * get(get_int(slots, ERROR), 1)


@njit(cache=False)
def accepted(h, slots):
    n, own = get_int(slots, N), get_int(slots, OWN)
    before = own + ENTRIES
    for i in range(3 * n):
        put(before, i, get(before, 3 * n + i))
    put(own, 5, h)
    put_int(slots, RESTART, 0)


@cfunc(kernel_signature(2, 1))
def step(t, h, slots):
    if get_int(slots, PART) == 2:
        accepted(h, slots)
        return 0
    n, y, y_new, k = get_int(slots, N), get_int(slots, Y), get_int(slots, Y_NEW), get_int(slots, K)
    z = get_int(slots, OWN) + ENTRIES + 24 * n
    code = prepare(t, h, y, False, slots)
    if code == 0:
        code = newton3(t, h, slots)
    if code == NO_CONVERGENCE:
        code = prepare(t, h, y, True, slots)
        if code == 0:
            code = newton3(t, h, slots)
    if code != 0:
        return no_result(code, slots, y_new)
    for i in range(3 * n):
        put(k, n + i, get(z, i) / h)
    for i in range(n):
        put(y_new, i, get(y, i) + get(z, 2 * n + i))
    if get_int(slots, TOLERANCE) == 0:
        return 0
    norm = error_norm(t, h, slots, False)
    if norm >= 1.0 and (get_int(slots, RESTART) == 1 or get_int(slots, REJECTED) > 0):
        norm = error_norm(t, h, slots, True)
    put(get_int(slots, ERROR), 0, norm)
    return -1 if norm < 0.0 else 0
"""


def _source() -> str:
    """The kernel with its constants filled in; `multiply` becomes two functions, for T and for T^-1."""
    powers = collocation_powers()
    rows = [f"theta * ({row[0]!r} + theta * ({row[1]!r} + theta * {row[2]!r}))" for row in powers.tolist()]
    source = f"@njit(cache=False)\ndef weights(theta):\n    return {', '.join(rows)}\n\n" + STEP
    begin, end = source.index("@njit(cache=False)\ndef multiply"), source.index("@njit(cache=False)\ndef newton3")
    template, parts = source[begin:end], []
    for name, matrix in (("t", T_MATRIX), ("ti", T_INVERSE)):
        text = template.replace("multiply(n, x, out, MATRIX)", f"multiply_{name}(n, x, out)")
        for i in range(3):
            for j in range(3):
                text = text.replace(f"M{i}{j}", f"({float(matrix[i, j])!r})")
        parts.append(text)
    source = source[:begin] + "".join(parts) + source[end:]
    for name in ("T", "TI"):
        for arguments in ("z, w", "fs, fs", "w, z"):
            source = source.replace(f"multiply(n, {arguments}, {name})", f"multiply_{name.lower()}(n, {arguments})")
    constants = {"GAMMA": GAMMA, "ALPHA_C": ALPHA, "BETA_C": BETA, "C1": C[0], "C2": C[1], "ENTRIES": 8 * NEWTON_ENTRIES}
    constants |= {f"E{i + 1}": e for i, e in enumerate(ERROR_WEIGHTS)}
    lines = [f"{name} = {value if isinstance(value, int) else float(value)!r}\n" for name, value in constants.items()]
    return "".join(lines) + "\n\n" + "".join(source_of(function) for function in (*NEWTON_HELPERS, mass_product)) + source


@dataclass(frozen=True, eq=False)
class Radau:
    """Radau IIA of order 5 with its error estimate of order 3 and its collocation polynomial as dense output."""

    name = "RadauIIA5"
    order = 5
    error_order = 3
    dense_order = 3
    n_stages = 4
    n_extra = 0
    adaptive = True
    implicit = True
    newton = True
    mass = True  # takes a mass matrix
    fsal = False
    f_calls = 0  # the Newton iterations count theirs
    after = True
    complex = True

    @cached_property
    def dense(self) -> np.ndarray:
        """Nested coefficients of dense output, shape (rows of K, terms)."""
        return dense_table()

    def own(self, n: int) -> np.ndarray:
        """Initial contents of the memory that the step needs for itself."""
        return np.array([*newton_settings(n, 0.02), 1.0, *[0.0] * (NEWTON_ENTRIES - 6), *[0.0] * (17 * n)])

    @cached_property
    def step(self) -> int:
        """Address of ``int64 step(double t, double h, intp slots)``, see `sciad.solvers.layout`."""
        return load_kernels(HEADER + _source(), "step_radauiia5").step.address
