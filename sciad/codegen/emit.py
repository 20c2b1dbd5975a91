"""From IR to readable Python that numba compiles: one statement an operation, single-use scalars written inline."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Collection

from sciad.codegen.header import RESERVED
from sciad.codegen.lasting import lasting
from sciad.codegen.memory import Memory
from sciad.codegen.scalars import TYPES, Scalars, is_half_power, literal, strip
from sciad.ir import PURE, Op, Region, Value
from sciad.types import F4, I8

__all__ = ["Emitter"]

#: What keeps a loop from being vectorised.
_SCALAR_ONLY = {"if", "for", "while", "call", "gemm", "check", "alloc", "tape_reserve", "tape_release", "tape_push", "tape_pop"}


class Emitter(Scalars, Memory):
    """Writes the body of one function; names of values are unique within it."""

    def __init__(self, *, on_check: str = "raise", stack: bool = False, sums: Collection[Op] = ()) -> None:
        self.lines: list[str] = []
        self.depth = 1
        self.names: dict[Value, str] = {}
        self.taken: set[str] = set(dir(builtins)) | set(keyword.kwlist) | RESERVED
        self.inline: dict[Value, str] = {}
        self.uses: dict[Value, int] = {}
        self.on_check, self.stack, self.sums = on_check, stack, sums
        self.last_line = 0
        self.in_vector_loop = False
        self.kept: dict[str, None] = {}  # arrays that others look into: alive to the end of their region
        self.lasting: set[Value] = set()  # arrays that cannot be on the stack
        self.used: dict[Value, str] = {}  # tape -> the variable that counts its used entries

    # -- names -----------------------------------------------------------------------------------------------------------------
    def name(self, v: Value) -> str:
        """The Python name of a value (or its text, where it is written inline)."""
        if v in self.inline:
            return self.inline[v]
        constant = v.constant
        if constant is not None:
            return literal(constant, v.type)
        if v not in self.names:
            self.names[v] = self.fresh(v.hint or "v")
        return self.names[v]

    def fresh(self, hint: str) -> str:
        """A name that nothing else has."""
        base = re.sub(r"\W", "_", hint).strip("_") or "v"
        base = base if not base[0].isdigit() else "v" + base
        candidate, k = base, 0
        while candidate in self.taken:
            k += 1
            candidate = f"{base}{k}"
        self.taken.add(candidate)
        return candidate

    def put(self, line: str, source_line: int = 0) -> None:
        """Append a line of code, with the user's line as a comment where it changes."""
        comment = ""
        if source_line and source_line != self.last_line:
            comment, self.last_line = f"  # line {source_line}", source_line
        self.lines.append("    " * self.depth + line + comment)

    # -- regions ---------------------------------------------------------------------------------------------------------------
    def count_uses(self, body: Region) -> None:
        """How often each value is used, and whether across a region border (then it is not written inline)."""
        self._count(body)
        self.lasting = lasting(body) if self.stack else set()

    def _count(self, region: Region) -> None:
        own = {r for op in region.ops for r in op.results}
        for op in region.ops:
            once = op.name not in ("for", "while") and not is_half_power(op)
            for k, a in enumerate(op.args):
                twice = op.name == "zero_wins" and k == 0
                self.uses[a] = self.uses.get(a, 0) + (1 if a in own and once and not twice else 2)
            for inner in op.regions:
                self._count(inner)
        for r in region.results:
            self.uses[r] = self.uses.get(r, 0) + 2

    def region(self, region: Region) -> None:
        """Emit the operations of a region; arrays made in it that others look into live to its end."""
        for op in region.ops:
            self.op(op)
        for name in [self.names[r] for op in region.ops for r in op.results if self.names.get(r) in self.kept]:
            if name in self.kept:
                self.put(f"keep({name})")
                del self.kept[name]

    def finish(self, values: list[Value]) -> None:
        """Emit the return of the given values."""
        names = [self.name(v) for v in values]
        for array in self.kept:
            self.put(f"keep({array})")
        self.put(f"return ({', '.join(names)}{',' if len(names) == 1 else ''})")

    def op(self, op: Op) -> None:
        """Emit one operation."""
        if op.name == "const":
            return
        if PURE(op):
            self._pure(op)
            return
        getattr(self, "_" + op.name)(op)

    def _pure(self, op: Op) -> None:
        value = op.result
        text = self.expression(op)
        uses = self.uses.get(value, 0)
        if uses == 1 and len(text) < 100 and value not in self.names:
            self.inline[value] = text
        else:
            self.put(f"{self.name(value)} = {strip(text)}", op.line)

    def _part(self, op: Op) -> None:
        names = [self.name(r) for r in op.results]
        left = f"{', '.join(names)}{',' if len(names) == 1 else ''} = " if names else ""
        self.put(f"{left}{op.attributes['name']}({', '.join(strip(self.name(a)) for a in op.args)})")

    def _check(self, op: Op) -> None:
        exception = op.attributes["exception"]
        kind = getattr(builtins, exception, None)
        message = op.attributes["message"]
        if exception == "LinAlgError":
            exception = "np.linalg.LinAlgError"
        elif not (isinstance(kind, type) and issubclass(kind, Exception)):
            exception, message = "RuntimeError", f"{exception}: {message}"
        ok = op.args[0]
        if ok.constant is True:
            return
        self.put(f"if not {self.name(ok)}:" if ok.constant is None else "if True:", op.line)
        self.put("    " + (f"raise {exception}({message!r})" if self.on_check == "raise" else "return 1"))

    # -- control flow ----------------------------------------------------------------------------------------------------------
    def _if(self, op: Op) -> None:
        then, other = op.regions
        names = [self.name(r) for r in op.results]
        cond = strip(self.name(op.args[0]))
        if not then.ops and not any(True for _ in then.results) and other.ops:
            self._branch(f"if not {self.name(op.args[0])}:", other, names, op.line)
            return
        self._branch(f"if {cond}:", then, names, op.line)
        if other.ops or names:
            self._branch("else:", other, names, 0)

    def _branch(self, head: str, region: Region, names: list[str], line: int) -> None:
        self.put(head, line)
        self.depth += 1
        start = len(self.lines)
        self.region(region)
        for name, value in zip(names, region.results):
            text = strip(self.name(value))
            if text != name:
                self.put(f"{name} = {text}")
        if len(self.lines) == start:
            self.put("pass")
        self.depth -= 1

    def _for(self, op: Op) -> None:
        region = op.regions[0]
        n = self.name(op.args[0])
        self._share_names(op, region.params[1:])
        self._initial(op, region.params[1:])
        k = self.name(region.params[0])
        trips = f"range({strip(n)} - 1, -1, -1)" if op.attributes.get("down") else f"range({strip(n)})"
        self.put(f"for {k} in {trips}:", op.line)
        outside, self.in_vector_loop = self.in_vector_loop, _may_vectorise(op)
        self._body(region, region.params[1:], region.results)
        self.in_vector_loop = outside

    def _while(self, op: Op) -> None:
        region = op.regions[0]
        self._share_names(op, region.params)
        self._initial(op, region.params)
        go = self.fresh("go")
        self.put(f"{go} = {strip(self.name(op.args[0]))}")
        self.put(f"while {go}:", op.line)
        outside, self.in_vector_loop = self.in_vector_loop, False
        self._body(region, region.params, region.results[1:], (go, region.results[0]))
        self.in_vector_loop = outside

    def _share_names(self, op: Op, params: list[Value]) -> None:
        for result, parameter in zip(op.results, params):
            if not parameter.hint:
                parameter.hint = result.hint
            self.names[result] = self.name(parameter)

    def _initial(self, op: Op, params: list[Value]) -> None:
        for parameter, value in zip(params, op.args[1:]):
            text = strip(self.name(value))
            if value.constant is not None and value.type in (I8, F4):
                text = f"{TYPES[value.type]}({value.constant})"  # a literal int would be typed by its value
            self.put(f"{self.name(parameter)} = {text}")

    def _body(self, region: Region, params: list[Value], nexts: list[Value], go: tuple[str, Value] | None = None) -> None:
        self.depth += 1
        start = len(self.lines)
        self.region(region)
        pairs = [(self.name(p), strip(self.name(n))) for p, n in zip(params, nexts)]
        if go is not None:
            pairs.append((go[0], strip(self.name(go[1]))))
        self._parallel(pairs)
        if len(self.lines) == start:
            self.put("pass")
        self.depth -= 1

    def _parallel(self, pairs: list[tuple[str, str]]) -> None:
        """Assign carried values all at once; an old value that a later assignment reads is kept in a temporary."""
        pairs = [(target, value) for target, value in pairs if target != value]
        for position, (target, value) in enumerate(pairs):
            used_later = any(re.search(rf"\b{re.escape(target)}\b", later) for _, later in pairs[position + 1 :])
            if used_later:
                kept = self.fresh(target + "_old")
                self.put(f"{kept} = {target}")
                pairs[position + 1 :] = [(t, re.sub(rf"\b{re.escape(target)}\b", kept, v)) for t, v in pairs[position + 1 :]]
            self.put(f"{target} = {value}")


def _may_vectorise(loop: Op) -> bool:
    """Whether LLVM may run several trips of a `for` at once: straight-line, and of enough trips."""
    trips = loop.args[0].constant
    return (trips is None or trips >= 4) and not any(op.name in _SCALAR_ONLY for op in loop.regions[0].ops)
