"""Roessler's strong order 1.5 methods: SRI for diagonal and scalar noise, SRA for additive noise.

SRIW1, SRIW2, SRA1, SRA3: A. Roessler, SIAM J. Numer. Anal. 48 (2010) 922.  SOSRI, SOSRA: C. Rackauckas & Q. Nie, "Stability-optimized high
order methods and stiffness detection for pathwise stiff stochastic differential equations", IEEE HPEC 2020.  The tests check the order
conditions and measure the orders.  The estimate adds what the scheme has beyond drift of order 1 (E_1) and beyond noise of order 1 (E_2),
as in Rackauckas & Nie, DCDS-B 22 (2017) 2731.
"""

from __future__ import annotations

from sciad.solvers.sde.program import SRK, f, g

__all__ = ["SRIW1", "SRIW2", "SOSRI", "SRA1", "SRA3", "SOSRA"]


def _number(text: str) -> float:
    top, _, bottom = text.partition("/")
    return float(top) / float(bottom or 1)


def _rows(text: str) -> list[list[float]]:
    return [[_number(x) for x in row.split()] for row in text.split(";")]


def _used(coefficients: list[list[float]], rows: list[list[float]]) -> list[bool]:
    """Which stages anything depends on."""
    return [any(r[j] != 0 for r in coefficients) or any(len(r) > j and r[j] != 0 for r in rows) for j in range(len(coefficients[0]))]


def sri(name: str, c0: str, c1: str, a0: str, a1: str, b0: str, b1: str, alpha: str, beta: str) -> SRK:
    """The tables as printed: rows 2, 3, ... of A0, A1, B0, B1 below the diagonal, alpha, and beta (1) to (4)."""
    (c0_,), (c1_,), (weights,), betas = _rows(c0), _rows(c1), _rows(alpha), _rows(beta)
    a0_, a1_, b0_, b1_ = ([[]] + _rows(text) for text in (a0, a1, b0, b1))
    drift, noise = _used([weights], a0_ + a1_), _used(betas, b0_ + b1_)
    stages: list = []
    at: dict[tuple[str, int], int] = {}
    for s in range(len(weights)):
        f_terms = [(at["f", j], "h", a) for j, a in enumerate(a0_[s]) if a] + [(at["g", j], "Z", b) for j, b in enumerate(b0_[s]) if b]
        g_terms = [(at["f", j], "h", a) for j, a in enumerate(a1_[s]) if a] + [(at["g", j], "R", b) for j, b in enumerate(b1_[s]) if b]
        for wanted, kind, stage in ((drift, "f", f(c0_[s], *f_terms)), (noise, "g", g(c1_[s], *g_terms))):
            if wanted[s]:
                at[kind, s] = len(stages)
                stages.append(stage)
    end = [(at["f", s], "h", w) for s, w in enumerate(weights) if w]
    end += [(at["g", s], n, row[s]) for n, row in zip("WQZT", betas) for s in range(len(row)) if row[s]]
    beyond_drift = tuple((j, n, w - 1.0 if j == at["f", 0] else w) for j, n, w in end if n == "h")
    beyond_noise = tuple(term for term in end if term[1] in "ZT")
    return SRK(name, "ito", ("diagonal", "scalar"), 1.5, tuple(stages), tuple(end), (beyond_drift, beyond_noise), 1.5)


def sra(name: str, c0: str, c1: str, a0: str, b0: str, alpha: str, beta: str) -> SRK:
    """The tables as printed, with beta (1) for I1 and beta (2) for I10 / h."""
    (c0_,), (c1_,), (weights,), betas = _rows(c0), _rows(c1), _rows(alpha), _rows(beta)
    a0_, b0_ = [[]] + _rows(a0), [[]] + _rows(b0)
    count = len(c1_)
    stages = [g(c) for c in c1_]
    for s in range(len(weights)):
        terms = [(count + j, "h", a) for j, a in enumerate(a0_[s]) if a] + [(j, "Z", b) for j, b in enumerate(b0_[s]) if b]
        stages.append(f(c0_[s], *terms))
    end = [(count + s, "h", w) for s, w in enumerate(weights)]
    end += [(s, n, row[s]) for n, row in zip("WZ", betas) for s in range(len(row)) if row[s]]
    beyond_drift = tuple((j, n, w - 1.0 if j == count else w) for j, n, w in end if n == "h")
    beyond_noise = tuple(term for term in end if term[1] == "Z")
    return SRK(name, "both", ("additive",), 1.5, tuple(stages), tuple(end), (beyond_drift, beyond_noise), 1.5)


SRIW1 = sri(
    "SRIW1", c0="0 3/4 0 0", c1="0 1/4 1 1/4",
    a0="3/4; 0 0; 0 0 0", a1="1/4; 1 0; 1/4 0 0", b0="3/2; 0 0; 0 0 0", b1="1/2; -1 0; -5 3 1/2",
    alpha="1/3 2/3 0 0", beta="-1 4/3 2/3 0; -1 4/3 -1/3 0; 2 -4/3 -2/3 0; -2 5/3 -2/3 1",
)  # fmt: skip

SRIW2 = sri(
    "SRIW2", c0="0 1 1/2 0", c1="0 1/4 1 1/4",
    a0="1; 1/4 1/4; 0 0 0", a1="1/4; 1 0; 0 0 1/4", b0="0; 1 1/2; 0 0 0", b1="-1/2; 1 0; 2 -1 1/2",
    alpha="1/6 1/6 2/3 0", beta="-1 4/3 2/3 0; 1 -4/3 1/3 0; 2 -4/3 -2/3 0; -2 5/3 -2/3 1",
)  # fmt: skip

SOSRI = sri(
    "SOSRI",
    c0="0 -0.04199224421316468 0.7898405466170333 3.7504010171562823", c1="0 0.26204282091330466 0.05879875232001766 0.758661169101175",
    a0="-0.04199224421316468; 2.842612915017106 -2.0527723684000727; 4.338237071435815 -2.8895936137439793 2.3017575594644466",
    a1="0.26204282091330466; 0.20903646383505375 -0.1502377115150361; 0.05836595312746999 0.6149440396332373 0.08535117634046772",
    b0="-0.21641093549612528; 1.5336352863679572 0.26066223492647056; -1.0536037558179159 1.7015284721089472 -0.20725685784180017",
    b1="-0.5119011827621657; 2.67767339866713 -4.9395031322250995; 0.15580956238299215 3.2361551006624674 -1.4223118283355949",
    alpha="1.140099274172029 -0.6401334255743456 0.4736296532772559 0.026404498125060714",
    beta="-1.8453464565104432 2.688764531100726 -0.2523866501071323 0.40896857551684956;"
    "0.4969658141589478 -0.5771202869753592 -0.12919702470322217 0.2093514975196336;"
    "2.8453464565104425 -2.688764531100725 0.2523866501071322 -0.40896857551684945;"
    "0.11522663875443433 -0.57877086147738 0.2857851028163886 0.17775911990655704",
)

SRA1 = sra("SRA1", c0="0 3/4", c1="1 0", a0="3/4", b0="0 3/2", alpha="1/3 2/3", beta="1 0; -1 1")

SRA3 = sra("SRA3", c0="0 1 1/2", c1="1 0", a0="1; 1/4 1/4", b0="0 0; 1 1/2", alpha="1/6 1/6 2/3", beta="1 0; -1 1")

SOSRA = sra(
    "SOSRA", c0="0 0.6923962376159507 1", c1="0 0.041248171110700504 1",
    a0="0.6923962376159507; -3.1609142252828395 4.1609142252828395", b0="1.3371632704399763; 1.442371048468624 1.8632741501139225",
    alpha="0.2889874966892885 0.6859880440839937 0.025024459226717772",
    beta="-16.792534242221663 17.514995785380226 0.27753845684143835; 0.4237535769069274 0.6010381474428539 -1.0247917243497813",
)  # fmt: skip
