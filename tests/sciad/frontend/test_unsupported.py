"""Everything that is refused is refused by name: file, line, construct, remedy; the table in docs is up to date."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import sciad

_spec = importlib.util.spec_from_file_location("rejected", Path(__file__).with_name("rejected.py"))
rejected = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(rejected)


@pytest.mark.parametrize(("function", "args"), rejected.REJECTED, ids=[f.__name__ for f, _ in rejected.REJECTED])
def test_refused(function, args):
    error = rejected.outcome(function, args)
    assert isinstance(error, sciad.UnsupportedSyntax), repr(error)
    assert Path(error.filename).name == "rejected.py"
    assert error.line == rejected.marked_line(function)
    assert error.construct
    assert error.remedy
    assert f"rejected.py:{error.line}: " in str(error)


def test_document_is_up_to_date():
    assert rejected.DOCUMENT.read_text() == rejected.document(), "run tests/sciad/frontend/rejected.py"
