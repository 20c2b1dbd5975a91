"""The passes before differentiation: what each does to the text of the IR, and that values and gradients stay what they were."""

from __future__ import annotations

import numpy as np
import pytest
from interpret import interpreted

import sciad
from sciad import tree, verify
from sciad.frontend.lower import kind_of, lower
from sciad.ir import Function, text, walk
from sciad.passes.hoist import hoist
from sciad.passes.induction import close_counters
from sciad.passes.promote import promote
from sciad.passes.ranges import decide_ranges
from sciad.passes.simplify import simplify
from sciad.passes.sums import plain_sums
from sciad.passes.tidy import tidy


@pytest.fixture(autouse=True)
def _verified(monkeypatch):
    monkeypatch.setattr(verify, "ENABLED", True)


def lowered(fun, *args):
    """The IR of a function and its parameters that are lengths."""
    leaves, structure = tree.flatten(args)
    found = lower(fun, structure, [kind_of(x) for x in leaves])
    return tidy(found.function.body), {n for leaf in found.leaves for n in leaf.params[1:]}


def printed(body):
    """The IR as text."""
    return text(Function("f", body))


def names(body):
    """Names of all operations."""
    return [op.name for op in walk(body)]


def check(fun, *args, rtol=1e-9):
    """Value against CPython and reverse gradient against complex step, for float arguments and arrays."""
    with interpreted():
        value, gradient = sciad.value_and_grad(sciad.jit(fun), argnums=tuple(range(len(args))))(*args)
    assert value == pytest.approx(fun(*[a.copy() if isinstance(a, np.ndarray) else a for a in args]), rel=1e-12)
    for k, bar in enumerate(gradient):
        if bar is None:
            continue
        for i in np.ndindex(np.shape(args[k])):
            moved = [np.array(a, complex) if isinstance(a, np.ndarray) else a for a in args]
            if np.shape(args[k]):
                moved[k][i] += 1e-30j
            else:
                moved[k] = moved[k] + 1e-30j
            assert np.asarray(bar)[i] == pytest.approx(np.imag(fun(*moved)) / 1e-30, rel=rtol, abs=1e-12)


# -- counters and ranges -----------------------------------------------------------------------------------------------------------
def triangle(x, w):
    c = 0
    total = 0.0 * x[0]
    for i in range(x.size):
        for j in range(i + 1, x.size):
            total += w[c] * x[i] * x[j]
            c += 1
    return total


def test_nested_counter_in_closed_form():
    body, lengths = lowered(triangle, np.ones(4), np.ones(6))
    assert "maximum" in names(body)
    for _ in range(3):
        decide_ranges(body, lengths)
        close_counters(body, lengths)
        body = tidy(body)
    assert "maximum" not in names(body)
    assert not any(v.type == "i8" for op in walk(body) if op.name == "for" for v in op.results)
    decide_ranges(body, lengths)
    assert "select" not in names(tidy(body))  # the counter is not negative, so it does not count from the end
    check(triangle, np.array([0.3, -1.2, 0.7, 2.0]), np.arange(6.0))


def test_counter_that_depends_on_itself_stays():
    def generator(x, n):
        s, total = 1, 0.0 * x
        for _ in range(n):
            s = (5 * s + 1) % 17
            total += s * x
        return total

    body, lengths = lowered(generator, 1.0, 3)
    before = printed(body)
    close_counters(body, lengths)
    assert printed(tidy(body)).count("for(") == before.count("for(")
    check(generator, 0.5, 7)


def test_final_value_of_a_counter_after_no_trip():
    def after(x, n):
        c = 3
        for _ in range(n):
            c += 2
        return c * x

    for n in (-4, 0, 5):
        check(after, 1.5, n)


@pytest.mark.parametrize("stop", [0, 2, 3, 9])
def test_smaller_and_larger_of_ordered_integers(stop):
    def clipped(x, n):
        total = 0.0 * x[0]
        for i in range(x.size):
            for j in range(min(i, i + 1), max(n - i, 0)):
                total += x[i] * (j + 1)
        return total

    check(clipped, np.array([0.5, 1.5, -2.0]), stop)


# -- invariants and elements in registers --------------------------------------------------------------------------------------------
def products(A, b):
    y = np.zeros(b.size) * b[0]
    for i in range(b.size):
        for k in range(A.shape[1]):
            y[i] += A[i, k] * b[k] * (b[0] * b[1])
    total = 0.0
    for i in range(b.size):
        total += y[i] * y[i]
    return total


def inner_loops(body):
    """Bodies of loops without loops."""
    return [op.regions[0] for op in walk(body) if op.name == "for" and not any(o.name == "for" for o in walk(op.regions[0]))]


def test_invariant_product_moves_out():
    def scaled(x, a, c):
        total = 0.0 * a
        for i in range(x.size):
            total += (a * c) * x[i]
        return total

    body, _ = lowered(scaled, np.ones(3), 1.0, 2.0)
    inside = [op.name for op in inner_loops(body)[0].ops].count("multiply")
    hoist(body)
    assert [op.name for op in inner_loops(tidy(body))[0].ops].count("multiply") == inside - 1
    check(scaled, np.array([1.0, -2.0, 0.5]), 0.7, 1.1)


def test_updated_element_becomes_a_carried_scalar_and_a_plain_sum():
    def squares(A):
        L = A.copy()
        total = 0.0
        for j in range(A.shape[0]):
            for k in range(j):
                L[j, j] -= L[j, k] * L[j, k]
            total += L[j, j]
        return total

    body, lengths = lowered(squares, np.eye(4))
    hoist(body)
    body = tidy(body)
    assert not plain_sums(body) or all(op.name == "add" for op in plain_sums(body))
    promote(body, lengths)
    body = tidy(body)
    assert any(op.name == "subtract" for op in plain_sums(body))
    check(squares, np.array([[2.0, 0.0, 0.0], [0.3, 3.0, 0.0], [-0.2, 0.5, 4.0]]))


def test_element_that_may_be_another_is_not_promoted():
    def overlapping(x, j):
        y = x.copy()
        y[j] *= 1.0
        for k in range(x.size):
            y[j] += y[k] * 0.5  # k meets j
        return y[j] + y[0]

    body, lengths = lowered(overlapping, np.ones(3), 1)
    hoist(body)
    body = tidy(body)
    before = names(body).count("store")
    promote(body, lengths)
    assert names(tidy(body)).count("store") == before
    for j in (0, 1, 2, -1):
        check(overlapping, np.array([0.3, 1.2, -0.4]), j)


def test_compensated_sum_keeps_its_order():
    def kahan(x):
        s, c = 0.0, 0.0
        for i in range(x.size):
            y = x[i] - c
            t = s + y
            c = (t - s) - y
            s = t
        return s

    body, _ = lowered(kahan, np.ones(3))
    assert not plain_sums(body)


# -- loops written out -------------------------------------------------------------------------------------------------------------
def test_small_local_arrays_become_scalars():
    body, _ = lowered(written_out, np.ones((4, 3)), 1.0)
    body = tidy(simplify(body, unroll=True))
    assert "store" not in names(body)
    assert names(body).count("for") == 1
    check(written_out, np.linspace(-1.0, 2.0, 12).reshape(4, 3), 0.7)


def written_out(x, a):
    p = a * x[0]
    total = 0.0
    for i in range(x.shape[0]):
        for c in range(3):
            p[c] = x[i, c] * a
        for c in range(3):
            total += p[c] * p[2 - c]
    return total


def test_loads_are_forwarded_only_past_other_elements():
    def swaps(x, k):
        y = x.copy()
        y[0] = x[1] * 2.0
        y[1] = y[0] * x[2]
        y[k] = y[1] + 1.0  # may be any of them
        return y[0] * y[1]

    for k in (0, 1, 2, -1):
        check(swaps, np.array([0.5, 1.5, -0.7]), k)


def test_long_and_short_variants_of_one_function_agree():
    for d in (2, 3, 12, 13, 70):
        x = np.linspace(-1.0, 1.0, 2 * d).reshape(2, d)

        def rows(x):
            total = 0.0 * x[0, 0]
            for i in range(x.shape[0]):
                for j in range(x.shape[1]):
                    total += x[i, j] * x[i, j - 1]
            return total

        with interpreted():
            gradient = sciad.grad(sciad.jit(rows))(x)
        np.testing.assert_allclose(gradient, np.roll(x, -1, 1) + np.roll(x, 1, 1), rtol=1e-13)
