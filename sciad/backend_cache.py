"""numba's disk cache, read without what numba needs for compiling.

Before it looks into its cache, numba fills its registries, for which it imports much of itself, parts of NumPy, and SciPy's linear algebra:
0.3 s.  Machine code that is there already needs none of it, only the addresses of the runtime's functions.
"""

from __future__ import annotations

import io
import pickle
import sys
from typing import Any

from llvmlite import binding
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.environment import Environment, _rebuild_env, lookup_environment
from numba.core.runtime import _nrt_python

__all__ = ["QuickCache"]

_known = False


def _add_runtime() -> None:
    """Tell LLVM's loader where numba's runtime is, as the first compilation does."""
    global _known
    if not _known:
        for name, address in _nrt_python.c_helpers.items():
            binding.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)
        _known = True


def _environment(module: str, constants: Any, name: str) -> Environment:
    """The environment of a compiled function; a module of numba that compiled code never asks for is not imported for its globals."""
    if not module.startswith("numba.") or module in sys.modules:
        return _rebuild_env(module, constants, name)
    found = lookup_environment(name)
    if found is None:
        found = Environment({"__name__": module, "__builtins__": __builtins__})
        found.consts[:] = constants
        found.env_name = name
        Environment._memo[name] = found
    return found


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "numba.core.environment" and name == "_rebuild_env":
            return _environment
        return super().find_class(module, name)


class _CacheFile(IndexDataCacheFile):
    def _load_data(self, name: str) -> Any:
        with open(self._data_path(name), "rb") as file:
            return _Unpickler(io.BytesIO(file.read())).load()


class QuickCache(FunctionCache):
    """A function's cache that fills numba's registries only when there is something to compile."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self._cache_file.__class__ = _CacheFile

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """The compiled function for a signature; None where it has to be compiled."""
        _add_runtime()
        with self._guard_against_spurious_io_errors():
            return self._load_overload(signature, target_context)
        return None
