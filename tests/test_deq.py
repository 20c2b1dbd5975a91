"""The deep equilibrium example in a short form: the same bits in every run, and what its reports say."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

import sciad

STEPS = 12


@pytest.fixture(scope="module")
def deq():
    path = Path(__file__).parent.parent / "examples" / "deq.py"
    spec = importlib.util.spec_from_file_location("deq_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.STEPS, module.BATCH = STEPS, 32
    return module


@pytest.fixture(scope="module")
def trained(deq):
    """Two trainings from the same seeds."""
    x, labels = deq.spirals(256, seed=1)

    def train():
        optimizer = sciad.optim.adam(5e-3)
        return sciad.fit(deq.loss, deq.initial(seed=0), optimizer, STEPS, deq.batches(x, labels, seed=3), progress=False)

    return x, labels, train(), train()


def test_training_is_deterministic(trained):
    """Parameters and losses of two runs agree to the last bit, and the loss has gone down."""
    _, _, first, second = trained
    np.testing.assert_array_equal(first.history, second.history)
    for key, value in first.params.items():
        np.testing.assert_array_equal(value, second.params[key])
    assert np.mean(first.history[-3:]) < np.mean(first.history[:3])


def test_reports(deq, trained):
    """The implicit gradient is the unrolled one once the iteration has converged; its memory does not grow; warm starts save work."""
    x, labels, result, _ = trained
    few, many = [
        [float(number) for number in re.findall(r"[\d.]+(?:e[-+]\d+)?", line)]
        for line in deq.gradient_report(result.params, x[: deq.BATCH], labels[: deq.BATCH])
    ]
    assert few[0] < many[0] / 2
    assert many[1] < 1e-8 < few[1]
    assert many[2] <= 1.2 * few[2]
    assert many[3] > 1.5 * few[3]
    found = re.search(r": (\d+) iterations.* (\d+) from a warm.* (\S+)$", deq.warm_start_report(result.params, x[: deq.BATCH]))
    cold, warm, residual = found.groups()
    assert int(warm) < int(cold)
    assert float(residual) < 1e-9


def test_options(deq, trained):
    """A start near the fixed point changes the loss by no more than the tolerance, the penalty adds to it, every rule gives a gradient."""
    x, labels, result, _ = trained
    x, labels, params = x[: deq.BATCH], labels[: deq.BATCH], result.params
    z = deq.equilibrium(params, x)
    plain = deq.loss(params, x, labels, penalty=0.0, xtol=1e-9)
    assert deq.loss(params, x, labels, z0=z, penalty=0.0, xtol=1e-9) == pytest.approx(plain, rel=1e-8)
    assert deq.loss(params, x, labels, penalty=1e-3, xtol=1e-9) > plain
    exact = sciad.grad(lambda p: deq.loss(p, x, labels, penalty=0.0))(params)["W"]
    for adjoint, most in (("neumann", 0.5), ("jacobian-free", 1.0)):
        found = sciad.grad(lambda p: deq.loss(p, x, labels, penalty=0.0, adjoint=adjoint))(params)["W"]  # noqa: B023
        assert np.linalg.norm(found - exact) < most * np.linalg.norm(exact)
