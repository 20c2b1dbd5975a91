"""Solves that repeat: for each function, shapes and options a generated function that checks that they are the same, and solves.

The general way finds the system of a function, its memory and its parameters at each call; a plan has them at hand.  It is Python text of
some thirty lines, as a loop over what is to be checked would take longer than the checks.  Whatever it does not expect (another closure's
helper, a changed global, other types or shapes) it leaves to the general way by answering None: plans never decide what a function means.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from sciad.frontend.context import ROOT, Capture
from sciad.frontend.source import python_function
from sciad.solvers.nonlinear.compiled import enterer
from sciad.solvers.nonlinear.system import System
from sciad.solvers.nonlinear.workspace import Workspace
from sciad.tape.core import ArrayVariable, Variable

__all__ = ["PLANS", "NONE", "add_plan"]

_LOCK = threading.Lock()
MOST = 256  # functions with plans
TRIES = 16  # plans made for one function: one that is called in ever new ways is left to the general way
PLAIN = (int, bool, str)
NUMBERS = (int, float, str)  # what options may be
ENTERED = 2  # numbers that `enter` takes

#: The plans of functions without closure, and of the code of those with one.
PLANS: dict[Any, list[Callable]] = {}
NONE: tuple = ()
_TRIED: dict[Any, int] = {}


class Call(NamedTuple):
    """What is to be the same at the next call: the function, its arguments, and options by the names of parameters."""

    fun: FunctionType
    shape: tuple[int, ...]
    args: tuple
    options: dict[str, Any]


class Ending(NamedTuple):
    """What the caller makes of a solve.

    ``solved(x, fx, counts)``, as `enter` packs them; ``stopped(system, space, code, x, fx)`` where it gave a code; where a parameter is
    traced, ``record(given, system, space, fun, args, leaves, x, x0, adjoint)`` of what these gave.
    """

    solved: Callable
    stopped: Callable
    record: Callable


def add_plan(call: Call, system: System, make: Callable[[], Workspace], ending: Ending) -> None:
    """Let calls like this one be planned from now on, where they can be."""
    fun = call.fun
    if type(fun) is not FunctionType or system.interpreted or fun.__kwdefaults__:
        return
    key: Any = fun if fun.__closure__ is None else fun.__code__
    with _LOCK:
        tried = _TRIED.get(key, 0)
        if tried >= TRIES:
            return
        while len(_TRIED) >= MOST:
            oldest = next(iter(_TRIED))
            del _TRIED[oldest]
            PLANS.pop(oldest, None)
        _TRIED[key] = tried + 1
        text = _Text(call, system)
        if text.possible:
            PLANS[key] = [text.function(make, ending), *PLANS.get(key, NONE)]  # a new list: others may be at the old one


class _Text:
    """The text of a plan, and the objects that it names."""

    def __init__(self, call: Call, system: System) -> None:
        self.call, self.system = call, system
        self.names: dict[str, Any] = {"ndarray": np.ndarray, "F8": np.dtype(np.float64), "F64": np.float64, "empty": np.empty,
                                      "Variable": Variable, "ArrayVariable": ArrayVariable, "enter": enterer()}  # fmt: skip
        self.checks: list[str] = []
        self.leaves: list[str] = []  # names of the leaves, traced or not, in the order of the parameters
        self.entered: list[str] = []  # of the numbers that are the first parameters
        self.written: list[str] = []  # statements that write the other parameters
        self.views: list[tuple[int, int, tuple[int, ...]]] = []
        self.possible = self._options() and self._function() and self._arguments() and self._captures()

    def named(self, thing: Any) -> str:
        """A name for an object."""
        name = f"k{len(self.names)}"
        self.names[name] = thing
        return name

    def differs(self, expression: str, thing: Any) -> None:
        """Leave the plan where an expression is not this very object."""
        name = self.named(thing)
        self.checks.append(f"if {expression} is not {name}: return None")

    def unequal(self, expression: str, thing: Any) -> None:
        """Leave the plan where an expression is not an equal constant of the same type."""
        self.checks.append(f"if type({expression}) is not {type(thing).__name__} or {expression} != {self.named(thing)}: return None")

    # -- what has to be the same -----------------------------------------------------------------------------------------------
    def _options(self) -> bool:
        for name, value in self.call.options.items():
            if type(value) is str:
                same = self.named(value)
                self.checks.append(f"if {name} is not {same} and (type({name}) is not str or {name} != {same}): return None")
            elif value is None:
                self.checks.append(f"if {name} is not None: return None")
            elif type(value) in (*NUMBERS, bool) or (type(value) is dict and all(map(_comparable, value.values()))):
                self.unequal(name, dict(value) if type(value) is dict else value)
            else:
                return False
        return True

    def _function(self) -> bool:
        fun = self.call.fun
        self.differs("fun.__code__", fun.__code__)
        self.differs("fun.__defaults__", fun.__defaults__)
        self.differs("fun.__kwdefaults__", None)
        if fun.__closure__ is not None:  # else it is this very function, whose globals cannot be exchanged
            self.differs("fun.__globals__", fun.__globals__)
        for capture, found in self.system.field.guards:
            read = self._reading(capture)
            if read is None:
                return False
            (self.unequal if type(found) in PLAIN else self.differs)(read, found)
        return True

    def _arguments(self) -> bool:
        args = self.call.args
        names = "".join(f"c{k}, " for k in range(len(args)))
        self.checks.append(f"{names}= args" if args else "if args: return None")  # ValueError where there are fewer or more
        for k, x in enumerate(args):
            plain = getattr(x, "__sciad_value__", x)
            if type(plain) in PLAIN:
                self.unequal(f"c{k}", plain)
            elif not self._leaf(f"c{k}", plain):
                return False
        return True

    def _captures(self) -> bool:
        for captured in self.system.field.captures:
            found = captured.capture.read(self.call.fun)
            read = self._reading(captured.capture)
            if read is None or captured.structure.kind != "leaf" or not self._leaf(read, getattr(found, "__sciad_value__", found)):
                return False
        return len(self.leaves) == len(self.system.field.slots)

    def _reading(self, capture: Capture) -> str | None:
        """The expression that reads a captured object; None where that takes more than a few look-ups."""
        if capture.name.startswith("="):
            return None
        if capture.origin is ROOT:
            function, owner = self.call.fun, "fun"
        else:
            found = capture.origin.read(self.call.fun) if isinstance(capture.origin, Capture) else capture.function
            function = python_function(found)
            if not isinstance(function, FunctionType):
                return None
            owner = self.named(function)
        code = function.__code__
        if capture.name in code.co_freevars:
            read = f"{owner}.__closure__[{code.co_freevars.index(capture.name)}].cell_contents"
        else:
            read = f"{self.named(function.__globals__)}[{capture.name!r}]"
        return ".".join((read, *capture.path))

    # -- parameters ------------------------------------------------------------------------------------------------------------
    def _leaf(self, read: str, plain: Any) -> bool:
        """Read, check and write one parameter; whether it is a float or an array of float64."""
        k = len(self.leaves)
        if k >= len(self.system.field.slots):
            return False
        slot, given, value = self.system.field.slots[k], f"a{k}", f"b{k}"
        self.leaves.append(given)
        if read[0] != "c":  # what comes from args has a name
            self.checks.append(f"{given} = {read}")
            read = given
        self.leaves[-1] = given = read
        self.checks.append(f"{value} = {given}")
        if slot.shape is None and type(plain) in (float, np.float64):
            self.checks.append(
                f"if type({value}) is not float:\n"
                f"    if type({value}) is Variable:\n"
                f"        traced, {value} = True, {value}.__sciad_value__\n"
                f"    if type({value}) is not float and type({value}) is not F64: return None"
            )
            if slot.start == len(self.entered) < ENTERED:
                self.entered.append(value)
            else:
                self.written.append(f"p[{slot.start}] = {value}")
            return True
        if type(plain) is not np.ndarray or plain.dtype != np.float64 or slot.shape is None or plain.shape != slot.shape:
            return False
        view = f"v{len(self.views)}"
        self.views.append((slot.start, slot.start + slot.size, slot.shape))
        self.checks.append(
            f"if type({value}) is ArrayVariable:\n"
            f"    traced, {value} = True, {value}.__sciad_value__\n"
            f"if type({value}) is not ndarray or {value}.dtype is not F8 or {value}.shape != {slot.shape}: return None"
        )
        self.written.append(f"{view}[...] = {value}")
        return True

    # -- the whole -------------------------------------------------------------------------------------------------------------
    def _start(self) -> list[str]:
        shape = self.call.shape
        if not shape:
            return ["if type(x0) is not float: return None", "start = empty(1)", "start[0] = x0"]
        lines = [f"if type(x0) is not ndarray or x0.dtype is not F8 or x0.shape != {shape}: return None"]
        return [*lines, "start = x0" if len(shape) == 1 else "start = x0.reshape(-1)"]

    def function(self, make: Callable[[], Workspace], ending: Ending) -> Callable:
        """The plan: takes fun, x0, args, the options by name and adjoint; a result, or None."""
        spaces: list[tuple] = []

        def more() -> tuple:
            space = make()
            views = [space.p[begin:end].reshape(shape) for begin, end, shape in self.views]
            return (space.address, space, space.p, *views)

        n = self.system.n
        numbers = [*self.entered, *["0.0"] * (ENTERED - len(self.entered))]
        room = ", ".join(["address", "space", "p", *[f"v{k}" for k in range(len(self.views))]])
        leaves = f"[{', '.join(self.leaves)}]"
        self.names.update(pop=spaces.pop, give=spaces.append, more=more, system=self.system, **ending._asdict())
        body = "\n".join(self.checks)
        return _compiled(
            f"def plan(fun, x0, args, {''.join(f'{name}, ' for name in self.call.options)}adjoint):\n"
            f"    traced = False\n"
            f"    try:\n{_indented(body, 8)}\n"
            f"    except (KeyError, AttributeError, ValueError): return None\n"
            f"{_indented(chr(10).join(self._start()), 4)}\n"
            f"    try: room = pop()\n"
            f"    except IndexError: room = more()\n"
            f"    {room} = room\n"
            f"{_indented(chr(10).join(self.written) or 'pass', 4)}\n"
            f"    x, fx = empty({n}), empty({n})\n"
            f"    try:\n"
            f"        code = enter(address, start, x, fx, {len(self.entered)}, {', '.join(numbers)})\n"
            f"        given = solved(x, fx, code) if code > 0 else stopped(system, space, code, x, fx)\n"
            f"        if traced: given = record(given, system, space, fun, args, {leaves}, x, x0, adjoint)\n"
            f"    finally: give(room)\n"
            f"    return given\n",
            self.names,
        )


def _comparable(value: Any) -> bool:
    """Whether an option is a number, a name, or a pair of numbers."""
    return type(value) in NUMBERS or (type(value) is tuple and all(type(v) in NUMBERS for v in value))


def _indented(text: str, by: int) -> str:
    return "\n".join(" " * by + line for line in text.splitlines())


def _compiled(text: str, names: dict[str, Any]) -> Callable:
    exec(compile(text, "<sciad plan>", "exec"), names)
    plan = names["plan"]
    plan.__doc__ = text
    return plan
