"""A small notation that turns formulas over `Float` and `Int` values into LLVM instructions.

Each elementary function is an ordinary Python function over these values, run once for each LLVM module that uses it::

    def logistic(x):
        return 1 / (1 + exp_of(-x))

Arithmetic carries the flag ``afn``, which allows nothing for add, subtract, multiply and divide. It is there because numba adds the
caller's fast-math flags (``contract``, or all of them) to each instruction that has none, and a contracted or
reassociated two-sum is no two-sum. Where a fused multiply-add is wanted, `fma` says so. So every result is the same bit
for bit whatever the caller's settings are, and in scalar and vector code.
"""

from __future__ import annotations

from llvmlite import ir as llvm

__all__ = ["Float", "Int", "Bool", "fma", "where", "sqrt", "rint", "copysign", "polynomial", "table", "define"]

_DOUBLE = llvm.DoubleType()
_INT = llvm.IntType(64)
_BIT = llvm.IntType(1)
_FLAGS = ("afn",)


class _Value:
    __slots__ = ("builder", "value")
    type: llvm.Type

    def __init__(self, builder: llvm.IRBuilder, value: llvm.Value):
        self.builder, self.value = builder, value

    def _like(self, other) -> llvm.Value:
        """The LLVM value of another operand, which may be a Python number."""
        return other.value if isinstance(other, _Value) else llvm.Constant(self.type, other)


def _float_operation(name: str):
    def operation(self, other):
        return Float(self.builder, getattr(self.builder, name)(self.value, self._like(other), flags=_FLAGS))

    def reflected(self, other):
        return Float(self.builder, getattr(self.builder, name)(self._like(other), self.value, flags=_FLAGS))

    return operation, reflected


def _int_operation(name: str):
    def operation(self, other):
        return type(self)(self.builder, getattr(self.builder, name)(self.value, self._like(other)))

    def reflected(self, other):
        return type(self)(self.builder, getattr(self.builder, name)(self._like(other), self.value))

    return operation, reflected


def _comparison(sign: str):
    def operation(self, other):
        return self._compare(sign, self._like(other))

    return operation


class Float(_Value):
    """A double. Comparisons are ordered (false for NaN), except ``!=``."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]
    type = _DOUBLE
    __add__, __radd__ = _float_operation("fadd")
    __sub__, __rsub__ = _float_operation("fsub")
    __mul__, __rmul__ = _float_operation("fmul")
    __truediv__, __rtruediv__ = _float_operation("fdiv")
    __lt__, __le__, __gt__, __ge__ = (_comparison(sign) for sign in ("<", "<=", ">", ">="))
    __eq__, __ne__ = _comparison("=="), _comparison("!=")  # type: ignore[assignment]

    def __neg__(self) -> Float:
        return Float(self.builder, self.builder.fneg(self.value))

    def __abs__(self) -> Float:
        return _call("llvm.fabs", self)

    def _compare(self, sign: str, other: llvm.Value) -> Bool:
        compare = self.builder.fcmp_unordered if sign == "!=" else self.builder.fcmp_ordered
        return Bool(self.builder, compare(sign, self.value, other, flags=_FLAGS))

    def bits(self) -> Int:
        """The 64 bits as an integer."""
        return Int(self.builder, self.builder.bitcast(self.value, _INT))

    def truncated(self) -> Int:
        """The integer part; the value must be below 2**63 in size."""
        return Int(self.builder, self.builder.fptosi(self.value, _INT))


class Int(_Value):
    """A 64-bit integer that wraps around; comparisons are signed, ``>>`` shifts zeros in."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]
    type = _INT
    __add__, __radd__ = _int_operation("add")
    __sub__, __rsub__ = _int_operation("sub")
    __mul__, __rmul__ = _int_operation("mul")
    __and__, __rand__ = _int_operation("and_")
    __or__, __ror__ = _int_operation("or_")
    __xor__, __rxor__ = _int_operation("xor")
    __lshift__, _ = _int_operation("shl")
    __rshift__, _ = _int_operation("lshr")
    arithmetic_shift, _ = _int_operation("ashr")
    __lt__, __le__, __gt__, __ge__ = (_comparison(sign) for sign in ("<", "<=", ">", ">="))
    __eq__, __ne__ = _comparison("=="), _comparison("!=")  # type: ignore[assignment]

    def _compare(self, sign: str, other: llvm.Value) -> Bool:
        return Bool(self.builder, self.builder.icmp_signed(sign, self.value, other))

    def as_float(self) -> Float:
        """The double with these 64 bits."""
        return Float(self.builder, self.builder.bitcast(self.value, _DOUBLE))

    def to_float(self) -> Float:
        """The double with this value, rounded."""
        return Float(self.builder, self.builder.sitofp(self.value, _DOUBLE))


class Bool(_Value):
    """A truth value, for `where`."""

    __slots__ = ()
    type = _BIT
    __and__, __rand__ = _int_operation("and_")
    __or__, __ror__ = _int_operation("or_")
    __xor__, __rxor__ = _int_operation("xor")

    def __invert__(self) -> Bool:
        return Bool(self.builder, self.builder.not_(self.value))


def where(condition: Bool, yes, no):
    """``yes`` where the condition holds, else ``no``; both are computed."""
    kind = type(yes) if isinstance(yes, _Value) else type(no) if isinstance(no, _Value) else Float
    one, other = (v.value if isinstance(v, _Value) else llvm.Constant(kind.type, v) for v in (yes, no))
    return kind(condition.builder, condition.builder.select(condition.value, one, other))


def _call(name: str, *operands) -> Float:
    builder = next(o.builder for o in operands if isinstance(o, _Value))
    values = [o.value if isinstance(o, _Value) else llvm.Constant(_DOUBLE, o) for o in operands]
    function_type = llvm.FunctionType(_DOUBLE, [_DOUBLE] * len(values))
    return Float(builder, builder.call(builder.module.declare_intrinsic(name, [_DOUBLE], function_type), values))


def fma(a, b, c) -> Float:
    """``a * b + c`` with one rounding."""
    return _call("llvm.fma", a, b, c)


def sqrt(x) -> Float:
    """Square root, correctly rounded."""
    return _call("llvm.sqrt", x)


def rint(x) -> Float:
    """The nearest integer, as a double."""
    return _call("llvm.rint", x)


def copysign(size, sign) -> Float:
    """`size` with the sign bit of `sign`."""
    return _call("llvm.copysign", size, sign)


def polynomial(u: Float, coefficients, last: int = 1) -> Float:
    """``c[0] + c[1] u + c[2] u**2 + ...`` with `fma`; all but the `last` steps by Estrin's scheme.

    Estrin's tree costs a few operations more than Horner's chain (the squares of u) and saves most of the waiting of one operation
    for another. It rounds its leading coefficients several times, so the first of all are left to Horner.
    """
    first, terms = coefficients[:last], list(coefficients[last:])
    power = u
    while len(terms) > 1:
        pairs = [fma(power, terms[i + 1], terms[i]) for i in range(0, len(terms) - 1, 2)]
        terms = pairs + terms[len(pairs) * 2 :]
        power = power * power if len(terms) > 1 else power
    value = terms[0]
    for c in reversed(first):
        value = fma(u, value, c)
    return value


def table(like: _Value, name: str, rows, index: Int) -> Int:
    """Entry `index` of a constant table of 64-bit integers, stored once in the module under `name`; ``rows()`` lists them."""
    module = like.builder.module
    name = f"sciad.{name}"
    data = module.globals.get(name)
    if data is None:
        values = rows()
        array = llvm.ArrayType(_INT, len(values))
        data = llvm.GlobalVariable(module, array, name)
        data.linkage, data.global_constant, data.unnamed_addr = "internal", True, True
        data.initializer = llvm.Constant(array, values)
    pointer = like.builder.gep(data, [_INT(0), index.value], inbounds=True)
    return Int(like.builder, like.builder.load(pointer))


def define(module: llvm.Module, name: str, formula, n_arguments: int) -> llvm.Function:
    """The LLVM function that computes `formula`, made in this module unless it is there; always inlined, so nothing of it is left."""
    symbol = f"sciad.{name}"
    function = module.globals.get(symbol)
    if function is None:
        function = llvm.Function(module, llvm.FunctionType(_DOUBLE, [_DOUBLE] * n_arguments), symbol)
        function.linkage = "internal"
        for attribute in ("alwaysinline", "nounwind", "readnone"):
            function.attributes.add(attribute)
        builder = llvm.IRBuilder(function.append_basic_block())
        builder.ret(formula(*(Float(builder, argument) for argument in function.args)).value)
    return function
