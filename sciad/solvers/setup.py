"""From the options of a solve to the two arrays that the compiled loop works on; what is wrong with them is said here."""

from __future__ import annotations

import math
import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from sciad.solvers import methods
from sciad.solvers.auto import Auto
from sciad.solvers.layout import (
    AFTER,
    ALPHA,
    ATOL,
    BETA_1,
    BETA_2,
    BETA_3,
    DENSE,
    EVERY,
    EXTRA_STEP,
    F_CALLS,
    FIRST_STEP,
    FIXED_STEP,
    FSAL,
    GROW,
    HEAD,
    MAX_STEP,
    MAX_STEPS,
    MAX_STEPS_ASKED,
    MIN_STEP,
    N_EXTRA,
    N_RESET,
    N_SLOTS,
    N_STAGES,
    NOTHING,
    ONE_PER_COUNT,
    RTOL,
    SAFETY,
    SHRINK,
    STAGE_STRIDE,
    STAGES,
    STATES,
    STEP,
    STORE,
    T_END,
    TAPE_SIZE,
    TAPE_STRIDE,
    TAPES,
    F,
    N,
    T,
)  # fmt: skip
from sciad.solvers.rhs import Rhs
from sciad.solvers.stepsize import Controller

__all__ = ["find_method", "store_level", "new_slots", "new_reals", "scales", "stops_between"]

STORES = {"none": NOTHING, "states": STATES, "stages": STAGES, "tapes": TAPES}
SMALLEST_RTOL = 100 * np.finfo(float).eps


def find_method(method: Any) -> Any:
    """The one method of a name or object; for "auto", the method that such solves begin with."""
    found = methods.find_method(method)
    return (found.explicit or methods.METHODS["Tsit5"]) if isinstance(found, Auto) else found


def store_level(store: str | None, max_states: int | None, saves: bool, dense_output: bool) -> int:
    """What to record: at least states where there is no t_eval, and at least stages for dense output."""
    level = max(STATES if not saves else NOTHING, STAGES if dense_output else NOTHING)
    if store is not None:
        if store not in STORES:
            raise ValueError(f"store must be one of {', '.join(map(repr, STORES))}, not {store!r}")
        level = max(level, STORES[store])
    if max_states is not None and (level != STATES or not saves or max_states < 2):
        raise ValueError(f"max_states = {max_states} needs store='states', t_eval, and room for 2 states at least")
    return level


def stops_between(times: Any, t0: float, t1: float) -> np.ndarray:
    """Those of the times that lie inside the interval, in the order in which a solve from t0 to t1 meets them."""
    times = np.unique(np.asarray(times, float))
    if not np.all(np.isfinite(times)):
        raise ValueError("`tstops` must be finite times")
    inside = times[(times > min(t0, t1)) & (times < max(t0, t1))]
    return inside if t1 >= t0 else inside[::-1]


def new_slots(rhs: Rhs, method: Any, level: int, dense: bool, max_steps: int, n_reset: int) -> np.ndarray:
    """The integer slots of a solve that has not begun; what depends on memory is filled in by the loop."""
    slots = _slot_options(method, level, dense, max_steps, n_reset).copy()
    slots[F], slots[N] = rhs.f, rhs.n
    if level != TAPES and not method.implicit:
        slots[STEP] = method.step_with(rhs)
    if level == TAPES:
        if method.implicit:
            raise ValueError(f"store='tapes' is for explicit methods; with {method.name} use store='stages'")
        slots[F], slots[TAPE_SIZE] = rhs.aug(), rhs.tape_size
        slots[STAGE_STRIDE], slots[TAPE_STRIDE] = 8 * rhs.n, 8 * rhs.tape_size
    return slots


@lru_cache(maxsize=256)
def _slot_options(method: Any, level: int, dense: bool, max_steps: int, n_reset: int) -> np.ndarray:
    if max_steps <= 0:
        raise ValueError("`max_steps` must be positive.")
    slots = np.zeros(N_SLOTS, np.int64)
    slots[[STEP, EXTRA_STEP, N_STAGES, N_EXTRA, FSAL]] = method.step, method.step, method.n_stages, method.n_extra, method.fsal
    slots[[F_CALLS, AFTER]] = method.f_calls, method.after
    slots[[STORE, EVERY, DENSE, MAX_STEPS, MAX_STEPS_ASKED, N_RESET]] = level, 1, dense, max_steps, max_steps, n_reset
    return slots


def new_reals(method: Any, n: int, t_span, first_step, max_step, min_step, fixed_step, controller: Controller) -> np.ndarray:
    """The float slots of a solve that has not begun; ValueError for sizes that cannot be."""
    t0, t_end = t_span
    length = abs(t_end - t0)
    if not (abs(t0) < math.inf and length <= math.inf):
        raise ValueError(f"`t_span` must begin at a finite time, not {t_span!r}")
    for name, size in (("first_step", first_step), ("fixed_step", fixed_step)):
        if size is not None and not 0 < size <= length:
            raise ValueError(f"`{name}` must be positive." if not size > 0 else f"`{name}` exceeds bounds.")
    head = _real_options(method, first_step or 0.0, max_step, min_step, fixed_step or 0.0, controller)
    reals = np.empty(HEAD + (5 + len(method.dense)) * n)
    reals[:HEAD] = head
    reals[T], reals[T_END] = t0, t_end
    return reals


@lru_cache(maxsize=256)
def _real_options(method: Any, first_step, max_step, min_step, fixed_step, controller: Controller) -> np.ndarray:
    if not max_step > 0:
        raise ValueError("`max_step` must be positive.")
    if not min_step >= 0:
        raise ValueError("`min_step` must be nonnegative.")
    if fixed_step == 0.0 and not method.adaptive:
        raise ValueError(f"{method.name} has no error estimate: pass fixed_step=<size>, or choose an adaptive method such as Tsit5")
    if fixed_step != 0.0 and method.name == "NDF":
        raise ValueError("NDF chooses order and step size together: leave fixed_step out, or choose another method such as KenCarp4")
    head, q = np.zeros(HEAD), method.error_order + 1
    head[[FIRST_STEP, FIXED_STEP, MAX_STEP, MIN_STEP]] = first_step, fixed_step, max_step, min_step
    head[[SAFETY, SHRINK, GROW]] = controller.safety, controller.shrink, controller.grow
    head[[BETA_1, BETA_2, BETA_3, ALPHA]] = *controller.exponents(q), 1 / q
    return head


def scales(reals: np.ndarray, n: int, rtol: Any, atol: Any) -> None:
    """Put the tolerances in their place; components with infinite atol do not count in the error norm.

    Raises ValueError for negative ones and wrong shapes; an rtol below 100 eps is raised to that with a warning, as in SciPy.
    """
    if type(rtol) is float and type(atol) is float and rtol >= SMALLEST_RTOL and 0.0 <= atol < math.inf:
        reals[RTOL], reals[ATOL] = rtol, atol
        return
    rtol, atol = np.asarray(rtol, float), np.asarray(atol, float)
    rtol = rtol.reshape(()) if rtol.shape == (1,) else rtol  # as in SciPy, for rtol only
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value.ndim > 0 and value.shape != (n,):
            raise ValueError(f"`{name}` has wrong shape.")
        if not np.all(value >= 0):
            raise ValueError(f"`{name}` must be positive.")
    if np.any(rtol < SMALLEST_RTOL):
        text = f"At least one element of `rtol` is too small. Setting `rtol = np.maximum(rtol, {SMALLEST_RTOL})`."
        warnings.warn(text, stacklevel=3)
        rtol = np.maximum(rtol, SMALLEST_RTOL)
    reals[RTOL] = -1.0
    reals[HEAD : HEAD + n] = atol
    reals[HEAD + n : HEAD + 2 * n] = rtol
    reals[ONE_PER_COUNT] = 1 / max(np.isfinite(reals[HEAD : HEAD + n]).sum(), 1)
