"""The verifier runs after every pass in these tests."""

import pytest

from sciad import verify


@pytest.fixture(autouse=True)
def _verified(monkeypatch):
    monkeypatch.setattr(verify, "ENABLED", True)
