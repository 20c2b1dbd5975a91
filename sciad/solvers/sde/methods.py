"""The explicit methods without published tables: Euler's family, Heun's, and derivative-free Milstein.

Kloeden & Platen, Numerical Solution of Stochastic Differential Equations, chapters 10 and 11; Roessler, SIAM J. Numer. Anal. 48 (2010) 922.
"""

from __future__ import annotations

from sciad.solvers.sde.program import SRK, f, g

__all__ = [
    "EULER_MARUYAMA", "LAMBA", "EULER_HEUN", "HEUN", "MIDPOINT", "MILSTEIN", "MILSTEIN_ADDITIVE", "MILSTEIN_STRATONOVICH",
    "GENERAL_MILSTEIN",
]  # fmt: skip

EVERY = ("diagonal", "scalar", "additive", "general")
ONE_EACH = ("diagonal", "scalar")

EULER_MARUYAMA = SRK("EulerMaruyama", "ito", EVERY, 0.5, (f(), g()), ((0, "h", 1), (1, "W", 1)))

#: Euler's step with an estimate of what drift and diffusion change over it (Lamba, J. Comput. Appl. Math. 161 (2003) 417).
LAMBA = SRK(
    "LambaEM", "ito", EVERY, 0.5,
    (f(), g(), f(1, (0, "h", 1), (1, "W", 1)), g(1, (0, "h", 1), (1, "W", 1))), ((0, "h", 1), (1, "W", 1)),
    error=(((0, "h", -0.5), (2, "h", 0.5)), ((1, "W", -0.5), (3, "W", 0.5))), error_order=1.0,
)  # fmt: skip

#: Euler's drift, trapezoidal diffusion.
EULER_HEUN = SRK(
    "EulerHeun", "stratonovich", EVERY, 0.5, (f(), g(), g(1, (1, "W", 1))), ((0, "h", 1), (1, "W", 0.5), (2, "W", 0.5)),
)  # fmt: skip

#: The explicit trapezoidal rule.  Its estimate is what the changes of drift and diffusion over the step do.
HEUN = SRK(
    "Heun", "stratonovich", EVERY, 0.5,
    (f(), g(), f(1, (0, "h", 1), (1, "W", 1)), g(1, (0, "h", 1), (1, "W", 1))),
    ((0, "h", 0.5), (2, "h", 0.5), (1, "W", 0.5), (3, "W", 0.5)),
    error=(((0, "h", -0.5), (2, "h", 0.5)), ((1, "W", -0.5), (3, "W", 0.5))), error_order=1.0,
)  # fmt: skip

MIDPOINT = SRK(
    "Midpoint", "stratonovich", EVERY, 0.5,
    (f(), g(), f(0.5, (0, "h", 0.5), (1, "W", 0.5)), g(0.5, (0, "h", 0.5), (1, "W", 0.5))), ((2, "h", 1), (3, "W", 1)),
)  # fmt: skip


#: As Platen, without the drift in the second point: the derivative of the diffusion along itself is a difference quotient over sqrt h.
MILSTEIN = SRK(
    "Milstein", "ito", ONE_EACH, 1.0, (f(), g(), g(0, (1, "R", 1))),
    ((0, "h", 1), (1, "W", 1), (1, "Q", -1), (2, "Q", 1)),
)  # fmt: skip

#: A central quotient: I11 has a mean here, which would make the even terms of a one-sided one count.
MILSTEIN_STRATONOVICH = SRK(
    "MilsteinStratonovich", "stratonovich", ONE_EACH, 1.0, (f(), g(), g(0, (1, "R", 1)), g(0, (1, "R", -1))),
    ((0, "h", 1), (1, "W", 1), (2, "Q", 0.5), (3, "Q", -0.5)),
)  # fmt: skip

#: The diffusion does not depend on the state: Euler's step has order 1.
MILSTEIN_ADDITIVE = SRK("MilsteinAdditive", "both", ("additive",), 1.0, (f(), g()), ((0, "h", 1), (1, "W", 1)))


def _columns(calculus: str):
    """A difference quotient along every column of the diffusion, one-sided or central as above."""
    if calculus == "ito":
        return (
            lambda m: (f(), g(), *[g(0, (1, f"E{k}", 1)) for k in range(1, m + 1)]),
            lambda m: ((0, "h", 1), (1, "W", 1), *[x for k in range(1, m + 1) for x in ((1, f"L{k}", -1), (1 + k, f"L{k}", 1))]),
        )
    return (
        lambda m: (f(), g(), *[g(0, (1, f"E{k}", sign)) for k in range(1, m + 1) for sign in (1, -1)]),
        lambda m: ((0, "h", 1), (1, "W", 1), *[x for k in range(1, m + 1) for x in ((2 * k, f"L{k}", 0.5), (2 * k + 1, f"L{k}", -0.5))]),
    )


def _general_milstein(name: str, calculus: str, levy: bool) -> SRK:
    """With Levy areas the noise need not commute."""
    return SRK(name, calculus, ("additive", "general"), 1.0, *_columns(calculus), levy=levy)


GENERAL_MILSTEIN = {
    ("ito", False): _general_milstein("MilsteinCommutative", "ito", False),
    ("stratonovich", False): _general_milstein("MilsteinCommutativeStratonovich", "stratonovich", False),
    ("ito", True): _general_milstein("MilsteinGeneral", "ito", True),
    ("stratonovich", True): _general_milstein("MilsteinGeneralStratonovich", "stratonovich", True),
}
