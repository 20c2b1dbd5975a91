"""ESDIRK methods by name; each one's file holds its coefficients and nothing else."""

from sciad.solvers.sdirk.kencarp4 import KENCARP4
from sciad.solvers.sdirk.kvaerno3 import KVAERNO3
from sciad.solvers.sdirk.kvaerno5 import KVAERNO5
from sciad.solvers.sdirk.step import Sdirk
from sciad.solvers.sdirk.trbdf2 import TRBDF2

__all__ = ["SDIRK", "Sdirk"]

#: All ESDIRK methods by the names of the literature.
SDIRK = {t.name: Sdirk(t) for t in (TRBDF2, KVAERNO3, KENCARP4, KVAERNO5)}
