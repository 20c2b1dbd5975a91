"""The public transformations on compiled and plain functions, against closed forms and differences."""

from dataclasses import dataclass

import numpy as np
import pytest

import sciad

X = np.array([0.5, 1.0, 2.0, 0.3])


@sciad.jit
def chain(x, a):
    s = 0.0
    y = x.copy()
    for i in range(1, x.size):
        y[i] = y[i - 1] * np.sin(y[i]) * a
        s += y[i] ** 2
    return s


def chain_in_numpy(x, a):
    y, s = x[0], 0.0
    for i in range(1, x.size):
        y = y * np.sin(x[i]) * a
        s = s + y**2
    return s


def hessian_by_differences(gradient, x, h=1e-5):
    return np.stack([(gradient(x + h * e) - gradient(x - h * e)) / (2 * h) for e in np.eye(x.size)])


# -- gradients ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fun", [chain, chain_in_numpy], ids=["compiled", "tape"])
def test_gradient_agrees_with_complex_step(fun):
    value, (x_bar, a_bar) = sciad.value_and_grad(fun, (0, 1))(X, 1.3)
    step = 1e-30j
    expected = [chain_in_numpy(X + step * e, 1.3).imag / 1e-30 for e in np.eye(4)]
    assert value == pytest.approx(chain_in_numpy(X, 1.3), rel=1e-14)
    np.testing.assert_allclose(x_bar, expected, rtol=1e-13)
    assert a_bar == pytest.approx(chain_in_numpy(X, 1.3 + step).imag / 1e-30, rel=1e-13)


def test_gradient_has_the_tree_of_its_argument():
    @dataclass
    class Point:
        x: float
        w: np.ndarray

    def loss(p, n):
        return p["a"].x * np.sum(p["a"].w ** n) + p["b"][0]

    p = {"a": Point(2.0, np.array([1.0, 3.0])), "b": (5.0, 4, None)}
    for fun in (loss, sciad.jit(loss)):
        g = sciad.grad(fun)(p, 2)
        assert isinstance(g["a"], Point)
        assert g["a"].x == 10.0
        np.testing.assert_allclose(g["a"].w, [4.0, 12.0])
        assert g["b"] == (1.0, None, None)


def test_has_aux():
    def loss(x):
        return np.sum(x**2), {"twice": 2 * x}

    (value, aux), g = sciad.value_and_grad(loss, has_aux=True)(X)
    assert value == pytest.approx(np.sum(X**2))
    np.testing.assert_array_equal(aux["twice"], 2 * X)
    np.testing.assert_allclose(g, 2 * X)
    assert sciad.grad(loss, has_aux=True)(X)[1]["twice"].shape == (4,)


@pytest.mark.parametrize("fun", [lambda x: 2 * x, sciad.jit(lambda x: 2 * x)], ids=["tape", "compiled"])
def test_only_scalars_have_gradients(fun):
    with pytest.raises(sciad.ShapeError, match="return"):
        sciad.grad(fun)(X)


def test_argnums_out_of_range():
    with pytest.raises(sciad.SciadError, match="argnums contains 3"):
        sciad.grad(chain, 3)(X, 1.0)


def test_compiled_function_is_one_node_among_others():
    g = sciad.grad(lambda x: chain(x * 2, np.sum(x)) + np.sum(x**2))(X)
    h = sciad.grad(lambda x: chain_in_numpy(x * 2, np.sum(x)) + np.sum(x**2))(X)
    np.testing.assert_allclose(g, h, rtol=1e-12)


def test_traced_values_in_closures_of_compiled_functions():
    def loss(a):
        inner = sciad.jit(lambda x: a * np.sum(x**2))
        return inner(X)

    assert sciad.grad(loss)(3.0) == pytest.approx(np.sum(X**2))


def test_traced_array_written_by_a_compiled_function_is_refused():
    @sciad.jit
    def overwrite(x):
        x[0] = 1.0
        return x[1]

    with pytest.raises(sciad.SciadError, match="writes into"):
        sciad.grad(lambda x: overwrite(x * 1.0))(X)


# -- second order ------------------------------------------------------------------------------------------------------------------
V = np.array([1.0, -1.0, 0.5, 2.0])


@pytest.mark.parametrize("fun", [chain, chain_in_numpy], ids=["compiled", "tape"])
class TestSecondOrder:
    def expected(self):
        return hessian_by_differences(lambda x: sciad.grad(chain_in_numpy)(x, 1.3), X)

    def test_hvp(self, fun):
        np.testing.assert_allclose(sciad.hvp(fun, (X, 1.3), (V, None))[0], self.expected() @ V, rtol=1e-8)

    def test_reverse_over_reverse(self, fun):
        found = sciad.grad(lambda x: np.sum(sciad.grad(fun)(x, 1.3) * V))(X)
        np.testing.assert_allclose(found, self.expected() @ V, rtol=1e-8)

    def test_reverse_over_forward(self, fun):
        found = sciad.grad(lambda x: sciad.jvp(lambda z: fun(z, 1.3), (x,), (V,))[1])(X)
        np.testing.assert_allclose(found, self.expected() @ V, rtol=1e-8)

    def test_forward_over_forward(self, fun):
        found = sciad.jvp(lambda x: sciad.jvp(lambda z: fun(z, 1.3), (x,), (V,))[1], (X,), (V,))[1]
        assert found == pytest.approx(V @ self.expected() @ V, rel=1e-8)

    def test_hessian(self, fun):
        np.testing.assert_allclose(sciad.hessian(fun)(X, 1.3), self.expected(), rtol=1e-7, atol=1e-8)


def quotient_and_logarithm(x):
    return x[0] * (x[1] / x[2]) + x[0] * np.log(x[2])


@pytest.mark.parametrize("fun", [quotient_and_logarithm, sciad.jit(quotient_and_logarithm)], ids=["tape", "compiled"])
@pytest.mark.parametrize("outer", [sciad.jacfwd, sciad.jacrev])
@pytest.mark.parametrize("inner", [sciad.jacfwd, sciad.jacrev])
def test_second_derivatives_where_a_cotangent_is_zero(outer, inner, fun):
    """At x_0 = 0 the quotient's cotangent is zero, which guards against infinite partials; its own derivative is not zero."""
    _, b, c = x = np.array([0.0, 1.0, 2.0])
    want = np.zeros((3, 3))
    want[0, 1:] = want[1:, 0] = 1 / c, -b / c**2 + 1 / c
    np.testing.assert_allclose(outer(inner(fun))(x), want, atol=1e-15)


def test_zero_beats_infinite_partials():
    """sqrt at 0, compiled: a zero cotangent in reverse, a zero tangent in forward mode, where the partial is infinite."""
    x, fun = np.array([0.0, 1.0]), sciad.jit(lambda x: 0.0 * np.sqrt(x[0]) + x[1] ** 2)
    np.testing.assert_array_equal(sciad.grad(fun)(x), [0.0, 2.0])
    np.testing.assert_array_equal(sciad.jvp(fun, (x,), (np.array([0.0, 3.0]),))[1], 6.0)


def test_third_order_of_compiled_functions_is_refused():
    with pytest.raises(sciad.SciadError, match="third derivatives"):
        sciad.hessian(lambda x: sciad.hvp(chain, (x, 1.3), (V, None))[0] @ V)(X)


# -- Jacobians ---------------------------------------------------------------------------------------------------------------------
def two_results(x, a):
    return {"u": np.sin(x) * a, "v": np.sum(x) * a**2}


@pytest.mark.parametrize("mode", ["forward", "reverse", "auto"])
@pytest.mark.parametrize("wrap", [lambda f: f, sciad.jit], ids=["tape", "compiled"])
def test_jacobian_of_trees(mode, wrap):
    jac = sciad.jacobian(wrap(two_results), (0, 1), mode)(X, 2.0)
    np.testing.assert_allclose(jac["u"][0], np.diag(2 * np.cos(X)))
    np.testing.assert_allclose(jac["u"][1], np.sin(X))
    np.testing.assert_allclose(jac["v"][0], np.full(4, 4.0))
    assert jac["v"][1] == pytest.approx(4 * np.sum(X))


def test_jacobian_of_integers_is_refused():
    with pytest.raises(sciad.SciadError, match="choose floats"):
        sciad.jacobian(lambda n: n * 2.0)(3)


@sciad.jit
def ring(u, a):
    n = u.shape[0]
    du = np.zeros_like(u)
    for i in range(n):
        du[i] = a * (u[(i + 1) % n] - 2 * u[i] + u[i - 1]) + u[i] ** 3
    return du


def test_sparse_jacobian():
    u = np.random.default_rng(0).normal(size=40)
    sparse = sciad.jacobian(ring, sparse=True)
    found = sparse(u, 0.7)
    assert found.nnz == 120
    np.testing.assert_allclose(found.toarray(), sciad.jacobian(ring)(u, 0.7), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(sparse(u + 1, 0.7).toarray(), sciad.jacobian(ring)(u + 1, 0.7), rtol=1e-12, atol=1e-14)


def test_sparse_jacobian_notices_another_branch():
    @sciad.jit
    def switch(x):
        return np.array([x[0] * x[1], x[1]]) if x[0] > 0 else np.array([x[1], x[0] + x[1]])

    sparse = sciad.jacobian(switch, sparse=True)
    np.testing.assert_allclose(sparse(np.array([1.0, 2.0])).toarray(), [[2, 1], [0, 1]])
    np.testing.assert_allclose(sparse(np.array([-1.0, 2.0])).toarray(), [[0, 1], [1, 1]])


# -- check_grads -------------------------------------------------------------------------------------------------------------------
def test_check_grads_passes_what_is_right():
    sciad.check_grads(chain, (X, 1.3))
    sciad.check_grads(lambda x, n: np.exp(x["a"]) * x["b"] ** n, ({"a": 0.3, "b": X}, 3))


def test_check_grads_names_the_worst_entry():
    with pytest.raises(AssertionError, match=r"args\[0\]\[2\]"):
        sciad.check_grads(lambda x: np.sum(sciad.stop_gradient(x) * x), (X,), order=1)


def test_check_grads_sees_a_wrong_second_derivative():
    square = sciad.custom_vjp(lambda x: x**3, lambda x: (x**3, x), lambda x, b: (b * 3 * sciad.stop_gradient(x) ** 2,))
    sciad.check_grads(square, (0.7,), order=1, modes=("reverse",))
    with pytest.raises(AssertionError, match="second derivative"):
        sciad.check_grads(square, (0.7,), order=2, modes=("reverse",))


# -- vmap --------------------------------------------------------------------------------------------------------------------------
def affine(p, x):
    y = np.tanh(p["W"] @ x + p["b"])
    return y, np.sum(y)


@pytest.mark.parametrize("wrap", [lambda f: f, sciad.jit], ids=["tape", "compiled"])
def test_vmap(wrap):
    rng = np.random.default_rng(0)
    p, xs = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=4)}, rng.normal(size=(7, 3))
    ys, sums = sciad.vmap(wrap(affine), (None, 0))(p, xs)
    expected = np.tanh(xs @ p["W"].T + p["b"])
    np.testing.assert_allclose(ys, expected, rtol=1e-14)
    np.testing.assert_allclose(sums, expected.sum(axis=1), rtol=1e-13)
    found = sciad.grad(lambda q: np.sum(sciad.vmap(wrap(affine), (None, 0))(q, xs)[0] ** 2))(p)
    exact = sciad.grad(lambda q: np.sum(np.tanh(xs @ q["W"].T + q["b"]) ** 2))(p)
    np.testing.assert_allclose(found["W"], exact["W"], rtol=1e-12)
    transposed = sciad.vmap(wrap(lambda x: 2 * x), 1, 1)(xs)
    np.testing.assert_array_equal(transposed, 2 * xs)


def test_vmap_refuses_unequal_and_empty_batches():
    with pytest.raises(sciad.ShapeError, match="one batch size"):
        sciad.vmap(lambda x, y: x + y)(np.ones((2, 3)), np.ones((3, 3)))
    with pytest.raises(sciad.ShapeError, match="above 0"):
        sciad.vmap(lambda x: x)(np.ones((0, 3)))


def test_derivative_source_is_readable_python():
    text = sciad.derivative_source(chain, X, 1.3)
    assert "def chain_reverse(" in text
    compile(text, "generated", "exec")
