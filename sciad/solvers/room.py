"""Memory for kernels: aligned, and, where it is large, used again by the next solve, because fresh pages cost more than filling them."""

from __future__ import annotations

import math
import weakref

import numpy as np

__all__ = ["aligned", "borrowed"]

LINE = 8  # floats of a line of the cache
MOST = 2**23  # floats that wait for their next use, at most

_FREE: dict[int, np.ndarray] = {}


def aligned(*shape: int) -> np.ndarray:
    """Zeros that begin with a line of the cache, so that whole vector registers are read from one line each."""
    return _begin(np.zeros(math.prod(shape) + LINE), shape)


def borrowed(*shape: int) -> np.ndarray:
    """The same without zeros, in memory that goes back to the pool with the array itself (hold the array, not views of it)."""
    size = math.prod(shape) + LINE
    memory = _take(size)
    if memory is None:
        memory = np.empty(size)
    array = _begin(memory, shape)
    weakref.finalize(array, _give, memory).atexit = False
    return array


def _begin(memory: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    skip = -memory.__array_interface__["data"][0] % (8 * LINE) // 8
    return memory[skip : skip + math.prod(shape)].reshape(shape)


def _take(size: int) -> np.ndarray | None:
    """A free array of that size; each step is one operation of the dictionary, so threads share the pool."""
    for key, memory in list(_FREE.items()):
        if len(memory) == size and _FREE.pop(key, None) is not None:
            return memory
    return None


def _give(memory: np.ndarray) -> None:
    """Back to the pool; the oldest leave it where it grows too large."""
    _FREE[id(memory)] = memory
    for key, old in list(_FREE.items()):
        if sum(map(len, list(_FREE.values()))) <= MOST:
            return
        if old is not memory or len(memory) > MOST:
            _FREE.pop(key, None)
