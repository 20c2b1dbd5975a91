"""The compiled forms of a vector field, each a C function over flat memory: itself, derivatives forward and backward, its Jacobian."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from sciad.backend import digest, load_generated
from sciad.codegen.emit import Emitter
from sciad.codegen.header import header
from sciad.fold import fold
from sciad.ir import Builder, Region, Value, substitute, walk
from sciad.passes.dce import dce
from sciad.passes.forward import pushforward
from sciad.passes.jacobian import jacobian
from sciad.passes.pullback import pullback, split_pullback
from sciad.passes.simplify import simplify
from sciad.passes.sums import plain_sums
from sciad.passes.tidy import tidy
from sciad.types import F8, I8
from sciad.verify import verified

__all__ = ["Forms"]

SHORT, SHORT_STATE = 40, 8  # operations and states up to which `inline` offers a function for copies in other kernels


class Forms:
    """Addresses of the compiled forms, compiled when first asked for; every function returns 0, or not 0 where a check failed.

    `body` is the lowered function with parameters t and the buffers y (n), p (n_p) and dy (m).
    """

    name: str
    filename: str
    body: Region
    t: Value
    y: Value
    p: Value
    dy: Value
    n: int
    m: int
    n_p: int
    _modules: dict[str, str]

    @cached_property
    def autonomous(self) -> bool:
        """Whether the result does not depend on t."""
        return not any(self.t in op.args or any(self.t in r.results for r in op.regions) for op in walk(self.body))

    @cached_property
    def failures(self) -> list[str]:
        """What the checks inside the function say where they fail: raised exceptions, indices out of range, unbound variables."""
        checks = [op.attributes for op in walk(self.body) if op.name == "check"]
        return list(dict.fromkeys(f"{c['exception']}: {c['message']}" for c in checks))

    @cached_property
    def f(self) -> int:
        """Address of ``f(t, y, p, dy)``."""
        body = simplify(self.body)
        return self._compile("f", [self.t], [(self.y, self.n), (self.p, self.n_p), (self.dy, self.m)], body)

    @cached_property
    def inline(self) -> tuple[str, str] | None:
        """Module and name of ``f`` in Python, where it is a short sequence of scalar operations; else None."""
        body = simplify(self.body)
        operations = [op for op in walk(body) if op.name not in ("const", "load", "store")]
        if not 0 < self.n <= SHORT_STATE or len(operations) > SHORT or any(op.regions for op in operations):
            return None
        self.f  # noqa: B018  compiled, so that the module is there
        return self._modules["f"], f"{self._stem}_f"

    @cached_property
    def _split(self):
        body, tape = simplify(self.body), Value("*float64", None, "tape")
        return split_pullback(body, [self.t, self.y, self.p], self.dy, tape), tape

    @property
    def tape_size(self) -> int:
        """Entries that `aug` writes for `rev`."""
        return self._split[0][3] if self._split[0] is not None else 0

    @cached_property
    def aug(self) -> int:
        """Address of ``aug(t, y, p, dy, tape)``."""
        split, tape = self._split
        buffers = [(self.y, self.n), (self.p, self.n_p), (self.dy, self.m)]
        body = split[0] if split is not None else simplify(self.body)
        return self._compile("aug", [self.t], [*buffers, (tape, self.tape_size)], body)

    @cached_property
    def rev(self) -> int:
        """Address of ``rev(t, y, p, tape, dy_bar, y_bar, p_bar, t_bar)``, which adds to y_bar, p_bar and t_bar[0]."""
        split, tape = self._split
        if split is not None:
            _, region, shadows, _ = split
        else:
            region, shadows = self._fused()
        region, (dy_bar,), t_bar = self._finish_reverse(region, [shadows[self.dy]])
        buffers = [(self.y, self.n), (self.p, self.n_p), (tape, self.tape_size), (dy_bar, self.m)]
        buffers += [(shadows[self.y], self.n), (shadows[self.p], self.n_p), (t_bar, 1)]
        return self._compile("rev", [self.t], buffers, region)

    def _fused(self) -> tuple[Region, dict[Value, Value]]:
        """Both sweeps in one function, for right-hand sides whose tape has no constant size; dy is scratch memory."""
        region = pullback(simplify(self.body), [self.t, self.y, self.p], [], [self.dy])
        shadows = dict(zip([self.y, self.p, self.dy], region.params[4:7]))
        region.results = region.results[-1:]
        self._scratch(region, [(self.dy, self.m)])
        return region, shadows

    @staticmethod
    def _scratch(region: Region, buffers: Sequence[tuple[Value, int]]) -> None:
        """Let buffer parameters be local memory of the given sizes, in place."""
        b = Builder(fold)
        outer = b.enter()
        local = {buffer: b.alloc("float64", size, zero=False) for buffer, size in buffers}
        prefix = b.leave(outer)
        substitute(region, local)
        region.ops[:0] = prefix.ops
        region.params = [p for p in region.params if p not in local]

    def _finish_reverse(self, region: Region, seeds: Sequence[Value]) -> tuple[Region, list[Value], Value]:
        """Let `seeds`, which the sweep uses up, be copies of new parameters, and add the cotangent of t, the result, to a cell.

        Gives the region, the new parameters in place of the seeds, and the cell.
        """
        b = Builder(fold)
        t_bar, given = Value("*float64", None, "t_bar"), [Value("*float64", None, seed.hint) for seed in seeds]
        outer = b.enter()
        for seed, parameter in zip(seeds, given):
            local = b.alloc("float64", self.m, zero=False, hint="seed")
            k = Value(I8, None, "i")
            inner = b.enter([k])
            b.store(local, k, b.load(parameter, k, F8))
            copying = b.leave(inner)
            b.emit("for", [b.const(self.m, I8)], [], [copying], parallel=True)
            substitute(region, {seed: local})
        prefix = b.leave(outer)
        outer = b.enter()
        zero = b.const(0, I8)
        b.store(t_bar, zero, b.pure("add", [b.load(t_bar, zero, F8), region.results[-1]], F8))
        suffix = b.leave(outer)
        region.ops = [*prefix.ops, *region.ops, *suffix.ops]
        region.params = [p for p in region.params if p not in seeds] + [*given, t_bar]
        region.results = []
        region = simplify(verified(region, "reverse of a field"), unroll=True)  # a short seed then is scalars, not memory
        return tidy(verified(region, "unroll")), given, t_bar

    @cached_property
    def _state_split(self):
        tape = Value("*float64", None, "tape")
        return split_pullback(simplify(self.body), [self.t, self.y], self.dy, tape), tape

    @cached_property
    def state_reverse(self) -> tuple[int, int, int] | None:
        """Addresses of ``aug`` and ``rev`` without parameters, and the entries of their tape; None where that has no constant size.

        ``aug(t, y, p, dy, tape)`` and ``rev(t, y, p, tape, dy_bar, y_bar, t_bar)``: for many products with J^T at one point.
        """
        split, tape = self._state_split
        if split is None:
            return None
        primal, region, shadows, size = split
        buffers = [(self.y, self.n), (self.p, self.n_p), (self.dy, self.m), (tape, size)]
        aug = self._compile("aug_state", [self.t], buffers, primal)
        region, (dy_bar,), t_bar = self._finish_reverse(region, [shadows[self.dy]])
        buffers = [(self.y, self.n), (self.p, self.n_p), (tape, size), (dy_bar, self.m), (shadows[self.y], self.n), (t_bar, 1)]
        return aug, self._compile("rev_state", [self.t], buffers, region), size

    @cached_property
    def jvp(self) -> int:
        """Address of ``jvp(t, t_dot, y, y_dot, p, p_dot, dy, dy_dot)``."""
        region, carriers = pushforward(simplify(self.body), [self.t, self.y, self.p])
        t_dot, y_dot, p_dot = region.params[4:7]
        extra = dict(zip(carriers[3:], region.params[7:]))
        dy_dot = extra.get(self.dy) or Value("*float64", None, "dy_dot")
        region.results = []
        dce(region)
        buffers = [(self.y, self.n), (y_dot, self.n), (self.p, self.n_p), (p_dot, self.n_p), (self.dy, self.m), (dy_dot, self.m)]
        return self._compile("jvp", [self.t, t_dot], buffers, region, clear=None if self.dy in extra else dy_dot)

    @cached_property
    def jac(self) -> int:
        """Address of ``jac(t, y, p, J)``, d f / d y, row-major (m, n)."""
        region = jacobian(simplify(self.body), self.y, self.dy, self.n, self.m)
        jac = region.params[-1]
        region.params = [p for p in region.params if p is not self.dy]
        self._scratch(region, [(self.dy, self.m)])
        return self._compile("jac", [self.t], [(self.y, self.n), (self.p, self.n_p), (jac, self.m * self.n)], tidy(region))

    @cached_property
    def jvp_rev(self) -> int:
        """Address of ``jvp_rev(t, t_dot, y, y_dot, p, dy_bar, dy_dot_bar, y_bar, y_dot_bar, p_bar, t_bar)``.

        The reverse of ``dy, dy_dot = jvp(t, t_dot, y, y_dot, p, 0)``: adds to y_bar, y_dot_bar, p_bar and t_bar[0] what dy_bar and
        dy_dot_bar ask for: second-order products.
        """
        pushed, carriers = pushforward(simplify(self.body), [self.t, self.y])
        t_dot, y_dot = pushed.params[4:6]
        dy_dot = pushed.params[6] if len(carriers) > 2 else Value("*float64", None, "dy_dot")
        pushed.params = [self.t, self.y, self.p, self.dy, t_dot, y_dot, dy_dot]
        pushed.results = []
        region = pullback(pushed, [self.t, self.y, self.p, y_dot], [], [self.dy, dy_dot])
        y_bar, p_bar, y_dot_bar, dy_bar, dy_dot_bar = region.params[7:12]
        region.results = region.results[-1:]
        self._scratch(region, [(self.dy, self.m), (dy_dot, self.m)])
        region, (dy_bar, dy_dot_bar), t_bar = self._finish_reverse(region, [dy_bar, dy_dot_bar])
        buffers = [(self.y, self.n), (y_dot, self.n), (self.p, self.n_p), (dy_bar, self.m), (dy_dot_bar, self.m)]
        buffers += [(y_bar, self.n), (y_dot_bar, self.n), (p_bar, self.n_p), (t_bar, 1)]
        return self._compile("jvp_rev", [self.t, t_dot], buffers, region)

    def _tangent(self) -> tuple[Region, Value, Value, Value]:
        """dy_dot = f_y y_dot + f_p p_dot as a function of t, y and p, dy being scratch memory; y_dot, p_dot and dy_dot."""
        region, carriers = pushforward(simplify(self.body), [self.y, self.p])
        y_dot, p_dot = region.params[4:6]
        dy_dot = region.params[6] if len(carriers) > 2 else Value("*float64", None, "dy_dot")
        region.params = [self.t, self.y, self.p, self.dy, y_dot, p_dot, dy_dot]
        region.results = []
        self._scratch(region, [(self.dy, self.m)])
        return tidy(region), y_dot, p_dot, dy_dot

    @cached_property
    def jvp_dot(self) -> int:
        """Address of ``jvp_dot(t, t_two, y, y_two, y_dot, y_dot_two, p, p_dot, out)``.

        The tangent of f_y y_dot + f_p p_dot where t, y and y_dot move in the directions t_two, y_two and y_dot_two; out (m) holds zeros.
        """
        pushed, y_dot, p_dot, dy_dot = self._tangent()
        region, carriers = pushforward(pushed, [self.t, self.y, y_dot])
        t_two, y_two, y_dot_two, *rest = region.params[len(pushed.params) :]
        out = rest[0] if carriers[3:] else Value("*float64", None, "out")
        region.params = [p for p in region.params if p is not dy_dot]
        region.results = []
        self._scratch(region, [(dy_dot, self.m)])
        dce(region)
        buffers = [(self.y, self.n), (y_two, self.n), (y_dot, self.n), (y_dot_two, self.n), (self.p, self.n_p), (p_dot, self.n_p)]
        return self._compile("jvp_dot", [self.t, t_two], [*buffers, (out, self.m)], region)

    @property
    def _stem(self) -> str:
        return self.name if self.name.isidentifier() else "rhs"

    def _compile(self, form: str, floats: list, buffers: list, body: Region, clear: Value | None = None) -> int:
        stem = f"{self._stem}_{form}"
        source = field_source(stem, self.filename, floats, buffers, body, clear)
        straight = not any(op.regions for op in walk(body)) and "kernels." not in source and "gemm(" not in source
        module = load_generated(source, stem, digest(source), straight)
        compiled = getattr(module, stem)
        self.__dict__.setdefault("_modules", {})[form] = module.__name__
        self.__dict__.setdefault("_alive", []).append(compiled)
        return compiled.address


def field_source(stem: str, filename: str, floats: list, buffers: list, body: Region, clear: Value | None = None) -> str:
    """The generated module of one C function: floats by value, buffers by address, status 0."""
    blocks = {buffer: _blocks(body, buffer) for buffer, _ in buffers}
    emitter = Emitter(on_check="status", stack=True, sums=plain_sums(body))
    emitter.taken.update((stem, f"{stem}_kernel"))
    emitter.count_uses(body)
    names = [emitter.name(v) for v in floats]
    arrays = [emitter.name(v) for v, _ in buffers]
    inner, views = [], []
    for name, (buffer, size) in zip(arrays, buffers):
        for block, offset, n in blocks[buffer] or [(buffer, 0, size)]:
            inner.append(emitter.name(block))
            views.append(f"view1d({name}{f' + {8 * offset}' if offset else ''}, {n})")
    if clear is not None:
        emitter.put(f"{emitter.name(clear)}[:] = 0.0")
    emitter.region(body)
    for array in emitter.kept:
        emitter.put(f"keep({array})")
    emitter.put("return 0")
    signature = f"kernel_signature({len(floats)}, {len(buffers)})"
    arguments = ", ".join([*names, *arrays])
    text = "\n".join(
        [
            f"@kernel(cache=False)\ndef {stem}_kernel({', '.join([*names, *inner])}):",
            *emitter.lines,
            f"\n\n@cfunc({signature})\ndef {stem}({arguments}):",
            f"    return {stem}_kernel({', '.join([*names, *views])})\n",
        ]
    )
    return f'"""Generated by sciad from {filename}."""\n\n{header(text)}\n\n{text}'


def _blocks(body: Region, buffer: Value) -> list[tuple[Value, int, int]]:
    """Disjoint constant parts of a buffer, each (value, offset, size), where it is used through such only; they are taken out of `body`.

    As arrays of their own they are known not to overlap, which a compiler cannot see in parts of one array.
    """
    parts = [op for op in body.ops if op.name == "subbuffer" and op.args[0] is buffer]
    uses = sum(a is buffer for op in walk(body) for a in op.args)
    spans = sorted((op.args[1].constant, op.args[2].constant) for op in parts if None not in (op.args[1].constant, op.args[2].constant))
    if not parts or uses != len(parts) or len(spans) != len(parts):
        return []
    if any(start + size > following for (start, size), (following, _) in zip(spans, spans[1:])):
        return []
    body.ops = [op for op in body.ops if op not in parts]
    return [(op.result, op.args[1].constant, op.args[2].constant) for op in parts]
