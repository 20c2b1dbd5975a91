"""Stiff test problems for gradients, written so that NumPy, JAX and CasADi can all evaluate them: lists of scalar expressions.

HIRES, OREGO and POLLU as in Hairer & Wanner IV.10 and the test set of CWI / Bari, the Brusselator as in SciMLBenchmarks.  The loss is the
sum of the squares of all saved states, but for the Brusselator, whose it is of 1 - y, halved.
"""

import numpy as np


def hires(y, p):
    return [
        -p[0] * y[0] + p[1] * y[1] + p[2] * y[2] + p[3],
        p[0] * y[0] - p[4] * y[1],
        -p[5] * y[2] + p[1] * y[3] + p[6] * y[4],
        p[2] * y[1] + p[0] * y[2] - p[7] * y[3],
        -p[8] * y[4] + p[1] * y[5] + p[1] * y[6],
        -p[9] * y[5] * y[7] + p[10] * y[3] + p[0] * y[4] - p[1] * y[5] + p[10] * y[6],
        p[9] * y[5] * y[7] - p[11] * y[6],
        -p[9] * y[5] * y[7] + p[11] * y[6],
    ]


def orego(y, p):
    return [
        p[0] * (y[1] + y[0] * (1.0 - p[1] * y[0] - y[1])),
        (y[2] - (1.0 + y[0]) * y[1]) / p[0],
        p[2] * (y[0] - y[2]),
    ]


def pollu(y, k):
    r1, r2, r3, r4, r5 = k[0] * y[0], k[1] * y[1] * y[3], k[2] * y[4] * y[1], k[3] * y[6], k[4] * y[6]
    r6, r7, r8, r9, r10 = k[5] * y[6] * y[5], k[6] * y[8], k[7] * y[8] * y[5], k[8] * y[10] * y[1], k[9] * y[10] * y[0]
    r11, r12, r13, r14, r15 = k[10] * y[12], k[11] * y[9] * y[1], k[12] * y[13], k[13] * y[0] * y[5], k[14] * y[2]
    r16, r17, r18, r19, r20 = k[15] * y[3], k[16] * y[3], k[17] * y[15], k[18] * y[15], k[19] * y[16] * y[5]
    r21, r22, r23, r24, r25 = k[20] * y[18], k[21] * y[18], k[22] * y[0] * y[3], k[23] * y[18] * y[0], k[24] * y[19]
    return [
        -r1 - r10 - r14 - r23 - r24 + r2 + r3 + r9 + r11 + r12 + r22 + r25,
        -r2 - r3 - r9 - r12 + r1 + r21,
        -r15 + r1 + r17 + r19 + r22,
        -r2 - r16 - r17 - r23 + r15,
        -r3 + 2.0 * r4 + r6 + r7 + r13 + r20,
        -r6 - r8 - r14 - r20 + r3 + 2.0 * r18,
        -r4 - r5 - r6 + r13,
        r4 + r5 + r6 + r7,
        -r7 - r8,
        -r12 + r7 + r9,
        -r9 - r10 + r8 + r11,
        r9,
        -r11 + r10,
        -r13 + r12,
        r14,
        -r18 - r19 + r16,
        -r20,
        r20,
        -r21 - r22 - r24 + r23 + r25,
        -r25 + r24,
    ]


_POLLU_0 = np.zeros(20)
_POLLU_0[[1, 3, 6, 7, 8, 16]] = 0.2, 0.04, 0.1, 0.3, 0.01, 0.007
_POLLU_K = [
    0.35, 26.6, 1.23e4, 8.6e-4, 8.2e-4, 1.5e4, 1.3e-4, 2.4e4, 1.65e4, 9e3, 0.022, 1.2e4, 1.88, 1.63e4, 4.8e6, 3.5e-4, 0.0175, 1e8,
    4.44e11, 1.24e3, 2.1, 5.78, 0.0474, 1.78e3, 3.12,
]  # fmt: skip
_HIRES_P = [1.71, 0.43, 8.32, 0.0007, 8.75, 10.03, 0.035, 1.12, 1.745, 280.0, 0.69, 1.81]
#: Expressions, end, y0, parameters, saved times, rtol, atol.
SCALAR = {
    "hires": (hires, 321.8122, [1.0, 0, 0, 0, 0, 0, 0, 0.0057], _HIRES_P, np.linspace(0.0, 321.8122, 21), 1e-6, 1e-8),
    "orego": (orego, 30.0, [1.0, 2.0, 3.0], [77.27, 8.375e-6, 0.161], np.linspace(0.0, 30.0, 21), 1e-6, 1e-8),
    "pollu": (pollu, 60.0, _POLLU_0.tolist(), _POLLU_K, np.linspace(0.0, 60.0, 21), 1e-6, 1e-10),
}


def brusselator_start(n):
    """y0 (2, n, n), parameters (4, n, n) (A, B and the two diffusion constants of every point), 1 / dx^2."""
    x, y0, p = np.linspace(0.0, 1.0, n), np.empty((2, n, n)), np.full((4, n, n), 10.0)
    y0[0], y0[1] = 22.0 * ((x * (1 - x)) ** 1.5)[None, :], 27.0 * ((x * (1 - x)) ** 1.5)[:, None]
    p[0], p[1] = 3.4, 1.0
    return y0, p, float((n - 1) ** 2)


def network_start(seed=0):
    """Layers (W, b) of a network 3-5-5-5-5-5-5-3 and the scale of its output: the stiff neural ODE of Kim et al. 2021 for ROBER."""
    rng, sizes = np.random.default_rng(seed), [3, 5, 5, 5, 5, 5, 5, 3]
    layers = [(rng.normal(size=(b, a)) * np.sqrt(2.0 / (a + b)), np.zeros(b)) for a, b in zip(sizes, sizes[1:])]
    return layers, np.array([1.0, 3.6e-5, 1.0]) / 1e5


NETWORK = (1e5, [1.0, 0.0, 0.0], np.concatenate([[0.0], np.geomspace(1e-5, 1e5, 50)]), 1e-6, 1e-8)
BRUSSELATOR = (1.0, np.linspace(0.0, 1.0, 11), 1e-5, 1e-7)
