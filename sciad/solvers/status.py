"""How a solve ended, in a code and in a sentence that names the cause and the remedy."""

from __future__ import annotations

import ctypes
from enum import IntEnum

import numpy as np

from sciad.solvers import layout

__all__ = ["Status", "message"]


class Status(IntEnum):
    """End of a solve; failures are negative."""

    SUCCESS = layout.DONE
    STOPPED = layout.STOPPED
    TOO_MANY_STEPS = layout.TOO_MANY_STEPS
    STEP_TOO_SMALL = layout.STEP_TOO_SMALL
    BAD_START = layout.BAD_START
    BAD_STATE = layout.BAD_STATE
    ABORTED = layout.ABORTED
    INTERRUPTED = layout.INTERRUPTED
    INCONSISTENT = layout.INCONSISTENT


SUCCESS_TEXT = "The solver successfully reached the end of the integration interval."
STOPPED_TEXT = "A termination event occurred."
TEXTS = {
    Status.SUCCESS: SUCCESS_TEXT,
    Status.TOO_MANY_STEPS: (
        "max_steps = {max_steps} steps were taken, up to t = {t!r}, before the end at {t_end!r}. Raise max_steps, loosen rtol and "
        "atol, or, if the step size {h:.3g} is far below the time scale of the solution, use a stiff method."
    ),
    Status.STEP_TOO_SMALL: (
        "Required step size is less than {limit} at t = {t!r}: {cause}. The solution may be singular there, the right-hand side "
        "discontinuous, or the problem stiff: check f near this time, loosen rtol and atol, or use a stiff method."
    ),
    Status.BAD_START: "{cause} not finite (NaN or Inf) at the start, t = {t!r}. Check y0, the parameters and f there.",
    Status.BAD_STATE: (
        "The state became non-finite (NaN or Inf) in the step of fixed size {h:.3g} from t = {t!r}. "
        "Use smaller steps, or an adaptive method."
    ),
    Status.ABORTED: "The right-hand side stopped the integration at t = {t!r} (it returned an error code, or raised).",
    Status.INTERRUPTED: "Interrupted at t = {t!r}; what was integrated so far is returned.",
}


def _not_finite(slots, reals) -> str:
    """What is not finite: the first component of the right-hand side at the state or a little beyond it, where that can be told."""
    n, t, found = int(slots[layout.N]), float(reals[layout.T]), "the right-hand side or the state is"
    if slots[layout.STORE] == layout.TAPES:  # another function is in its place
        return found
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_double, *[ctypes.c_ssize_t] * 3)(int(slots[layout.F]))
    state = np.array((ctypes.c_double * n).from_address(int(slots[layout.Y])))
    dy, h = np.empty(n), float(reals[layout.DIRECTION] * reals[layout.H])
    for step in (0.0, h):
        moved = state + step * dy if step else state
        if function(t + step, moved.ctypes.data, int(slots[layout.P]), dy.ctypes.data) != 0:
            return found
        if not np.all(np.isfinite(dy)):
            return f"component {np.flatnonzero(~np.isfinite(dy))[0]} of the right-hand side is"
    return found


def message(status: Status, slots, reals) -> str:
    """The sentence for a status, filled in from the state of the loop."""
    if status >= 0:
        return SUCCESS_TEXT if status == 0 else STOPPED_TEXT
    t, min_step = float(reals[layout.T]), float(reals[layout.MIN_STEP])
    if status == Status.BAD_START:
        cause = _not_finite(slots, reals).capitalize()
    elif slots[layout.FAILED] == layout.SINGULAR:
        cause = "the iteration matrix I - gamma h J is singular for every size tried; check the Jacobian"
    elif slots[layout.FAILED] == layout.NO_CONVERGENCE:
        cause = "Newton's iteration does not converge with any size tried; check that `jac` is the Jacobian of f, and that f is smooth"
    elif slots[layout.NOT_FINITE]:
        cause = f"{_not_finite(slots, reals)} not finite (NaN or Inf) beyond it"
    elif reals[layout.MAX_STEP] <= min_step or slots[layout.REJECTED] == 0:
        cause = f"max_step = {reals[layout.MAX_STEP]:.3g} allows no more"
    else:
        cause = "the error test keeps failing"
    return TEXTS[status].format(
        t=t,
        t_end=float(reals[layout.T_END]),
        h=float(reals[layout.FIXED_STEP] or reals[layout.H]),
        max_steps=int(slots[layout.MAX_STEPS_ASKED]),
        limit=f"min_step = {min_step:.3g}" if min_step > 2.3e-15 * abs(t) else "spacing between numbers",
        cause=cause,
    )
