"""Minimise a loss over a tree of parameters: gradient steps with a progress bar, or SciPy's L-BFGS."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from sciad import optim
from sciad.errors import SciadError, SolveError
from sciad.progress import Meter
from sciad.ravel import Layout

__all__ = ["fit", "FitResult", "FitError"]


@dataclass
class FitResult:
    """What was fitted: `params`, the `loss` there, the `history` of losses (one for each step), and how it ended."""

    params: Any
    loss: float = float("nan")
    history: list[float] = field(default_factory=list)
    seconds: float = 0.0
    message: str = "all steps done"
    success: bool = True

    @property
    def steps(self) -> int:
        """Number of steps done."""
        return len(self.history)

    def __repr__(self) -> str:
        return f"FitResult(loss={self.loss:.6g}, steps={self.steps}, seconds={self.seconds:.3g}, message={self.message!r})"


class FitError(SolveError):
    """A loss or gradient that is not finite, or could not be computed; `result` holds what was fitted before it, `step` counts from 0."""

    def __init__(self, message: str, step: int, result: FitResult) -> None:
        super().__init__(message)
        self.step, self.result, self.params = step, result, result.params

    def __reduce__(self):  # the message alone would not rebuild it
        return type(self), (self.args[0], self.step, self.result)


def fit(
    loss: Callable, p0: Any, optimizer: optim.Optimizer | str | None = None, steps: int = 500, batches: Iterable | None = None,
    progress: bool = True, callback: Callable[[int, Any, float], object] | None = None, *, value_and_grad: Callable | None = None,
) -> FitResult:  # fmt: skip
    """Minimise ``loss(params, *batch)``, a float, from `p0`, any tree of floats and arrays.

    `optimizer` is one of `sciad.optim` (default ``adam(1e-2)``), anything with its `init` and `update`, or "lbfgs" for SciPy's L-BFGS-B.
    `batches` yields tuples of further arguments of the loss, one for each step: a list is gone through again and again, a generator
    that ends, ends the fit.  ``callback(step, params, loss)`` is called after each step; returning True stops.
    Ctrl-C stops and keeps what was fitted.  `value_and_grad` replaces `sciad.value_and_grad`.

    `.params` are the last parameters; with gradient steps `.loss` is the loss there on the last batch (after Ctrl-C: the last one seen).
    Raises FitError, with what was fitted so far, where loss or gradient is not finite or a solve inside them fails.
    """
    if value_and_grad is None:
        from sciad.api import value_and_grad as differentiate  # here: whoever brings a gradient of their own needs no compiler
    else:
        differentiate = value_and_grad
    run = _Run(loss, differentiate(loss), p0, callback)
    if optimizer == "lbfgs":
        return _lbfgs(run, steps, batches, progress)
    if isinstance(optimizer, str):
        raise SciadError(f"unknown optimizer {optimizer!r}; use 'lbfgs' or one of sciad.optim, for example sciad.optim.adam(1e-2)")
    return _descend(run, optimizer or optim.adam(1e-2), steps, _batches(batches), progress)


class _Run:
    """What every way of fitting shares: evaluating with checks, and the result so far."""

    def __init__(self, loss: Callable, value_and_grad: Callable, p0: Any, callback: Callable | None) -> None:
        self._loss, self._value_and_grad, self._callback = loss, value_and_grad, callback
        self.layout, self.result, self._good, self._begin = Layout(p0), FitResult(p0), p0, time.perf_counter()

    def evaluate(self, params: Any, batch: tuple) -> tuple[float, Any, np.ndarray]:
        """Loss, gradient, and gradient as a vector; FitError where they are not finite or cannot be computed."""
        try:
            value, gradient = self._value_and_grad(params, *batch)
        except SolveError as error:
            raise self._failed(f"a solve in the loss failed: {error}") from error
        value, vector = float(value), self.layout.vector(gradient)
        if not math.isfinite(value):
            raise self._failed(f"the loss is {value}")
        if not math.isfinite(vector @ vector) and not np.isfinite(vector).all():  # the product is quick and may overflow
            raise self._failed(f"{np.count_nonzero(~np.isfinite(vector))} of {vector.size} entries of the gradient are not finite")
        self._good = params
        return value, gradient, vector

    def value(self, params: Any, batch: tuple) -> float:
        """The loss alone; FitError where it is not finite."""
        value = float(self._loss(params, *batch))
        if not math.isfinite(value):
            raise self._failed(f"the loss after the last step is {value}")
        return value

    def record(self, params: Any, value: float) -> bool:
        """Note one finished step; True where the callback asks to stop."""
        self.result.params = params
        self.result.history.append(value)
        return self._callback is not None and self._callback(self.result.steps - 1, params, value) is True

    def end(self, message: str, loss: float | None = None, *, success: bool = True) -> FitResult:
        """Close the result; without a `loss` it keeps the last one seen."""
        result = self.result
        result.seconds, result.message, result.success = time.perf_counter() - self._begin, message, success
        if loss is None:
            loss = result.history[-1] if result.history else result.loss
        result.loss = loss
        return result

    def _failed(self, cause: str) -> FitError:
        step = self.result.steps
        self.result.params = self._good  # the last ones whose loss and gradient were finite
        self.end(f"stopped at step {step}: {cause}", success=False)
        return FitError(
            f"fit stopped at step {step}: {cause}; try a smaller learning rate or clip=, or start from other parameters"
            " (the last good ones are in .params of this error)", step, self.result,
        )  # fmt: skip


def _descend(run: _Run, optimizer: Any, steps: int, batches: Iterator[tuple], progress: bool) -> FitResult:
    params, message = run.result.params, "all steps done"
    state = optimizer.init(params)
    try:
        with Meter(steps, progress) as meter:
            for _ in range(steps):
                upcoming = next(batches, None)
                if upcoming is None:
                    message = "batches exhausted"
                    break
                batch = upcoming
                value, gradient, _vector = run.evaluate(params, batch)
                params, state = optimizer.update(gradient, state, params)
                meter.step(value)
                if run.record(params, value):
                    message = "stopped by callback"
                    break
        return run.end(message, run.value(params, batch) if run.result.history else None)
    except KeyboardInterrupt:
        return run.end("interrupted")


def _lbfgs(run: _Run, steps: int, batches: Iterable | None, progress: bool) -> FitResult:
    from scipy.optimize import minimize  # here: `import sciad` stays light

    batch = _only_batch(batches)
    layout, params = run.layout, run.result.params

    def objective(vector):
        value, _gradient, slope = run.evaluate(layout.tree(vector.copy()), batch)
        return value, slope

    def after_iteration(intermediate_result):
        value = float(intermediate_result.fun)
        meter.step(value)
        if run.record(layout.tree(intermediate_result.x.copy()), value):
            raise StopIteration

    try:
        with Meter(steps, progress) as meter:
            options = {"maxiter": steps, "maxfun": 20 * steps, "ftol": 1e-15, "gtol": 1e-10, "maxcor": 20}
            found = minimize(objective, layout.vector(params), jac=True, method="L-BFGS-B", callback=after_iteration, options=options)
        run.result.params = layout.tree(found.x)
        return run.end("all steps done" if found.nit >= steps else str(found.message), float(found.fun))
    except KeyboardInterrupt:
        return run.end("interrupted")


def _only_batch(batches: Iterable | None) -> tuple:
    """The one batch that a line search can work with; SciadError where there are more."""
    first = list(islice([()] if batches is None else batches, 2))
    if len(first) != 1:
        raise SciadError(f"optimizer 'lbfgs' needs one fixed batch, got {'none' if not first else 'several'}; give batches=[(all, data)]")
    return _arguments(first[0])


def _batches(batches: Iterable | None) -> Iterator[tuple]:
    """One tuple of arguments for each step: () without batches; a list is repeated, an iterator ends."""
    while batches is None:
        yield ()
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield _arguments(batch)
        if empty or iter(batches) is batches:
            return


def _arguments(batch: Any) -> tuple:
    return tuple(batch) if isinstance(batch, tuple | list) else (batch,)
