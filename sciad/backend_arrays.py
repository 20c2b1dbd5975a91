"""Arrays in compiled code: views of memory at an address, allocations that numba has nothing to compile for.

numba's own `np.empty` and `np.zeros` are Python functions that it compiles once for each process and kind of array: a fifth of a second.
"""

from __future__ import annotations

from llvmlite import ir as llvm
from numba.core import cgutils, types
from numba.extending import intrinsic

__all__ = ["data_address", "view1d", "subarray", "keep", "stack_array", "empty", "zeros", "grown"]


def _array_over(context, builder, array_type, data, n):
    """The LLVM value of a contiguous one-dimensional array over memory that somebody else keeps alive."""
    array = context.make_array(array_type)(context, builder)
    step = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(array_type.dtype)))
    context.populate_array(array, data=data, shape=[n], strides=[step], itemsize=step, meminfo=None, parent=None)
    return array._getvalue()


@intrinsic
def data_address(typingctx, array, offset):
    """Address of ``array.flat[offset]`` of a contiguous array, as an integer."""
    if not isinstance(array, types.Array) or not isinstance(offset, types.Integer):
        return None

    def codegen(context, builder, sig, args):
        view = context.make_array(sig.args[0])(context, builder, args[0])
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        pointer = builder.gep(view.data, [index])
        return builder.ptrtoint(pointer, context.get_value_type(types.intp))

    return types.intp(array, offset), codegen


@intrinsic
def view1d(typingctx, address, n):
    """A float64 array of length `n` over the memory at an integer address."""
    result = types.Array(types.float64, 1, "C", aligned=True)

    def codegen(context, builder, sig, args):
        pointer = builder.inttoptr(args[0], context.get_value_type(types.float64).as_pointer())
        return _array_over(context, builder, result, pointer, args[1])

    return result(types.intp, types.intp), codegen


@intrinsic
def subarray(typingctx, array, offset, n):
    """The `n` elements of a contiguous one-dimensional array from `offset` on; the array must outlive it."""
    result = types.Array(array.dtype, 1, "C", aligned=True)

    def codegen(context, builder, sig, args):
        view = context.make_array(sig.args[0])(context, builder, args[0])
        return _array_over(context, builder, result, builder.gep(view.data, [args[1]]), args[2])

    return result(array, types.intp, types.intp), codegen


@intrinsic
def keep(typingctx, array):
    """Does nothing, but is a use of `array`: memory whose address is in use must not be released before."""

    def codegen(context, builder, sig, args):
        return context.get_dummy_value()

    return types.none(array), codegen


@intrinsic
def stack_array(typingctx, n):
    """An uninitialised float64 array of constant length `n` on the stack of the calling function: no allocation."""
    if not isinstance(n, types.IntegerLiteral):
        return None
    length = n.literal_value
    result = types.Array(types.float64, 1, "C", aligned=True)

    def codegen(context, builder, sig, args):
        element = context.get_value_type(types.float64)
        block = cgutils.alloca_once(builder, llvm.ArrayType(element, max(length, 1)))
        block.align = 64
        data = builder.bitcast(block, element.as_pointer())
        return _array_over(context, builder, result, data, context.get_constant(types.intp, length))

    return result(n), codegen


def _allocate(context, builder, array_type, n):
    """A one-dimensional array of `n` elements, uninitialised; ValueError in compiled code where `n` is negative or too large."""
    itemsize = context.get_abi_sizeof(context.get_data_type(array_type.dtype))
    size = builder.mul(n, n.type(itemsize))
    impossible = builder.icmp_unsigned(">", n, n.type((2**63 - 1) // itemsize))
    with builder.if_then(impossible, likely=False):
        context.call_conv.return_user_exc(builder, ValueError, ("array size is negative or too large",))
    meminfo = context.nrt.meminfo_alloc_aligned(builder, size=size, align=64)
    element = context.get_data_type(array_type.dtype)
    data = builder.bitcast(context.nrt.meminfo_data(builder, meminfo), element.as_pointer())
    array = context.make_array(array_type)(context, builder)
    step = n.type(itemsize)
    context.populate_array(array, data=data, shape=[n], strides=[step], itemsize=step, meminfo=meminfo, parent=None)
    return array, size


@intrinsic
def empty(typingctx, n, dtype):
    """``np.empty(n, dtype)``."""
    result = types.Array(dtype.dtype, 1, "C", aligned=True)

    def codegen(context, builder, sig, args):
        return _allocate(context, builder, result, args[0])[0]._getvalue()

    return result(types.intp, dtype), codegen


@intrinsic
def zeros(typingctx, n, dtype):
    """``np.zeros(n, dtype)``."""
    result = types.Array(dtype.dtype, 1, "C", aligned=True)

    def codegen(context, builder, sig, args):
        array, size = _allocate(context, builder, result, args[0])
        cgutils.memset(builder, array.data, size, 0)
        return array._getvalue()

    return result(types.intp, dtype), codegen


@intrinsic
def grown(typingctx, tape, needed):
    """A copy of a tape with room for at least `needed` entries, and at least twice as many as before."""

    def codegen(context, builder, sig, args):
        old = context.make_array(tape)(context, builder, args[0])
        n = builder.mul(old.nitems, old.nitems.type(2))
        n = builder.select(builder.icmp_signed(">", args[1], n), args[1], n)
        larger, _ = _allocate(context, builder, tape, n)
        cgutils.raw_memcpy(builder, larger.data, old.data, old.nitems, old.itemsize)
        return larger._getvalue()

    return tape(tape, types.intp), codegen
