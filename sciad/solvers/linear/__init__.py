"""Linear algebra of implicit steps, as C functions that the step kernels call through addresses."""

from sciad.solvers.linear.banded import Banded
from sciad.solvers.linear.complex import dense_complex, dense_complex_transposed
from sciad.solvers.linear.dense import Dense, dense
from sciad.solvers.linear.krylov import Krylov
from sciad.solvers.linear.sparse import Sparse

__all__ = ["Banded", "Dense", "Krylov", "Sparse", "dense", "dense_complex", "dense_complex_transposed"]
