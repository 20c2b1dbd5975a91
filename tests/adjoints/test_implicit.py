"""The implicit function theorem on roots: closed forms, the derivative by hand in NumPy, second order, what has no derivative."""

import math
import warnings

import numpy as np
import pytest

import sciad
from sciad.adjoints import Implicit
from sciad.solvers.nonlinear import root


def cubic(x, p):
    return x * x * x - 2.0 * x - p


def net(x, W, b):
    return x - np.tanh(W @ x + b)


def net_inplace(out, x, W, b):
    out[:] = x - np.tanh(W @ x + b)


@pytest.fixture(scope="module")
def data():
    """W (6, 6), b (6,), weights of the loss (6,), and the solution."""
    rng = np.random.default_rng(5)
    W, b, w = 0.3 * rng.standard_normal((6, 6)), rng.standard_normal(6), rng.standard_normal(6)
    return W, b, w, root(net, np.zeros(6), (W, b)).x


def by_hand(W, x, x_bar):
    """Cotangents of W and b: a transposed solve with I - diag(1 - x^2) W."""
    slope = 1.0 - x * x
    b_bar = slope * np.linalg.solve((np.eye(len(x)) - slope[:, None] * W).T, x_bar)
    return np.outer(b_bar, x), b_bar


def test_cubic_in_closed_form():
    """x^3 - 2x = p: x' = 1 / (3x^2 - 2), x'' = -6x x'^3, in both modes and for a closure."""
    x = 2.0945514815423265
    first = 1.0 / (3.0 * x * x - 2.0)

    def solution(p):
        return root(cubic, 2.0, p).x[0]

    def closed_over(p):
        return root(lambda x: x * x * x - 2.0 * x - p, 2.0).x[0]

    for fun in (solution, closed_over):
        assert sciad.grad(fun)(5.0) == pytest.approx(first, rel=1e-13)
        assert sciad.jvp(fun, (5.0,), (1.0,))[1] == pytest.approx(first, rel=1e-13)
        assert sciad.grad(sciad.grad(fun))(5.0) == pytest.approx(-6.0 * x * first**3, rel=1e-12)
    assert sciad.grad(lambda p: np.sum(root(cubic, 2.0, p).x ** 2))(5.0) == pytest.approx(0.37531929718526713, rel=1e-13)


@pytest.mark.parametrize("method", ["newton", "trust-region", "levenberg-marquardt", "broyden"])
def test_gradient_by_all_arguments(data, method):
    """Every method gives the gradient of the solution, not of its own iterations."""
    W, b, w, x = data
    gradient = sciad.grad(lambda W, b: w @ root(net, np.zeros(6), (W, b), method).x, argnums=(0, 1))(W, b)
    for found, expected in zip(gradient, by_hand(W, x, w)):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("adjoint", ["direct", Implicit("krylov"), Implicit("dense")])
def test_adjoints_agree(data, adjoint):
    """Through Newton's iterations, without matrices, with factors: one gradient; forward mode, too."""
    W, b, w, x = data

    def loss(W, b):
        return w @ root(net, np.zeros(6), (W, b), adjoint=adjoint).x

    for found, expected in zip(sciad.grad(loss, argnums=(0, 1))(W, b), by_hand(W, x, w)):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    _, dot = sciad.jvp(loss, (W, b), (W, -b))
    W_bar, b_bar = by_hand(W, x, w)
    assert dot == pytest.approx(np.sum(W_bar * W) - b_bar @ b, rel=1e-9)


def test_inplace_and_returning_forms_agree(data):
    """To the last bit."""
    W, b, w, _ = data
    both = [sciad.grad(lambda b, fun=fun: w @ root(fun, np.zeros(6), (W, b)).x)(b) for fun in (net, net_inplace)]
    np.testing.assert_array_equal(*both)


def test_second_order(data):
    """Hessian-vector products in NumPy: differences of `by_hand`, four digits beyond their own step."""
    W, b, w, _ = data
    v = np.linspace(-1.0, 1.0, 6)

    def gradient(b):
        return by_hand(W, root(net, np.zeros(6), (W, b)).x, w)[1]

    h = 1e-3
    expected = (8 * (gradient(b + h * v) - gradient(b - h * v)) - gradient(b + 2 * h * v) + gradient(b - 2 * h * v)) / (12 * h)
    for fun in (net, net_inplace):
        found = sciad.hvp(lambda b, fun=fun: w @ root(fun, np.zeros(6), (W, b)).x, (b,), (v,))
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_start_has_zero_derivatives(data):
    """Exact zeros for x0, with and without other traced values."""
    W, b, w, _ = data
    start = np.full(6, 0.1)
    np.testing.assert_array_equal(sciad.grad(lambda x0: w @ root(net, x0, (W, b)).x)(start), np.zeros(6))
    x0_bar, b_bar = sciad.grad(lambda x0, b: w @ root(net, x0, (W, b)).x, argnums=(0, 1))(start, b)
    assert not np.any(x0_bar)
    assert np.all(b_bar != 0.0)


def parametrised(x, p):
    return x**2 * p["scale"] - p["shift"][0] - p["n"] * x


def test_trees_of_parameters():
    """Dicts, lists, ints: x = (n + sqrt(n^2 + 4 scale shift)) / (2 scale)."""
    p = {"scale": 2.0, "shift": [3.0, np.ones(2)], "n": 1}
    gradient = sciad.grad(lambda p: root(parametrised, 1.0, (p,)).x[0])(p)
    x = (1.0 + 5.0) / 4.0
    slope = 4.0 * x - 1.0
    assert gradient["scale"] == pytest.approx(-x * x / slope)
    assert gradient["shift"][0] == pytest.approx(1.0 / slope)
    np.testing.assert_array_equal(gradient["shift"][1], np.zeros(2))


def tridiagonal(x, a):
    out = np.empty(x.shape[0])
    for i in range(x.shape[0]):
        left = x[i - 1] if i > 0 else 0.0
        right = x[i + 1] if i < x.shape[0] - 1 else 0.0
        out[i] = (3.0 - a[i] * x[i]) * x[i] - left - 2.0 * right + 1.0
    return out


@pytest.mark.parametrize("n", [49, 50, 51, 500])
def test_sizes(n):
    """Against a banded solve by SciPy."""
    from scipy.linalg import solve_banded

    a, w = np.linspace(1.5, 2.5, n), np.cos(np.arange(n))
    x = root(tridiagonal, -np.ones(n), (a,)).x
    bands = np.stack([np.full(n, -1.0), 3.0 - 2.0 * a * x, np.full(n, -2.0)])  # of the transposed Jacobian
    expected = x * x * solve_banded((1, 1), bands, w)
    np.testing.assert_allclose(sciad.grad(lambda a: w @ root(tridiagonal, -np.ones(n), (a,)).x)(a), expected, rtol=1e-11, atol=1e-14)


def double(x, p):
    return (x - p) ** 2


def expanded(x, p):
    return x * x - 2.0 * p * x + p * p


def at_zero(x, p):
    return p * x * x


def triple(x, p):
    return (x - p) ** 3


def line(x, p):
    return np.array([x[0] + x[1] - p, 2.0 * x[0] + 2.0 * x[1] - 2.0 * p])


@pytest.mark.parametrize("fun", [double, expanded, at_zero, triple])
@pytest.mark.parametrize("method", ["newton", "levenberg-marquardt"])
def test_multiple_roots_have_no_derivative(fun, method):
    """However well or badly the iteration converged, no number comes back."""
    with pytest.raises(sciad.SolveError, match="derivative|found"):
        sciad.grad(lambda p: root(fun, 2.5, (p,), method).x[0])(1.0)


def test_singular_jacobian():
    """A line of solutions; first and second order."""
    assert root(line, [0.0, 0.0], (1.0,), "levenberg-marquardt").success
    solve = lambda p: root(line, [0.0, 0.0], (p,), "levenberg-marquardt").x[0]
    for gradient in (sciad.grad(solve), sciad.grad(sciad.grad(solve))):
        with pytest.raises(sciad.SolveError, match="singular"):
            gradient(1.0)


def nearly(x, p, eps):
    return np.array([x[0] + x[1] - p, x[0] + (1.0 + eps) * x[1] - 2.0 * p])


def test_ill_conditioned_warns_with_the_estimate():
    """Condition 4 / eps; badly scaled rows alone are no reason to warn."""
    with pytest.warns(sciad.errors.ConditionWarning, match=r"condition of [0-9.]+e\+12"):
        found = sciad.grad(lambda p: root(nearly, [0.0, 0.0], (p, 1e-12)).x[1])(1.0)
    assert found == pytest.approx(1e12, rel=1e-3)

    def scaled(x, p):
        return np.array([1e-9 * (x[0] - p), 1e9 * (x[1] - x[0] * p)])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(sciad.jacobian(lambda p: root(scaled, [0.0, 0.0], (p,)).x)(3.0), [1.0, 6.0], rtol=1e-12)


def test_failed_solve_raises_under_differentiation():
    """A plain call has success=False; a derivative of it would be one of nothing."""
    options = {"maxiter": 1}
    assert not root(cubic, 30.0, 5.0, options=options).success
    with pytest.raises(sciad.SolveError, match="not found.*maxiter"):
        sciad.grad(lambda p: root(cubic, 30.0, p, options=options).x[0])(5.0)
    with pytest.raises(ValueError, match="'implicit'"):
        sciad.grad(lambda p: root(cubic, 2.0, p, adjoint="magic").x[0])(5.0)


def in_python(x, p):
    return x**2 - p * len({*"ab"})


def test_python_function_by_the_tape():
    """x^2 = 2p called back in Python: x' = 1 / x; closing over a traced value there is refused."""
    with pytest.warns(sciad.PerformanceWarning):
        assert sciad.grad(lambda p: root(in_python, 1.0, p).x[0])(1.0) == pytest.approx(1.0 / math.sqrt(2.0))
    assert sciad.grad(sciad.grad(lambda p: root(in_python, 1.0, p).x[0]))(1.0) == pytest.approx(-(2.0**-1.5))


def test_many_pullbacks_keep_the_factors(data):
    """A Jacobian row by row, and one recorded solve pulled back many times."""
    W, b, _, x = data
    slope = 1.0 - x * x
    expected = np.linalg.solve(np.eye(6) - slope[:, None] * W, np.diag(slope))
    for mode in ("reverse", "forward"):
        found = sciad.jacobian(lambda b: root(net, np.zeros(6), (W, b)).x, mode=mode)(b)
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)
