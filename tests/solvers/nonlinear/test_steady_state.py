"""`steady_state`: closed forms, integration to rest as the judge, stability, refusals."""

import numpy as np
import pytest

import sciad
from sciad.solvers.nonlinear import steady_state


def brusselator(dy, t, y, p):
    uuv = y[0] * y[0] * y[1]
    dy[0] = p[0] + uuv - (p[1] + 1.0) * y[0]
    dy[1] = p[1] * y[0] - uuv


def toggle(t, y, a):
    return np.array([a / (1.0 + y[1] ** 2) - y[0], a / (1.0 + y[0] ** 2) - y[1]])


@pytest.mark.parametrize("y0", [[1.2, 1.5], [5.0, 0.1], [0.2, 0.1]])
def test_brusselator(y0):
    """(A, B / A), stable for B < 1 + A^2; gradient of u^2 + v^2 in closed form."""
    p = np.array([1.0, 1.7])
    y, result = steady_state(brusselator, y0, (p,), full_output=True)
    np.testing.assert_allclose(y, [1.0, 1.7], rtol=1e-13)
    assert result.stable
    assert result.success
    np.testing.assert_allclose(np.sort(result.eigenvalues.imag), [-0.98868600, 0.98868600], rtol=1e-7)
    gradient = sciad.grad(lambda p: np.sum(steady_state(brusselator, y0, (p,)) ** 2))(p)
    np.testing.assert_allclose(gradient, [-3.78, 3.4], rtol=1e-12)
    assert not steady_state(brusselator, [1.0, 2.5], (np.array([1.0, 3.0]),), full_output=True)[1].stable


def test_follows_the_flow():
    """A bistable system: the state that integration leads to, from either side."""
    for y0 in ([3.0, 1.0], [1.0, 3.0]):
        sol = sciad.solve_ivp(toggle, (0.0, 100.0), y0, args=(4.0,), rtol=1e-9, atol=1e-9)
        y, result = steady_state(toggle, y0, (4.0,), full_output=True)
        np.testing.assert_allclose(y, sol.ys[-1], rtol=1e-6)
        assert result.stable


def test_hessian():
    """Second derivatives of B / A."""
    toggled = sciad.hessian(lambda p: steady_state(brusselator, [1.2, 1.5], (p,))[1])(np.array([2.0, 1.7]))
    np.testing.assert_allclose(toggled, [[2 * 1.7 / 8, -0.25], [-0.25, 0.0]], atol=1e-12)


def timed(t, y):
    return np.cos(t) - y


def conserving(t, y, k):
    return np.array([-k * y[0] + y[1], k * y[0] - y[1]])


def test_refusals():
    """Dependence on t, a conserved quantity under differentiation, nowhere at rest."""
    with pytest.raises(sciad.SciadError, match="depends on t"):
        steady_state(timed, [1.0])
    np.testing.assert_allclose(np.sum(steady_state(conserving, [1.0, 0.5], (2.0,), "pseudo-transient") * [2.0, -1.0]), 0.0, atol=1e-9)
    with pytest.raises(sciad.SolveError, match="singular"):
        sciad.grad(lambda k: steady_state(conserving, [1.0, 0.5], (k,))[0])(2.0)
    with pytest.raises(sciad.SolveError, match="steady_state of `<lambda>`|steady_state of `lambda`"):
        steady_state(lambda t, y: y * y + 1.0, [1.0], maxiter=50)
