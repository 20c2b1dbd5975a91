"""Initial value problems of `work_precision.py`, written once for everybody: ``fun(dy, t, y, p)`` with scalar indexing and arithmetic only.

The same source is compiled by sciad and numba, run by the interpreter for SciPy, and traced into expressions by CasADi, heyoka and JAX
(`y`, `p` and `dy` may be lists).  Sources: Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I and II; Mazzia & Magherini,
Test Set for Initial Value Problem Solvers (2008); the two-dimensional Brusselator of SciMLBenchmarks.
"""

import math
from dataclasses import dataclass


def lorenz(dy, t, y, p):
    dy[0] = p[0] * (y[1] - y[0])
    dy[1] = y[0] * (p[1] - y[2]) - y[1]
    dy[2] = y[0] * y[1] - p[2] * y[2]


def lotka_volterra(dy, t, y, p):
    dy[0] = p[0] * y[0] - p[1] * y[0] * y[1]
    dy[1] = p[3] * y[0] * y[1] - p[2] * y[1]


def pleiades(dy, t, y, p):
    """Seven stars in a plane, x, y, then velocities; star i has the mass i."""
    for i in range(7):
        dy[i] = y[14 + i]
        dy[7 + i] = y[21 + i]
        dy[14 + i] = 0.0 * y[i]
        dy[21 + i] = 0.0 * y[i]
    for i in range(7):
        for j in range(i):
            dx = y[j] - y[i]
            dz = y[7 + j] - y[7 + i]
            r2 = dx * dx + dz * dz
            w = r2**-1.5
            dy[14 + i] += (j + 1.0) * w * dx
            dy[21 + i] += (j + 1.0) * w * dz
            dy[14 + j] -= (i + 1.0) * w * dx
            dy[21 + j] -= (i + 1.0) * w * dz


def van_der_pol(dy, t, y, p):
    """In the slow time t / mu, p = mu^-2."""
    dy[0] = y[1]
    dy[1] = ((1.0 - y[0] * y[0]) * y[1] - y[0]) / p[0]


def rober(dy, t, y, k):
    slow = k[0] * y[0]
    fast = k[1] * y[1] * y[1]
    back = k[2] * y[1] * y[2]
    dy[0] = back - slow
    dy[1] = slow - fast - back
    dy[2] = fast


def orego(dy, t, y, k):
    dy[0] = k[0] * (y[1] + y[0] * (1.0 - k[2] * y[0] - y[1]))
    dy[1] = (y[2] - (1.0 + y[0]) * y[1]) / k[0]
    dy[2] = k[1] * (y[0] - y[2])


def hires(dy, t, y, k):
    bound = k[6] * y[5] * y[7]
    free = (k[1] + k[7] + k[8]) * y[6]
    dy[0] = -k[0] * y[0] + k[1] * y[1] + k[5] * y[2] + k[9]
    dy[1] = k[0] * y[0] - (k[1] + k[2]) * y[1]
    dy[2] = -(k[5] + k[0]) * y[2] + k[1] * y[3] + k[4] * y[4]
    dy[3] = k[2] * y[1] + k[0] * y[2] - (k[3] + k[1]) * y[3]
    dy[4] = -(k[0] + k[4]) * y[4] + k[1] * (y[5] + y[6])
    dy[5] = -bound + k[3] * y[3] + k[0] * y[4] - k[1] * y[5] + k[7] * y[6]
    dy[6] = bound - free
    dy[7] = free - bound


def pollu(dy, t, y, k):
    r1 = k[0] * y[0]
    r2 = k[1] * y[1] * y[3]
    r3 = k[2] * y[4] * y[1]
    r4 = k[3] * y[6]
    r5 = k[4] * y[6]
    r6 = k[5] * y[6] * y[5]
    r7 = k[6] * y[8]
    r8 = k[7] * y[8] * y[5]
    r9 = k[8] * y[10] * y[1]
    r10 = k[9] * y[10] * y[0]
    r11 = k[10] * y[12]
    r12 = k[11] * y[9] * y[1]
    r13 = k[12] * y[13]
    r14 = k[13] * y[0] * y[5]
    r15 = k[14] * y[2]
    r16 = k[15] * y[3]
    r17 = k[16] * y[3]
    r18 = k[17] * y[15]
    r19 = k[18] * y[15]
    r20 = k[19] * y[16] * y[5]
    r21 = k[20] * y[18]
    r22 = k[21] * y[18]
    r23 = k[22] * y[0] * y[3]
    r24 = k[23] * y[18] * y[0]
    r25 = k[24] * y[19]
    dy[0] = -r1 - r10 - r14 - r23 - r24 + r2 + r3 + r9 + r11 + r12 + r22 + r25
    dy[1] = -r2 - r3 - r9 - r12 + r1 + r21
    dy[2] = -r15 + r1 + r17 + r19 + r22
    dy[3] = -r2 - r16 - r17 - r23 + r15
    dy[4] = -r3 + 2.0 * r4 + r6 + r7 + r13 + r20
    dy[5] = -r6 - r8 - r14 - r20 + r3 + 2.0 * r18
    dy[6] = -r4 - r5 - r6 + r13
    dy[7] = r4 + r5 + r6 + r7
    dy[8] = -r7 - r8
    dy[9] = -r12 + r7 + r9
    dy[10] = -r9 - r10 + r8 + r11
    dy[11] = r9
    dy[12] = -r11 + r10
    dy[13] = -r13 + r12
    dy[14] = r14
    dy[15] = -r18 - r19 + r16
    dy[16] = -r20
    dy[17] = r20
    dy[18] = -r21 - r22 - r24 + r23 + r25
    dy[19] = -r25 + r24


def e5(dy, t, y, k):
    first = k[0] * y[0]
    second = k[1] * y[0] * y[2]
    third = k[3] * k[2] * y[1] * y[2]
    fourth = k[2] * y[3]
    dy[0] = -first - second
    dy[1] = first - third
    dy[3] = second - fourth
    dy[2] = dy[1] - dy[3]  # as a sum of four terms it loses the balance y2 = y3 + y4 to rounding


def brusselator_1d(dy, t, y, p):
    """u and v in turn, boundary values u = 1 and v = 3; p = (A, B, alpha)."""
    n = len(y) // 2
    c = p[2] * (n + 1.0) * (n + 1.0)
    for i in range(n):
        u = y[2 * i]
        v = y[2 * i + 1]
        ul = y[2 * i - 2] if i > 0 else 1.0
        vl = y[2 * i - 1] if i > 0 else 3.0
        ur = y[2 * i + 2] if i < n - 1 else 1.0
        vr = y[2 * i + 3] if i < n - 1 else 3.0
        uuv = u * u * v
        dy[2 * i] = p[0] + uuv - (p[1] + 1.0) * u + c * (ul - 2.0 * u + ur)
        dy[2 * i + 1] = p[1] * u - uuv + c * (vl - 2.0 * v + vr)


def brusselator_2d(dy, t, y, p):
    """Periodic grid of n x n, all u, then all v; p = (A, B, alpha / dx^2, n); the disc about (0.3, 0.6) is heated from the start."""
    n = int(p[3])
    m = n * n
    for i in range(n):
        up = i - 1 if i > 0 else n - 1
        down = i + 1 if i < n - 1 else 0
        x = i / (n - 1.0)
        for j in range(n):
            left = j - 1 if j > 0 else n - 1
            right = j + 1 if j < n - 1 else 0
            z = j / (n - 1.0)
            here = n * i + j
            heat = 5.0 if (x - 0.3) * (x - 0.3) + (z - 0.6) * (z - 0.6) <= 0.01 else 0.0
            u = y[here]
            v = y[m + here]
            uuv = u * u * v
            lap_u = y[n * up + j] + y[n * down + j] + y[n * i + left] + y[n * i + right] - 4.0 * u
            lap_v = y[m + n * up + j] + y[m + n * down + j] + y[m + n * i + left] + y[m + n * i + right] - 4.0 * v
            dy[here] = p[2] * lap_u + p[1] + uuv - (p[0] + 1.0) * u + heat
            dy[m + here] = p[2] * lap_v + p[0] * u - uuv


@dataclass(frozen=True)
class Problem:
    """An initial value problem from t = 0; `floor`: absolute tolerances and errors are this times the relative ones."""

    fun: object
    t_end: float
    y0: list
    p: tuple
    floor: float
    kind: str  # "smooth", "stiff", "banded", "grid"
    end: tuple = ()  # published, where there is one


def _pollu_start():
    y = [0.0] * 20
    for place, value in ((1, 0.2), (3, 0.04), (6, 0.1), (7, 0.3), (8, 0.01), (16, 0.007)):
        y[place] = value
    return y


def _line(n):
    return [x for i in range(n) for x in (1.0 + math.sin(2.0 * math.pi * (i + 1) / (n + 1)), 3.0)]


def _grid(n):
    at = [i / (n - 1.0) for i in range(n)]
    u = [22.0 * (z * (1.0 - z)) ** 1.5 for _ in at for z in at]
    v = [27.0 * (x * (1.0 - x)) ** 1.5 for x in at for _ in at]
    return u + v


def _brusselator_2d(n):
    return Problem(brusselator_2d, 10.0, _grid(n), (3.4, 1.0, 10.0 * (n - 1.0) ** 2, float(n)), 1.0, "grid")


STARS = [3, 3, -1, -3, 2, -2, 2, 3, -3, 2, 0, 0, -4, 4, 0, 0, 0, 0, 0, 1.75, -1.5, 0, 0, 0, -1.25, 1, 0, 0]
POLLU = (0.35, 26.6, 1.23e4, 8.6e-4, 8.2e-4, 1.5e4, 1.3e-4, 2.4e4, 1.65e4, 9e3, 0.022, 1.2e4, 1.88, 1.63e4, 4.8e6, 3.5e-4, 1.75e-2, 1e8,
         4.44e11, 1.24e3, 2.1, 5.78, 4.74e-2, 1.78e3, 3.12)  # fmt: skip
OREGO_END = (1.000814870318523, 1228.178521549917, 132.0554942846706)
HIRES = (1.71, 0.43, 8.32, 0.69, 0.035, 8.32, 280.0, 0.69, 0.69, 0.0007)
HIRES_END = (0.7371312573325668e-3, 0.1442485726316185e-3, 0.5888729740967575e-4, 0.1175651343283149e-2, 0.2386356198831331e-2,
             0.6238968252742796e-2, 0.2849998395185769e-2, 0.2850001604814231e-2)  # fmt: skip

PROBLEMS = {
    "lorenz": Problem(lorenz, 10.0, [1.0, 0.0, 0.0], (10.0, 28.0, 8.0 / 3.0), 1.0, "smooth"),
    "lotka_volterra": Problem(lotka_volterra, 10.0, [1.0, 1.0], (1.5, 1.0, 3.0, 1.0), 1.0, "smooth"),
    "pleiades": Problem(pleiades, 3.0, [float(x) for x in STARS], (0.0,), 1.0, "smooth"),
    "vdp_1": Problem(van_der_pol, 20.0, [2.0, 0.0], (1.0,), 1.0, "smooth"),
    "vdp_1e3": Problem(van_der_pol, 2.0, [2.0, 0.0], (1e-6,), 1.0, "stiff", (1.706167732170469, -0.8928097010248125)),
    "vdp_1e6": Problem(van_der_pol, 2.0, [2.0, 0.0], (1e-12,), 1.0, "stiff"),
    "rober": Problem(rober, 1e5, [1.0, 0.0, 0.0], (0.04, 3e7, 1e4), 1e-6, "stiff"),
    "hires": Problem(hires, 321.8122, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057], HIRES, 1e-3, "stiff", HIRES_END),
    "orego": Problem(orego, 360.0, [1.0, 2.0, 3.0], (77.27, 0.161, 8.375e-6), 1.0, "stiff", OREGO_END),
    "pollu": Problem(pollu, 60.0, _pollu_start(), POLLU, 1e-6, "stiff"),
    "e5": Problem(e5, 1e5, [1.76e-3, 0.0, 0.0, 0.0], (7.89e-10, 1.1e7, 1.13e3, 1e6), 1e-18, "stiff"),  # later all decays to rounding
    "brusselator_1d": Problem(brusselator_1d, 10.0, _line(200), (1.0, 3.0, 0.02), 1.0, "banded"),
    "brusselator_2d_32": _brusselator_2d(32),
    "brusselator_2d_64": _brusselator_2d(64),
}  # fmt: skip


def neighbours(name):
    """Rows and columns of the Jacobian's entries that can be non-zero, for the Brusselators."""
    size = len(PROBLEMS[name].y0)
    rows, columns = [], []
    if name == "brusselator_1d":
        for i in range(size):
            for j in range(max(0, i - 2), min(size, i + 3)):
                rows.append(i)
                columns.append(j)
        return rows, columns
    n = int(PROBLEMS[name].p[3])
    for i in range(n):
        for j in range(n):
            here = n * i + j
            around = (here, n * ((i - 1) % n) + j, n * ((i + 1) % n) + j, n * i + (j - 1) % n, n * i + (j + 1) % n)
            for half in (0, n * n):
                rows += [half + here] * 6
                columns += [half + k for k in around] + [n * n - half + here]
    return rows, columns
