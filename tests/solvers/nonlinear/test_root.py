"""`root`: classical systems by every method, SciPy as the judge; forms, shapes, options, and how failures are told."""

import math
import threading

import numpy as np
import pytest
import scipy.optimize

import sciad
from sciad.solvers.nonlinear import root
from sciad.solvers.nonlinear.result import STATUS

METHODS = ("newton", "trust-region", "levenberg-marquardt", "broyden", "newton-krylov")


def cubic(x, p):
    return x * x * x - 2.0 * x - p


def rosenbrock(x, a):
    return np.array([10.0 * (x[1] - x[0] ** 2), a - x[0]])


def powell_badly_scaled(x):
    return np.array([1e4 * x[0] * x[1] - 1.0, math.exp(-x[0]) + math.exp(-x[1]) - 1.0001])


def tridiagonal(x, a):
    n = x.shape[0]
    out = np.empty(n)
    for i in range(n):
        left = x[i - 1] if i > 0 else 0.0
        right = x[i + 1] if i < n - 1 else 0.0
        out[i] = (3.0 - a * x[i]) * x[i] - left - 2.0 * right + 1.0
    return out


def tridiagonal_inplace(out, x, a):
    n = x.shape[0]
    for i in range(n):
        left = x[i - 1] if i > 0 else 0.0
        right = x[i + 1] if i < n - 1 else 0.0
        out[i] = (3.0 - a * x[i]) * x[i] - left - 2.0 * right + 1.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("fun", "x0", "args", "solution"),
    [(cubic, [2.0], (5.0,), [2.0945514815423265]), (rosenbrock, [-1.2, 1.0], (1.0,), [1.0, 1.0]), (tridiagonal, [-1.0] * 10, (2.0,), None)],
)
def test_classical_systems(method, fun, x0, args, solution):
    """Solutions known in closed form, or SciPy's to its tolerance with a residual at rounding level."""
    result = root(fun, x0, args, method)
    assert result.success
    assert result.status == 1
    if solution is not None:
        np.testing.assert_allclose(result.x, solution, rtol=1e-9)
    else:
        np.testing.assert_allclose(result.x, scipy.optimize.root(fun, x0, args, tol=1e-12).x, rtol=1e-9)
    assert np.max(np.abs(result.fun)) < 1e-7
    assert result.nfev >= result.nit > 0


@pytest.mark.parametrize("method", ["newton", "trust-region"])
def test_badly_scaled(method):
    """Powell's badly scaled function: the published solution."""
    result = root(powell_badly_scaled, [0.0, 1.0], method=method)
    assert result.success
    np.testing.assert_allclose(result.x, [1.098159e-5, 9.106146], rtol=1e-6)


@pytest.mark.parametrize("n", [2, 31, 32, 33, 49, 50, 51, 500])
def test_sizes_and_forms(n):
    """Own factors and LAPACK's meet at n = 32; the in-place form gives the same to the last bit."""
    x0 = -np.ones(n)
    result, inplace = root(tridiagonal, x0, (2.0,)), root(tridiagonal_inplace, x0, (2.0,))
    assert result.success
    np.testing.assert_array_equal(result.x, inplace.x)
    assert np.max(np.abs(result.fun)) < 1e-13
    np.testing.assert_allclose(result.x, scipy.optimize.root(tridiagonal, x0, (2.0,), method="krylov", tol=1e-10).x, rtol=1e-7)
    assert np.all(x0 == -1.0)


def coupled(x, c):
    return x**3 + c * np.sum(x) - 1.0


def test_shapes():
    """A number, a list, a matrix; the result has x0's shape, (1,) for a number as in SciPy."""
    assert root(cubic, 2.0, 5.0).x.shape == (1,)
    assert root(cubic, 2, (5.0,)).x[0] == root(cubic, [2.0], 5.0).x[0]
    result = root(coupled, np.full((2, 3), 0.5), (0.1,))
    assert result.x.shape == result.fun.shape == (2, 3)
    np.testing.assert_allclose(result.x**3 + 0.1 * result.x.sum(), 1.0, rtol=1e-13)


def test_result_is_scipys():
    """Fields by attribute and by key."""
    result, scipys = root(cubic, [2.0], 5.0), scipy.optimize.root(cubic, [2.0], (5.0,))
    for key in ("x", "success", "status", "message", "fun", "nfev"):
        assert key in result
        assert key in scipys
        assert result[key] is getattr(result, key)
    assert "converged" in result.message
    assert "2.0945" in repr(result)
    with pytest.raises(AttributeError, match="qtf"):
        result.qtf


@pytest.mark.parametrize("method", ["hybr", "lm", "broyden1", "krylov"])
def test_scipys_names(method):
    """SciPy's method names are understood."""
    assert root(rosenbrock, [-1.2, 1.0], 1.0, method).success


def test_brent():
    """Between two points; at the first sign change found, to rounding; refused where there is none."""
    result = root(cubic, 2.0, 5.0, options={"bracket": (0.0, 10.0)})
    assert result.success
    assert result.njev == 0
    np.testing.assert_allclose(result.x, 2.0945514815423265, rtol=4e-16)
    assert root(cubic, 2.0, 5.0, options={"bracket": [0, 10]}).x == result.x
    assert root(cubic, 2.0, 5.0, "brentq", options={"bracket": (2.0945514815423265, 3.0)}).success
    refused = root(cubic, 2.0, 5.0, "brent", options={"bracket": (3.0, 10.0)})
    assert not refused.success
    assert refused.status == 8
    assert "same sign" in refused.message
    with pytest.raises(sciad.ShapeError, match="bracket"):
        root(cubic, 2.0, 5.0, "brent")


def no_root(x):
    return x * x + 1.0


def nan_start(x):
    return np.log(x)


def arctangent(x):
    return np.arctan(x)


def test_failures_have_status_and_remedy():
    """Nothing raises in a plain call; every failure names the cause and what to do."""
    cases = [
        (root(cubic, [2.0], 5.0, options={"maxiter": 2}), 2, "maxiter"),
        (root(rosenbrock, [0.0, 0.0], (1.0,), options={"maxiter": 1}, method="broyden"), 2, "maxiter"),
        (root(no_root, [0.0]), 3, "levenberg-marquardt"),
        (root(no_root, [1.0], method="levenberg-marquardt"), 4, "progress"),
        (root(no_root, [1.0], method="trust-region"), 4, "progress"),
        (root(nan_start, [-1.0]), 5, "x0"),
        (root(cubic, [np.nan], 5.0), 5, "x0"),
    ]
    for result, status, word in cases:
        assert (result.success, result.status) == (False, status), result
        assert word in result.message
        assert math.isfinite(result.nfev)
    assert len(set(STATUS.values())) == len(STATUS)


def test_line_search_saves_newton():
    """From 10, Newton's full step on arctan diverges; NaN in a trial point is a step too long."""
    assert root(arctangent, [10.0]).success
    found = root(nan_start, [3.0])  # the full step goes to -0.3, where log is NaN
    assert found.success
    np.testing.assert_allclose(found.x, 1.0)


def singular_on_the_way(x):
    return np.array([x[0] ** 2 - x[1], x[1] ** 2 - x[1]])


def test_levenberg_marquardt_leaves_singular_points():
    """The Jacobian at (0, 1/2) is singular: Newton says so, the others go on."""
    start = [0.0, 0.5]
    assert root(singular_on_the_way, start).status == 3
    for method in ("levenberg-marquardt", "trust-region"):
        result = root(singular_on_the_way, [1e-3, 0.5], method=method)
        assert result.success, (method, result)


def test_bad_arguments():
    """Unknown names, complex numbers, arguments that do not fit."""
    with pytest.raises(ValueError, match="newton"):
        root(cubic, [1.0], 5.0, method="nope")
    with pytest.raises(ValueError, match="maxiter"):
        root(cubic, [1.0], 5.0, options={"maxfev": 3})
    with pytest.raises(ValueError, match="imaginary"):
        root(cubic, [1.0 + 1j], 5.0)
    with pytest.raises(sciad.ShapeError, match="shape"):
        root(lambda x: np.ones(3), np.ones(2))


def in_python(x, names):
    return np.array([x[0] ** 2 - len({*names}), x[1] - x[0]])


def test_python_function():
    """What does not compile runs in Python with one warning that says why; what it raises arrives."""
    with pytest.warns(sciad.PerformanceWarning, match="in_python"):
        result = root(in_python, [1.0, 1.0], (("a", "b"),))
    np.testing.assert_allclose(result.x, math.sqrt(2.0))

    def raising(x):
        return x - {"yours": 1.0}["mine"] * len({*"ab"})

    with pytest.warns(sciad.PerformanceWarning), pytest.raises(KeyError, match="mine"):
        root(raising, [1.0])


def test_closures_are_read_anew():
    """One code, several closures and values: each call sees its own."""

    def make(c):
        return lambda x: x * x - c

    assert [round(root(make(c), [1.0]).x[0] ** 2, 12) for c in (2.0, 3.0, 2.0)] == [2.0, 3.0, 2.0]


def test_threads_do_not_share_memory():
    """Many solves at once of one system give what they give alone."""
    targets = np.linspace(1.0, 9.0, 40)
    found = np.zeros(40)

    def work(k):
        for _ in range(50):
            found[k] = root(cubic, [2.0], float(targets[k])).x[0]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_allclose(found**3 - 2.0 * found, targets, rtol=1e-13)


def test_results_are_the_callers():
    """A later solve does not change an earlier result."""
    first = root(cubic, [2.0], 5.0)
    before = first.x.copy()
    root(cubic, [2.0], 7.0)
    np.testing.assert_array_equal(first.x, before)
