"""Initial value problems of `solvers.py` as users of SciPy write them; NumPy only, because the peers import them too."""

import numpy as np


def rober(t, y, k1, k2, k3):
    slow = k1 * y[0]
    fast = k2 * y[1] * y[1]
    back = k3 * y[1] * y[2]
    return [back - slow, slow - fast - back, fast]


def lorenz(t, y, sigma, rho, beta):
    return [sigma * (y[1] - y[0]), y[0] * (rho - y[2]) - y[1], y[0] * y[1] - beta * y[2]]


def van_der_pol(t, y, epsilon):
    return [y[1], ((1.0 - y[0] * y[0]) * y[1] - y[0]) / epsilon]


def orego(t, y, s, w, q):
    return [s * (y[1] + y[0] * (1.0 - q * y[0] - y[1])), (y[2] - (1.0 + y[0]) * y[1]) / s, w * (y[0] - y[2])]


#: Right-hand side, span, initial state, arguments, saved times; tolerances of `lsoda` are 1e-8 and 1e-8.
PROBLEMS = {
    "rober": (rober, (0.0, 1e5), [1.0, 0.0, 0.0], (0.04, 3e7, 1e4), np.concatenate([[0.0], np.logspace(-4, 5, 50)])),
    "lorenz": (lorenz, (0.0, 100.0), [1.0, 0.0, 0.0], (10.0, 28.0, 8.0 / 3.0), np.linspace(0.0, 100.0, 1001)),
    "vdp_1e3": (van_der_pol, (0.0, 2.0), [2.0, 0.0], (1e-6,), np.array([2.0])),
    "orego": (orego, (0.0, 360.0), [1.0, 2.0, 3.0], (77.27, 0.161, 8.375e-6), np.array([360.0])),
}
