"""One evaluation of the right-hand side, with or without its tape."""

from __future__ import annotations

from sciad.backend import call_address
from sciad.solvers.layout import N_F, TAPE, TAPE_STRIDE, F, P
from sciad.solvers.memory import get_int, put_int

__all__ = ["derivative"]


def derivative(t, y, dy, slots, stage):
    """dy = f(t, y, p) as stage number `stage` (from 0); returns the status of the right-hand side."""
    f, p, tape = get_int(slots, F), get_int(slots, P), get_int(slots, TAPE)
    put_int(slots, N_F, get_int(slots, N_F) + 1)
    if tape == 0:
        return call_address(f, t, y, p, dy)
    return call_address(f, t, y, p, dy, tape + stage * get_int(slots, TAPE_STRIDE))
