"""What may be passed to a compiled function, and what comes back: layouts, kinds, structures, aliases, captures."""

# ruff: noqa: F821
from __future__ import annotations

import functools

import numpy as np
import pytest
from interpret import interpreted

import sciad

WEIGHTS = np.array([1.0, 2.0])
SETTINGS = {"k": 2.0, "w": np.array([1.0, 3.0])}


class Level:
    rate = 0.5


LEVEL = Level()


@pytest.fixture(autouse=True)
def _interpreted():
    with interpreted():
        yield


def cubes(x):
    return np.sum(x * x * x)


def gradient(function, *args):
    out, pull = sciad.vjp(sciad.jit(function), *args)
    return out, pull(1.0)


M = np.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize(
    "x",
    [M, M.T, M[:, ::2], M[0][::-1], np.asfortranarray(M), M[1:, 1:3], np.ones(3, ">f8"), np.float32(M), np.zeros((0, 2)), np.array(2.0)],
    ids=["C", "transposed", "strided", "reversed", "Fortran", "block", "big-endian", "single", "empty", "0-d"],
)
def test_layouts(x):
    before = x.copy()
    out, (bar,) = gradient(cubes, x)
    np.testing.assert_allclose(out, np.sum(before**3))
    np.testing.assert_allclose(bar, 3 * before**2)
    assert bar.shape == x.shape
    np.testing.assert_array_equal(x, before)


def test_read_only_arrays():
    x = np.ones(3)
    x.flags.writeable = False
    assert gradient(cubes, x)[0] == 3.0


def test_what_is_no_float_has_no_cotangent():
    def f(x, k, flag, name, nothing):
        return np.sum(x[k]) * (2.0 if flag else 1.0) if name == "on" and nothing is None else 0.0

    out, bars = gradient(f, np.ones(3), np.array([0, 2], np.uint8), True, "on", None)
    assert out == 4.0
    np.testing.assert_array_equal(bars[0], [2.0, 0.0, 2.0])
    assert all(b is None for b in bars[1:])


@pytest.mark.parametrize("x", [1 + 2j, np.ones(2, complex), np.ones(2, np.float16), np.array([None, 1.0])], ids=str)
def test_kinds_without_a_compiled_form_are_refused(x):
    with pytest.raises(sciad.UnsupportedSyntax, match="argument of `cubes`.*test_arguments|test_arguments.*argument of `cubes`"):
        gradient(cubes, x)


@pytest.mark.parametrize("thing", [functools.partial(cubes), Level, LEVEL.__init__], ids=["partial", "class", "method"])
def test_only_functions(thing):
    with pytest.raises(sciad.UnsupportedSyntax, match="not a Python function"):
        sciad.jit(thing)


def test_aliased_arguments():
    """Read only: each has its own cotangent, and their sum is right.  Written: an error, whichever way they overlap."""

    def read(a, b):
        return np.sum(a * a * b)

    def write(a, b):
        a[0] = b[1] * 2.0
        return a[0] * b[0]

    x = np.arange(1.0, 5.0)
    bars = gradient(read, x, x)[1]
    np.testing.assert_allclose(bars[0] + bars[1], 3 * x * x)
    for a, b in ((x, x), (x[:3], x[1:]), (x, x[::2])):
        for transform in (lambda f, a, b: sciad.vjp(f, a, b), lambda f, a, b: sciad.jvp(f, (a, b), (a, b)), lambda f, a, b: f(a, b)):
            with pytest.raises(sciad.ShapeError, match="shares memory"):
                transform(sciad.jit(write), a, b)


def test_aliased_capture():
    def write(a):
        a[0] = WEIGHTS[1]
        return a[0] * WEIGHTS[0]

    with pytest.raises(sciad.ShapeError, match="shares memory"):
        sciad.vjp(sciad.jit(write), WEIGHTS)


def test_captures_are_read_at_each_call(monkeypatch):
    def f(x):
        return LEVEL.rate * np.sum(WEIGHTS * x) * SETTINGS["k"]

    compiled, x = sciad.jit(f), np.ones(2)
    assert compiled(x) == 3.0
    monkeypatch.setattr(LEVEL, "rate", 1.0)
    monkeypatch.setitem(SETTINGS, "k", 3.0)
    assert compiled(x) == 9.0
    monkeypatch.setitem(f.__globals__, "WEIGHTS", np.array([0.0, 1.0]))
    assert compiled(x) == 3.0


def test_compile_time_captures_are_watched(monkeypatch):
    def f(x):
        return helper(x) * COUNT

    monkeypatch.setitem(f.__globals__, "helper", lambda v: v * v)
    monkeypatch.setitem(f.__globals__, "COUNT", 2)
    compiled = sciad.jit(f)
    assert compiled(3.0) == 18.0
    monkeypatch.setitem(f.__globals__, "COUNT", 3)
    assert compiled(3.0) == 27.0
    monkeypatch.setitem(f.__globals__, "helper", lambda v: v + 1.0)
    assert compiled(3.0) == 12.0


def test_dicts_keep_the_order_of_insertion():
    """A loop over the layers of a network runs as they were written, not as their names sort."""

    def f(p, x):
        for name in p:
            x = np.sin(x) * p[name]
        return x

    layers = {"layer2": 2.0, "layer10": 3.0, "layer1": 0.5}
    compiled = sciad.jit(f)
    assert compiled(layers, 0.7) == f(layers, 0.7)
    turned = dict(reversed(layers.items()))
    assert compiled(turned, 0.7) == f(turned, 0.7)
    bars = sciad.vjp(compiled, layers, 0.7)[1](1.0)[0]
    assert list(bars) == list(layers)
    assert list(sciad.jit(lambda a: {"b": a, "a": 2.0 * a})(1.0)) == ["b", "a"]


def test_arrays_of_the_caller_are_written_in_place_by_a_plain_call_only():
    def double(x):
        x *= 2.0

    z = M.copy()
    sciad.jit(double)(z[:, 1])
    np.testing.assert_array_equal(z[:, 1], 2.0 * M[:, 1])
    (none, final), pull = sciad.vjp(sciad.jit(double), z[:, 1], inout=(0,))
    assert none is None
    np.testing.assert_array_equal(final, 4.0 * M[:, 1])
    np.testing.assert_array_equal(pull((None, np.ones(3)))[0], np.full(3, 2.0))
    np.testing.assert_array_equal(z[:, 1], 2.0 * M[:, 1])


def test_mistakes_at_run_time_raise():
    def late(x, n):
        for i in range(n):
            v = x * i
        return v

    with pytest.raises(UnboundLocalError, match="`?v`?"):
        sciad.jit(late)(1.0, 0)
    with pytest.raises(IndexError):
        sciad.jit(lambda x: x[10])(np.ones(3))
    with pytest.raises(ValueError, match="broadcast"):
        sciad.jit(lambda x, y: np.sum(x * y))(np.ones(5), np.ones(6))
    with pytest.raises(np.linalg.LinAlgError):
        sciad.jit(lambda m: np.linalg.solve(m, m[0]))(np.zeros((2, 2)))


def test_division_of_ints_by_zero():
    for f in (lambda x, n: x * (5 // n), lambda x, n: x * (5 % n)):
        compiled = sciad.jit(f)
        assert compiled(1.0, -2) == f(1.0, -2)
        with pytest.raises(ZeroDivisionError):
            compiled(1.0, 0)


def test_bounds_are_checked_everywhere_where_asked(monkeypatch):
    def f(x, n):
        s = 0.0
        for i in range(n):
            s += x[i]
        return s

    monkeypatch.setenv("SCIAD_BOUNDSCHECK", "1")
    assert sciad.jit(f)(np.ones(5), 5) == 5.0
    with pytest.raises(IndexError, match="line"):
        sciad.jit(f)(np.ones(5), 6)
