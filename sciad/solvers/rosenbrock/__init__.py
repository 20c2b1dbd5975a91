"""Rosenbrock methods by name; each one's file holds its coefficients and nothing else."""

from sciad.solvers.rosenbrock.rodas4 import RODAS4
from sciad.solvers.rosenbrock.rodas5p import RODAS5P
from sciad.solvers.rosenbrock.rosenbrock23 import ROSENBROCK23
from sciad.solvers.rosenbrock.step import Rosenbrock

__all__ = ["ROSENBROCK", "Rosenbrock"]

#: All Rosenbrock methods by the names of the literature.
ROSENBROCK = {t.name: Rosenbrock(t) for t in (ROSENBROCK23, RODAS4, RODAS5P)}
