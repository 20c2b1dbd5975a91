"""Integer values as polynomials in what they are made of, and proofs that such a polynomial is never negative.

A polynomial is a dict from monomials (sorted tuples of values) to coefficients.  A loop's trip number k lies in 0..n-1; array lengths are
not negative; inside a loop its number of trips is at least one.  Proofs replace trip numbers by the end of their range where the
polynomial is least.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from sciad.ir import Op, Value
from sciad.types import I8

__all__ = ["Polynomial", "Facts", "by_degree", "clipped", "combine", "times"]

Polynomial = dict[tuple[Value, ...], int | Fraction]

_MAX_TERMS, _MAX_DEGREE, _MAX_DEPTH = 24, 4, 12


def combine(a: Polynomial, b: Polynomial, factor: int = 1) -> Polynomial:
    """``a + factor * b``"""
    out = dict(a)
    for monomial, c in b.items():
        total = out.get(monomial, 0) + factor * c
        if total:
            out[monomial] = total
        else:
            out.pop(monomial, None)
    return out


def times(a: Polynomial, b: Polynomial) -> Polynomial:
    """The product of two polynomials."""
    out: Polynomial = {}
    for p, c in a.items():
        for q, d in b.items():
            monomial = tuple(sorted((*p, *q), key=_number))
            out[monomial] = out.get(monomial, 0) + c * d
    return {m: c for m, c in out.items() if c}


def _number(v: Value) -> int:
    return v.number


class Facts:
    """What is known of integers at one place: the loops around it, and values that are never negative."""

    def __init__(self, nonnegative: Iterable[Value] = ()) -> None:
        self.at_least: dict[Value, int] = dict.fromkeys(nonnegative, 0)
        self.trips: dict[Value, Polynomial] = {}  # trip number -> number of trips of its loop
        self._forms: dict[Value, Polynomial] = {}

    # -- scopes ----------------------------------------------------------------------------------------------------------------
    def enter(self, loop: Op) -> list:
        """Note the facts of a `for`; give the result to `leave`."""
        n, k = loop.args[0], loop.regions[0].params[0]
        inside = clipped(n)
        undo = [(n, self.at_least.get(n)), (inside, self.at_least.get(inside)), (k, self.at_least.get(k))]
        self.trips[k] = self.form(inside)
        self.at_least[k] = 0
        self.at_least_one_trip(loop)
        return undo

    def at_least_one_trip(self, loop: Op) -> None:
        """Note that the body of a loop runs."""
        for v in (loop.args[0], clipped(loop.args[0])):
            self.at_least[v] = max(1, self.at_least.get(v, 1))

    def leave(self, undo: list) -> None:
        """Forget what holds only inside the loop."""
        for v, before in reversed(undo):
            if before is None:
                self.at_least.pop(v, None)
            else:
                self.at_least[v] = before

    # -- forms -----------------------------------------------------------------------------------------------------------------
    def form(self, v: Value) -> Polynomial:
        """The polynomial of an integer value."""
        found = self._forms.get(v)
        if found is None:
            found = self._forms[v] = self._form(v)
        return found

    def _form(self, v: Value) -> Polynomial:
        if v.constant is not None:
            return {(): int(v.constant)} if v.constant else {}
        op = v.op
        if op is not None and op.name == "right_shift" and op.args[1].constant == 1 and _is_pair(self.form(op.args[0])):
            return {m: Fraction(c, 2) for m, c in self.form(op.args[0]).items()}
        if op is not None and v.type == I8 and op.name in ("add", "subtract", "multiply", "negative"):
            forms = [self.form(a) for a in op.args]
            if op.name == "negative":
                return combine({}, forms[0], -1)
            if op.name != "multiply":
                found = combine(forms[0], forms[1], 1 if op.name == "add" else -1)
            else:
                found = times(*forms)
            if len(found) <= _MAX_TERMS and all(len(m) <= _MAX_DEGREE for m in found):
                return found
        return {(v,): 1}

    # -- proofs ----------------------------------------------------------------------------------------------------------------
    def nonnegative(self, p: Polynomial, depth: int = 0) -> bool:
        """Whether the polynomial is proved to be >= 0."""
        if self._clearly(p):
            return True
        if depth > _MAX_DEPTH:
            return False
        for k in self._variables(p):
            parts = by_degree(p, k)
            if len(parts) <= 3:
                return self._over_range(k, *parts, *[{}] * (3 - len(parts)), depth=depth + 1)  # type: ignore[arg-type, misc]
        return False

    def _over_range(self, k: Value, rest: Polynomial, slope: Polynomial, square: Polynomial, depth: int) -> bool:
        """Whether ``rest + slope k + square k**2 >= 0`` for all k of a loop: at one end, or at both where the parabola opens downwards."""
        if square and not self.nonnegative(combine({}, square, -1), depth):
            return False
        if not square and self.nonnegative(slope, depth):
            return self.nonnegative(rest, depth)
        if not square and not self.nonnegative(combine({}, slope, -1), depth):
            return False
        last = combine(self.trips[k], {(): 1}, -1)
        at_end = combine(combine(rest, times(slope, last)), times(square, times(last, last)))
        return self.nonnegative(at_end, depth) and (not square or self.nonnegative(rest, depth))

    def _clearly(self, p: Polynomial) -> bool:
        """Whether p has no negative term, written in what each value is above its least one."""
        if any(v not in self.at_least for m, c in p.items() for v in m):
            return False
        above: Polynomial = {}
        for monomial, c in p.items():
            term: Polynomial = {(): c}
            for v in monomial:
                least = self.at_least[v]
                term = times(term, {(v,): 1, (): least} if least else {(v,): 1})
            above = combine(above, term)
        return all(c >= 0 for c in above.values())

    def _variables(self, p: Polynomial) -> list[Value]:
        """Trip numbers in the polynomial, those of inner loops first."""
        found = {v for monomial in p for v in monomial if v in self.trips}
        return sorted(found, key=_number, reverse=True)

    def different(self, i: Value, j: Value) -> bool:
        """Whether two indices are proved to differ in one and the same trip."""
        return self.nonzero(combine(self.form(i), self.form(j), -1))

    def nonzero(self, p: Polynomial) -> bool:
        """Whether the polynomial is proved not to be zero: by its sign, or since what it leaves when divided by a row's length is not."""
        if len(p) == 1 and () in p:
            return True
        return self._within(p, None) or any(self._within(_rest(p, row), row) for row in _rows(p))

    def _within(self, p: Polynomial, row: Value | int | None) -> bool:
        """Whether ``0 < p < row`` or ``0 < -p < row``."""
        length: Polynomial | None = None if row is None else {(): row} if isinstance(row, int) else {(row,): 1}
        for q in (p, combine({}, p, -1)):
            if self.nonnegative(combine(q, {(): 1}, -1)):
                return length is None or self.nonnegative(combine(combine(length, q, -1), {(): 1}, -1))
        return False


def by_degree(p: Polynomial, k: Value) -> list[Polynomial]:
    """The coefficients of the powers of k."""
    out: list[Polynomial] = [{}]
    for monomial, c in p.items():
        degree = monomial.count(k)
        out += [{} for _ in range(degree + 1 - len(out))]
        out[degree][tuple(v for v in monomial if v is not k)] = c
    return out


def _rows(p: Polynomial) -> list[Value | int]:
    """What may be the length of a row: a factor of some term of an index but not of all."""
    numbers = {abs(int(c)) for m, c in p.items() if m and abs(c) > 1 and c.denominator == 1}
    values = {v for m in p for v in m if len(m) > 1}
    return [*sorted(numbers), *sorted(values, key=_number)]


def _rest(p: Polynomial, row: Value | int) -> Polynomial:
    """What is left when multiples of the length of a row are taken out."""
    if isinstance(row, int):  # 49 k is k in rows of 48
        left = {m: c - row * round(Fraction(c) / row) if c.denominator == 1 else c for m, c in p.items()}
        return {m: c for m, c in left.items() if c}
    return {m: c for m, c in p.items() if row not in m or c.denominator != 1}


def _is_pair(p: Polynomial) -> bool:
    """Whether p is ``k (k - 1)`` (or ``k (k + 1)``), of which half is an integer."""
    found = sorted((len(m), c) for m, c in p.items())
    names = {v for m in p for v in m}
    return len(names) == 1 and found in ([(1, -1), (2, 1)], [(1, 1), (2, 1)])


def clipped(n: Value) -> Value:
    """``x`` of ``max(x, 0)``: what a number of trips is inside its loop, where it is not zero."""
    op = n.op
    if op is not None and op.name == "maximum" and op.args[1].constant == 0:
        return op.args[0]
    return n


