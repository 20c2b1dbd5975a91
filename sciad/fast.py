"""Calls that repeat: what a call of a compiled function needs from Python, worked out once for arguments of the same types and shapes.

Only positional arguments that are floats, ints, bools and contiguous arrays, none of which the function writes into; every other call goes
the general way.  On a hit nothing is flattened, looked up or checked but the captures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad import tree
from sciad.frontend.context import ROOT
from sciad.types import is_float

__all__ = ["FastCalls"]

_SCALARS = (float, int, bool, np.float64)
_MOST = 256  # plans of one function; with more shapes than that, the oldest is dropped


def _signature(args: tuple) -> tuple | None:
    """Types and shapes of the arguments; None where a call has to go the general way."""
    found: list = []
    for x in args:
        kind = type(x)
        if kind is np.ndarray:
            flags = x.flags
            if not (flags.c_contiguous and flags.aligned):
                return None
            found.append(x.dtype)
            found.append(x.shape)
        elif kind in _SCALARS:
            found.append(kind)
        else:
            return None
    return tuple(found)


class FastCalls:
    """The plans of one compiled function."""

    def __init__(self, fun: Any) -> None:
        self.fun = fun
        self.plans: dict[tuple, _Plan | None] = {}

    def value_and_grad(self, args: tuple, argnums: tuple[int, ...]) -> tuple[float, list] | None:
        """Value and gradients with respect to the arguments `argnums`; None where there is no fast way."""
        plan = self._plan(args, argnums)
        return plan.gradient(args) if plan is not None else None

    def primal(self, args: tuple) -> tuple[Any] | None:
        """The function's result, in a tuple; None where there is no fast way."""
        plan = self._plan(args, None)
        return (plan.result(args),) if plan is not None else None

    def vjp(self, args: tuple) -> tuple[Any, Callable] | None:
        """The result of a function that returns one float, and its pullback; None where there is no fast way."""
        primal = self._plan(args, None)
        if primal is None or primal.output < 0 or not is_float(primal.program.result_types[primal.output]):
            return None
        reverse = self._plan(args, tuple(range(len(args))))
        if reverse is None:
            return None
        kept = tuple([x.copy() if type(x) is np.ndarray else x for x in args])
        return primal.result(args), lambda bar: tuple(reverse.gradient(kept, 0.0 if bar is None else float(bar))[1])

    def _plan(self, args: tuple, argnums: tuple[int, ...] | None) -> _Plan | None:
        key = _signature(args)
        if key is None:
            return None
        found = self.plans.get((argnums, key), self)
        if found is self or (found is not None and not found.current()):
            if len(self.plans) >= _MOST:
                del self.plans[next(iter(self.plans))]
            found = self.plans[argnums, key] = self._make(args, argnums)
        return found  # type: ignore[return-value]

    def _make(self, args: tuple, argnums: tuple[int, ...] | None) -> _Plan | None:
        if argnums is not None and not (set(argnums) <= set(range(len(args))) and len(set(argnums)) == len(argnums)):
            return None
        program = self.fun.program(*tree.flatten(args))
        if program.capture_trees or any(program.written) or not all(x.dtype.isnative for x in args if isinstance(x, np.ndarray)):
            return None
        guards = _direct_guards(program, self.fun.__sciad_function__)
        return _Plan(program, args, argnums, guards) if guards is not None else None


def _direct_guards(program: Any, function: Any) -> list[tuple[dict, str, tuple[str, ...], Any]] | None:
    """Compile-time captures as entries of dicts of globals; None where one is something else."""
    guards = []
    for capture, found in program.guards:
        if capture.name.startswith("=") or not (capture.origin is ROOT or capture.origin is None):
            return None
        owner = function if capture.origin is ROOT else capture.function
        if capture.name in owner.__code__.co_freevars:
            return None
        guards.append((owner.__globals__, capture.name, capture.path, found))
    return guards


class _Plan:
    """How arguments of one signature become those of the compiled function."""

    def __init__(self, program: Any, args: tuple, argnums: tuple[int, ...] | None, guards: list) -> None:
        self.program, self.guards = program, guards
        self.call: list = []
        self.arrays: list[tuple[int, int]] = []
        self.scalars: list[tuple[int, int]] = []
        for k, (leaf, x) in enumerate(zip(program.inputs, args)):
            if leaf.kind.is_array:
                self.arrays.append((len(self.call), k))
                self.call += [None, *[n for n, known in zip(x.shape, leaf.kind.shape or ()) if known is None]]
            elif leaf.kind.scalar is not None:
                self.scalars.append((len(self.call), k))
                self.call.append(None)
        if argnums is None:
            self.function: Callable = program.primal()
            only = program.outputs[0] if len(program.outputs) == 1 and program.structure.kind == "leaf" else None
            self.output = only.position if only is not None and only.kind == "scalar" and only.dtype != "b1" else -1
            return
        self.output = program.scalar_output()
        self.n_results = len(program.result_types)
        wrt = [k for k in argnums if program.inputs[k].kind.differentiable]
        self.function = program.pullback(wrt, ())
        self.bars: list[tuple[int, tuple[int, ...], Any]] = []
        self.gradients: list[tuple[int, int | None]] = []  # of each argument: number of its array, or of its scalar
        for k in argnums:
            if k not in wrt:
                self.gradients.append((-1, None))
            elif program.inputs[k].kind.is_array:
                self.gradients.append((len(self.bars), None))
                self.bars.append((len(self.call), args[k].shape, args[k].dtype))
                self.call.append(None)
            else:
                self.gradients.append((-1, sum(s is not None for _, s in self.gradients)))
        self.call.append(1.0)

    def current(self) -> bool:
        """Whether the captures are the objects that were compiled in."""
        for names, name, path, found in self.guards:
            now = names.get(name)
            for attribute in path:
                now = getattr(now, attribute, None)
            if now is not found:
                return False
        return True

    def _filled(self, args: tuple) -> list:
        call = self.call[:]
        for slot, k in self.arrays:
            call[slot] = args[k].reshape(-1)
        for slot, k in self.scalars:
            call[slot] = args[k]
        return call

    def result(self, args: tuple) -> Any:
        """What the function returns."""
        results = self.function(*self._filled(args))
        return results[self.output] if self.output >= 0 else self.program.unpack(results)

    def gradient(self, args: tuple, seed: float = 1.0) -> tuple[float, list]:
        """Value and gradients, times the cotangent of the value."""
        call = self._filled(args)
        call[-1] = seed
        bars = []
        for slot, shape, dtype in self.bars:
            bar = np.zeros(shape, dtype)
            bars.append(bar)
            call[slot] = bar.reshape(-1)
        results = self.function(*call)
        n = self.n_results
        return results[self.output], [bars[a] if a >= 0 else None if s is None else results[n + s] for a, s in self.gradients]
