"""Second derivatives of compiled functions: the passes applied twice, compiled when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sciad.ir import Region, Value
from sciad.passes.forward import pushforward
from sciad.passes.pullback import pullback
from sciad.passes.simplify import simplify
from sciad.types import is_buffer, is_float

__all__ = ["SecondOrder"]


class SecondOrder:
    """What a compiled program adds for second derivatives; all arguments are values of its leaves, as `marshal` takes them."""

    body: Region
    inputs: list
    seeded: Callable[[], list[int]]
    marshal: Callable[..., tuple[list, list]]
    _compile: Callable[[Region, str], tuple[Callable, str]]

    def _derived(self, kind: str, wrt: Sequence[int], build: Callable[[list[Value]], tuple[Region, Any]]) -> tuple[Callable, Any]:
        cache = self.__dict__.setdefault("_second", {})
        key = (kind, tuple(wrt))
        if key not in cache:
            assert self.body is not None  # lowered before its inputs are asked for
            region, extra = build([self.inputs[k].params[0] for k in wrt])
            cache[key] = self._compile(region, kind)[0], extra
        return cache[key]

    def forward_over_reverse(self, values: list, wrt: Sequence[int], dots: list, seeds: list, seed_dots: list) -> list:
        """The tangents of x_bar = J(x)^T y_bar when x and y_bar move in the directions `dots` and `seed_dots`."""

        def build(params: list[Value]) -> tuple[Region, Any]:
            region = pullback(simplify(self.body), params, self.seeded(), [])
            n, shadows = len(self.body.params), [p for p in params if is_buffer(p.type)]
            seed_params = region.params[n + len(shadows) :]
            region.results = region.results[len(self.body.results) :]
            shadow_params = region.params[n : n + len(shadows)]
            pushed, carriers = pushforward(simplify(region), [*params, *seed_params])
            return pushed, [c in carriers for c in shadow_params]

        function, moving = self._derived("forward_over_reverse", wrt, build)
        params, arrays = self.marshal(values, copy=True)
        bars = [np.zeros_like(arrays[k]) for k in wrt if arrays[k] is not None]
        x_dots = [_flat(d, arrays[k]) for d, k in zip(dots, wrt)]
        bar_dots = [np.zeros_like(bar) for bar, on in zip(bars, moving) if on]
        results = function(*params, *bars, *seeds, *x_dots, *seed_dots, *bar_dots)
        results = results if isinstance(results, tuple) else (results,)
        scalars = iter(results[len(results) // 2 :])  # cotangents of scalars, then their tangents
        found = iter(bar_dots)
        flags = iter(moving)
        out = []
        for k in wrt:
            if arrays[k] is None:
                out.append(next(scalars))
            else:
                out.append((next(found) if next(flags) else np.zeros_like(arrays[k])).reshape(np.shape(values[k])))
        return out

    def reverse_over_forward(self, values: list, wrt: Sequence[int], dots: list, seeds: list) -> list:
        """The gradient with respect to x of y_bar . (J(x) w), where w are the `dots` and y_bar the `seeds`."""

        def build(params: list[Value]) -> tuple[Region, Any]:
            pushed, carriers = pushforward(simplify(self.body), params)
            first = len(self.body.results)
            return pullback(simplify(pushed), params, list(range(first, len(pushed.results))), []), (carriers, len(pushed.results))

        function, (carriers, n_results) = self._derived("reverse_over_forward", wrt, build)
        params, arrays = self.marshal(values, copy=True)
        x_dots = self._carried(carriers, wrt, dots, arrays)
        bars = [np.zeros_like(arrays[k]) for k in wrt if arrays[k] is not None]
        results = function(*params, *x_dots, *bars, *seeds)
        results = results if isinstance(results, tuple) else (results,)
        scalars, found = iter(results[n_results:]), iter(bars)
        return [next(scalars) if arrays[k] is None else next(found).reshape(np.shape(values[k])) for k in wrt]

    def forward_over_forward(self, values: list, wrt: Sequence[int], dots: list, more_dots: list) -> list:
        """The derivative of J(x) w in the direction `more_dots` of x, where w are the `dots`; arrays come flat."""

        def build(params: list[Value]) -> tuple[Region, Any]:
            pushed, carriers = pushforward(simplify(self.body), params)
            pushed.results = pushed.results[len(self.body.results) :]
            again, outer = pushforward(simplify(pushed), params)
            return again, (carriers, outer, pushed.params, sum(is_float(r.type) for r in pushed.results))

        function, (carriers, outer, pushed_params, n_dots) = self._derived("forward_over_forward", wrt, build)
        params, arrays = self.marshal(values, copy=True)
        x_dots = self._carried(carriers, wrt, dots, arrays)
        given = dict(zip((self.inputs[k].params[0] for k in wrt), more_dots))
        blanks = dict(zip(pushed_params, [*params, *x_dots]))
        outer_dots = [_flat(given[p], blanks[p]) if p in given else np.zeros_like(blanks[p]) for p in outer]
        results = function(*params, *x_dots, *outer_dots)
        return list(results[len(results) - n_dots :])

    def _carried(self, carriers: list[Value], wrt: Sequence[int], dots: list, arrays: list) -> list:
        """Tangents in the order of the parameters of a pushforward: those given, and zeros for further buffers that receive some."""
        leaf_of = {leaf.params[0]: k for k, leaf in enumerate(self.inputs) if leaf.params}
        given = dict(zip(wrt, dots))
        return [_flat(given.get(leaf_of[p]), arrays[leaf_of[p]]) for p in carriers]


def _flat(dot: Any, like: np.ndarray | None) -> Any:
    """A tangent as the compiled function takes it."""
    if like is None or not isinstance(like, np.ndarray):
        return 0.0 if dot is None else float(dot)
    return np.zeros_like(like) if dot is None else np.array(dot, like.dtype).reshape(-1)
