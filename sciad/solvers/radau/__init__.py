"""Radau methods by name."""

from sciad.solvers.radau.radau5 import Radau

__all__ = ["RADAU", "Radau"]

#: All Radau methods by the names of the literature.
RADAU = {"RadauIIA5": Radau()}
