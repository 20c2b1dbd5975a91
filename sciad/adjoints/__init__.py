"""Adjoints: how a solve is differentiated."""

from sciad.adjoints.discrete import Discrete

__all__ = ["ADJOINTS", "Discrete"]

#: Adjoints by name, with their default options.
ADJOINTS = {"auto": Discrete(), "discrete": Discrete()}
