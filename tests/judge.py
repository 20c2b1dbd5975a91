"""A compiled function, run interpreted, against CPython and complex step: value, reverse and forward derivative."""

from __future__ import annotations

from typing import Any

import numpy as np
from fuzz.check import module
from fuzz.step import MATH, NUMPY, H, lift
from interpret import interpreted

import sciad

__all__ = ["agrees"]


def agrees(function: Any, *args: Any, rtol: float = 1e-12) -> np.ndarray:
    """The function's value, after comparing it and the derivatives with respect to its float arguments; ints stay as they are."""
    import inspect
    import textwrap

    text = textwrap.dedent(inspect.getsource(function))
    stepping = getattr(module(text, f"{function.__name__}_step", np=NUMPY, math=MATH), function.__name__)
    rng = np.random.default_rng(0)
    moving = [k for k, a in enumerate(args) if not isinstance(a, (int, np.integer))]
    direction = [rng.normal(size=np.shape(a)) if k in moving else None for k, a in enumerate(args)]
    raised = [lift(np.array(a)) if k in moving else a for k, a in enumerate(args)]
    for k in moving:
        for where in np.ndindex(np.shape(args[k])):
            raised[k][where] = raised[k][where] + direction[k][where] * complex(0.0, H)
    expected = np.array([complex(v).imag / H for v in np.ravel(np.asarray(stepping(*raised), object))])
    value = np.asarray(function(*[a.copy() if isinstance(a, np.ndarray) else a for a in args]), float)
    bar = rng.normal(size=value.shape)
    with interpreted():
        compiled = sciad.jit(function)
        found, pull = sciad.vjp(compiled, *args)
        bars = pull(bar)
        _, dots = sciad.jvp(compiled, tuple(args), tuple(direction))
    np.testing.assert_allclose(found, value, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(np.ravel(dots), expected, rtol=rtol, atol=rtol)
    total = sum(np.sum(bars[k] * direction[k]) for k in moving)
    np.testing.assert_allclose(total, np.ravel(bar) @ expected, rtol=rtol, atol=rtol * (1.0 + np.abs(np.ravel(bar)) @ np.abs(expected)))
    return np.asarray(found)
