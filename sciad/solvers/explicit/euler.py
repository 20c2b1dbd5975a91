"""Euler's method: order 1, one stage, linear dense output, no error estimate (fixed steps only)."""

from sciad.solvers.tableau import Tableau

EULER = Tableau(name="Euler", order=1, c="0", a=(), b="1", dense_order=1, dense=("1",))
