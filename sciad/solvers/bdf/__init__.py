"""Variable-order multistep methods by name."""

from sciad.solvers.bdf.ndf import Ndf

__all__ = ["MULTISTEP", "Ndf"]

#: All multistep methods by the names of the literature.
MULTISTEP = {"NDF": Ndf()}
