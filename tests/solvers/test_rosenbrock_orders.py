"""Order conditions of Rosenbrock methods (Hairer & Wanner IV.7), of their error estimates and of their dense output."""

from fractions import Fraction

import pytest

from sciad.solvers.rosenbrock import ROSENBROCK
from sciad.solvers.tableau import powers_from_nested
from tests.solvers.trees import RosenbrockConditions

THETAS = [Fraction(1, 3), Fraction(7, 10), Fraction(1)]
TIGHT = 2e-13  # coefficients of 1e2 with 16 digits


@pytest.fixture(scope="module", params=list(ROSENBROCK.values()), ids=lambda m: m.name)
def case(request):
    tableau = request.param.tableau
    alpha, gamma = tableau.plain
    return tableau, RosenbrockConditions(alpha, gamma), gamma


def plain(weights, gamma):
    """Weights of the k_i from weights of u_i = h sum gamma_ij k_j."""
    return [sum(w * row[j] for w, row in zip(weights, gamma)) for j in range(len(gamma))]


def test_time_arguments_are_row_sums(case):
    tableau, _, gamma = case
    alpha, _ = tableau.plain
    for i in range(tableau.n_stages):
        assert abs(float(sum(alpha[i]) - tableau.exact_c[i])) < TIGHT
        assert abs(float(sum(gamma[i]) - tableau.exact_d[i])) < TIGHT


def test_order_of_the_step(case):
    tableau, conditions, gamma = case
    b = plain(tableau.exact_m, gamma)
    assert max(conditions.defect(b, r) for r in range(1, tableau.order + 1)) < TIGHT
    assert conditions.defect(b, tableau.order + 1) > 1e-6


def test_order_of_the_error_estimate(case):
    tableau, conditions, gamma = case
    b_hat = plain([m - e for m, e in zip(tableau.exact_m, tableau.exact_e)], gamma)
    orders = range(1, tableau.embedded + 1)
    assert max(conditions.defect(b_hat, r) for r in orders) < TIGHT
    if tableau.embedded < tableau.order:
        assert conditions.defect(b_hat, tableau.embedded + 1) > 1e-6


def test_order_of_the_dense_output(case):
    tableau, conditions, gamma = case
    powers = [powers_from_nested(row) for row in tableau.exact_dense]
    for theta in THETAS:
        weights = plain([sum(p * theta ** (m + 1) for m, p in enumerate(row)) for row in powers], gamma)
        assert max(conditions.defect(weights, r, theta) for r in range(1, tableau.dense_order + 1)) < TIGHT
    assert [row[0] for row in tableau.exact_dense] == list(tableau.exact_m)


def test_l_stability_at_infinity(case):
    """R(infinity) = 1 - b^T (alpha + gamma)^-1 1 = 0."""
    import numpy as np

    tableau, _, gamma = case
    alpha, _ = tableau.plain
    beta = np.array([[float(a + g) for a, g in zip(*rows)] for rows in zip(alpha, gamma)])
    b = np.array([float(x) for x in plain(tableau.exact_m, gamma)])
    assert abs(1 - b @ np.linalg.solve(beta, np.ones(len(b)))) < 1e-11
