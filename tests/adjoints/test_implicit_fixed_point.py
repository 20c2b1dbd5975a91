"""Derivatives of fixed points: closed forms, batches, unrolling as the judge, and the bias that cheaper rules declare."""

import math
import tracemalloc

import numpy as np
import pytest

import sciad
from sciad.adjoints import Implicit, JacobianFree, Neumann, Unrolled
from sciad.solvers.nonlinear import fixed_point


def cosine(x, c):
    return math.cos(c * x)


def cell(z, W, U, X, b):
    return np.tanh(z @ W.T + X @ U.T + b)


@pytest.fixture(scope="module")
def problem():
    """Weights (70, 70) of norm 0.6, U (70, 2), X (3, 2), b (70,), target (3, 70): more unknowns than are solved for with matrices."""
    rng = np.random.default_rng(11)
    W = rng.standard_normal((70, 70))
    return 0.6 * W / np.linalg.norm(W, 2), rng.standard_normal((70, 2)), rng.standard_normal((3, 2)), 0.1 * rng.standard_normal(70)


def loss_of(problem, adjoint, **options):
    W, U, X, b = problem
    w = np.cos(np.arange(210.0)).reshape(3, 70)
    return lambda W, U, X, b: np.sum(w * fixed_point(cell, np.zeros((3, 70)), (W, U, X, b), adjoint=adjoint, **options))


def by_hand(problem):
    """Cotangents of W, U, X and b, row by row with dense solves."""
    W, U, X, b = problem
    z = fixed_point(cell, np.zeros((3, 70)), problem, xtol=1e-13)
    w = np.cos(np.arange(210.0)).reshape(3, 70)
    pre = np.stack([(1 - row**2) * np.linalg.solve((np.eye(70) - (1 - row**2)[:, None] * W).T, bar) for row, bar in zip(z, w)])
    return pre.T @ z, pre.T @ X, pre @ U, pre.sum(axis=0)


def error(found, expected):
    return max(np.max(np.abs(f - e)) / np.max(np.abs(e)) for f, e in zip(found, expected))


def test_dottie_number_in_closed_form():
    """x = cos cx: x' = -x sin cx / (1 + c sin cx), both modes, second order by a difference of that formula."""

    def first(c):
        x = fixed_point(cosine, 0.5, c, xtol=1e-14)
        return -x * math.sin(c * x) / (1.0 + c * math.sin(c * x))

    solve = lambda c: fixed_point(cosine, 0.5, c)
    assert first(1.0) == pytest.approx(-0.2974743415, abs=1e-10)
    assert sciad.grad(solve)(1.0) == pytest.approx(first(1.0), rel=1e-9)
    assert sciad.jvp(solve, (1.0,), (2.0,))[1] == pytest.approx(2.0 * first(1.0), rel=1e-9)
    assert sciad.grad(sciad.grad(solve))(1.0) == pytest.approx((first(1 + 1e-4) - first(1 - 1e-4)) / 2e-4, rel=1e-6)


@pytest.mark.parametrize("method", ["iteration", "anderson", "broyden"])
def test_batch(problem, method):
    """All weights and inputs of a batch, without matrices."""
    gradient = sciad.grad(loss_of(problem, "implicit", method=method), argnums=(0, 1, 2, 3))(*problem)
    assert error(gradient, by_hand(problem)) < 1e-8


@pytest.mark.parametrize("adjoint", [Implicit("krylov", rtol=1e-13), Implicit("dense"), "direct"])
def test_rules_agree(problem, adjoint):
    """At a converged point: products only, factors, and the unrolled iteration."""
    gradient = sciad.grad(loss_of(problem, adjoint, xtol=1e-12), argnums=(0, 1, 2, 3))(*problem)
    assert error(gradient, by_hand(problem)) < 1e-10


def test_bias_of_cheaper_rules(problem):
    """Neumann's error falls as rho^terms; one term is the Jacobian-free rule; neither is silently the exact one."""
    exact = by_hand(problem)
    errors = [error(sciad.grad(loss_of(problem, Neumann(k)), argnums=(0, 1, 2, 3))(*problem), exact) for k in (1, 4, 8, 30)]
    assert errors[0] > 1e-2
    assert errors[3] < 1e-6
    assert all(later < 0.6 * earlier for earlier, later in zip(errors, errors[1:]))
    free = sciad.grad(loss_of(problem, "jacobian-free"), argnums=(0, 1, 2, 3))(*problem)
    one = sciad.grad(loss_of(problem, Neumann(1)), argnums=(0, 1, 2, 3))(*problem)
    assert error(free, one) < 1e-14
    assert sciad.adjoints.rules.RULES["neumann"] == Neumann(10)


def test_forward_mode_without_matrices(problem):
    """The tangent against the cotangents."""
    W, U, X, b = problem
    W_bar, _, X_bar, _ = by_hand(problem)
    _, dot = sciad.jvp(lambda W, X: loss_of(problem, "implicit")(W, U, X, b), (W, X), (W, X))
    assert dot == pytest.approx(np.sum(W_bar * W) + np.sum(X_bar * X), rel=1e-8)


def test_gmres_where_the_map_expands():
    """Anderson's method for the adjoint may stall where I - J is far from contraction; GMRES answers, and the residual is checked."""
    A = np.diag(np.linspace(-30.0, 0.9, 40))

    def affine(x, b):
        return A @ x + b

    b, w = np.ones(40), np.sin(np.arange(40.0))
    found = sciad.grad(lambda b: w @ fixed_point(affine, np.zeros(40), (b,), method="newton", adjoint=Implicit("krylov", rtol=1e-12)))(b)
    np.testing.assert_allclose(found, w / (1.0 - np.diag(A)), rtol=1e-9, atol=1e-11)


def shifted(x, p):
    return x + p * np.array([x[0] - 1.0, 0.0])


def test_singular_adjoint_system_raises():
    """Any second component is fixed: I - J is singular, with and without matrices."""
    for adjoint in (Implicit("dense"), Implicit("krylov"), Implicit()):
        with pytest.raises(sciad.SolveError, match="singular"):
            sciad.grad(lambda p, a=adjoint: np.sum(fixed_point(shifted, np.array([1.0, 2.0]), (p,), adjoint=a)))(-0.5)


def test_only_fixed_points_have_truncated_rules():
    """A root has no series to cut."""
    from sciad.solvers.nonlinear import root

    for adjoint in (Neumann(3), JacobianFree()):
        with pytest.raises(sciad.SciadError, match="fixed points"):
            sciad.grad(lambda c, a=adjoint: root(lambda x, c: x - c, 1.0, c, adjoint=a).x[0])(1.0)


def contraction(x, rate):
    return rate * x + 1.0


def test_cost_of_the_derivative_does_not_grow_with_the_iterations():
    """From 10 to 10,000 iterations: no more memory, and as many evaluations on the way back; unrolling keeps them all."""
    peaks, options = [], {"xtol": 1e-8, "maxiter": 20_000, "method": "iteration"}
    for rate in (0.1, 0.9975):
        tracemalloc.start()
        gradient = sciad.grad(lambda r: fixed_point(contraction, np.zeros(50), (r,), **options)[0])(rate)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert gradient == pytest.approx(1.0 / (1.0 - rate) ** 2, rel=1e-7)
    assert peaks[1] < 1.5 * peaks[0] + 20_000
    with pytest.raises(sciad.SciadError, match="does not converge"):
        sciad.grad(lambda r: fixed_point(contraction, 0.0, (r,), adjoint="direct"))(-1.5)


def test_unrolled_to_a_given_depth():
    """Three iterations from 0: x = r^2 + r + 1, x' = 2r + 1."""
    gradient = sciad.grad(lambda r: fixed_point(contraction, 0.0, (r,), adjoint=Unrolled(iterations=3)))(0.3)
    assert gradient == pytest.approx(1.6, rel=1e-14)
