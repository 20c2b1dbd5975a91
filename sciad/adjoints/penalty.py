"""Regularisation of the Jacobian of a fixed-point map, which keeps deep equilibrium models contracting (Bai et al., ICML 2021)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.jit import jit
from sciad.tape import trace_vjp, value_of

__all__ = ["jacobian_penalty"]


def jacobian_penalty(func: Callable, x: Any, args: tuple = (), seed: int = 0) -> Any:
    """An unbiased estimate of |dg/dx|_F^2 / n at x for g = func(., *args): |J^T v|^2 / n with one standard normal v of x's shape.

    Differentiable with respect to x and args.  n is the number of entries of x.  The errors of `func` and UnsupportedSyntax.
    """
    v = np.random.default_rng(seed).standard_normal(np.shape(value_of(x)))
    _, pullback = trace_vjp(lambda x: jit(func)(x, *args), (x,))
    product = pullback(v)[0]
    return np.sum(product * product) / max(v.size, 1)
