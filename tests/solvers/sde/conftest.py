"""Adjoints of SDEs become known by name where their module is imported."""

import sciad.adjoints.sde  # noqa: F401
