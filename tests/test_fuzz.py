"""A few random programs in each run of the tests; `tests/fuzz/run.py` does thousands."""

from __future__ import annotations

import numpy as np
import pytest
from fuzz.check import Useless, arguments, check, module
from fuzz.product_programs import product_program
from fuzz.programs import program, programs
from fuzz.regressions import REGRESSIONS
from hypothesis import HealthCheck, assume, given, settings
from interpret import interpreted

import sciad
from sciad import verify
from sciad.passes import products, unroll


@pytest.fixture
def verified(monkeypatch):
    monkeypatch.setattr(verify, "ENABLED", True)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_once_wrong(name, verified):
    with interpreted():
        assert check(REGRESSIONS[name], name) == "held"


@pytest.mark.parametrize("first", range(0, 150, 25))
def test_seeded(first, verified):
    held = 0
    with interpreted():
        for seed in range(first, first + 25):
            try:
                held += check(program(seed, size=7), f"program_{seed}", seed) == "held"
            except Useless:
                continue
    assert held >= 20


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_products_and_what_looks_like_them(first, verified, monkeypatch):
    """Products of any size are raised, which in small programs would not be worth it, and no loop is written out."""
    monkeypatch.setattr(products, "LEAST_WORK", 0)
    monkeypatch.setattr(products, "LEAST_EXTENT", 1)
    monkeypatch.setattr(unroll, "MAX_TRIPS", 0)
    held = 0
    with interpreted():
        for seed in range(first, first + 20):
            try:
                held += check(product_program(seed), f"product_{seed}", seed) == "held"
            except Useless:
                continue
    assert held >= 15


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(text=programs())
def test_drawn(text):
    with interpreted():
        try:
            verdict = check(text, "drawn")
        except Useless:
            assume(False)
    assert verdict == "held"


@pytest.mark.parametrize("seed", range(2))
def test_compiled(seed):
    assert check(program(1000 + seed, size=6), f"compiled_{seed}", seed) == "held"


@pytest.mark.parametrize("name", ["masks_made_in_each_trip", "clipping_of_two_slices"])
def test_once_wrong_compiled(name):
    assert check(REGRESSIONS[name], name + "_compiled") == "held"


def test_the_judge_sees_a_wrong_derivative(monkeypatch):
    """A rule that is wrong by a millionth is found."""
    from fuzz.check import Wrong

    from sciad.rules import registry

    right = registry.lookup("sin")
    monkeypatch.setitem(registry._RULES, "sin", right.__class__(right.name, "rule", (lambda y, x: 1.000001 * _cos(x),), False, 1))
    with interpreted(), pytest.raises(Wrong, match="complex step"):
        check("import math\n\n\ndef f(x, m, a, b, n, idx):\n    return math.sin(a) * x[0]\n", "mistaken")


def _cos(x):
    import numpy as np

    return np.cos(x)


LOSS = """

def loss(x0, m0, a, b, n, idx):
    x, m = x0.copy(), m0.copy()
    r = f(x, m, a, b, n, idx)
    return r + 0.3 * np.sum(x * x) + 0.2 * np.sum(m * m * m)
"""


@pytest.mark.parametrize("seed", range(12))
def test_second_order(seed, verified):
    """Forward over reverse against extrapolated differences of the gradient."""
    made, args = module(program(seed, size=7) + LOSS, f"second_{seed}"), arguments(seed)
    rng = np.random.default_rng(seed)
    direction = [rng.uniform(-1, 1, np.shape(a)) if np.ndim(a) else float(rng.uniform(-1, 1)) for a in args[:4]]

    def flat(parts) -> np.ndarray:
        return np.concatenate([np.ravel(np.asarray(p, float)) for p in parts[:4]])

    with interpreted():
        compiled = sciad.jit(made.loss)

        def gradient(t: float) -> np.ndarray:
            return flat(sciad.vjp(compiled, *[a + t * d for a, d in zip(args, direction)], *args[4:])[1](1.0))

        coarse, fine = [(gradient(h) - gradient(-h)) / (2 * h) for h in (1e-4, 5e-5)]
        product = flat(sciad.hvp(compiled, tuple(args), (*direction, None, None)))
    uncertain = 5.0 * np.max(np.abs(coarse - fine))
    np.testing.assert_allclose(product, (4 * fine - coarse) / 3, rtol=1e-6, atol=1e-6 * (1 + np.max(np.abs(fine))) + uncertain)
