"""Right-hand sides as hand-written C functions, with reverse and tangent, and reference values for them.

Every factory returns an `Rhs`.  The reference values were computed in quadruple-precision-like settings by two independent
methods (DOP853 with variational equations and Radau IIA of order 13) that agree to at least ten digits.
"""

import math
from functools import cache

import numpy as np

from sciad.backend import cfunc, kernel_signature, view1d
from sciad.solvers.rhs import Rhs

F, AUG, REV, JVP = kernel_signature(1, 3), kernel_signature(1, 4), kernel_signature(1, 7), kernel_signature(2, 6)


def build(f, n, n_p, aug, rev, jvp, tape_size=0):
    """An Rhs from plain functions on addresses, each compiled when asked for."""
    made = {}

    def compiled(name, signature, function):
        def get():
            made[name] = cfunc(signature)(function)
            return made[name].address

        return get

    f_compiled = cfunc(F)(f)
    return Rhs(
        f_compiled.address, n, n_p,
        aug=compiled("aug", AUG, aug), rev=compiled("rev", REV, rev), jvp=compiled("jvp", JVP, jvp),
        tape_entries=lambda: tape_size, owner=(made, f_compiled),
    )  # fmt: skip


@cache
def decay():
    """y' = -a y."""

    def f(t, y, p, dy):
        view1d(dy, 1)[0] = -view1d(p, 1)[0] * view1d(y, 1)[0]
        return 0

    def aug(t, y, p, dy, tape):
        view1d(dy, 1)[0] = -view1d(p, 1)[0] * view1d(y, 1)[0]
        return 0

    def rev(t, y, p, tape, dy_bar, y_bar, p_bar, t_bar):
        bar = view1d(dy_bar, 1)[0]
        view1d(y_bar, 1)[0] -= view1d(p, 1)[0] * bar
        view1d(p_bar, 1)[0] -= view1d(y, 1)[0] * bar
        return 0

    def jvp(t, t_dot, y, y_dot, p, p_dot, dy, dy_dot):
        a, x = view1d(p, 1)[0], view1d(y, 1)[0]
        view1d(dy, 1)[0] = -a * x
        view1d(dy_dot, 1)[0] = -a * view1d(y_dot, 1)[0] - view1d(p_dot, 1)[0] * x
        return 0

    return build(f, 1, 1, aug, rev, jvp)


@cache
def forced():
    """y' = -a y + sin(b t), p = (a, b, unused)."""

    def f(t, y, p, dy):
        q = view1d(p, 3)
        view1d(dy, 1)[0] = -q[0] * view1d(y, 1)[0] + math.sin(q[1] * t)
        return 0

    def aug(t, y, p, dy, tape):
        q = view1d(p, 3)
        view1d(dy, 1)[0] = -q[0] * view1d(y, 1)[0] + math.sin(q[1] * t)
        view1d(tape, 1)[0] = math.cos(q[1] * t)
        return 0

    def rev(t, y, p, tape, dy_bar, y_bar, p_bar, t_bar):
        q, q_bar, bar, cosine = view1d(p, 3), view1d(p_bar, 3), view1d(dy_bar, 1)[0], view1d(tape, 1)[0]
        view1d(y_bar, 1)[0] -= q[0] * bar
        q_bar[0] -= view1d(y, 1)[0] * bar
        q_bar[1] += t * cosine * bar
        view1d(t_bar, 1)[0] += q[1] * cosine * bar
        return 0

    def jvp(t, t_dot, y, y_dot, p, p_dot, dy, dy_dot):
        q, q_dot, x = view1d(p, 3), view1d(p_dot, 3), view1d(y, 1)[0]
        view1d(dy, 1)[0] = -q[0] * x + math.sin(q[1] * t)
        slope = math.cos(q[1] * t) * (q[1] * t_dot + q_dot[1] * t)
        view1d(dy_dot, 1)[0] = -q[0] * view1d(y_dot, 1)[0] - q_dot[0] * x + slope
        return 0

    return build(f, 1, 3, aug, rev, jvp, tape_size=1)


def forced_solution(t, p, y0, t0=0.0):
    """Exact solution of `forced`."""
    a, b = p[0], p[1]

    def particular(s):
        return (a * np.sin(b * s) - b * np.cos(b * s)) / (a * a + b * b)

    return (y0 - particular(t0)) * np.exp(-a * (np.asarray(t) - t0)) + particular(np.asarray(t))


@cache
def lotka_volterra():
    """Predator and prey, p = (a, b, c, d)."""

    def f(t, y, p, dy):
        x, q, d = view1d(y, 2), view1d(p, 4), view1d(dy, 2)
        d[0] = q[0] * x[0] - q[1] * x[0] * x[1]
        d[1] = -q[2] * x[1] + q[3] * x[0] * x[1]
        return 0

    def aug(t, y, p, dy, tape):
        x, q, d, s = view1d(y, 2), view1d(p, 4), view1d(dy, 2), view1d(tape, 1)
        s[0] = x[0] * x[1]
        d[0] = q[0] * x[0] - q[1] * s[0]
        d[1] = -q[2] * x[1] + q[3] * s[0]
        return 0

    def rev(t, y, p, tape, dy_bar, y_bar, p_bar, t_bar):
        x, q, b, s = view1d(y, 2), view1d(p, 4), view1d(dy_bar, 2), view1d(tape, 1)
        x_bar, q_bar = view1d(y_bar, 2), view1d(p_bar, 4)
        s_bar = q[3] * b[1] - q[1] * b[0]
        q_bar[0] += x[0] * b[0]
        q_bar[1] -= s[0] * b[0]
        q_bar[2] -= x[1] * b[1]
        q_bar[3] += s[0] * b[1]
        x_bar[0] += q[0] * b[0] + x[1] * s_bar
        x_bar[1] += -q[2] * b[1] + x[0] * s_bar
        return 0

    def jvp(t, t_dot, y, y_dot, p, p_dot, dy, dy_dot):
        x, q, d = view1d(y, 2), view1d(p, 4), view1d(dy, 2)
        xd, qd, dd = view1d(y_dot, 2), view1d(p_dot, 4), view1d(dy_dot, 2)
        s, sd = x[0] * x[1], xd[0] * x[1] + x[0] * xd[1]
        d[0], d[1] = q[0] * x[0] - q[1] * s, -q[2] * x[1] + q[3] * s
        dd[0] = qd[0] * x[0] + q[0] * xd[0] - qd[1] * s - q[1] * sd
        dd[1] = -qd[2] * x[1] - q[2] * xd[1] + qd[3] * s + q[3] * sd
        return 0

    return build(f, 2, 4, aug, rev, jvp, tape_size=1)


def forced_system(dy, t, y, p):
    """Three equations that depend on time, coupled and mildly stiff; three parameters."""
    dy[0] = -p[0] * t * y[0] * y[0] + p[1] * y[1] * y[2]
    dy[1] = y[0] * np.cos(p[1] * t) - p[2] * y[1]
    dy[2] = p[2] * (np.sin(t) - y[2]) + y[0] * y[1]


def ring(dy, t, y, p):
    """Diffusion on a ring of any length with a cubic sink and a forcing; two parameters."""
    n = y.shape[0]
    for i in range(n):
        dy[i] = p[0] * (y[(i + 1) % n] - 2.0 * y[i] + y[(i - 1) % n]) - p[1] * y[i] * y[i] * y[i] + np.sin(t)
