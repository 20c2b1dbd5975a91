"""Linear algebra of implicit steps, as C functions that the step kernels call through addresses."""

from sciad.solvers.linear.complex import dense_complex
from sciad.solvers.linear.dense import dense

__all__ = ["dense", "dense_complex"]
