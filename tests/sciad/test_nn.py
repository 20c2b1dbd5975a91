"""Networks in plain NumPy."""

import math

import numpy as np
import pytest

from sciad import nn, tree
from sciad.errors import SciadError, ShapeError


def test_parameters_are_a_tree_of_named_layers():
    params, _ = nn.mlp([2, 50, 3], seed=0)
    assert [(layer.W.shape, layer.b.shape) for layer in params] == [((2, 50), (50,)), ((50, 3), (3,))]
    assert [leaf.dtype for leaf in tree.leaves(params)] == [np.float64] * 4
    leaves, structure = tree.flatten(params)
    assert isinstance(tree.unflatten(structure, leaves)[0], nn.Layer)


def test_apply_is_affine_tanh_affine(rng):
    (first, second), apply = nn.mlp([2, 7, 3], "tanh", seed=1)
    x = rng.standard_normal((5, 2))
    expected = np.tanh(x @ first.W + first.b) @ second.W + second.b
    np.testing.assert_array_equal(apply((first, second), x), expected)


def test_one_sample_equals_its_row_of_a_batch(rng):
    params, apply = nn.mlp([3, 8, 8, 2], "softplus", seed=2)
    x = rng.standard_normal((6, 3))
    np.testing.assert_allclose(np.stack([apply(params, row) for row in x]), apply(params, x), rtol=1e-14)


def test_final_activation_and_own_functions(rng):
    params, apply = nn.mlp([2, 4, 2], activation=np.sin, final="sigmoid", seed=0)
    x = rng.standard_normal((3, 2))
    (a, b), (c, d) = params
    np.testing.assert_allclose(apply(params, x), 1 / (1 + np.exp(-(np.sin(x @ a + b) @ c + d))), rtol=1e-14)


FORMULAS = {
    "tanh": math.tanh,
    "relu": lambda x: max(x, 0.0),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "gelu": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "identity": lambda x: x,
}


@pytest.mark.parametrize("name", sorted(nn.ACTIVATIONS))
def test_activation_follows_its_formula(name):
    x = np.linspace(-6, 6, 41)
    np.testing.assert_allclose(nn.ACTIVATIONS[name](x), [FORMULAS[name](v) for v in x], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", sorted(nn.ACTIVATIONS))
def test_activation_does_not_overflow(name):
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(nn.ACTIVATIONS[name](np.array([-800.0, 800.0]))).all()


def test_gelu_is_close_to_the_form_with_erf():
    x = np.linspace(-5, 5, 201)
    exact = [0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x]
    np.testing.assert_allclose(nn.gelu(x), exact, atol=5e-4)


@pytest.mark.parametrize(("init", "variance"), [("glorot", 2 / 700), ("lecun", 1 / 300), (nn.normal(0.1), 0.01)])
def test_initialiser_has_its_variance(init, variance):
    (layer,), _ = nn.mlp([300, 400], seed=3, init=init)
    assert np.var(layer.W) == pytest.approx(variance, rel=0.02)
    assert not layer.b.any()


def test_seed_decides_the_parameters():
    first, second, other = (nn.mlp([2, 5, 2], seed=seed)[0] for seed in (4, 4, 5))
    np.testing.assert_array_equal(first[0].W, second[0].W)
    assert (first[0].W != other[0].W).any()


def test_bad_arguments_are_named():
    with pytest.raises(ShapeError, match="layer sizes"):
        nn.mlp([3])
    with pytest.raises(SciadError, match="unknown activation 'tahn'"):
        nn.mlp([2, 2], "tahn")
    with pytest.raises(SciadError, match="unknown init"):
        nn.mlp([2, 2], init="xavier")
