"""A solve as one node of the tape: the rules of its adjoint in both modes, each of them differentiable once more.

With ys = S(x), x the initial state and the parameters, the reverse rule is V(x, ys_bar) = J(x)^T ys_bar and the forward rule
T(x, x_dot) = J(x) x_dot.  Both are nodes themselves where a second derivative is asked for; what these need comes from the adjoint's
`curvature`.  Third derivatives are refused, and second ones where a time moves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.errors import SciadError, SolveError
from sciad.solvers.counting import going_back
from sciad.solvers.integrate import RawSolution, integrate
from sciad.tape import custom_call, is_traced, value_of

__all__ = ["SolveNode"]

TIMES = (1, 2, 3)  # places of t0, t1 and t_eval among the parents


class SolveNode:
    """One solve under differentiation, done with the values of all levels; `states` records it.

    `parents` are y0, t0, t1, t_eval and the leaves of the parameter vector; `problem` is what adjoints take after the right-hand side.
    ``guarded(stage, *given)`` runs a part of the adjoint for the right-hand side.  `done`: its solution and residuals, where it is solved.
    """

    def __init__(
        self, field: Any, shape: tuple[int, ...], parents: list, problem: tuple, adjoint: Any, guarded: Callable, done: Any = None
    ) -> None:  # fmt: skip
        self.field, self.shape, self.problem, self.adjoint, self.guarded = field, shape, problem, adjoint, guarded
        self.parents = parents
        self.active = [k for k, x in enumerate(parents) if is_traced(x)]
        self.name = f"solve_ivp of `{field.name}`"
        levels = [parents[k].level for k in self.active]
        if done is not None:
            self.raw, self.residuals = done
        elif levels[0].forward and all(level is levels[0] for level in levels):  # nothing need be kept for a way back
            self.raw, self.residuals = guarded(_forward_only, *problem), None
        else:
            self.raw, self.residuals = guarded(adjoint.forward, *problem)

    def states(self) -> Any:
        """The saved states (m, *shape) on the tape."""
        return self._record([self.parents[k] for k in self.active])

    def rules(self) -> _Rules:
        """The rules of the innermost level, of a solve whose other levels are not traced."""
        return _Rules(self, [self.parents[k].value for k in self.active])

    def _record(self, given: Any) -> Any:
        return custom_call(self._forward, given, self.name)

    def _forward(self, *below: Any) -> tuple:
        outer = any(map(is_traced, below))
        ys = self._record(below) if outer else self.raw.ys.reshape(self.raw.ys.shape[0], *self.shape)
        rules = _Rules(self, list(below))
        return ys, rules.vjp, rules.jvp

    # -- plain derivatives; cotangents and tangents of the active parents, None for zero -----------------------------------------
    def backward(self, ys_bar: Any) -> list:
        """J^T ys_bar."""
        times = any(k in TIMES for k in self.active)
        if self.residuals is None:  # a forward derivative whose direction is differentiated in reverse
            span, y0, p, _, options = self.problem
            self.residuals = self.guarded(self.adjoint.forward, span, y0, p, self.raw.t, options)[1]
        with going_back():
            found = self.guarded(self.adjoint.backward, self.residuals, self._flat(ys_bar), times)
        return self._parts(found[0], found[1], found[2:])

    def push(self, dots: Any) -> np.ndarray:
        """J dots."""
        full = self._full(dots)
        y0_dot, p_dot = self._vectors(dots)
        span_dot = float(full[1] or 0.0), float(full[2] or 0.0)
        given, options = self.problem, self.problem[4]
        times_dot = full[3]
        if given[3] is None:  # a solve with tangents may take other steps: ask for the states at these, the first and last of which move
            given = (*given[:3], self.raw.t, options)
            if any(span_dot):
                times_dot = np.zeros(len(self.raw.t))
                times_dot[0] += span_dot[0]
                times_dot[-1] += span_dot[1] if len(times_dot) > 1 else 0.0
        ys_dot = self.guarded(self.adjoint.jvp, *given, y0_dot, p_dot, span_dot, times_dot)[1]
        return self._shaped(ys_dot)

    def second(self, dots: Any, ys_bar: Any, ys_bar_dot: Any = None) -> tuple[list, list, np.ndarray]:
        """J^T ys_bar, its derivative where x moves along `dots` and ys_bar along its own, and J dots."""
        vectors = self._vectors(dots)
        bar = self._flat(ys_bar)
        bar_dot = np.zeros(bar.shape) if ys_bar_dot is None else self._flat(ys_bar_dot)
        with going_back():
            ys_dot, *found = self.curvature(vectors).second(*vectors, bar, bar_dot)
        return self._parts(*found[:2]), self._parts(*found[2:]), self._shaped(ys_dot)

    def mixed(self, one: Any, two: Any) -> np.ndarray:
        """The second derivative of the states along two directions."""
        first = self._vectors(one)
        return self._shaped(self.curvature(first).mixed(first, self._vectors(two)))

    def curvature(self, direction: tuple[np.ndarray, np.ndarray]) -> Any:
        """What the adjoint offers for second derivatives along a direction (y0_dot, p_dot)."""
        if any(k in TIMES for k in self.active):
            raise SolveError(f"{self.name}: second derivatives with respect to times are not known; pass constant times")
        make = getattr(self.adjoint, "curvature", None)
        if make is None:
            name = type(self.adjoint).__name__
            raise SolveError(f"{self.name}: adjoint {name} has no second derivatives; use adjoint='discrete', 'direct' or 'forward'")
        span, y0, p, _, options = self.problem
        return self.guarded(make, span, y0, p, self.raw.t, options, direction)

    # -- layout ----------------------------------------------------------------------------------------------------------------
    def _full(self, dots: Any) -> list:
        full: list = [None] * len(self.parents)
        for k, dot in zip(self.active, dots):
            full[k] = dot
        return full

    def _vectors(self, dots: Any) -> tuple[np.ndarray, np.ndarray]:
        """Tangents of the initial state and of the parameter vector."""
        full = self._full(dots)
        y0_dot = np.zeros(self.raw.ys.shape[1]) if full[0] is None else np.array(full[0], float).reshape(-1)
        return y0_dot, self.field.pack_tangents(full[4:])

    def _parts(self, y0_bar: np.ndarray, p_bar: np.ndarray, times: Any = (0.0, 0.0, None)) -> list:
        bars = [y0_bar.reshape(self.shape)[()], *times, *self.field.unpack(p_bar)]
        return [bars[k] for k in self.active]

    def _flat(self, ys_bar: Any) -> np.ndarray:
        return np.asarray(ys_bar, float).reshape(self.raw.ys.shape)

    def _shaped(self, ys_dot: np.ndarray) -> np.ndarray:
        return ys_dot.reshape(ys_dot.shape[0], *self.shape)


def _forward_only(rhs: Any, span: Any, y0: np.ndarray, p: np.ndarray, t_eval: Any, options: dict[str, Any]) -> RawSolution:
    raw = integrate(rhs, span, y0, p, t_eval=t_eval, **options)
    if not raw.success:
        raise SolveError(f"the solve to be differentiated failed: {raw.message}")
    return raw


class _Rules:
    """The rules of one level; `xs` are the active parents as the levels below see them."""

    def __init__(self, node: SolveNode, xs: list) -> None:
        self.node, self.xs = node, xs
        self.moving = any(map(is_traced, xs))

    def vjp(self, ys_bar: Any) -> list:
        """V."""
        if not self.moving and not is_traced(ys_bar):
            return self.node.backward(ys_bar)
        return list(custom_call(self._reverse, [*self.xs, ys_bar], f"reverse of {self.node.name}"))

    def _reverse(self, *given: Any) -> tuple:
        self._refuse_third(given)
        node, ys_bar = self.node, given[-1]

        def vjp(*w: Any) -> list:
            """w . V = ys_bar . (J w)."""
            if not self.moving:
                return [*[None] * len(self.xs), node.push(w)]
            _, x_bars, ys_dot = node.second(w, ys_bar)
            return [*x_bars, ys_dot]

        def jvp(*dots: Any) -> tuple:
            *x_dots, bar_dot = dots
            if all(dot is None for dot in x_dots):
                return tuple(node.backward(bar_dot))
            return tuple(node.second(x_dots, ys_bar, bar_dot)[1])

        return tuple(node.backward(ys_bar)), vjp, jvp

    def jvp(self, *dots: Any) -> Any:
        """T."""
        if not self.moving and not any(map(is_traced, dots)):
            return self.node.push(dots)
        shapes = [np.shape(value_of(self.node.parents[k])) for k in self.node.active]
        dots = [np.zeros(shape)[()] if dot is None else dot for dot, shape in zip(dots, shapes)]
        return custom_call(self._push, [*self.xs, *dots], f"forward derivative of {self.node.name}")

    def _push(self, *given: Any) -> tuple:
        self._refuse_third(given)
        node, n = self.node, len(self.xs)
        dots = given[n:]

        def vjp(bar: Any) -> list:
            if not self.moving:
                return [*[None] * n, *node.backward(bar)]
            dot_bars, x_bars, _ = node.second(dots, bar)
            return [*x_bars, *dot_bars]

        def jvp(*moves: Any) -> Any:
            x_dots, dot_dots = moves[:n], moves[n:]
            out = np.zeros(node.raw.ys.shape[:1] + node.shape)
            if any(dot is not None for dot in x_dots):
                out = out + node.mixed(dots, x_dots)
            if any(dot is not None for dot in dot_dots):
                out = out + node.push(dot_dots)
            return out

        return node.push(dots), vjp, jvp

    def _refuse_third(self, given: Any) -> None:
        if any(map(is_traced, given)):
            raise SciadError(f"third derivatives of {self.node.name}")
