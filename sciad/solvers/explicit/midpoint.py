"""Explicit midpoint rule (Runge 1895), second-order dense output; Euler's method is the embedded one."""

from sciad.solvers.tableau import Tableau

MIDPOINT = Tableau(
    name="Midpoint",
    order=2,
    embedded=1,
    c="0 1/2",
    a=("1/2",),
    b="0 1",
    b_hat="1 0",
    dense_order=2,
    dense=("1 -1", "0 1"),
)
