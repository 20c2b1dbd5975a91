"""Heun's second-order method (explicit trapezoidal rule), second-order dense output; Euler's method is the embedded one."""

from sciad.solvers.tableau import Tableau

HEUN = Tableau(
    name="Heun",
    order=2,
    embedded=1,
    c="0 1",
    a=("1",),
    b="1/2 1/2",
    b_hat="1 0",
    dense_order=2,
    dense=("1 -1/2", "0 1/2"),
)
