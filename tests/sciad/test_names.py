"""Public names are what they are said to be, whichever module of the package was imported first."""

from __future__ import annotations

import importlib
import pkgutil
import types

import sciad


def test_no_module_hides_a_name():
    """A submodule of the name of a function would take its place as soon as somebody imports it."""
    for module in pkgutil.iter_modules(sciad.__path__):
        importlib.import_module(f"sciad.{module.name}")
    modules = {"cache", "linalg", "nn", "optim"}
    for name in sciad.__all__:
        assert isinstance(getattr(sciad, name), types.ModuleType) == (name in modules), name
