"""What the compiled tier refuses: one small function for each construct, the refused line marked; docs/unsupported.md is made from it.

    python tests/sciad/frontend/rejected.py        # writes docs/unsupported.md
"""

# ruff: noqa: B023, C416, F821, F841, RET503
from __future__ import annotations

import inspect
import random
from pathlib import Path

import numpy as np

import sciad

REJECTED: list[tuple] = []
COUNT = [0]
WEIGHTS = np.array([1.0, 2.0])
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "unsupported.md"


def rejected(*args):
    """Register a function that has to be refused for these arguments."""

    def register(function):
        REJECTED.append((function, args))
        return function

    return register


@rejected(1.5)
def exceptions(x):
    try:  # refused
        return 1.0 / x
    except ZeroDivisionError:
        return 0.0


@rejected(1.5)
def context_manager(x):
    with np.errstate(all="ignore"):  # refused
        return x * x


@rejected(1.5)
def global_name(x):
    global COUNT  # refused
    COUNT = [1]
    return x


@rejected(1.5)
def item_of_a_global_list(x):
    COUNT[0] = 1  # refused
    return x * COUNT[0]


@rejected(1.5)
def nonlocal_name(x):
    s = 0.0

    def add(v):
        nonlocal s  # refused
        s += v

    add(x)
    return s


@rejected(1.5)
def deletion(x):
    y = x * x
    del x  # refused
    return y


@rejected(1.5)
def class_inside(x):
    class Box:  # refused
        pass

    return x


@rejected(1.5)
def asynchronous(x):
    async def wait():  # refused
        return x

    return x


@rejected(1.5)
def generator(x):
    def numbers():
        yield x

    s = 0.0
    for v in numbers():  # refused
        s += v
    return s


@rejected(np.ones(3))
def generator_expression(x):
    a, b, c = (v * v for v in x)  # refused
    return a * b * c


@rejected(np.ones(3))
def comprehension_of_unknown_length(x):
    y = [v * v for v in x]  # refused
    return y[0]


@rejected(1.5)
def comprehension_with_a_condition(x):
    y = [x * i for i in range(3) if i > 0]  # refused
    return y[0]


@rejected(1.5, 3)
def leaving_a_loop_with_checkpoints(x, n):
    for _ in sciad.checkpoint(range(n)):  # refused
        x = x * x
        if x > 9.0:
            break
    return x


@rejected(1.5)
def dict_comprehension(x):
    d = {k: x * k for k in (1, 2)}  # refused
    return d[1]


@rejected(1.5)
def set_display(x):
    return x if x in {1.0, 2.0} else 0.0  # refused


@rejected(1.5)
def set_comprehension(x):
    s = {v for v in (1, 2)}  # refused
    return x


@rejected(1.5)
def formatted_string(x):
    name = f"{x}"  # refused
    return x if name else 0.0


@rejected(1.5)
def assignment_expression(x):
    return (y := x * x) + y  # refused


@rejected(1.5)
def match_statement(x):
    match x:  # refused
        case 1.0:
            return x
        case _:
            return x * x


@rejected(1.5)
def list_that_grows(x):
    parts = []
    for i in range(3):
        parts.append(x * i)  # refused
    return parts[0]


@rejected(1.5)
def item_assignment_to_a_list(x):
    parts = [x, 2.0]
    parts[0] = x * x  # refused
    return parts[0]


@rejected(1.5)
def item_assignment_to_a_dict(x):
    d = {"a": x}
    d["b"] = x * x  # refused
    return d["a"]


@rejected(1.5)
def dict_with_a_computed_key(x):
    d = {x: 1.0}  # refused
    return d[x]


@rejected({"a": 1.5})
def dict_key_that_is_missing(p):
    return p["b"]  # refused


@rejected(1.5, 2)
def tuple_index_at_run_time(x, n):
    parts = (x, np.ones(2))
    return parts[n]  # refused


@rejected(1.5)
def attribute_assignment(x):
    sciad.level = x  # refused
    return x


@rejected(1.5)
def printing(x):
    print(x)  # refused
    return x


@rejected(1.5)
def random_numbers(x):
    return x * random.random()  # refused


@rejected(1.5)
def numpy_random_numbers(x):
    return x * np.random.normal()  # noqa: NPY002  # refused


@rejected(np.ones(4))
def numpy_function_without_lowering(x):
    return np.real(np.fft.fft(x))[0]  # refused


@rejected(1.5, 3)
def recursion_of_run_time_depth(x, n):
    return x if n == 0 else x * recursion_of_run_time_depth(x, n - 1)  # refused


@rejected(1.5)
def endless_loop(x):
    while True:  # refused
        x = x * x


@rejected(1.5)
def kinds_that_do_not_join(x):
    y = x if x > 1.0 else None  # refused
    return y * 2.0


@rejected(1.5)
def array_or_number(x):
    y = 0.0
    if x > 1.0:
        y = np.ones(2)
    return np.sum(y)  # refused


@rejected(1.5)
def local_before_assignment(x):
    y = z * x  # refused
    z = 1.0
    return y * z


@rejected(1.5)
def result_on_some_paths(x):
    if x > 1.0:
        return x  # refused


@rejected(1.5)
def name_that_does_not_exist(x):
    return x * nowhere  # refused


@rejected(np.ones(3))
def truth_of_an_array(x):
    return 1.0 if x > 0.0 else 2.0  # refused


@rejected(np.ones(3), 1.0)
def membership_in_an_array(x, v):
    return 1.0 if v in x else 2.0  # refused


@rejected(np.ones(3), 1.5)
def float_index(x, k):
    return x[k]  # refused


@rejected(np.ones(5), 2)
def slice_step_at_run_time(x, k):
    return np.sum(x[::k])  # refused


@rejected(1.5)
def write_into_a_captured_array(x):
    WEIGHTS[0] = x  # refused
    return WEIGHTS[0] * x


@rejected(1.5, 3)
def power_of_ints_at_run_time(x, n):
    return x * 2**n  # refused


@rejected(1.5)
def decorated_inner_function(x):
    @sciad.jit  # refused
    def inner(v):
        return v * v

    return inner(x)


@rejected(1.5)
def wrong_number_of_arguments(x):
    def inner(a, b):
        return a * b

    return inner(x)  # refused


@rejected(1.5)
def call_of_a_number(x):
    return x(2.0)  # refused


@rejected(1.5)
def complex_function(x):
    return np.arcsin(complex(x, 1.0)).real  # refused


@rejected(np.ones((2, 2, 2)))
def dot_of_stacks(x):
    return np.sum(np.dot(x, x))  # refused


@rejected(np.ones((2, 2)))
def option_that_is_not_known(x):
    return np.sum(x.ravel("F"))  # refused


@rejected(np.ones((2, 2)))
def axis_that_is_not_there(x):
    return np.sum(np.swapaxes(x, 0, 2))  # refused


@rejected(np.ones((2, 2)))
def function_of_vectors(x):
    return np.sum(np.gradient(x))  # refused


@rejected(np.ones(3))
def lone_bool_as_index(x):
    return np.sum(x[x[0] > 0.5])  # refused


@rejected(np.ones((2, 2)))
def norm_of_a_matrix(x):
    return np.linalg.norm(x, 2)  # refused


@rejected(1.5)
def strings_in_order(x):
    return x if "a" < "b" else 0.0  # refused


class Settings:
    def __init__(self, rate):
        self.rate = rate


@rejected(1.5, Settings(0.1))
def attribute_of_an_object_argument(x, settings):
    return x * settings.rate  # refused


@rejected(np.ones(3))
def identity_of_arrays(x):
    y = x * 1.0
    return np.sum(x) if y is x else 0.0  # refused


@rejected(1.5)
def bool_or_number(x):
    return (x > 1.0) or x  # refused


@rejected(1.5)
def lambda_in_a_comprehension(x):
    powers = [lambda v: v * k for k in (1, 2)]  # refused
    return powers[0](x)


@rejected(np.ones(3), np.array([1, 2, 3]))
def floats_added_to_ints(x, k):
    k += x  # refused
    return np.sum(x * k)


@rejected(1.5)
def function_defined_on_one_path(x):
    if x > 1.0:

        def f(v):
            return v * x

    return f(x)  # refused


MEANING = """
## Where compiled code could mean something else

What CPython, NumPy and compiled code do differently is settled as follows;
`tests/sciad/frontend/test_arguments.py` and `tests/test_torture.py` hold the tests.

| situation | meaning |
|---|---|
| overlapping slices, `x[1:] += x[:-1]` | NumPy's: the right side is complete before anything is written |
| a local variable that no path has bound | `UnboundLocalError`, when it is used |
| the variable of a loop without a trip | `UnboundLocalError`, as in Python |
| an array that is written overlaps another argument or capture | `ShapeError` |
| integer division or modulo by zero | `ZeroDivisionError` |
| float division by zero, `math.log(0.0)`, `math.sqrt(-1.0)` | `inf` and `nan`, as in NumPy |
| an index out of range | `IndexError` for constants outside of loops and branches, for all with `SCIAD_BOUNDSCHECK=1`; else undefined |
| `and` / `or` as values | Python's: the operand that decides |
| a loop over a dict | in the order of insertion |
| integers | 64 bits, wrapping around |
| `float32` scalars with Python numbers | computed in double; arrays of `float32` stay `float32` |
| sums of arrays | in any order, as in NumPy |
| a name that an inner function reads | its value at the time of the call, as in Python |
"""


def outcome(function, args) -> Exception:
    """What differentiating the function raises."""
    try:
        sciad.vjp(sciad.jit(function), *args)[1](1.0)
    except Exception as error:
        return error
    raise AssertionError(f"{function.__name__} was accepted")


def marked_line(function) -> int:
    """The line with the mark."""
    lines, first = inspect.getsourcelines(function)
    return first + next(k for k, line in enumerate(lines) if "# refused" in line)


def construct(function) -> str:
    """The marked line's code."""
    lines, first = inspect.getsourcelines(function)
    return lines[marked_line(function) - first].split("#")[0].strip()


def document() -> str:
    """The text of docs/unsupported.md."""
    rows = []
    for function, args in REJECTED:
        error = outcome(function, args)
        cells = [f"`{construct(function)}`", error.construct, error.remedy]
        rows.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    head = """# What the compiled tier refuses

A function under `sciad.jit` that contains one of these raises `sciad.UnsupportedSyntax`, whose message names the file, the line, the
construct and what to write instead; nothing is guessed. Without `sciad.jit` the same function goes through the tape tier, which takes any
Python.

This table is generated from `tests/sciad/frontend/rejected.py`, where each row is a test.

| code | refused as | write instead |
|---|---|---|
"""
    return head + "\n".join(rows) + "\n" + MEANING


if __name__ == "__main__":
    DOCUMENT.write_text(document())
