"""From IR to readable Python that numba compiles: one statement an operation, single-use scalars written inline."""

from __future__ import annotations

import builtins
import keyword
import math
import re
from collections.abc import Collection

from sciad.errors import MissingRule
from sciad.ir import PURE, Op, Region, Value
from sciad.scalar_kernels import __all__ as SCALAR_KERNELS
from sciad.types import B1, F4, F8, I8

__all__ = ["Emitter", "header"]

HEADER = """\
import math

import numpy as np

from sciad import kernels, linear_kernels, scalar_kernels, vmath
from sciad.backend import cfunc, fast_add, keep, kernel, kernel_signature, njit, select, stack_array, subarray, view1d
from sciad.backend import unsigned as _u
from sciad.kernels import gemm, grown
"""


def header(text: str) -> str:
    """The imports of generated code, without those of modules that the code does not use: importing them takes time."""
    lines = HEADER.splitlines(keepends=True)
    used = [name for name in ("linear_kernels", "scalar_kernels", "vmath") if f"{name}." in text]
    modules = [f"from sciad import {', '.join(used)}\n"] if used else []
    helpers = [lines[-1]] if "gemm(" in text or "grown(" in text else []
    return "".join([*lines[:4], *modules, *lines[5:-1], *helpers])


_INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "floor_divide": "//", "remainder": "%",
    "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!=",
    "logical_and": "&", "logical_or": "|", "logical_xor": "^", "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^",
    "left_shift": "<<", "right_shift": ">>",
}  # fmt: skip

#: Functions that generated code takes from sciad.vmath everywhere: faster than the C library's for one value too.
VMATH = {"expm1", "tanh", "sinh"}

#: Functions that it takes from there in loops that LLVM may vectorise: a single value is faster from the C library.
#: Powers that a square root gives in a tenth of the time of `pow`, with its special values but for -inf (NaN here).
HALF_POWERS = {
    -2.5: "(1.0 / ({0} * {0} * math.sqrt({0} + 0.0)))", -1.5: "(1.0 / ({0} * math.sqrt({0})))", -0.5: "(1.0 / math.sqrt({0} + 0.0))",
    1.5: "({0} * math.sqrt({0}))", 2.5: "({0} * {0} * math.sqrt({0} + 0.0))",
}  # fmt: skip
VMATH_IN_LOOPS = {"exp", "exp2", "log", "log2", "log10", "log1p", "cosh", "sin", "cos", "tan", "power", "erf", "erfc"}

#: What keeps a loop from being vectorised.
_SCALAR_ONLY = {"if", "for", "while", "call", "gemm", "check", "alloc", "tape_reserve", "tape_release", "tape_push", "tape_pop"}

#: What `math` has under the operation's own name.
_IN_MATH = {
    "sqrt", "exp", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "erf", "erfc", "gamma",
}  # fmt: skip

_CALLS = {
    "arcsin": "math.asin", "arccos": "math.acos", "arctan": "math.atan", "arctan2": "math.atan2", "arcsinh": "math.asinh",
    "arccosh": "math.acosh", "arctanh": "math.atanh", "absolute": "abs", "fabs": "abs", "gammaln": "math.lgamma", "power": "math.pow",
    "rint": "np.rint", "sign": "np.sign", "minimum": "min", "maximum": "max", "cbrt": "np.cbrt", "exp2": "np.exp2",
    "degrees": "math.degrees", "radians": "math.radians", "deg2rad": "math.radians", "rad2deg": "math.degrees",
    "fmod": "np.fmod", "isnan": "math.isnan", "isinf": "math.isinf", "isfinite": "math.isfinite", "floor": "np.floor",
    "ceil": "np.ceil", "trunc": "np.trunc", "copysign": "math.copysign", "hypot": "math.hypot",
    "signbit": "np.signbit", "expit": "vmath.sigmoid", "softplus": "vmath.softplus", "gelu": "vmath.gelu", "digamma": "scalar_kernels.psi",
    "_zeta": "scalar_kernels.zeta", **{name: f"scalar_kernels.{name}" for name in SCALAR_KERNELS},
}  # fmt: skip

#: Names that the header brings.
_RESERVED = set(re.findall(r"(?:import|,|as) (\w+)", HEADER))

_TYPES = {F8: "np.float64", F4: "np.float32", I8: "np.int64", B1: "np.bool_"}


class Emitter:
    """Writes the body of one function; names of values are unique within it."""

    def __init__(self, *, on_check: str = "raise", stack: bool = False, sums: Collection[Op] = ()) -> None:
        self.lines: list[str] = []
        self.depth = 1
        self.names: dict[Value, str] = {}
        self.taken: set[str] = set(dir(builtins)) | set(keyword.kwlist) | _RESERVED
        self.inline: dict[Value, str] = {}
        self.uses: dict[Value, int] = {}
        self.on_check, self.stack, self.sums = on_check, stack, sums
        self.last_line = 0
        self.in_vector_loop = False
        self.kept: dict[str, None] = {}  # arrays that others look into: alive to the end
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

    def _count(self, region: Region) -> None:
        own = {r for op in region.ops for r in op.results}
        for op in region.ops:
            once = op.name not in ("for", "while") and not _is_half_power(op)
            for a in op.args:
                self.uses[a] = self.uses.get(a, 0) + (1 if a in own and once else 2)
            for inner in op.regions:
                self._count(inner)
        for r in region.results:
            self.uses[r] = self.uses.get(r, 0) + 2

    def region(self, region: Region) -> None:
        """Emit the operations of a region."""
        for op in region.ops:
            self.op(op)

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

    def expression(self, op: Op) -> str:
        """The text of a pure operation, in parentheses where it may be part of a larger one."""
        args = [self.name(a) for a in op.args]
        name, type_ = "fast_add" if op in self.sums else op.name, op.result.type
        if name in _INFIX and len(args) == 2:
            return f"({args[0]} {_INFIX[name]} {args[1]})"
        if name == "negative":
            return f"(-{args[0]})"
        if name == "logical_not":
            return f"(not {args[0]})"
        if name == "size":
            return f"{args[0]}.size"
        if name == "subbuffer":
            self.kept.setdefault(args[0])
            return f"subarray({', '.join(strip(a) for a in args)})"
        if name == "select":
            return f"select({', '.join(strip(a) for a in args)})"
        if name == "fast_add" and op.name == "subtract":
            return f"fast_add({strip(args[0])}, -{args[1]})"
        if name == "fast_add":
            return f"fast_add({strip(args[0])}, {strip(args[1])})"
        if name == "cast":
            return f"{_TYPES[type_]}({strip(args[0])})"
        if _is_half_power(op):
            return HALF_POWERS[op.args[1].constant].format(args[0])
        if name == "power" and type_ == I8:
            return f"({args[0]} ** {args[1]})"
        if type_ == I8 and name in ("fmin", "fmax"):
            name = {"fmin": "minimum", "fmax": "maximum"}[name]
        if type_ == F8 and (name in VMATH or (self.in_vector_loop and name in VMATH_IN_LOOPS)):
            name = "pow" if name == "power" else name
            return f"vmath.{name}({', '.join(strip(a) for a in args)})"
        function = _CALLS.get(name) or (f"math.{name}" if name in _IN_MATH else None)
        if function is None:
            raise MissingRule(
                f"line {op.line}: `{name}` has no compiled form; write it with other functions, or leave the function to the tape tier"
            )
        if name in ("minimum", "maximum") and type_ != I8:
            function = f"np.{name}"
        text = f"{function}({', '.join(strip(a) for a in args)})"
        return f"np.float32({text})" if type_ == F4 else text

    # -- memory ----------------------------------------------------------------------------------------------------------------
    def index(self, v: Value) -> str:
        """An index expression: known to be non-negative, so unsigned."""
        return str(v.constant) if v.constant is not None else f"_u({strip(self.name(v))})"

    def _load(self, op: Op) -> None:
        buffer, index = op.args
        text = f"{self.name(buffer)}[{self.index(index)}]"
        narrow = buffer.type[1:] not in ("float64", "float32", "int64", "bool")
        self.put(f"{self.name(op.result)} = {f'np.int64({text})' if narrow else text}", op.line)

    def _store(self, op: Op) -> None:
        buffer, index, value = op.args
        self.put(f"{self.name(buffer)}[{self.index(index)}] = {strip(self.name(value))}", op.line)

    def _alloc(self, op: Op) -> None:
        size, zero, dtype = op.args[0], op.attributes["zero"], op.attributes["dtype"]
        name = self.name(op.result)
        if self.stack and size.constant is not None and dtype == "float64" and size.constant <= 4096:
            self.put(f"{name} = stack_array({size.constant})", op.line)
            if zero:
                self.put(f"{name}[:] = 0.0")
            return
        make = "np.zeros" if zero else "np.empty"
        self.put(f"{name} = {make}({strip(self.name(size))}, np.{_numpy(dtype)})", op.line)

    def _gemm(self, op: Op) -> None:
        self.put(f"gemm({', '.join(strip(self.name(a)) for a in op.args)}, {op.attributes['accumulate']})", op.line)

    def _call(self, op: Op) -> None:
        self.put(f"linear_kernels.{op.attributes['function']}({', '.join(strip(self.name(a)) for a in op.args)})", op.line)

    def _tape_new(self, op: Op) -> None:
        tape, dtype = op.result, op.attributes["dtype"]
        tape.hint = tape.hint or "tape"
        name = self.name(tape)
        if dtype.startswith("*"):
            self.put(f"{name} = [np.empty(0, np.{_numpy(dtype[1:])})]")
            return
        self.used[tape] = self.fresh(name + "_n")
        self.put(f"{name} = np.empty(256, np.{_numpy(dtype)})")
        self.put(f"{self.used[tape]} = 0")

    def _tape_reserve(self, op: Op) -> None:
        tape, n = self.name(op.args[0]), self.used[op.args[0]]
        self.put(f"{self.name(op.result)} = {n}")
        self.put(f"{n} += {strip(self.name(op.args[1]))}")
        self.put(f"if {n} > {tape}.size:")
        self.put(f"    {tape} = grown({tape}, {n})")

    def _tape_release(self, op: Op) -> None:
        n = self.used[op.args[0]]
        self.put(f"{n} -= {strip(self.name(op.args[1]))}")
        self.put(f"{self.name(op.result)} = {n}")

    def _tape_put(self, op: Op) -> None:
        tape, index, value = op.args
        self.put(f"{self.name(tape)}[{self.index(index)}] = {strip(self.name(value))}")

    def _tape_get(self, op: Op) -> None:
        self.put(f"{self.name(op.result)} = {self.name(op.args[0])}[{self.index(op.args[1])}]")

    def _tape_push(self, op: Op) -> None:
        self.put(f"{self.name(op.args[0])}.append({self.name(op.args[1])})")

    def _tape_pop(self, op: Op) -> None:
        self.put(f"{self.name(op.result)} = {self.name(op.args[0])}.pop()")

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
                text = f"{_TYPES[value.type]}({value.constant})"  # a literal int would be typed by its value
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


def _is_half_power(op: Op) -> bool:
    """Whether a square root gives this power."""
    return op.name == "power" and op.result.type == F8 and op.args[1].constant in HALF_POWERS


def _may_vectorise(loop: Op) -> bool:
    """Whether LLVM may run several trips of a `for` at once: straight-line, and of enough trips."""
    trips = loop.args[0].constant
    return (trips is None or trips >= 4) and not any(op.name in _SCALAR_ONLY for op in loop.regions[0].ops)


def _numpy(dtype: str) -> str:
    return "bool_" if dtype == "bool" else dtype


def literal(value, type_: str) -> str:
    """A constant as Python text."""
    if type_ == B1:
        return str(bool(value))
    if type_ == I8:
        return str(int(value)) if value >= 0 else f"({int(value)})"
    if math.isnan(value):
        text = "np.nan"
    elif math.isinf(value):
        text = "np.inf" if value > 0 else "(-np.inf)"
    else:
        text = repr(float(value)) if not repr(float(value)).startswith("-") else f"({float(value)!r})"
    return f"np.float32({text})" if type_ == F4 else text


def strip(text: str) -> str:
    """Without the outermost pair of parentheses, where they belong together."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and position < len(text) - 1:
            return text
    return text[1:-1]
