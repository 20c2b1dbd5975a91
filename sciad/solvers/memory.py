"""Loads and stores through integer addresses, for the hand-written kernels: no array structs, no bounds, no wrap-around.

Indices count elements of eight bytes.  ``get_apart`` and ``put_apart`` promise that, within one function, what is stored
by ``put_apart`` is never read or written by ``get_apart``; LLVM then vectorises without overlap checks at run time.
"""

from __future__ import annotations

from llvmlite import ir as llvm
from numba.core import types
from numba.extending import intrinsic

__all__ = ["get", "put", "get_apart", "put_apart", "get_int", "put_int", "bits", "from_bits"]

DOUBLE, LONG = llvm.DoubleType(), llvm.IntType(64)


def _pointer(builder, address, index, element):
    return builder.gep(builder.inttoptr(address, element.as_pointer()), [index])


def _mark(builder, instruction, kind: str):
    """Attach the alias scope (to stores) or its exclusion (to loads)."""
    module = builder.module
    scope = module.add_metadata(["sciad apart", module.add_metadata(["sciad memory"])])
    instruction.set_metadata(kind, module.add_metadata([scope]))
    return instruction


def _load(numba_type, element, apart=False):
    @intrinsic
    def load(typingctx, address, index):
        def codegen(context, builder, sig, args):
            value = builder.load(_pointer(builder, *args, element))
            return _mark(builder, value, "noalias") if apart else value

        return numba_type(types.intp, types.intp), codegen

    return load


def _store(numba_type, element, apart=False):
    @intrinsic
    def store(typingctx, address, index, value):
        def codegen(context, builder, sig, args):
            done = builder.store(args[2], _pointer(builder, args[0], args[1], element))
            if apart:
                _mark(builder, done, "alias.scope")
            return context.get_dummy_value()

        return types.void(types.intp, types.intp, numba_type), codegen

    return store


get = _load(types.float64, DOUBLE)
get_apart = _load(types.float64, DOUBLE, apart=True)
get_int = _load(types.int64, LONG)
put = _store(types.float64, DOUBLE)
put_apart = _store(types.float64, DOUBLE, apart=True)
put_int = _store(types.int64, LONG)


@intrinsic
def bits(typingctx, x):
    """The 64 bits of a float, as an integer."""
    return types.int64(types.float64), lambda context, builder, sig, args: builder.bitcast(args[0], LONG)


@intrinsic
def from_bits(typingctx, i):
    """The float with the given 64 bits."""
    return types.float64(types.int64), lambda context, builder, sig, args: builder.bitcast(args[0], DOUBLE)
