"""Multilayer perceptrons in plain NumPy: parameters are a tree, the network is a function that both tiers of sciad take.

>>> params, apply = mlp([2, 50, 2], activation="tanh", seed=0)
>>> apply(params, np.ones(2)).shape, apply(params, np.ones((20, 2))).shape
((2,), (20, 2))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sciad.errors import SciadError, ShapeError

__all__ = [
    "Layer", "mlp", "glorot", "lecun", "normal", "tanh", "relu", "sigmoid", "softplus", "gelu", "silu", "identity",
]  # fmt: skip

Initialiser = Callable[[np.random.Generator, int, int], np.ndarray]
Apply = Callable[[tuple, np.ndarray], np.ndarray]


class Layer(NamedTuple):
    """One affine map ``x @ W + b``: `W` of shape (n_in, n_out), `b` of shape (n_out,)."""

    W: np.ndarray
    b: np.ndarray


def tanh(x):
    """Hyperbolic tangent."""
    return np.tanh(x)


def relu(x):
    """max(0, x); the zero comes first, so that the derivative at 0 is 0."""
    return np.maximum(0.0, x)


def sigmoid(x):
    """1 / (1 + exp(-x)), written with tanh so that no argument overflows."""
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def softplus(x):
    """log(1 + exp(x)) without overflow."""
    return np.logaddexp(0.0, x)


def gelu(x):
    """x Phi(x) in Hendrycks & Gimpel's tanh form (arXiv 1606.08415), JAX's default; within 5e-4 of the form with erf."""
    return 0.5 * x * (1.0 + np.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))


def silu(x):
    """x sigmoid(x), also called swish."""
    return x * (0.5 + 0.5 * np.tanh(0.5 * x))


def identity(x):
    """x itself."""
    return x


ACTIVATIONS: dict[str, Callable] = {f.__name__: f for f in (tanh, relu, sigmoid, softplus, gelu, silu, identity)}


def glorot(rng: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    """Uniform with variance 2 / (n_in + n_out) (Glorot & Bengio 2010): for tanh and its like."""
    limit = np.sqrt(6.0 / (n_in + n_out))
    return rng.uniform(-limit, limit, (n_in, n_out))


def lecun(rng: np.random.Generator, n_in: int, n_out: int) -> np.ndarray:
    """Normal with variance 1 / n_in (LeCun et al. 1998)."""
    return rng.standard_normal((n_in, n_out)) / np.sqrt(n_in)


def normal(std: float) -> Initialiser:
    """Initialiser: normal with standard deviation `std`, whatever the width."""
    return lambda rng, n_in, n_out: std * rng.standard_normal((n_in, n_out))


INITIALISERS: dict[str, Initialiser] = {"glorot": glorot, "lecun": lecun}


def mlp(
    sizes: Sequence[int], activation: str | Callable = "tanh", seed: int | np.random.Generator = 0, *,
    init: str | Initialiser = "glorot", final: str | Callable = "identity",
) -> tuple[tuple[Layer, ...], Apply]:  # fmt: skip
    """Parameters and function of a multilayer perceptron with layers of the given `sizes`; biases start at zero.

    Returns ``(params, apply)``: `params` is a tuple of `Layer`, ``apply(params, x)`` takes `x` of shape (features,) or
    (batch, features).  `activation` stands between the layers, `final` after the last; both are names of functions in this module,
    or functions of one array.  `init` is "glorot", "lecun", ``normal(std)``, or a function ``(rng, n_in, n_out) -> W``.
    Raises ShapeError for fewer than two sizes, SciadError for an unknown name.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ShapeError(f"mlp needs two or more positive layer sizes, got {list(sizes)}")
    rng = np.random.default_rng(seed)
    draw = _named(init, INITIALISERS, "init")
    params = tuple(Layer(draw(rng, n_in, n_out), np.zeros(n_out)) for n_in, n_out in zip(sizes[:-1], sizes[1:]))
    return params, _network(_named(activation, ACTIVATIONS, "activation"), _named(final, ACTIVATIONS, "final"))


def _network(activation: Callable, final: Callable) -> Apply:
    def apply(params, x):
        for layer in params[:-1]:
            x = activation(x @ layer.W + layer.b)
        last = params[-1]
        return final(x @ last.W + last.b)

    return apply


def _named(choice: str | Callable, table: dict, what: str) -> Callable:
    """`choice` itself if it is a function, else the function of that name."""
    if callable(choice):
        return choice
    if choice not in table:
        raise SciadError(f"unknown {what} {choice!r}; choose from {sorted(table)} or pass a function")
    return table[choice]
