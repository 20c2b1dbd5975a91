"""Functions that the compiled tier does not take: their callbacks are kept between solves, and are still what was passed."""

import threading

import numpy as np
import pytest

import sciad
from sciad.solvers.nonlinear import fixed_point, root

pytestmark = pytest.mark.filterwarnings("ignore::sciad.PerformanceWarning")


class Settings:
    """An object with a state, equal to all of its kind."""

    def __init__(self, power):
        self.power = power

    def __eq__(self, other):
        return isinstance(other, Settings)

    def __hash__(self):
        return 1


def powers(x, p, settings):
    if {*range(settings.power)} == set():  # a set: the compiled tier refuses
        raise ZeroDivisionError(settings.power)
    return x**settings.power - p


def test_objects_are_those_of_the_call():
    """Equal objects are told apart; a changed one is seen; numbers and arrays among the arguments are read anew."""
    x0, p = np.ones(2), np.array([4.0, 9.0])
    square, cube = Settings(2), Settings(3)
    for _ in range(3):
        np.testing.assert_allclose(root(powers, x0, (p, square)).x, [2.0, 3.0], rtol=1e-9)
        np.testing.assert_allclose(root(powers, x0, (np.array([8.0, 27.0]), cube)).x, [2.0, 3.0], rtol=1e-9)
    square.power = 3
    np.testing.assert_allclose(root(powers, x0, (np.array([8.0, 27.0]), square)).x, [2.0, 3.0], rtol=1e-9)
    np.testing.assert_allclose(root(powers, x0, (8.0, square)).x, 2.0, rtol=1e-9)


def test_arguments_that_the_function_changes():
    """It works on copies, at each evaluation new ones."""

    def greedy(x, p, names):
        p += len({*names})
        out = x - p
        x[:] = 0.0
        return out

    p = np.array([1.0, 2.0])
    for _ in range(2):
        np.testing.assert_allclose(root(greedy, np.ones(2), (p, ("a", "b"))).x, [3.0, 4.0], rtol=1e-9)
    np.testing.assert_array_equal(p, [1.0, 2.0])


def test_errors_arrive_in_their_thread():
    """What the function raises is raised by the solve that called it, and by no other."""
    wrong = []

    def work(power):
        for _ in range(20):
            try:
                found = root(powers, np.ones(2), (4.0, Settings(power))).x
                if power == 0 or not np.allclose(found, 4.0 ** (1 / power), rtol=1e-8):
                    wrong.append(power)
            except ZeroDivisionError:
                if power != 0:
                    wrong.append(power)

    threads = [threading.Thread(target=work, args=(power,)) for power in (0, 1, 2, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


LEVELS = [0]


def nested(x, p, names):
    inner = 0.0 * len({*names})
    if LEVELS[0] < 2:
        LEVELS[0] += 1
        inner = root(nested, np.ones(1), (p, names)).x[0]
        LEVELS[0] -= 1
    return x**3 + x - p - inner


def test_a_function_that_solves_itself():
    """A solve inside an evaluation of the same function has memory of its own: x0 solves x^3 + x = p + x1, x1 that of p + x2."""
    found = root(nested, np.ones(1), (2.0, ("a",))).x[0]
    x = 0.0
    for _ in range(3):
        x = root(lambda x, p: x**3 + x - p, np.ones(1), (2.0 + x,)).x[0]
    assert found == pytest.approx(x, rel=1e-9)
    assert LEVELS == [0]


def layer(z, W, names):
    return np.tanh(z @ W.T + 0.1 * len({*names}))


def test_derivatives():
    """By the tape, with cached callbacks: equal to the compiled function's."""
    W, names = 0.2 * np.arange(4.0).reshape(2, 2), ("a", "b")

    def compiled(z, W):
        return np.tanh(z @ W.T + 0.2)

    def loss(W, fun, *more):
        return np.sum(fixed_point(fun, np.zeros((3, 2)), (W, *more), xtol=1e-12) ** 2)

    for scale in (1.0, 0.5):
        found = sciad.grad(lambda W: loss(W, layer, names))(scale * W)
        np.testing.assert_allclose(found, sciad.grad(lambda W: loss(W, compiled))(scale * W), rtol=1e-9)


def test_in_place_functions_do_not_return():
    """A function that lacks an argument is not taken for one that writes its result; one that returns what it wrote is."""

    def forgotten(x, p, names):
        return x - p * len({*range(2)}) - names

    def both(out, x, names):
        out[:] = x - len({*names})
        return out

    with pytest.raises(sciad.SciadError, match="returns its result"):
        root(forgotten, np.ones(2), (2.0,))
    with pytest.raises(sciad.SciadError, match="returns its result"):
        root(lambda x, p: x - p, np.ones(2))
    np.testing.assert_allclose(root(both, np.ones(2), (("a", "b"),)).x, 2.0, rtol=1e-12)
