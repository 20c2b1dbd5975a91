"""Gradients of solves from outside: variational equations integrated by SciPy at tight tolerances, and closed forms."""

import math
from functools import cache

import numpy as np
from problems import build, forced, forced_solution, lotka_volterra
from scipy.integrate import solve_ivp

from sciad.backend import view1d


def variational(f, f_y, f_p, t_span, y0, p, times, method="DOP853"):
    """States (m, n) at `times`, their derivatives with respect to y0 (m, n, n) and p (m, n, n_p); plain Python functions of (t, y, p)."""
    n, n_p = len(y0), len(p)
    t0, t1 = t_span

    def rhs(t, z):
        y, s = z[:n], z[n:].reshape(n, n + n_p)
        ds = np.asarray(f_y(t, y, p)) @ s
        ds[:, n:] += f_p(t, y, p)
        return np.concatenate([f(t, y, p), ds.ravel()])

    start = np.concatenate([y0, np.hstack([np.eye(n), np.zeros((n, n_p))]).ravel()])
    out = np.empty((len(times), n * (1 + n + n_p)))
    t = t0
    for i, target in enumerate(times):  # from one saved time to the next: no dense output, whose order is lower
        if target != t:
            done = solve_ivp(rhs, (t, target), start, method, rtol=1e-13, atol=1e-14)
            assert done.success
            start, t = done.y[:, -1], target
        out[i] = start
    s = out[:, n:].reshape(-1, n, n + n_p)
    return out[:, :n], s[:, :, :n], s[:, :, n:]


def gradient(reference, ys_bar):
    """y0_bar and p_bar of the loss sum(ys_bar * ys)."""
    _, s_y, s_p = reference
    return np.einsum("mi,mij->j", ys_bar, s_y), np.einsum("mi,mij->j", ys_bar, s_p)


def lotka_volterra_reference(t_span, y0, p, times):
    """`variational` for problems.lotka_volterra."""
    return variational(
        lambda t, y, p: np.array([p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1]]),
        lambda t, y, p: np.array([[p[0] - p[1] * y[1], -p[1] * y[0]], [p[3] * y[1], -p[2] + p[3] * y[0]]]),
        lambda t, y, p: np.array([[y[0], -y[0] * y[1], 0, 0], [0, 0, -y[1], y[0] * y[1]]]),
        t_span, y0, p, times,
    )  # fmt: skip


def forced_gradient(y0, p, times, ys_bar, t0=0.0):
    """(y0_bar, p_bar, t0_bar, t_eval_bar) of sum(ys_bar * y(t_i)) for problems.forced, by complex steps through its closed form."""
    h = 1e-30

    def loss(y0, a, b, t0):
        return np.sum(ys_bar[:, 0] * forced_solution(np.asarray(times), (a, b), y0, t0))

    y0_bar = loss(y0 + 1j * h, *p[:2], t0).imag / h
    p_bar = np.array([loss(y0, p[0] + 1j * h, p[1], t0).imag / h, loss(y0, p[0], p[1] + 1j * h, t0).imag / h, 0.0])
    t0_bar = loss(y0, *p[:2], t0 + 1j * h).imag / h
    t_eval_bar = forced_solution(np.asarray(times) + 1j * h, p, y0, t0).imag / h * ys_bar[:, 0]
    return np.array([y0_bar]), p_bar, t0_bar, t_eval_bar


@cache
def ramp():
    """y' = sin(p t): no Jacobian at all, so lambda is constant between jumps and all is in the quadrature."""

    def f(t, y, p, dy):
        view1d(dy, 1)[0] = math.sin(view1d(p, 1)[0] * t)
        return 0

    def aug(t, y, p, dy, tape):
        view1d(dy, 1)[0] = math.sin(view1d(p, 1)[0] * t)
        return 0

    def rev(t, y, p, tape, dy_bar, y_bar, p_bar, t_bar):
        slope = math.cos(view1d(p, 1)[0] * t) * view1d(dy_bar, 1)[0]
        view1d(p_bar, 1)[0] += t * slope
        view1d(t_bar, 1)[0] += view1d(p, 1)[0] * slope
        return 0

    def jvp(t, t_dot, y, y_dot, p, p_dot, dy, dy_dot):
        a = view1d(p, 1)[0]
        view1d(dy, 1)[0] = math.sin(a * t)
        view1d(dy_dot, 1)[0] = math.cos(a * t) * (a * t_dot + view1d(p_dot, 1)[0] * t)
        return 0

    return build(f, 1, 1, aug, rev, jvp)


@cache
def rotation():
    """y' = (y2, -4 y1), without parameters: y1 = y1(0) cos 2t + y2(0)/2 sin 2t."""

    def f(t, y, p, dy):
        x, d = view1d(y, 2), view1d(dy, 2)
        d[0], d[1] = x[1], -4.0 * x[0]
        return 0

    def aug(t, y, p, dy, tape):
        x, d = view1d(y, 2), view1d(dy, 2)
        d[0], d[1] = x[1], -4.0 * x[0]
        return 0

    def rev(t, y, p, tape, dy_bar, y_bar, p_bar, t_bar):
        b, x_bar = view1d(dy_bar, 2), view1d(y_bar, 2)
        x_bar[0] -= 4.0 * b[1]
        x_bar[1] += b[0]
        return 0

    def jvp(t, t_dot, y, y_dot, p, p_dot, dy, dy_dot):
        x, d, xd, dd = view1d(y, 2), view1d(dy, 2), view1d(y_dot, 2), view1d(dy_dot, 2)
        d[0], d[1], dd[0], dd[1] = x[1], -4.0 * x[0], xd[1], -4.0 * xd[0]
        return 0

    return build(f, 2, 0, aug, rev, jvp)


__all__ = [
    "variational", "gradient", "lotka_volterra", "lotka_volterra_reference", "forced", "forced_gradient", "ramp", "rotation",
]  # fmt: skip
