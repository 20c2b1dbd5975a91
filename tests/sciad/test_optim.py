"""Optimisers against the formulas of their papers (and of torch), leaf by leaf in plain Python."""

import math
import pickle

import numpy as np
import pytest

from sciad import optim, tree
from sciad.errors import ShapeError

GRADIENTS = [0.5, -1.25, 2.0, 0.1, -0.3]


def run(optimizer, p=1.0, gradients=GRADIENTS):
    """The parameter after each update, for one float parameter."""
    state, seen = optimizer.init(p), []
    for g in gradients:
        p, state = optimizer.update(g, state, p)
        seen.append(p)
    return seen


def sgd(p, lr, momentum=0.0, nesterov=False):
    v = 0.0
    for g in GRADIENTS:
        v = momentum * v + g
        p -= lr * (g + momentum * v if nesterov else v)
        yield p


def adam(p, lr, b1, b2, eps, decay=0.0):
    m = v = 0.0
    for k, g in enumerate(GRADIENTS, 1):
        p *= 1 - lr * decay
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        p -= lr * (m / (1 - b1**k)) / (math.sqrt(v / (1 - b2**k)) + eps)
        yield p


def rmsprop(p, lr, decay, eps, momentum=0.0):
    v = buffer = 0.0
    for g in GRADIENTS:
        v = decay * v + (1 - decay) * g * g
        buffer = momentum * buffer + g / (math.sqrt(v) + eps)
        p -= lr * buffer
        yield p


def adabelief(p, lr, b1, b2, eps):
    m = s = 0.0
    for k, g in enumerate(GRADIENTS, 1):
        m = b1 * m + (1 - b1) * g
        s = b2 * s + (1 - b2) * (g - m) ** 2 + eps
        p -= lr * (m / (1 - b1**k)) / (math.sqrt(s / (1 - b2**k)) + eps)
        yield p


CASES = [
    (optim.sgd(0.1), sgd(1.0, 0.1)),
    (optim.sgd(0.1, 0.9), sgd(1.0, 0.1, 0.9)),
    (optim.sgd(0.1, 0.9, nesterov=True), sgd(1.0, 0.1, 0.9, nesterov=True)),
    (optim.adam(0.01), adam(1.0, 0.01, 0.9, 0.999, 1e-8)),
    (optim.adam(0.01, 0.8, 0.99, 1e-3), adam(1.0, 0.01, 0.8, 0.99, 1e-3)),
    (optim.adamw(0.01, weight_decay=0.2), adam(1.0, 0.01, 0.9, 0.999, 1e-8, 0.2)),
    (optim.rmsprop(1e-3), rmsprop(1.0, 1e-3, 0.99, 1e-8)),
    (optim.rmsprop(1e-3, 0.9, 1e-6, 0.5), rmsprop(1.0, 1e-3, 0.9, 1e-6, 0.5)),
    (optim.adabelief(0.01), adabelief(1.0, 0.01, 0.9, 0.999, 1e-16)),
]


@pytest.mark.parametrize(("optimizer", "expected"), CASES, ids=lambda case: getattr(case, "name", ""))
def test_sequence(optimizer, expected):
    np.testing.assert_allclose(run(optimizer), list(expected), rtol=1e-13)


def test_first_steps_by_hand():
    assert run(optim.sgd(0.5), 1.0, [0.2]) == [pytest.approx(0.9)]
    assert run(optim.adam(0.1), 1.0, [123.0]) == [pytest.approx(0.9)]  # the first step of Adam has the length of the rate
    assert run(optim.rmsprop(0.1), 1.0, [4.0]) == [pytest.approx(0.0, abs=1e-7)]  # g / sqrt(0.01 g^2) = 10


@pytest.mark.parametrize("optimizer", [case[0] for case in CASES], ids=lambda o: o.name)
def test_a_tree_is_updated_as_its_leaves_one_by_one(optimizer, rng):
    params = {"W": rng.standard_normal((3, 2)), "b": (rng.standard_normal(2), 0.5), "n": 4, "name": "x"}
    state, separate = optimizer.init(params), [[(leaf, optimizer.init(leaf))] for leaf in tree.leaves(params)]
    before = [np.copy(leaf) for leaf in tree.leaves(params)]
    first = params
    for _ in range(3):
        grads = {"W": rng.standard_normal((3, 2)), "b": (rng.standard_normal(2), 0.1), "n": 0, "name": None}
        params, state = optimizer.update(grads, state, params)
        for history, g in zip(separate[:3], [grads["W"], *grads["b"]]):
            history.append(optimizer.update(g, history[-1][1], history[-1][0]))
    assert (params["n"], params["name"]) == (4, "x")
    for leaf, history in zip([params["W"], *params["b"]], separate):
        np.testing.assert_allclose(leaf, history[-1][0], rtol=1e-14)
    for leaf, old in zip(tree.leaves(first), before):
        np.testing.assert_array_equal(leaf, old)


def test_clipping_by_the_global_norm():
    optimizer = optim.sgd(1.0, clip=1.0)
    params = (np.zeros(1), np.zeros(1))
    large, _ = optimizer.update((np.array([3.0]), np.array([4.0])), optimizer.init(params), params)
    np.testing.assert_allclose(np.concatenate(large), [-0.6, -0.8])
    small, _ = optimizer.update((np.array([0.3]), np.array([0.4])), optimizer.init(params), params)
    np.testing.assert_allclose(np.concatenate(small), [-0.3, -0.4])


def test_schedules():
    assert [optim.exponential(1.0, 0.5, every=2)(k) for k in (0, 2, 4)] == [1.0, 0.5, 0.25]
    cosine = optim.cosine(1.0, 10, final=0.2)
    assert [cosine(0), cosine(5), cosine(10), cosine(99)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    warm = optim.warmup(cosine, 4)
    assert [warm(k) for k in (0, 1, 3, 4, 9)] == pytest.approx([0.25, 0.5, 1.0, 1.0, 0.6])
    assert optim.warmup(2.0, 2)(0) == 1.0
    steps = run(optim.sgd(optim.exponential(1.0, 0.1)), 0.0, [1.0, 1.0, 1.0])
    assert steps == pytest.approx([-1.0, -1.1, -1.11])


def test_state_is_a_tree_and_can_be_saved():
    optimizer, p = optim.adam(0.1), {"a": np.ones(3)}
    p, state = optimizer.update({"a": np.ones(3)}, optimizer.init(p), p)
    again = pickle.loads(pickle.dumps(state))
    one, two = optimizer.update(p, state, p)[0], optimizer.update(p, again, p)[0]
    np.testing.assert_array_equal(one["a"], two["a"])


def test_gradient_of_another_shape_is_refused():
    optimizer = optim.adam(0.1)
    with pytest.raises(ShapeError, match="shape"):
        optimizer.update([np.ones(3)], optimizer.init([np.ones(2)]), [np.ones(2)])
