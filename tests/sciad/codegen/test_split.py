"""Big functions come in parts, and mean what they meant whole."""

from __future__ import annotations

import math

import numpy as np
import pytest

import sciad
from sciad.codegen import split
from sciad.codegen.emit import Emitter
from sciad.ir import F8, I8, Builder, Op, Region, Value


def several(x, n):
    """Loops of several kinds one after the other: counted, to a tolerance, on overlapping views, with a tape that grows."""
    y = x.copy()
    z = np.zeros(x.size)
    total = 0.0
    for i in range(n):
        y[i] = math.sin(y[i]) * y[i - 1] + total
        total += y[i] * y[i]
    head, tail = y[: n - 1], y[1:]
    for i in range(n - 1):
        head[i] += 0.5 * tail[i] * total
    k = 0
    while total > 0.01 and k < 7:
        total = total * 0.3 + z[0] * 0.1 + y[k % n] * 0.01
        z[k % n] += total
        k += 1
    for i in range(n):
        for j in range(i):
            z[i] += y[j] * math.cos(z[j])
    for i in range(n):
        total += z[i] * y[i]
    return total


@pytest.fixture
def everywhere(monkeypatch):
    """Parts of a few operations, in functions of any size."""
    monkeypatch.setattr(split, "LARGE", 0)
    monkeypatch.setattr(split, "PART", 8)


def test_gradient_in_parts(everywhere):
    """Against differences of the fourth order of the Python function."""
    x = np.linspace(0.3, 1.1, 6)
    program = sciad.jit(several)
    value, gradient = sciad.value_and_grad(program)(x, 6)
    source = sciad.derivative_source(program, x, 6)
    assert source.count("_part") >= 6
    assert value == pytest.approx(several(x, 6), rel=1e-13)
    h = 1e-6
    for k in range(6):
        e = np.zeros(6)
        e[k] = h
        slope = (8 * (several(x + e, 6) - several(x - e, 6)) - several(x + 2 * e, 6) + several(x - 2 * e, 6)) / (12 * h)
        assert gradient[k] == pytest.approx(slope, rel=1e-8)


def test_small_functions_stay_whole():
    assert "_part" not in sciad.derivative_source(sciad.jit(several), np.ones(5), 5)


@pytest.fixture
def single(monkeypatch):
    """Every loop a part."""
    monkeypatch.setattr(split, "LARGE", 0)
    monkeypatch.setattr(split, "PART", 2)


@pytest.mark.parametrize("view", [False, True])
def test_arrays_that_may_overlap_are_not_called_apart(single, view):
    """A view and its array are arguments of one part: the compiler must not be told that they are apart."""
    n, x, y = Value(I8, None, "n"), Value("*float64", None, "x"), Value("*float64", None, "y")
    b, k = Builder(), Value(I8, None, "k")
    other = b.emit("subbuffer", [x, b.int(0), n], ["*float64"]).result if view else y
    outer = b.enter([k])
    b.store(x, k, b.load(other, k, F8))
    b.emit("for", [n], [], [b.leave(outer)])
    body = Region([n, x, y])
    body.ops = b.region.ops
    (part,) = split.split(body, "part{}".format)
    assert part.apart is not view


def test_part_reads_and_returns_what_is_needed(single):
    """A loop's part takes the values from outside that it uses, and gives back those that are used after it."""
    n, start, unused = Value(I8, None, "n"), Value(F8, None, "start"), Value(F8, None, "unused")
    body = Region([n, start, unused])
    b = Builder()
    k, carried = Value(I8, None, "k"), Value(F8, None, "s")
    inner = Region([k, carried])
    b.region = inner
    inner.results = [b.pure("multiply", [carried, start], F8)]
    loop = Op("for", [n, start], [F8], [inner])
    body.ops, body.results = [loop], [loop.result]
    parts = split.split(body, "part{}".format)
    assert [p.name for p in parts] == ["part0"]
    assert parts[0].region.params == [n, start]
    assert parts[0].region.results == [loop.results[0]]
    emitter = Emitter()
    emitter.count_uses(body)
    emitter.region(body)
    assert emitter.lines[0].strip().endswith("= part0(n, start)")
