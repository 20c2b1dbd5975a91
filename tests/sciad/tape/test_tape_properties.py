"""Random programs, broadcasts and indices: NumPy's own behaviour is the oracle for values, differences for derivatives."""

from __future__ import annotations

import operator
from contextlib import suppress

import numpy as np
import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tape_checks import check

SHAPE = (3, 4)
VIEWS = [
    lambda y: y[1:], lambda y: y[..., ::-1], lambda y: y.T, lambda y: y.reshape(-1), lambda y: y[0], lambda y: y[:, None], lambda y: y[::2],
    lambda y: np.swapaxes(y, 0, -1), lambda y: np.moveaxis(y, -1, 0), lambda y: y.squeeze(), lambda y: np.flip(y), lambda y: y[-1:],
    lambda y: np.array_split(y, 2)[0], lambda y: y.ravel(), lambda y: y[...],
]
NEW = [lambda y: y * 0.5, lambda y: y.copy(), lambda y: np.cos(y), lambda y: y * y[..., :1], lambda y: y + 1.0, lambda y: np.zeros_like(y)]
WRITES = [
    lambda y, w: y.__setitem__(Ellipsis, w), lambda y, w: y.__setitem__(0, w), lambda y, w: y.__setitem__(slice(1, None), w * 0.5),
    lambda y, w: y.__setitem__([0, -1, 0], w), lambda y, w: operator.iadd(y, w), lambda y, w: operator.imul(y, 0.5),
    lambda y, w: operator.isub(y[:1], w), lambda y, w: np.sin(y, out=y), lambda y, w: y.fill(0.25),
    lambda y, w: y.__setitem__(np.arange(y.shape[0]) % 2 == 0, w), lambda y, w: np.multiply(y[-1:], w, out=y[-1:]),
]
if np.lib.NumpyVersion(np.__version__) < "2.0.0":
    del WRITES[3]  # a fancy store of an array into itself read what it had just written
NUMBER = st.integers(0, 99)
INSTRUCTION = st.tuples(st.sampled_from(["view", "view", "new", "write", "write"]), NUMBER, NUMBER, NUMBER)


def run(program, x):
    """Interpret a program on a pool of arrays; what NumPy refuses is skipped."""
    pool = [x.copy()]
    for kind, which, first, second in program:
        y, other = pool[first % len(pool)], pool[second % len(pool)]
        if np.ndim(y) == 0:
            continue
        if kind == "view":
            pool.append(VIEWS[which % len(VIEWS)](y))
        elif kind == "new":
            pool.append(NEW[which % len(NEW)](y))
        elif y.shape[0]:
            w = other if other.shape == y.shape[-other.ndim:] or other.size == 1 else 0.5 * np.sum(other)
            with suppress(ValueError):
                WRITES[which % len(WRITES)](y, w)
    return pool


@settings(max_examples=150)
@given(st.lists(INSTRUCTION, min_size=2, max_size=12), st.booleans())
def test_programs_of_views_and_writes(program, fortran):
    x = np.linspace(-1.0, 1.2, 12).reshape(SHAPE)
    x = np.asfortranarray(x) if fortran else x
    check(lambda x: run(program, x), x, order=1, differences=1e-6)


@settings(max_examples=15)
@given(st.lists(INSTRUCTION, min_size=3, max_size=8))
def test_second_order_of_programs(program):
    check(lambda x: run(program, x), np.linspace(-1.0, 1.2, 12).reshape(SHAPE), order=2, differences=1e-5)


@settings(max_examples=40)
@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3), st.sampled_from(["multiply", "divide", "power", "hypot"]))
def test_broadcasting(shapes, name):
    ufunc = getattr(np, name)
    a, b, c = [np.linspace(0.5, 2.0, max(int(np.prod(s)), 1))[: int(np.prod(s))].reshape(s) for s in shapes.input_shapes]
    check(lambda a, b, c: np.where(c > 1.0123, ufunc(a, b) - c, b), a, b, c, order=1)


@settings(max_examples=60)
@given(st.data())
def test_indexing(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
    kind = data.draw(st.sampled_from(["basic", "integer", "mask"]))
    if kind == "basic":
        index = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    elif kind == "integer":
        index = data.draw(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=4)))
    else:
        index = data.draw(hnp.arrays(bool, shape))
    x = np.linspace(0.5, 2.0, int(np.prod(shape))).reshape(shape)
    check(lambda x: x[index] * 2.0, x)

    def store(x):
        y = x * x
        y[index] = 3.0 * x[index]
        return y

    check(store, x)


@settings(max_examples=30)
@given(st.data())
def test_reductions(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=3))
    axis = data.draw(st.none() | hnp.valid_tuple_axes(len(shape), min_size=1))
    keepdims = data.draw(st.booleans())
    function = data.draw(st.sampled_from([np.sum, np.mean, np.prod, np.max, np.min, np.var, np.median]))
    x = np.random.default_rng(3).permutation(np.linspace(0.5, 2.0, int(np.prod(shape)))).reshape(shape)
    check(lambda x: function(x, axis=axis, keepdims=keepdims), x)


@settings(max_examples=25)
@given(st.data())
def test_einsum(data):
    sizes = {"i": 2, "j": 3, "k": 2}
    terms = data.draw(st.lists(st.text("ijk", max_size=3), min_size=1, max_size=3))
    right = data.draw(st.lists(st.sampled_from(sorted(set("".join(terms)))), unique=True)) if any(terms) else []
    rng = np.random.default_rng(0)
    operands = [rng.standard_normal([sizes[c] for c in t])[()] for t in terms]
    check(lambda *xs: np.einsum(",".join(terms) + "->" + "".join(right), *xs), *operands)
