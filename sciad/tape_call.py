"""Compiled functions on the tape: a call with traced arguments, or traced values among what the function closes over, is one node.

With y = f(x) the reverse rule of the node is V(x, y_bar) = J(x)^T y_bar, itself a node: its forward derivative is forward over reverse, its
reverse one reverse over forward, because w . V(x, y_bar) = y_bar . (J(x) w).  Third derivatives are refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sciad import tree
from sciad.errors import SciadError
from sciad.tape import custom_call, is_traced, value_of

__all__ = ["traced", "record"]


def traced(leaves: list, captured: list) -> bool:
    """Whether a call has to be recorded: an argument, or something that the function closes over, is traced."""
    return any(map(is_traced, leaves)) or any(map(is_traced, captured))


def record(function: Any, program: Any, leaves: list, captured: list) -> Any:
    """Run a compiled function and record it as one node; gives the user's result, with traced leaves."""
    inputs = [*leaves, *captured]
    refused = [k for k, on in enumerate(program.written) if on and is_traced(inputs[k])]
    if refused:
        raise SciadError(
            f"`{program.name}` writes into `{program.inputs[refused[0]].label}`, a traced array; return the new array, or differentiate "
            f"`{program.name}` itself with inout="
        )
    wrt = [k for k, leaf in enumerate(program.inputs) if leaf.kind.differentiable]
    static: dict[str, Any] = {}

    def forward(*given: Any) -> tuple:
        plain = list(inputs)
        for k, x in zip(wrt, given):
            plain[k] = x
        if any(map(is_traced, given)):  # another level of differentiation outside: record there first
            out = record(function, program, plain[: len(leaves)], plain[len(leaves) :])
        else:
            out = program.call([value_of(x) for x in plain])
        out_leaves, static["structure"] = tree.flatten(out)
        floats = program.float_leaves()
        static["leaves"], static["floats"] = out_leaves, floats
        rules = _Rules(program, wrt, plain)
        return tuple(out_leaves[k] for k in floats), rules.vjp, rules.jvp

    made = custom_call(forward, [inputs[k] for k in wrt], f"`{program.name}`")
    out_leaves = list(static["leaves"])
    for k, x in zip(static["floats"], made):
        out_leaves[k] = x
    return tree.unflatten(static["structure"], out_leaves)


class _Rules:
    """Derivatives of one call in both modes, each itself differentiable once."""

    def __init__(self, program: Any, wrt: list[int], inputs: list) -> None:
        self.program, self.wrt, self.inputs = program, wrt, inputs

    def _with(self, given: Any) -> list:
        values = [value_of(x) for x in self.inputs]
        for k, x in zip(self.wrt, given):
            values[k] = x
        return values

    def vjp(self, *bars: Any) -> list:
        xs = [self.inputs[k] for k in self.wrt]
        if not any(map(is_traced, [*xs, *bars])):
            return self._pull(xs, bars)
        n = len(xs)

        def forward(*given: Any) -> tuple:
            below, bars_below = given[:n], given[n:]
            if any(map(is_traced, given)):
                raise SciadError(f"third derivatives of the compiled function `{self.program.name}`; differentiate it as a plain function")
            return tuple(self._pull(below, bars_below)), *self._second(below, bars_below)

        return list(custom_call(forward, [*xs, *bars], f"reverse of `{self.program.name}`"))

    def _pull(self, xs: Any, bars: Any) -> list:
        values = self._with(xs)
        return self.program.run_pullback(values, self.wrt, (), _seeds(self.program, bars), [])[1]

    def _second(self, xs: Any, bars: Any) -> tuple:
        """Rules of (x, y_bar) -> J^T y_bar."""
        program, wrt, n = self.program, self.wrt, len(xs)

        def vjp(*w: Any) -> list:
            values = self._with(xs)
            directions = _directions(xs, w)
            x_bars = program.reverse_over_forward(values, wrt, directions, _seeds(program, bars))
            _, y_dots, _ = program.run_pushforward(values, wrt, directions, ())
            return [*x_bars, *[_shaped(d, b) for d, b in zip(y_dots, bars)]]

        def jvp(*dots: Any) -> tuple:
            x_dots = _directions(xs, dots[:n])
            bar_dots = _directions(bars, dots[n:])
            return tuple(program.forward_over_reverse(self._with(xs), wrt, x_dots, _seeds(program, bars), _seeds(program, bar_dots)))

        return vjp, jvp

    def jvp(self, *dots: Any) -> tuple:
        xs = [self.inputs[k] for k in self.wrt]
        if any(map(is_traced, [*xs, *dots])):
            return self._traced_jvp(xs, dots)
        directions = _directions(xs, dots)
        results, y_dots, _ = self.program.run_pushforward(self._with(xs), self.wrt, directions, ())
        return tuple(_shaped(d, y) for d, y in zip(y_dots, self.program.float_values(results)))

    def _traced_jvp(self, xs: list, dots: Any) -> tuple:
        """Forward mode under another level: reverse over forward and forward over forward are given by the pullback, by symmetry."""
        program, wrt, n = self.program, self.wrt, len(xs)
        dots = _directions([value_of(x) for x in xs], dots)

        def forward(*given: Any) -> tuple:
            below, directions = given[:n], given[n:]
            if any(map(is_traced, given)):
                raise SciadError(f"third derivatives of the compiled function `{program.name}`; differentiate it as a plain function")
            values = self._with(below)
            results, y_dots, _ = program.run_pushforward(values, wrt, list(directions), ())
            outs = program.float_values(results)
            y_dots = tuple(_shaped(d, y) for d, y in zip(y_dots, outs))

            def vjp(*bars: Any) -> list:
                x_bars = program.reverse_over_forward(values, wrt, list(directions), _seeds(program, bars))
                return [*x_bars, *program.run_pullback(values, wrt, (), _seeds(program, bars), [])[1]]

            def jvp(*second: Any) -> tuple:
                x_dots = _directions(below, second[:n])
                found = program.forward_over_forward(values, wrt, list(directions), x_dots)
                more = _directions(below, second[n:])
                linear = program.run_pushforward(values, wrt, more, ())[1]
                return tuple(_shaped(a, y) + _shaped(b, y) for a, b, y in zip(found, linear, outs))

            return y_dots, vjp, jvp

        return custom_call(forward, [*xs, *dots], f"forward derivative of `{program.name}`")


def _seeds(program: Any, bars: Any) -> list:
    """Cotangents of the float outputs as the compiled pullback takes them: floats, and flat arrays that it may use up."""
    kinds = [program.outputs[k].kind for k in program.float_leaves()]
    return [float(b) if kind == "scalar" else np.array(b, copy=True).reshape(-1) for kind, b in zip(kinds, bars)]


def _directions(xs: Any, dots: Any) -> list:
    """Tangents for all of `xs`: floats for numbers, zeros where none is given."""
    return [
        (np.zeros(x.shape, x.dtype) if d is None else d) if isinstance(x, np.ndarray) else 0.0 if d is None else float(d)
        for x, d in zip(xs, dots)
    ]


def _shaped(dot: Any, like: Any) -> Any:
    return dot.reshape(np.shape(like)) if isinstance(dot, np.ndarray) else dot

