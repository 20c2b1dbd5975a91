"""Methods for stiff equations: the drift is implicit, the diffusion explicit.

Kloeden & Platen, chapter 12 (drift-implicit Euler and Milstein).  SKenCarp: the implicit half of ARK3(2)4L[2]SA of Kennedy & Carpenter,
Appl. Numer. Math. 44 (2003) 139, made a method of strong order 1.5 for additive noise as in Rackauckas & Nie, "Stability-optimized high
order methods", IEEE HPEC 2020: its noise coefficients in stages 2 and 4 solve Roessler's two conditions on them.
"""

from __future__ import annotations

import math

from sciad.solvers.sde.program import SRK, f, g

__all__ = [
    "IMPLICIT_EULER", "IMPLICIT_EULER_HEUN", "IMPLICIT_MILSTEIN", "IMPLICIT_MILSTEIN_ADDITIVE", "IMPLICIT_MILSTEIN_STRATONOVICH",
    "SKENCARP",
]  # fmt: skip

EVERY = ("diagonal", "scalar", "additive", "general")
ONE_EACH = ("diagonal", "scalar")

IMPLICIT_EULER = SRK(
    "ImplicitEuler", "ito", EVERY, 0.5, (g(), f(1, (0, "W", 1), gamma=1.0), f()), ((0, "W", 1), (1, "h", 1)),
    error=(((1, "h", 0.5), (2, "h", -0.5)),), error_order=2.0,
)  # fmt: skip

IMPLICIT_EULER_HEUN = SRK(
    "ImplicitEulerHeun", "stratonovich", EVERY, 0.5, (g(), g(1, (0, "W", 1)), f(1, (0, "W", 0.5), (1, "W", 0.5), gamma=1.0), f()),
    ((0, "W", 0.5), (1, "W", 0.5), (2, "h", 1)),
    error=(((2, "h", 0.5), (3, "h", -0.5)), ((0, "W", -0.5), (1, "W", 0.5))), error_order=1.0,
)  # fmt: skip

_ITO = ((0, "W", 1), (0, "Q", -1), (1, "Q", 1))
IMPLICIT_MILSTEIN = SRK(
    "ImplicitMilstein", "ito", ONE_EACH, 1.0, (g(), g(0, (0, "R", 1)), f(1, *_ITO, gamma=1.0), f()), (*_ITO, (2, "h", 1)),
    error=(((2, "h", 0.5), (3, "h", -0.5)), ((0, "Q", -1), (1, "Q", 1))), error_order=1.0,
)  # fmt: skip

#: The diffusion does not depend on the state: implicit Euler's step has order 1.
IMPLICIT_MILSTEIN_ADDITIVE = SRK(
    "ImplicitMilsteinAdditive", "both", ("additive",), 1.0, IMPLICIT_EULER.evaluations, IMPLICIT_EULER.end,
    error=IMPLICIT_EULER.error, error_order=IMPLICIT_EULER.error_order,
)  # fmt: skip

_STRATONOVICH = ((0, "W", 1), (1, "Q", 0.5), (2, "Q", -0.5))
IMPLICIT_MILSTEIN_STRATONOVICH = SRK(
    "ImplicitMilsteinStratonovich", "stratonovich", ONE_EACH, 1.0,
    (g(), g(0, (0, "R", 1)), g(0, (0, "R", -1)), f(1, *_STRATONOVICH, gamma=1.0), f()), (*_STRATONOVICH, (3, "h", 1)),
    error=(((3, "h", 0.5), (4, "h", -0.5)), ((1, "Q", 0.5), (2, "Q", -0.5))), error_order=1.0,
)  # fmt: skip

GAMMA = 1767732205903 / 4055673282236
A3 = (2746238789719 / 10658868560708, -640167445237 / 6845629431997)
B = (1471266399579 / 7840856788654, -4482444167858 / 7529755066697, 11266239266428 / 11593286722821, GAMMA)
B_HAT = (2756255671327 / 12835298489170, -10771552573575 / 22201958757719, 9247589265047 / 10645013368117, 2193209047091 / 5459859503100)


def noise_coefficients() -> tuple[float, float]:
    """u and v with b2 u + b4 v = 1 and b2 u**2 + b4 v**2 = 3/2, the solution of smaller size."""
    b2, b4 = B[1], B[3]
    # v = (1 - b2 u) / b4 in the second: (b2 + b2**2 / b4) u**2 - 2 b2 / b4 u + 1 / b4 - 3/2 = 0
    p, q, r = b2 + b2 * b2 / b4, -2.0 * b2 / b4, 1.0 / b4 - 1.5
    root = math.sqrt(q * q - 4.0 * p * r)
    candidates = [((-q + sign * root) / (2.0 * p)) for sign in (1.0, -1.0)]
    u = min(candidates, key=abs)
    return u, (1.0 - b2 * u) / b4


U, V = noise_coefficients()

SKENCARP = SRK(
    "SKenCarp", "both", ("additive",), 1.5,
    (
        g(), g(1), f(),
        f(2 * GAMMA, (2, "h", GAMMA), (0, "Z", U), gamma=GAMMA),
        f(0.6, (2, "h", A3[0]), (3, "h", A3[1]), gamma=GAMMA),
        f(1, (2, "h", B[0]), (3, "h", B[1]), (4, "h", B[2]), (0, "Z", V), gamma=GAMMA),
    ),
    (*[(2 + j, "h", b) for j, b in enumerate(B)], (1, "W", 1), (0, "Z", 1), (1, "Z", -1)),
    error=(tuple((2 + j, "h", b - b_hat) for j, (b, b_hat) in enumerate(zip(B, B_HAT))), ((0, "Z", 1), (1, "Z", -1))), error_order=1.5,
)  # fmt: skip
