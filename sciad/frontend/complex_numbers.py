"""Complex numbers as pairs of floats: arithmetic, the elementary functions of NumPy and those of `cmath`."""

from __future__ import annotations

import cmath
from collections.abc import Callable
from typing import Any

from sciad.frontend.context import Context
from sciad.frontend.merge import describe
from sciad.frontend.values import Complex, Tuple_
from sciad.ir import Value
from sciad.types import B1, F8

__all__ = ["binary", "unary", "CMATH"]

_REMEDY = "write it with real and imaginary parts"
_SELVES = {"log10": 2.302585092994045684, "log2": 0.693147180559945309}


class _Algebra:
    """Formulas of parts."""

    def __init__(self, ctx: Context) -> None:
        self.b = ctx.b

    def do(self, name: str, *args: Value) -> Value:
        """A float operation."""
        return self.b.pure(name, list(args), F8)

    def number(self, x: float) -> Value:
        """A float constant."""
        return self.b.const(x, F8)

    def scaled(self, z: Complex, size: Value) -> Complex:
        """A complex number times a float."""
        return Complex(self.do("multiply", z.real, size), self.do("multiply", z.imag, size))

    def size(self, z: Complex) -> Value:
        """|z|."""
        return self.do("hypot", z.real, z.imag)

    def angle(self, z: Complex) -> Value:
        """arg z."""
        return self.do("arctan2", z.imag, z.real)

    def product(self, x: Complex, y: Complex) -> Complex:
        """x y."""
        do = self.do
        real = do("subtract", do("multiply", x.real, y.real), do("multiply", x.imag, y.imag))
        return Complex(real, do("add", do("multiply", x.real, y.imag), do("multiply", x.imag, y.real)))

    def quotient(self, x: Complex, y: Complex) -> Complex:
        """x / y."""
        do = self.do
        size = do("add", do("multiply", y.real, y.real), do("multiply", y.imag, y.imag))
        above = self.product(x, self.conjugate(y))
        return Complex(do("divide", above.real, size), do("divide", above.imag, size))

    def conjugate(self, z: Complex) -> Complex:
        """z with the other sign of its imaginary part."""
        return Complex(z.real, self.do("negative", z.imag))

    def turned(self, z: Complex) -> Complex:
        """i z."""
        return Complex(self.do("negative", z.imag), z.real)

    def exp(self, z: Complex) -> Complex:
        """e^z."""
        return self.scaled(Complex(self.do("cos", z.imag), self.do("sin", z.imag)), self.do("exp", z.real))

    def log(self, z: Complex) -> Complex:
        """The principal logarithm."""
        return Complex(self.do("log", self.size(z)), self.angle(z))

    def sqrt(self, z: Complex) -> Complex:
        """The principal root, without cancellation on either side: t = sqrt((|z| + |x|) / 2), and y / 2 t."""
        do, b = self.do, self.b
        right = b.pure("greater_equal", [z.real, self.number(0.0)], B1)
        t = do("sqrt", do("multiply", self.number(0.5), do("add", self.size(z), do("absolute", z.real))))
        at_zero = b.pure("equal", [t, self.number(0.0)], B1)
        other = do("divide", do("multiply", self.number(0.5), z.imag), b.select(at_zero, self.number(1.0), t))
        return Complex(b.select(right, t, do("absolute", other)), b.select(right, other, do("copysign", t, z.imag)))

    def sinh(self, z: Complex) -> Complex:
        """sinh x cos y + i cosh x sin y."""
        do = self.do
        real = do("multiply", do("sinh", z.real), do("cos", z.imag))
        return Complex(real, do("multiply", do("cosh", z.real), do("sin", z.imag)))

    def cosh(self, z: Complex) -> Complex:
        """cosh x cos y + i sinh x sin y."""
        do = self.do
        real = do("multiply", do("cosh", z.real), do("cos", z.imag))
        return Complex(real, do("multiply", do("sinh", z.real), do("sin", z.imag)))

    def sin(self, z: Complex) -> Complex:
        """-i sinh(i z)."""
        found = self.sinh(self.turned(z))
        return Complex(found.imag, self.do("negative", found.real))

    def cos(self, z: Complex) -> Complex:
        """cosh(i z)."""
        return self.cosh(self.turned(z))

    def tanh(self, z: Complex) -> Complex:
        """sinh z / cosh z."""
        return self.quotient(self.sinh(z), self.cosh(z))

    def tan(self, z: Complex) -> Complex:
        """sin z / cos z."""
        return self.quotient(self.sin(z), self.cos(z))


FUNCTIONS = frozenset({"exp", "log", "sqrt", "sinh", "cosh", "sin", "cos", "tanh", "tan"})


def _complex(ctx: Context, name: str, value: Any) -> Complex:
    if isinstance(value, Complex):
        return value
    if isinstance(value, Value):
        return Complex(ctx.b.cast(value, F8), ctx.b.const(0.0, F8))
    raise ctx.error(f"complex `{name}` with {describe(value)}", "use numbers")


def binary(ctx: Context, name: str, x: Any, y: Any) -> Complex:
    """Arithmetic of numbers of which one at least is complex."""
    a, u, v = _Algebra(ctx), _complex(ctx, name, x), _complex(ctx, name, y)
    if name in ("add", "subtract"):
        return Complex(a.do(name, u.real, v.real), a.do(name, u.imag, v.imag))
    if name == "multiply":
        return a.product(u, v)
    if name == "divide":
        return a.quotient(u, v)
    if name == "power" and isinstance(y, Value) and y.constant is not None and float(y.constant).is_integer() and y.constant > 0:
        result = u
        for _ in range(int(y.constant) - 1):
            result = a.product(result, u)
        return result
    if name == "power" and isinstance(y, Value) and y.constant != 0:
        return a.exp(a.scaled(a.log(u), v.real))
    if name == "power" and isinstance(y, Complex):
        return a.exp(a.product(v, a.log(u)))
    raise ctx.error(f"complex `{name}`", _REMEDY)


def unary(ctx: Context, name: str, z: Complex) -> Any:
    """A function of one complex number."""
    a = _Algebra(ctx)
    if name == "positive":
        return z
    if name == "negative":
        return Complex(a.do("negative", z.real), a.do("negative", z.imag))
    if name in ("conjugate", "conj"):
        return a.conjugate(z)
    if name == "absolute":
        return a.size(z)
    if name == "square":
        return a.product(z, z)
    if name in ("log10", "log2"):
        return a.scaled(a.log(z), a.number(1 / _SELVES[name]))
    if name in FUNCTIONS:
        return getattr(a, name)(z)
    raise ctx.error(f"complex `{name}`", _REMEDY)


# -- cmath -------------------------------------------------------------------------------------------------------------------------
def _of_cmath(name: str) -> Callable:
    return lambda ctx, args, kwargs: unary(ctx, name, _complex(ctx, name, args[0]))


def _log(ctx: Context, args: list, kwargs: dict[str, Any]) -> Complex:
    found = unary(ctx, "log", _complex(ctx, "log", args[0]))
    return found if len(args) == 1 else binary(ctx, "divide", found, unary(ctx, "log", _complex(ctx, "log", args[1])))


def _phase(ctx: Context, args: list, kwargs: dict[str, Any]) -> Value:
    return _Algebra(ctx).angle(_complex(ctx, "phase", args[0]))


def _polar(ctx: Context, args: list, kwargs: dict[str, Any]) -> Tuple_:
    a, z = _Algebra(ctx), _complex(ctx, "polar", args[0])
    return Tuple_([a.size(z), a.angle(z)])


def _rect(ctx: Context, args: list, kwargs: dict[str, Any]) -> Complex:
    a = _Algebra(ctx)
    size, angle = (ctx.b.cast(v, F8) for v in args)
    return a.scaled(Complex(a.do("cos", angle), a.do("sin", angle)), size)


CMATH: dict[Any, Callable] = {
    cmath.log: _log, cmath.phase: _phase, cmath.polar: _polar, cmath.rect: _rect,
    **{getattr(cmath, name): _of_cmath(name) for name in (*FUNCTIONS - {"log"}, "log10")},
}  # fmt: skip
