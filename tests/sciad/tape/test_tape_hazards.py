"""What other tapes get silently wrong or refuse without a word: kinks, infinities, conversions, missing rules."""

from __future__ import annotations

import inspect
import math
import pickle

import numpy as np
import pytest
import scipy.sparse
import scipy.special
from tape_checks import check

from sciad.errors import MissingRule, SciadError
from sciad.rules import registry
from sciad.tape import array, trace_jvp, trace_vjp

X = np.array([0.7, -1.3, 0.4])


def grad(f, x):
    bar = trace_vjp(f, (x,))[1](1.0)[0]
    dots = np.array([trace_jvp(f, (x,), (e if np.ndim(x) else float(e[0]),))[1] for e in np.eye(max(np.size(x), 1))])
    np.testing.assert_allclose(np.atleast_1d(bar), dots, err_msg="reverse and forward differ")
    return bar


# -- kinks and infinities ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("f", "x", "want"),
    [
        (abs, 0.0, 0.0),
        (np.abs, 0.0, 0.0),
        (np.fabs, 0.0, 0.0),
        (lambda x: x**0, 0.0, 0.0),
        (lambda x: x**1, 0.0, 1.0),
        (lambda x: x**2.0, 0.0, 0.0),
        (lambda x: np.power(x, 0.0), 0.0, 0.0),
        (lambda x: np.power(x, np.array([1.0]))[0], 0.0, 1.0),
        (lambda x: (-x) ** 3.0, 2.0, -12.0),
        (lambda x: np.power(-x, np.array([3.0]))[0], 2.0, -12.0),
        (lambda x: 0.0**x, 2.0, 0.0),
        (lambda x: np.power(0.0, x), 2.0, 0.0),
        (lambda x: np.sqrt(x) * 0.0, 0.0, 0.0),
        (lambda x: np.hypot(x, 0.0), 0.0, 0.0),
        (lambda x: np.arctan2(x, 0.0 * x), 0.0, 0.0),
        (lambda x: np.copysign(x, -2.0), 3.0, -1.0),
        (lambda x: np.copysign(x, -2.0), 0.0, 0.0),
        (lambda x: x % -1.5, 3.7, 1.0),
        (lambda x: 3.7 % x, 1.5, -2.0),
        (lambda x: -3.7 % x, 1.5, 3.0),
        (lambda x: x / x, 3.0, 0.0),
        (lambda x: x - x, 3.0, 0.0),
        (lambda x: np.log(np.expm1(x)), 1e-9, 1e9 + 0.5),
        (lambda x: np.minimum(1.0, 1 / np.float64(1) / x), 1e-300, 0.0),
        (np.sinc, 0.0, 0.0),
        (lambda x: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0), 0.0, 1.0),
        (lambda x: np.logaddexp(x, 0.0), -800.0, 0.0),
        (lambda x: np.logaddexp(x, -np.inf), 1.0, 1.0),
        (lambda x: np.linalg.norm(np.stack([x, x])), 0.0, 0.0),
        (lambda x: np.std(np.stack([x, x])), 1.0, 0.0),
        (lambda x: np.sum(x), 2.0, 1.0),
        (lambda x: np.heaviside(x, 0.5), 0.0, 0.0),
    ],
)
def test_conventions(f, x, want):
    assert grad(f, x) == pytest.approx(want, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("f", [np.maximum, np.minimum, np.fmax, np.fmin])
def test_a_tie_goes_to_the_first(f):
    assert trace_vjp(f, (2.0, 2.0))[1](1.0) == (1.0, 0.0)
    assert trace_vjp(lambda a, b: f(a, b), (np.array([1.0, 2.0]), 2.0))[1](np.array([0.0, 1.0]))[1] == 0.0


@pytest.mark.parametrize("f", [np.max, np.min, lambda x: np.sort(x)[-1], np.ptp, np.median])
def test_a_tie_in_a_reduction_has_one_winner(f):
    x = np.array([2.0, 2.0, 2.0])
    bar = grad(f, x)
    assert sorted(bar) in ([0.0, 0.0, 1.0], [0.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: np.where(x > 0, np.sqrt(np.abs(x)), 0.0), [0.0, 4.0]),
        (lambda x: np.where(x > 0, np.log(x), 0.0), [0.0, 4.0]),
        (lambda x: np.where(x > 0, 1 / x, 0.0), [0.0, 4.0]),
        (lambda x: np.where(x < 700, np.exp(x), x), [1.0, 1000.0]),
        (lambda x: np.where(x > 0, x**-1.5, 0.0), [0.0, 4.0]),
        (lambda x: np.where(x < 1, np.arcsin(x), 0.0), [0.5, 1.0]),
        (lambda x: np.where(x < 700, np.sinh(x) * np.cosh(x), x), [1.0, 1000.0]),
        (lambda x: np.where(x > 0, np.cbrt(x), 0.0), [0.0, 4.0]),
    ],
)
def test_the_branch_not_taken_contributes_nothing(f, x):
    x = np.array(x)
    with np.errstate(all="ignore"):
        bar = trace_vjp(f, (x,))[1](np.ones(2))[0]
        taken = [trace_vjp(f, (x[k: k + 1],))[1](np.ones(1))[0][0] for k in range(2)]
        hessian = trace_vjp(lambda x: trace_vjp(f, (x,))[1](np.ones(2))[0], (x,))[1](np.ones(2))[0]
        tangent = trace_jvp(f, (x,), (np.ones(2),))[1]
    assert np.isfinite(bar).all()
    assert np.isfinite(hessian).all()
    np.testing.assert_allclose(bar, taken)
    np.testing.assert_allclose(bar, tangent)


def test_products_with_zeros():
    """An engine that divides by the factor gives 0 or NaN for all of them."""
    np.testing.assert_allclose(grad(np.prod, np.array([5.0, 0.0, 6.0])), [0.0, 30.0, 0.0])
    np.testing.assert_allclose(grad(np.prod, np.array([0.0, 0.0, 6.0])), [0.0, 0.0, 0.0])
    np.testing.assert_allclose(grad(lambda x: np.cumprod(x)[-1], np.array([5.0, 0.0, 6.0])), [0.0, 30.0, 0.0])
    check(np.prod, np.array([5.0, 0.0, 0.0, 2.0]))
    singular = np.diag([1.0, 0.0, 2.0])
    np.testing.assert_allclose(trace_vjp(np.linalg.det, (singular,))[1](1.0)[0], np.diag([0.0, 2.0, 0.0]), atol=1e-15)
    check(np.linalg.det, singular, order=1)


def test_repeated_indices_accumulate():
    np.testing.assert_array_equal(grad(lambda x: np.sum(x[[0, 0, 2, 0]]), X), [3.0, 0.0, 1.0])
    index = np.tile([0, 2], 500)
    np.testing.assert_array_equal(grad(lambda x: np.sum(x[index] * 2), X), [1000.0, 0.0, 1000.0])
    m = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(trace_vjp(lambda m: np.sum(m[[0, 0, 1]]), (m,))[1](1.0)[0], [[2, 2], [1, 1], [0, 0]])


def test_derivatives_make_no_noise():
    """Warnings are errors in this suite: an infinite partial under a zero cotangent must not warn; the primal's own warnings do."""
    assert trace_vjp(lambda x: np.sqrt(x), (0.0,))[1](0.0) == (0.0,)
    assert trace_vjp(lambda x: np.sqrt(x), (0.0,))[1](1.0) == (np.inf,)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        trace_vjp(lambda x: np.log(x), (np.array([0.0, 1.0]),))


# -- conversions that would lose the derivative ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "f",
    [
        lambda x: float(x[0]),
        lambda x: complex(x[0]),
        lambda x: math.sin(x[0]),
        lambda x: np.array([x[0], x[1]]),
        lambda x: np.asarray(x),
        lambda x: np.array([x, x]),
        lambda x: np.array([[x[0], 1.0], [0.0, x[1]]]),
        lambda x: np.float64(x[0]),
        lambda x: np.full(3, x[0]),
        lambda x: np.array([x[0]], dtype=object), lambda x: np.arange(0.0, x[0], 0.1),
        lambda x: x.tolist(),
        lambda x: scipy.sparse.eye(3).tocsr() @ x,
        lambda x: np.vectorize(lambda v: v * 2)(x),
        lambda x: pickle.dumps(x),
        lambda x: x.view(np.int64),
        lambda x: np.r_[x, 1.0],
        lambda x: scipy.special.logsumexp(x),
        lambda x: np.random.default_rng(0).normal(x),
    ],
)
def test_conversions_are_refused(f):
    for run in (lambda: trace_vjp(f, (X,)), lambda: trace_jvp(f, (X,), (X,))):
        with pytest.raises(SciadError) as caught:
            run()
        assert "stop_gradient" in str(caught.value) or "np.stack" in str(caught.value) or "astype" in str(caught.value)


def test_what_replaces_them():
    def f(x):
        return (np.stack([x[0], x[1]]), np.array([[x[0], 1.0], [0.0, x[1]]], like=x), array([[x[0], 1.0], [0.0, x[1]]]),
                x @ scipy.sparse.csr_matrix(np.arange(9.0).reshape(3, 3)), x * [1.0, 2.0, 3.0], [x[0], 1.0, 2.0] + x, x.item(1) * x[2],
                np.logaddexp.reduce(x), np.multiply.outer(x, x), np.subtract.outer(x, [1.0, 2.0]))

    out, pullback = trace_vjp(f, (X,))
    np.testing.assert_allclose(out[3], X @ np.arange(9.0).reshape(3, 3))
    np.testing.assert_allclose(out[7], np.logaddexp.reduce(X))
    bars = tuple(np.ones_like(v) for v in out)
    left = pullback(bars)[0]
    dots = [sum(np.sum(d) for d in trace_jvp(f, (X,), (e,))[1]) for e in np.eye(3)]
    np.testing.assert_allclose(left, dots)
    check(lambda x: np.logaddexp.reduce(x, axis=0), np.outer(X, X))
    check(lambda m: m @ scipy.sparse.csr_matrix(np.arange(9.0).reshape(3, 3)), np.outer(X, X))


def test_the_message_names_the_users_line():
    def f(x):
        return float(x)  # this line

    line = inspect.getsourcelines(f)[1] + 1
    with pytest.raises(SciadError, match=f"test_tape_hazards.py:{line}"):
        trace_vjp(f, (1.0,))


# -- missing rules -----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda x: np.histogram(x), "numpy.histogram"),
        (lambda x: np.union1d(x, x), "numpy.union1d"),
        (lambda x: np.roots(x), "numpy.roots"),
        (lambda x: scipy.special.kv(1, x), "kv"),
        (lambda x: np.add.reduceat(x, [0, 1]), "add.reduceat"),
        (lambda x: np.multiply.at(x, [0], 2.0), "multiply.at"),
        (lambda x: np.arctan2.accumulate(x), "arctan2.accumulate"),
        (lambda x: x.byteswap(), "byteswap"),
        (lambda x: np.linalg.qr(np.outer(x, x)[:2]), "qr"),
        (lambda x: x.tofile("/dev/null"), "tofile"),
        (lambda x: np.linalg.svd(np.outer(x, x)[:2]), "svd"),
    ],
)
def test_missing_rules_name_the_function_and_the_line(f, name):
    with pytest.raises(MissingRule, match=name) as caught:
        trace_vjp(f, (X,))
    assert "test_tape_hazards.py:" in str(caught.value)


def test_a_rule_added_by_the_user_is_used():
    with pytest.raises(MissingRule, match=r"registry\.rule\('sindg'"):
        trace_vjp(lambda x: scipy.special.sindg(x), (30.0,))
    registry.rule("sindg", lambda y, x: scipy.special.cosdg(x) * np.pi / 180)
    try:
        assert trace_vjp(lambda x: scipy.special.sindg(x), (60.0,))[1](1.0)[0] == pytest.approx(0.5 * np.pi / 180)
        registry.rule("sindg", lambda y, x: 7.0, replace=True)
        assert trace_vjp(lambda x: scipy.special.sindg(x), (60.0,))[1](1.0)[0] == 7.0
    finally:
        del registry._RULES["sindg"]


def test_unknown_attributes_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        trace_vjp(lambda x: x.nonsense, (X,))
    assert trace_vjp(lambda x: hasattr(x, "tocsr"), (X,))[0] is False


# -- eigenvectors that have no derivative ------------------------------------------------------------------------------------------
def test_eigenvectors_of_repeated_eigenvalues():
    eye = np.eye(3)
    _, pullback = trace_vjp(lambda a: np.linalg.eigh(a)[1], (eye,))
    with pytest.raises(SciadError, match="repeated"):
        pullback(np.arange(9.0).reshape(3, 3))
    bar = trace_vjp(lambda a: np.sum(np.linalg.eigh(a)[0] ** 2), (eye,))[1](1.0)[0]
    np.testing.assert_allclose(bar, 2 * eye)

    def through_vectors(a):
        w, v = np.linalg.eigh(a)
        return v @ (np.exp(w)[:, None] * v.T)

    np.testing.assert_allclose(trace_vjp(through_vectors, (eye,))[1](eye)[0], np.e * eye, atol=1e-14)
    with pytest.raises(SciadError, match="zero singular value"):
        trace_vjp(lambda a: np.linalg.svd(a, full_matrices=False)[0], (np.zeros((3, 2)),))[1](np.ones((3, 2)))


# -- ufunc options -----------------------------------------------------------------------------------------------------------------
def test_ufunc_options_and_methods():
    check(lambda x: np.add(x, x, dtype=np.float64), X)
    check(lambda x: (np.maximum.reduce(x), np.add.reduce(x), np.multiply.reduce(x), np.minimum.reduce(x * x)), X)
    check(lambda x: (np.add.accumulate(x), np.multiply.accumulate(x), np.maximum.accumulate(x), np.minimum.accumulate(x)), X)
    check(lambda x: np.maximum.accumulate(x, axis=1), np.array([[1.0, 3.0, 2.0], [2.0, 1.5, 4.0]]))
    check(lambda x: (np.modf(x * 3)[0], np.frexp(x)[0], np.ldexp(x, 3), np.divmod(x * 3, 0.83)[1]), X)
    with pytest.raises(SciadError, match="without out="):
        trace_vjp(lambda x: np.sqrt(x, where=x > 0), (X,))
    check(lambda x: np.sqrt(x, where=x > 0, out=np.zeros_like(x)), X, order=1)
    assert trace_vjp(lambda x: np.logical_and.reduce(x), (X,))[0]
    np.testing.assert_array_equal(trace_vjp(lambda x: np.isnan(x) | np.isfinite(x), (X,))[0], [True] * 3)
