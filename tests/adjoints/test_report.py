"""`sol.adjoint_report`: which adjoint, why, and what is kept, with and without differentiation."""

import numpy as np
import pytest

import sciad


def decay(t, y, p):
    return -p[0] * y + p[1] * np.cos(t)


P, Y0, TIMES = np.array([1.3, 0.4, 7.0]), np.ones(2), np.array([0.5, 1.0])


def reports(method="Tsit5", fun=decay, **options):
    """The reports of a solve under reverse mode, under forward mode, and of a plain one."""
    seen = []

    def loss(p):
        sol = sciad.solve_ivp(fun, (0.0, 1.0), Y0, method, TIMES, args=(p,), **options)
        seen.append(sol.adjoint_report)
        return sol.ys.sum()

    sciad.grad(loss)(P)
    sciad.jvp(loss, (P,), (np.ones(3),))
    loss(P)
    return seen


def test_explicit_steps():
    reverse, forward, plain = reports()
    assert (reverse.adjoint, reverse.differentiated) == ("discrete", True)
    assert (forward.adjoint, forward.differentiated) == (plain.adjoint, plain.differentiated) == ("discrete", False)
    assert (reverse.n_states, reverse.n_parameters, reverse.methods, reverse.stiff) == (2, 3, ("Tsit5",), False)
    assert reverse.n_steps == plain.n_steps > 0
    assert 0 < plain.memory <= reverse.memory
    text = str(reverse)
    assert "why" in text
    assert "Tsit5" in text
    assert "2 states, 3 parameters" in text
    assert "would be" in str(plain)


@pytest.mark.parametrize(("method", "stiff"), [("Rodas5P", True), ("KenCarp4", True), ("auto", False)])
def test_what_auto_foresees_is_what_it_takes(method, stiff):
    reverse, _, plain = reports(method)
    assert (reverse.adjoint, reverse.stiff) == (plain.adjoint, plain.stiff)
    assert reverse.stiff == stiff


@pytest.mark.parametrize("adjoint", ["gauss", "forward", "backsolve"])
def test_what_was_asked_for(adjoint):
    reverse, _, plain = reports(adjoint=adjoint)
    assert reverse.adjoint == plain.adjoint == adjoint
    assert reverse.reason == plain.reason == "asked for"


def test_mass_matrix_without_second_derivatives():
    def opaque(t, y, p):
        return sciad.tape.array([*decay(t, y, {"p": p}["p"])])

    with pytest.warns(sciad.PerformanceWarning):
        reverse, _, plain = reports("Rodas5P", opaque, mass_matrix=2.0 * np.eye(2))
    assert reverse.adjoint == plain.adjoint == "forward"
    assert "mass matrix" in reverse.reason
    assert "second derivatives" in plain.reason


def test_events_and_fields_of_results():
    def low(t, y, p):
        return y[0] - 0.9

    seen = []

    def loss(p):
        seen.append(sciad.solve_ivp(decay, (0.0, 1.0), Y0, "Tsit5", TIMES, args=(p,), events=low))
        return seen[-1].ys.sum()

    sciad.grad(loss)(P)
    assert seen[0].adjoint_report.adjoint == "discrete"
    assert seen[0].adjoint_report.differentiated
    assert not [name for name in seen[0].keys() if name.startswith("_")]  # noqa: SIM118
