"""Stiff test problems with published solutions.

End values: Hairer & Wanner, Solving Ordinary Differential Equations II, and the test set of CWI / Bari (Mazzia & Magherini, 2008).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from sciad.field import Field
from sciad.solvers.rhs import Rhs


def van_der_pol(dy, t, y, mu):
    dy[0] = y[1]
    dy[1] = mu * (1.0 - y[0] * y[0]) * y[1] - y[0]


def rober(dy, t, y, k):
    dy[0] = -k[0] * y[0] + k[2] * y[1] * y[2]
    dy[1] = k[0] * y[0] - k[1] * y[1] * y[1] - k[2] * y[1] * y[2]
    dy[2] = k[1] * y[1] * y[1]


def orego(dy, t, y, k):
    dy[0] = k[0] * (y[1] + y[0] * (1.0 - k[2] * y[0] - y[1]))
    dy[1] = (y[2] - (1.0 + y[0]) * y[1]) / k[0]
    dy[2] = k[1] * (y[0] - y[2])


def hires(dy, t, y, k):
    dy[0] = -k[0] * y[0] + k[1] * y[1] + k[5] * y[2] + k[9]
    dy[1] = k[0] * y[0] - (k[1] + k[2]) * y[1]
    dy[2] = -(k[5] + k[0]) * y[2] + k[1] * y[3] + k[4] * y[4]
    dy[3] = k[2] * y[1] + k[0] * y[2] - (k[3] + k[1]) * y[3]
    dy[4] = -(k[0] + k[4]) * y[4] + k[1] * (y[5] + y[6])
    dy[5] = -k[6] * y[5] * y[7] + k[3] * y[3] + k[0] * y[4] - k[1] * y[5] + k[7] * y[6]
    dy[6] = k[6] * y[5] * y[7] - (k[1] + k[7] + k[8]) * y[6]
    dy[7] = -k[6] * y[5] * y[7] + (k[1] + k[7] + k[8]) * y[6]


def pollu(dy, t, y, k):
    r = np.empty(25)
    r[0], r[1], r[2], r[3], r[4] = k[0] * y[0], k[1] * y[1] * y[3], k[2] * y[4] * y[1], k[3] * y[6], k[4] * y[6]
    r[5], r[6], r[7], r[8], r[9] = k[5] * y[6] * y[5], k[6] * y[8], k[7] * y[8] * y[5], k[8] * y[10] * y[1], k[9] * y[10] * y[0]
    r[10], r[11], r[12], r[13], r[14] = k[10] * y[12], k[11] * y[9] * y[1], k[12] * y[13], k[13] * y[0] * y[5], k[14] * y[2]
    r[15], r[16], r[17], r[18], r[19] = k[15] * y[3], k[16] * y[3], k[17] * y[15], k[18] * y[15], k[19] * y[16] * y[5]
    r[20], r[21], r[22], r[23], r[24] = k[20] * y[18], k[21] * y[18], k[22] * y[0] * y[3], k[23] * y[18] * y[0], k[24] * y[19]
    dy[0] = -r[0] - r[9] - r[13] - r[22] - r[23] + r[1] + r[2] + r[8] + r[10] + r[11] + r[21] + r[24]
    dy[1] = -r[1] - r[2] - r[8] - r[11] + r[0] + r[20]
    dy[2] = -r[14] + r[0] + r[16] + r[18] + r[21]
    dy[3] = -r[1] - r[15] - r[16] - r[22] + r[14]
    dy[4] = -r[2] + 2.0 * r[3] + r[5] + r[6] + r[12] + r[19]
    dy[5] = -r[5] - r[7] - r[13] - r[19] + r[2] + 2.0 * r[17]
    dy[6] = -r[3] - r[4] - r[5] + r[12]
    dy[7] = r[3] + r[4] + r[5] + r[6]
    dy[8] = -r[6] - r[7]
    dy[9] = -r[11] + r[6] + r[8]
    dy[10] = -r[8] - r[9] + r[7] + r[10]
    dy[11] = r[8]
    dy[12] = -r[10] + r[9]
    dy[13] = -r[12] + r[11]
    dy[14] = r[13]
    dy[15] = -r[17] - r[18] + r[15]
    dy[16] = -r[19]
    dy[17] = r[19]
    dy[18] = -r[20] - r[21] - r[23] + r[22] + r[24]
    dy[19] = -r[24] + r[23]


@dataclass(frozen=True)
class Problem:
    """An initial value problem and its solution at the end."""

    fun: object
    t_end: float
    y0: tuple
    args: tuple
    end: tuple

    @cache  # noqa: B019
    def compiled(self):
        """(rhs, y0, p)."""
        y0 = np.array(self.y0, float)
        args = tuple(np.array(x, float) if isinstance(x, tuple) else x for x in self.args)
        field = Field(self.fun, y0.shape, args, inplace=True)
        return Rhs.of(field), y0, field.pack(field.leaves(args))


POLLU_Y0 = (0, 0.2, 0, 0.04, 0, 0, 0.1, 0.3, 0.01, 0, 0, 0, 0, 0, 0, 0, 0.007, 0, 0, 0)
POLLU_K = (
    0.35, 26.6, 1.23e4, 8.6e-4, 8.2e-4, 1.5e4, 1.3e-4, 2.4e4, 1.65e4, 9e3, 0.022, 1.2e4, 1.88, 1.63e4, 4.8e6, 3.5e-4, 1.75e-2, 1e8,
    4.44e11, 1.24e3, 2.1, 5.78, 4.74e-2, 1.78e3, 3.12,
)  # fmt: skip
POLLU_END = (
    0.5646255480022769e-01, 0.1342484130422339, 0.4139734331099427e-08, 0.5523140207484359e-02, 0.2018977262302196e-06,
    0.1464541863493966e-06, 0.7784249118997964e-01, 0.3245075353396018, 0.7494013383880406e-02, 0.1622293157301561e-07,
    0.1135863833257075e-07, 0.2230505975721359e-02, 0.2087162882798630e-03, 0.1396921016840158e-04, 0.8964884856898295e-02,
    0.4352846369330103e-17, 0.6899219696263405e-02, 0.1007803037365946e-03, 0.1772146513969984e-05, 0.5682943292316392e-04,
)  # fmt: skip
HIRES_END = (
    0.7371312573325668e-3, 0.1442485726316185e-3, 0.5888729740967575e-4, 0.1175651343283149e-2,
    0.2386356198831331e-2, 0.6238968252742796e-2, 0.2849998395185769e-2, 0.2850001604814231e-2,
)  # fmt: skip
HIRES_K = (1.71, 0.43, 8.32, 0.69, 0.035, 8.32, 280.0, 0.69, 0.69, 0.0007)

PROBLEMS = {
    "van der Pol": Problem(van_der_pol, 2000.0, (2, 0), (1e3,), (0.1706167732170469e1, -0.8928097010248125e-3)),
    "ROBER": Problem(rober, 1e11, (1, 0, 0), ((0.04, 3e7, 1e4),), (0.2083340149701255e-07, 0.8333360770334713e-13, 0.9999999791665050)),
    "OREGO": Problem(orego, 360.0, (1, 2, 3), ((77.27, 0.161, 8.375e-6),), (0.1000814870318523e1, 0.1228178521549917e4, 132.0554942846706)),
    "HIRES": Problem(hires, 321.8122, (1, 0, 0, 0, 0, 0, 0, 0.0057), (HIRES_K,), HIRES_END),
    "POLLU": Problem(pollu, 60.0, POLLU_Y0, (POLLU_K,), POLLU_END),
}
