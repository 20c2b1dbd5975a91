"""Learning rates as functions of the number of updates made so far; `sciad.optim` exports them."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["Schedule", "as_schedule", "constant", "exponential", "cosine", "warmup"]

Schedule = Callable[[int], float]


def constant(rate: float) -> Schedule:
    """The same rate at every step."""
    return lambda step: rate


def exponential(rate: float, decay: float, every: int = 1) -> Schedule:
    """rate * decay**(step / every)."""
    return lambda step: rate * decay ** (step / every)


def cosine(rate: float, steps: int, final: float = 0.0) -> Schedule:
    """From `rate` to `final` along half a cosine over `steps` steps, then `final` (Loshchilov & Hutter, arXiv 1608.03983)."""
    return lambda step: final + 0.5 * (rate - final) * (1.0 + math.cos(math.pi * min(step / steps, 1.0)))


def warmup(schedule: float | Schedule, steps: int) -> Schedule:
    """Linear rise over the first `steps` steps to what `schedule` says at its start; then `schedule`, its own time starting there."""
    later = as_schedule(schedule)
    return lambda step: later(0) * (step + 1) / steps if step < steps else later(step - steps)


def as_schedule(rate: float | Schedule) -> Schedule:
    """A number is a constant schedule; a function is taken as it is."""
    return rate if callable(rate) else constant(float(rate))
