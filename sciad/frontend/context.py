"""State of one lowering: builder, stack of frames, captured inputs, known bounds of integers, errors with file and line."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from sciad.errors import UnsupportedSyntax
from sciad.fold import fold
from sciad.frontend.source import python_function
from sciad.frontend.values import Conflict, Maybe, Static
from sciad.ir import Builder, Value
from sciad.types import I8

__all__ = ["Frame", "Context", "Capture", "FLAGS", "ROOT", "unchanged"]

#: Names under which a frame keeps whether control is on its way out: of the function, of a loop, of a trip.
FLAGS = ("$ret", "$brk", "$cont")

#: The origin of the function that is being compiled.
ROOT = "root"


@dataclass(eq=False)
class Capture:
    """A value that a function closes over or finds among its globals, read anew at each call.

    `origin` tells how the function itself is reached from the one being compiled: ROOT for that one, the capture that gave it, or None for
    a function that never changes.  So a closure made anew with other values needs no new compilation.
    """

    function: FunctionType
    name: str
    path: tuple[str, ...] = ()
    origin: Any = None

    def read(self, root: FunctionType | None = None) -> Any:
        """The object as it is now, for the function `root` in place of the one that was compiled."""
        function = self.function
        if root is not None and self.origin is ROOT:
            function = root
        elif root is not None and isinstance(self.origin, Capture):
            function = python_function(self.origin.read(root))
        if self.name.startswith("="):
            return _default(function, self.name[1:])
        if self.name in function.__code__.co_freevars:
            value = function.__closure__[function.__code__.co_freevars.index(self.name)].cell_contents  # type: ignore[index]
        else:
            value = function.__globals__[self.name]
        for attribute in self.path:
            value = getattr(value, attribute)
        return value

    @property
    def label(self) -> str:
        """How the user wrote it."""
        return ".".join((self.name, *self.path))


def unchanged(guards: list[tuple[Capture, Any]], root: FunctionType) -> bool:
    """Whether compile-time captures are what they were: the same object, an equal constant, or a function with the same code."""
    for capture, found in guards:
        try:
            now = capture.read(root)
        except (KeyError, ValueError, AttributeError):
            return False
        if now is found:
            continue
        if type(now) is not type(found):
            return False
        a, b = python_function(now), python_function(found)
        if isinstance(a, FunctionType) and isinstance(b, FunctionType):
            if a.__code__ is not b.__code__:
                return False
        elif not isinstance(now, (int, float, str, tuple)) or now != found:
            return False
    return True


def _default(function: FunctionType, name: str) -> Any:
    code = function.__code__
    if function.__kwdefaults__ and name in function.__kwdefaults__:
        return function.__kwdefaults__[name]
    names = code.co_varnames[: code.co_argcount]
    defaults = function.__defaults__ or ()
    return defaults[names.index(name) - len(names) + len(defaults)]


@dataclass(eq=False)
class Frame:
    """One function being lowered: its variables, where free names come from, and where it stands in the user's files."""

    name: str
    filename: str
    offset: int
    env: dict[str, Any] = field(default_factory=dict)
    function: FunctionType | None = None  # free names: closure cells, then globals of this function
    origin: Any = None  # how that function is reached (see Capture)
    parent: Frame | None = None  # free names of a nested function: the defining frame
    locals: frozenset[str] = frozenset()
    called_from: int = 0
    captured: frozenset[str] = frozenset()  # names that inner functions read: at whatever time they are called
    after_jump: set[str] = field(default_factory=set)  # names that may be read after a break or continue of the innermost loop


class Context:
    """What all parts of the frontend share."""

    def __init__(self, import_capture: Callable[[Context, Capture, Any], Any]) -> None:
        self.b = Builder(fold)
        self.frames: list[Frame] = []
        self.line = 0
        self.filename = "?"
        self.captures: dict[tuple, Any] = {}
        self.import_capture = import_capture
        self.inlined: list[tuple[FunctionType | None, Any]] = []  # functions and how each is reached; None: by an import inside a function
        self.captured_buffers: set[Value] = set()  # not to be written: what escapes would have no derivative
        self.roots: set[Value] = set()  # buffers of the inputs: distinct memory, as the caller has checked
        self.outermost = self.b.region
        self.checked_bounds: set[tuple[Value, Value]] = set()
        #: Whether every index is checked when the function runs; otherwise only constant ones outside of loops and branches are.
        self.bounds_checked = os.environ.get("SCIAD_BOUNDSCHECK", "0") not in ("", "0")
        self.lower_bound: dict[Value, int] = {}
        self.upper_bound: dict[Value, tuple[Value, int]] = {}  # v < value + int

    @property
    def frame(self) -> Frame:
        """The innermost function."""
        return self.frames[-1]

    # -- where we are ----------------------------------------------------------------------------------------------------------
    def at(self, node: ast.AST) -> None:
        """Remember the user's line for errors and comments."""
        line = getattr(node, "lineno", None)
        if line is not None and self.frames:
            self.line = line + self.frame.offset
            self.b.line = self.line

    def error(self, construct: str, remedy: str = "") -> UnsupportedSyntax:
        """An UnsupportedSyntax for the current line."""
        filename, line = self.frame.filename if self.frames else self.filename, self.line
        inside = [f for f in self.frames if os.path.dirname(f.filename) == os.path.dirname(__file__)]
        if inside:  # in NumPy's functions as we write them: the user's line is the one that called
            user = self.frames[self.frames.index(inside[0]) - 1]
            filename, line = user.filename, inside[0].called_from
        return UnsupportedSyntax(construct, remedy, filename=filename, line=line)

    # -- names -----------------------------------------------------------------------------------------------------------------
    def lookup(self, name: str) -> Any:
        """The value of a name, by Python's rules; checks at run time that a maybe-unbound variable is bound."""
        frame: Frame | None = self.frame
        while frame is not None:
            if name in frame.env:
                return self._bound(name, frame.env[name])
            if name in frame.locals:
                raise self.error(f"local variable `{name}` is used before it is assigned", "assign it on every path that leads here")
            if frame.parent is None:
                break
            frame = frame.parent
        assert frame is not None
        return self._free(name, frame)

    def _bound(self, name: str, value: Any) -> Any:
        if isinstance(value, Conflict):
            what = f"variable `{name}`" if not name.startswith("$") else "conditional expression"
            raise self.error(f"{what}: {value.message}", "use one kind of value for one name, or two names")
        if isinstance(value, Maybe):
            self.b.check(value.defined, "UnboundLocalError", f"local variable '{name}' is used at line {self.line} before it was assigned")
            return value.value
        return value

    def _free(self, name: str, frame: Frame) -> Any:
        function = frame.function
        if function is not None:
            if name in function.__code__.co_freevars or name in function.__globals__:
                return self.capture(Capture(function, name, (), frame.origin))
            builtins = function.__globals__.get("__builtins__", {})
            table = builtins if isinstance(builtins, dict) else vars(builtins)
            if name in table:
                return Static(table[name])
        raise self.error(f"name `{name}` is not defined", "assign it, or import it where the function is defined")

    def capture(self, capture: Capture) -> Any:
        """The lowered value of something captured; the same input for every use."""
        try:
            found = capture.read()
        except (ValueError, AttributeError) as error:
            raise self.error(f"`{capture.label}` has no value yet", "assign it before calling") from error
        in_cell = capture.name.startswith("=") or capture.name in capture.function.__code__.co_freevars
        scope = id(capture.function) if in_cell else id(capture.function.__globals__)
        key = (scope, capture.name, capture.path)
        if key not in self.captures:
            self.captures[key] = self.import_capture(self, capture, found)
        return self.captures[key]

    # -- integer facts ---------------------------------------------------------------------------------------------------------
    def nonnegative(self, v: Value) -> bool:
        """Whether an integer is known to be >= 0."""
        low = self.low(v)
        return low is not None and low >= 0

    def low(self, v: Value, depth: int = 8) -> int | None:
        """A known lower bound of an integer."""
        if v.constant is not None:
            return int(v.constant)
        if v in self.lower_bound:
            return self.lower_bound[v]
        if v.op is None or depth == 0 or v.type != I8:
            return None
        name, args = v.op.name, v.op.args
        if name in ("add", "multiply", "minimum", "maximum"):
            a, b = self.low(args[0], depth - 1), self.low(args[1], depth - 1)
            if name == "maximum":
                known = [x for x in (a, b) if x is not None]
                return max(known) if known else None
            if a is None or b is None:
                return None
            if name == "multiply":
                return a * b if a >= 0 and b >= 0 else None
            return a + b if name == "add" else min(a, b)
        if name == "remainder" and (self.low(args[1], depth - 1) or 0) > 0:
            return 0
        if name == "floor_divide":
            a, b = self.low(args[0], depth - 1), self.low(args[1], depth - 1)
            return 0 if a is not None and b is not None and a >= 0 and b >= 0 else None
        if name == "select":
            a, b = self.low(args[1], depth - 1), self.low(args[2], depth - 1)
            return min(a, b) if a is not None and b is not None else None
        return None

    def upper(self, v: Value, depth: int = 4) -> tuple[Value, int] | None:
        """A known exclusive upper bound ``value + int`` of an integer."""
        if v in self.upper_bound:
            return self.upper_bound[v]
        if v.op is None or depth == 0:
            return None
        if v.op.name == "add" and v.op.args[1].constant is not None:
            inner = self.upper(v.op.args[0], depth - 1)
            return (inner[0], inner[1] + v.op.args[1].constant) if inner else None
        if v.op.name == "remainder":
            return (v.op.args[1], 0)
        return None
