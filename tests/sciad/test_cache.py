"""The cache of generated and compiled code, across processes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import sciad

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import sys, time
from numba.core import event
import user, sciad
with event.install_recorder("numba:compile") as compilations:
    out, pull = sciad.vjp(sciad.jit(user.f), 0.5, 2.0)
    bars = pull(1.0)
print(out, bars[0], bars[1], len(compilations.buffer), sciad.cache.folder())
"""

HELPER = "def g(x):\n    return x * x\n"
USER = "from helper import g\n\n\ndef f(x, y):\n    s = 0.0\n    for i in range(3):\n        s += g(x) * y\n    return s\n"


@pytest.fixture
def place(tmp_path):
    """A folder with the user's modules, and a cache of its own."""
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "user.py").write_text(USER)
    (tmp_path / "main.py").write_text(PROGRAM)
    return tmp_path


def start(place: Path, cache: Path, **more) -> subprocess.Popen:
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "SCIAD_CACHE_DIR": str(cache), "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", **more}
    env.pop("NUMBA_CACHE_DIR", None)
    return subprocess.Popen([sys.executable, "main.py"], cwd=place, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> tuple[list[float], int, Path]:
    """Value and derivatives, number of compilations, and the folder that was used."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    value, x_bar, y_bar, compiled, folder = out.split()
    return [float(value), float(x_bar), float(y_bar)], int(compiled), Path(folder)


def test_a_second_process_compiles_nothing_and_edits_are_seen(place):
    """Two processes at once, then a third that finds all there; then a called function changes."""
    cache = place / "cache"
    both = [start(place, cache), start(place, cache)]
    for process in both:
        assert finish(process)[0] == [1.5, 6.0, 0.75]
    values, compiled, folder = finish(start(place, cache))
    assert values == [1.5, 6.0, 0.75]
    assert compiled == 0
    assert folder == cache
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    (place / "helper.py").write_text("def g(x):\n    return x * x * x\n")
    values, compiled, _ = finish(start(place, cache))
    assert values == [0.75, 4.5, 0.375]
    assert compiled > 0
    assert not [p for p in cache.iterdir() if p.suffix == ".tmp"]


def test_a_killed_process_leaves_no_broken_file(place):
    """Killed at any time, what it wrote is whole; what it left over is harmless and goes with `clear`."""
    cache = place / "cache"
    process = start(place, cache)
    while process.poll() is None and not (cache.is_dir() and any(cache.glob("sciad_*.py"))):
        pass
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()
    (cache / "sciad-left.tmp").write_text("half a fi")
    assert finish(start(place, cache))[0] == [1.5, 6.0, 0.75]


@pytest.mark.skipif(hasattr(os, "getuid") and os.getuid() == 0, reason="root writes where it likes")
def test_a_read_only_folder_is_not_needed(place):
    cache = place / "cache"
    cache.mkdir(mode=0o500)
    values, _, folder = finish(start(place, cache))
    assert values == [1.5, 6.0, 0.75]
    assert folder != cache
    assert not folder.exists()  # it went with the process


def test_a_folder_that_cannot_be_made_is_not_needed(place):
    """A file where the folder should be, which root cannot write into either."""
    cache = place / "cache"
    cache.write_text("")
    values, _, folder = finish(start(place, cache))
    assert values == [1.5, 6.0, 0.75]
    assert folder != cache
    assert not folder.exists()


def test_size_and_clear(tmp_path, monkeypatch):
    """`clear` removes what sciad and numba wrote, and nothing else."""
    monkeypatch.setattr(sciad.backend, "_folder", tmp_path)
    compiled = tmp_path / "__pycache__"
    compiled.mkdir()
    ours = [tmp_path / "sciad_f_0123.py", tmp_path / "sciad-1.tmp"]
    ours += [compiled / "sciad_f_0123.f-5.py311.nbi", compiled / "sciad_f_0123.f-5.py311.1.nbc"]
    for path in ours:
        path.write_text("0123456789")
    (tmp_path / "notes.txt").write_text("mine")
    assert sciad.cache.folder() == tmp_path
    assert sciad.cache.size() == 40
    assert sciad.cache.clear() == 40
    assert sciad.cache.size() == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"
