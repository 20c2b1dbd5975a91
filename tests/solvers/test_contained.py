"""Steps that contain a short right-hand side do what steps that call it do."""

import importlib.util
import math
import time
from dataclasses import replace

import numpy as np
import pytest

import sciad
from sciad.field import Field
from sciad.solvers.explicit import EXPLICIT
from sciad.solvers.integrate import integrate
from sciad.solvers.rhs import Rhs
from sciad.solvers.status import Status

METHODS = ("Vern7", "DOP853")
P = np.array([10.0, 28.0, 8 / 3])


def lorenz(t, y, p):
    return np.array([p[0] * (y[1] - y[0]), y[0] * (p[1] - y[2]) - y[1], y[0] * y[1] - p[2] * y[2]])


def swing(t, y, p):
    return np.array([y[1], math.sin(t) - p[0] * y[0]])


def guarded(t, y, p):
    assert y[0] <= 2.0
    return np.array([y[0]])


@pytest.fixture(scope="module")
def fields():
    return {f: Rhs.of(Field(f, (n,), (P,))) for f, n in ((lorenz, 3), (swing, 2), (guarded, 1))}


def both(rhs, method, *given, **options):
    assert EXPLICIT[method].step_with(rhs) != EXPLICIT[method].step
    plain = replace(rhs, inline=lambda: None)
    assert EXPLICIT[method].step_with(plain) == EXPLICIT[method].step
    return [integrate(r, *given, method, **options) for r in (rhs, plain)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("fun", "span"), [(lorenz, (0.0, 1.0)), (swing, (3.0, -2.0))])
def test_same_steps_and_saved_states(fields, method, fun, span):
    rhs = fields[fun]
    times = np.linspace(*span, 17)[1:]
    one, other = both(rhs, method, span, np.arange(1.0, rhs.n + 1), P, t_eval=times, rtol=1e-8, atol=1e-8)
    assert one.counts == other.counts
    assert one.nreject + one.naccept > 10
    np.testing.assert_allclose(one.ys, other.ys, rtol=1e-11, atol=1e-12)


def test_fixed_steps_need_no_tolerance(fields):
    one, other = both(fields[swing], "DOP853", (0.0, 1.0), np.array([1.0, 0.0]), P, fixed_step=0.1)
    assert len(one.t) == 11
    np.testing.assert_allclose(one.ys, other.ys, rtol=1e-13)


def test_infinite_tolerances_and_states(fields):
    """An infinite atol takes a component out of the norm; a state that overflows rejects the step."""
    one, other = both(fields[lorenz], "Vern7", (0.0, 1.0), np.ones(3), P, rtol=1e-6, atol=np.array([1e-6, np.inf, 1e-6]))
    assert one.counts == other.counts
    one, other = both(fields[lorenz], "Vern7", (0.0, 1.0), np.full(3, 1e200), P, max_steps=30)
    assert one.status == other.status != Status.SUCCESS
    assert one.counts == other.counts


def test_the_status_of_the_right_hand_side_ends_the_solve(fields):
    one, other = both(fields[guarded], "Vern7", (0.0, 1.0), np.ones(1), P)
    assert one.status == other.status == Status.ABORTED
    assert one.t[-1] == pytest.approx(other.t[-1], rel=1e-12)
    assert one.t[-1] < math.log(2.0)


@pytest.mark.parametrize("n", [0, 9])
def test_long_right_hand_sides_and_empty_states_are_called(n):
    rhs = Rhs.of(Field(lambda t, y: -y, (n,), ()))
    assert rhs.inline() is None
    assert EXPLICIT["Vern7"].step_with(rhs) == EXPLICIT["Vern7"].step
    assert integrate(rhs, (0.0, 1.0), np.ones(n), np.empty(0), "Vern7").success


def test_right_hand_sides_of_one_name(tmp_path):
    """Two functions whose generated code differs only in what it calls, compiled in one process: each step contains its own."""
    found = []
    for k, body in enumerate(("[-p[0] * y[0], -p[1] * y[1]]", "[-p[1] * y[0], -p[0] * y[1]]")):
        path = tmp_path / f"one_of_two_{k}.py"
        path.write_text(f"import numpy as np\n\n\ndef decay(t, y, p):\n    return np.array({body})  # {time.time_ns()}\n")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        solved = sciad.solve_ivp(module.decay, (0.0, 1.0), [1.0, 1.0], "Vern7", [1.0], args=(np.array([1.0, 2.0]),), rtol=1e-10, atol=1e-12)
        found.append(solved.ys[0])
    np.testing.assert_allclose(found, np.exp([[-1.0, -2.0], [-2.0, -1.0]]), rtol=1e-9)
