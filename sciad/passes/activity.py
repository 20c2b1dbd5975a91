"""Activity: what depends on the inputs that are differentiated (varied) and influences the outputs that matter (useful).

Hascoet & Pascual, TOMS 39(3), 2013, 2.  Scalars are in SSA form, so nothing is ever overwritten; memory is one cell for each class of
buffers that may be the same (a weak update: a constant store never makes an array inactive).
"""

from __future__ import annotations

from collections.abc import Iterable

from sciad.errors import MissingRule
from sciad.ir import PURE, Op, Region, Value
from sciad.passes.structure import Structure, carried
from sciad.rules.library import CALLS
from sciad.rules.registry import lookup
from sciad.types import is_buffer, is_float

__all__ = ["Activity", "rule_of"]


def rule_of(op: Op):
    """The rule of a scalar operation; MissingRule names its line."""
    try:
        return lookup(op.name)
    except MissingRule as error:
        raise MissingRule(f"line {op.line}: {error}") from None


def differentiable_operands(op: Op) -> list[Value]:
    """Operands through which a pure operation can pass a derivative."""
    if not is_float(op.result.type):
        return []
    if op.name in ("const", "subbuffer"):  # a part of a buffer is the same memory
        return []
    if op.name == "select":
        return op.args[1:]
    if op.name == "cast":
        return [a for a in op.args if is_float(a.type)]
    if op.name in ("fast_add", "zero_wins"):
        return op.args
    candidates = [a for a in op.args if is_float(a.type)]
    if not candidates or rule_of(op).kind == "nondiff":
        return []
    return candidates


class Activity:
    """Sets of varied and useful values; memory is represented by its class (see `Structure.memory`)."""

    def __init__(self, structure: Structure, inputs: Iterable[Value], outputs: Iterable[Value]) -> None:
        self.structure = structure
        self.varied: set[Value] = set()
        self.useful: set[Value] = set()
        self._spread(self.varied, inputs, self._forward)
        self._spread(self.useful, outputs, self._backward)

    def _key(self, v: Value) -> Value:
        return self.structure.memory(v) if is_buffer(v.type) or v.type.startswith("tape:") else v

    def _spread(self, found: set[Value], seeds: Iterable[Value], sweep) -> None:
        found.update(self._key(v) for v in seeds)
        before = -1
        while len(found) != before:
            before = len(found)
            sweep(self.structure.body)

    def active(self, v: Value) -> bool:
        """Whether a derivative has to be carried for a scalar, or for a buffer's memory."""
        key = self._key(v)
        return is_float(v.type) and key in self.varied and key in self.useful

    # -- forward ---------------------------------------------------------------------------------------------------------------
    def _is_varied(self, v: Value) -> bool:
        return self._key(v) in self.varied

    def _forward(self, region: Region) -> None:
        for op in region.ops:
            if op.name in ("load", "tape_get"):
                self._mark(self.varied, self._is_varied(op.args[0]) and is_float(op.result.type), op.result)
            elif op.name in ("store", "tape_put"):
                self._mark(self.varied, self._is_varied(op.args[2]) and is_float(op.args[2].type), op.args[0])
            elif op.name == "gemm":
                self._mark(self.varied, self._is_varied(op.args[0]) or self._is_varied(op.args[4]), op.args[8])
            elif op.name == "call":
                rule = CALLS[op.attributes["function"]]
                for k in rule.outputs:
                    self._mark(self.varied, any(self._is_varied(op.args[j]) for j in rule.inputs), op.args[k])
            elif op.name == "if":
                for inner in op.regions:
                    self._forward(inner)
                    for r, x in zip(op.results, inner.results):
                        self._mark(self.varied, self._is_varied(x) and is_float(r.type), r)
            elif op.name in ("for", "while"):
                for initial, parameter, _, _ in carried(op):
                    self._mark(self.varied, self._is_varied(initial) and is_float(parameter.type), parameter)
                self._forward(op.regions[0])
                for initial, parameter, following, result in carried(op):
                    changed = (self._is_varied(following) or self._is_varied(initial)) and is_float(parameter.type)
                    self._mark(self.varied, changed, parameter)
                    self._mark(self.varied, changed, result)
            elif PURE(op):
                self._mark(self.varied, any(self._is_varied(a) for a in differentiable_operands(op)), op.result)

    def _mark(self, found: set[Value], condition: bool, v: Value) -> None:
        if condition:
            found.add(self._key(v))

    # -- backward --------------------------------------------------------------------------------------------------------------
    def _is_useful(self, v: Value) -> bool:
        return self._key(v) in self.useful

    def _backward(self, region: Region) -> None:
        for op in reversed(region.ops):
            if op.name in ("load", "tape_get"):
                self._mark(self.useful, self._is_useful(op.result), op.args[0])
            elif op.name in ("store", "tape_put"):
                self._mark(self.useful, self._is_useful(op.args[0]), op.args[2])
            elif op.name == "gemm":
                for k in (0, 4):
                    self._mark(self.useful, self._is_useful(op.args[8]), op.args[k])
            elif op.name == "call":
                rule = CALLS[op.attributes["function"]]
                for k in rule.inputs:
                    self._mark(self.useful, any(self._is_useful(op.args[j]) for j in rule.outputs), op.args[k])
            elif op.name == "if":
                for inner in op.regions:
                    for r, x in zip(op.results, inner.results):
                        self._mark(self.useful, self._is_useful(r), x)
                    self._backward(inner)
            elif op.name in ("for", "while"):
                for _, parameter, following, result in carried(op):
                    wanted = self._is_useful(result) or self._is_useful(parameter)
                    self._mark(self.useful, wanted, following)
                self._backward(op.regions[0])
                for initial, parameter, following, result in carried(op):
                    if self._is_useful(parameter) or self._is_useful(result):
                        self._mark(self.useful, True, parameter)  # what leaves the loop is the parameter of a trip that does not come
                        self._mark(self.useful, True, initial)
                        self._mark(self.useful, True, following)
            elif PURE(op) and self._is_useful(op.result):
                for a in differentiable_operands(op):
                    self._mark(self.useful, True, a)
