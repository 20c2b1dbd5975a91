"""Trees as vectors."""

from dataclasses import dataclass

import numpy as np
import pytest

from sciad.errors import SciadError, ShapeError
from sciad.nn import Layer
from sciad.ravel import ravel


@dataclass
class Oscillator:
    """A structure with a float, an array, an int and a None."""

    k: float
    x: np.ndarray
    n: int = 3
    note: None = None


def test_there_and_back():
    start = {"a": Oscillator(2.0, np.arange(6.0).reshape(2, 3)), "b": [Layer(np.ones((1, 2)), np.zeros(2))], "s": "text"}
    vector, layout = ravel(start)
    assert vector.tolist() == [2.0, 0, 1, 2, 3, 4, 5, 1, 1, 0, 0]
    back = layout.tree(vector + 1)
    assert (back["a"].k, back["a"].n, back["s"]) == (3.0, 3, "text")
    assert isinstance(back["a"].k, float)
    np.testing.assert_array_equal(back["a"].x, start["a"].x + 1)
    assert isinstance(back["b"][0], Layer)


def test_the_vector_is_a_copy():
    x = np.zeros(3)
    vector, _ = ravel([x])
    vector += 1
    assert not x.any()


def test_float32_leaves_stay_float32():
    vector, layout = ravel((np.ones(2, np.float32), np.float64(1.0)))
    assert vector.dtype == np.float64
    assert layout.tree(vector)[0].dtype == np.float32


def test_gradients_of_ints_may_be_missing_or_zero():
    _, layout = ravel((1.0, 5, np.ones(2)))
    np.testing.assert_array_equal(layout.vector((2.0, None, np.full(2, 3.0))), [2, 3, 3])
    np.testing.assert_array_equal(layout.vector((2.0, 0, np.full(2, 3.0))), [2, 3, 3])
    np.testing.assert_array_equal(layout.vector((None, None, np.full(2, 3.0))), [0, 3, 3])


def test_wrong_shapes_are_named():
    _, layout = ravel({"W": np.ones((2, 3)), "b": np.ones(3)})
    with pytest.raises(ShapeError, match=r"params\['b'\] has shape \(2,\) where \(3,\) is expected"):
        layout.vector({"W": np.ones((2, 3)), "b": np.ones(2)})
    with pytest.raises(ShapeError, match="a list where params has a dict of 2"):
        layout.vector([1.0, 2.0, 3.0])


def test_complex_parameters_are_refused():
    with pytest.raises(SciadError, match=r"params\[0\] is complex"):
        ravel([1j])
