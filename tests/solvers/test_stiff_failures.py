"""Failures of implicit methods: each has a status, and a message that names cause and remedy."""

import numpy as np
import pytest

from sciad.field import Field
from sciad.solvers.integrate import integrate
from sciad.solvers.linear import Sparse
from sciad.solvers.methods import METHODS
from sciad.solvers.rhs import Rhs
from sciad.solvers.status import Status
from tests.solvers.stiff_problems import PROBLEMS

STIFF = [name for name, method in METHODS.items() if method.implicit]


def blows_up(dy, t, y):
    dy[0] = y[0] * y[0]


def no_number(dy, t, y):
    dy[0] = np.sqrt(1.0 - t) * y[0]


def linear(dy, t, y, a):
    dy[0] = -a * y[0]
    dy[1] = a * y[0] - y[1]


def compiled(fun, n=1, args=()):
    field = Field(fun, (n,), args, inplace=True)
    return Rhs.of(field)


@pytest.fixture(scope="module")
def square():
    return compiled(blows_up)


@pytest.fixture(scope="module")
def root():
    return compiled(no_number)


@pytest.mark.parametrize("method", STIFF)
def test_singular_solution(square, method):
    solution = integrate(square, (0.0, 2.0), np.ones(1), np.empty(0), method, rtol=1e-6, atol=1e-8)
    assert solution.status == Status.STEP_TOO_SMALL
    assert abs(solution.t[-1] - 1.0) < 1e-3
    assert "singular" in solution.message


@pytest.mark.parametrize("method", STIFF)
def test_not_a_number_on_the_way(root, method):
    solution = integrate(root, (0.0, 2.0), np.ones(1), np.empty(0), method, rtol=1e-6, atol=1e-8, max_steps=10_000)
    assert solution.status == Status.STEP_TOO_SMALL
    assert abs(solution.t[-1] - 1.0) < 1e-2
    assert np.all(np.isfinite(solution.ys))


@pytest.mark.parametrize("method", STIFF)
def test_not_a_number_at_the_start(root, method):
    solution = integrate(root, (1.5, 2.0), np.ones(1), np.empty(0), method)
    assert solution.status == Status.BAD_START


@pytest.mark.parametrize("method", STIFF)
def test_too_many_steps(method):
    rhs, y0, p = PROBLEMS["OREGO"].compiled()
    solution = integrate(rhs, (0.0, 360.0), y0, p, method, max_steps=15)
    assert solution.status == Status.TOO_MANY_STEPS
    assert "max_steps" in solution.message


def jac_address(function):
    from sciad.backend import cfunc, kernel_signature

    return cfunc(kernel_signature(1, 3), cache=False)(function)


@pytest.mark.parametrize("method", STIFF)
def test_jacobian_without_numbers(method):
    """No step size helps against a Jacobian of NaN."""
    from sciad.backend import view1d

    def wrong(t, y, p, out):
        for i in range(4):
            view1d(out, 4)[i] = np.nan
        return 0

    rhs, made = compiled(linear, 2, (1.0,)), jac_address(wrong)
    broken = Rhs(rhs.f, 2, 1, jac=lambda: made.address, autonomous=True, owner=(rhs, made))
    solution = integrate(broken, (0.0, 1.0), np.ones(2), np.ones(1), method)
    assert solution.status == Status.STEP_TOO_SMALL
    assert "not finite" in solution.message


@pytest.mark.parametrize("method", ["KenCarp4", "RadauIIA5", "NDF"])
def test_newton_survives_a_wrong_jacobian(method):
    """With J = 0 the iteration is a fixed-point one, which converges once h is small."""
    from sciad.backend import view1d

    def zero(t, y, p, out):
        view1d(out, 4)[:] = 0.0
        return 0

    rhs, made = compiled(linear, 2, (1.0,)), jac_address(zero)
    lazy = Rhs(rhs.f, 2, 1, jac=lambda: made.address, autonomous=True, owner=(rhs, made))
    p = np.array([20.0])
    solution = integrate(lazy, (0.0, 1.0), np.ones(2), p, method, np.array([1.0]), rtol=1e-6, atol=1e-9)
    assert solution.success
    c = -20.0 / 19.0
    assert np.max(np.abs(solution.ys[-1] - [np.exp(-20.0), c * np.exp(-20.0) + (1 - c) * np.exp(-1.0)])) < 1e-4


def test_tapes_are_for_explicit_methods():
    rhs, y0, p = PROBLEMS["OREGO"].compiled()
    with pytest.raises(ValueError, match="explicit"):
        integrate(rhs, (0.0, 1.0), y0, p, "Rodas4", store="tapes")


def test_fixed_steps_that_break():
    square = compiled(blows_up)
    solution = integrate(square, (0.0, 4.0), np.ones(1), np.empty(0), "KenCarp4", fixed_step=0.5)
    assert solution.status == Status.BAD_STATE


@pytest.mark.parametrize("method", STIFF)
def test_smallest_step_of_the_user(square, method):
    solution = integrate(square, (0.0, 2.0), np.ones(1), np.empty(0), method, rtol=1e-8, atol=1e-10, min_step=1e-4)
    assert solution.status == Status.STEP_TOO_SMALL
    assert "min_step = 0.0001" in solution.message
    assert solution.t[-1] < 1.0


def one_way(dy, t, y):
    dy[0] = 1e30 * y[1]
    dy[1] = 0.0 * y[0]


@pytest.mark.parametrize("method", ["Rodas5P", "KenCarp4", "NDF"])
def test_singular_iteration_matrix(method):
    """Without row exchanges the first pivot is nothing beside its row, whatever the step."""
    solution = integrate(compiled(one_way, 2), (1.0, 2.0), np.array([1.0, 0.0]), np.empty(0), method, linear=Sparse(np.ones((2, 2))))
    assert solution.status == Status.STEP_TOO_SMALL
    assert "iteration matrix" in solution.message
    assert "check the Jacobian" in solution.message
