"""Where the numbers of `tables.py` come from: weighted minimax fits by Remez exchange in mpmath.

``python -m sciad.vmath.fit > tables.py`` writes the table anew (half a minute; needs mpmath, which sciad itself does not).
Nothing here is used when sciad runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import mpmath as mp

mp.mp.prec = 240


class Fit(NamedTuple):
    """Find doubles c so that ``sum(c[k] * u**k)`` is near `target` (a function of u) on [low, high].

    The largest ``weight(u) * (target(u) - sum)`` is made small; with the right weight this is the error of the function
    that uses the polynomial, relative to that function's value.
    """

    comment: str
    target: Callable
    weight: Callable
    low: object
    high: object
    degree: int


def horner(coefficients: list, u) -> object:
    """``c[0] + c[1] u + ...`` in many digits."""
    value = mp.mpf(0)
    for c in reversed(coefficients):
        value = value * u + c
    return value


def remez(fit: Fit, fixed: list, grid: list) -> tuple[list, object]:
    """Coefficients after the `fixed` leading ones, and the largest weighted error on the grid ``[(u, target, weight), ...]``."""
    free = fit.degree + 1 - len(fixed)
    first = len(fixed)
    rest = [f - horner(fixed, u) if fixed else f for u, f, _ in grid]
    picks = [round((len(grid) - 1) * i / free) for i in range(free + 1)] if free else []  # grid is already Chebyshev-spaced
    coefficients: list = []
    for _ in range(12):
        if not free:
            break
        matrix = mp.matrix(free + 1, free + 1)
        right = mp.matrix(free + 1, 1)
        for i, g in enumerate(picks):
            u, _, w = grid[g]
            for k in range(free):
                matrix[i, k] = w * u ** (first + k)
            matrix[i, free] = (-1) ** i
            right[i] = w * rest[g]
        solution = mp.lu_solve(matrix, right)
        coefficients = [solution[k] for k in range(free)]
        errors = [w * (r - u**first * horner(coefficients, u)) for (u, _, w), r in zip(grid, rest)]
        picks_new = _alternation(errors, free + 1)
        if picks_new is None or picks_new == picks:
            break
        picks = picks_new
    everything = fixed + coefficients
    return coefficients, max(abs(w * (f - horner(everything, u))) for u, f, w in grid)


def _alternation(errors: list, count: int) -> list | None:
    """Indices of `count` extrema of alternating sign."""
    runs: list[int] = []
    for i, e in enumerate(errors):
        if runs and (errors[runs[-1]] > 0) == (e > 0):
            if abs(e) > abs(errors[runs[-1]]):
                runs[-1] = i
        else:
            runs.append(i)
    while len(runs) > count:  # drop the smallest at an end, or the smallest neighbouring pair inside
        if len(runs) == count + 1:
            runs.pop(0 if abs(errors[runs[0]]) < abs(errors[runs[-1]]) else -1)
        else:
            j = min(range(len(runs) - 1), key=lambda j: max(abs(errors[runs[j]]), abs(errors[runs[j + 1]])))
            del runs[j : j + 2]
    return runs if len(runs) == count else None


def solve(fit: Fit) -> tuple[list[float], object]:
    """The fit with coefficients rounded to doubles, all at once or one after the other with new fits between; the better of the two."""
    n = 24 * (fit.degree + 2)
    middle, half = (fit.low + fit.high) / 2, (fit.high - fit.low) / 2
    points = [middle - half * mp.cos(mp.pi * (2 * i + 1) / (2 * n)) for i in range(n)]
    grid = [(u, fit.target(u), fit.weight(u)) for u in points]
    at_once = [mp.mpf(float(c)) for c in remez(fit, [], grid)[0]]
    in_turn: list = []
    while len(in_turn) <= fit.degree:
        in_turn.append(mp.mpf(float(remez(fit, in_turn, grid)[0][0])))
    results = [(max(abs(w * (f - horner(c, u))) for u, f, w in grid), c) for c in (at_once, in_turn)]
    error, best = min(results, key=lambda pair: pair[0])
    return [float(c) for c in best], error


def split(value, *, parts: int = 2, bits: int = 53) -> list[float]:
    """Doubles whose sum is `value` to about ``53 * parts`` bits; all but the last have at most `bits` bits."""
    out = []
    for i in range(parts):
        if i < parts - 1 and bits < 53:
            scale = mp.mpf(2) ** (bits - 1 - mp.floor(mp.log(abs(value), 2)))
            piece = mp.nint(value * scale) / scale
        else:
            piece = mp.mpf(float(value))
        out.append(float(piece))
        value = value - piece
    return out


ln2 = mp.log(2)
half_ln2 = ln2 / 2 * mp.mpf("1.0005")
quarter_pi = mp.pi / 4 * mp.mpf("1.0005")
log_s = mp.mpf("0.2001")  # (sqrt(2) - 1) / (sqrt(2) + 1) is 0.172; the room costs no term


def erfcx(x):
    """``e**(x**2) erfc(x)``"""
    return mp.erfc(x) * mp.exp(x * x)


def sq(x):
    """Square root; the fits in u = r**2 speak of r."""
    return mp.sqrt(x)


tiny = mp.mpf("1e-12")
half = mp.mpf("0.5")

FITS = {
    "EXP": Fit(
        "(e**r - 1 - r) / r**2, relative to e**r",
        lambda r: (mp.expm1(r) - r) / r**2, lambda r: r**2 / mp.exp(r), -half_ln2, half_ln2, 9,
    ),
    "EXPM1": Fit(
        "(e**r - 1 - r) / r**2, relative to e**r - 1",
        lambda r: (mp.expm1(r) - r) / r**2, lambda r: r**2 / mp.expm1(r), -half_ln2, half_ln2, 10,
    ),
    "EXP2": Fit(
        "(2**r - 1) / r, relative to 2**r",
        lambda r: (mp.mpf(2) ** r - 1) / r, lambda r: r / mp.mpf(2) ** r, -half, half, 11,
    ),
    "SINH": Fit(
        "(sinh r - r) / r**3 in u = r**2, relative to sinh r",
        lambda u: (mp.sinh(sq(u)) - sq(u)) / sq(u) ** 3, lambda u: sq(u) ** 3 / mp.sinh(sq(u)), tiny, (ln2 * mp.mpf("0.7005")) ** 2, 5,
    ),
    "COSH": Fit(
        "(cosh r - 1) / r**2 in u = r**2, relative to cosh r",
        lambda u: (mp.cosh(sq(u)) - 1) / u, lambda u: u / mp.cosh(sq(u)), tiny, (ln2 * mp.mpf("0.7005")) ** 2, 5,
    ),
    "LOG": Fit(
        "(2 atanh(s) - 2 s) / s**3 in u = s**2, relative to 2 atanh(s)",
        lambda u: (2 * mp.atanh(sq(u)) - 2 * sq(u)) / sq(u) ** 3, lambda u: sq(u) ** 3 / (2 * mp.atanh(sq(u))), tiny, log_s**2, 7,
    ),
    "ATANH": Fit(
        "(2 atanh(s) - 2 s - 2/3 s**3) / s**5 in u = s**2, relative to 2 atanh(s)",
        lambda u: (2 * mp.atanh(sq(u)) - 2 * sq(u) - 2 * sq(u) ** 3 / 3) / sq(u) ** 5,
        lambda u: sq(u) ** 5 / (2 * mp.atanh(sq(u))), tiny, log_s**2, 7,
    ),
    "SIN": Fit(
        "(sin r - r) / r**3 in u = r**2, relative to sin r",
        lambda u: (mp.sin(sq(u)) - sq(u)) / sq(u) ** 3, lambda u: sq(u) ** 3 / mp.sin(sq(u)), tiny, quarter_pi**2, 5,
    ),
    "COS": Fit(
        "(cos r - 1 + r**2/2) / r**4 in u = r**2, relative to cos r",
        lambda u: (mp.cos(sq(u)) - 1 + u / 2) / u**2, lambda u: u**2 / mp.cos(sq(u)), tiny, quarter_pi**2, 5,
    ),
    "TAN": Fit(
        "(tan r - r) / r**3 in u = r**2, relative to tan r",
        lambda u: (mp.tan(sq(u)) - sq(u)) / sq(u) ** 3, lambda u: sq(u) ** 3 / mp.tan(sq(u)), tiny, quarter_pi**2, 13,
    ),
    "ERF": Fit(
        "erf(x) / x - TWO_OVER_SQRT_PI in u = x**2, relative to erf(x) / x",
        lambda u: mp.erf(sq(u)) / sq(u) - float(2 / sq(mp.pi)), lambda u: sq(u) / mp.erf(sq(u)), tiny, mp.mpf("0.3601"), 9,
    ),
    "GELU": Fit(
        "(Phi(x) - 1/2) / x - GELU_SLOPE in u = x**2, relative to itself",
        lambda u: mp.erf(sq(u / 2)) / 2 / sq(u) - float(1 / sq(2 * mp.pi)),
        lambda u: 2 * sq(u) / mp.erf(sq(u / 2)), tiny, mp.mpf("0.7226"), 9,
    ),
}  # fmt: skip

#: name: (comment, function of a, weight relative to what, low, high, shift k, degree)
TAILS = {
    "ERF_TAIL": ("erfcx(a) (a + 9/16) for erf", erfcx, lambda a: mp.erf(a) / mp.erfc(a), "0.6", "6", 0.5625, 4, 13),
    "ERFC_TAIL": ("erfcx(a) (a + 9/16) for erfc", erfcx, lambda a: 1, "0.6", "28", 0.5625, 3.5, 21),
    "GELU_TAIL": ("erfcx(a / sqrt(2)) / 2 (a + 13/16) for gelu", lambda a: erfcx(a / sq(2)) / 2, lambda a: 1, "0.85", "40", 0.8125, 5, 21),
}


def solve_tail(comment, function, relative, low, high, near, shift, degree):
    """Constants c and b such that ``u = c + b / (a + shift)`` runs over about [-1, 1], and the fit in u.

    c is chosen among many such that the constant coefficient, the target at u = 0, happens to be nearly a double.
    """
    ends = [1 / (mp.mpf(end) + shift) for end in (high, low)]
    b = mp.mpf(float(2 / (ends[1] - ends[0])))
    middle = -(ends[0] + ends[1]) / (ends[1] - ends[0])

    def rounding(c):
        value = function(-b / c - shift) * (-b / c - shift + near)
        return abs(float(value) / value - 1)

    c = min((mp.mpf(float(middle * (1 + mp.mpf(i) / 2**20))) for i in range(500)), key=rounding)

    def a_of(u):
        return b / (u - c) - shift

    def target(u):
        return function(a_of(u)) * (a_of(u) + near)

    def weight(u):
        return 1 / (target(u) * relative(a_of(u)))

    fit = Fit(comment, target, weight, c + b * ends[0], c + b * ends[1], degree)
    return float(c), float(b), *solve(fit)


def _show(name: str, values: list, comment: str) -> None:
    print(f"#: {comment}")
    print(f"{name} = (" + "".join(f"\n    {v!r}," for v in values) + "\n)")


def _constants() -> None:
    print(f"INV_LN2 = {float(1 / ln2)!r}")
    _show("LN2", split(ln2), "ln 2")
    _show("LN2_SHORT", split(ln2, bits=42), "ln 2 with room for a factor of 11 bits")
    _show("LOG2_E", split(1 / ln2), "1 / ln 2")
    _show("LOG10_E", split(1 / mp.log(10)), "1 / ln 10")
    _show("LOG10_2", split(mp.log(2, 10), bits=42), "log10 2")
    _show("TWO_THIRDS", split(mp.mpf(2) / 3), "2/3")
    print(f"TWO_OVER_SQRT_PI = {float(2 / sq(mp.pi))!r}")
    print(f"GELU_SLOPE = {float(1 / sq(2 * mp.pi))!r}")
    _show("HALF_PI", [math.ldexp(c, -62) for c in split(mp.pi / 2)], "pi/2 * 2**-62")
    with mp.workprec(1600):
        digits = f"{int(mp.nint(2 / mp.pi * mp.mpf(2) ** 1408)):0352x}"
    print("#: 2 / pi: 1408 bits after the point")
    print("TWO_OVER_PI = (" + "".join(f'\n    "{digits[k : k + 88]}"' for k in range(0, 352, 88)) + "\n)")


def main() -> None:
    """Print the whole of `tables.py`."""
    print('"""Constants and polynomials; written by `fit.py`, which says what each is."""\n')
    _constants()
    for name, fit in FITS.items():
        c, e = solve(fit)
        _show(name, c, f"{fit.comment}; 2**{float(mp.log(e, 2)):.1f}")
    for name, tail in TAILS.items():
        c, b, coefficients, e = solve_tail(*tail)
        _show(f"_{name}", coefficients, f"{tail[0]}; 2**{float(mp.log(e, 2)):.1f}")
        print(f"{name} = ({tail[5]!r}, {float(tail[6])!r}, {c!r}, {b!r}, _{name})")


if __name__ == "__main__":
    main()
