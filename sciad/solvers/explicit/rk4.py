"""The classical method (Kutta 1901) with its third-order interpolant; no error estimate (fixed steps only)."""

from sciad.solvers.tableau import Tableau

RK4 = Tableau(
    name="RK4",
    order=4,
    c="0 1/2 1/2 1",
    a=(
        "1/2",
        "0 1/2",
        "0 0 1",
    ),
    b="1/6 1/3 1/3 1/6",
    dense_order=3,
    dense=(
        "1 -3/2 2/3",
        "0 1 -2/3",
        "0 1 -2/3",
        "0 -1/2 2/3",
    ),
)
