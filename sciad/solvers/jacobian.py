"""Derivatives of the right-hand side for implicit steps, inside compiled kernels: J = f_y and f_t.

Both come from compiled functions where the right-hand side has them, else from forward differences.
"""

from __future__ import annotations

from sciad.backend import call_address
from sciad.solvers.layout import BASE, CONSTANT_JAC, DFDT, EVALUATE, JAC, JVP, N_F, N_JAC, SPARE, ZEROS, F, N, P
from sciad.solvers.memory import get, get_int, put, put_int

__all__ = ["add_mass_product", "jacobian", "time_derivative"]


def jacobian(t, y, out, slots):
    """Write f_y(t, y), row-major or as the linear solver has it, to address `out`, where a constant one stays; the status of f."""
    n, p = get_int(slots, N), get_int(slots, P)
    if get_int(slots, CONSTANT_JAC) == 1 and get_int(slots, N_JAC) > 0:
        return 0
    put_int(slots, N_JAC, get_int(slots, N_JAC) + 1)
    if get_int(slots, EVALUATE) != 0:
        return call_address(get_int(slots, EVALUATE), t, y, slots)
    if get_int(slots, JAC) != 0:
        return call_address(get_int(slots, JAC), t, y, p, out)
    spare, f0 = get_int(slots, SPARE), get_int(slots, BASE)
    put_int(slots, N_F, get_int(slots, N_F) + n + 1)
    if call_address(get_int(slots, F), t, y, p, f0) != 0:
        return -1
    for j in range(n):
        y_j = get(y, j)
        moved = y_j + 1.5e-8 * max(abs(y_j), 1e-5) * (1.0 if get(f0, j) >= 0.0 else -1.0)
        put(y, j, moved)
        code = call_address(get_int(slots, F), t, y, p, spare)
        put(y, j, y_j)
        if code != 0:
            return code
        for i in range(n):
            put(out, n * i + j, (get(spare, i) - get(f0, i)) / (moved - y_j))
    return 0


def time_derivative(t, h, y, f0, slots):
    """Write f_t(t, y) to DFDT; returns the status of the right-hand side.  Not called for autonomous ones."""
    n, p, out, spare, zeros = get_int(slots, N), get_int(slots, P), get_int(slots, DFDT), get_int(slots, SPARE), get_int(slots, ZEROS)
    if get_int(slots, JVP) != 0:
        return call_address(get_int(slots, JVP), t, 1.0, y, zeros, p, zeros, spare, out)
    moved = t + 1.5e-8 * max(abs(t), abs(h)) * (1.0 if h > 0.0 else -1.0)
    put_int(slots, N_F, get_int(slots, N_F) + 1)
    code = call_address(get_int(slots, F), moved, y, p, spare)
    for i in range(n):
        put(out, i, (get(spare, i) - get(f0, i)) / (moved - t))
    return code


def add_mass_product(n, mass, x, given, out):
    """out = given + M x, M row-major at address `mass`."""
    for i in range(n):
        total = get(given, i)
        for j in range(n):
            total += get(mass, n * i + j) * get(x, j)
        put(out, i, total)
