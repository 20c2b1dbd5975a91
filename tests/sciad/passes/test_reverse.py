"""Forward and reverse mode as text and structure: which loops turn round, what is strong, what is zeroed."""

from __future__ import annotations

import math

import numpy as np
from passes_tools import count, gradient, loops, lowered, plain

from sciad.passes.activity import Activity
from sciad.passes.forward import pushforward
from sciad.passes.pin import pin
from sciad.passes.structure import Structure


def test_pushforward_before_and_after():
    def f(a):
        return a * math.sin(a)

    body, params = lowered(f, 1.0)
    assert plain(body) == "\n".join([
        "function f(%0: f8)",
        "    %1: f8 = sin(%0)",
        "    %2: f8 = multiply(%0, %1)",
        "    -> %2",
    ])  # fmt: skip
    done, carriers = pushforward(body, params)
    assert carriers == params
    assert plain(done) == "\n".join([
        "function f(%0: f8, %1: f8)",
        "    %2: f8 = sin(%0)",
        "    %3: f8 = cos(%0)",
        "    %4: f8 = multiply(%1, %3)",
        "    %5: f8 = multiply(%0, %2)",
        "    %6: f8 = multiply(%1, %2)",
        "    %7: f8 = multiply(%4, %0)",
        "    %8: f8 = add(%6, %7)",
        "    -> %5, %8",
    ])  # fmt: skip


def test_pullback_before_and_after():
    def f(a):
        return a * math.sin(a)

    assert plain(gradient(f, 1.0)) == "\n".join([
        "function f(%0: f8, %1: f8)",
        "    %2: f8 = sin(%0)",
        "    %3: f8 = multiply(%0, %2)",
        "    %4: f8 = multiply(%1, %2)",
        "    %5: f8 = multiply(%1, %0)",
        "    %6: f8 = cos(%0)",
        "    %7: f8 = multiply(%5, %6)",
        "    %8: f8 = fast_add(%4, %7)",
        "    -> %3, %8",
    ])  # fmt: skip


def test_dependent_loops_turn_round_and_independent_ones_do_not():
    def f(x, n):
        y = np.sin(x)
        s = 1.0
        for i in range(n):
            s = s * y[i]
        return s

    made = gradient(f, np.ones(5), 5)
    down = [bool(op.attributes.get("down")) for op in loops(made)]
    parallel = [bool(op.attributes.get("parallel")) for op in loops(made)]
    assert sum(down) == 1
    assert all(not (d and p) for d, p in zip(down, parallel))


def test_a_store_zeroes_its_shadow():
    def f(x):
        x[0] = 3.0
        return x[0]

    made = gradient(f, np.ones(3), inout=(0,))
    bar = next(p for p in made.params if p.hint == "x_bar")
    zeroed = [op for op in made.ops if op.name == "store" and op.args[0] is bar]
    assert len(zeroed) == 1
    assert zeroed[0].args[2].constant == 0.0


def test_a_square_root_is_guarded_and_a_product_is_not():
    assert count(gradient(lambda a: math.sqrt(a), 1.0), "zero_wins") == 1
    assert count(gradient(lambda a: a * a, 1.0), "zero_wins") == 0


def test_inactive_code_has_no_mirror():
    def f(a, x):
        s = 0.0
        for v in x:
            s += math.sin(v)
        return a * s

    made = gradient(f, 1.0, np.ones(5))
    assert len(loops(made)) == 1


def test_overwritten_operands_of_products_are_copied():
    def overwritten(m, v):
        w = m @ v
        v[:] = 0.0
        return np.sum(w * w)

    def kept(m, v):
        w = m @ v
        return np.sum(w * w)

    for function, copies in ((overwritten, True), (kept, False)):
        body, params = lowered(function, np.ones((3, 7)), np.ones(7))
        structure = Structure(body)
        activity = Activity(structure, params, body.results)
        before = count(body, "alloc")
        assert pin(body, structure, activity) is copies
        assert count(body, "alloc") == before + copies


def test_chosen_memory_has_a_chosen_shadow():
    """A buffer that a loop carries is accompanied by its shadow."""

    def f(x, n):
        u, v = x.copy(), np.zeros(3)
        for _ in range(n):
            for i in range(3):
                v[i] = math.sin(u[i])
            u, v = v, u
        return u[0]

    made = gradient(f, np.ones(3), 2)
    outer = [op for op in made.ops if op.name == "for" and any(r.type == "*float64" for r in op.results)]
    assert outer
    assert all(sum(r.type == "*float64" for r in op.results) % 2 == 0 for op in outer)
