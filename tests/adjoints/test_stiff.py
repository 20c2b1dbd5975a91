"""Continuous adjoints and forward sensitivities of implicit solves, and what adjoint "auto" makes of them."""

import numpy as np
import pytest
from adjoint_references import gradient, lotka_volterra, lotka_volterra_reference, variational

from sciad.adjoints import ADJOINTS, Automatic, Backsolve, Discrete, Forward, Gauss, Interpolating, Quadrature
from sciad.errors import SolveError
from sciad.field import Field
from sciad.solvers.auto import Auto
from sciad.solvers.integrate import integrate
from sciad.solvers.methods import METHODS
from sciad.solvers.rhs import Rhs

IMPLICIT = [name for name, method in METHODS.items() if method.implicit]


def rober(t, y, p):
    slow, fast, back = p[0] * y[0], p[1] * y[1] * y[1], p[2] * y[1] * y[2]
    return np.array([back - slow, slow - back - fast, fast])


def oregonator(t, y, p):
    return np.array([p[0] * (y[1] + y[0] * (1 - p[2] * y[0] - y[1])), (y[2] - (1 + y[0]) * y[1]) / p[0], p[1] * (y[0] - y[2])])


def relaxing(t, y, p):
    """Fast relaxation to a moving target, and a slow component that feels it; depends on time."""
    return np.array([-p[0] * (y[0] - np.cos(p[1] * t) * y[1]), -y[1] * y[0] + p[2]])


# Loss, problem, and gradients published to ten digits, computed twice with 30 digits by two methods.
ROBER = [1.0, 0.0, 0.0], [0.04, 3e7, 1e4], (0.0, 1e5), np.r_[0.0, np.logspace(-4, 5, 50)]
ROBER_Y0 = np.array([55.443233216322135, 62443.021193975525, 21.929724969583454])
ROBER_P = np.array([103.76680133704929, -1.219057487520601e-07, -5.678794885254603e-05])
OREGO = [1.0, 2.0, 3.0], [77.27, 0.161, 8.375e-06], (0.0, 360.0), np.array([360.0])
OREGO_Y0 = np.array([-0.0001106581334010546, 0.7131945856442069, 0.061575700298743846])
OREGO_P = np.array([0.12945623585665228, -20.534251907880417, -292074.6113313446])


@pytest.fixture(scope="module")
def stiff():
    """The three problems, compiled once."""
    return {f.__name__: Rhs.of(Field(f, (n,), (np.ones(3),))) for f, n in ((rober, 3), (oregonator, 3), (relaxing, 2))}


def rober_gradient(adjoint, stiff, **options):
    y0, p, span, times = ROBER
    solution, residuals = adjoint.forward(stiff["rober"], span, np.array(y0), np.array(p), times, options)
    return adjoint.backward(stiff["rober"], residuals, np.tile([1.0, 1e4, 1.0], (len(times), 1)))


@pytest.mark.parametrize("name", ["gauss", "quadrature", "interpolating", "forward", "auto"])
@pytest.mark.parametrize("method", ["Rodas5P", "RadauIIA5", "Kvaerno5"])
def test_published_gradient_of_rober(stiff, name, method):
    """51 saved times over nine decades: to six digits, to four where it is the derivative of the steps."""
    got = rober_gradient(ADJOINTS[name], stiff, method=method, rtol=1e-9, atol=1e-12)
    close = 1e-4 if name == "auto" else 1e-6
    np.testing.assert_allclose(got[0], ROBER_Y0, rtol=close)
    np.testing.assert_allclose(got[1], ROBER_P, rtol=close)


@pytest.mark.parametrize("name", ["gauss", "interpolating", "forward", "auto"])
def test_published_gradient_of_the_oregonator(stiff, name):
    """A relaxation oscillation over one period, whose sensitivities are large."""
    y0, p, span, times = OREGO
    adjoint, options = ADJOINTS[name], {"method": "RadauIIA5", "rtol": 1e-8, "atol": 1e-10}
    solution, residuals = adjoint.forward(stiff["oregonator"], span, np.array(y0), np.array(p), times, options)
    got = adjoint.backward(stiff["oregonator"], residuals, np.full((1, 3), 1 / solution.ys[-1].sum()))
    np.testing.assert_allclose(got[0], OREGO_Y0, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(got[1], OREGO_P, rtol=1e-5)


@pytest.mark.parametrize("method", IMPLICIT)
@pytest.mark.parametrize("name", ["gauss", "quadrature", "interpolating", "forward"])
def test_loose_tolerances_give_no_nonsense(stiff, name, method):
    """At 1e-5 every method and adjoint has the gradient of ROBER to a percent: dense output in the transients of lambda is not trusted."""
    got = rober_gradient(ADJOINTS[name], stiff, method=method, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(got[0], ROBER_Y0, rtol=1e-2)
    np.testing.assert_allclose(got[1], ROBER_P, rtol=1e-2)


@pytest.mark.parametrize("method", IMPLICIT)
@pytest.mark.parametrize("name", ["gauss", "quadrature", "interpolating", "forward"])
def test_time_dependent_problem(stiff, name, method, rng):
    """f_t in the forward and in the reverse solve, against variational equations by SciPy's Radau."""
    p, y0, times = np.array([80.0, 1.7, 0.3]), np.array([0.2, 1.0]), np.array([0.3, 1.0, 2.0])
    ys_bar = rng.normal(size=(3, 2))
    reference = variational(
        relaxing,
        lambda t, y, p: np.array([[-p[0], p[0] * np.cos(p[1] * t)], [-y[1], -y[0]]]),
        lambda t, y, p: np.array([[-(y[0] - np.cos(p[1] * t) * y[1]), -p[0] * t * np.sin(p[1] * t) * y[1], 0.0], [0.0, 0.0, 1.0]]),
        (0.0, 2.0), y0, p, times,
    )  # fmt: skip
    order = getattr(METHODS[method], "order", 0) or METHODS[method].error_order
    tolerance = 1e-8 if order >= 4 else 1e-6
    adjoint, options = ADJOINTS[name], {"method": method, "rtol": tolerance, "atol": tolerance}
    _, residuals = adjoint.forward(stiff["relaxing"], (0.0, 2.0), y0, p, times, options)
    got = np.concatenate(adjoint.backward(stiff["relaxing"], residuals, ys_bar)[:2])
    want = np.concatenate(gradient(reference, ys_bar))
    assert np.max(np.abs(got - want)) / np.max(np.abs(want)) < 300 * tolerance


@pytest.mark.parametrize("adjoint", [Gauss(checkpoints=6), Interpolating(checkpoints=6)], ids=["gauss", "interpolating"])
@pytest.mark.parametrize("method", ["Rodas5P", "RadauIIA5", "NDF"])
def test_checkpoints_of_implicit_solves(stiff, adjoint, method):
    """Stretches are solved anew, to the same tolerances."""
    got = rober_gradient(adjoint, stiff, method=method, rtol=1e-8, atol=1e-11)
    close = 1e-3 if method == "NDF" else 1e-5
    np.testing.assert_allclose(got[0], ROBER_Y0, rtol=close)
    np.testing.assert_allclose(got[1], ROBER_P, rtol=close)


def test_backsolve_refuses_stiff_problems(stiff):
    """ROBER cannot be integrated backwards; no number comes out."""
    with pytest.raises(SolveError, match=r"backsolve adjoint: .*(left the forward one|failed).*adjoint='discrete'"):
        rober_gradient(Backsolve(), stiff, method="Rodas5P", rtol=1e-6, atol=1e-8)


def test_discrete_refuses_implicit_methods_that_it_does_not_transpose(stiff, monkeypatch):
    """By name, with what to use instead; also where method "auto" takes one."""
    monkeypatch.setattr("sciad.adjoints.stiff.has_transpose", lambda *_: False)
    for method in ("NDF", Auto(stiff=METHODS["NDF"])):
        with pytest.raises(SolveError, match="discrete adjoint does not know NDF; use adjoint='gauss'"):
            rober_gradient(Discrete(), stiff, method=method, rtol=1e-6, atol=1e-8)


def test_quadrature_names_the_methods_it_cannot_use(stiff):
    """A reverse method whose dense output cannot be trusted is refused if asked for."""
    with pytest.raises(ValueError, match="cannot use NDF for its reverse solve.*Rodas5P"):
        rober_gradient(Quadrature(method="NDF"), stiff, method="Rodas5P")


@pytest.mark.parametrize("name", ["auto", "gauss", "quadrature", "interpolating", "forward"])
def test_solve_that_switches_methods(stiff, name):
    """Method "auto" on ROBER: continuous adjoints go back over explicit and implicit pieces, each with a method of its kind."""
    got = rober_gradient(ADJOINTS[name], stiff, method="auto", rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(got[0], ROBER_Y0, rtol=1e-5)
    np.testing.assert_allclose(got[1], ROBER_P, rtol=1e-5)


@pytest.mark.parametrize(("stiff_method", "chosen"), [("Rodas5P", "discrete"), ("NDF", "discrete")])
def test_which_adjoint_auto_takes(stiff, stiff_method, chosen):
    """Discrete where the transposed steps of both methods are known, else Gauss; it says so, and the gradient is right."""
    y0, p, span, times = ROBER
    options = {"method": Auto(stiff=METHODS[stiff_method]), "rtol": 1e-6, "atol": 1e-9}
    adjoint = Automatic()
    solution, residuals = adjoint.forward(stiff["rober"], span, np.array(y0), np.array(p), times, options)
    assert len(solution.pieces) == 1  # explicit first steps would go beyond their stability
    assert adjoint.which(residuals).startswith(f"{chosen}: the steps were those of {stiff_method}")
    got = adjoint.backward(stiff["rober"], residuals, np.tile([1.0, 1e4, 1.0], (len(times), 1)))
    np.testing.assert_allclose(got[1], ROBER_P, rtol=1e-2)


@pytest.mark.parametrize("method", ["auto", "Vern7"])
def test_auto_is_discrete_where_all_steps_are_explicit(method, rng):
    """The gradient of the discrete adjoint, from the record of a solve that might have switched but did not."""
    y0, p, times = np.array([1.0, 1.2]), np.array([1.5, 1.0, 3.0, 1.0]), np.linspace(0.0, 3.0, 7)
    ys_bar, options = rng.normal(size=(7, 2)), {"rtol": 1e-8, "atol": 1e-8}
    adjoint = Automatic()
    _, residuals = adjoint.forward(lotka_volterra(), (0.0, 3.0), y0, p, times, options | {"method": method})
    assert adjoint.which(residuals).startswith("discrete")
    got = adjoint.backward(lotka_volterra(), residuals, ys_bar)
    _, kept = Discrete("states").forward(lotka_volterra(), (0.0, 3.0), y0, p, times, options | {"method": "Vern7"})
    for x, y in zip(got, Discrete("states").backward(lotka_volterra(), kept, ys_bar)):
        np.testing.assert_allclose(x, y, rtol=1e-9)
    want = gradient(lotka_volterra_reference((0.0, 3.0), y0, p, times), ys_bar)
    np.testing.assert_allclose(got[1], want[1], rtol=1e-5)
    for directional in (Discrete(), adjoint):
        _, ys_dot = directional.jvp(lotka_volterra(), (0.0, 3.0), y0, p, times, options | {"method": method}, y0, p)
        np.testing.assert_allclose(np.sum(ys_bar * ys_dot), want[0] @ y0 + want[1] @ p, rtol=1e-5)


@pytest.mark.parametrize("name", ["gauss", "forward", "auto"])
def test_jvp_of_a_stiff_solve(stiff, name):
    """The directional derivative, contracted with the cotangent of the loss, is the published gradient's."""
    y0, p, span, times = ROBER
    y0_dot, p_dot = np.array([0.3, 1e-5, 0.1]), np.array([0.01, 1e6, -200.0])
    _, ys_dot = ADJOINTS[name].jvp(stiff["rober"], span, y0, p, times, {"method": "Rodas5P", "rtol": 1e-8, "atol": 1e-11}, y0_dot, p_dot)
    np.testing.assert_allclose(np.sum(ys_dot @ [1.0, 1e4, 1.0]), ROBER_Y0 @ y0_dot + ROBER_P @ p_dot, rtol=1e-6)


def test_forward_without_error_control_takes_the_steps_of_the_plain_solve(stiff):
    """Implicit methods too: the tangents do not count, and the steps are those of the solve alone but for rounding in their sizes."""
    y0, p, span, times = ROBER
    options = {"rtol": 1e-6, "atol": 1e-9}
    solution, _ = Forward(error_control=False).forward(stiff["rober"], span, y0, p, times, options | {"method": "Rodas5P"})
    plain = integrate(stiff["rober"], span, y0, p, "Rodas5P", times, **options)
    assert (solution.naccept, solution.nreject) == (plain.naccept, plain.nreject)
    np.testing.assert_allclose(solution.ys, plain.ys, rtol=1e-4)


@pytest.mark.parametrize("name", ["backsolve"])
def test_mass_matrices_are_refused(stiff, name):
    """The equations solved backwards are those of y' = f: a mass matrix raises, it is not ignored."""
    y0, p, span, times = ROBER
    options = {"method": "Rodas5P", "mass": np.diag([1.0, 1.0, 2.0])}
    with pytest.raises(SolveError, match="not for mass matrices; use adjoint='discrete'"):
        ADJOINTS[name].forward(stiff["rober"], span, np.array(y0), np.array(p), times, options)


def test_auto_without_second_derivatives(rng):
    """A right-hand side that offers no `jvp_rev` goes back by Gauss where steps were those of a Rosenbrock method."""
    y0, p, times = np.array([1.0, 1.2]), np.array([1.5, 1.0, 3.0, 1.0]), np.array([1.0, 3.0])
    ys_bar = rng.normal(size=(2, 2))
    adjoint = Automatic()
    options = {"method": "Rodas5P", "rtol": 1e-9, "atol": 1e-9}
    _, residuals = adjoint.forward(lotka_volterra(), (0.0, 3.0), y0, p, times, options)
    assert adjoint.which(residuals).startswith("gauss")
    want = gradient(lotka_volterra_reference((0.0, 3.0), y0, p, times), ys_bar)
    np.testing.assert_allclose(adjoint.backward(lotka_volterra(), residuals, ys_bar)[1], want[1], rtol=1e-6)
