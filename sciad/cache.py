"""The folder of generated sources and compiled code: where it is, how big, and how to empty it.

>>> import sciad
>>> sciad.cache.size() >= 0
True
"""

from __future__ import annotations

import re
from pathlib import Path

from sciad.backend import cache_folder

__all__ = ["folder", "size", "clear"]

#: What sciad and numba write: sources, compiled functions with their index, and what a killed process left of them.
_OURS = re.compile(r"sciad_.*\.(py|pyc|nbi|nbc)(\.tmp.*)?$|tmp.*$|sciad-.*\.tmp$")


def folder() -> Path:
    """The folder, readable by this user only: ``$SCIAD_CACHE_DIR``, else ``$XDG_CACHE_HOME/sciad`` or ``~/.cache/sciad``.

    Where that cannot be written, and holds nothing that could be read, a temporary folder of this process.
    """
    return cache_folder()


def size() -> int:
    """Bytes of generated and compiled files."""
    return sum(_bytes(path) for path in _files())


def clear() -> int:
    """Remove all generated and compiled files, and give the number of bytes; what this process has loaded stays in use.

    Other processes compile anew.  Files that are not sciad's are left alone.
    """
    freed = 0
    for path in _files():
        n = _bytes(path)
        try:
            path.unlink()
            freed += n
        except OSError:  # gone already, or not ours to remove
            continue
    return freed


def _files() -> list[Path]:
    base = cache_folder()
    return [p for where in (base, base / "__pycache__") if where.is_dir() for p in where.iterdir() if p.is_file() and _OURS.match(p.name)]


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
