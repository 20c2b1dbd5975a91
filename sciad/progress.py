"""A progress bar that shows the value at hand and the milliseconds of a step."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Meter", "fraction_bar"]

BAR = "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


class Meter:
    """A tqdm bar over `total` steps, or nothing; counts in Python and touches the bar a few times a second only."""

    def __init__(self, total: int, show: bool = True, name: str = "loss") -> None:
        self._name, self._bar, self._steps, self._shown = name, None, 0, 0
        self._last = time.perf_counter()
        if show:
            from tqdm import tqdm  # here: `import sciad` stays light

            self._interval = 0.1 if sys.stderr.isatty() else 2.0  # a log file or notebook gets a line now and then
            self._bar = tqdm(total=total, bar_format=BAR, mininterval=0.0, file=sys.stderr)

    def step(self, value: float) -> None:
        """One more step is done, at this value."""
        if self._bar is None:
            return
        self._steps += 1
        now = time.perf_counter()
        if now - self._last >= self._interval or self._steps == self._bar.total:
            each = 1e3 * (now - self._last) / (self._steps - self._shown)
            self._bar.set_postfix_str(f"{self._name} {value:.4g}, {each:.3g} ms/step", refresh=False)
            self._bar.update(self._steps - self._shown)
            self._last, self._shown = now, self._steps

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.update(self._steps - self._shown)
            self._bar.close()


@contextmanager
def fraction_bar(name: str) -> Iterator[Callable[[float], None]]:
    """A bar in percent; gives the function that is told the fraction done."""
    from tqdm import tqdm

    with tqdm(total=100, desc=name, bar_format="{desc} {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]", file=sys.stderr) as bar:
        yield lambda fraction: bar.update(round(100 * fraction) - bar.n)
        bar.update(100 - bar.n)
