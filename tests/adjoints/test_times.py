"""Derivatives with respect to both ends of the span and the saved times, in both modes, by every adjoint: y' = -a y in closed form."""

import numpy as np
import pytest

import sciad
from sciad.adjoints import ADJOINTS
from sciad.solvers.record import Record
from sciad.solvers.setup import new_slots

METHODS = ("Tsit5", "Rodas5P", "NDF", "auto")
DERIVATIVES = (sciad.jacrev, sciad.jacfwd)


def decay(t, y, a):
    return -a * y


def solve(x, span, times, method, adjoint):
    """The states from y(span[0]) = x[0] with the rate x[1]."""
    return sciad.solve_ivp(decay, span, [x[0]], method, times, args=(x[1],), rtol=1e-9, atol=1e-11, adjoint=adjoint).y[0]


@pytest.mark.parametrize("adjoint", ADJOINTS)
@pytest.mark.parametrize("method", METHODS)
def test_saved_times_and_the_beginning(method, adjoint):
    """Times 0.9 and 1.4 inside the span, the beginning itself a variable: d/dt0 = a y, d/dt_i = -a y_i, d/da = -(t_i - t0) y_i."""
    x, weights = np.array([2.0, 0.8, 0.3, 0.9, 1.4]), np.array([1.0, 2.0])
    y = weights * 2.0 * np.exp(-0.8 * (x[3:] - x[2]))
    want = [y.sum() / 2.0, -np.sum(y * (x[3:] - x[2])), 0.8 * y.sum(), *(-0.8 * y)]
    for derivative in DERIVATIVES:
        got = derivative(lambda x: solve(x, (x[2], 1.5), x[3:], method, adjoint) @ weights)(x)
        np.testing.assert_allclose(got, want, rtol=1e-5, err_msg=derivative.__name__)


@pytest.mark.parametrize("adjoint", ADJOINTS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("saved", [True, False], ids=["saved", "every step"])
def test_both_ends(method, adjoint, saved):
    """The last state, and three times the first, which is y0 whatever t0; asked for by t_eval, or as ends of all steps."""
    x = np.array([2.0, 0.8, 0.3, 1.4])
    y = 2.0 * np.exp(-0.8 * 1.1)

    def loss(x):
        states = solve(x, (x[2], x[3]), x[2:] if saved else None, method, adjoint)
        return states[-1] + 3.0 * states[0]

    for derivative in DERIVATIVES:
        got = derivative(loss)(x)
        np.testing.assert_allclose(got, [y / 2.0 + 3.0, -1.1 * y, 0.8 * y, -0.8 * y], rtol=1e-6, err_msg=derivative.__name__)


def test_orders_have_as_much_room_as_times():
    """A record that begins with room for many steps of a multistep method: the kernel writes an order for each."""
    from sciad.field import Field
    from sciad.solvers.methods import METHODS as KNOWN
    from sciad.solvers.rhs import Rhs

    slots = new_slots(Rhs.of(Field(decay, (1,), (0.8,))), KNOWN["NDF"], 1, False, 1000, 0)
    record = Record(slots, 1, 10**9, True, rows=700)
    assert len(record.orders) == len(record.times) >= 700
