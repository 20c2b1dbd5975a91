"""Explicit Runge-Kutta methods by name; each one's file holds its tableau and nothing else."""

from sciad.solvers.explicit.bs3 import BS3
from sciad.solvers.explicit.dop853 import DOP853
from sciad.solvers.explicit.dopri5 import DOPRI5
from sciad.solvers.explicit.erk import ERK
from sciad.solvers.explicit.euler import EULER
from sciad.solvers.explicit.heun import HEUN
from sciad.solvers.explicit.midpoint import MIDPOINT
from sciad.solvers.explicit.rk4 import RK4
from sciad.solvers.explicit.tsit5 import TSIT5
from sciad.solvers.explicit.vern7 import VERN7
from sciad.solvers.explicit.vern9 import VERN9

__all__ = ["ERK", "EXPLICIT"]

#: All explicit methods by the names of the literature.
EXPLICIT = {t.name: ERK(t) for t in (EULER, MIDPOINT, HEUN, RK4, BS3, DOPRI5, TSIT5, VERN7, VERN9, DOP853)}
