"""Order conditions of every explicit tableau, its error estimates and its dense output."""

from fractions import Fraction

import pytest

from sciad.solvers.explicit import EXPLICIT
from sciad.solvers.tableau import powers_from_nested
from tests.solvers.trees import Conditions, trees

METHODS = list(EXPLICIT.values())
TIGHT = 1e-14  # coefficients that are printed with 16 digits and more
THETAS = [Fraction(1, 3), Fraction(7, 10), Fraction(1)]


@pytest.fixture(scope="module", params=METHODS, ids=lambda m: m.name)
def case(request):
    tableau = request.param.tableau
    return tableau, Conditions(tableau.exact_a)


def test_trees_are_counted_right():
    assert [len(trees(order)) for order in range(1, 10)] == [1, 1, 2, 4, 9, 20, 48, 115, 286]


def test_nodes_are_row_sums(case):
    tableau, _ = case
    for c, row in zip(tableau.exact_c, tableau.exact_a):
        assert abs(float(c - sum(row))) < TIGHT


def test_order_of_the_step(case):
    tableau, conditions = case
    assert max(conditions.defect(tableau.exact_b, r) for r in range(1, tableau.order + 1)) < TIGHT
    assert conditions.defect(tableau.exact_b, tableau.order + 1) > 1e-8


def test_order_of_the_error_estimate(case):
    tableau, conditions = case
    for low, order in ((False, tableau.embedded), (True, tableau.embedded_low)):
        if not order:
            continue
        b_hat = [b - e for b, e in zip(tableau.exact_b, tableau.exact_error(low))]
        assert max(conditions.defect(b_hat, r) for r in range(1, order + 1)) < TIGHT
        assert conditions.defect(b_hat, order + 1) > 1e-8


def test_order_of_the_dense_output(case):
    tableau, conditions = case
    powers = [powers_from_nested(row) for row in tableau.exact_dense]
    for theta in THETAS:
        weights = [sum(p * theta ** (m + 1) for m, p in enumerate(row)) for row in powers]
        defect = max(conditions.defect(weights, r, theta) for r in range(1, tableau.dense_order + 1))
        assert defect < 1e-11, f"at theta = {theta}"  # DOP853's interpolant has coefficients of 1e3 with 16 digits


def test_dense_output_ends_at_the_step(case):
    tableau, _ = case
    ends = [row[0] for row in tableau.exact_dense]
    expected = list(tableau.exact_b) + [0] * tableau.n_extra
    assert max(abs(float(x - y)) for x, y in zip(ends, expected)) < 1e-12
