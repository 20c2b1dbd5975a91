"""Memos: a later process calls compiled functions without lowering them, unless something that was compiled in has changed."""

from __future__ import annotations

import importlib
import linecache
import sys
import types

import numpy as np
import pytest

import sciad
from sciad import memo, rules  # noqa: F401
from sciad.rules import registry

jit_module = sys.modules["sciad.jit"]

USER = """
import math
from typing import NamedTuple

import numpy as np

import settings
from helper import g

SCALE = 2.0
POWER = 2


def f(x, n):
    total = 0.0
    for i in range(x.size):
        total += abs(g(x[i])) ** POWER * SCALE * settings.factor + n * math.sin(x[i])
    return total


def with_import(x):
    from helper import g as inner

    return inner(x) * x


class Pair(NamedTuple):
    a: float
    b: float


def with_pair(x):
    p = Pair(x, 2.0)
    return p.a * p.b


def tree(p):
    return {"y": p["w"] * p["x"][0] + p["x"][1], "n": 3.0 * p["w"]}


def made(k):
    return lambda x: x * k
"""
HELPER = "def g(x):\n    return x * x\n"


class Lowered(Exception):
    """A function was lowered that should have been remembered."""


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """What a new process has: `fresh(user=..., helper=..., factor=...)` gives the user's module, with nothing known in this process."""
    monkeypatch.setattr(sciad.backend, "_folder", tmp_path)
    registry.customised()  # the rule book is loaded
    monkeypatch.setattr(registry, "_changes", registry._own)  # other tests of this process have added rules

    def module(name: str, text: str) -> types.ModuleType:
        made = types.ModuleType(name)
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        monkeypatch.setitem(sys.modules, name, made)
        exec(compile(text, str(path), "exec"), made.__dict__)
        return made

    def start(user: str = USER, helper: str = HELPER, factor: int = 3) -> types.ModuleType:
        linecache.clearcache()
        importlib.import_module("sciad.jit")
        monkeypatch.setattr(jit_module, "_PROGRAMS", {})
        sys.modules["settings"] = types.ModuleType("settings")
        sys.modules["settings"].factor = factor
        module("helper", helper)
        return module("user", user)

    yield start
    for name in ("settings", "helper", "user"):
        sys.modules.pop(name, None)


@pytest.fixture
def no_lowering(monkeypatch):
    """From here on, lowering raises."""

    def start() -> None:
        def refuse(*args, **kwargs):
            raise Lowered

        monkeypatch.setattr(jit_module, "lower", refuse)

    return start


def gradient(module, n=3, name="f"):
    return sciad.value_and_grad(sciad.jit(getattr(module, name)))(np.array([1.0, -2.0, 0.5]), n)


def expected(n=3, factor=3, scale=2.0):
    x = np.array([1.0, -2.0, 0.5])
    return np.sum(x**4 * scale * factor + n * np.sin(x)), 4 * x**3 * scale * factor + n * np.cos(x)


def check(found, wanted):
    assert found[0] == pytest.approx(wanted[0], rel=1e-14)
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-14)


def test_nothing_is_lowered_twice(fresh, no_lowering):
    """Gradient, primal, vjp and jvp with trees, from the cache alone; floats among the captures are read anew."""
    module = fresh()
    check(gradient(module), expected())
    p = {"w": 2.0, "x": np.array([3.0, 4.0])}
    before = sciad.jit(module.tree)(p), sciad.vjp(sciad.jit(module.tree), p)[1]({"y": 1.0, "n": 0.5})
    dots = sciad.jvp(sciad.jit(module.tree), (p,), ({"w": 1.0, "x": np.array([0.5, 0.25])},))
    module = fresh()
    no_lowering()
    check(gradient(module), expected())
    check(gradient(module, n=5), expected(n=5))
    module.SCALE = 4.0
    check(gradient(module), expected(scale=4.0))
    again = sciad.jit(module.tree)(p), sciad.vjp(sciad.jit(module.tree), p)[1]({"y": 1.0, "n": 0.5})
    assert repr(again) == repr(before)
    assert again[0] == {"y": 10.0, "n": 6.0}
    assert sciad.jvp(sciad.jit(module.tree), (p,), ({"w": 1.0, "x": np.array([0.5, 0.25])},)) == dots == (again[0], {"y": 4.25, "n": 3.0})


def test_what_was_not_compiled_is_lowered_then(fresh):
    """A memo of the gradient, and then a second derivative or the text of the generated code."""
    check(gradient(fresh()), expected())
    module = fresh()
    compiled = sciad.jit(module.f)
    check(gradient(module), expected())
    x, v = np.array([1.0, -2.0, 0.5]), np.array([1.0, 0.5, -1.0])
    product = sciad.hvp(lambda x: compiled(x, 3), (x,), (v,))
    np.testing.assert_allclose(product, (12 * x**2 * 6 - 3 * np.sin(x)) * v, rtol=1e-13)
    assert "def f_reverse" in sciad.derivative_source(module.f, x, 3)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"helper": "def g(x):\n    return 2.0 * x * x\n"}, lambda x: (24 * x**4, 96 * x**3)),
        ({"factor": 5}, lambda x: (10 * x**4, 40 * x**3)),
        ({"user": USER.replace("POWER = 2", "POWER = 1")}, lambda x: (6 * x**2, 12 * x)),
        ({"user": USER.replace("math.sin(x[i])", "math.sin(x[i]) * 0.0")}, lambda x: (6 * x**4, 24 * x**3)),
        ({"user": USER.replace("POWER = 2\n", "POWER = 2\n\n\ndef abs(y):\n    return 3.0 * y\n")}, lambda x: (54 * x**4, 216 * x**3)),
        ({"helper": "from numba import njit\n\n\n@njit\ndef g(x):\n    return x * x * x\n"}, lambda x: (6 * x**6, 36 * x**5)),
    ],
)  # fmt: skip
def test_changes_are_seen(fresh, no_lowering, change, wanted):
    """Of a called function, a constant of another module, a global int, the text itself, and a global that hides a built-in function."""
    check(gradient(fresh(), n=0), expected(n=0))
    module = fresh(**change)
    found = gradient(module, n=0)
    x = np.array([1.0, -2.0, 0.5])
    value, slope = wanted(x)
    check(found, (np.sum(value), slope))
    no_lowering()
    check(gradient(fresh(**change), n=0), (np.sum(value), slope))


@pytest.mark.parametrize("name", ["with_import", "with_pair"])
def test_what_cannot_be_compared_is_lowered_again(fresh, no_lowering, name):
    """Functions imported inside a function, and classes."""
    slope = {"with_import": 12.0, "with_pair": 2.0}[name]
    assert sciad.grad(sciad.jit(getattr(fresh(), name)))(2.0) == slope
    module = fresh()
    no_lowering()
    with pytest.raises(Lowered):
        sciad.grad(sciad.jit(getattr(module, name)))(2.0)


def test_closures_of_one_text_keep_their_values(fresh, no_lowering):
    """Integers are compiled in, floats are read."""
    module = fresh()
    assert [sciad.grad(sciad.jit(module.made(k)))(1.0) for k in (2, 3, 2.5)] == [2.0, 3.0, 2.5]
    module = fresh()
    assert [sciad.grad(sciad.jit(module.made(k)))(1.0) for k in (4, 3, 5.5)] == [4.0, 3.0, 5.5]
    module = fresh()
    no_lowering()
    assert sciad.grad(sciad.jit(module.made(6.5)))(1.0) == 6.5


def test_other_rules_use_no_memos(fresh, monkeypatch):
    """Where the user has changed the rule book, nothing is found and nothing kept."""
    module = fresh()
    check(gradient(module), expected())
    monkeypatch.setattr(registry, "_changes", registry._changes + 1)
    assert registry.customised()
    structure = sciad.tree.flatten((np.zeros(3), 3))[1]
    kinds = tuple(next(iter(jit_module._PROGRAMS))[2])
    assert memo.find(module.f, structure, kinds) is None
    monkeypatch.undo()


def test_a_broken_memo_is_no_harm(fresh, tmp_path):
    check(gradient(fresh()), expected())
    for path in tmp_path.glob("sciad_memo_*"):
        path.write_bytes(b"half a fi")
    check(gradient(fresh()), expected())
    for path in tmp_path.glob("sciad_f_*.py"):
        path.unlink()
    check(gradient(fresh()), expected())


def test_arrays_that_are_not_as_compiled_code_takes_them(fresh):
    """The other byte order, unaligned memory, read-only arrays: copied where they must be, never misread."""
    module = fresh()
    x = np.array([1.0, -2.0, 0.5])
    raw = np.zeros(25, np.uint8)
    unaligned = raw[1:].view(np.float64)
    unaligned[:] = x
    frozen = x.copy()
    frozen.flags.writeable = False
    run = sciad.value_and_grad(sciad.jit(module.f))
    for array in (x.astype(">f8"), unaligned, frozen, x[::-1][::-1]):
        check(run(array, 3), expected())
