"""The only door to numba: compilation settings, generated source files, raw-address calls, pointer views."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import importlib.util
import os
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numba
import numpy as np
from llvmlite import ir as llvm
from numba.core import cgutils, types
from numba.core.ccallback import CFunc
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic

from sciad.backend_arrays import data_address, empty, grown, keep, stack_array, subarray, view1d, zeros
from sciad.backend_cache import QuickCache
from sciad.backend_pipeline import GeneratedCode, GeneratedPart, HandWritten, Part, PartDispatcher

__all__ = [
    "as_int",
    "njit",
    "kernel",
    "part",
    "cfunc",
    "kernel_signature",
    "call_address",
    "data_address",
    "view1d",
    "subarray",
    "keep",
    "fast_add",
    "unsigned",
    "select",
    "stack_array",
    "empty",
    "zeros",
    "grown",
    "cache_folder",
    "load_generated",
    "load_known",
    "entry",
    "digest",
]

#: Settings of everything that sciad compiles.  ``error_model="numpy"``: a division check stops LLVM from vectorising;
#: ``contract`` allows fused multiply-add, which never makes a NaN or Inf appear or disappear; no other fast-math flag.
SETTINGS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}, "nogil": True}


def njit(function=None, /, *, cache: bool = True, pipeline_class=None, **options):
    """`numba.njit` with sciad's settings; disk cache on.

    ``cache=False`` is for helpers of the functions of the same file: they get no entry for Python.
    """
    if function is None:
        return lambda function: njit(function, cache=cache, pipeline_class=pipeline_class, **options)
    pipeline_class = pipeline_class or (HandWritten if cache else Part)
    compiled = numba.njit(**{**SETTINGS, **options}, pipeline_class=pipeline_class)(function)
    if cache:
        compiled._cache = QuickCache(compiled.py_func)
    else:
        compiled.__class__ = PartDispatcher
    return compiled


def kernel(function=None, /, *, cache: bool = True):
    """`njit` for generated functions whose array arguments never overlap: LLVM may keep what it loads, and vectorise without checks."""
    if function is None:
        return lambda function: kernel(function, cache=cache)
    compiled = njit(function, cache=cache, pipeline_class=GeneratedCode if cache else GeneratedPart, no_cfunc_wrapper=True)
    customize = compiled._compiler._customize_flags

    def with_noalias(flags):
        flags = customize(flags)
        flags.noalias = True
        return flags

    compiled._compiler._customize_flags = with_noalias
    return compiled


def part(function):
    """`njit` for parts of generated functions whose arrays may overlap."""
    return njit(function, cache=False, pipeline_class=GeneratedPart)


def cfunc(signature, *, cache: bool = True, **options):
    """`numba.cfunc` with sciad's settings; the result carries ``.address``, an integer."""
    settings = {key: value for key, value in SETTINGS.items() if key != "nogil"}

    def compiled(function):
        types_ = (signature.args, signature.return_type)
        made = CFunc(function, types_, locals={}, options={**settings, **options}, pipeline_class=HandWritten)
        if cache:
            made._cache = QuickCache(function)
        made.compile()
        return made

    return compiled


def kernel_signature(n_floats: int, n_addresses: int):
    """Signature ``int64 (double * n_floats, intp * n_addresses)`` of functions that are called through addresses."""
    return types.int64(*([types.float64] * n_floats), *([types.intp] * n_addresses))


@intrinsic
def call_address(typingctx, address, *arguments):
    """Call the C function at an integer address: ``call_address(address, 1.0, addr_y, ...) -> int64``.

    Floats are passed as doubles and integers as pointer-sized integers; the callee returns an int64 status (0 means success).
    """
    arguments = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], types.BaseTuple) else arguments
    kinds = tuple(types.float64 if isinstance(a, types.Float) else types.intp for a in arguments)
    signature = types.int64(types.intp, types.StarArgTuple(tuple(arguments)))

    def codegen(context, builder, sig, args):
        target, packed = args
        values = cgutils.unpack_tuple(builder, packed, len(arguments))
        values = [context.cast(builder, v, a, k) for v, a, k in zip(values, arguments, kinds)]
        function_type = llvm.FunctionType(llvm.IntType(64), [context.get_value_type(k) for k in kinds])
        pointer = builder.inttoptr(target, function_type.as_pointer())
        return builder.call(pointer, values)

    return signature, codegen


@intrinsic
def fast_add(typingctx, a, b):
    """``a + b`` that may be reassociated: for sums whose order is ours to choose (adjoint accumulation, dot products)."""

    def codegen(context, builder, sig, args):
        return builder.fadd(args[0], args[1], flags=("reassoc", "contract", "nsz"))

    return types.float64(types.float64, types.float64), codegen


@intrinsic
def unsigned(typingctx, i):
    """Reinterpret an index known to be non-negative as unsigned, so that numba emits no wrap-around select."""

    def codegen(context, builder, sig, args):
        return context.cast(builder, args[0], sig.args[0], types.uint64)

    return types.uint64(i), codegen


@intrinsic
def as_int(typingctx, i):
    """An integer whose value numba's types do not know: of literal ones it compiles a called function anew for each combination."""

    def codegen(context, builder, sig, args):
        return context.cast(builder, args[0], sig.args[0], types.int64)

    return types.int64(types.unliteral(i)), codegen


def digest(*parts: object) -> str:
    """A short hash of the given parts, of the versions of sciad's sources, numba and Python, and of the compile settings."""
    h = hashlib.sha256(_environment_stamp())
    for part in parts:
        h.update(part if isinstance(part, bytes) else str(part).encode())
        h.update(b"\0")
    return h.hexdigest()[:20]


_stamp: bytes | None = None


def _environment_stamp() -> bytes:
    """Hash of what every generated file depends on: sciad's own sources, interpreter, numba, NumPy, settings."""
    global _stamp
    if _stamp is None:
        h = hashlib.sha256(f"{sys.version_info[:3]}{numba.__version__}{np.__version__}{sorted(SETTINGS.items(), key=str)}".encode())
        for path in sorted(Path(__file__).parent.rglob("*.py")):
            status = path.stat()
            h.update(f"{path}{status.st_mtime_ns}{status.st_size}".encode())
        _stamp = h.digest()
    return _stamp


_folder: Path | None = None


def cache_folder() -> Path:
    """Folder of generated files, for this user only: ``$SCIAD_CACHE_DIR``, else ``~/.cache/sciad``, else one that goes with the process."""
    global _folder
    if _folder is None:
        wanted = os.environ.get("SCIAD_CACHE_DIR") or os.path.join(
            os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sciad"
        )
        _folder = _private_folder(Path(wanted)) or _temporary_folder()
    return _folder


def _temporary_folder() -> Path:
    """A folder that is removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="sciad-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _private_folder(path: Path) -> Path | None:
    """Make `path` with mode 700; None where it cannot be written or belongs to somebody else."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
        if hasattr(os, "getuid") and status.st_uid != os.getuid():
            return None
        if stat.S_IMODE(status.st_mode) & 0o022:
            path.chmod(0o700)
        with tempfile.TemporaryFile(dir=path):
            pass
        return path
    except OSError:
        return None


def load_generated(source: str, stem: str, key: str, straight: bool = False) -> ModuleType:
    """Import generated source from the cache folder; the name contains `key`, so a file is never rewritten with other text.

    `straight`: its C functions have no loops, so LLVM is to make vectors of scalars that stand side by side.  (Where there are loops,
    numba's order of passes would do that to their bodies first, and the loops would stay scalar.)
    """
    name = f"sciad_{stem}_{key}"
    with _loading:  # one thread at a time: another must not find a module that is still empty
        if name in sys.modules:
            return sys.modules[name]
        path = cache_folder() / f"{name}.py"
        if not path.exists():
            _write_once(path, source)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        before = numba.config.SLP_VECTORIZE
        numba.config.SLP_VECTORIZE = int(straight) or before
        try:
            spec.loader.exec_module(module)
        finally:
            numba.config.SLP_VECTORIZE = before
        return module


def load_known(stem: str, key: str) -> ModuleType | None:
    """A module that `load_generated` made, perhaps in another process; None where its file is gone."""
    name = f"sciad_{stem}_{key}"
    return load_generated("", stem, key) if name in sys.modules or (cache_folder() / f"{name}.py").exists() else None


def entry(function: Any, kinds: Sequence[str]) -> Callable:
    """A generated function for arguments of the given types, its machine code callable without numba's look at each argument.

    Types are those of `sciad.types`, and "*float64:" for vectors of any stride.  Arguments must have them: arrays contiguous, aligned, in
    the machine's byte order.
    """
    if isinstance(function, FunctionType) and (arrays := function.__globals__.get(f"{function.__name__}_arrays")) is not None:
        kernel = f"{function.__name__}_kernel"  # a Python function that makes arrays for it
        compiled = entry(function.__globals__[kernel], [*kinds, *arrays])
        return FunctionType(function.__code__, {**function.__globals__, kernel: compiled}, function.__name__)
    if not isinstance(function, Dispatcher):
        return function
    found = [_vector(k[1:]) if k[0] == "*" else _SCALARS[k] for k in kinds]
    return function.compile(tuple(found))


def _vector(kind: str) -> types.Array:
    """The numba type of a buffer."""
    return types.Array(getattr(types, kind.rstrip(":")), 1, "A" if kind.endswith(":") else "C")


_SCALARS = {"f8": types.float64, "f4": types.float32, "i8": types.int64, "b1": types.boolean}

_loading = threading.RLock()


def _write_once(path: Path, text: str) -> None:
    """Write a file whole or not at all; one that another process wrote meanwhile stays, since numba's index goes by its time."""
    handle, temporary = tempfile.mkstemp(prefix="sciad-", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


@intrinsic
def select(typingctx, cond, a, b):
    """``a if cond else b`` with both evaluated: one machine instruction and no branch, so loops still vectorise."""
    if a != b:
        unified = typingctx.unify_types(a, b)
        a = b = unified

    def codegen(context, builder, sig, args):
        flag = context.cast(builder, args[0], sig.args[0], types.boolean)
        return builder.select(flag, args[1], args[2])

    return a(cond, a, b), codegen
