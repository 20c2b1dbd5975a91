"""Plans of repeated solves: what they take, what they leave to the general way, and that nothing that changes between calls is missed."""

import gc
import sys
import threading
import weakref

import numpy as np
import pytest

import sciad
from sciad.solvers.nonlinear import fixed_point, plan, root

MODULES = [sys.modules[f"sciad.solvers.nonlinear.{name}"] for name in ("root", "fixed_point")]  # the functions hide their names
SCALE = 2.0


def shifted(x, p, v):
    return x**3 + x - p * v


def scaled(x, p):
    return x**3 + x - SCALE * p


def helper(x):
    return x**3 + x


def helped(x, p):
    return helper(x) - p


def defaulted(x, p, q=1.0):
    return x**3 + x - p * q


def counted(x, n):
    return x**3 + x - n


def inplace(out, x, p):
    out[:] = x**3 + x - p


def mean_field(x, p):
    return x**3 + x - p + 0.1 * np.mean(x)


def number(x, p):
    return x * x * x + x - p


def cosine(x, p):
    return p * np.cos(x)


def inverse(y):
    """The x with x^3 + x = y, by Cardano's formula."""
    s = np.sqrt(y * y / 4 + 1 / 27)
    return np.cbrt(y / 2 + s) + np.cbrt(y / 2 - s)


@pytest.fixture
def only_plans(monkeypatch):
    """From when it is called, a call that no plan takes is an error."""

    def refuse(*given):
        raise AssertionError("no plan took this call")

    def switch():
        for module in MODULES:
            monkeypatch.setattr(module, "_general", refuse)

    return switch


def test_repeated_calls_are_planned(only_plans):
    """Arguments that are changed in place, other numbers, starts with strides: read anew each time, in every field of the result."""
    x0, v = np.ones(3), np.array([1.0, 2.0, 3.0])
    first = root(shifted, x0, (2.0, v))
    only_plans()
    again = root(shifted, x0, (2.0, v))
    for key in first:
        np.testing.assert_array_equal(first[key], again[key])
    np.testing.assert_allclose(again.x, inverse(2.0 * v), rtol=1e-14)
    v[1] = -5.0
    np.testing.assert_allclose(root(shifted, x0, (3.0, v)).x, inverse(3.0 * v), rtol=1e-14)
    np.testing.assert_allclose(root(shifted, np.arange(6.0)[::2], (np.float64(0.5), v[::-1])).x, inverse(0.5 * v[::-1]), rtol=1e-14)
    again.x[:] = 0.0
    again["nit"] = 7
    assert (again.nit, again.success, list(root(shifted, x0, (2.0, v)).keys())) == (7, True, list(again.keys()))
    assert np.all(root(shifted, x0, (2.0, v)).x != 0.0)
    assert np.all(x0 == 1.0)


def test_shapes_and_forms(only_plans):
    """A number, a matrix, a function that writes its result, options, methods."""
    calls = [
        (lambda: root(number, 1.0, (5.0,)).x[0], inverse(5.0)),
        (lambda: root(mean_field, np.ones((2, 2)), (np.full((2, 2), 2.1),)).x, np.ones((2, 2))),
        (lambda: root(inplace, np.ones(2), (np.array([2.0, 10.0]),)).x, np.array([1.0, 2.0])),
        (lambda: root(number, np.ones(1), 5.0, "hybr", 1e-12).x[0], inverse(5.0)),
        (lambda: root(number, 1.0, 5.0, options={"bracket": (0.0, 5.0)}).x[0], inverse(5.0)),
        (lambda: root(number, 1.0, 5.0, options={"bracket": (0.0, 2.0)}).x[0], inverse(5.0)),
    ]
    before = [call() for call, _ in calls]
    only_plans()
    for (call, truth), old in zip(calls, before):
        found = call()
        np.testing.assert_array_equal(found, old)
        np.testing.assert_allclose(found, truth, rtol=1e-12)


def test_options_are_the_calls(only_plans):
    """A dict of options that its owner changes; other limits than those of the plan."""
    options = {"maxiter": 2}
    assert not root(number, np.ones(1), 500.0, options=options).success
    again = root(number, np.ones(1), 500.0, options=options)
    assert (again.status, again.nit) == (2, 2)
    options["maxiter"] = 50
    assert root(number, np.ones(1), 500.0, options=options).success
    assert root(number, np.ones(1), 500.0).success
    assert root(number, np.ones(1), 500.0, options={"maxiter": 2}).status == 2


def test_other_kinds_of_arguments():
    """Shape, type and number of arguments may change from call to call."""
    for _ in range(2):
        for x0 in (np.ones(2), np.ones(3), np.ones((1, 2)), np.ones(2, np.float32), np.ones(2, int), [1.0, 1.0]):
            for p in (2.0, 2, np.float32(2.0), np.full(np.shape(x0), 2.0), np.full(np.shape(x0), 2)):
                np.testing.assert_allclose(root(number, x0, (p,)).x, np.ones(np.shape(x0)), rtol=1e-14)
        for n in (2, 10, 30):
            np.testing.assert_allclose(root(counted, np.ones(1), (n,)).x, inverse(n), rtol=1e-14)
        for q in ((2.0,), (2.0, 3.0), (2.0, 1)):
            np.testing.assert_allclose(root(defaulted, np.ones(1), q).x, inverse(np.prod(q)), rtol=1e-14)
    with pytest.raises(sciad.SciadError):
        root(number, np.ones(2), (2.0, 3.0))
    with pytest.raises(sciad.SciadError, match="returns its result"):
        root(number, np.ones(2))


def test_globals_helpers_defaults_and_code(monkeypatch):
    """What a function finds outside of its arguments is read, or compared, at each call."""
    x0 = np.ones(1)
    for _ in range(3):
        assert root(scaled, x0, 5.0).x[0] == pytest.approx(inverse(2.0 * 5.0), rel=1e-14)
        assert root(helped, x0, 5.0).x[0] == pytest.approx(inverse(5.0), rel=1e-14)
        assert root(defaulted, x0, 5.0).x[0] == pytest.approx(inverse(5.0), rel=1e-14)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert root(scaled, x0, 5.0).x[0] == pytest.approx(inverse(15.0), rel=1e-14)
    monkeypatch.setitem(globals(), "helper", lambda x: x)
    assert root(helped, x0, 5.0).x[0] == pytest.approx(5.0, rel=1e-14)
    monkeypatch.setattr(defaulted, "__defaults__", (2.0,))
    assert root(defaulted, x0, 5.0).x[0] == pytest.approx(inverse(10.0), rel=1e-14)
    monkeypatch.setattr(defaulted, "__code__", (lambda x, p, q=1.0: x - p).__code__)
    assert root(defaulted, x0, 5.0).x[0] == pytest.approx(5.0, rel=1e-14)


def test_closures(only_plans):
    """One code, many closures: each its own values, and those as they are now; none is kept alive."""

    def make(c):
        def fun(x):
            return x**3 + x - c

        def change(new):
            nonlocal c
            c = new

        return fun, change

    x0 = np.ones(2)
    root(make(np.ones(2))[0], x0)
    only_plans()
    values = np.array([2.0, 10.0])
    fun, change = make(values)
    np.testing.assert_allclose(root(fun, x0).x, [1.0, 2.0], rtol=1e-14)
    values[:] = 30.0
    np.testing.assert_allclose(root(fun, x0).x, 3.0, rtol=1e-14)
    change(np.full(2, 2.0))
    np.testing.assert_allclose(root(fun, x0).x, 1.0, rtol=1e-14)
    gone = weakref.ref(fun)
    del fun, change
    gc.collect()
    assert gone() is None


def test_closure_that_changes_its_kind():
    """A captured float that becomes an array, an int, an object with another shape."""

    def make(c):
        return lambda x: x**3 + x - c

    x0 = np.ones(2)
    for _ in range(2):
        for c in (2.0, np.full(2, 2.0), 2, np.full(1, 2.0), np.float64(2.0), np.full(2, 2)):
            np.testing.assert_allclose(root(make(c), x0).x, 1.0, rtol=1e-14)


def test_derivatives_by_plan(only_plans):
    """Traced numbers and arrays, in arguments and closures, forward and reverse and both; dx/dp = v / (3 x^2 + 1)."""
    x0, v = np.ones(3), np.array([1.0, 2.0, 3.0])

    def loss(p, v):
        return np.sum(root(shifted, x0, (p, v)).x) + np.sum(root(lambda x: x**3 + x - p * v, x0).x)

    sciad.grad(loss, argnums=(0, 1))(2.0, v)
    sciad.jvp(loss, (2.0, v), (1.0, v))
    only_plans()
    for p in (2.0, 3.0):
        rate = 1.0 / (3.0 * inverse(p * v) ** 2 + 1.0)
        p_bar, v_bar = sciad.grad(loss, argnums=(0, 1))(p, v)
        np.testing.assert_allclose(p_bar, 2.0 * np.sum(v * rate), rtol=1e-12)
        np.testing.assert_allclose(v_bar, 2.0 * p * rate, rtol=1e-12)
        np.testing.assert_allclose(sciad.jvp(loss, (p, v), (1.0, v))[1], 2.0 * np.sum((1 + p) * v * rate), rtol=1e-12)


def test_second_derivatives_by_plan():
    """x'' = -6 x x'^2 / (3 x^2 + 1) for x^3 + x = p."""
    x0 = np.ones(1)
    for p in (2.0, 10.0, 2.0):
        x = inverse(p)
        rate = 1.0 / (3.0 * x * x + 1.0)
        assert sciad.hessian(lambda p: root(number, x0, p).x[0])(p) == pytest.approx(-6.0 * x * rate**3, rel=1e-10)


def test_failures_by_plan(only_plans):
    """As without a plan: a result that says why, and SolveError under differentiation; the memory serves the next call."""
    x0 = np.array([np.nan])
    assert root(number, x0, 5.0).status == 5
    sciad.grad(lambda p: root(number, np.ones(1), p).x[0])(5.0)
    fixed_point(cosine, np.ones(1), 0.1, maxiter=7, method="iteration")
    only_plans()
    for _ in range(3):
        assert root(number, x0, 5.0).status == 5
        assert root(number, np.ones(1), 5.0).success
        with pytest.raises(sciad.SolveError, match="maxiter"):
            fixed_point(cosine, np.ones(1), 3.0, maxiter=7, method="iteration")
        with pytest.raises(sciad.SolveError, match="NaN"):
            sciad.grad(lambda p: root(number, x0, p).x[0])(5.0)


def test_fixed_points_by_plan(only_plans):
    """Numbers, arrays, batches; with and without the full result; x' = cos x / (1 + p sin x)."""
    starts = (0.5, np.full(2, 0.5), np.full((2, 3), 0.5))
    for x0 in starts:
        fixed_point(cosine, x0, 0.8)
        fixed_point(cosine, x0, 0.8, full_output=True)
    sciad.grad(lambda p: fixed_point(cosine, 0.5, p))(0.8)
    only_plans()
    for p in (0.8, 0.5):
        truth = fixed_point(cosine, 0.5, p)
        assert type(truth) is float
        assert truth == pytest.approx(p * np.cos(truth), rel=1e-9)
        for x0 in starts[1:]:
            x, result = fixed_point(cosine, x0, p, full_output=True)
            np.testing.assert_array_equal(x, fixed_point(cosine, x0, p))
            np.testing.assert_allclose(x, truth, rtol=1e-8)
            assert (x.shape, result.fun.shape, result.success) == (x0.shape, x0.shape, True)
        slope = sciad.grad(lambda p: fixed_point(cosine, 0.5, p))(p)
        assert slope == pytest.approx(np.cos(truth) / (1.0 + p * np.sin(truth)), rel=1e-7)


def test_threads(only_plans):
    """Many threads at one plan: no two share memory."""
    x0, wrong = np.ones(5), []
    root(shifted, x0, (2.0, x0))
    only_plans()

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(300):
            v, p = rng.uniform(1.0, 5.0, 5), float(rng.uniform(1.0, 5.0))
            if not np.allclose(root(shifted, x0, (p, v)).x, inverse(p * v), rtol=1e-13):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_plans_are_bounded(monkeypatch):
    """A function that is called in ever new ways, and ever new functions, do not fill the memory."""
    monkeypatch.setattr(plan, "MOST", 3)
    for n in range(2, 2 + 2 * plan.TRIES):
        root(number, np.ones(1), options={"maxiter": 100 + n}, args=(5.0,))
    assert len(plan.PLANS[number]) <= plan.TRIES
    space = {"np": np}
    for fun in (shifted, scaled, helped, counted):
        fresh = type(fun)(fun.__code__, {**globals(), **space})
        root(fresh, np.ones(1), (2.0, np.ones(1))[: fun.__code__.co_argcount - 1])
    assert len(plan.PLANS) <= len(plan._TRIED) <= 3
