"""Random programs of the compiled subset, as source text: nested loops, branches, stores, views, slices, calls, whiles, tuples.

`Writer` makes a module with a function ``f(x, m, a, b, n, idx)`` of two float arrays, two floats, an int and an int array, and helpers
that it calls.  Everything that it writes is meaningful Python: names are bound, indices in range, shapes fit.
"""

from __future__ import annotations

import random
from contextlib import contextmanager

__all__ = ["Writer", "program", "programs", "SHAPES", "ARGUMENTS"]

#: Shapes of the array arguments.
SHAPES = {"x": (5,), "m": (3, 5)}
ARGUMENTS = ("x", "m", "a", "b", "n", "idx")
FUNCTIONS = ("sin", "cos", "tanh", "exp", "sqrt", "log")


class Scope:
    """What is certainly bound: floats, ints with their range, arrays with their shape."""

    def __init__(self) -> None:
        self.floats: list[str] = []
        self.ints: dict[str, tuple[int, int]] = {}
        self.arrays: dict[str, tuple[int, ...]] = {}
        self.fixed: set[str] = set()  # names that must not be bound again: loop variables
        self.masks: dict[str, tuple[int, ...]] = {}
        self.orders: list[str] = []  # arrays of four positions in a vector of five
        self.inner: list[str] = []  # functions of one float that close over what is around

    def copy(self) -> Scope:
        """Bindings inside a block do not count after it."""
        other = Scope()
        other.floats, other.ints, other.arrays, other.fixed = list(self.floats), dict(self.ints), dict(self.arrays), set(self.fixed)
        other.masks, other.orders, other.inner = dict(self.masks), list(self.orders), list(self.inner)
        return other


class Writer:
    """Writes one program; all choices come from `rng`."""

    def __init__(self, rng: random.Random, size: int = 14) -> None:
        self.rng, self.budget = rng, size
        self.lines: list[str] = []
        self.depth = 0
        self.scope = Scope()
        self.names = 0
        self.loops: list[str] = []  # kinds of the loops around
        self.scalar_helpers: list[tuple[str, int]] = []
        self.array_helpers: list[str] = []
        self.early = False  # whether a return may stand inside
        self.main = False  # whether `n` and `idx` are at hand

    # -- text ------------------------------------------------------------------------------------------------------------------
    def put(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    def fresh(self, hint: str) -> str:
        self.names += 1
        return f"{hint}{self.names}"

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    @contextmanager
    def block(self, head: str):
        """An indented block with a scope of its own."""
        self.put(head)
        outer, self.scope = self.scope, self.scope.copy()
        self.depth += 1
        before = len(self.lines)
        yield
        if len(self.lines) == before:
            self.put("pass")
        self.depth -= 1
        self.scope = outer

    def number(self) -> str:
        return repr(round(self.rng.uniform(-1.5, 1.5), 3))

    # -- ints and indices --------------------------------------------------------------------------------------------------------
    def index(self, n: int) -> str:
        """An expression that is a valid index of an axis of length n, negative ones included."""
        fits = [k for k, (lo, hi) in self.scope.ints.items() if -n <= lo and hi < n]
        kinds = ["literal", "literal", "gather"]
        if fits:
            kinds += ["name"] * 5
        if self.scope.ints:
            kinds += ["modulo", "modulo"]
        kind = self.rng.choice(kinds)
        if kind == "name":
            return self.rng.choice(fits)
        if kind == "modulo":
            return f"({self.integer()}) % {n}"
        if kind == "gather" and n == 5 and self.main:
            return f"idx[{self.rng.randrange(-4, 4)}]"
        return str(self.rng.randrange(-n, n))

    def integer(self) -> str:
        """An integer expression of small size."""
        if not self.scope.ints:
            return str(self.rng.randrange(-3, 5))
        name = self.rng.choice(list(self.scope.ints))
        op = self.rng.choice(["{}", "{} + 1", "2 * {}", "{} - 2", "{} // 2", "-{}", "{} % 3", "abs({})"])
        return op.format(name)

    # -- floats ------------------------------------------------------------------------------------------------------------------
    def real(self, depth: int = 3) -> str:
        """A float expression of moderate size."""
        kinds = ["name"] * 3 + ["number", "element", "element"]
        if depth > 0:
            kinds += ["binary"] * 4 + ["unary"] * 3 + ["ternary", "reduce", "extreme", "power", "mixed", "quotient"]
            kinds += ["helper"] * 2 if self.scalar_helpers else []
            kinds += ["inner"] * 2 if self.scope.inner else []
            kinds += ["comprehension", "valued"]
        return getattr(self, "_real_" + self.rng.choice(kinds))(depth)

    def _real_name(self, depth: int) -> str:
        return self.rng.choice(self.scope.floats)

    def _real_number(self, depth: int) -> str:
        return self.number()

    def _real_element(self, depth: int) -> str:
        name, shape = self.rng.choice(list(self.scope.arrays.items()))
        return f"{name}[{', '.join(self.index(n) for n in shape)}]"

    def _real_binary(self, depth: int) -> str:
        return f"({self.real(depth - 1)} {self.rng.choice('+-*')} {self.real(depth - 1)})"

    def _real_quotient(self, depth: int) -> str:
        return f"({self.real(depth - 1)} / (1.5 + abs({self.real(depth - 1)})))"

    def _real_unary(self, depth: int) -> str:
        inner, kind = self.real(depth - 1), self.rng.choice([*FUNCTIONS, "negative", "abs"])
        module = self.rng.choice(["math", "np"])
        if kind == "exp":
            return f"{module}.exp(-abs({inner}))"
        if kind in ("sqrt", "log"):
            return f"{module}.{kind}(1.2 + ({inner}) ** 2)"
        if kind in ("negative", "abs"):
            return f"(-{inner})" if kind == "negative" else f"abs({inner})"
        return f"{module}.{kind}({inner})"

    def _real_ternary(self, depth: int) -> str:
        return f"({self.real(depth - 1)} if {self.condition(1)} else {self.real(depth - 1)})"

    def _real_reduce(self, depth: int) -> str:
        shape = self.rng.choice([(5,), (3,), (3, 5), (2,)])
        kind = self.rng.choice(["np.sum({})", "({}).sum()", "np.mean({})", "np.max({})", "({}).min()", "dot"])
        if kind == "dot":
            n = self.rng.choice([(5,), (3,)])
            return f"({self.array(n, 1)} @ {self.array(n, 1)})"
        return kind.format(self.array(shape, depth - 1))

    def _real_extreme(self, depth: int) -> str:
        name = self.rng.choice(["max", "min", "np.maximum", "np.minimum"])
        return f"{name}({self.real(depth - 1)}, {self.real(depth - 1)})"

    def _real_power(self, depth: int) -> str:
        return f"math.tanh({self.real(depth - 1)}) ** {self.rng.choice([2, 3, 0, 1, 2.0])}"

    def _real_mixed(self, depth: int) -> str:
        return f"(0.3 * ({self.integer()}) * {self.real(depth - 1)})"

    def _real_helper(self, depth: int) -> str:
        name, n_args = self.rng.choice(self.scalar_helpers)
        return f"{name}({', '.join(self.real(depth - 1) for _ in range(n_args))})"

    def _real_inner(self, depth: int) -> str:
        return f"{self.rng.choice(self.scope.inner)}({self.real(depth - 1)})"

    def _real_comprehension(self, depth: int) -> str:
        return f"sum([{self.rng.choice(self.scope.floats)} * q for q in ({self.real(0)}, {self.real(0)}, 0.5)])"

    def _real_valued(self, depth: int) -> str:
        return f"({self.real(0)} {self.rng.choice(['and', 'or'])} {self.real(depth - 1)})"

    def condition(self, depth: int = 2) -> str:
        """A condition on floats or ints."""
        if depth > 0 and self.chance(0.25):
            return f"{self.condition(depth - 1)} {self.rng.choice(['and', 'or'])} {self.condition(depth - 1)}"
        if depth > 0 and self.chance(0.1):
            return f"not ({self.condition(depth - 1)})"
        if self.scope.ints and self.chance(0.3):
            return f"{self.integer()} {self.rng.choice(['<', '>', '==', '!=', '<=', '>='])} {self.rng.randrange(-1, 4)}"
        if self.chance(0.15):
            return f"{self.number()} < {self.real(1)} < 1.25"
        return f"{self.real(1)} {self.rng.choice('<>')} {self.number()}"

    # -- arrays ------------------------------------------------------------------------------------------------------------------
    def array(self, shape: tuple[int, ...], depth: int = 2) -> str:
        """An array expression of exactly this shape."""
        options = self.views(shape)
        kinds = ["view"] * (3 if options else 0) + ["fresh"]
        if depth > 0:
            kinds += ["elementwise"] * 3 + ["scaled"] * 2 + ["function", "where"]
            if shape == (5,):
                kinds += ["gather", "concatenate", "matvec", "column_sum", "cumulative"]
            if shape == (3,):
                kinds += ["matvec", "row_sum", "solution"]
            if shape == (3, 5):
                kinds += ["outer", "broadcast"]
        return getattr(self, "_array_" + self.rng.choice(kinds))(shape, depth)

    def views(self, shape: tuple[int, ...]) -> list[str]:
        """Views of this shape of the arrays in scope."""
        found = []
        for name, have in self.scope.arrays.items():
            if have == shape:
                found += [name, name, f"{name}[::-1]"] if len(have) == 1 else [name, name]
            if len(have) == 1 and shape == (3,) and have == (5,):
                found += [f"{name}[1:4]", f"{name}[::2]", f"{name}[-3:]", f"{name}[3:0:-1]"]
            if len(have) == 1 and shape == (2,):
                found += [f"{name}[:2]", f"{name}[-2:]"]
            if have == (3, 5):
                if shape == (5,):
                    found += [f"{name}[{self.index(3)}]", f"{name}[{self.index(3)}, ::-1]", f"{name}.T[:, {self.index(3)}]"]
                if shape == (3,):
                    found += [f"{name}[:, {self.index(5)}]", f"{name}.T[{self.index(5)}]", f"{name}.reshape(-1)[2:5]"]
                if shape == (2,):
                    found += [f"{name}[1:, {self.index(5)}]"]
                if shape == (3, 5):
                    found += [f"{name}[::-1]", f"{name}[:, ::-1]", f"{name}.T.reshape(3, 5)"]
        return found

    def _array_view(self, shape, depth: int) -> str:
        return self.rng.choice(self.views(shape))

    def _array_fresh(self, shape, depth: int) -> str:
        dims = ", ".join(map(str, shape))
        kind = self.rng.choice(["np.ones(({},))", "np.zeros(({},))", "np.full(({},), {})"])
        return kind.format(dims, self.real(1)) if "full" in kind else kind.format(dims)

    def _array_elementwise(self, shape, depth: int) -> str:
        return f"({self.array(shape, depth - 1)} {self.rng.choice('+-*')} {self.array(shape, depth - 1)})"

    def _array_scaled(self, shape, depth: int) -> str:
        return f"({self.real(1)} {self.rng.choice('+-*')} {self.array(shape, depth - 1)})"

    def _array_function(self, shape, depth: int) -> str:
        name, inner = self.rng.choice(["sin", "tanh", "cos", "abs", "maximum", "clip"]), self.array(shape, depth - 1)
        if name == "maximum":
            return f"np.maximum({inner}, {self.rng.choice([self.number(), self.array(shape, 0)])})"
        return f"np.clip({inner}, -0.8, {self.rng.choice(['0.7', self.real(0)])})" if name == "clip" else f"np.{name}({inner})"

    def _array_where(self, shape, depth: int) -> str:
        return f"np.where({self.array(shape, 0)} > {self.number()}, {self.array(shape, depth - 1)}, {self.array(shape, depth - 1)})"

    def _array_cumulative(self, shape, depth: int) -> str:
        return f"np.cumsum({self.array((5,), depth - 1)})"

    def _array_solution(self, shape, depth: int) -> str:
        m = self.array((3, 5), 0)
        return f"np.linalg.solve(4.0 * np.eye(3) + np.sin({m} @ {m}.T), {self.array((3,), 1)})"

    def _array_gather(self, shape, depth: int) -> str:
        names = [n for n, s in self.scope.arrays.items() if s == (5,)]
        if not names:
            return self._array_fresh(shape, depth)
        return f"np.concatenate(({self.rng.choice(names)}[{self._four()}], {self.array((5,), 0)}[4:]))"

    def _four(self) -> str:
        """Four positions in a vector, one twice."""
        if self.scope.orders and self.chance(0.6):
            return self.rng.choice(self.scope.orders)
        return "idx" if self.main else "[0, 3, 1, 3]"

    def _array_concatenate(self, shape, depth: int) -> str:
        return f"np.concatenate(({self.array((3,), 1)}, {self.array((2,), 1)}))"

    def _matrix(self) -> str:
        return self.rng.choice([n for n, s in self.scope.arrays.items() if s == (3, 5)] or ["np.ones((3, 5))"])

    def _array_matvec(self, shape, depth: int) -> str:
        if shape == (3,):
            return f"({self._matrix()} @ {self.array((5,), 1)})"
        return f"({self.array((3,), 1)} @ {self._matrix()})"

    def _array_column_sum(self, shape, depth: int) -> str:
        return f"np.sum({self.array((3, 5), 1)}, axis=0)"

    def _array_row_sum(self, shape, depth: int) -> str:
        return f"({self.array((3, 5), 1)}).sum(axis=1)"

    def _array_outer(self, shape, depth: int) -> str:
        return f"np.outer({self.array((3,), 1)}, {self.array((5,), 1)})"

    def _array_broadcast(self, shape, depth: int) -> str:
        return f"({self.array((3, 5), 0)} * {self.array((5,), 1)} + {self.array((3,), 0)}[:, None])"

    # -- statements --------------------------------------------------------------------------------------------------------------
    def statements(self, count: int) -> None:
        """A list of statements, at least one."""
        self.statement()
        for _ in range(count - 1):
            if self.budget <= 0:
                return
            self.statement()

    def statement(self) -> None:
        """One statement; costly ones count more."""
        self.budget -= 1
        kinds = ["assign"] * 4 + ["store"] * 5 + ["slice_store"] * 3 + ["augmented"] * 2 + ["new_array"] * 2 + ["alias", "tuple", "view"]
        kinds += ["swap", "masked", "fancy", "whole", "integer", "mask", "mask_store", "order", "inner", "pack"]
        kinds += ["mutate"] * 2 if self.array_helpers else []
        if self.budget > 0 and self.depth < 5:
            kinds += ["loop"] * 4 + ["branch"] * 4 + ["while", "iterate"]
        if self.loops:
            kinds += ["leave"]
        if self.early:
            kinds += ["exit"]
        getattr(self, "_put_" + self.rng.choice(kinds))()

    def _target(self, kind: str) -> str:
        free = [f for f in self.scope.floats if f not in self.scope.fixed]
        return self.rng.choice(free) if free and self.chance(0.5) else self.fresh(kind)

    def _bound_float(self, name: str) -> None:
        if name not in self.scope.floats:
            self.scope.floats.append(name)

    def _put_assign(self) -> None:
        name, value = self._target("s"), self.real()
        self.put(f"{name} = {value}")
        self._bound_float(name)

    def _put_augmented(self) -> None:
        free = [f for f in self.scope.floats if f not in self.scope.fixed]
        if free:
            self.put(f"{self.rng.choice(free)} {self.rng.choice(['+=', '-=', '*='])} math.sin({self.real(2)})")

    def _put_integer(self) -> None:
        name = self.fresh("k")
        lo, hi = 0, 4
        self.put(f"{name} = ({self.integer()}) % 5")
        self.scope.ints[name] = (lo, hi)

    def _put_tuple(self) -> None:
        p, q = self.fresh("s"), self.fresh("s")
        self.put(f"{p}, {q} = {self.real(2)}, {self.real(1)}")
        self.scope.floats += [p, q]
        if self.chance(0.5):
            self.put(f"{p}, {q} = {q}, {p} * {q}")

    def _put_store(self) -> None:
        name, shape = self.rng.choice(list(self.scope.arrays.items()))
        op = self.rng.choice(["=", "=", "=", "+=", "*=", "-="])
        self.put(f"{name}[{', '.join(self.index(n) for n in shape)}] {op} math.sin({self.real(2)})")

    def _put_slice_store(self) -> None:
        shape = self.rng.choice([(5,), (3,), (2,), (3, 5)])
        options = [v for v in self.views(shape) if v.endswith("]")]
        if not options:
            return
        target, op = self.rng.choice(options), self.rng.choice(["=", "=", "+=", "*="])
        value = self.real(1) if self.chance(0.2) else f"np.sin({self.array(shape, 2)})"
        self.put(f"{target} {op} {value}")

    def _put_whole(self) -> None:
        name, shape = self.rng.choice(list(self.scope.arrays.items()))
        self.put(f"{name} {self.rng.choice(['+=', '*='])} np.cos({self.array(shape, 1)})")

    def _put_masked(self) -> None:
        name, shape = self.rng.choice(list(self.scope.arrays.items()))
        self.put(f"{name}[{name} {self.rng.choice('<>')} {self.number()}] = {self.real(1)}")

    def _put_fancy(self) -> None:
        names = [n for n, s in self.scope.arrays.items() if s == (5,)]
        if names:
            name = self.rng.choice(names)
            self.put(f"{name}[{self._four()}] = {self.rng.choice([self.real(1), f'np.sin({self.array((5,), 1)})[:4]'])}")

    def _put_mask(self) -> None:
        name, shape = self.rng.choice(list(self.scope.arrays.items()))
        mask = self.fresh("mask")
        self.put(f"{mask} = {name} {self.rng.choice('<>')} {self.number()}")
        self.scope.masks[mask] = shape

    def _put_mask_store(self) -> None:
        pairs = [(a, m) for a, s in self.scope.arrays.items() for m, t in self.scope.masks.items() if s == t]
        if pairs:
            name, mask = self.rng.choice(pairs)
            shape = self.scope.arrays[name]
            where = f"np.where({mask}, {self.array(shape, 0)}, {self.array(shape, 1)})[{mask}]"
            value = self.rng.choice([self.real(1), where, f"np.sin({name}[{mask}])"])
            self.put(f"{name}[{mask}] {self.rng.choice(['=', '*=', '+='])} {value}")

    def _put_order(self) -> None:
        name = self.fresh("order")
        if self.scope.orders and self.chance(0.5):
            self.put(f"{name} = ({self.rng.choice(self.scope.orders)} + {self.rng.randrange(1, 4)}) % 5")
        else:
            self.put(f"{name} = np.arange(4)")
            self.put(f"{name}[{self.rng.randrange(4)}] = {self.index(5)}")
        self.scope.orders.append(name)

    def _put_inner(self) -> None:
        name, v = self.fresh("e"), self.fresh("t")
        frame, self.scope = self.scope, self.scope.copy()
        self.scope.floats, self.scope.inner = [*self.scope.floats, v, v], []
        value = self.real(2)
        self.scope = frame
        if self.chance(0.4):
            self.put(f"{name} = lambda {v}, s0={self.real(0)}: s0 * {value}")
        else:
            with self.block(f"def {name}({v}):"):
                if self.chance(0.4) and self.scope.arrays:
                    target, shape = self.rng.choice(list(self.scope.arrays.items()))
                    self.put(f"{target}[{', '.join(str(self.rng.randrange(n)) for n in shape)}] = math.sin({v})")
                self.put(f"return {value}")
        self.scope.inner.append(name)

    def _put_pack(self) -> None:
        """A structure with an array in it, taken apart again."""
        shape = self.rng.choice([(5,), (3,)])
        name, u, s = self.fresh("pack"), self.fresh("u"), self.fresh("s")
        options = self.views(shape)
        array = f"np.sin({self.array(shape, 1)})" if not options or self.chance(0.5) else self.rng.choice(options)
        if self.chance(0.5):
            self.put(f"{name} = ({array}, {self.real(1)})")
            self.put(f"{u}, {s} = {name}")
        else:
            self.put(f'{name} = {{"u": {array}, "s": {self.real(1)}}}')
            self.put(f'{u}, {s} = {name}["u"], {name}["s"]')
        self.scope.arrays[u] = shape
        self.scope.floats.append(s)

    def _put_new_array(self) -> None:
        shape = self.rng.choice([(5,), (5,), (3,), (3, 5), (2,)])
        name = self.fresh("u")
        value = self.array(shape, 2)
        copy = ".copy()" if self.chance(0.3) else ""
        self.put(f"{name} = np.tanh({value}){copy}" if self.chance(0.7) else f"{name} = ({value}).copy()")
        self.scope.arrays[name] = shape

    def _put_view(self) -> None:
        shape = self.rng.choice([(5,), (3,), (2,), (3, 5)])
        options = self.views(shape)
        if options:
            name = self.fresh("v")
            self.put(f"{name} = {self.rng.choice(options)}")
            self.scope.arrays[name] = shape

    def _put_alias(self) -> None:
        """A name that comes to stand for another array: memory chosen at run time where this is under a branch or in a loop."""
        pairs = [(p, q) for p, s in self.scope.arrays.items() for q, t in self.scope.arrays.items() if p != q and s == t]
        if pairs:
            p, q = self.rng.choice(pairs)
            self.put(f"{p} = {q}")

    def _put_swap(self) -> None:
        pairs = [(p, q) for p, s in self.scope.arrays.items() for q, t in self.scope.arrays.items() if p < q and s == t]
        if pairs:
            p, q = self.rng.choice(pairs)
            self.put(f"{p}, {q} = {q}, {p}")

    def _put_mutate(self) -> None:
        names = [n for n, s in self.scope.arrays.items() if s == (5,)]
        if names:
            name = self.fresh("s")
            self.put(f"{name} = {self.rng.choice(self.array_helpers)}({self.rng.choice(names)}, {self.real(1)})")
            self.scope.floats.append(name)

    def _put_loop(self) -> None:
        k = self.fresh("i")
        vector = next((v for v, s in self.scope.arrays.items() if s == (5,)), None)
        counts = [(5, "range(5)"), (3, "range(3)"), (5, "range(4, -1, -1)"), (5, "range(0, 5, 2)"), (5, "range(1, 5)"), (6, "range(6)")]
        counts += [(3, "range(n)"), (3, "range(n - 1, -1, -1)"), (1, "range(n - 3)"), (3, "range(0, n, 2)")] if self.main else []
        counts += [(5, f"range({vector}.shape[0])"), (5, f"range(len({vector}) - 1, 0, -1)")] if vector else []
        n, text = self.rng.choice(counts)
        with self.block(f"for {k} in {text}:"):
            self.scope.ints[k] = (0, n - 1)
            self.scope.fixed.add(k)
            self._body("for")
        if self.chance(0.15):
            with self.block("else:"):
                self.statements(1)

    def _put_iterate(self) -> None:
        k, v = self.fresh("i"), self.fresh("s")
        vectors = [n for n, s in self.scope.arrays.items() if s == (5,)]
        if not vectors:
            return
        name = self.rng.choice(vectors)
        head, has_int = self.rng.choice([
            (f"for {v} in {name}:", False), (f"for {k}, {v} in enumerate({name}):", True),
            (f"for {k}, {v} in zip(range(5), {name}[::-1]):", True), (f"for {v} in reversed({name}):", False),
            (f"for {v}, s0 in zip({name}, {self.rng.choice(vectors)}):", False),
        ])  # fmt: skip
        with self.block(head):
            self.scope.floats.append(v)
            if "s0" in head:
                self.scope.floats.append("s0")
            self.scope.fixed |= {v, "s0"}
            if has_int:
                self.scope.ints[k] = (0, 4)
            self._body("for")

    def _put_while(self) -> None:
        k, s = self.fresh("w"), self.fresh("s")
        self.put(f"{k} = 0")
        self.put(f"{s} = {self.real(1)}")
        with self.block(f"while {k} < 4 and abs({s}) > 0.05:"):
            self.put(f"{k} += 1")
            self.scope.ints[k] = (1, 4)
            self.scope.fixed.add(k)
            self.scope.floats.append(s)
            self.put(f"{s} = 0.6 * {s} + 0.2 * math.sin({self.real(1)})")
            self._body("while")
        self.scope.ints[k] = (0, 4)
        self.scope.floats.append(s)

    def _body(self, kind: str) -> None:
        self.loops.append(kind)
        self.statements(self.rng.randint(1, 3))
        self.loops.pop()

    def _put_branch(self) -> None:
        with self.block(f"if {self.condition()}:"):
            self.statements(self.rng.randint(1, 2))
        if self.chance(0.25):
            with self.block(f"elif {self.condition()}:"):
                self.statements(1)
        if self.chance(0.6):
            with self.block("else:"):
                self.statements(self.rng.randint(1, 2))

    def _put_leave(self) -> None:
        with self.block(f"if {self.condition(1)}:"):
            if self.chance(0.5):
                self.statements(1)
            self.put(self.rng.choice(["break", "continue"]))

    def _put_exit(self) -> None:
        with self.block(f"if {self.condition(1)}:"):
            self.put(f"return {self.real(2)}")

    # -- functions ---------------------------------------------------------------------------------------------------------------
    def _function(self, head: str, first: str, scope: tuple[list, dict, dict], size: int, early: bool) -> None:
        self.scope = Scope()
        self.scope.floats, self.scope.arrays, self.scope.ints = scope
        self.early, budget, self.budget = early, self.budget, size
        with self.block(head):
            if first:
                self.put(first)
            self.statements(size)
            self.put(f"return {self.real(3)}")
        self.budget = budget
        self.put("")

    def write(self) -> str:
        """The whole module."""
        self.put("import math\n\nimport numpy as np\n")
        for _ in range(self.rng.randrange(3)):
            name, args = self.fresh("g"), [f"p{k}" for k in range(self.rng.randint(1, 2))]
            first = f"c = np.array([{args[0]}, 0.5, -0.25, 1.0, {args[-1]}])"
            self._function(f"def {name}({', '.join(args)}):", first, (list(args), {"c": (5,)}, {}), self.rng.randint(1, 3), True)
            self.scalar_helpers.append((name, len(args)))
        if self.chance(0.5):
            name = self.fresh("h")
            self._function(f"def {name}(z, p):", "", (["p"], {"z": (5,)}, {}), self.rng.randint(1, 3), True)
            self.array_helpers.append(name)
        self.main = True
        self._function("def f(x, m, a, b, n, idx):", "", (["a", "b"], dict(SHAPES), {"n": (3, 3)}), self.budget, self.chance(0.3))
        return "\n".join(self.lines)


def program(seed: int, size: int | None = None) -> str:
    """The program of a seed."""
    rng = random.Random(seed)
    return Writer(rng, rng.choice([4, 8, 14, 20]) if size is None else size).write()


def programs():
    """A Hypothesis strategy for the text of programs."""
    from hypothesis import strategies as st

    return st.builds(lambda rng, size: Writer(rng, size).write(), st.randoms(use_true_random=False), st.integers(2, 16))
