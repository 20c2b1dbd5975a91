"""Bogacki-Shampine 3(2), first same as last, cubic Hermite dense output: Appl. Math. Lett. 2 (1989) 321."""

from sciad.solvers.tableau import Tableau

BS3 = Tableau(
    name="BS3",
    order=3,
    embedded=2,
    c="0 1/2 3/4 1",
    a=(
        "1/2",
        "0 3/4",
        "2/9 1/3 4/9",
    ),
    b="2/9 1/3 4/9 0",
    b_hat="7/24 1/4 1/3 1/8",
    dense_order=3,
    dense=(
        "1 -4/3 5/9",
        "0 1 -2/3",
        "0 4/3 -8/9",
        "0 -1 1",
    ),
)
