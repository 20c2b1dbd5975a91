"""Pieces of source that step, transposed step and tangent step share: where their vectors are, noises, sums of terms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sciad.solvers.sde.program import SRK, Evaluation, Terms

__all__ = ["Plan", "kernel_sizes", "takes_many"]

#: Addresses that are the same for all paths that a step takes at once.
SHARED = {"p", "q", "p_bar", "q_bar", "t_bar"}

#: Componentwise noises in terms of the increment w, the Levy area z0 = H, root = sqrt |h| and size = |h|.
COMPONENTWISE = {
    "R": "root", "W": "w", "Z": "(0.5 * w + z0)",
    "Q": "(0.5 * (w * w - {ito} * size) * per_root)", "T": "(w * (w * w - {three} * size) * (per_root * per_root / 6.0))",
}  # fmt: skip


def kernel_sizes(method: SRK, m: int) -> tuple[int, int]:
    """n and m that a kernel is compiled for: any n (0), and any m (0) unless the table depends on it."""
    return 0, m if callable(method.evaluations) else 0


def takes_many(method: Any, shape: str) -> bool:
    """Whether the step kernels take several paths at once: loops over all their components then fill whole vector registers."""
    return isinstance(method, SRK) and shape != "matrix" and not method.implicit


class Plan:
    """Layout of the scratch memory of one method for one shape of noise ("diagonal", "scalar" or "matrix"), and source over it.

    Vectors are named x<s> (points), k<s> (evaluations), v<noise> (noise vectors) and p<s><noise> (products of a matrix with a noise).
    A state is `copies` vectors of n; where a step takes COUNT paths at once, n counts the components of all of them, and `width` of one.
    Scalar noise is spread over the components first, and then is diagonal noise.
    """

    copies = 1

    def __init__(self, method: SRK, shape: str, m: int, n: int) -> None:
        self.method, self.shape, self.m, self.n = method, shape, m, n
        self.stages, self.end = method.tables(m)
        self.matrix, self.many = shape == "matrix", takes_many(method, shape) and self.copies == 1
        self.vectors: list[tuple[str, str]] = []  # (name, size as source)
        everything = [e.terms for e in self.stages] + [self.end, *method.error]
        uses = sorted({(j, noise) for terms in everything for j, noise, _ in terms if self.stages[j].of == "g"})
        self._check({noise for _, noise in uses})
        self.uses = {j: [noise for k, noise in uses if k == j] for j in range(len(self.stages))}
        for s, stage in enumerate(self.stages):
            if stage.terms or stage.gamma:
                self.add(f"x{s}", "n")
            if stage.gamma:
                self.add(f"base{s}", "n")
            self.add(f"k{s}", "nm" if stage.of == "g" and self.matrix else "n")
        if shape == "scalar":
            self.add("spread", "n")
            if method.areas:
                self.add("spread_area", "n")
        if self.matrix:
            for noise in self.vector_noises:
                self.add(f"v{noise}", "m")
            for j, noise in uses:
                self.add(f"p{j}{noise}", "n")
        if method.implicit:
            self.add("lu", "n * n")
            self.add("update", "n")
            self.add("pivot", "n")

    def _check(self, noises: set[str]) -> None:
        for noise in sorted(noises):
            if noise[0] not in ("WZEL" if self.matrix else "RWZQT"):
                raise ValueError(f"method {self.method.name} multiplies the diffusion by {noise!r}, which {self.shape} noise does not have")

    def add(self, name: str, size: str) -> None:
        """Reserve one more vector."""
        self.vectors.append((name, size))

    @property
    def vector_noises(self) -> list[str]:
        """Noises that need a vector of their own: all but the increment itself and single columns."""
        return sorted({noise for noises in self.uses.values() for noise in noises if noise[0] in "ZL"})

    def size(self) -> int:
        """Entries of scratch memory."""
        names = {"n": self.n, "m": self.m, "nm": self.n * self.m}
        return sum(eval(size, names) for _, size in self.vectors) + 8

    def used(self, s: int) -> bool:
        """Whether the step depends on evaluation s; if not, only its error estimate does."""
        return any(j == s for terms in [self.end, *[e.terms for e in self.stages]] for j, _, _ in terms)

    # -- source ------------------------------------------------------------------------------------------------------------------
    def header(self, *names: str) -> list[str]:
        """Load slots into local names, and find the vectors."""
        wanted = ("F", "G", "P", "Q", "M", "Y", "DW", "AREA", "LEVY", "WORK", *names)
        lines = [f"    {name.lower()} = get_int(slots, {name})" for name in wanted]
        lines += [f"    n = get_int(slots, N) // {self.copies}"]
        lines += [f"    width, count = n, {'get_int(slots, COUNT)' if self.many else 1}", "    n = width * count"]
        lines += ["    nm = n * m", "    size = abs(h)", "    root = math.sqrt(size)", "    per_root = 1.0 / root"]
        offset: list[str] = ["work"]
        for name, size in self.vectors:
            lines.append(f"    {name} = {' + '.join(offset)}")
            offset = [name, f"8 * ({size})"]
        if self.shape == "scalar":
            lines += self._spread("dw", "spread") + (self._spread("area", "spread_area") if self.method.areas else [])
        for noise in self.vector_noises if self.matrix else ():
            lines += self._noise_vector(noise)
        return lines

    def _spread(self, source: str, target: str) -> list[str]:
        store = f"            put({target}, c * width + i, get({source}, c))"
        return ["    for c in range(count):", "        for i in range(width):", store, f"    {source} = {target}"]

    def _noise_vector(self, noise: str) -> list[str]:
        if noise == "Z":
            return ["    for j in range(m):", "        put(vZ, j, 0.5 * get(dw, j) + get(area, j))"]
        k = int(noise[1:]) - 1
        ito = [f"    put(v{noise}, {k}, get(v{noise}, {k}) - 0.5 * size * per_root)"] if self.method.calculus == "ito" else []
        levy = [f"    for j in range(m):\n        put(v{noise}, j, get(v{noise}, j) + get(levy, {k} * m + j) * per_root)"]
        return [
            "    for j in range(m):", f"        put(v{noise}, j, 0.5 * get(dw, {k}) * get(dw, j) * per_root)", *ito,
            *(levy if self.method.levy else []),
        ]  # fmt: skip

    def noise(self, name: str) -> str:
        """A noise as an expression of w and z0."""
        ito = self.method.calculus == "ito"
        return COMPONENTWISE[name].format(ito=1.0 if ito else 0.0, three=3.0 if ito else 0.0)

    def point(self, s: int) -> str:
        """Name of the point of evaluation s."""
        return f"x{s}" if self.stages[s].terms or self.stages[s].gamma else "y"

    def time(self, s: int) -> str:
        """Time of evaluation s, as source."""
        c = self.stages[s].c
        return "t" if c == 0 else f"t + {c!r} * h"

    def call(self, function: str, at: str, *addresses: str) -> list[str]:
        """A call of a C function at a time, for every path that is taken; its failure ends the step with 1 + the path's place."""
        if not self.many:
            return checked(f"call_address({', '.join((function, at, *addresses))})")
        moved = [a if a in SHARED or a.startswith("tapes") else f"{a} + 8 * width * c" for a in addresses]
        call = f"call_address({', '.join((function, at, *moved))})"
        return ["for c in range(count):", f"    if {call} != 0:", "        return 1 + c"]

    def loads(self, terms: Iterable[Terms]) -> list[str]:
        """Lines inside a loop over components that load what componentwise noises need."""
        if self.matrix:
            return []
        noises = {noise for part in terms for _, noise, _ in part}
        lines = ["w = get_apart(dw, i)"] if noises & {"W", "Q", "T", "Z"} else []
        return lines + (["z0 = get_apart(area, i)"] if "Z" in noises else [])

    def sum(self, terms: Terms, suffix: str = "") -> str:
        """Source of sum of terms at component i; `suffix` names other vectors of evaluations ("_dot")."""
        groups: dict[str, list[str]] = {}
        for j, noise, a in terms:
            if noise == "h":
                groups.setdefault("h", []).append(f"{a!r} * get_apart(k{j}{suffix}, i)")
            elif self.matrix:
                groups.setdefault("", []).append(f"{a!r} * get(p{j}{noise}{suffix}, i)")
            else:
                groups.setdefault(self.noise(noise), []).append(f"{a!r} * get_apart(k{j}{suffix}, i)")
        parts = [f"{factor} * ({' + '.join(inner)})" if factor else " + ".join(inner) for factor, inner in groups.items()]
        return " + ".join(parts) or "0.0"

    def products(self, s: int, suffix: str = "") -> list[str]:
        """Multiply the matrix of evaluation s with the noises that it is used with."""
        lines: list[str] = []
        for noise in self.uses[s] if self.matrix else ():
            target = f"p{s}{noise}{suffix}"
            if noise[0] == "E":
                lines += ["for i in range(n):", f"    put({target}, i, root * get(k{s}{suffix}, i * m + {int(noise[1:]) - 1}))"]
                continue
            vector = "dw" if noise == "W" else f"v{noise}"
            lines += [
                "for i in range(n):", "    total = 0.0", "    for j in range(m):",
                f"        total = fast_add(total, get(k{s}{suffix}, i * m + j) * get({vector}, j))", f"    put({target}, i, total)",
            ]  # fmt: skip
        return lines

    def move(self, s: int) -> list[str]:
        """Compute the point of evaluation s (for an implicit one, without its own part)."""
        stage = self.stages[s]
        if not (stage.terms or stage.gamma):
            return []
        target = f"base{s}" if stage.gamma else f"x{s}"
        total = f"get_apart(y, i) + {self.sum(stage.terms)}" if stage.terms else "get_apart(y, i)"
        return ["for i in range(n):", *[f"    {line}" for line in self.loads([stage.terms])], f"    put_apart({target}, i, {total})"]

    def solve(self, s: int) -> list[str]:
        """Newton's iteration for an implicit evaluation; leaves f(x) in its k."""
        stage: Evaluation = self.stages[s]
        return [
            f"if newton({self.time(s)}, {stage.gamma!r} * h, n, f, jac, p, base{s}, x{s}, k{s}, lu, update, pivot) != 0:",
            "    return 2",
        ]  # fmt: skip


def indent(lines: Iterable[str], by: int = 4) -> list[str]:
    """Lines moved to the right."""
    return [" " * by + part for line in lines for part in line.split("\n")]


def checked(call: str) -> list[str]:
    """A call of a C function whose status ends the step."""
    return [f"if {call} != 0:", "    return 1"]
