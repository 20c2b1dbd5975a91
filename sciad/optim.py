"""Gradient optimisers on trees of arrays: ``init(params) -> state``, ``update(grads, state, params) -> (params, state)``.

All leaves are gathered into one vector first, so that a step on a small network costs a few vector operations and not a few for
each leaf.  Nothing is changed in place; a state is itself a tree of arrays and can be saved as one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from sciad.ravel import Layout
from sciad.schedules import Schedule, as_schedule, constant, cosine, exponential, warmup

__all__ = [
    "Optimizer", "State", "sgd", "adam", "adamw", "rmsprop", "adabelief", "constant", "exponential", "cosine", "warmup",
]  # fmt: skip

Memory = tuple[np.ndarray, ...]
#: ``rule(gradient, memory, step number counted from 1) -> (direction, memory)``; the parameters then move by -rate * direction.
Rule = Callable[[np.ndarray, Memory, int], tuple[np.ndarray, Memory]]


class State(NamedTuple):
    """Number of updates so far and the rule's vectors, each of shape (number of floats in params,)."""

    step: int
    memory: Memory


@dataclass(frozen=True)
class Optimizer:
    """A rule, its learning-rate schedule, optional clipping of the gradient's global norm, optional decoupled weight decay."""

    name: str
    rule: Rule
    n_memory: int
    learning_rate: Schedule
    clip: float | None = None
    weight_decay: float = 0.0
    _last: list[Layout | None] = field(default_factory=lambda: [None], repr=False, compare=False)

    def init(self, params: Any) -> State:
        """The state before the first update of `params`."""
        layout = Layout(params)
        return State(0, tuple(np.zeros(layout.size) for _ in range(self.n_memory)))

    def update(self, grads: Any, state: State, params: Any) -> tuple[Any, State]:
        """One step down `grads`: new parameters, of the tree and shapes of `params`, and the new state.

        Raises ShapeError where the leaves of `grads` do not have the shapes of those of `params`.
        """
        layout = self._layout_of(params)
        p, g = layout.vector(params), layout.vector(grads)
        if self.clip is not None:
            norm = np.sqrt(g @ g)
            if norm > self.clip:
                g *= self.clip / norm
        rate = self.learning_rate(state.step)
        if self.weight_decay:
            p *= 1.0 - rate * self.weight_decay
        direction, memory = self.rule(g, state.memory, state.step + 1)
        p -= rate * direction
        return layout.tree(p), State(state.step + 1, memory)

    def _layout_of(self, params: Any) -> Layout:
        """The layout of the last call where it still fits: finding the structure out takes longer than the update."""
        layout = self._last[0]
        if layout is None or not layout.fits(params):
            layout = self._last[0] = Layout(params)
        return layout

    def __repr__(self) -> str:
        return f"sciad.optim.{self.name}"


def sgd(learning_rate: float | Schedule, momentum: float = 0.0, nesterov: bool = False, *, clip: float | None = None) -> Optimizer:
    """Gradient descent with (Nesterov's) momentum: v = momentum v + g, as in torch (no dampening)."""

    def rule(g, memory, k):
        if not momentum:
            return g, memory
        v = momentum * memory[0] + g
        return (g + momentum * v if nesterov else v), (v,)

    return Optimizer("sgd", rule, 1 if momentum else 0, as_schedule(learning_rate), clip)


def adam(
    learning_rate: float | Schedule, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8, *, clip: float | None = None
) -> Optimizer:
    """Adam (Kingma & Ba, arXiv 1412.6980): m / (sqrt(v) + eps) with both averages corrected for their start at zero."""
    return Optimizer("adam", _adam_rule(b1, b2, eps), 2, as_schedule(learning_rate), clip)


def adamw(
    learning_rate: float | Schedule, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8, weight_decay: float = 1e-2, *,
    clip: float | None = None,
) -> Optimizer:  # fmt: skip
    """Adam with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101): p first shrinks by 1 - rate weight_decay."""
    return Optimizer("adamw", _adam_rule(b1, b2, eps), 2, as_schedule(learning_rate), clip, weight_decay)


def rmsprop(
    learning_rate: float | Schedule, decay: float = 0.99, eps: float = 1e-8, momentum: float = 0.0, *, clip: float | None = None
) -> Optimizer:
    """RMSprop (Hinton 2012) as in torch: g / (sqrt(v) + eps) with v the running mean of g^2, no correction for its start at zero."""

    def rule(g, memory, k):
        v = decay * memory[0] + (1.0 - decay) * (g * g)
        direction = g / (np.sqrt(v) + eps)
        if not momentum:
            return direction, (v,)
        direction = momentum * memory[1] + direction
        return direction, (v, direction)

    return Optimizer("rmsprop", rule, 2 if momentum else 1, as_schedule(learning_rate), clip)


def adabelief(
    learning_rate: float | Schedule, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-16, *, clip: float | None = None
) -> Optimizer:
    """AdaBelief (Zhuang et al., arXiv 2010.07468): Adam with the running mean of (g - m)^2 + eps in place of that of g^2."""

    def rule(g, memory, k):
        m = b1 * memory[0] + (1.0 - b1) * g
        surprise = g - m
        s = b2 * memory[1] + (1.0 - b2) * (surprise * surprise) + eps
        return m / ((1.0 - b1**k) * (np.sqrt(s / (1.0 - b2**k)) + eps)), (m, s)

    return Optimizer("adabelief", rule, 2, as_schedule(learning_rate), clip)


def _adam_rule(b1: float, b2: float, eps: float) -> Rule:
    def rule(g, memory, k):
        m, v = g - memory[0], g * g - memory[1]
        m *= 1.0 - b1
        m += memory[0]  # b1 m + (1 - b1) g, with one temporary less; a step on a small network is all overhead
        v *= 1.0 - b2
        v += memory[1]
        correction = math.sqrt(1.0 - b2**k)
        denominator = np.sqrt(v)
        denominator += eps * correction
        denominator *= (1.0 - b1**k) / correction
        return np.divide(m, denominator, out=denominator), (m, v)

    return rule
