"""What every test shares: seeded randomness, a headless matplotlib, Hypothesis without deadlines and always the same examples."""

import os

import numpy as np
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")

try:
    from hypothesis import settings
except ImportError:  # the tests that need it say so themselves
    pass
else:
    settings.register_profile("sciad", deadline=None, derandomize=True)
    settings.load_profile("sciad")


@pytest.fixture(autouse=True)
def _seeded():
    """NumPy's global generator starts from the same state in every test."""
    np.random.seed(20240607)  # noqa: NPY002


@pytest.fixture
def rng():
    """A generator of a test's own."""
    return np.random.default_rng(20240607)
