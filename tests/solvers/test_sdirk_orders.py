"""Order conditions of ESDIRK methods, of their error estimates and of their dense output; what their stages assume."""

from fractions import Fraction

import numpy as np
import pytest

from sciad.solvers.sdirk import SDIRK
from tests.solvers.trees import Conditions

TIGHT = 2e-14  # Kvaerno's coefficients are printed with 15 to 17 digits


@pytest.fixture(scope="module", params=list(SDIRK.values()), ids=lambda m: m.name)
def case(request):
    tableau = request.param.tableau
    return tableau, Conditions(tableau.exact_a)


def test_nodes_are_row_sums_and_stages_have_order_two(case):
    tableau, _ = case
    a, c = np.array(tableau.exact_a, float), np.array(tableau.exact_c, float)
    assert np.max(abs(a.sum(axis=1) - c)) < 1e-14
    assert np.max(abs(a @ c - c**2 / 2)) < 1e-14


def test_order_of_the_step(case):
    tableau, conditions = case
    assert max(conditions.defect(tableau.exact_b, r) for r in range(1, tableau.order + 1)) < TIGHT
    assert conditions.defect(tableau.exact_b, tableau.order + 1) > 1e-6


def test_order_of_the_error_estimate(case):
    tableau, conditions = case
    b_hat = [b - e for b, e in zip(tableau.exact_b, tableau.exact_error)]
    order = 3 if tableau.name == "TRBDF2" else tableau.embedded  # there the estimate is the better of the two
    assert max(conditions.defect(b_hat, r) for r in range(1, order + 1)) < TIGHT
    assert conditions.defect(b_hat, order + 1) > 1e-6


def test_order_of_the_dense_output(case):
    tableau, conditions = case
    for theta in (Fraction(1, 3), Fraction(7, 10), Fraction(1)):
        weights = [sum(Fraction(float(p)) * theta ** (m + 1) for m, p in enumerate(row)) for row in tableau.dense_powers]
        orders = range(1, min(tableau.dense_order, tableau.order) + 1)
        assert max(conditions.defect(weights, r, theta) for r in orders) < 5e-14


def test_dense_output_has_the_right_slopes_at_both_ends(case):
    tableau, _ = case
    s, powers = tableau.n_stages, tableau.dense_powers
    degrees = np.arange(1, powers.shape[1] + 1)
    assert np.allclose(powers[:, 0], np.eye(s)[0], atol=1e-14)
    assert np.allclose(powers @ degrees, np.eye(s)[-1], atol=1e-13)


def test_l_stability_at_infinity(case):
    """R(infinity) = 0 for stiffly accurate methods with an explicit first stage: b^T A^-1 restricted gives a_s1 - b A22^-1 a_21 = 0."""
    tableau, _ = case
    a = np.array(tableau.exact_a, float)
    column = np.linalg.solve(a[1:, 1:], a[1:, 0])
    assert abs(column[-1]) < 1e-13


def test_predictors_reproduce_constants(case):
    tableau, _ = case
    assert all(abs(float(sum(row)) - 1) < 1e-14 for row in tableau.predictors[1:])
