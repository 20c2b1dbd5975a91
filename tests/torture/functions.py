# ruff: noqa: B026
"""Functions: calls, closures, recursion, arguments of all kinds, structures."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np

from torture import A, case

SCALE = 1.7
WEIGHTS = np.array([0.5, -1.0, 2.0])


class Pair(NamedTuple):
    k: float
    v: np.ndarray


@dataclass
class Body:
    mass: float
    position: np.ndarray

    def energy(self, g):
        return self.mass * g * self.position[1]

    @property
    def doubled(self):
        return 2.0 * self.mass


def square(x):
    return x * x


def power(x, n):
    return 1.0 if n == 0 else x * power(x, n - 1)


def scale_in_place(v, a=2.0):
    v *= a
    return v[0]


@numba.njit
def from_numba(x, y):
    s = 0.0
    for i in range(3):
        s += x * y**i
    return s


@case(0.6)
def recursion_of_constant_depth(a):
    return power(math.sin(a), 4)


@case(0.6, 1.2)
def numba_function_called(a, b):
    return from_numba(a * b, b)


@case(A(0.5, 0.25, 1.0))
def helper_mutates_twice(x):
    y = x.copy()
    s = scale_in_place(y)
    s += scale_in_place(y[1:], a=x[0])
    return s * np.sum(y)


@case(0.3, 0.4)
def function_as_an_argument(a, b):
    def twice(f, x):
        return f(f(x))

    return twice(square, a) + twice(math.sin, b) + twice(lambda t: t * a, b)


@case(0.3, 0.4)
def closure_over_a_local(a, b):
    c = a * b

    def inner(x):
        return x * c + b

    return inner(inner(a))


@case(0.3, 0.4)
def closure_sees_the_last_value(a, b):
    c = a

    def inner(x):
        return x * c

    c = b
    return inner(a)


@case(0.3)
def closures_made_in_a_loop(a):
    s = 0.0
    for i in range(4):

        def shifted(x, k=i):
            return (x + k) ** 2

        s += shifted(a) * shifted(a, 1)
    return s


@case(A(0.3, 0.1, 0.2))
def closure_over_an_array(x):
    y = x * 2.0

    def bump(i):
        y[i] += y[i - 1]
        return y[i]

    return bump(1) * bump(2) + np.sum(y)


@case(0.3, 0.9)
def default_and_keyword_arguments(a, b):
    def f(x, y=b, *, z=2.0):
        return x * y + z * x

    return f(a) + f(a, a) + f(y=a, x=b) + f(b, z=a)


@case(0.3, 0.9)
def star_arguments(a, b):
    def total(*args, **options):
        s = 0.0
        for v in args:
            s += v * v
        return s * options["scale"]

    pair = (a, b)
    return total(*pair, 1.0, scale=a) + total(scale=b, *pair)


@case(0.3, 0.9)
def several_results(a, b):
    def polar(x, y):
        return math.hypot(x, y), math.atan2(y, x)

    r, t = polar(a, b)
    (r2, _), z = polar(r, t), 3.0
    return r * t + r2 * z


@case(0.3)
def global_constants(a):
    return a * SCALE + np.sum(WEIGHTS * a) + math.pi * a * np.e


@case(0.3, None, "fast")
def none_and_strings(a, option, mode):
    if option is None:
        a = a * 2.0
    if mode == "fast":
        return a * a
    elif mode == "slow":
        return a
    return 0.0


@case({"w": A(0.5, 0.2), "b": 0.1, "inner": {"g": 2.0}}, 0.7)
def dict_of_parameters(p, x):
    h = np.tanh(p["w"] * x + p["b"])
    return np.sum(h) * p["inner"]["g"]


@case(((0.5, A(0.1, 0.2)), 0.3))
def nested_tuples(p):
    (a, v), b = p
    return a * b * v[0] + p[0][1][1] * p[-1]


@case([0.5, A(0.1, 0.2)])
def list_argument(p):
    return p[0] * np.sum(p[1] ** 2)


@case(Pair(0.5, A(0.1, 0.2)))
def named_tuple_argument(p):
    q = Pair(p.k * 2.0, p.v * p.k)
    return q.v[0] * q.k + q[0] * p[1][1]


@case(Body(0.5, A(0.1, 0.2)), 9.81)
def dataclass_argument(body, g):
    other = Body(body.mass * 2.0, body.position + 1.0)
    return body.energy(g) + other.energy(g) * body.doubled


@case(0.5, 0.2)
def tuples_swapped_and_sliced(a, b):
    t = (a, b, a * b)
    x, *rest = t
    u, v = t[1:]
    return x * rest[1] + u * v + len(t) * t[-1]


@case(A(0.5, 0.2, 0.1))
def array_unpacked(x):
    a, b, c = x * 2.0
    (p, q) = x[:2] if False else (a, b)
    return a * b * c + p * q


@case(0.5)
def returns_structures(a):
    return {"a": a * a, "b": (a, [A4 * a, 3.0 * a])}


A4 = np.array([1.0, 2.0])


@case(A(0.5, 0.2))
def returns_several_arrays(x):
    y = x * x
    return y, x[::-1] * y, y[0]


@case(A(0.5, 0.2))
def returns_an_argument_and_a_view(x):
    y = x * 3.0
    return x, y[:1], y


@case(0.5, 0.3)
def unused_argument(a, b):
    return a * a


@case(0.5)
def constant_result(a):
    return 3.0


@case(0.7)
def function_chosen_by_a_static_option(a, kind="cos"):
    table = {"sin": math.sin, "cos": math.cos}
    return table[kind](a)


@case(0.7)
def lambda_with_default(a):
    f = lambda x, p=3: x**p
    return f(a) + f(a, 2)


@case(0.7, 0.2)
def mutual_calls(a, b):
    def even(x, n):
        return x if n == 0 else odd(x * b, n - 1)

    def odd(x, n):
        return x * x if n == 0 else even(x + a, n - 1)

    return even(a, 3)


@case(0.7, oracle="difference")
def local_import(a):
    import math as m

    return m.exp(a) * m.tau


@case(0.7, 0.1)
def early_return_in_a_helper_in_a_loop(a, b):
    def first_above(t):
        s = 0.0
        for i in range(10):
            s += t
            if s > 1.0:
                return s * i
        return s

    total = 0.0
    for k in range(3):
        total += first_above(a * (k + 1)) + first_above(b)
    return total


@case(0.7, 0.1, oracle="difference")
def isinstance_and_len(a, b):
    pair = (a, b)
    if isinstance(pair, tuple) and isinstance(a, float) and len(pair) == 2:
        return a * b
    return a


@case(0.7, 0.1)
def walrus_free_chain_of_targets(a, b):
    x = y = a * b
    x += 1.0
    z: float = x * y
    return z


@case(0.7, 0.4)
def closure_reads_what_only_it_reads(a, b):
    c = a

    def scaled(x):
        return x * c

    s = 1.0
    for _ in range(4):
        s = scaled(s) + b
        c = s
    return s


@case(A(0.7, 0.4))
def closure_reads_a_rebound_array(x):
    y = x

    def total():
        return np.sum(y * y)

    s = 0.0
    for _ in range(3):
        s += total()
        y = np.sin(x) * s
    return s + total()


@case(0.7, 0.0)
def and_or_give_operands(a, b):
    first = b or a * 2.0
    second = a and a * 3.0
    third = b and 1.0 / b
    return first * second + third


@case(A(0.7, 0.4), A(0.1, 0.2))
def shapes_compared(x, y):
    if x.shape == y.shape and x.shape != (3,):
        return np.sum(x * y)
    return 0.0


@case(0.7, A(0.1, 0.2))
def chained_comparison_guards_an_index(a, x):
    s = 0.0
    for i in range(4):
        if a > 0.0 and i < 2 and -1.0 < x[i] < x[0] + 1.0:
            s += x[i] * a
    return s


# -- comprehensions that a function folds ---------------------------------------------------------------------------------------------
v = 3.0  # a global of the name of a comprehension's variable


@case(A(0.5, 1.5, 2.5), oracle="difference", tolerance=1e-6)
def folded_generators(x):
    total = sum(v**3 for v in x) + max(2 * v for v in x) - min(v * v for v in x if v > 1)
    return total * v * math.prod(1 + v for v in x)


@case(A(0.5, 1.5, 2.5))
def folds_in_loops(x):
    s = 1.0
    for v in x:
        s += sum(v * w * i for i, w in enumerate(x) if w > 0.7)
    if any(u > 2 for u in x) and all(u > 0 for u in x) and not any(1 / (u - 0.5) > 0 for u in x if u > 3):
        s *= sum((a * b for a in x for b in x[:2]), 3.0)
    return s + sum([math.sin(u) for u in x])


@case(A(0.5, 1.5, 2.5), 5)
def arrays_of_comprehensions(x, n):
    y = np.array([x[i % 3] * i for i in range(n)])
    z = np.array([u * u for u in x if u > 1.0])
    return y @ y + np.sum(z) * len(z)


@case(A(0.5, 1.5, 2.5, 0.1), np.array([0, 1, 1, 2]))
def unbuffered_updates(x, k):
    y = np.zeros(3)
    np.add.at(y, k, x**2)
    np.subtract.at(y, k[:2], x[:2])
    np.add.at(y, k, 0.5)
    return np.dot(y, y)


@case(np.array([[2.0, 0.3, -0.1], [0.2, 1.5, 0.4]]), np.array([1, 1]), inout=(0,))
def unbuffered_updates_of_rows(m, k):
    np.add.at(m, k, m)
    return m[0] @ m[1]


@case(0.7, 1.3)
def named_tuple_with_another_field(a, b):
    p = Pair(a * b, np.array([a, b]))
    q = p._replace(k=p.k * 2)
    return q.k * q.v[1] + p.k
