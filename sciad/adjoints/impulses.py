"""Jumps of lambda at saved times where M y' = f(t, y, p), and what the algebraic equations add to p_bar there.

With the null spaces U_2 of M^T and V_2 of M, the adjoint equations M^T lambda' = -J^T lambda hold the algebraic ones V_2^T J^T lambda = 0.
A cotangent y_bar of the state at t_i is met by an impulse mu of the algebraic part and a jump of what M^T sees,

    mu = U_2 w,   (U_2^T J V_2)^T w = -V_2^T y_bar,      M^T (jump) = y_bar + J^T mu,   V_2^T J^T (jump) = 0,      p_bar += f_p^T mu

(Cao, Li, Petzold, Serban, SIAM J. Sci. Comput. 24 (2003) 1076, section 3, for semi-explicit equations of index 1).  In the end
y0_bar = M^T lambda(t0), which also holds for initial values that were made consistent, as that keeps M y0.
"""

from __future__ import annotations

import numpy as np

from sciad.errors import MissingRule
from sciad.solvers.consistent import call, null_spaces
from sciad.solvers.rhs import Rhs

__all__ = ["impulses"]


def impulses(rhs: Rhs, times: np.ndarray, ys: np.ndarray, p: np.ndarray, mass: np.ndarray, ys_bar: np.ndarray):
    """(jumps of lambda (m, n), p_bar (n_p,)) of cotangents ys_bar (m, n) at saved times (m,) and states (m, n)."""
    left, right = null_spaces(mass)
    inverse, jumps, p_bar = np.linalg.pinv(mass.T), np.zeros(ys_bar.shape), np.zeros(rhs.n_p)
    point = _Point(rhs, p)
    for i in np.flatnonzero(np.any(ys_bar != 0.0, axis=1)):
        if left.shape[1] == 0:
            jumps[i] = inverse @ ys_bar[i]
            continue
        point.move(float(times[i]), np.ascontiguousarray(ys[i], np.float64))
        transposed = point.transposed_jacobian()
        algebraic = right.T @ transposed @ left  # (U_2^T J V_2)^T
        mu = -left @ np.linalg.solve(algebraic, right.T @ ys_bar[i])
        p_bar += point.pull(mu)[1]
        jump = inverse @ (ys_bar[i] + transposed @ mu)
        jumps[i] = jump - left @ np.linalg.solve(algebraic, right.T @ (transposed @ jump))
    return jumps, p_bar


class _Point:
    """The right-hand side at one time and state, with its tape."""

    def __init__(self, rhs: Rhs, p: np.ndarray) -> None:
        self.rhs, self.p, self.tape = rhs, p, np.empty(rhs.tape_size)

    def move(self, t: float, y: np.ndarray) -> None:
        """Go there; SolveError if the right-hand side aborts."""
        self.t, self.y = t, y
        call(self.rhs.aug(), t, y, self.p, np.empty(self.rhs.n), self.tape)

    def pull(self, bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """J^T bar (n,) and f_p^T bar (n_p,)."""
        y_bar, p_bar = np.zeros(self.rhs.n), np.zeros(self.rhs.n_p)
        call(self.rhs.rev(), self.t, self.y, self.p, self.tape, np.ascontiguousarray(bar), y_bar, p_bar, np.zeros(1))
        return y_bar, p_bar

    def transposed_jacobian(self) -> np.ndarray:
        """J^T (n, n), from products with it where the right-hand side offers no Jacobian."""
        try:
            address = self.rhs.jac()
        except MissingRule:
            return np.stack([self.pull(e)[0] for e in np.eye(self.rhs.n)], axis=1)
        jac = np.empty((self.rhs.n, self.rhs.n))
        call(address, self.t, self.y, self.p, jac)
        return jac.T
