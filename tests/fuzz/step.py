"""Complex step through CPython: numbers with an infinitesimal imaginary part that are ordered by their real part.

The derivative of a program in one direction, exact to rounding, by Python's own evaluation of its text; branches are taken as for the real
parts.  Squire & Trapp, SIAM Review 40 (1998) 110.
"""

from __future__ import annotations

import math
import types
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

__all__ = ["H", "Step", "MATH", "NUMPY", "lift", "noisy"]

H = 1e-200


class Step(complex):
    """A complex number that behaves like its real part wherever the program makes a choice."""

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        """Operators of arrays with such a number, in place too: NumPy itself would take it for a plain complex one."""
        result = getattr(ufunc, method)(*[_boxed(x) if isinstance(x, Step) else x for x in inputs], **options)
        return result[()] if isinstance(result, np.ndarray) and not result.ndim else result

    def __lt__(self, other):
        return self.real < _re(other)

    def __le__(self, other):
        return self.real <= _re(other)

    def __gt__(self, other):
        return self.real > _re(other)

    def __ge__(self, other):
        return self.real >= _re(other)

    def __eq__(self, other):
        return self.real == _re(other)

    def __ne__(self, other):
        return self.real != _re(other)

    __hash__ = complex.__hash__

    def __neg__(self):
        return Step(-self.real, -self.imag)

    def __pos__(self):
        return self

    def __abs__(self):
        return self if self.real > 0 else -self if self.real < 0 else Step(0.0, 0.0 * self.imag)

    def __float__(self):
        return self.real

    def __int__(self):
        return int(self.real)

    def __bool__(self):
        return self.real != 0

    def __round__(self, digits=None):
        return round(self.real, digits)

    def __mod__(self, other):
        return self - math.floor(self.real / _re(other)) * other

    def __rmod__(self, other):
        return Step(other) % self

    def __divmod__(self, other):
        return self // other, self % other

    def __floordiv__(self, other):
        return float(self.real // _re(other))

    def __rfloordiv__(self, other):
        return float(other // self.real)

    def __pow__(self, n):
        if isinstance(n, Step) or n != int(n):
            return _FUNCTIONS_OF_TWO["pow"](self, n)
        n, result = int(n.real), Step(1.0)
        for _ in range(abs(n)):
            result = result * self
        return result if n >= 0 else 1.0 / result

    def __rpow__(self, base):
        return Step(base) ** self


def _re(x):
    return x.real


_NOISE: list[np.random.Generator | None] = [None]
ROUNDING = 4e-16


@contextmanager
def noisy(rng: np.random.Generator) -> Iterator[None]:
    """Every sum and product is off by a rounding error of its own, in its value and in its derivative: what grows is not to be trusted."""
    _NOISE[0] = rng
    try:
        yield
    finally:
        _NOISE[0] = None


def _rounded(x: complex) -> Step:
    rng = _NOISE[0]
    if rng is None:
        return Step(x)
    a, b = ROUNDING * rng.uniform(-1, 1, 2)
    return Step(x.real * (1.0 + a), x.imag * (1.0 + b))


def _closed(name):
    method = getattr(complex, name)

    def operate(self, other):
        if isinstance(other, np.ndarray):
            return NotImplemented  # its operator comes to __array_ufunc__
        if not isinstance(other, (complex, float, int, np.number, np.bool_)):
            return NotImplemented
        result = method(self, complex(other))
        return result if result is NotImplemented else _rounded(result)

    return operate


for _name in ("add", "radd", "sub", "rsub", "mul", "rmul"):
    setattr(Step, f"__{_name}__", _closed(f"__{_name}__"))


def _divide(a, b):
    """Without squares of the infinitesimal part, which would underflow to the same thing."""
    a, b = complex(a), complex(b)
    q = a.real / b.real
    return Step(q, (a.imag - q * b.imag) / b.real)


def _quotient(of):
    def operate(self, other):
        return NotImplemented if isinstance(other, np.ndarray) else of(self, other)

    return operate


Step.__truediv__ = _quotient(_divide)
Step.__rtruediv__ = _quotient(lambda self, other: _divide(other, self))


def _by_slope(function, slope):
    """A function of one number by its real value and derivative."""

    def call(x):
        if isinstance(x, complex):
            return Step(function(x.real), slope(x.real) * x.imag)
        return function(x)

    return call



_FUNCTIONS = {
    "sin": _by_slope(math.sin, math.cos), "cos": _by_slope(math.cos, lambda x: -math.sin(x)), "exp": _by_slope(math.exp, math.exp),
    "tanh": _by_slope(math.tanh, lambda x: 1.0 - math.tanh(x) ** 2), "sqrt": _by_slope(math.sqrt, lambda x: 0.5 / math.sqrt(x)),
    "log": _by_slope(math.log, lambda x: 1.0 / x),
}  # fmt: skip


def _by_slopes(function, *slopes):
    """A function of two numbers by its real value and partial derivatives."""

    def call(a, b):
        p, q = _re(a), _re(b)
        return Step(function(p, q), slopes[0](p, q) * complex(a).imag + slopes[1](p, q) * complex(b).imag)

    return call


_FUNCTIONS_OF_TWO = {
    "hypot": _by_slopes(math.hypot, lambda a, b: a / math.hypot(a, b), lambda a, b: b / math.hypot(a, b)),
    "atan2": _by_slopes(math.atan2, lambda a, b: b / (a * a + b * b), lambda a, b: -a / (a * a + b * b)),
    "fmod": _by_slopes(math.fmod, lambda a, b: 1.0, lambda a, b: -math.trunc(a / b)),
    "copysign": _by_slopes(math.copysign, lambda a, b: math.copysign(1.0, a * b), lambda a, b: 0.0),
    "pow": _by_slopes(math.pow, lambda a, b: b * a ** (b - 1), lambda a, b: a**b * math.log(a)),
}


def _elementwise(function):
    wide = np.frompyfunc(function, 1, 1)
    return lambda x: wide(x) if isinstance(x, np.ndarray) else function(x)


def _boxed(x):
    """A lone number as an object: NumPy would make a plain complex of it."""
    box = np.empty((), object)
    box[()] = x
    return x if isinstance(x, np.ndarray) else box


def _extreme(better):
    def choose(a, b):
        return b if better(b, a) else a

    wide = np.frompyfunc(choose, 2, 1)

    return lambda a, b: wide(_boxed(a), _boxed(b)) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else choose(a, b)


def _full(shape, value=0.0, dtype=None):
    array = np.empty(shape, object)
    array[...] = Step(value)
    return array


def lift(value):
    """Floats and float arrays as numbers with a direction of their own."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        array = np.empty(value.shape, object)
        for where in np.ndindex(*value.shape):
            array[where] = Step(value[where])
        return array
    return Step(value) if isinstance(value, float) else value


def _solve(a, b):
    """Gaussian elimination with partial pivoting, of a vector."""
    a, b, n = a.copy(), b.copy(), len(b)
    for k in range(n):
        p = max(range(k, n), key=lambda i: abs(_re(a[i, k])))
        a[[k, p]], b[[k, p]] = a[[p, k]], b[[p, k]]
        for i in range(k + 1, n):
            scale = a[i, k] / a[k, k]
            a[i] = a[i] - scale * a[k]
            b[i] = b[i] - scale * b[k]
    for i in range(n - 1, -1, -1):
        b[i] = (b[i] - np.sum(a[i, i + 1 :] * b[i + 1 :])) / a[i, i] if i < n - 1 else b[i] / a[i, i]
    return b


class _Numpy:
    """NumPy for arrays of such numbers."""

    zeros = empty = staticmethod(_full)
    ones = staticmethod(lambda shape, dtype=None: _full(shape, 1.0))
    full = staticmethod(_full)
    abs = staticmethod(_elementwise(abs))
    clip = staticmethod(lambda x, low, high: NUMPY.minimum(NUMPY.maximum(x, low), high))
    power = staticmethod(_FUNCTIONS_OF_TWO["pow"])
    floor = staticmethod(lambda x: float(math.floor(x)))
    sign = staticmethod(lambda x: float(np.sign(x.real)))
    maximum = staticmethod(_extreme(lambda b, a: b > a))
    minimum = staticmethod(_extreme(lambda b, a: b < a))

    @staticmethod
    def eye(n):
        return lift(np.eye(n))

    @staticmethod
    def cumsum(x):
        return np.add.accumulate(x)

    linalg = types.SimpleNamespace(solve=lambda a, b: _solve(a, b))

    @staticmethod
    def array(items):
        made = np.array(items, dtype=object)
        for where in np.ndindex(*made.shape):
            made[where] = Step(made[where])
        return made

    def __getattr__(self, name):
        return getattr(np, name)


for _name, _function in _FUNCTIONS.items():
    setattr(_Numpy, _name, staticmethod(_elementwise(_function)))

NUMPY = _Numpy()
MATH = types.SimpleNamespace(
    **_FUNCTIONS, **_FUNCTIONS_OF_TWO, floor=math.floor, ceil=math.ceil, trunc=math.trunc, fabs=abs, pi=math.pi, e=math.e, tau=math.tau
)
