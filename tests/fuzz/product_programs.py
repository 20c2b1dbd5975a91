"""Random programs around loops that are matrix products, and around loops that only look like it.

Operands and targets are drawn from the same arrays, aliases and views included; bounds may be triangular, indices reversed or wrapped, sums
may stop early, be read on the way, or stand under a branch.
"""

from __future__ import annotations

import random

from fuzz.programs import Writer

__all__ = ["ProductWriter", "product_program"]


class ProductWriter(Writer):
    """Writes a program in which every other statement is a nest of loops over products."""

    def statement(self) -> None:
        if self.budget > 0 and self.depth < 4 and self.chance(0.5):
            self.budget -= 2
            kinds = ["vector", "vector", "matrix", "update", "update", "layers", "network", "network", "handed"]
            getattr(self, "_product_" + self.rng.choice(kinds))()
        else:
            super().statement()

    # -- parts -------------------------------------------------------------------------------------------------------------------
    def trips(self, n: int, outer: str | None = None) -> str:
        """A range of n trips, sometimes a shorter one that depends on an outer loop."""
        if outer is not None and self.chance(0.1):
            return self.rng.choice([f"range({outer} + 1)", f"range({outer}, {n})"])
        unknown = {3: ["m.shape[0]", "n"], 5: ["x.shape[0]", "len(x)"]}[n] if self.main else []
        count = self.rng.choice([str(n), *unknown, *unknown])
        return self.rng.choice([f"range({count})"] * 6 + [f"range({count} - 1, -1, -1)", f"range(1, {count})"])

    def at(self, k: str, n: int) -> str:
        """An index that moves with k, seldom otherwise than k itself."""
        return self.rng.choice([k] * 10 + [f"{n - 1} - {k}", f"-1 - {k}", f"({k} + 1) % {n}", f"min({k}, 2)"])

    def named(self, shape: tuple[int, ...]) -> str:
        """An array in scope of this shape, or a new one."""
        names = [a for a, s in self.scope.arrays.items() if s == shape]
        if names and self.chance(0.75):
            return self.rng.choice(names)
        name = self.fresh("u")
        if names and self.chance(0.4):
            self.put(f"{name} = {self.rng.choice(names)}{self.rng.choice(['', '[::-1]', '.copy()'])}")
        else:
            self.put(f"{name} = np.sin({self.array(shape, 1)})")
        self.scope.arrays[name] = shape
        return name

    def element(self, matrix: str, shape: tuple[int, int], i: str, j: str) -> str:
        return f"{matrix}[{self.at(i, shape[0])}, {self.at(j, shape[1])}]"

    # -- nests -------------------------------------------------------------------------------------------------------------------
    def _product_vector(self) -> None:
        """A matrix times a vector, row by row or column by column."""
        across = self.chance(0.5)
        rows, columns = (5, 3) if across else (3, 5)
        a, v, y = self.named((3, 5)), self.named((columns,)), self.named((rows,))
        j, k, s = self.fresh("i"), self.fresh("i"), self.fresh("s")
        with self.block(f"for {j} in {self.trips(rows)}:"):
            if self.chance(0.12):
                self.put(f"{self.rng.choice([v, y])}[{self.rng.randrange(3)}] = {self.real(1)}")
            self.put(f"{s} = {self.rng.choice(['0.0', self.real(1), f'{y}[{j}]'])}")
            self._sum(s, k, columns, j, self.element(a, (3, 5), *((k, j) if across else (j, k))), f"{v}[{self.at(k, columns)}]")
            self.put(f"{y}[{self.at(j, rows)}] = {self.rng.choice([s, f'math.tanh({s})', f'{s} * {self.real(1)}'])}")

    def _sum(self, s: str, k: str, n: int, outer: str, left: str, right: str) -> None:
        left, right = self.rng.choice([(left, right), (right, left)])
        branch = self.chance(0.1)
        if branch:
            self.put(f"if {self.condition(1)}:")
            self.depth += 1
        with self.block(f"for {k} in {self.trips(n, outer)}:"):
            self.put(f"{s} {self.rng.choice(['+=', '+=', '-='])} {left} * {right}")
            if self.chance(0.07):
                self.put(f"if abs({s}) > 0.7:")
                self.put("    break")
            if self.chance(0.07):
                self.put(f"{s} = math.sin({s})")
        if branch:
            self.depth -= 1

    def _product_matrix(self) -> None:
        """Two matrices: the sum innermost."""
        a, b, c = self.named((3, 5)), self.named((3, 5)), self.fresh("c")
        i, j, k, s = (self.fresh("i") for _ in range(4))
        self.put(f"{c} = np.zeros((3, 3))")
        with self.block(f"for {i} in {self.trips(3)}:"), self.block(f"for {j} in {self.trips(3, i)}:"):
            self.put(f"{s} = {self.rng.choice(['0.0', self.real(0)])}")
            self._sum(s, k, 5, j, self.element(a, (3, 5), i, k), self.element(b, (3, 5), j, k))
            self.put(f"{c}[{i}, {j}] = {s}")
            if self.chance(0.1):
                self.put(f"{self.rng.choice([a, b])}[{i}, {j}] = math.sin({s})")
        self._folded(c)

    def _product_update(self) -> None:
        """Products added to memory, the three loops in any order; the target may be an operand."""
        sums_rows = self.chance(0.5)
        a, b = self.named((3, 5)), self.named((3, 5))
        rows, inner = (5, 3) if sums_rows else (3, 5)
        c = self.fresh("c")
        self.put(f"{c} = np.full(({rows}, {rows}), {self.real(0)})")
        trips = {"i": rows, "j": rows, "k": inner}
        order = self.rng.sample(["i", "j", "k"], 3)
        names = {q: self.fresh("i") for q in order}
        left, right = ([(names["k"], names[q]) if sums_rows else (names[q], names["k"]) for q in "ij"])
        target = f"{c}[{self.at(names['i'], rows)}, {self.at(names['j'], rows)}]"
        if self.chance(0.1):
            target = self.element(self.rng.choice([a, b]), (3, 5), "0", "1")
        start = self.depth
        for position, q in enumerate(order):
            self.put(f"for {names[q]} in {self.trips(trips[q], names[order[position - 1]] if position else None)}:")
            self.depth += 1
        term = f"{self.element(a, (3, 5), *left)} * {self.element(b, (3, 5), *right)}"
        self.put(f"{target} {self.rng.choice(['+=', '+=', '+=', '-='])} {term}")
        self.depth = start
        self._folded(c)

    def _product_layers(self) -> None:
        """Vectors through one matrix, or two, one after the other."""
        x, w, i = self.named((3, 5)), self.named((3, 5)), self.fresh("i")
        v, y, h = self.named((3, 5)), self.fresh("c"), self.fresh("h")
        self.put(f"{y} = np.zeros((3, 5))")
        with self.block(f"for {i} in {self.trips(3)}:"):
            self.put(f"{h} = np.tanh({w} @ {x}[{self.at(i, 3)}])")
            if self.chance(0.1):
                self.put(f"{self.rng.choice([w, x])}[{i}, 1] = {h}[0]")
            self.put(f"{y}[{i}] = {self.rng.choice([f'{h} @ {v}', f'np.sin({v}.T @ {h})', f'{h}[1] * {v}[{i}]'])}")
        self._folded(y)

    def _product_network(self) -> None:
        """Two layers in plain loops; the array between them is shared by all samples, and not always written anew."""
        x, w, v = self.named((3, 5)), self.named((3, 5)), self.named((3, 5))
        h, y, total = self.fresh("u"), self.fresh("u"), self.fresh("s")
        i, j, k, s = (self.fresh("i") for _ in range(4))
        self.put(f"{h}, {y}, {total} = np.zeros(3), np.zeros((3, 5)), {self.real(0)}")
        with self.block(f"for {i} in {self.trips(3)}:"):
            if self.chance(0.3):
                self.put(f"{total} += {self.rng.choice([f'{h}[1]', f'{x}[{i}, 0]', f'{y}[{i}, 2]', f'{y}[{i} - 1, 2]'])}")
            with self.block(f"for {j} in range({self.rng.choice(['3', '3', '3', 'len(' + h + ')', h + '.size', '2'])}):"):
                self.put(f"{s} = {self.rng.choice(['0.1', self.real(0), f'{h}[{j}]', total])}")
                self._sum(s, k, 5, j, self.element(w, (3, 5), j, k), self.element(x, (3, 5), i, k))
                self.put(f"{h}[{self.at(j, 3)}] = math.tanh({s})")
            if self.chance(0.2):
                self.put(f"{self.rng.choice([h, f'{x}[1]', f'{y}[{i}]'])}[0] = {self.real(1)}")
            with self.block(f"for {j} in range(5):"):
                self.put(f"{s} = {self.rng.choice(['0.2', self.real(0), total])}")
                self._sum(s, k, 3, j, self.element(v, (3, 5), k, j), f"{h}[{self.at(k, 3)}]")
                self.put(f"{y}[{self.at(i, 3)}, {j}] = math.sin({s})")
                if self.chance(0.3):
                    self.put(f"{total} = 0.5 * {total} + math.sin({s})")
        self.scope.arrays[h] = (3,)
        self.scope.floats.append(total)
        self._folded(y)

    def _product_handed(self) -> None:
        """Loops that hand elements on, a neighbour's now and then."""
        u, w, v, k = self.fresh("u"), self.named((5,)), self.named((5,)), self.fresh("i")
        self.put(f"{u} = np.zeros(5)")
        with self.block(f"for {k} in range({v}.shape[0]):"):
            self.put(f"{u}[{k}] = math.sin({v}[{self.at(k, 5)}] * {w}[{k}])")
        with self.block(f"for {k} in range({v}.shape[0]):"):
            shifted = self.rng.choice([k, k, f"{k} - 1", f"({k} + 1) % 5", f"4 - {k}"])
            self.put(f"{self.rng.choice([w, v, u])}[{k}] = {u}[{shifted}] * {self.real(0)} + {w}[{self.at(k, 5)}]")
        self.scope.arrays[u] = (5,)

    def _folded(self, c: str) -> None:
        """A number from a matrix that no other statement could use."""
        s = self.fresh("s")
        self.put(f"{s} = np.sum(np.sin({c}) * {self.rng.choice(['1.0', c])})")
        self.scope.floats.append(s)


def product_program(seed: int) -> str:
    """The program of a seed."""
    rng = random.Random(seed)
    return ProductWriter(rng, rng.choice([4, 8, 14])).write()
