"""Whether a drift is stiff at the beginning: the power method on difference quotients."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

__all__ = ["is_stiff"]

FIXED, ADAPTIVE = 1.5, 1000.0  # decay over a fixed step, or over the whole interval, from which on a drift is called stiff


def is_stiff(drift: Any, t_span: tuple[float, float], y0: np.ndarray, p: np.ndarray, dt: float | None) -> bool:
    """Whether explicit steps of size dt would be unstable, or adaptive ones bound by stability rather than accuracy."""
    rate = decay_rate(drift, t_span, y0, p)
    return rate * dt > FIXED if dt is not None else rate * abs(t_span[1] - t_span[0]) > ADAPTIVE


def decay_rate(drift: Any, t_span: tuple[float, float], y0: np.ndarray, p: np.ndarray) -> float:
    """Size of the dominant eigenvalue of the drift's Jacobian at (t0, y0) where it is negative for the direction found, else 0."""
    call = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_double, *[ctypes.c_ssize_t] * 3)(drift.f)

    def f(y: np.ndarray) -> np.ndarray:
        out = np.empty_like(y)
        return out if call(t_span[0], y.ctypes.data, p.ctypes.data, out.ctypes.data) == 0 else np.full_like(y, np.nan)

    direction = 1.0 if t_span[1] > t_span[0] else -1.0
    start, v = f(y0), np.cos(np.arange(len(y0)) + 1.0)
    rate = 0.0
    for _ in range(12):
        size = np.linalg.norm(v)
        if not (np.isfinite(size) and size > 0):
            return 0.0
        v = v / size
        e = 1e-7 * (1.0 + np.linalg.norm(y0))
        image = (f(y0 + e * v) - start) / e
        rate = direction * float(v @ image)
        v = image
    return max(-rate, 0.0) if np.isfinite(rate) else 0.0
